//! Every error code a client can receive, in one list.
//!
//! A code is stable: clients branch on it. Its message is for people and may change. Each code has a page at
//! `docs/errors/<code>.md`, and one line here.

use serde::{Deserialize, Serialize};

/// The OpenAI error type a code is reported under on the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    /// The request is at fault.
    InvalidRequest,
    /// The caller may not do this.
    Permission,
    /// Too many requests.
    RateLimit,
    /// The money or quota is used up.
    InsufficientQuota,
    /// The gateway or the provider is at fault.
    Server,
}

impl WireType {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Permission => "permission_error",
            Self::RateLimit => "rate_limit_error",
            Self::InsufficientQuota => "insufficient_quota",
            Self::Server => "server_error",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $wire:ident, $retry:literal;)*) => {
        /// A stable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable text, as sent in bodies and in `rungate-error-code`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The HTTP status it is sent with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            /// The error type on the data plane.
            pub const fn wire_type(self) -> WireType {
                match self { $(Self::$variant => WireType::$wire),* }
            }

            /// Whether sending the same request again can succeed; when not, `x-should-retry: false` is sent
            /// with statuses that clients retry by themselves.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry),* }
            }
        }
    };
}

codes! {
    /// The body is not JSON, or has a key twice that decides what is done.
    InvalidJson = "invalid_json", 400, InvalidRequest, false;
    /// A header of ours breaks its rule.
    InvalidHeader = "invalid_header", 400, InvalidRequest, false;
    /// One header came twice with different values.
    DuplicateHeader = "duplicate_header", 400, InvalidRequest, false;
    /// Two spellings of one header have different values.
    HeaderConflict = "header_conflict", 400, InvalidRequest, false;
    /// A property looks like a credential.
    PropertyLooksSecret = "property_looks_secret", 400, InvalidRequest, false;
    /// No model was sent and none is set as default.
    ModelRequired = "model_required", 400, InvalidRequest, false;
    /// Several provider keys offer the model.
    ModelAmbiguous = "model_ambiguous", 400, InvalidRequest, false;
    /// A parameter that the provider cannot honour and that changes the meaning.
    UnsupportedParameter = "unsupported_parameter", 400, InvalidRequest, false;
    /// A parameter is missing, of the wrong type, or out of range.
    InvalidParameter = "invalid_parameter", 400, InvalidRequest, false;
    /// Run tracking is on and no run id was sent.
    RunIdRequired = "run_id_required", 400, InvalidRequest, false;
    /// A policy wants an agent id and none was sent.
    AgentIdRequired = "agent_id_required", 400, InvalidRequest, false;
    /// A policy wants a session id and none was sent.
    SessionIdRequired = "session_id_required", 400, InvalidRequest, false;
    /// A control request breaks a rule; `details.fields` says which.
    InvalidRequest = "invalid_request", 400, InvalidRequest, false;
    /// A cursor that this server did not make, or that belongs to another list.
    InvalidCursor = "invalid_cursor", 400, InvalidRequest, false;
    /// The log window is longer than 92 days.
    WindowTooLong = "window_too_long", 400, InvalidRequest, false;
    /// A workspace id that is not a UUID.
    InvalidWorkspaceId = "invalid_workspace_id", 400, InvalidRequest, false;
    /// A key id that is not a UUID.
    InvalidKeyId = "invalid_key_id", 400, InvalidRequest, false;
    /// An entity id that is not a UUID.
    InvalidEntityId = "invalid_entity_id", 400, InvalidRequest, false;
    /// The provider's or an internal address may not be connected to.
    UrlNotAllowed = "url_not_allowed", 400, InvalidRequest, false;
    /// A field whose effect this version does not have: refused rather than stored and not enforced.
    NotSupportedYet = "not_supported_yet", 400, InvalidRequest, false;
    /// An agent id that is neither a UUID nor an external id.
    InvalidAgentId = "invalid_agent_id", 400, InvalidRequest, false;
    /// A field that the run API requires is not there.
    MissingField = "missing_field", 400, InvalidRequest, false;
    /// A field of the run API is of the wrong type or breaks its rule.
    InvalidField = "invalid_field", 400, InvalidRequest, false;
    /// A time of the run API that cannot be read.
    InvalidTimestamp = "invalid_timestamp", 400, InvalidRequest, false;
    /// An event of a type that there is not.
    InvalidEventType = "invalid_event_type", 400, InvalidRequest, false;
    /// The content of an event or check cannot be taken.
    InvalidContent = "invalid_content", 400, InvalidRequest, false;
    /// The schema of an event or check cannot be read.
    InvalidSchema = "invalid_schema", 400, InvalidRequest, false;
    /// The content does not fit its schema, in strict mode.
    SchemaMismatch = "schema_mismatch", 400, InvalidRequest, false;
    /// A batch of more than 100 events.
    BatchTooLarge = "batch_too_large", 400, InvalidRequest, false;
    /// No credential, or one that does not work, on the data plane.
    InvalidApiKey = "invalid_api_key", 401, InvalidRequest, false;
    /// No credential, or one that does not work, on the control plane.
    AuthenticationFailed = "authentication_failed", 401, InvalidRequest, false;
    /// The personal access token was revoked.
    TokenRevoked = "token_revoked", 401, InvalidRequest, false;
    /// The personal access token has expired.
    TokenExpired = "token_expired", 401, InvalidRequest, false;
    /// The key or agent may not use this model.
    ModelNotAllowed = "model_not_allowed", 403, Permission, false;
    /// The key or agent may not use this provider.
    ProviderNotAllowed = "provider_not_allowed", 403, Permission, false;
    /// A policy does not allow the client's address.
    IpNotAllowed = "ip_not_allowed", 403, Permission, false;
    /// No price is known of the model, and a hard budget covers the request.
    UnpricedModel = "unpriced_model", 403, Permission, false;
    /// Nothing bounds what the request may cost, and a hard budget covers it.
    UnboundedCost = "unbounded_cost", 403, Permission, false;
    /// A policy refuses the request; `details` says which.
    PolicyDenied = "policy_denied", 403, Permission, false;
    /// The agent header contradicts the key's agent.
    AgentMismatch = "agent_mismatch", 403, Permission, false;
    /// An unknown agent where self-reported agents are forbidden.
    AgentUnknown = "agent_unknown", 403, Permission, false;
    /// The route charges a virtual key, and the credential is none.
    VirtualKeyRequired = "virtual_key_required", 403, Permission, false;
    /// A virtual key where the control plane wants a token.
    VirtualKeyNotAllowed = "virtual_key_not_allowed", 403, Permission, false;
    /// `X-Workspace-Id` names another workspace than the credential's.
    WorkspaceMismatch = "workspace_mismatch", 403, Permission, false;
    /// The token's scope is too small, for the run API.
    InsufficientPermissions = "insufficient_permissions", 403, Permission, false;
    /// The token's scope is too small.
    InsufficientScope = "insufficient_scope", 403, Permission, false;
    /// No such route.
    UnknownRoute = "unknown_route", 404, InvalidRequest, false;
    /// No such model, or no provider key offers it.
    ModelNotFound = "model_not_found", 404, InvalidRequest, false;
    /// No such thing in this workspace.
    NotFound = "not_found", 404, InvalidRequest, false;
    /// No request with this id.
    RequestNotFound = "request_not_found", 404, InvalidRequest, false;
    /// No run was registered with this trace id.
    TraceNotFound = "trace_not_found", 404, InvalidRequest, false;
    /// No check has this id.
    CheckNotFound = "check_not_found", 404, InvalidRequest, false;
    /// The route exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, InvalidRequest, false;
    /// The client was too slow sending its request.
    RequestTimeout = "request_timeout", 408, InvalidRequest, true;
    /// Somebody else changed the resource first.
    VersionConflict = "version_conflict", 409, InvalidRequest, false;
    /// The name or id is taken.
    AlreadyExists = "already_exists", 409, InvalidRequest, false;
    /// The idempotency key was used with another body.
    IdempotencyConflict = "idempotency_conflict", 409, InvalidRequest, false;
    /// The thing is in use.
    InUse = "in_use", 409, InvalidRequest, false;
    /// The webhook is disabled, so that nothing can be sent to it.
    WebhookDisabled = "webhook_disabled", 409, InvalidRequest, false;
    /// An event id came again with another event.
    EventIdConflict = "event_id_conflict", 409, InvalidRequest, false;
    /// The run was ended, and nothing is checked in it any more.
    RunEnded = "run_ended", 409, InvalidRequest, false;
    /// The run was ended in another way before.
    RunAlreadyEnded = "run_already_ended", 409, InvalidRequest, false;
    /// A held action was allowed or denied before, or ran out.
    HoldResolved = "hold_resolved", 409, InvalidRequest, false;
    /// The approval was used before.
    ApprovalUsed = "approval_used", 409, InvalidRequest, false;
    /// The approval is for another action.
    ApprovalMismatch = "approval_mismatch", 409, InvalidRequest, false;
    /// The body is larger than the route allows.
    PayloadTooLarge = "payload_too_large", 413, InvalidRequest, false;
    /// The content type is not one the route reads.
    UnsupportedMediaType = "unsupported_media_type", 415, InvalidRequest, false;
    /// Too many requests.
    RateLimitExceeded = "rate_limit_exceeded", 429, RateLimit, true;
    /// What is left of a budget does not hold what the request may cost.
    BudgetExhausted = "budget_exhausted", 429, InsufficientQuota, false;
    /// The request would fit its budget once requests in flight have settled.
    BudgetReserved = "budget_reserved", 429, InsufficientQuota, true;
    /// The run has used up its requests or its time.
    RunLimitReached = "run_limit_reached", 429, InsufficientQuota, false;
    /// The run sends the same input again and again.
    LoopDetected = "loop_detected", 429, InsufficientQuota, false;
    /// The gateway failed.
    InternalError = "internal_error", 500, Server, true;
    /// The provider could not be reached.
    UpstreamUnreachable = "upstream_unreachable", 502, Server, true;
    /// The provider answered with something that is not its wire format.
    UpstreamInvalidResponse = "upstream_invalid_response", 502, Server, true;
    /// The provider's stream ended before its end.
    UpstreamStreamFailed = "upstream_stream_failed", 502, Server, true;
    /// The provider answered with an error, which is passed on.
    UpstreamError = "upstream_error", 502, Server, true;
    /// No usable provider key.
    ProviderKeyMissing = "provider_key_missing", 502, Server, false;
    /// The provider refused the provider key.
    ProviderAuthFailed = "provider_auth_failed", 502, Server, false;
    /// The provider forbids this to the provider key.
    ProviderForbidden = "provider_forbidden", 502, Server, false;
    /// The provider key has no money or quota left.
    ProviderQuotaExhausted = "provider_quota_exhausted", 502, Server, false;
    /// The provider's address resolves to one that may not be connected to.
    EgressDenied = "egress_denied", 502, Server, false;
    /// What a budget has spent before cannot be read now.
    BudgetUnavailable = "budget_unavailable", 503, Server, true;
    /// A policy of the workspace cannot be read.
    PolicyUnavailable = "policy_unavailable", 503, Server, true;
    /// The exchange could not be made durable; nothing was sent to the provider.
    JournalUnavailable = "journal_unavailable", 503, Server, true;
    /// The gateway holds as much as it may; nothing was sent to the provider.
    Overloaded = "overloaded", 503, Server, true;
    /// The store is away.
    Unavailable = "unavailable", 503, Server, true;
    /// No verdict is possible now; the action must not be taken.
    CheckUnavailable = "check_unavailable", 503, Server, true;
    /// The provider took too long.
    UpstreamTimeout = "upstream_timeout", 504, Server, true;
    /// The client left before its answer was complete. In the log only.
    ClientClosed = "client_closed", 499, InvalidRequest, false;
    /// The process ended while the exchange was open. In the log only.
    Interrupted = "interrupted", 500, Server, true;
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice");
            let text = serde_json::to_string(code).unwrap();
            assert_eq!(serde_json::from_str::<Code>(&text).unwrap(), *code);
        }
    }
}
