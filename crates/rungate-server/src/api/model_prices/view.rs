//! A price of a workspace's own on the wire.

use rungate_core::agent::PriceOverride;
use rungate_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::view::HeadView;

/// A price that the workspace pays for one model.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ModelPrice)]
pub struct ModelPriceView {
    /// Id, version, times.
    #[serde(flatten)]
    pub head: HeadView,
    /// The provider's id.
    pub provider: String,
    /// The model as the provider calls it.
    pub model: String,
    /// US dollars as decimal strings, per million tokens or per unit.
    #[schema(value_type = Object)]
    pub prices: Value,
    /// In force from this time on.
    #[schema(value_type = String, format = DateTime)]
    pub effective_from: Timestamp,
    /// What rows priced by it name as their `priceSnapshotId`.
    pub price_snapshot_id: String,
}

impl From<PriceOverride> for ModelPriceView {
    fn from(price: PriceOverride) -> Self {
        Self {
            head: (&price.head).into(),
            price_snapshot_id: format!("override-{}", price.head.id),
            provider: price.provider,
            model: price.model,
            prices: price.prices,
            effective_from: price.effective_from,
        }
    }
}
