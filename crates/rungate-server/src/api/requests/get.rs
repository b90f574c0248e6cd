//! `GET /requests/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::find;
use super::fresh::caught_up_about;
use super::view::RequestView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::services::Services;

/// One request.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestDetail {
    /// The request; the newest one where the id names several.
    #[serde(flatten)]
    pub request: RequestView,
    /// How many requests the id names, at most 1 000.
    pub matches: usize,
}

/// Read a request by our id or by its `x-request-id`.
#[utoipa::path(get, path = "/api/v1/requests/{id}", tag = "Requests",
    params(("id" = String, Path, description = "Our id, or an x-request-id")),
    responses((status = 200, body = Envelope<RequestDetail>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Name(id): Name,
) -> Result<Response, ApiError> {
    if let Some(row) = find::settled(&services, caller.workspace, &id).await? {
        return Ok(ok(RequestDetail { request: row.into(), matches: 1 }));
    }
    caught_up_about(&services, &id).await;
    let (row, matches) = find::require(&services, caller.workspace, &id).await?;
    Ok(ok(RequestDetail { request: row.into(), matches }))
}
