//! The terms of a budget as they are sent, and what they mean.

use rungate_core::agent::{Agent, VirtualKey};
use rungate_core::budget::{BudgetAction, Invalid, Limit, Scope, Thresholds, Window, Zone};
use rungate_core::id::{AgentRef, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::ports;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::error::ApiError;
use crate::services::Services;

/// Whose spend is limited.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeBody {
    /// `workspace`, `agent`, `virtual_key`, `session` or `run`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one; null on `session` and `run`: each by itself. Of an agent its UUID or its external id.
    #[serde(default)]
    pub id: Option<String>,
    /// Whose sessions or runs, where each counts by itself.
    #[serde(default)]
    pub of: Option<OwnerBody>,
}

/// Whose sessions or runs.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerBody {
    /// `agent` or `virtual_key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: String,
}

/// A limit in one of its two spellings, or in both where they agree.
pub fn limit(usd: Option<f64>, nano_usd: Option<&str>) -> Result<Option<Limit>, ApiError> {
    let of_nano = |text: &str| {
        let nanos = text.parse().map(NanoUsd::from_nanos);
        nanos.map_err(|_| ApiError::field("limitNanoUsd", "limit", "must be a whole number as a string"))
    };
    let of_usd = |usd: f64| {
        let rule = "must be a number of US dollars with at most nine decimals";
        NanoUsd::parse_usd(&usd.to_string()).map_err(|_| ApiError::field("limitUsd", "limit", rule))
    };
    let (of_nano, of_usd) = (nano_usd.map(of_nano).transpose()?, usd.map(of_usd).transpose()?);
    if let (Some(usd), Some(nano)) = (of_usd, of_nano)
        && usd != nano
    {
        return Err(ApiError::field("limitUsd", "limit", "must agree with limitNanoUsd"));
    }
    of_nano.or(of_usd).map(|amount| Limit::new(amount).map_err(invalid)).transpose()
}

/// The scope, of which everything is in this workspace.
pub async fn scope(services: &Services, workspace: WorkspaceId, body: &ScopeBody) -> Result<Scope, ApiError> {
    let id = match (body.kind.as_str(), &body.id) {
        ("workspace", None) => Some(workspace.to_string()),
        ("agent", Some(id)) => Some(agent(services, workspace, "scope.id", id).await?.to_string()),
        (_, id) => id.clone(),
    };
    let of = match &body.of {
        Some(of) if of.kind == "agent" => {
            Some((of.kind.as_str(), agent(services, workspace, "scope.of.id", &of.id).await?.to_string()))
        }
        Some(of) => Some((of.kind.as_str(), of.id.clone())),
        None => None,
    };
    let of = of.as_ref().map(|(kind, id)| (*kind, id.as_str()));
    let scope = Scope::parse(&body.kind, id.as_deref(), of).map_err(invalid)?;
    match &scope {
        Scope::Workspace(id) if *id != workspace => {
            return Err(ApiError::field("scope.id", "unknown", "must be this workspace"));
        }
        Scope::VirtualKey(id) => key(services, workspace, "scope.id", id.uuid()).await?,
        _ => {}
    }
    if let Some(rungate_core::budget::Owner::VirtualKey(id)) = scope.of() {
        key(services, workspace, "scope.of.id", id.uuid()).await?;
    }
    Ok(scope)
}

async fn agent(services: &Services, workspace: WorkspaceId, field: &str, id: &str) -> Result<Uuid, ApiError> {
    let unknown = || ApiError::field(field, "unknown", "no such agent in this workspace");
    let reference = AgentRef::parse(id).map_err(|_| unknown())?;
    let directory = services.directories.load();
    let entry = directory.workspace(workspace).ok_or_else(unknown)?;
    let found: &Agent = entry.agent(&reference).ok_or_else(unknown)?;
    Ok(found.head.id)
}

async fn key(services: &Services, workspace: WorkspaceId, field: &str, id: Uuid) -> Result<(), ApiError> {
    let found: Option<VirtualKey> = ports::load(&*services.catalog, workspace, id).await?;
    found.map(drop).ok_or_else(|| ApiError::field(field, "unknown", "no such virtual key in this workspace"))
}

/// The window of that name.
pub fn window(text: &str) -> Result<Window, ApiError> {
    Window::parse(text).map_err(invalid)
}

/// The time zone of that name.
pub fn zone(text: &str) -> Result<Zone, ApiError> {
    Zone::parse(text).map_err(invalid)
}

/// The action of that spelling.
pub fn action(text: &str) -> Result<BudgetAction, ApiError> {
    BudgetAction::parse(text).map_err(invalid)
}

/// The percentages.
pub fn thresholds(percents: Vec<u16>) -> Result<Thresholds, ApiError> {
    Thresholds::new(percents).map_err(invalid)
}

fn invalid(invalid: Invalid) -> ApiError {
    ApiError::field(invalid.field, "budget", invalid.reason)
}
