//! `PATCH /workspaces/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::Resource as _;
use rungate_core::ports::Write;
use serde::Deserialize;
use utoipa::ToSchema;

use super::settings::UpdateSettings;
use super::view::WorkspaceView;
use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Checks, Json, Later, Request, later};
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Changes to a workspace.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateWorkspace {
    /// 1 to 100 characters.
    name: Option<String>,
    /// IANA name, such as `Europe/Berlin`.
    timezone: Option<String>,
    /// What is absent stays.
    settings: Option<UpdateSettings>,
    /// The version this change rests on.
    version: Option<u64>,
}

impl Request for UpdateWorkspace {
    const LATER: &'static [Later] = &[later("status").unless("\"active\"")];

    fn check(&self, checks: &mut Checks) {
        checks.length_of("name", self.name.as_ref(), 1..=100);
        if let Some(timezone) = &self.timezone
            && !is_zone_name(timezone)
        {
            checks.fail("timezone", "format", "must be an IANA name, such as UTC or Europe/Berlin");
        }
        if let Some(settings) = &self.settings {
            settings.check(checks);
        }
    }
}

/// The shape of an IANA name: nothing in this version reckons with it yet.
fn is_zone_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.split('/').all(|part| {
            part.starts_with(|first: char| first.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
        })
}

/// Change a workspace and its settings.
#[utoipa::path(patch, path = "/api/v1/workspaces/{id}", tag = "Workspaces", params(("id" = String, Path)),
    request_body = UpdateWorkspace, responses((status = 200, body = Envelope<WorkspaceView>)))]
pub async fn update(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
    Json(body): Json<UpdateWorkspace>,
) -> Result<Response, ApiError> {
    let mut workspace = super::own(&services, caller.workspace, id).await?;
    if_match.check(body.version, &workspace.head)?;
    workspace.name = body.name.unwrap_or(workspace.name);
    workspace.timezone = body.timezone.unwrap_or(workspace.timezone);
    if let Some(settings) = body.settings {
        settings.apply(&mut workspace.settings);
    }
    let workspace = workspace.touched(services.clock.now());
    resources::commit(&services, vec![Write::update(&workspace)?]).await?;
    Ok(ok(WorkspaceView::from(workspace)))
}
