//! Virtual keys: the credentials that agents and members send.

use serde::{Deserialize, Serialize};

use crate::agent::own_limits::{OwnLimits, RunApiLimits};
use crate::agent::resource::{Head, Resource, ResourceKind, head};
use crate::id::{AgentId, MemberId, ProviderKeyId, VirtualKeyId};
use crate::secret::TokenHash;
use crate::time::Timestamp;

/// Whether a virtual key is switched on. Expiry is a time, not a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// Accepted, unless expired.
    Active,
    /// Switched off; can be switched on again.
    Disabled,
    /// Gone for good.
    Revoked,
}

/// Whom a virtual key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type", content = "id")]
pub enum KeyOwner {
    /// One agent.
    Agent(AgentId),
    /// One member.
    Member(MemberId),
}

/// How long a key was asked to live, as it was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpiryPreset {
    /// For ever.
    #[default]
    #[serde(rename = "never")]
    Never,
    /// Seven days.
    #[serde(rename = "7d")]
    Days7,
    /// Thirty days.
    #[serde(rename = "30d")]
    Days30,
    /// Ninety days.
    #[serde(rename = "90d")]
    Days90,
    /// Until `expiresAt`.
    #[serde(rename = "custom")]
    Custom,
}

/// The token before a rotation, while it still works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousToken {
    /// Its keyed hash.
    pub hash: TokenHash,
    /// Refused from this time on.
    pub expires_at: Timestamp,
}

/// A virtual key; the token itself is shown once and kept only as a keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualKey {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// 1 to 100 characters.
    pub label: String,
    /// The start of the token, at most 16 characters, for telling keys apart.
    pub key_prefix: String,
    /// The keyed hash of the token.
    pub token_hash: TokenHash,
    /// The token before the last rotation.
    pub previous: Option<PreviousToken>,
    /// Whether it is switched on.
    pub status: KeyStatus,
    /// What switched it off, when no person did: `agent_archived`, `master_key_cascade`, `budget`.
    pub disabled_by: Option<String>,
    /// Whom it stands for.
    pub owner: KeyOwner,
    /// The provider key its requests go through; any usable one of the workspace when absent.
    pub provider_key_id: Option<ProviderKeyId>,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// Globs; empty: all.
    pub allowed_models: Vec<String>,
    /// Globs; win over the allowed ones.
    pub blocked_models: Vec<String>,
    /// Refused from this time on.
    pub expires_at: Option<Timestamp>,
    /// How the expiry was asked for.
    pub expiry_preset: ExpiryPreset,
    /// Limits on requests with it.
    #[serde(default)]
    pub limits: OwnLimits,
    /// Limits on what it sends to the run API.
    #[serde(default)]
    pub run_api: RunApiLimits,
}

impl VirtualKey {
    /// Its id.
    pub const fn id(&self) -> VirtualKeyId {
        VirtualKeyId::new(self.head.id)
    }

    /// Whether it is switched on and not expired.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.status == KeyStatus::Active && self.expires_at.is_none_or(|at| now < at)
    }
}

impl Resource for VirtualKey {
    const KIND: ResourceKind = ResourceKind::VirtualKey;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        let mut unique = vec![("token", self.token_hash.to_hex())];
        unique.extend(self.previous.as_ref().map(|previous| ("token", previous.hash.to_hex())));
        unique
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        let (entity_type, entity_id) = match self.owner {
            KeyOwner::Agent(id) => ("agent", id.to_string()),
            KeyOwner::Member(id) => ("member", id.to_string()),
        };
        let mut facets = vec![
            ("status", serde_json::json!(self.status).as_str().unwrap_or_default().to_owned()),
            ("entity_type", entity_type.to_owned()),
            ("entity_id", entity_id),
        ];
        facets.extend(self.provider_key_id.map(|id| ("provider_key_id", id.to_string())));
        facets
    }
    fn search_text(&self) -> String {
        format!("{} {}", self.label, self.key_prefix)
    }
}
