//! `GET /price-snapshots/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::PriceOverride;
use rungate_llm::catalog::Model;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::named;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::models::view::ModelView;
use crate::api::params::Name;
use crate::api::resources;
use crate::services::Services;

/// The prices that rows name as their `priceSnapshotId`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    /// The snapshot's id.
    id: String,
    /// `catalogue`, or `override` for one price of the workspace's own.
    kind: &'static str,
    /// Every model with its price.
    models: Vec<ModelView>,
}

/// Read the prices behind a `priceSnapshotId`: a catalogue, or one price of the workspace's own. `embedded` and `active`
/// name catalogues too.
#[utoipa::path(get, path = "/api/v1/price-snapshots/{id}", tag = "Prices", params(("id" = String, Path)),
    responses((status = 200, body = Envelope<SnapshotView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
) -> Result<Response, ApiError> {
    if let Some(catalogue) = named::find(&services, &id).await? {
        let snapshot = catalogue.snapshot_id();
        let prices =
            |model: &Model| (!model.prices.is_empty()).then(|| serde_json::to_value(&model.prices).ok());
        let all = catalogue.models().iter();
        let models = all.map(|model| ModelView::new(model, prices(model).flatten(), snapshot)).collect();
        return Ok(ok(SnapshotView { id: snapshot.to_owned(), kind: "catalogue", models }));
    }
    let own: Option<Uuid> = id.strip_prefix("override-").and_then(|id| id.parse().ok());
    let Some(own) = own else { return Err(ApiError::not_found("price snapshot")) };
    let price: PriceOverride = resources::require(&services, caller.workspace, own, "price snapshot").await?;
    let models = vec![ModelView::of_override(&price, &id)];
    Ok(ok(SnapshotView { id, kind: "override", models }))
}
