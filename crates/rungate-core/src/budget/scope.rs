//! Whose spend a budget limits.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::budget::terms::Invalid;
use crate::id::{AgentId, ExchangeId, RunId, SessionId, VirtualKeyId, WorkspaceId};
use crate::time::Timestamp;

/// Whose sessions or runs a budget limits, when not those of the whole workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", content = "id")]
pub enum Owner {
    /// Of one agent.
    Agent(AgentId),
    /// Of one virtual key.
    VirtualKey(VirtualKeyId),
}

/// Whose spend a budget limits. On the wire `{type, id, of}`; `id: null` on session and run means each one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "ScopeText", into = "ScopeText")]
pub enum Scope {
    /// All of a workspace.
    Workspace(WorkspaceId),
    /// One agent.
    Agent(AgentId),
    /// One virtual key.
    VirtualKey(VirtualKeyId),
    /// One session of the workspace.
    Session(SessionId),
    /// One run of the workspace.
    Run(RunId),
    /// Each session by itself: of the workspace, or of one agent or key.
    EachSession(Option<Owner>),
    /// Each run by itself: of the workspace, or of one agent or key.
    EachRun(Option<Owner>),
}

/// Who causes an exchange: all that decides which budgets apply to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spender {
    /// The exchange.
    pub exchange: ExchangeId,
    /// When it was created. Its spend counts in the window that holds this moment, whenever it is settled.
    pub created: Timestamp,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its agent.
    pub agent: Option<AgentId>,
    /// The virtual key it was sent with.
    pub virtual_key: Option<VirtualKeyId>,
    /// Its session.
    pub session: Option<SessionId>,
    /// Its run.
    pub run: Option<RunId>,
}

impl Owner {
    fn covers(self, spender: &Spender) -> bool {
        match self {
            Self::Agent(id) => spender.agent == Some(id),
            Self::VirtualKey(id) => spender.virtual_key == Some(id),
        }
    }
}

impl Scope {
    /// Reads a scope from the values of `type`, `id` and `of` (its type and id). Agents are named by their UUID.
    pub fn parse(kind: &str, id: Option<&str>, of: Option<(&str, &str)>) -> Result<Self, Invalid> {
        let of = of.map(parse_owner).transpose()?;
        if of.is_some() && (id.is_some() || !matches!(kind, "session" | "run")) {
            return Err(Invalid::new(
                "scope.of",
                "is for each session or each run only: type session or run, id null",
            ));
        }
        match (kind, id) {
            ("session", None) => Ok(Self::EachSession(of)),
            ("run", None) => Ok(Self::EachRun(of)),
            ("session", Some(id)) => {
                SessionId::parse(id).map(Self::Session).map_err(|_| Invalid::new("scope.id", CALLER_ID))
            }
            ("run", Some(id)) => {
                RunId::parse(id).map(Self::Run).map_err(|_| Invalid::new("scope.id", CALLER_ID))
            }
            ("workspace", id) => Ok(Self::Workspace(WorkspaceId::new(parse_uuid("scope.id", id)?))),
            ("agent", id) => Ok(Self::Agent(AgentId::new(parse_uuid("scope.id", id)?))),
            ("virtual_key", id) => Ok(Self::VirtualKey(VirtualKeyId::new(parse_uuid("scope.id", id)?))),
            ("department" | "member", _) => {
                Err(Invalid::new("scope.type", "department and member are not supported yet"))
            }
            _ => Err(Invalid::new("scope.type", "must be workspace, agent, virtual_key, session or run")),
        }
    }

    /// Its `type` on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Workspace(_) => "workspace",
            Self::Agent(_) => "agent",
            Self::VirtualKey(_) => "virtual_key",
            Self::Session(_) | Self::EachSession(_) => "session",
            Self::Run(_) | Self::EachRun(_) => "run",
        }
    }

    /// Its `id` on the wire; `None` where it means each one.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Workspace(id) => Some(id.to_string()),
            Self::Agent(id) => Some(id.to_string()),
            Self::VirtualKey(id) => Some(id.to_string()),
            Self::Session(id) => Some(id.to_string()),
            Self::Run(id) => Some(id.to_string()),
            Self::EachSession(_) | Self::EachRun(_) => None,
        }
    }

    /// Its `of` on the wire.
    pub const fn of(&self) -> Option<Owner> {
        match self {
            Self::EachSession(of) | Self::EachRun(of) => *of,
            _ => None,
        }
    }

    /// Whether each session or run has an account of its own.
    pub const fn is_each(&self) -> bool {
        matches!(self, Self::EachSession(_) | Self::EachRun(_))
    }

    /// The session or run that the spender's spend is counted for, where each has an account of its own.
    pub fn instance<'a>(&self, spender: &'a Spender) -> Option<&'a str> {
        match self {
            Self::EachSession(_) => spender.session.as_ref().map(SessionId::as_str),
            Self::EachRun(_) => spender.run.as_ref().map(RunId::as_str),
            _ => None,
        }
    }

    /// Whether a budget of this scope, in the spender's own workspace, limits the spender.
    pub fn covers(&self, spender: &Spender) -> bool {
        match self {
            Self::Workspace(id) => spender.workspace == *id,
            Self::Agent(id) => spender.agent == Some(*id),
            Self::VirtualKey(id) => spender.virtual_key == Some(*id),
            Self::Session(id) => spender.session.as_ref() == Some(id),
            Self::Run(id) => spender.run.as_ref() == Some(id),
            Self::EachSession(of) => spender.session.is_some() && of.is_none_or(|of| of.covers(spender)),
            Self::EachRun(of) => spender.run.is_some() && of.is_none_or(|of| of.covers(spender)),
        }
    }
}

