//! `GET` and `PUT /analytics/rollup-properties`: which properties are rolled up.
//!
//! The log keeps them, not the settings of the workspace: what is added up and what is said to be must not differ.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::exchange::MAX_ROLLUP_PROPERTIES;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::{Admin, Caller};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Request};
use crate::api::requests::query::is_property_key;
use crate::services::Services;

/// The properties that are rolled up.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RollupProperties)]
pub struct Properties {
    /// At most 10 keys of properties, in lower case. Of each, up to 10 000 values a day are told apart, in the order
    /// their requests ended; any others of that day are added up as one.
    keys: Vec<String>,
}

impl Request for Properties {
    fn check(&self, checks: &mut Checks) {
        if self.keys.len() > MAX_ROLLUP_PROPERTIES {
            checks.fail("keys", "length", format!("must have at most {MAX_ROLLUP_PROPERTIES} keys"));
        }
        for (at, key) in self.keys.iter().enumerate() {
            if !is_property_key(key) {
                let message = "must be 1 to 64 characters of a-z 0-9 _ - that start with a letter or digit";
                checks.fail(format!("keys[{at}]"), "format", message);
            }
        }
    }
}

/// Say which properties are rolled up.
#[utoipa::path(get, path = "/api/v1/analytics/rollup-properties", tag = "Analytics",
    responses((status = 200, body = Envelope<Properties>)))]
pub async fn get(State(services): State<Arc<Services>>, caller: Caller) -> Result<Response, ApiError> {
    Ok(ok(Properties { keys: services.log.rollup_properties(caller.workspace).await? }))
}

/// Set which properties are rolled up. A new key is filled from the requests that are kept before this answers; the sums
/// of a key that is left out are dropped. When it fails halfway, say it again.
#[utoipa::path(put, path = "/api/v1/analytics/rollup-properties", tag = "Analytics", request_body = Properties,
    responses((status = 200, body = Envelope<Properties>)))]
pub async fn put(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Json(body): Json<Properties>,
) -> Result<Response, ApiError> {
    let mut keys = body.keys;
    keys.sort_unstable();
    keys.dedup();
    services.log.set_rollup_properties(caller.workspace, &keys).await?;
    Ok(ok(Properties { keys }))
}
