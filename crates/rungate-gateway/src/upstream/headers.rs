//! Which headers cross the gateway, in either direction: both lists say what passes, and nothing else does.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use rungate_llm::provider::Auth;

use crate::directory::ProviderAccess;

/// Sent upstream as the client sent them.
const FORWARDED: [HeaderName; 6] = [
    ACCEPT,
    CONTENT_TYPE,
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("idempotency-key"),
];
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("rungate/", env!("CARGO_PKG_VERSION")));

/// The credential cannot be sent: it holds bytes that no header may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provider key holds characters that cannot be sent")]
pub struct UnusableSecret;

/// The headers of a request to a provider.
///
/// `is_translated` leaves out what the client said in its own dialect's headers about a body that is another now.
pub fn upstream(
    client: &HeaderMap,
    access: &ProviderAccess,
    is_translated: bool,
) -> Result<HeaderMap, UnusableSecret> {
    let mut headers = HeaderMap::with_capacity(12);
    for name in FORWARDED {
        let is_dialects_own = matches!(name.as_str(), "openai-beta" | "anthropic-version" | "anthropic-beta");
        if is_translated && is_dialects_own {
            continue;
        }
        for value in client.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, AGENT);
    for (name, value) in access.provider.default_headers {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    for (name, value) in &access.key.headers {
        // Both were checked when the provider key was saved.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let secret = access.secret.expose();
    if !secret.is_empty() {
        let (name, text) = match access.provider.auth {
            Auth::Bearer => (AUTHORIZATION, format!("Bearer {secret}")),
            Auth::ApiKeyHeader => (API_KEY, secret.to_owned()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| UnusableSecret)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// What of an answer's headers the client gets.
pub fn downstream(upstream: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in upstream {
        if passes(name.as_str()) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

fn passes(name: &str) -> bool {
    matches!(name, "content-type" | "openai-processing-ms")
        || (name.starts_with("anthropic-")
            && !name.starts_with("anthropic-ratelimit")
            && !name.starts_with("anthropic-organization"))
}

/// The provider's own id of a request: `x-request-id` (OpenAI and most) or `request-id` (Anthropic).
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("x-request-id").or_else(|| headers.get("request-id"))?;
    value.to_str().ok().map(|text| text.chars().take(200).collect())
}

/// Seconds to wait, as a `retry-after` in seconds says; a date is not read.
pub fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w_031_only_listed_answer_headers_pass() {
        let mut headers = HeaderMap::new();
        for name in [
            "content-type",
            "openai-processing-ms",
            "anthropic-version",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-organization-id",
            "x-request-id",
            "x-ratelimit-remaining-requests",
            "openai-organization",
            "set-cookie",
            "server",
        ] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        let mut passed: Vec<_> = downstream(&headers).keys().map(|name| name.as_str().to_owned()).collect();
        passed.sort();
        assert_eq!(passed, ["anthropic-version", "content-type", "openai-processing-ms"]);
        assert_eq!(request_id(&headers).as_deref(), Some("1"));
    }
}
