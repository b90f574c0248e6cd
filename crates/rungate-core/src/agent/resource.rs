//! What all resources of the control plane have in common, so that a store needs one table for all of them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::WorkspaceId;
use crate::time::Timestamp;

/// The kinds of resources. A new resource is one line here and one file beside this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// [`crate::agent::Workspace`]
    Workspace,
    /// [`crate::agent::Member`]
    Member,
    /// [`crate::agent::ProviderKey`]
    ProviderKey,
    /// [`crate::agent::Agent`]
    Agent,
    /// [`crate::agent::VirtualKey`]
    VirtualKey,
    /// [`crate::agent::Pat`]
    Pat,
    /// [`crate::policy::Policy`]
    Policy,
    /// [`crate::policy::PolicyVersion`]
    PolicyVersion,
    /// [`crate::agent::PriceOverride`]
    PriceOverride,
    /// [`crate::budget::Budget`]
    Budget,
    /// [`crate::webhook::Webhook`]
    Webhook,
    /// [`crate::webhook::Delivery`]
    Delivery,
    /// [`crate::webhook::DueDelivery`]
    DueDelivery,
    /// [`crate::agent::PriceSnapshot`]
    PriceSnapshot,
    /// [`crate::agent::PriceSnapshotData`]
    PriceSnapshotData,
    /// [`crate::agent::ActivePrices`]
    ActivePrices,
    /// An answered control request kept for its idempotency key.
    Idempotency,
    /// One value of the installation itself, such as the sealed pepper.
    Setting,
}

impl ResourceKind {
    /// Its name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Member => "member",
            Self::ProviderKey => "provider_key",
            Self::Agent => "agent",
            Self::VirtualKey => "virtual_key",
            Self::Pat => "pat",
            Self::Policy => "policy",
            Self::PolicyVersion => "policy_version",
            Self::PriceOverride => "price_override",
            Self::Budget => "budget",
            Self::Webhook => "webhook",
            Self::Delivery => "delivery",
            Self::DueDelivery => "due_delivery",
            Self::PriceSnapshot => "price_snapshot",
            Self::PriceSnapshotData => "price_snapshot_data",
            Self::ActivePrices => "active_prices",
            Self::Idempotency => "idempotency",
            Self::Setting => "setting",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Workspace,
            Self::Member,
            Self::ProviderKey,
            Self::Agent,
            Self::VirtualKey,
            Self::Pat,
            Self::Policy,
            Self::PolicyVersion,
            Self::PriceOverride,
            Self::Budget,
            Self::Webhook,
            Self::Delivery,
            Self::DueDelivery,
            Self::PriceSnapshot,
            Self::PriceSnapshotData,
            Self::ActivePrices,
            Self::Idempotency,
            Self::Setting,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// The fields every resource has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// UUIDv7.
    pub id: Uuid,
    /// The workspace it belongs to (a workspace belongs to itself).
    pub workspace_id: WorkspaceId,
    /// Counts from 1, up by one with each change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Head {
    /// The head of a new resource.
    pub const fn new(id: Uuid, workspace_id: WorkspaceId, now: Timestamp) -> Self {
        Self { id, workspace_id, version: 1, created_at: now, updated_at: now }
    }
}

/// A resource that the catalog can keep.
pub trait Resource: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its kind.
    const KIND: ResourceKind;

    /// The fields every resource has.
    fn head(&self) -> &Head;

    /// The same, to change.
    fn head_mut(&mut self) -> &mut Head;

    /// Names that must be unique among the resources of this kind: `(name, value)`. Unique over the whole
    /// installation; put the workspace id into the value where a name is unique within a workspace only.
    fn unique(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Fields a list can be filtered by: `(name, value)`.
    fn facets(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The text that a search looks in.
    fn search_text(&self) -> String {
        String::new()
    }

    /// The same resource one version later.
    #[must_use]
    fn touched(mut self, now: Timestamp) -> Self
    where
        Self: Sized,
    {
        let head = self.head_mut();
        head.version += 1;
        head.updated_at = now;
        self
    }
}

/// Implements the two head accessors of [`Resource`].
macro_rules! head {
    () => {
        fn head(&self) -> &$crate::agent::Head {
            &self.head
        }
        fn head_mut(&mut self) -> &mut $crate::agent::Head {
            &mut self.head
        }
    };
}
pub(crate) use head;
