//! What makes two requests equal: the same bytes to the same place, on behalf of the same people, told the same way.

use http::HeaderMap;
use http::header::{HeaderName, USER_AGENT};
use rungate_core::id::{AgentId, VirtualKeyId, WorkspaceId};
use rungate_core::money::NanoUsd;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Names the answers to equal requests. Two requests with one key are equal, as surely as SHA-256 has no collisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The tenant; in the hash as well.
    pub workspace: WorkspaceId,
    hash: [u8; 32],
    /// Which of several answers to equal requests.
    place: u8,
}

impl Key {
    /// The same request, another answer.
    #[must_use]
    pub const fn at(self, place: u8) -> Self {
        Self { place, ..self }
    }
}

/// Who shares an answer within a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Requests with one key.
    Key(VirtualKeyId),
    /// Requests of one agent.
    Agent(AgentId),
    /// All.
    Workspace,
}

/// Everything that an answer depends on.
pub struct Identity<'a> {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Who shares the answer.
    pub sharing: Sharing,
    /// The provider key, which decides the account and what it may do.
    pub provider_key: Uuid,
    /// What the client asks for, and what is sent: between the two the answer may be translated.
    pub operations: [&'static str; 2],
    /// Where the request goes.
    pub uri: &'a str,
    /// The headers that it goes with.
    pub headers: &'a HeaderMap,
    /// The body that it goes with, before limits are put into it.
    pub body: &'a [u8],
    /// The limits that policies put into it.
    pub limits: (Option<u64>, Option<NanoUsd>),
    /// The model as the client named it, which translated answers repeat.
    pub model: Option<&'a str>,
    /// Whether the client asks for a stream, and for its usage.
    pub stream: [bool; 2],
    /// The client's own seed.
    pub seed: Option<&'a str>,
}

impl Identity<'_> {
    /// Its key.
    pub fn key(&self) -> Key {
        let mut hash = Framed(Sha256::new());
        hash.field(b"rungate cache 1");
        hash.field(self.workspace.uuid().as_bytes());
        let (tag, sharing): (&[u8], _) = match self.sharing {
            Sharing::Key(id) => (b"key", id.uuid()),
            Sharing::Agent(id) => (b"agent", id.uuid()),
            Sharing::Workspace => (b"workspace", Uuid::nil()),
        };
        hash.field(tag);
        hash.field(sharing.as_bytes());
        hash.field(self.provider_key.as_bytes());
        for operation in self.operations {
            hash.field(operation.as_bytes());
        }
        hash.field(self.uri.as_bytes());
        let bearing = || self.headers.iter().filter(|(name, value)| !value.is_sensitive() && bears(name));
        hash.count(bearing().count());
        for (name, value) in bearing() {
            hash.field(name.as_str().as_bytes());
            hash.field(value.as_bytes());
        }
        hash.field(self.body);
        hash.some(self.limits.0.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        let most_cost = self.limits.1.map(|cost| cost.nanos().to_be_bytes());
        hash.some(most_cost.as_ref().map(<[u8; 8]>::as_slice));
        hash.some(self.model.map(str::as_bytes));
        hash.field(&self.stream.map(u8::from));
        hash.some(self.seed.map(str::as_bytes));
        Key { workspace: self.workspace, hash: hash.0.finalize().into(), place: 0 }
    }
}

/// Whether an answer may depend on a header. The client's own key of one attempt and our name do not change it; credentials are
/// told apart by the provider key.
fn bears(name: &HeaderName) -> bool {
    *name != USER_AGENT && name != "idempotency-key"
}

/// A hash over fields, each with its length before it: no two lists of fields make the same bytes.
struct Framed(Sha256);

impl Framed {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn some(&mut self, bytes: Option<&[u8]>) {
        self.0.update([u8::from(bytes.is_some())]);
        self.field(bytes.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};

    use super::*;

    const EMPTY: Uuid = Uuid::nil();

    fn identity<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Identity<'a> {
        Identity {
            workspace: WorkspaceId::new(EMPTY),
            sharing: Sharing::Workspace,
            provider_key: EMPTY,
            operations: ["chat", "chat"],
            uri: "https://api.example.com/v1/chat/completions",
            headers,
            body,
            limits: (None, None),
            model: Some("m"),
            stream: [false, false],
            seed: None,
        }
    }

    #[test]
    fn whatever_an_answer_depends_on_makes_another_key() {
        let other = Uuid::from_u128(1);
        let none = HeaderMap::new();
        let beta = HeaderMap::from_iter([(
            HeaderName::from_static("anthropic-beta"),
            HeaderValue::from_static("x"),
        )]);
        let same = || identity(&none, b"{}");
        let keys = [
            same(),
            Identity { workspace: WorkspaceId::new(other), ..same() },
            Identity { sharing: Sharing::Agent(AgentId::new(EMPTY)), ..same() },
            Identity { sharing: Sharing::Agent(AgentId::new(other)), ..same() },
            Identity { sharing: Sharing::Key(VirtualKeyId::new(EMPTY)), ..same() },
            Identity { sharing: Sharing::Key(VirtualKeyId::new(other)), ..same() },
            Identity { provider_key: other, ..same() },
            Identity { operations: ["messages", "chat"], ..same() },
            Identity { operations: ["chat", "messages"], ..same() },
            Identity { operations: ["chatc", "hat"], ..same() },
            Identity { uri: "https://api.example.com/v1/chat/completions?a=b", ..same() },
            identity(&beta, b"{}"),
            identity(&none, b"{ }"),
            Identity { limits: (Some(0), None), ..same() },
            Identity { limits: (None, Some(NanoUsd::ZERO)), ..same() },
            Identity { model: None, ..same() },
            Identity { model: Some(""), ..same() },
            Identity { stream: [true, false], ..same() },
            Identity { stream: [false, true], ..same() },
            Identity { seed: Some(""), ..same() },
            Identity { seed: Some("m"), model: None, ..same() },
        ];
        let distinct: HashSet<_> = keys.iter().map(Identity::key).collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(same().key(), same().key());
        assert_ne!(same().key(), same().key().at(1));
        assert_eq!(same().key().at(1).at(0), same().key());
    }

    #[test]
    fn what_an_answer_does_not_depend_on_does_not() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let plain = identity(&headers, b"{}").key();
        let mut more = headers.clone();
        let mut secret = HeaderValue::from_static("Bearer sk");
        secret.set_sensitive(true);
        more.insert(AUTHORIZATION, secret);
        more.insert(USER_AGENT, HeaderValue::from_static("rungate"));
        more.insert("idempotency-key", HeaderValue::from_static("1"));
        assert_eq!(identity(&more, b"{}").key(), plain);
    }

    proptest::proptest! {
        #[test]
        fn moving_bytes_between_fields_makes_another_key(text in "[a-z]{1,12}", cut in 0_usize..12, other in 0_usize..12) {
            let headers = HeaderMap::new();
            let key = |cut: usize| {
                let (uri, body) = text.split_at(cut.min(text.len()));
                Identity { uri, ..identity(&headers, body.as_bytes()) }.key()
            };
            let is_same_cut = cut.min(text.len()) == other.min(text.len());
            proptest::prop_assert_eq!(key(cut) == key(other), is_same_cut);
        }
    }
}
