//! One try: signs a message, sends it, and says what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rungate_core::id::EventId;
use rungate_core::keyring::Keyring;
use rungate_core::ports::Clock;
use rungate_core::webhook::{Attempt, SigningSecrets, Webhook};

use crate::egress::EgressRules;
use crate::upstream::{Client, Timeouts, TlsError};

/// What is kept of an answer's body.
const MAX_ANSWER_BYTES: usize = 1_024;

/// How long the rest of an answer is read once its status, which alone decides, is there.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

const AGENT: HeaderValue = HeaderValue::from_static(concat!("rungate/", env!("CARGO_PKG_VERSION")));

/// Sends messages to webhooks. It follows no redirects and connects only where the operator lets tenants connect to.
pub struct Sender {
    client: Client,
    egress: Arc<EgressRules>,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

impl Sender {
    /// How long a receiver may take to answer.
    pub const PATIENCE: Duration = Duration::from_secs(15);

    /// A sender that gives a receiver so long to answer, connecting included.
    pub fn new(
        egress: Arc<EgressRules>,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, TlsError> {
        let timeouts = Timeouts { connect: patience, first_byte: patience, idle: patience, total: patience };
        Ok(Self { client: Client::new(Arc::clone(&egress), timeouts)?, egress, keyring, clock, patience })
    }

    /// The longest that [`Sender::send`] takes.
    pub fn longest(&self) -> Duration {
        self.patience + ANSWER_PATIENCE
    }

    /// Sends `payload` once.
    pub async fn send(&self, webhook: &Webhook, event: EventId, payload: &str) -> Attempt {
        let (at, started) = (self.clock.now(), self.clock.monotonic());
        let mut attempt = Attempt { at, duration_ms: 0, status: None, error: None, answer: None };
        match self.exchange(webhook, event, payload, at.seconds()).await {
            Ok(response) => {
                let status = response.status();
                attempt.status = Some(status.as_u16());
                attempt.answer = beginning(response).await;
                attempt.error = match status.as_u16() {
                    200..300 => None,
                    300..400 => Some(format!(
                        "the receiver redirects (status {}), which is not followed",
                        status.as_u16()
                    )),
                    status => Some(format!("the receiver answered with status {status}")),
                };
            }
            Err(error) => attempt.error = Some(error),
        }
        let took = self.clock.monotonic().saturating_sub(started);
        attempt.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        attempt
    }

    async fn exchange(
        &self,
        webhook: &Webhook,
        event: EventId,
        payload: &str,
        seconds: i64,
    ) -> Result<Response<Incoming>, String> {
        let request = self.request(webhook, event, payload, seconds)?;
        self.client.send(request, self.client.timeouts().first_byte).await.map_err(|error| error.to_string())
    }

    fn request(
        &self,
        webhook: &Webhook,
        event: EventId,
        payload: &str,
        seconds: i64,
    ) -> Result<Request<Full<Bytes>>, String> {
        // Saved under rules that may have become stricter since.
        let uri = self.egress.check_target(&webhook.url).map_err(|error| error.to_string())?;
        let opened = self.keyring.open(&webhook.secret, &Webhook::seal_context(webhook.id()));
        let opened = opened.map_err(|_| "the signing secret cannot be opened; rotate it".to_owned())?;
        let secrets = SigningSecrets::parse(&opened)
            .map_err(|_| "the signing secret was lost with the sealing key; rotate it".to_owned())?;
        let id = event.to_string();
        let both = webhook.has_two_secrets(self.clock.now());
        let signatures = secrets.signatures(both, &id, seconds, payload.as_bytes());
        Request::post(uri)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, AGENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures)
            .body(Full::new(Bytes::copy_from_slice(payload.as_bytes())))
            .map_err(|error| error.to_string())
    }
}

/// The first bytes of an answer's body as text, as far as they come in time. Dropping the rest closes the connection.
async fn beginning(response: Response<Incoming>) -> Option<String> {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() < MAX_ANSWER_BYTES
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes.extend(frame.into_data().unwrap_or_default());
        }
    };
    // What came until then is there.
    let _ = tokio::time::timeout(ANSWER_PATIENCE, reading).await;
    bytes.truncate(MAX_ANSWER_BYTES);
    let text = String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}");
    (!text.is_empty()).then(|| cut(text))
}

/// Replacing broken characters may have lengthened the text.
fn cut(mut text: String) -> String {
    let mut end = text.len().min(MAX_ANSWER_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_at_a_character() {
        assert_eq!(cut("a".repeat(2_000)).len(), 1_024);
        assert_eq!(cut("\u{fffd}".repeat(1_000)).len(), 1_023);
        assert_eq!(cut("ok".to_owned()), "ok");
    }
}
