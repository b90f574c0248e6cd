//! `POST /price-snapshots/{id}/activate`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::{ActivePrices, Resource as _};
use rungate_core::code::Code;
use rungate_core::ports::Write;
use rungate_core::time::Timestamp;
use rungate_gateway::prices::stored;
use serde::Serialize;
use utoipa::ToSchema;

use super::named::{self, ACTIVE, EMBEDDED};
use crate::api::auth::Operator;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::params::Name;
use crate::api::resources;
use crate::api::version::IfMatch;
use crate::services::Services;

/// Which price catalogue requests are priced by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivePricesView {
    /// What was chosen: an id, or `embedded`.
    active: String,
    /// What requests are priced by on this node.
    in_force: String,
    /// When it was chosen.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Counts the choices; send it back in `If-Match` to choose only if nobody else has.
    version: u64,
}

/// Price all requests from now on by a stored catalogue, on every node within a second. Costs that were recorded stay as
/// they are. `embedded` goes back to the catalogue that the server was built with.
#[utoipa::path(post, path = "/api/v1/price-snapshots/{id}/activate", tag = "Prices",
    params(("id" = String, Path, description = "An id, or `embedded`")),
    responses((status = 200, body = Envelope<ActivePricesView>)))]
pub async fn activate(
    State(services): State<Arc<Services>>,
    Operator(caller): Operator,
    Name(id): Name,
    if_match: IfMatch,
) -> Result<Response, ApiError> {
    // Read in full before it is chosen: what cannot be read must not come in force.
    if id == ACTIVE {
        return Err(ApiError::not_found("price snapshot"));
    }
    named::require(&services, &id).await?;
    let snapshot = (id != EMBEDDED).then_some(id);
    let now = services.clock.now();
    let active = match stored::active(&*services.catalog).await? {
        None => {
            let first = ActivePrices::new(snapshot, caller.pat.id(), now);
            commit(&services, Write::insert(&first)?).await?;
            first
        }
        Some(active) => {
            if_match.check(None, &active.head)?;
            if active.snapshot == snapshot {
                active
            } else {
                let next = ActivePrices { snapshot, chosen_by: caller.pat.id(), ..active }.touched(now);
                commit(&services, Write::update(&next)?).await?;
                next
            }
        }
    };
    Ok(ok(ActivePricesView {
        in_force: services.prices.load().snapshot_id().to_owned(),
        updated_at: active.head.updated_at,
        version: active.head.version,
        active: active.snapshot.unwrap_or_else(|| EMBEDDED.to_owned()),
    }))
}

async fn commit(services: &Services, write: Write) -> Result<(), ApiError> {
    match resources::commit(services, vec![write]).await {
        // Two first choices at once meet at the same id.
        Err(error) if error.code() == Code::AlreadyExists => {
            let message = "somebody else chose other prices at the same time; look at them and choose again";
            Err(ApiError::new(Code::VersionConflict, message))
        }
        done => done,
    }
}
