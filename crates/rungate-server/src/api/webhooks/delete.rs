//! `DELETE /webhooks/{id}`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::webhook::Webhook;
use rungate_gateway::webhook::remove_webhook;

use crate::api::auth::Admin;
use crate::api::envelope::no_content;
use crate::api::error::ApiError;
use crate::api::params::Id;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Delete a webhook with its deliveries; what is pending is not sent.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn delete(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Id(id): Id,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    let webhook: Webhook = resources::require(&services, caller.workspace, id, "webhook").await?;
    if_match.check(None, &webhook.head)?;
    remove_webhook(&*services.catalog, &webhook).await?;
    Ok(no_content())
}
