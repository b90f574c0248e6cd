//! What is said of the actions of agents, and of what they report: pure, without IO, clocks or randomness.
//!
//! Reading order: `normalise` brings values and texts into forms that can be compared; `state` is what a run has said so far, by
//! who said it; `action` is what an agent is about to do; `facts` holds the one against the other; `decide` gives the verdict, over
//! the facts alone; `schema` holds contents against the schemas they come with.

pub mod action;
pub mod decide;
pub mod facts;
pub mod normalise;
pub mod schema;
pub mod state;
