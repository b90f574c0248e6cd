//! The simulated provider over real sockets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![expect(clippy::needless_pass_by_value, reason = "`json!` literals read better as values")]

mod anthropic;
mod faults;
mod harness;
mod hooks;
mod openai;