const CALLER_ID: &str = "must be 1 to 256 characters of A-Z a-z 0-9 _ . : / @ + = ~ -";

fn parse_uuid(field: &'static str, text: Option<&str>) -> Result<Uuid, Invalid> {
    text.and_then(|text| text.parse().ok()).ok_or(Invalid::new(field, "must be a UUID"))
}

fn parse_owner((kind, id): (&str, &str)) -> Result<Owner, Invalid> {
    let id = parse_uuid("scope.of.id", Some(id));
    match kind {
        "agent" => Ok(Owner::Agent(AgentId::new(id?))),
        "virtual_key" => Ok(Owner::VirtualKey(VirtualKeyId::new(id?))),
        _ => Err(Invalid::new("scope.of.type", "must be agent or virtual_key")),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeText {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<OwnerText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnerText {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl TryFrom<ScopeText> for Scope {
    type Error = Invalid;
    fn try_from(text: ScopeText) -> Result<Self, Invalid> {
        let of = text.of.as_ref().map(|of| (of.kind.as_str(), of.id.as_str()));
        Self::parse(&text.kind, text.id.as_deref(), of)
    }
}

impl From<Scope> for ScopeText {
    fn from(scope: Scope) -> Self {
        let of = scope.of().map(|of| match of {
            Owner::Agent(id) => OwnerText { kind: "agent".to_owned(), id: id.to_string() },
            Owner::VirtualKey(id) => OwnerText { kind: "virtual_key".to_owned(), id: id.to_string() },
        });
        Self { kind: scope.kind().to_owned(), id: scope.id(), of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "018f7f83-2a7a-7f1a-9b2f-2f2b21e8a001";

    #[test]
    fn every_scope_reads_back_as_it_was_written() {
        for scope in [
            json!({"type": "workspace", "id": ID}),
            json!({"type": "agent", "id": ID}),
            json!({"type": "virtual_key", "id": ID}),
            json!({"type": "session", "id": "s-1"}),
            json!({"type": "run", "id": "run:1"}),
            json!({"type": "session", "id": null}),
            json!({"type": "run", "id": null, "of": {"type": "agent", "id": ID}}),
            json!({"type": "run", "id": null, "of": {"type": "virtual_key", "id": ID}}),
        ] {
            let read: Scope = serde_json::from_value(scope.clone()).unwrap();
            assert_eq!(json!(read), scope);
        }
    }

    #[test]
    fn a_bad_scope_is_refused_with_the_field_and_the_reason() {
        let refused = [
            ("department", Some(ID), None, "scope.type", "not supported yet"),
            ("member", Some(ID), None, "scope.type", "not supported yet"),
            ("endpoint", Some(ID), None, "scope.type", "must be"),
            ("agent", None, None, "scope.id", "UUID"),
            ("agent", Some("agt_1"), None, "scope.id", "UUID"),
            ("run", Some("a b"), None, "scope.id", "256 characters"),
            ("run", Some("r"), Some(("agent", ID)), "scope.of", "each"),
            ("agent", Some(ID), Some(("agent", ID)), "scope.of", "each"),
            ("run", None, Some(("member", ID)), "scope.of.type", "must be"),
            ("run", None, Some(("agent", "x")), "scope.of.id", "UUID"),
        ];
        for (kind, id, of, field, reason) in refused {
            let error = Scope::parse(kind, id, of).unwrap_err();
            assert_eq!(error.field, field, "{kind} {id:?} {of:?}");
            assert!(error.reason.contains(reason), "{error}");
        }
    }
}
