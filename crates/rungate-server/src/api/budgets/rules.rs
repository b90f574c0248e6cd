//! What is read of a budget, and whom it may limit.

use rungate_core::agent::VirtualKey;
use rungate_core::budget::{Invalid, Limit, Scope, Zone};
use rungate_core::code::Code;
use rungate_core::id::{AgentRef, WorkspaceId};
use rungate_core::money::NanoUsd;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::auth::workspace_entry;
use crate::api::error::ApiError;
use crate::api::{agents, resources};
use crate::services::Services;

/// An amount of US dollars, exact: a JSON number or a decimal string with at most nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usd(pub NanoUsd);

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            _ => return Err(serde::de::Error::custom("must be an amount of US dollars")),
        };
        NanoUsd::parse_usd(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Whose spend a budget limits, as it is sent: an agent is named by either of its ids.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeBody {
    /// `workspace`, `agent`, `virtual_key`, `session` or `run`.
    #[serde(rename = "type")]
    kind: String,
    /// Null on session and run: each one.
    #[serde(default)]
    id: Option<String>,
    /// Whose sessions or runs, where `id` is null.
    #[serde(default)]
    of: Option<OwnerBody>,
}

/// Whose sessions or runs.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerBody {
    /// `agent` or `virtual_key`.
    #[serde(rename = "type")]
    kind: String,
    /// Its id.
    id: String,
}

/// 400 for a broken rule.
pub fn invalid(error: &Invalid) -> ApiError {
    ApiError::field(error.field, "budget", error.reason)
}

/// The scope, all of whose ids are of this workspace; a workspace that is not named is the caller's.
pub async fn scope(services: &Services, workspace: WorkspaceId, body: &ScopeBody) -> Result<Scope, ApiError> {
    let id = match &body.id {
        None if body.kind == "workspace" => Some(workspace.to_string()),
        None => None,
        Some(id) => Some(known(services, workspace, "scope.id", &body.kind, id).await?),
    };
    let of = match &body.of {
        None => None,
        Some(of) => {
            let id = known(services, workspace, "scope.of.id", &of.kind, &of.id).await?;
            Some((of.kind.as_str(), id))
        }
    };
    let of = of.as_ref().map(|(kind, id)| (*kind, id.as_str()));
    Scope::parse(&body.kind, id.as_deref(), of).map_err(|error| invalid(&error))
}

/// The UUID of an agent, key or workspace that is there; other kinds are read as they are.
async fn known(
    services: &Services,
    workspace: WorkspaceId,
    field: &'static str,
    kind: &str,
    id: &str,
) -> Result<String, ApiError> {
    let missing = |what: &str| ApiError::field(field, "exists", format!("names no {what} of this workspace"));
    match kind {
        "workspace" if id.parse() == Ok(workspace) => Ok(workspace.to_string()),
        "workspace" => Err(missing("workspace")),
        "agent" => {
            let reference = AgentRef::parse(id).map_err(|_| missing("agent"))?;
            let agent = agents::find(services, workspace, &reference).await;
            Ok(agent.map_err(|error| named(error, missing("agent")))?.id().to_string())
        }
        "virtual_key" => {
            let id: Uuid = id.parse().map_err(|_| missing("virtual key"))?;
            let key = resources::require::<VirtualKey>(services, workspace, id, "virtual key").await;
            Ok(key.map_err(|error| named(error, missing("virtual key")))?.id().to_string())
        }
        _ => Ok(id.to_owned()),
    }
}

/// What a body names wrongly is the body's fault, not the path's.
fn named(error: ApiError, missing: ApiError) -> ApiError {
    if error.code() == Code::NotFound { missing } else { error }
}

/// The limit of the two fields it can stand in; when both are sent they must agree.
pub fn limit(usd: Option<Usd>, nanos: Option<NanoUsd>, usd_field: &str) -> Result<Option<Limit>, ApiError> {
    let amount = match (usd, nanos) {
        (Some(Usd(usd)), Some(nanos)) if usd != nanos => {
            return Err(ApiError::field(usd_field, "conflict", "contradicts the amount in nano-dollars"));
        }
        (Some(Usd(amount)), _) | (None, Some(amount)) => amount,
        (None, None) => return Ok(None),
    };
    let field = if usd.is_some() { usd_field } else { "limitNanoUsd" };
    Limit::new(amount).map(Some).map_err(|error| ApiError::field(field, "budget", error.reason))
}

/// The workspace's time zone.
pub fn zone(services: &Services, workspace: WorkspaceId) -> Result<Zone, ApiError> {
    let entry = workspace_entry(services, workspace)?;
    Ok(Zone::parse(&entry.workspace.timezone).unwrap_or_default())
}
