//! Price lists of others, read into models of a catalogue: for the catalogue of a build, which is made of several, and for
//! one that somebody brings.

pub mod listing;
pub mod litellm;
pub mod models_dev;
pub mod providers;
mod row;

use rungate_core::time::Day;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

use super::{Catalogue, CatalogueError};
use listing::Given;

/// What a list was recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A catalogue of our own form.
    Rungate,
    /// LiteLLM's `model_prices_and_context_window.json`.
    LiteLlm,
    /// The `api.json` of models.dev.
    ModelsDev,
}

impl Format {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rungate => "a Rungate catalogue",
            Self::LiteLlm => "LiteLLM's price list",
            Self::ModelsDev => "models.dev's list",
        }
    }

    /// What the id of its catalogue begins with, and the source that its prices name.
    const fn source(self) -> &'static str {
        match self {
            Self::Rungate => "rungate",
            Self::LiteLlm => "litellm",
            Self::ModelsDev => "models.dev",
        }
    }
}

/// A list that was read.
#[derive(Debug)]
pub struct Imported {
    /// What it was recognised as.
    pub format: Format,
    /// The catalogue; its id ends in the hash of what is in it.
    pub catalogue: Catalogue,
    /// What was left out, and why, for people.
    pub notes: Vec<String>,
}

/// The fields that tell the forms apart.
#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "snapshotId")]
    snapshot_id: Option<IgnoredAny>,
    #[serde(flatten)]
    rows: BTreeMap<String, Fields>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fields {
    Provider {
        #[expect(clippy::zero_sized_map_values, reason = "an object stands there, of which the names count")]
        models: BTreeMap<String, IgnoredAny>,
    },
    Model {
        #[expect(dead_code, reason = "that it is there tells the form")]
        litellm_provider: IgnoredAny,
    },
    Other(IgnoredAny),
}

/// Reads a list of any form that is known. `day` stands in the ids of lists that have none of their own.
pub fn read(text: &str, day: Day) -> Result<Imported, CatalogueError> {
    let unreadable = |error: serde_json::Error| CatalogueError(error.to_string());
    let shape: Shape = serde_json::from_str(text).map_err(unreadable)?;
    let is_models_dev = |fields: &Fields| matches!(fields, Fields::Provider { models } if !models.is_empty());
    let is_litellm = |fields: &Fields| matches!(fields, Fields::Model { .. });
    let (format, given) = if shape.snapshot_id.is_some() {
        let catalogue = Catalogue::parse(text)?.sealed();
        return Ok(Imported { format: Format::Rungate, catalogue, notes: Vec::new() });
    } else if shape.rows.values().any(is_litellm) {
        (Format::LiteLlm, litellm::read(text).map_err(unreadable)?)
    } else if shape.rows.values().any(is_models_dev) {
        (Format::ModelsDev, models_dev::read(text).map_err(unreadable)?)
    } else {
        let known = "a Rungate catalogue, LiteLLM's price list or models.dev's api.json";
        return Err(CatalogueError(format!("it is none of the lists that are known: {known}")));
    };
    let notes = notes(&given);
    Ok(Imported { format, catalogue: catalogue(format, given, day)?, notes })
}

fn catalogue(format: Format, given: Given, day: Day) -> Result<Catalogue, CatalogueError> {
    let mut lines = Vec::new();
    for mut listing in given.models.into_values() {
        listing.source = (!listing.prices.is_empty()).then_some(format.source());
        lines.push(serde_json::to_string(&listing).map_err(|error| CatalogueError(error.to_string()))?);
    }
    let id = format!("{}-{day}", format.source());
    let text = format!("{{\"snapshotId\": \"{id}\", \"models\": [{}]}}", lines.join(","));
    Ok(Catalogue::parse(&text)?.sealed())
}

fn notes(given: &Given) -> Vec<String> {
    let skipped = given.skipped.iter().map(|(why, count)| format!("{count} left out: {why}"));
    let unpriced =
        given.unpriced.iter().map(|(why, models)| format!("{} without a price: {why}", models.len()));
    skipped.chain(unpriced).collect()
}

#[cfg(test)]
mod tests {
    use rungate_core::time::Timestamp;

    use super::*;
    use crate::catalog::Rate;

