//! Models and what they cost.
//!
//! The data is `catalogue/models.json`, made by `cargo xtask prices import`; `catalogue/NOTICE.md` says from what. It is
//! part of the binary; a catalogue of the same form can be read at run time and take its place.

mod check;
mod cost;
mod diff;
mod difference;
pub mod import;
mod price;
mod text;

pub use check::{Faults, check};
pub use cost::cost;
pub use diff::{Change, Diff, FieldChange, diff};
pub use difference::Difference;
pub use price::{Dated, Price, Prices, Rate, Rates, Tier, Unit};

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use rungate_core::time::Timestamp;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::provider::Provider;
use crate::providers;

/// The data that this build carries.
const EMBEDDED: &str = include_str!("../../catalogue/models.json");

/// A model of the catalogue. Texts that many models have are kept once. It is written as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The provider's id.
    pub provider: Arc<str>,
    /// The model as the provider calls it.
    pub id: Arc<str>,
    /// Kind of use: `chat`, `embedding`, `image`, `audio`, `moderation`, `responses`, `completion`.
    pub mode: Arc<str>,
    /// Whether it is offered to those who ask what there is. What is not can be asked for by name all the same, and is
    /// priced: only lists that keep withdrawn models have it.
    #[serde(skip_serializing_if = "is_true")]
    pub offered: bool,
    /// Tokens it reads at most, where known; some providers count the answer's in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Tokens of output, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// `text`, `image`, `audio` … taken as input.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub modalities: Arc<[Arc<str>]>,
    /// `tools`, `vision`, `reasoning`, `prompt_caching` …
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub capabilities: Arc<[Arc<str>]>,
    /// Who says what it costs: the source of the newest price, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Arc<str>>,
    /// What it costs and has cost; empty when unknown.
    #[serde(skip_serializing_if = "Prices::is_empty")]
    pub prices: Prices,
}

/// The models and prices of one snapshot. It never changes; a clone shares the models.
#[derive(Debug, Clone)]
pub struct Catalogue {
    snapshot_id: Arc<str>,
    /// In order of provider and id.
    models: Arc<[Model]>,
}

/// The catalogue cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the model catalogue cannot be read: {0}")]
pub struct CatalogueError(pub String);

/// The data file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File<'a> {
    #[serde(borrow)]
    snapshot_id: Cow<'a, str>,
    models: Models,
}

/// The models of the file, each made as its row is read: thousands of rows at once would take more than they leave.
struct Models(Vec<Model>);

impl<'de> Deserialize<'de> for Models {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;

        impl<'de> Visitor<'de> for Rows {
            type Value = Models;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of models")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Models, A::Error> {
                let (mut texts, mut models) = (Texts::default(), Vec::new());
                while let Some(row) = rows.next_element::<Row<'_>>()? {
                    models.push(Model::of(row, &mut texts));
                }
                Ok(Models(models))
            }
        }

        deserializer.deserialize_seq(Rows)
    }
}

/// One line of the data file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow)]
    provider: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    mode: Cow<'a, str>,
    #[serde(default = "is_offered")]
    offered: bool,
    #[serde(default)]
    context_window: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(default)]
    modalities: Vec<Cow<'a, str>>,
    #[serde(default)]
    capabilities: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(default)]
    prices: Prices,
}

/// Texts and lists of them that stand in many rows, each kept once.
#[derive(Default)]
struct Texts {
    texts: HashSet<Arc<str>>,
    lists: HashSet<Arc<[Arc<str>]>>,
}

impl Texts {
    fn keep(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.texts.get(text) {
            return Arc::clone(kept);
        }
        let kept: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&kept));
        kept
    }

    fn keep_all(&mut self, texts: &[Cow<'_, str>]) -> Arc<[Arc<str>]> {
        let list: Arc<[Arc<str>]> = texts.iter().map(|text| self.keep(text)).collect();
        if let Some(kept) = self.lists.get(&list) {
            return Arc::clone(kept);
        }
        self.lists.insert(Arc::clone(&list));
        list
    }
}

