//! `rungate policies test`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use http::Method;
use serde_json::{Value, json};

use super::{or_unknown, print_json};
use crate::cli::client::{self, Client, Target, encode};
use crate::cli::out;
use crate::cli::render::policies::{self, Evaluation, Replayed};

/// On what.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// A file with a request in JSON: its body, or `{path, body, provider, agentId, virtualKeyId, clientIp, at, run, draft}`
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    request: Option<PathBuf>,
    /// The policy whose version is tried
    #[arg(long, value_name = "ID", requires = "version")]
    policy: Option<String>,
    /// A saved version of it, a draft or not
    #[arg(long, value_name = "NUMBER", requires = "policy")]
    version: Option<u64>,
    /// Try it on stored requests from this time on, such as 2026-11-24T00:00:00Z
    #[arg(long, value_name = "TIME", requires = "policy")]
    from: Option<String>,
    /// Before this time; left out: now
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Test {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        match (&self.request, &self.from) {
            (Some(_), _) => self.evaluate(&client).await,
            (None, Some(from)) => self.replay(&client, from).await,
            (None, None) => bail!("on what? --request FILE, or --policy ID --version NUMBER --from TIME"),
        }
    }

    async fn evaluate(&self, client: &Client) -> anyhow::Result<()> {
        let Some(file) = &self.request else { return Ok(()) };
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| shown.to_string())?;
        let sent: Value = serde_json::from_str(&text).with_context(|| format!("{shown} is no JSON"))?;
        let mut sample = if sent["body"].is_object() { sent } else { json!({ "body": sent }) };
        if let (Some(policy), Some(version)) = (&self.policy, self.version) {
            sample["draft"] = json!({ "policyId": policy, "version": version });
        }
        let said = client.send(Method::POST, "/api/v1/policies/evaluate", &sample).await?;
        if self.json {
            return print_json(&said);
        }
        let evaluation: Evaluation = client::read(&said)?;
        Ok(out::print(&policies::evaluation(&evaluation))?)
    }

    async fn replay(&self, client: &Client, from: &str) -> anyhow::Result<()> {
        let (Some(policy), Some(version)) = (&self.policy, self.version) else {
            bail!("which version? --policy ID --version NUMBER");
        };
        let path = format!("/api/v1/policies/{}/replay", encode(policy));
        let (mut sum, mut from) = (Replayed::default(), from.to_owned());
        loop {
            let body = json!({ "version": version, "from": from, "to": self.to });
            let part = or_unknown(client.send(Method::POST, &path, &body).await, policy)?;
            sum.add(client::read(&part)?);
            let Some(next) = part["nextFrom"].as_str() else { break };
            // Requests of one moment would come again and again.
            if next == from {
                bail!("more than 10000 requests came at {next}; try a narrower time");
            }
            next.clone_into(&mut from);
            if !self.json {
                out::complain(&format!("{} requests up to {from}", sum.requests));
            }
        }
        if self.json {
            return print_json(&serde_json::to_value(&sum)?);
        }
        Ok(out::print(&policies::replayed(&sum))?)
    }
}
