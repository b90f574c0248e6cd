//! `GET /price-snapshots`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{INSTALLATION, PriceSnapshot};
use rungate_core::ports::CatalogFilter;
use rungate_gateway::prices::stored;
use serde::Serialize;
use utoipa::ToSchema;

use super::named::EMBEDDED;
use super::view::PriceSnapshotView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::Params;
use crate::api::resources;
use crate::services::Services;

/// Stored price catalogues, and which one requests are priced by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceSnapshotList {
    /// What was chosen: an id, or `embedded`.
    active: String,
    /// What requests are priced by on this node. Another than `active` says when the chosen one cannot be read.
    in_force: String,
    /// The id of the catalogue that the server was built with.
    embedded: String,
    /// The stored ones, newest first.
    #[serde(flatten)]
    list: List<PriceSnapshotView>,
}

/// List the price catalogues of the installation, newest first.
#[utoipa::path(get, path = "/api/v1/price-snapshots", tag = "Prices", params(PagingParams),
    responses((status = 200, body = Envelope<PriceSnapshotList>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    _: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let paging = Paging::read(&params, "price-snapshots")?;
    let active = stored::active(&*services.catalog).await?.and_then(|active| active.snapshot);
    let in_force = services.prices.load().snapshot_id().to_owned();
    let view = |snapshot: PriceSnapshot| PriceSnapshotView::new(snapshot, &in_force);
    let list = resources::list(&services, INSTALLATION, &CatalogFilter::default(), &paging, view).await?;
    Ok(ok(PriceSnapshotList {
        active: active.unwrap_or_else(|| EMBEDDED.to_owned()),
        embedded: services.prices.embedded().snapshot_id().to_owned(),
        list,
        in_force,
    }))
}