impl Catalogue {
    /// The catalogue that this build carries.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::parse(EMBEDDED)
    }

    /// Reads a catalogue. Models must stand in order of provider and id, each once.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let file: File<'_> = serde_json::from_str(text).map_err(|error| CatalogueError(error.to_string()))?;
        let models: Arc<[Model]> = file.models.0.into();
        match models.windows(2).find(|pair| key(&pair[0]) >= key(&pair[1])) {
            Some(pair) => {
                let name = format!("{}/{}", pair[1].provider, pair[1].id);
                let why = if key(&pair[0]) == key(&pair[1]) { "stands twice" } else { "is out of order" };
                Err(CatalogueError(format!("{name} {why}")))
            }
            None => Ok(Self { snapshot_id: file.snapshot_id.into(), models }),
        }
    }

    /// Names the snapshot on every row it priced.
    pub fn snapshot_id(&self) -> &str {
        &self.snapshot_id
    }

    /// Every model, in order of provider and id.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// A model by provider and the provider's own name for it. What is listed counts first; then, in this order:
    ///
    /// 1. a fine-tuned name (`ft:gpt-4o-mini-2024-07-18:org::id`) is looked up as its base (`ft:gpt-4o-mini-2024-07-18`);
    /// 2. a dated name (`gpt-4o-mini-2024-07-18`, `claude-sonnet-4-5-20250929`, also `…-latest`) as the undated one;
    /// 3. an undated name as the newest dated one.
    pub fn model(&self, provider: &str, model: &str) -> Option<&Model> {
        let model = base_of_fine_tune(model);
        let undated = undated(model);
        self.listed(provider, model)
            .or_else(|| undated.and_then(|undated| self.listed(provider, undated)))
            .or_else(|| self.newest_dated(provider, undated.unwrap_or(model)))
    }

    /// Every model of a provider, by name.
    pub fn of_provider<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a Model> {
        self.from(provider, "").iter().take_while(move |model| *model.provider == *provider)
    }

    /// The same model at every provider that lists it, for names that say no provider; at most one each, in the order of
    /// [`providers::ALL`].
    pub fn find_by_model<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a Model> {
        providers::ALL.iter().filter_map(move |Provider { id, .. }| self.model(id, model))
    }

    /// The models from this one on.
    fn from(&self, provider: &str, id: &str) -> &[Model] {
        &self.models[self.models.partition_point(|model| key(model) < (provider, id))..]
    }

    fn listed(&self, provider: &str, id: &str) -> Option<&Model> {
        self.from(provider, id).first().filter(|model| key(model) == (provider, id))
    }

    fn newest_dated(&self, provider: &str, id: &str) -> Option<&Model> {
        self.from(provider, id)
            .iter()
            .take_while(|model| *model.provider == *provider && model.id.starts_with(id))
            .filter(|model| model.id.len() > id.len() && undated(&model.id) == Some(id))
            .last()
    }
}

impl Model {
    fn of(row: Row<'_>, texts: &mut Texts) -> Self {
        Self {
            provider: texts.keep(&row.provider),
            id: row.id.into(),
            offered: row.offered,
            context_window: row.context_window,
            max_output_tokens: row.max_output_tokens,
            mode: texts.keep(&row.mode),
            modalities: texts.keep_all(&row.modalities),
            capabilities: texts.keep_all(&row.capabilities),
            source: row.source.map(|source| texts.keep(&source)),
            prices: row.prices,
        }
    }

    /// What it costs at a moment; `None` when unknown.
    pub fn price_at(&self, moment: Timestamp) -> Option<&Price> {
        self.prices.at(moment)
    }

    /// Its name for people: the last part of its id.
    pub fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or(&self.id)
    }
}

const fn is_offered() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_true(value: &bool) -> bool {
    *value
}

fn key(model: &Model) -> (&str, &str) {
    (&model.provider, &model.id)
}

/// `ft:gpt-4o-mini-2024-07-18:org::id` → `ft:gpt-4o-mini-2024-07-18`
fn base_of_fine_tune(model: &str) -> &str {
    let Some(rest) = model.strip_prefix("ft:") else { return model };
    rest.find(':').map_or(model, |end| &model[.."ft:".len() + end])
}