    fn read(text: &str) -> Result<Imported, String> {
        super::read(text, Day::parse("2026-11-25").unwrap()).map_err(|error| error.to_string())
    }

    fn rate(imported: &Imported, provider: &str, model: &str, input: u64, rate: Rate) -> Option<i64> {
        let model = imported.catalogue.model(provider, model)?;
        model.price_at(Timestamp::default())?.rates(input).get(rate)
    }

    #[test]
    fn a_catalogue_of_ours_stays_as_it_is() {
        let embedded = Catalogue::embedded().unwrap();
        let imported = read(&embedded.to_text()).unwrap();
        assert_eq!(
            (imported.format, imported.catalogue.snapshot_id()),
            (Format::Rungate, embedded.snapshot_id())
        );
        assert!(imported.catalogue.models() == embedded.models());
    }

    #[test]
    fn litellms_list_is_recognised_and_priced_per_million() {
        let imported = read(
            r#"{"sample_spec": {"litellm_provider": "one of", "mode": "chat", "input_cost_per_token": 0.0},
            "gpt-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07,
                "output_cost_per_token": 6e-07, "max_input_tokens": 128000},
            "gpt-half": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06},
            "x/y": {"litellm_provider": "nobody", "mode": "chat"}}"#,
        )
        .unwrap();
        assert_eq!(imported.format, Format::LiteLlm);
        assert!(
            imported.catalogue.snapshot_id().starts_with("litellm-2026-11-25-")
                && imported.catalogue.is_sealed()
        );
        assert_eq!(rate(&imported, "openai", "gpt-x", 0, Rate::Input), Some(150_000));
        assert_eq!(rate(&imported, "openai", "gpt-x", 0, Rate::Output), Some(600_000));
        assert_eq!(rate(&imported, "openai", "gpt-half", 0, Rate::Input), None, "half a price is none");
        assert!(imported.notes.iter().any(|note| note.contains("provider that is not listed")));
    }

    #[test]
    fn models_devs_list_is_recognised_and_long_inputs_have_their_prices() {
        let imported = read(
            r#"{"openai": {"id": "openai", "name": "OpenAI", "models": {
                "gpt-y": {"id": "gpt-y", "reasoning": true, "tool_call": true, "status": "deprecated",
                    "modalities": {"input": ["text", "image"], "output": ["text"]},
                    "cost": {"input": 1.25, "output": 10, "cache_read": 0.125,
                        "context_over_200k": {"input": 2.5, "output": 15}},
                    "limit": {"context": 400000, "output": 0}},
                "gpt-free": {"cost": {"input": 0, "output": 0}},
                "gpt-draws": {"modalities": {"output": ["image"]}, "cost": {"input": 1, "output": 2}}}},
            "togetherai": {"models": {"org/m": {"cost": {"input": 0.1, "output": 0.2}}}},
            "nobody": {"models": {"m": {"cost": {"input": 1, "output": 2}}}}}"#,
        )
        .unwrap();
        assert_eq!(imported.format, Format::ModelsDev);
        assert_eq!(rate(&imported, "openai", "gpt-y", 200_000, Rate::Input), Some(1_250_000));
        assert_eq!(rate(&imported, "openai", "gpt-y", 200_001, Rate::Output), Some(15_000_000));
        assert_eq!(rate(&imported, "openai", "gpt-y", 200_001, Rate::CachedInput), Some(125_000));
        assert_eq!(rate(&imported, "together", "org/m", 0, Rate::Output), Some(200_000));
        for unpriced in ["gpt-free", "gpt-draws"] {
            assert_eq!(rate(&imported, "openai", unpriced, 0, Rate::Input), None, "{unpriced}");
        }
        let model = imported.catalogue.model("openai", "gpt-y").unwrap();
        assert_eq!(
            (model.offered, model.context_window, model.max_output_tokens),
            (false, Some(400_000), None)
        );
        assert!(
            imported.notes.contains(&"1 left out: provider that is not listed".to_owned()),
            "{:?}",
            imported.notes
        );
    }

    #[test]
    fn what_is_no_price_list_is_refused() {
        for text in
            ["", "null", "[]", "1", "{}", r#"{"a": 1}"#, r#"{"models": {}}"#, r#"{"a": {"models": {}}}"#]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
