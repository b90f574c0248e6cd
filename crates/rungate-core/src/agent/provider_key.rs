//! Provider keys: the customer's own credentials at a provider.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::resource::{Head, Resource, ResourceKind, head};
use crate::id::ProviderKeyId;
use crate::secret::Sealed;
use crate::time::Timestamp;

/// Whether a provider key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKeyStatus {
    /// In use.
    Active,
    /// Switched off by a person.
    Inactive,
    /// The provider refused it.
    Error,
    /// Gone for good.
    Revoked,
}

/// A credential at a provider, sealed at rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderKey {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// 1 to 100 characters.
    pub name: String,
    /// The provider's id in the registry, such as `openai`.
    pub provider: String,
    /// Another address than the provider's own; required for `custom` and self-hosted ones.
    pub base_url: Option<String>,
    /// The credential, sealed for the context `provider-key:<id>`.
    pub secret: Sealed,
    /// What may be shown of it.
    pub masked_key: String,
    /// Whether it can be used.
    pub status: ProviderKeyStatus,
    /// The models it offers, as globs; empty: all.
    pub models: Vec<String>,
    /// Further headers sent upstream. Not for credentials.
    pub headers: BTreeMap<String, String>,
    /// Lower first, where several keys of one provider fit.
    pub priority: u32,
    /// The share of requests it gets, 1 to 1000, where a policy spreads them by weight.
    #[serde(default = "one")]
    pub weight: u32,
    /// When the provider last accepted it on `verify`.
    pub last_verified_at: Option<Timestamp>,
}

const fn one() -> u32 {
    1
}

impl ProviderKey {
    /// Its id.
    pub const fn id(&self) -> ProviderKeyId {
        ProviderKeyId::new(self.head.id)
    }

    /// What its secret is sealed for.
    pub fn seal_context(id: ProviderKeyId) -> String {
        format!("provider-key:{id}")
    }
}

impl Resource for ProviderKey {
    const KIND: ResourceKind = ResourceKind::ProviderKey;
    head!();
    fn facets(&self) -> Vec<(&'static str, String)> {
        vec![("provider", self.provider.clone())]
    }
    fn search_text(&self) -> String {
        format!("{} {}", self.name, self.provider)
    }
}