/// The name without its `-YYYY-MM-DD`, `-YYYYMMDD` or `-latest`, if it ends in one.
fn undated(model: &str) -> Option<&str> {
    let is_date = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
    };
    if let Some(base) = model.strip_suffix("-latest") {
        return Some(base);
    }
    ["-2000-00-00", "-20000000"].into_iter().find_map(|pattern| {
        let (base, date) = model.split_at_checked(model.len().checked_sub(pattern.len())?)?;
        (is_date(date, pattern) && !base.is_empty()).then_some(base)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"snapshotId": "test", "models": [
        {"provider": "anthropic", "id": "claude-a-20250101", "mode": "chat", "prices": {"inputPerMTok": "1"}},
        {"provider": "anthropic", "id": "claude-a-20250929", "mode": "chat", "prices": {"inputPerMTok": "2"}},
        {"provider": "anthropic", "id": "claude-a-20250929-fast", "mode": "chat"},
        {"provider": "openai", "id": "ft:gpt-b-2024-07-18", "mode": "chat"},
        {"provider": "openai", "id": "gpt-b", "mode": "chat"},
        {"provider": "openai", "id": "gpt-b-2024-05-13", "mode": "chat"},
        {"provider": "together", "id": "org/gpt-b", "mode": "chat", "contextWindow": 8192}
    ]}"#;

    fn small() -> Catalogue {
        Catalogue::parse(SMALL).unwrap()
    }

    fn id(provider: &str, model: &str) -> Option<String> {
        small().model(provider, model).map(|model| model.id.to_string())
    }

    #[test]
    fn a_listed_name_counts_before_every_rule() {
        assert_eq!(id("openai", "gpt-b-2024-05-13").as_deref(), Some("gpt-b-2024-05-13"));
        assert_eq!(id("openai", "gpt-b").as_deref(), Some("gpt-b"));
        assert_eq!(id("openai", "org/gpt-b").as_deref(), None, "of another provider");
    }

    #[test]
    fn dated_and_undated_names_find_each_other() {
        assert_eq!(id("openai", "gpt-b-2024-08-06").as_deref(), Some("gpt-b"));
        assert_eq!(id("openai", "gpt-b-20240806").as_deref(), Some("gpt-b"));
        assert_eq!(id("openai", "gpt-b-latest").as_deref(), Some("gpt-b"));
        assert_eq!(id("anthropic", "claude-a").as_deref(), Some("claude-a-20250929"));
        assert_eq!(id("anthropic", "claude-a-latest").as_deref(), Some("claude-a-20250929"));
        assert_eq!(id("anthropic", "claude-a-20260101").as_deref(), Some("claude-a-20250929"));
        assert_eq!(id("openai", "gpt-b-mini").as_deref(), None);
        assert_eq!(id("openai", "gpt-b-1106").as_deref(), None, "no date that is known to be one");
        assert_eq!(id("openai", "-2024-08-06").as_deref(), None);
        assert_eq!(id("openai", "").as_deref(), None);
        assert_eq!(id("openai", "é-2024").as_deref(), None);
    }

    #[test]
    fn a_fine_tuned_name_is_priced_as_its_base() {
        assert_eq!(id("openai", "ft:gpt-b-2024-07-18:acme::x1").as_deref(), Some("ft:gpt-b-2024-07-18"));
        assert_eq!(id("openai", "ft:gpt-c:acme::x1").as_deref(), None, "never as the model it was made from");
    }

    #[test]
    fn lists_by_provider_and_by_model() {
        let catalogue = small();
        assert_eq!(catalogue.of_provider("openai").count(), 3);
        assert_eq!(catalogue.of_provider("open").count(), 0);
        let providers: Vec<_> = catalogue.find_by_model("gpt-b").map(|model| &*model.provider).collect();
        assert_eq!(providers, ["openai"]);
        let model = catalogue.model("together", "org/gpt-b").unwrap();
        assert_eq!(
            (model.name(), model.context_window, model.prices.is_empty()),
            ("gpt-b", Some(8192), true)
        );
    }

    #[test]
    fn a_catalogue_out_of_order_is_refused() {
        let text = r#"{"snapshotId": "x", "models": [
            {"provider": "b", "id": "x", "mode": "chat"}, {"provider": "a", "id": "x", "mode": "chat"}]}"#;
        assert!(Catalogue::parse(text).unwrap_err().to_string().contains("a/x is out of order"));
    }
}
