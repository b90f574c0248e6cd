//! `POST /pats`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use rungate_core::agent::{Head, Pat, Scope};
use rungate_core::ports::{Write, fresh_uuid};
use rungate_core::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::view::PatView;
use super::{check_expiry, check_scopes};
use crate::api::auth::{Admin, workspace_entry};
use crate::api::envelope::{Envelope, superset, to_json};
use crate::api::error::ApiError;
use crate::api::idempotency::Post;
use crate::api::json::{Checks, Request};
use crate::services::Services;
use crate::token;

/// A new personal access token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePat {
    /// 1 to 100 characters.
    name: String,
    /// `read`, `write`, `admin`; they nest.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// Refused from this time on; absent: never.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl Request for CreatePat {
    fn check(&self, checks: &mut Checks) {
        checks.length("name", &self.name, 1..=100);
    }
}

/// Make a personal access token; it is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/pats", tag = "Personal access tokens", request_body = CreatePat,
    responses((status = 201, body = Envelope<PatView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Post { body, once }: Post<CreatePat>,
) -> Result<Response, ApiError> {
    let now = services.clock.now();
    check_scopes(&body.scopes, caller.scope)?;
    check_expiry(body.expires_at, now)?;
    let entry = workspace_entry(&services, caller.workspace)?;
    let secret = token::fresh_pat(caller.workspace, &*services.entropy);
    let pat = Pat {
        head: Head::new(fresh_uuid(&*services.entropy, now), caller.workspace, now),
        name: body.name,
        token_prefix: token::shown_prefix(&secret),
        token_hash: services.hasher.hash(secret.expose()),
        scopes: body.scopes,
        member_id: caller.member(),
        is_owner_token: false,
        expires_at: body.expires_at,
        revoked_at: None,
    };
    let writes = vec![Write::insert(&pat)?];
    let mut data = to_json(&PatView::new(pat, &entry.workspace.name))?;
    data["token"] = json!(secret.expose());
    once.commit(&services, writes, StatusCode::CREATED, superset(data)).await
}
