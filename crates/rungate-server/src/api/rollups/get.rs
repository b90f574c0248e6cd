//! `GET /analytics/rollup`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::code::Code;

use super::query::{self, RollupParams};
use super::view::RollupView;
use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Params;
use crate::api::requests::fresh::caught_up;
use crate::services::Services;

/// An answer has at most so many rows.
const MAX_ROWS: usize = 10_000;

/// Add up requests that have ended, by hour, by day or in all, and by what they have in common. Ordered by time, then the
/// most expensive first; a time without requests has no row. Hours are kept for 400 days, days for ever, both longer than
/// the requests themselves.
#[utoipa::path(get, path = "/api/v1/analytics/rollup", tag = "Analytics", params(RollupParams),
    responses((status = 200, body = Envelope<RollupView>)))]
pub async fn get(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    let query = query::read(&params, &workspace, services.clock.now())?;
    caught_up(&services).await;
    let rows = services.log.rollup(caller.workspace, &query).await?;
    if rows.len() > MAX_ROWS {
        let message = format!("the answer has {} rows; at most {MAX_ROWS} are given", rows.len());
        return Err(ApiError::new(Code::WindowTooLong, message).at("from"));
    }
    Ok(ok(RollupView::of(&query, rows)))
}
