//! A model on the wire.

use std::sync::Arc;

use rungate_core::agent::PriceOverride;
use rungate_llm::catalog::Model;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A model.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Model)]
pub struct ModelView {
    /// `provider/model`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The provider's id.
    pub provider: String,
    /// Tokens it takes, where known.
    pub context_window: Option<u64>,
    /// Tokens it gives, where known.
    pub max_output_tokens: Option<u64>,
    /// What it takes: `text`, `image`, `audio` …
    pub modalities: Vec<String>,
    /// What it can: `tools`, `vision`, `reasoning` …
    pub capabilities: Vec<String>,
    /// Always `active` in this version.
    pub status: &'static str,
    /// US dollars as decimal strings; null when no price is known. A snapshot shows a list where the price has changed: the
    /// newest first, each but the last with the moment it counts `from`.
    #[schema(value_type = Option<Object>)]
    pub prices: Option<Value>,
    /// `catalogue` or `override`.
    pub price_source: &'static str,
    /// The list that the catalogue's price is from, such as `litellm`; null where it is unknown or the workspace's own.
    pub price_list: Option<String>,
    /// The snapshot the price is from.
    pub price_snapshot_id: String,
}

impl ModelView {
    /// A model of the catalogue, with its price or all of them.
    pub fn new(model: &Model, prices: Option<Value>, snapshot: &str) -> Self {
        let texts = |texts: &[Arc<str>]| texts.iter().map(ToString::to_string).collect();
        Self {
            id: format!("{}/{}", model.provider, model.id),
            name: model.name().to_owned(),
            provider: model.provider.to_string(),
            context_window: model.context_window,
            max_output_tokens: model.max_output_tokens,
            modalities: texts(&model.modalities),
            capabilities: texts(&model.capabilities),
            status: "active",
            prices,
            price_source: "catalogue",
            price_list: model.source.as_deref().map(str::to_owned),
            price_snapshot_id: snapshot.to_owned(),
        }
    }

    /// A model of which only the workspace's own price is known.
    pub fn of_override(price: &PriceOverride, snapshot: &str) -> Self {
        Self {
            id: format!("{}/{}", price.provider, price.model),
            name: price.model.clone(),
            provider: price.provider.clone(),
            context_window: None,
            max_output_tokens: None,
            modalities: Vec::new(),
            capabilities: Vec::new(),
            status: "active",
            prices: Some(price.prices.clone()),
            price_source: "override",
            price_list: None,
            price_snapshot_id: snapshot.to_owned(),
        }
    }

    /// The same with the workspace's own price.
    #[must_use]
    pub fn priced(mut self, prices: Option<Value>, snapshot: &str) -> Self {
        self.prices = prices;
        self.price_source = "override";
        self.price_list = None;
        snapshot.clone_into(&mut self.price_snapshot_id);
        self
    }
}
