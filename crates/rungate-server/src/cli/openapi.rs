//! `rungate openapi`

use clap::Args;

use super::out;
use crate::api::openapi;

/// What `rungate openapi` takes: nothing.
#[derive(Debug, Args)]
pub struct Command {}

impl Command {
    /// Prints the description of the API.
    #[expect(clippy::unused_self, reason = "every command has the same signature")]
    pub fn run(self) -> anyhow::Result<()> {
        Ok(out::print(&format!("{:#}\n", openapi::document()))?)
    }
}
