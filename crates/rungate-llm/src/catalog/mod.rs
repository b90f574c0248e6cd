//! Models and what they cost.

mod price;
pub use price::*;

use rungate_core::money::NanoUsd;
use rungate_core::usage::Usage;

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The provider's id.
    pub provider: String,
    /// The model as the provider calls it.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Tokens of input and output together, where known.
    pub context_window: Option<u64>,
    /// Tokens of output, where known.
    pub max_output_tokens: Option<u64>,
    /// Kind of use: `chat`, `embedding`, `image`, `audio`, `moderation`, `responses`, `completion`.
    pub mode: String,
    /// `text`, `image`, `audio` … taken as input.
    pub modalities: Vec<String>,
    /// `tools`, `vision`, `reasoning`, `prompt_caching` …
    pub capabilities: Vec<String>,
    /// What it costs; `None` when unknown.
    pub price: Option<Price>,
}

/// The models and prices of one snapshot.
#[derive(Debug, Default)]
pub struct Catalogue {
    snapshot_id: String,
    models: std::collections::BTreeMap<(String, String), Model>,
}

impl Catalogue {
    /// The catalogue that this build carries.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Ok(Self::default())
    }

    /// Names the snapshot on every row it priced.
    pub fn snapshot_id(&self) -> &str {
        &self.snapshot_id
    }

    /// A model by provider and the provider's own name for it. A dated name (`gpt-4o-mini-2024-07-18`) falls back to the
    /// undated one.
    pub fn model(&self, provider: &str, model: &str) -> Option<&Model> {
        self.models.get(&(provider.to_owned(), model.to_owned()))
    }

    /// Every model of a provider, by name.
    pub fn of_provider<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a Model> {
        self.models.values().filter(move |model| model.provider == provider)
    }
}

/// The catalogue cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the model catalogue cannot be read: {0}")]
pub struct CatalogueError(pub String);

/// What `usage` costs at `price`; `None` when a unit that was used has no price.
pub fn cost(price: &Price, usage: &Usage) -> Option<NanoUsd> {
    let _ = (price, usage);
    None
}
