//! What runs beside the requests. Each job is one file, and one line in [`crate::serve`].

pub mod budgets;
pub mod drain;
pub mod refresh;
pub mod retention;
pub mod webhooks;
