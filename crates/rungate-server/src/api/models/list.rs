//! `GET /models`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::time::Timestamp;
use rungate_gateway::directory::WorkspaceEntry;
use rungate_gateway::models;
use rungate_llm::catalog::Model;
use rungate_llm::providers;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::ModelView;
use crate::api::auth::{Principal, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Params;
use crate::services::Services;

/// Models that fit a filter: few enough to come in one piece.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelList {
    data: Vec<ModelView>,
    total: usize,
}

/// List the models of the workspace's providers with their prices; with a virtual key, those that it may use.
#[utoipa::path(get, path = "/api/v1/models", tag = "Prices",
    params(("provider" = Option<String>, Query), ("search" = Option<String>, Query)),
    responses((status = 200, body = Envelope<ModelList>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    principal: Principal,
    params: Params,
) -> Result<Response, ApiError> {
    let entry = workspace_entry(&services, principal.workspace())?;
    let catalogue = services.prices.load_full();
    let usable: Option<BTreeSet<String>> = match &principal {
        Principal::Pat(_) => None,
        Principal::VirtualKey(key) => {
            Some(models::usable(key, &catalogue).iter().map(|model| model.id().to_owned()).collect())
        }
    };
    let provider = params.get("provider");
    let search = params.get("search").map(str::to_lowercase);
    let now = services.clock.now();
    let has_key = |id: &str| entry.provider_keys.iter().any(|access| access.provider.id == id);
    let data: Vec<ModelView> = providers::ALL
        .iter()
        .filter(|known| has_key(known.id) && provider.is_none_or(|provider| provider == known.id))
        .flat_map(|known| catalogue.of_provider(known.id).filter(|model| model.offered))
        .map(|model| view(catalogue.snapshot_id(), &entry, model, now))
        .filter(|model| search.as_ref().is_none_or(|search| model.id.to_lowercase().contains(search)))
        .filter(|model| usable.as_ref().is_none_or(|usable| usable.contains(&model.id)))
        .collect();
    Ok(ok(ModelList { total: data.len(), data }))
}

fn view(snapshot: &str, entry: &WorkspaceEntry, model: &Model, now: Timestamp) -> ModelView {
    let prices = model.price_at(now).and_then(|price| serde_json::to_value(price).ok());
    let view = ModelView::new(model, prices, snapshot);
    match entry.price(&model.provider, &model.id, now) {
        Some(own) => view.priced(serde_json::to_value(&own.price).ok(), &own.snapshot_id),
        None => view,
    }
}
