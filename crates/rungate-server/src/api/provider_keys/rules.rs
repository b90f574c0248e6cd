//! What a provider key may be.

use std::collections::BTreeMap;

use http::header::{HeaderName, HeaderValue};
use rungate_core::activity::headers;
use rungate_core::agent::ProviderKey;
use rungate_core::code::Code;
use rungate_core::id::ProviderKeyId;
use rungate_core::secret::{Sealed, Secret};
use rungate_llm::provider::Provider;
use rungate_llm::providers;

use crate::api::error::ApiError;
use crate::api::json::Checks;
use crate::services::Services;

const MAX_HEADERS: usize = 32;
/// Headers that carry credentials, belong to one connection, or are made by the gateway.
const RESERVED_HEADERS: [&str; 20] = [
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "x-api-key",
    "api-key",
    "cookie",
    "set-cookie",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-type",
    "content-encoding",
    "accept-encoding",
    "x-request-id",
];

/// The provider of that id; 400 naming every provider there is.
pub fn provider(id: &str) -> Result<&'static Provider, ApiError> {
    providers::find(id).ok_or_else(|| {
        let known: Vec<&str> = providers::ALL.iter().map(|provider| provider.id).collect();
        ApiError::field("provider", "one_of", format!("must be one of {}", known.join(", ")))
    })
}

/// Checks an address: required where the provider has none, and one that may be connected to.
pub fn base_url(services: &Services, provider: &Provider, url: Option<&str>) -> Result<(), ApiError> {
    let Some(url) = url else {
        if provider.base_url.is_some() {
            return Ok(());
        }
        let rule = format!("is required for {}", provider.id);
        return Err(ApiError::field("baseUrl", "required", rule));
    };
    let allowed = services.egress.check_url(url).map(|_| ());
    allowed.map_err(|error| ApiError::new(Code::UrlNotAllowed, format!("baseUrl: {error}")).at("baseUrl"))
}

/// Checks a weight.
pub fn weight(checks: &mut Checks, weight: Option<u32>) {
    if weight.is_some_and(|weight| !(1..=1_000).contains(&weight)) {
        checks.fail("weight", "range", "must be 1 to 1000");
    }
}

/// Checks further headers: their syntax, and that they are neither credentials nor the connection's own.
pub fn headers(checks: &mut Checks, sent: &BTreeMap<String, String>) {
    if sent.len() > MAX_HEADERS {
        checks.fail("headers", "length", format!("must have at most {MAX_HEADERS} entries"));
    }
    for (name, value) in sent {
        let field = format!("headers.{name}");
        let lower = name.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value).is_err() {
            checks.fail(field, "header", "must be a header name with a value of visible characters");
        } else if RESERVED_HEADERS.contains(&&*lower)
            || lower.ends_with("api-key")
            || headers::is_ours(&lower)
        {
            let message = "is a credential, or a header that the gateway sets; credentials go into secret";
            checks.fail(field, "reserved", message);
        }
    }
}

/// Checks the syntax of a secret: it is sent as a header.
pub fn secret(checks: &mut Checks, secret: &Secret) {
    let text = secret.expose();
    if text.is_empty() || text.len() > 4_096 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        checks.fail("secret", "secret", "must be 1 to 4096 visible ASCII characters");
    }
}

/// Seals a secret for its key, and tells what may be shown of it.
pub fn seal(services: &Services, id: ProviderKeyId, secret: &Secret) -> Result<(Sealed, String), ApiError> {
    let mut nonce = [0; 12];
    services.entropy.fill(&mut nonce);
    let sealed = services.keyring.seal(secret, &ProviderKey::seal_context(id), nonce).map_err(|error| {
        tracing::error!(%error, "a provider key cannot be sealed");
        ApiError::new(Code::InternalError, "internal error")
    })?;
    let masked = if secret.expose().is_empty() { String::new() } else { secret.masked() };
    Ok((sealed, masked))
}
