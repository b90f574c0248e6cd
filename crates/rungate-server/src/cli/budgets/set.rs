//! `rungate budgets set`

use anyhow::bail;
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::client::{self, Client, Query, Target, encode};
use crate::cli::out;
use crate::cli::render::budgets;
use crate::cli::render::look::Look;

const MOST: usize = 1_000;

/// How much, and of whose spend.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// The most that may be spent in one window, in US dollars
    limit_usd: String,
    /// Whose spend: workspace, agent:ID, virtual_key:ID, session, session:ID, run or run:ID; without an id each session or run by itself
    #[arg(long, default_value = "workspace")]
    scope: String,
    /// daily, weekly, monthly, yearly or total
    #[arg(long, default_value = "monthly")]
    window: String,
    /// Where days begin, such as Europe/Berlin [default: the workspace's]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// What happens to a request that does not fit: block_requests, clamp, alert_only or disable_key
    #[arg(long)]
    action: Option<String>,
    /// Percentages whose crossing is reported, such as 50,80,100
    #[arg(long, value_delimiter = ',')]
    thresholds: Option<Vec<u16>>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Set {
    /// Runs it.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = Client::of(&self.target)?;
        let (kind, id) = match self.scope.split_once(':') {
            Some((kind, id)) => (kind, Some(id)),
            None => (self.scope.as_str(), None),
        };
        let mut body = Map::new();
        body.insert("limitUsd".to_owned(), json!(self.limit_usd));
        let given = [
            ("timezone", self.timezone.as_ref().map(|zone| json!(zone))),
            ("action", self.action.as_ref().map(|action| json!(action))),
            ("thresholds", self.thresholds.as_ref().map(|thresholds| json!(thresholds))),
        ];
        body.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let mut query = Query::of("/api/v1/budgets").with("scopeType", kind);
        if let Some(id) = id {
            query = query.with("scopeId", id);
        }
        let listed = client.list(&query, MOST).await?;
        let is_same = |row: &&Value| {
            let same_id = id.is_some() || kind == "workspace" || row["scope"]["id"].is_null();
            row["window"] == self.window.as_str() && same_id && row["scope"]["of"].is_null()
        };
        let mut same = listed.rows.iter().filter(is_same);
        let set = match (same.next(), same.next()) {
            (Some(_), Some(_)) => bail!(
                "{} has several budgets for {}: change one of them by its id at /api/v1/budgets/{{id}}, or delete the others",
                self.scope,
                self.window
            ),
            (Some(known), None) => {
                let path = format!("/api/v1/budgets/{}", encode(known["id"].as_str().unwrap_or_default()));
                client.send(Method::PATCH, &path, &Value::Object(body)).await?
            }
            (None, _) => {
                body.insert("scope".to_owned(), json!({ "type": kind, "id": id }));
                body.insert("window".to_owned(), json!(self.window));
                client.send(Method::POST, "/api/v1/budgets", &Value::Object(body)).await?
            }
        };
        if self.json {
            return Ok(out::print(&format!("{}\n", serde_json::to_string_pretty(&set)?))?);
        }
        Ok(out::print(&budgets::budgets(&[client::read(&set)?]).render(Look::PLAIN))?)
    }
}
