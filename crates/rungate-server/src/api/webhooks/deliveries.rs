//! `GET /webhooks/{id}/deliveries`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::webhook::{Delivery, DeliveryStatus, EventType, Webhook};

use super::view::DeliveryView;
use crate::api::auth::Caller;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{List, Paging, PagingParams};
use crate::api::params::{Id, Params};
use crate::api::resources;
use crate::services::Services;

/// List what was left for a webhook, newest first.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "Webhooks",
    params(("id" = String, Path), PagingParams, ("status" = Option<String>, Query), ("type" = Option<String>, Query)),
    responses((status = 200, body = Envelope<List<DeliveryView>>)))]
pub async fn list(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(id): Id,
    params: Params,
) -> Result<Response, ApiError> {
    let webhook: Webhook = resources::require(&services, caller.workspace, id, "webhook").await?;
    let mut filter = resources::facet("webhook", &[&webhook.id().to_string()]);
    let statuses = params.one_of("status", &DeliveryStatus::ALL.map(DeliveryStatus::as_str))?;
    let known: Vec<&str> = EventType::ALL.iter().map(|event_type| event_type.as_str()).collect();
    let types = params.one_of("type", &known)?;
    let named = [("status", statuses), ("type", types)];
    let asked = named.into_iter().filter(|(_, values)| !values.is_empty());
    filter.facets.extend(asked.map(|(name, values)| (name.to_owned(), values)));
    let paging = Paging::read(&params, format!("deliveries/{id}"))?;
    let view = |delivery: Delivery| DeliveryView::from(delivery);
    Ok(ok(resources::list(&services, caller.workspace, &filter, &paging, view).await?))
}
