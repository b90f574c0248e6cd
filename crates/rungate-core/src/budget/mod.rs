//! Budgets: how much a scope may spend in a window of time, and the book that holds requests to it.
//!
//! [`Budget`] is the resource an operator writes, [`Window`] says when its spend starts again from nothing, and
//! [`Book`] keeps what is spent and reserved. Nothing here reads a clock or a store: an exchange brings the time
//! it was created at, and the book says which past spend it has to be told.

mod book;
mod resource;
mod scope;
mod terms;
mod window;

pub use book::{
    AccountKey, Book, Held, Loaded, Notice, Past, Refused, Reservation, Settlement, Shortfall, Usage,
    UsageStatus, Wanted,
};
pub use resource::Budget;
pub use scope::{Owner, Scope, Spender};
pub use terms::{BudgetAction, Invalid, Limit, Thresholds};
pub use window::{Span, Window, Zone};
