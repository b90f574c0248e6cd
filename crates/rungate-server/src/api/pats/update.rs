//! `PATCH /pats/{id}`

use std::sync::Arc;

use axum::Json as AxumJson;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use rungate_core::agent::{Pat, Resource as _};
use rungate_core::ports::Write;
use rungate_core::time::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::check_expiry;
use super::view::PatView;
use crate::api::auth::{Admin, workspace_entry};
use crate::api::envelope::{Envelope, superset, to_json};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Request, nullable};
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Changes to a personal access token. What it may do is fixed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePat {
    /// 1 to 100 characters.
    name: Option<String>,
    /// Null: never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// The version this change rests on.
    version: Option<u64>,
}

impl Request for UpdatePat {
    fn check(&self, checks: &mut Checks) {
        checks.length_of("name", self.name.as_ref(), 1..=100);
    }
}

/// Rename a token or change when it expires.
#[utoipa::path(patch, path = "/api/v1/pats/{id}", tag = "Personal access tokens", params(("id" = String, Path)),
    request_body = UpdatePat, responses((status = 200, body = Envelope<PatView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
    Json(body): Json<UpdatePat>,
) -> Result<Response, ApiError> {
    let mut pat: Pat = resources::require(&services, caller.workspace, id, "token").await?;
    if pat.revoked_at.is_some() {
        return Err(ApiError::not_found("token"));
    }
    if_match.check(body.version, &pat.head)?;
    let now = services.clock.now();
    if let Some(expires_at) = body.expires_at {
        check_expiry(expires_at, now)?;
        pat.expires_at = expires_at;
    }
    pat.name = body.name.unwrap_or(pat.name);
    let pat = pat.touched(now);
    resources::commit(&services, vec![Write::update(&pat)?]).await?;
    let entry = workspace_entry(&services, caller.workspace)?;
    Ok(AxumJson(superset(to_json(&PatView::new(pat, &entry.workspace.name))?)).into_response())
}
