//! What a webhook may be.

use rungate_core::code::Code;
use rungate_core::id::WebhookId;
use rungate_core::secret::Sealed;
use rungate_core::webhook::{EventType, SigningSecret, SigningSecrets, Webhook};

use crate::api::error::ApiError;
use crate::api::json::Checks;
use crate::services::Services;

/// The longest address.
const MAX_URL_CHARS: usize = 2_048;

/// Checks the names of event types: at least one, each known and able to be subscribed to.
pub fn events(checks: &mut Checks, names: &[String]) {
    if names.is_empty() || names.len() > EventType::ALL.len() {
        checks.fail("events", "length", format!("must have 1 to {} types", EventType::ALL.len()));
    }
    for (at, name) in names.iter().enumerate() {
        if EventType::parse(name).is_none_or(|event_type| !event_type.can_be_subscribed_to()) {
            let known = EventType::ALL.iter().filter(|event_type| event_type.can_be_subscribed_to());
            let known: Vec<&str> = known.map(|event_type| event_type.as_str()).collect();
            checks.fail(format!("events[{at}]"), "one_of", format!("must be one of {}", known.join(", ")));
        }
    }
}

/// The event types of checked names, each once, in the order of the list of all.
pub fn types(names: &[String]) -> Vec<EventType> {
    let is_named = |event_type: &&EventType| names.iter().any(|name| name == event_type.as_str());
    EventType::ALL.iter().filter(is_named).copied().collect()
}

/// Checks an address: one that may be connected to.
pub fn url(services: &Services, url: &str) -> Result<(), ApiError> {
    if url.len() > MAX_URL_CHARS {
        return Err(ApiError::field("url", "length", format!("must be at most {MAX_URL_CHARS} characters")));
    }
    let allowed = services.egress.check_target(url).map(|_| ());
    allowed.map_err(|error| ApiError::new(Code::UrlNotAllowed, format!("url: {error}")).at("url"))
}

/// A secret of 32 random bytes.
pub fn fresh_secret(services: &Services) -> SigningSecret {
    let mut bytes = [0; 32];
    services.entropy.fill(&mut bytes);
    SigningSecret::from_bytes(bytes)
}

/// Seals the secrets of a webhook.
pub fn seal(services: &Services, id: WebhookId, secrets: &SigningSecrets) -> Result<Sealed, ApiError> {
    let mut nonce = [0; 12];
    services.entropy.fill(&mut nonce);
    services.keyring.seal(&secrets.to_text(), &Webhook::seal_context(id), nonce).map_err(|error| {
        tracing::error!(%error, "the secret of a webhook cannot be sealed");
        ApiError::new(Code::InternalError, "internal error")
    })
}
