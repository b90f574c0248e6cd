//! Who asks, how often, and the body of the request.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rungate_core::agent::{Agent, Scope};
use rungate_core::code::Code;
use rungate_core::id::{VirtualKeyId, WorkspaceId};
use rungate_gateway::directory::WorkspaceEntry;
use rungate_gateway::limit::{Counter, Limit, Subject, Unit};
use serde_json::Value;

use super::RunApi;
use super::error::RunError;
use crate::api::auth::{Principal, workspace_entry};

/// The largest body: a batch of events.
const MAX_BODY_BYTES: usize = 4 << 20;
/// Requests in any minute and hour, unless the key says otherwise. A batch is one.
const PER_MINUTE: u32 = 600;
const PER_HOUR: u32 = 10_000;

/// A request of the run API, from somebody who may send one.
pub struct Asked {
    /// The workspace.
    pub workspace: Arc<WorkspaceEntry>,
    /// The agent that the key is bound to.
    pub bound: Option<Arc<Agent>>,
    /// The key; absent where a personal access token asks.
    pub virtual_key_id: Option<VirtualKeyId>,
    /// The body; null where one only reads.
    pub body: Value,
}

impl Asked {
    /// The tenant.
    pub fn tenant(&self) -> WorkspaceId {
        self.workspace.workspace.id()
    }

    /// Whether what is otherwise tolerated is refused.
    pub fn is_strict(&self) -> bool {
        self.workspace.workspace.settings.strict_run_api
    }
}

impl FromRequest<Arc<RunApi>> for Asked {
    type Rejection = RunError;
    async fn from_request(request: Request, api: &Arc<RunApi>) -> Result<Self, RunError> {
        let (parts, body) = request.into_parts();
        let services = &api.services;
        let principal = Principal::of(&parts.headers, services)?;
        let workspace = workspace_entry(services, principal.workspace())?;
        let (bound, virtual_key_id, limits) = match &principal {
            Principal::VirtualKey(entry) => {
                let key = &entry.key;
                let subject = Subject::Key(key.id());
                let most =
                    (key.run_api.per_minute.unwrap_or(PER_MINUTE), key.run_api.per_hour.unwrap_or(PER_HOUR));
                (entry.agent.clone(), Some(key.id()), limits(key.id().uuid(), &subject, most))
            }
            Principal::Pat(caller) => {
                caller.require(if parts.method == Method::GET { Scope::Read } else { Scope::Write })?;
                let most = (PER_MINUTE, PER_HOUR);
                (None, None, limits(caller.pat.head.id, &Subject::Workspace, most))
            }
        };
        let now = services.clock.monotonic();
        // Counted as it came in; there is nothing to give back.
        drop(api.limiter.admit(now, principal.workspace(), &limits, 0).map_err(|refused| {
            RunError::new(Code::RateLimitExceeded, "Too many requests of the run API with this key")
                .retry_after(refused.retry_after_seconds())
        })?);
        if let Some(content_type) = parts.headers.get(CONTENT_TYPE)
            && !content_type.to_str().is_ok_and(is_json)
        {
            return Err(RunError::new(Code::UnsupportedMediaType, "Send application/json"));
        }
        if parts.method == Method::GET {
            return Ok(Self { workspace, bound, virtual_key_id, body: Value::Null });
        }
        let body = read(body).await?;
        let body = serde_json::from_slice(&body)
            .map_err(|error| RunError::new(Code::InvalidJson, format!("The body is not JSON: {error}")))?;
        Ok(Self { workspace, bound, virtual_key_id, body })
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

fn limits(rule: uuid::Uuid, subject: &Subject, (per_minute, per_hour): (u32, u32)) -> [Limit; 2] {
    [(Unit::RequestsPerMinute, per_minute), (Unit::RequestsPerHour, per_hour)].map(|(unit, most)| Limit {
        counter: Counter { rule, subject: subject.clone(), unit },
        most: u64::from(most),
        enforced: true,
    })
}

async fn read(body: axum::body::Body) -> Result<Bytes, RunError> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(RunError::new(Code::PayloadTooLarge, format!("A body has at most {MAX_BODY_BYTES} bytes")))
        }
        Err(_) => Err(RunError::new(Code::InvalidJson, "The body did not come whole")),
    }
}
