//! `rungate erase`

use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

use crate::cli::client::{Client, Target};
use crate::cli::out;

/// Whose text is to go.
#[derive(Debug, clap::Args)]
pub struct Command {
    #[command(flatten)]
    subject: Subject,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// Everything that carried this user id
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Everything of this session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Everything of this run
    #[arg(long, value_name = "ID")]
    run: Option<String>,
}

impl Subject {
    /// How people call it, and the request for it.
    fn named(&self) -> (String, Value) {
        match (&self.user, &self.session, &self.run) {
            (Some(id), _, _) => (format!("user {id}"), json!({ "userId": id })),
            (_, Some(id), _) => (format!("session {id}"), json!({ "sessionId": id })),
            (_, _, id) => (format!("run {}", id.as_deref().unwrap_or_default()), json!({ "runId": id })),
        }
    }
}

impl Command {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        let (name, body) = self.subject.named();
        let question = format!("The bodies and previews of {name} will be gone for good. Erase them?");
        let sure = self.yes || out::confirm(&question, "pass --yes to erase for good")?;
        ensure!(sure, "nothing was erased");
        let client = Client::of(&self.target)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let erased = runtime.block_on(client.send(Method::POST, "/api/v1/erasures", &body))?;
        if self.json {
            return Ok(out::print(&format!("{}\n", serde_json::to_string_pretty(&erased)?))?);
        }
        let count = |field: &str| erased[field].as_u64().unwrap_or(0);
        out::print(&format!(
            "Erased {} bodies and {} previews from {} requests of {name}; what they cost is kept.\n",
            count("bodies"),
            count("previews"),
            count("requests"),
        ))?;
        let open = count("openRequests");
        if open > 0 {
            out::print(&format!("{open} of them have not ended yet: run this again when they have.\n"))?;
        }
        Ok(())
    }
}
