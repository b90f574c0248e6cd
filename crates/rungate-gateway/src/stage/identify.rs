//! Stage 1: whose request is this? The key, the agent, the run, and everything the headers say.

use std::sync::Arc;

use http::HeaderMap;
use rungate_core::activity::headers::{self, Headers};
use rungate_core::activity::{AgentStamp, CacheControl, Trust};
use rungate_core::agent::{Agent, AgentSource, AgentStatus, SelfReportedAgents};
use rungate_core::code::Code;
use rungate_core::id::{AgentRef, ExternalId, WorkspaceId};
use rungate_core::secret::TokenHasher;
use rungate_core::time::Timestamp;

use crate::credential::{self, TokenKind};
use crate::directory::{Directory, KeyEntry, WorkspaceEntry};
use crate::refusal::Refusal;

/// Finds the virtual key of a request. The answer to every key that does not work is one and the same.
pub fn key(
    headers: &HeaderMap,
    directory: &Directory,
    hasher: &TokenHasher,
    now: Timestamp,
) -> Result<Arc<KeyEntry>, Refusal> {
    let invalid = || Refusal::new(Code::InvalidApiKey, "Invalid credentials");
    let token = credential::read(headers).map_err(|_| invalid())?;
    let Some(token) = token else {
        return Err(Refusal::new(Code::InvalidApiKey, "Missing authorization header"));
    };
    match token.kind() {
        TokenKind::VirtualKey => {
            let entry = directory.key(&token.hash(hasher)).ok_or_else(invalid)?;
            if entry.is_usable(now) { Ok(Arc::clone(entry)) } else { Err(invalid()) }
        }
        TokenKind::Pat => {
            let pat = directory.pat(&token.hash(hasher)).ok_or_else(invalid)?;
            let is_usable = pat.revoked_at.is_none() && pat.expires_at.is_none_or(|at| now < at);
            if !is_usable {
                return Err(invalid());
            }
            let message =
                "This route charges a virtual key (vk-…); a personal access token cannot pay for it.";
            Err(Refusal::new(Code::VirtualKeyRequired, message))
        }
        TokenKind::Unknown => Err(invalid()),
    }
}

/// Checks `X-Workspace-Id`, where it was sent.
pub fn workspace(headers: &HeaderMap, expected: WorkspaceId) -> Result<(), Refusal> {
    for value in headers.get_all("x-workspace-id") {
        let sent = value.to_str().unwrap_or_default().trim();
        if sent.parse() != Ok(expected) {
            let message = "X-Workspace-Id names another workspace than the key's.";
            return Err(Refusal::new(Code::WorkspaceMismatch, message).param("x-workspace-id"));
        }
    }
    Ok(())
}

/// Reads the attribution headers.
pub fn attribution(headers: &HeaderMap) -> Result<Headers, Refusal> {
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    headers::read(pairs).map_err(|error| {
        let message = format!("{}: {}", error.header, error.rule);
        Refusal::new(error.code, message).param(error.header)
    })
}

/// What the client says of kept answers in HTTP's own words.
pub fn cache_control(headers: &HeaderMap) -> CacheControl {
    let values = headers.get_all(http::header::CACHE_CONTROL).iter();
    CacheControl::read(values.filter_map(|value| value.to_str().ok()))
}

/// The agent that a key stands for when no header says anything: the one it is bound to, else the key itself.
pub fn default_agent(key: &KeyEntry) -> AgentStamp {
    match &key.agent {
        Some(agent) => stamp(agent, Trust::AuthBound),
        None => AgentStamp {
            id: None,
            external_id: external(&format!("vk:{}", key.key.id())),
            name: None,
            trust: Trust::SystemDerived,
        },
    }
}

/// Who makes the request, and whether the agent is one that nobody has registered yet.
pub struct Caller {
    /// The agent.
    pub agent: AgentStamp,
    /// The agent is new: it is to be remembered as self-reported.
    pub is_new: bool,
}

/// Decides which agent makes the request: the key's, else the one named, else the key itself.
pub fn agent(key: &KeyEntry, headers: &mut Headers) -> Result<Caller, Refusal> {
    let name = headers.agent_name.clone();
    let Some(reference) = headers.agent.clone() else {
        let mut agent = default_agent(key);
        if agent.trust == Trust::SystemDerived {
            agent.name = name;
        } else if name.is_some() && name != agent.name {
            headers.warnings.push("agent_name_ignored");
        }
        return Ok(Caller { agent, is_new: false });
    };
    let caller = named(&key.workspace, key.agent.as_deref(), &reference, name.clone())
        .map_err(|refusal| refusal.param("alephant-agent-id"))?;
    if caller.agent.trust != Trust::SelfReported && name.is_some() && name != caller.agent.name {
        headers.warnings.push("agent_name_ignored");
    }
    Ok(caller)
}

/// The agent that a reference names. With a key that is `bound` to one it can name no other; `name` is what one that nobody has
/// registered calls itself.
pub fn named(
    workspace: &WorkspaceEntry,
    bound: Option<&Agent>,
    reference: &AgentRef,
    name: Option<String>,
) -> Result<Caller, Refusal> {
    let known = workspace.agent(reference);
    if let Some(bound) = bound {
        if known.is_none_or(|known| known.id() != bound.id()) {
            let message =
                format!("The key is bound to agent {}; it cannot act as {reference}.", bound.external_id);
            return Err(Refusal::new(Code::AgentMismatch, message));
        }
        return Ok(Caller { agent: stamp(bound, Trust::AuthBound), is_new: false });
    }
    match known {
        Some(agent) if agent.status != AgentStatus::Active => {
            let message = format!("Agent {reference} is switched off or archived.");
            Err(Refusal::new(Code::AgentUnknown, message))
        }
        Some(agent) if agent.source == AgentSource::SelfReported => {
            Ok(Caller { agent: stamp(agent, Trust::SelfReported), is_new: false })
        }
        Some(agent) => Ok(Caller { agent: stamp(agent, Trust::RegistryVerified), is_new: false }),
        None => unknown_agent(workspace, reference, name),
    }
}

fn unknown_agent(
    workspace: &WorkspaceEntry,
    reference: &AgentRef,
    name: Option<String>,
) -> Result<Caller, Refusal> {
    if workspace.workspace.settings.self_reported_agents == SelfReportedAgents::Forbid {
        let message =
            format!("No agent {reference} is registered, and the workspace serves registered agents only.");
        return Err(Refusal::new(Code::AgentUnknown, message));
    }
    let agent = AgentStamp {
        id: None,
        external_id: external(&reference.to_string()),
        name,
        trust: Trust::SelfReported,
    };
    // A UUID that is nobody's is kept on the row, but makes no agent: ids are given by us.
    let is_new = matches!(reference, AgentRef::External(_));
    Ok(Caller { agent, is_new })
}

fn stamp(agent: &Agent, trust: Trust) -> AgentStamp {
    AgentStamp {
        id: Some(agent.id()),
        external_id: agent.external_id.clone(),
        name: Some(agent.name.clone()),
        trust,
    }
}

/// Every text given here is inside the grammar: a UUID, `vk:` and a UUID, or an external id.
fn external(text: &str) -> ExternalId {
    ExternalId::parse(text).unwrap_or_else(|_| ExternalId::unknown())
}
