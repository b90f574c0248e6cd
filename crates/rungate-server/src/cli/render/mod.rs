//! What the commands show to people, made from the API's answers: tables and timelines as plain text. It asks nobody
//! and prints nothing, so that tests see the very text.

pub mod budgets;
pub mod facts;
pub mod look;
pub mod policies;
pub mod prices;
pub mod repriced;
pub mod request;
pub mod row;
pub mod run;
pub mod spend;
pub mod table;
pub mod text;
pub mod webhooks;

#[cfg(test)]
mod tests;
