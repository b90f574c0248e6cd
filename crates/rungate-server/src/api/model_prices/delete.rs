//! `DELETE /model-prices/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{PriceOverride, Resource as _};
use rungate_core::ports::Write;

use crate::api::auth::Admin;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Withdraw a price: the one before it, or the catalogue's, is in force again. Rows that it priced keep their cost, and
/// `/price-snapshots` goes on showing it.
#[utoipa::path(delete, path = "/api/v1/model-prices/{id}", tag = "Prices", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    let mut price: PriceOverride = resources::require(&services, caller.workspace, id, "price").await?;
    if_match.check(None, &price.head)?;
    if price.deleted_at.is_none() {
        let now = services.clock.now();
        price.deleted_at = Some(now);
        resources::commit(&services, vec![Write::update(&price.touched(now))?]).await?;
    }
    Ok(no_content())
}
