//! `POST /erasures`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use rungate_core::code::Code;
use rungate_core::exchange::{Erased, Subject};
use rungate_core::id::{RunId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Admin;
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::json::{Json, Request};
use crate::services::Services;

/// How long the log is waited for: what is only in the journal cannot be erased from the log.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose text is to go: exactly one of the three.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
pub struct CreateErasure {
    /// Everything that carried this user id.
    #[serde(default)]
    user_id: Option<String>,
    /// Everything of this session.
    #[serde(default)]
    session_id: Option<String>,
    /// Everything of this run.
    #[serde(default)]
    run_id: Option<String>,
}

impl CreateErasure {
    fn subject(&self) -> Result<Subject, ApiError> {
        let malformed = |field: &str, rule: String| ApiError::field(field, "format", rule);
        match (&self.user_id, &self.session_id, &self.run_id) {
            (Some(id), None, None) => {
                UserId::parse(id).map(Subject::User).map_err(|error| malformed("userId", error.to_string()))
            }
            (None, Some(id), None) => SessionId::parse(id)
                .map(Subject::Session)
                .map_err(|error| malformed("sessionId", error.to_string())),
            (None, None, Some(id)) => {
                RunId::parse(id).map(Subject::Run).map_err(|error| malformed("runId", error.to_string()))
            }
            _ => Err(ApiError::field(
                "userId",
                "one_of",
                "exactly one of userId, sessionId and runId must be given",
            )),
        }
    }
}

impl Request for CreateErasure {}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErasureView {
    /// Requests of the subject, those that had nothing to erase included.
    requests: u64,
    /// Bodies that are gone.
    bodies: u64,
    /// Previews that are gone.
    previews: u64,
    /// Requests of the subject that have not ended yet: erase again when they have.
    open_requests: u64,
    /// Registrations, events and checks of the subject's runs: what they said is gone.
    trail_entries: u64,
}

impl From<Erased> for ErasureView {
    fn from(erased: Erased) -> Self {
        let Erased { exchanges, bodies, previews, open, entries } = erased;
        Self { requests: exchanges, bodies, previews, open_requests: open, trail_entries: entries }
    }
}

/// Erase the bodies, previews and error texts of a user's, a session's or a run's requests. The requests stay, with
/// their ids, counts and costs. Answers that the workspace keeps for equal requests are let go. Backups that were taken before keep what they have.
#[utoipa::path(post, path = "/api/v1/erasures", tag = "Requests", request_body = CreateErasure,
    responses((status = 200, body = Envelope<ErasureView>)))]
pub async fn create(
    State(services): State<Arc<Services>>,
    Admin(caller): Admin,
    Json(body): Json<CreateErasure>,
) -> Result<Response, ApiError> {
    let subject = body.subject()?;
    if !services.journal.wait_applied(services.journal.last(), PATIENCE).await {
        let message = "the log is behind the journal, so not everything can be erased now; try again when it has caught up";
        return Err(ApiError::new(Code::Unavailable, message));
    }
    let erased = services.log.erase(caller.workspace, &subject).await?;
    // What was appended lies in the journal too, until its file goes.
    let journal = Arc::clone(&services.journal);
    tokio::task::spawn_blocking(move || journal.retire()).await.map_err(|error| {
        ApiError::new(Code::InternalError, format!("the journal was not cleared: {error}"))
    })?;
    // Nobody knows any more whose a kept answer is.
    services.cache.forget(caller.workspace);
    tracing::info!(workspace = %caller.workspace, requests = erased.exchanges, bodies = erased.bodies, "erased");
    Ok(ok(ErasureView::from(erased)))
}
