//! `POST /checks/{id}/resolve`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::trail::CheckDecision;
use rungate_gateway::trail::Resolving;
use serde::Deserialize;
use utoipa::ToSchema;

use super::get::{failed, require};
use super::view::CheckView;
use crate::api::auth::Writer;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Request};
use crate::api::params::Name;
use crate::services::Services;

/// What somebody says of a held action.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolve {
    /// `allow` or `deny`.
    #[schema(value_type = String)]
    decision: CheckDecision,
    /// Why, for people; at most 1 000 characters.
    #[serde(default)]
    note: Option<String>,
}

impl Request for Resolve {
    fn check(&self, checks: &mut Checks) {
        checks.length_of("note", self.note.as_ref(), 0..=1_000);
        if self.decision == CheckDecision::Hold {
            checks.fail("decision", "enum", "must be allow or deny");
        }
    }
}

/// Allow or deny a held action, once. The agent that waits for it hears of it at once, and asks again with the id of the hold.
#[utoipa::path(post, path = "/api/v1/checks/{id}/resolve", tag = "Checks", request_body = Resolve,
    params(("id" = String, Path, description = "The id of the check")),
    responses((status = 200, body = Envelope<CheckView>)))]
pub async fn resolve(
    State(services): State<Arc<Services>>,
    Writer(caller): Writer,
    Name(id): Name,
    Json(body): Json<Resolve>,
) -> Result<Response, ApiError> {
    let found = require(&services, caller.workspace, &id).await?;
    let resolving = Resolving {
        check_id: found.checked.told.id,
        is_allowed: body.decision == CheckDecision::Allow,
        note: body.note,
        by: caller.pat.name.clone(),
    };
    services.trails.resolve(&found.trail, resolving).await.map_err(failed)?;
    require(&services, caller.workspace, &id).await.map(|found| ok(CheckView::from(found)))
}
