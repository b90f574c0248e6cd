//! A provider key on the wire. Its secret never is.

use std::collections::BTreeMap;

use rungate_core::agent::{ProviderKey, ProviderKeyStatus};
use rungate_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::view::HeadView;

/// A provider key.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProviderKey)]
pub struct ProviderKeyView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// 1 to 100 characters.
    pub name: String,
    /// The provider's id.
    pub provider: String,
    /// Another address than the provider's own.
    pub base_url: Option<String>,
    /// What may be shown of the secret; null when there is none.
    pub masked_key: Option<String>,
    /// `active`, `inactive`, `error` or `revoked`.
    #[schema(value_type = String)]
    pub status: ProviderKeyStatus,
    /// Always empty in this version.
    pub department_ids: Vec<Uuid>,
    /// The models it offers, as globs; empty: all.
    pub models: Vec<String>,
    /// Further headers sent to the provider.
    pub headers: BTreeMap<String, String>,
    /// Lower first.
    pub priority: u32,
    /// Its share of requests where a policy spreads them by weight.
    pub weight: u32,
    /// Always null in this version.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
    /// When the provider last accepted it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_verified_at: Option<Timestamp>,
}

impl From<ProviderKey> for ProviderKeyView {
    fn from(key: ProviderKey) -> Self {
        Self {
            head: (&key.head).into(),
            name: key.name,
            provider: key.provider,
            base_url: key.base_url,
            masked_key: Some(key.masked_key).filter(|masked| !masked.is_empty()),
            status: key.status,
            department_ids: Vec::new(),
            models: key.models,
            headers: key.headers,
            priority: key.priority,
            weight: key.weight,
            last_used_at: None,
            last_verified_at: key.last_verified_at,
        }
    }
}
