//! `GET /workspaces/{id}/stats`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::ResourceKind;
use rungate_core::exchange::{RollupOf, RollupQuery};
use rungate_core::ports::CatalogFilter;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::services::Services;

/// What a workspace has and did, in all.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WorkspaceStats)]
pub struct StatsView {
    /// Agents, archived and self-reported ones included.
    agents: u64,
    /// Virtual keys, revoked ones included.
    virtual_keys: u64,
    /// Provider keys.
    provider_keys: u64,
    /// Members.
    members: u64,
    /// Requests that have ended.
    requests: u64,
    /// Those that count as errors.
    errors: u64,
    /// Sum of the known costs in nano-dollars.
    cost_nano_usd: String,
    /// Sum of the known costs in US dollars.
    #[schema(value_type = f64)]
    cost_usd: serde_json::Number,
    /// Requests whose cost is unknown; not in the sum.
    unknown_cost_requests: u64,
}

/// Count what a workspace has and did.
#[utoipa::path(get, path = "/api/v1/workspaces/{id}/stats", tag = "Workspaces", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<StatsView>)))]
pub async fn stats(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let workspace = super::own(&services, caller.workspace, id).await?.id();
    let everything = CatalogFilter::default();
    let count = async |kind| services.catalog.count(kind, workspace, &everything).await;
    let rows = services.log.rollup(workspace, &RollupQuery::ever(RollupOf::ALL)).await?;
    let totals = rows.first().map(|row| row.sums.totals).unwrap_or_default();
    Ok(ok(StatsView {
        agents: count(ResourceKind::Agent).await?,
        virtual_keys: count(ResourceKind::VirtualKey).await?,
        provider_keys: count(ResourceKind::ProviderKey).await?,
        members: count(ResourceKind::Member).await?,
        requests: totals.requests,
        errors: totals.errors,
        cost_nano_usd: totals.cost.nanos().to_string(),
        cost_usd: totals.cost.to_usd_number(),
        unknown_cost_requests: totals.unknown_cost_requests,
    }))
}
