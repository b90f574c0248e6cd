//! The exchange: our whole handling of one HTTP request, and the record it leaves.

mod erasure;
mod filter;
mod frame;
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the names of a dozen types would hide the fields"
)]
mod json;
mod record;
mod rollup;
mod view;
pub use erasure::*;
pub use filter::*;
pub use frame::*;
pub use record::*;
pub use rollup::*;
pub use view::*;
