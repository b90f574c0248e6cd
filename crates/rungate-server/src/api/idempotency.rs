//! `Idempotency-Key`: a request sent twice is carried out once.
//!
//! The answer is committed together with what the request changed, so there is no moment at which one is there
//! without the other. Secrets are not kept: a replayed answer carries null in their place.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request as HttpRequest};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rungate_core::agent::{Head, Resource, ResourceKind};
use rungate_core::code::Code;
use rungate_core::ports::{Write, fresh_uuid};
use rungate_core::secret::TokenHash;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::auth::Caller;
use super::error::ApiError;
use super::json::{MAX_BODY_BYTES, Request, parse, read_body};
use super::resources;
use crate::services::Services;

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("rungate-replayed");
const KEPT: Duration = Duration::from_hours(24);
/// Fields that are shown once.
const SECRETS: [&str; 4] = ["fullToken", "token", "signingSecret", "secret"];
const UNIQUE: &str = "key";

/// A checked body together with what makes the request one that is carried out once.
pub struct Post<T> {
    /// The body.
    pub body: T,
    /// Commits and answers; see [`Once::commit`].
    pub once: Once,
}

/// A request that may have been carried out before.
pub struct Once(Option<Keyed>);

struct Keyed {
    caller: Caller,
    name: String,
    fingerprint: TokenHash,
}

/// An answer kept for its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    #[serde(flatten)]
    head: Head,
    /// Token and key, by which it is found.
    name: String,
    /// Keyed hash of route and body.
    fingerprint: TokenHash,
    status: u16,
    body: Value,
}

impl Resource for Answered {
    const KIND: ResourceKind = ResourceKind::Idempotency;
    fn head(&self) -> &Head {
        &self.head
    }
    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
    fn unique(&self) -> Vec<(&'static str, String)> {
        vec![(UNIQUE, self.name.clone())]
    }
}

impl<T: Request> FromRequest<Arc<Services>> for Post<T> {
    type Rejection = Response;
    async fn from_request(request: HttpRequest, services: &Arc<Services>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let key = read_key(&parts.headers).map_err(IntoResponse::into_response)?;
        let read = read_body(&parts.headers, body, MAX_BODY_BYTES).await;
        let bytes = read.map_err(IntoResponse::into_response)?;
        let once = match key {
            None => Once(None),
            Some(key) => {
                let caller = caller(&mut parts, services).await.map_err(IntoResponse::into_response)?;
                let route = format!("{} {}\n{}", parts.method, parts.uri, String::from_utf8_lossy(&bytes));
                let fingerprint = services.hasher.hash(&route);
                let name = format!("{}/{key}", caller.pat.id());
                let keyed = Keyed { caller, name, fingerprint };
                match keyed.answered(services).await {
                    Ok(Some(answer)) => return Err(answer),
                    Ok(None) => Once(Some(keyed)),
                    Err(error) => return Err(error.into_response()),
                }
            }
        };
        let body = parse(&bytes).map_err(IntoResponse::into_response)?;
        Ok(Self { body, once })
    }
}

async fn caller(parts: &mut http::request::Parts, services: &Arc<Services>) -> Result<Caller, ApiError> {
    use axum::extract::FromRequestParts as _;
    Caller::from_request_parts(parts, services).await
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(text.to_owned()))
        }
        _ => {
            let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
            Err(ApiError::new(Code::InvalidHeader, message).at("Idempotency-Key"))
        }
    }
}

impl Keyed {
    /// The answer kept for this key, if it is not too old; 409 when it answered another request.
    async fn answered(&self, services: &Services) -> Result<Option<Response>, ApiError> {
        let found = services.catalog.get_unique(ResourceKind::Idempotency, UNIQUE, &self.name).await?;
        let Some(document) = found else { return Ok(None) };
        let kept: Answered = document.read()?;
        if services.clock.now().since(kept.head.created_at) >= KEPT {
            // Somebody else may be faster at forgetting it.
            let _ = services.catalog.commit(vec![Write::delete(&kept)]).await;
            return Ok(None);
        }
        if kept.fingerprint != self.fingerprint {
            let message = "this Idempotency-Key was used for another request";
            return Err(ApiError::new(Code::IdempotencyConflict, message).at("Idempotency-Key"));
        }
        let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
        let mut response = (status, Json(kept.body)).into_response();
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(response))
    }
}

impl Once {
    /// Commits `writes` and answers `body`; with a key, keeps the answer in the same commit.
    pub async fn commit(
        self,
        services: &Services,
        mut writes: Vec<Write>,
        status: StatusCode,
        body: Value,
    ) -> Result<Response, ApiError> {
        let Some(keyed) = self.0 else {
            if !writes.is_empty() {
                resources::commit(services, writes).await?;
            }
            return Ok((status, Json(body)).into_response());
        };
        let now = services.clock.now();
        let kept = Answered {
            head: Head::new(fresh_uuid(&*services.entropy, now), keyed.caller.workspace, now),
            name: keyed.name.clone(),
            fingerprint: keyed.fingerprint,
            status: status.as_u16(),
            body: without_secrets(body.clone()),
        };
        writes.push(Write::insert(&kept)?);
        match resources::commit(services, writes).await {
            Ok(()) => Ok((status, Json(body)).into_response()),
            // The same request was carried out at the same time, and its answer is this one's too.
            Err(error) if matches!(error.code(), Code::AlreadyExists | Code::VersionConflict) => {
                keyed.answered(services).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}

fn without_secrets(mut body: Value) -> Value {
    match &mut body {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                *value = if SECRETS.contains(&name.as_str()) {
                    Value::Null
                } else {
                    without_secrets(value.take())
                };
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_secrets(item.take());
            }
        }
        _ => {}
    }
    body
}

/// Forgets answers that are older than they are kept. Returns how many.
pub async fn sweep(services: &Services) -> Result<usize, ApiError> {
    let now = services.clock.now();
    let mut forgotten = 0;
    for document in services.catalog.all(ResourceKind::Idempotency).await? {
        if now.since(document.head.created_at) < KEPT {
            continue;
        }
        let delete = Write::Delete {
            kind: ResourceKind::Idempotency,
            workspace: document.head.workspace_id,
            id: document.head.id,
        };
        // Another node may sweep at the same time.
        forgotten += usize::from(services.catalog.commit(vec![delete]).await.is_ok());
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_left_out_wherever_they_stand() {
        let body = json!({"token": "a", "data": {"virtualKey": {"fullToken": "b", "keyPrefix": "vk-"}, "list": [{"token": "c"}]}});
        assert_eq!(
            without_secrets(body),
            json!({"token": null, "data": {"virtualKey": {"fullToken": null, "keyPrefix": "vk-"}, "list": [{"token": null}]}})
        );
    }
}
