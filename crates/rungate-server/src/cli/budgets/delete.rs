//! `rungate budgets delete`

use anyhow::bail;
use http::{HeaderMap, Method, StatusCode};

use crate::cli::client::{Client, ClientError, Target, encode};
use crate::cli::out;

/// Which budget.
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// Its id
    id: String,
    #[command(flatten)]
    target: Target,
}

impl Delete {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let path = format!("/api/v1/budgets/{}", encode(&self.id));
        // Asked first: it says what is wrong with the token or the address, as every command does.
        let found = client.get(&path).await;
        if found.as_ref().is_err_and(ClientError::is_not_found) {
            bail!("no budget has the id `{}`; `rungate budgets list` lists those that there are", self.id);
        }
        found?;
        let answer = client.fetch(Method::DELETE, &path, &HeaderMap::new(), None).await?;
        if answer.status != StatusCode::NO_CONTENT {
            bail!("it was not deleted: {}", answer.json()["message"].as_str().unwrap_or_default());
        }
        Ok(out::print("The budget is deleted.\n")?)
    }
}
