//! A virtual key on the wire. Its token is shown once, when it is made or rotated.

use rungate_core::agent::{ExpiryPreset, KeyOwner, KeyStatus, VirtualKey};
use rungate_core::budget::Budget;
use rungate_core::id::ProviderKeyId;
use rungate_core::secret::Secret;
use rungate_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::budgets::owned;
use crate::api::spend::Spend;
use crate::api::view::{HeadView, LimitsView, SpentView};

/// A virtual key.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VirtualKey)]
pub struct VirtualKeyView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// 1 to 100 characters.
    pub label: String,
    /// The start of the token.
    pub key_prefix: String,
    /// The token: only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_token: Option<String>,
    /// `active`, `disabled`, `expired` or `revoked`.
    pub status: &'static str,
    /// `agent` or `member`.
    pub entity_type: &'static str,
    /// Whom it stands for.
    pub entity_id: Uuid,
    /// The provider key its requests go through; null: any usable one.
    #[schema(value_type = Option<Uuid>)]
    pub master_key_id: Option<ProviderKeyId>,
    /// The same under its newer name.
    #[schema(value_type = Option<Uuid>)]
    pub provider_key_id: Option<ProviderKeyId>,
    /// Budget and rate limits.
    #[serde(flatten)]
    pub limits: LimitsView,
    /// Requests at once; null: no limit.
    pub max_concurrent: Option<u32>,
    /// Requests of the run API in any minute; null: 600.
    pub run_api_rpm: Option<u32>,
    /// Requests of the run API in any hour; null: 10 000.
    pub run_api_rph: Option<u32>,
    /// What was spent with it.
    #[serde(flatten)]
    pub spent: SpentView,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// Globs; empty: all.
    pub allowed_models: Vec<String>,
    /// Globs; win over the allowed ones.
    pub blocked_models: Vec<String>,
    /// Always empty in this version.
    pub allowed_workflows: Vec<String>,
    /// Refused from this time on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// How the expiry was asked for.
    #[schema(value_type = String)]
    pub expiry_preset: ExpiryPreset,
    /// Until when the token before the last rotation works.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub previous_token_expires_at: Option<Timestamp>,
    /// What switched it off, when no person did.
    pub disabled_by: Option<String>,
    /// Always null in this version: the log knows when it was last used.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

impl VirtualKeyView {
    /// The key as it is at `now`, and the budget that stands on it.
    pub fn new(key: VirtualKey, spend: &Spend, budget: Option<&Budget>, now: Timestamp) -> Self {
        let (entity_type, entity_id) = match key.owner {
            KeyOwner::Agent(id) => ("agent", id.uuid()),
            KeyOwner::Member(id) => ("member", id.uuid()),
        };
        let previous = key.previous.as_ref().map(|previous| previous.expires_at);
        Self {
            head: (&key.head).into(),
            status: status_of(&key, now),
            entity_type,
            entity_id,
            spent: spend.view(&key.id().to_string()),
            label: key.label,
            key_prefix: key.key_prefix,
            full_token: None,
            master_key_id: key.provider_key_id,
            provider_key_id: key.provider_key_id,
            limits: owned::view(budget, key.limits),
            max_concurrent: key.limits.max_concurrent,
            run_api_rpm: key.run_api.per_minute,
            run_api_rph: key.run_api.per_hour,
            default_model: key.default_model,
            allowed_models: key.allowed_models,
            blocked_models: key.blocked_models,
            allowed_workflows: Vec::new(),
            expires_at: key.expires_at,
            expiry_preset: key.expiry_preset,
            previous_token_expires_at: previous.filter(|until| now < *until),
            disabled_by: key.disabled_by,
            last_used_at: None,
        }
    }

    /// With its token, this once.
    #[must_use]
    pub fn with_token(mut self, token: &Secret) -> Self {
        self.full_token = Some(token.expose().to_owned());
        self
    }
}

/// The status of a key at `now`. None is `exceeded` while there are no budgets.
pub fn status_of(key: &VirtualKey, now: Timestamp) -> &'static str {
    match key.status {
        KeyStatus::Revoked => "revoked",
        KeyStatus::Disabled => "disabled",
        KeyStatus::Active if key.is_usable(now) => "active",
        KeyStatus::Active => "expired",
    }
}
