//! `GET /model-prices/resolve`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Params;
use crate::api::price_snapshots::named::{self, ACTIVE};
use crate::services::Services;

/// The price of a model at a time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPrice {
    /// The provider's id.
    provider: String,
    /// The model as it was asked for.
    model: String,
    /// The name that its price is listed under; null when it has none.
    listed_as: Option<String>,
    /// The time that the price is for.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `override` or `catalogue`; null when no price is known.
    price_source: Option<&'static str>,
    /// What requests at that time name as their `priceSnapshotId`.
    price_snapshot_id: Option<String>,
    /// US dollars as decimal strings; null when no price is known.
    #[schema(value_type = Option<Object>)]
    prices: Option<Value>,
}

/// Tell which price a request to a model is charged at, by the rule that requests are priced by: the workspace's own
/// before the catalogue's, as of a time.
#[utoipa::path(get, path = "/api/v1/model-prices/resolve", tag = "Prices",
    params(
        ("model" = String, Query, description = "`provider/model`"),
        ("at" = Option<String>, Query, description = "RFC 3339; by default now"),
        ("snapshot" = Option<String>, Query, description = "An id, `embedded` or `active` (default)"),
    ),
    responses((status = 200, body = Envelope<ResolvedPrice>)))]
pub async fn resolve(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let named = params.get("model").and_then(|model| model.split_once('/'));
    let Some((provider, model)) = named.filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
    else {
        return Err(ApiError::field("model", "format", "must be provider/model, such as openai/gpt-4o-mini"));
    };
    let at = match params.get("at") {
        Some(text) => {
            Timestamp::parse(text).map_err(|error| ApiError::field("at", "format", error.to_string()))?
        }
        None => services.clock.now(),
    };
    let workspace = workspace_entry(&services, caller.workspace)?;
    let catalogue = named::require(&services, params.get("snapshot").unwrap_or(ACTIVE)).await?;
    let mut found = ResolvedPrice {
        provider: provider.to_owned(),
        model: model.to_owned(),
        listed_as: None,
        at,
        price_source: None,
        price_snapshot_id: None,
        prices: None,
    };
    if let Some(own) = workspace.price(provider, model, at) {
        found.listed_as = Some(model.to_owned());
        found.price_source = Some("override");
        found.price_snapshot_id = Some(own.snapshot_id.clone());
        found.prices = serde_json::to_value(&own.price).ok();
    } else if let Some(listed) = catalogue.model(provider, model) {
        found.listed_as = Some(listed.id.to_string());
        if let Some(price) = listed.price_at(at) {
            found.price_source = Some("catalogue");
            found.price_snapshot_id = Some(catalogue.snapshot_id().to_owned());
            found.prices = serde_json::to_value(price).ok();
        }
    }
    Ok(ok(found))
}
