//! Prices of a workspace that differ from the catalogue's.

use serde::{Deserialize, Serialize};

use crate::agent::resource::{Head, Resource, ResourceKind, head};
use crate::time::Timestamp;

/// A price that one workspace pays for one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceOverride {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: Head,
    /// The provider's id in the registry.
    pub provider: String,
    /// The model as the provider calls it.
    pub model: String,
    /// The prices in the shape of the price catalogue; checked when saved.
    pub prices: serde_json::Value,
    /// In force from this time on.
    pub effective_from: Timestamp,
    /// When it was withdrawn. It is kept, since the rows that it priced name it.
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
}

impl Resource for PriceOverride {
    const KIND: ResourceKind = ResourceKind::PriceOverride;
    head!();
    fn unique(&self) -> Vec<(&'static str, String)> {
        if self.deleted_at.is_some() {
            return Vec::new();
        }
        let Head { workspace_id, .. } = self.head;
        vec![(
            "price",
            format!("{workspace_id}/{}/{}@{}", self.provider, self.model, self.effective_from.micros()),
        )]
    }
    fn facets(&self) -> Vec<(&'static str, String)> {
        vec![
            ("provider", self.provider.clone()),
            ("model", self.model.clone()),
            ("deleted", self.deleted_at.is_some().to_string()),
        ]
    }
    fn search_text(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }
}
