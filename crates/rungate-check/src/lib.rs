//! What is said of the actions of agents, and of what they report: pure, without IO, clocks or randomness.

pub mod schema;
