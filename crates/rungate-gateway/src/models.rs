//! `GET /v1/models`: what one key may use, in a shape that both SDKs read.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use rungate_core::code::Code;
use rungate_core::time::Timestamp;
use rungate_llm::catalog::Catalogue;
use serde::Serialize;
use serde_json::json;

use crate::body::Body;
use crate::directory::{KeyEntry, ProviderAccess};
use crate::refusal::Refusal;

/// A model that a key may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: String,
    #[serde(rename = "type")]
    kind: &'static str,
    display_name: String,
    created_at: Timestamp,
    lifecycle: &'static str,
}

impl Entry {
    /// `provider/model`.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Every model that `key` may use, by id: what its provider keys list or the catalogue knows of them, as far as the
/// rules of the key and its agent allow.
pub fn usable(key: &KeyEntry, catalogue: &Catalogue) -> Vec<Entry> {
    let bound = key.bound_provider_key();
    let mut entries: Vec<Entry> = Vec::new();
    for access in &key.workspace.provider_keys {
        if bound.is_some_and(|bound| bound != access.key.id()) {
            continue;
        }
        entries.extend(
            offered(access, catalogue)
                .into_iter()
                .filter(|(id, _)| key.models.iter().all(|rule| rule.allows(access.provider.id, id)))
                .map(|(id, name)| entry(access, &id, name)),
        );
    }
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    entries.dedup_by(|a, b| a.id == b.id);
    entries
}

/// Models of a provider key with their names: of the catalogue, and those that its list names without a pattern.
fn offered(access: &ProviderAccess, catalogue: &Catalogue) -> Vec<(String, String)> {
    let known = catalogue.of_provider(access.provider.id);
    let mut models: Vec<(String, String)> = known
        .filter(|model| access.lists(&model.id).unwrap_or(model.offered))
        .map(|model| (model.id.to_string(), model.name().to_owned()))
        .collect();
    let is_plain = |name: &&String| !name.contains(['*', '?', '[', '{']);
    let prefix = format!("{}/", access.provider.id);
    for name in access.key.models.iter().filter(is_plain) {
        let id = name.strip_prefix(&prefix).unwrap_or(name);
        if !models.iter().any(|(known, _)| known == id) {
            models.push((id.to_owned(), id.to_owned()));
        }
    }
    models
}

fn entry(access: &ProviderAccess, id: &str, display_name: String) -> Entry {
    Entry {
        id: format!("{}/{id}", access.provider.id),
        object: "model",
        created: 0,
        owned_by: access.provider.id.to_owned(),
        kind: "model",
        display_name,
        created_at: Timestamp::from_micros(0),
        lifecycle: "active",
    }
}

/// The list, as `GET /v1/models` answers it. `query` is what the SDKs send: `limit`, `after_id`, `before_id`; others are
/// accepted.
pub fn list(key: &KeyEntry, catalogue: &Catalogue, query: Option<&str>) -> Response<Body> {
    let mut entries = usable(key, catalogue);
    let parameter = |name: &str| {
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| decoded(value)).next_back()
    };
    if let Some(after) = parameter("after_id") {
        entries.retain(|entry| entry.id > after);
    }
    if let Some(before) = parameter("before_id") {
        entries.retain(|entry| entry.id < before);
    }
    let limit = parameter("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
    let has_more = limit.is_some_and(|limit: usize| entries.len() > limit);
    entries.truncate(limit.unwrap_or(usize::MAX));
    answer(&json!({
        "object": "list",
        "has_more": has_more,
        "first_id": entries.first().map(|entry| &entry.id),
        "last_id": entries.last().map(|entry| &entry.id),
        "data": entries,
    }))
}

/// One model, by `provider/id` or by a bare id that only one provider has; percent-encoded.
pub fn one(key: &KeyEntry, catalogue: &Catalogue, id: &str) -> Result<Response<Body>, Refusal> {
    let id = decoded(id);
    let entries = usable(key, catalogue);
    let named =
        |entry: &&Entry| entry.id == id || entry.id.split_once('/').is_some_and(|(_, bare)| bare == id);
    if let Some(entry) = entries.iter().find(named) {
        Ok(answer(&json!(entry)))
    } else {
        let shown: String = id.chars().take(200).filter(|character| !character.is_control()).collect();
        let message = format!("The key may use no model `{shown}`; GET /v1/models lists those it may.");
        Err(Refusal::new(Code::ModelNotFound, message).param("model"))
    }
}

fn answer(body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Percent-decodes; what is not well-formed stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn ids_are_percent_decoded() {
        assert_eq!(decoded("openai%2Fgpt-4o-mini"), "openai/gpt-4o-mini");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%2"), "%zz%2");
    }
}
