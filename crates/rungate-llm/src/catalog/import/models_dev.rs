//! The `api.json` of models.dev: what providers ask today, in US dollars for a million tokens.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::listing::{Given, Listing, is_name, price};
use super::providers::{Source, ours, same};
use crate::catalog::{Prices, Rate};

/// Their names of providers that differ from ours, and that the history of their prices does not have.
const PROVIDERS: [(&str, &str); 4] = [
    ("togetherai", "together"),
    ("fireworks-ai", "fireworks"),
    ("google-vertex", "vertex"),
    ("amazon-bedrock", "bedrock"),
];

const RATES: [(Rate, &str); 7] = [
    (Rate::Input, "input"),
    (Rate::Output, "output"),
    (Rate::CachedInput, "cache_read"),
    (Rate::CacheWrite, "cache_write"),
    (Rate::Reasoning, "reasoning"),
    (Rate::AudioInput, "input_audio"),
    (Rate::AudioOutput, "output_audio"),
];

/// The one bound that they have prices above.
const LONG: (&str, u64) = ("context_over_200k", 200_000);

/// Numbers stay text, so that no price goes through a float.
type Fields = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Provider {
    models: BTreeMap<String, Model>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    cost: Option<Fields>,
    #[serde(default)]
    limit: Limit,
    #[serde(default)]
    modalities: Modalities,
    #[serde(default)]
    reasoning: bool,
    #[serde(default)]
    tool_call: bool,
    #[serde(default)]
    structured_output: bool,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Default, Deserialize)]
struct Limit {
    #[serde(default)]
    context: Option<u64>,
    #[serde(default)]
    output: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Modalities {
    #[serde(default)]
    input: Vec<String>,
    #[serde(default)]
    output: Vec<String>,
}

/// Reads the list.
pub fn read(text: &str) -> Result<Given, serde_json::Error> {
    let providers: BTreeMap<String, Provider> = serde_json::from_str(text)?;
    let mut given = Given::default();
    for (their_id, Provider { models }) in providers {
        given.rows += models.len();
        let renamed = PROVIDERS.iter().find(|(theirs, _)| *theirs == their_id).map(|(_, ours)| *ours);
        let provider = ours(Source::ModelPrices, &their_id).or(renamed).or_else(|| same(&their_id));
        for (id, model) in models {
            match provider {
                None => given.skip("provider that is not listed"),
                Some(_) if !is_name(&id) => given.skip("no name of a model"),
                Some(provider) => {
                    let listing = listing(provider, id, &model, &mut given);
                    given.models.insert((provider, listing.id.clone()), listing);
                }
            }
        }
    }
    Ok(given)
}

fn listing(provider: &'static str, id: String, model: &Model, given: &mut Given) -> Listing {
    const KNOWN: [&str; 4] = ["text", "image", "audio", "video"];
    let has = |list: &[String], wanted: &str| list.iter().any(|named| named == wanted);
    let mode = if id.contains("embed") { "embedding" } else { "chat" };
    let prices = prices(model, mode, &id).unwrap_or_else(|why| {
        given.unpriced(why, format!("{provider}/{id}"));
        Prices::default()
    });
    let mut modalities: Vec<&'static str> =
        KNOWN.into_iter().filter(|name| has(&model.modalities.input, name)).collect();
    if modalities.is_empty() {
        modalities.push("text");
    }
    let capabilities = [
        ("tools", model.tool_call),
        ("vision", has(&model.modalities.input, "image")),
        ("reasoning", model.reasoning),
        ("structured_output", model.structured_output),
        ("pdf", has(&model.modalities.input, "pdf")),
        ("audio_output", has(&model.modalities.output, "audio")),
    ];
    let is_count = |count: &u64| *count > 0;
    Listing {
        provider,
        id,
        mode,
        offered: model.status.as_deref() != Some("deprecated"),
        context_window: model.limit.context.filter(is_count),
        max_output_tokens: model.limit.output.filter(is_count),
        modalities,
        capabilities: capabilities.into_iter().filter(|(_, can)| *can).map(|(name, _)| name).collect(),
        source: None,
        prices,
    }
}

fn prices(model: &Model, mode: &str, id: &str) -> Result<Prices, String> {
    if ["image", "audio"].iter().any(|kind| model.modalities.output.iter().any(|output| output == kind)) {
        return Err("one price for texts and for images or sound".to_owned());
    }
    let Some(cost) = &model.cost else { return Ok(Prices::default()) };
    let mut fields = rates(cost);
    if let Some(long) = cost.get(LONG.0) {
        let long: Option<Fields> =
            serde_json::from_str(long.get()).map_err(|_| "cannot be read".to_owned())?;
        let mut tier = rates(&long.unwrap_or_default());
        if !tier.is_empty() {
            tier.insert("aboveInputTokens".to_owned(), json!(LONG.1));
            fields.insert("tiers".to_owned(), json!([tier]));
        }
    }
    Ok(price(fields, mode, id)?.map(Prices::from).unwrap_or_default())
}

/// Dollars for a million, as ours are: the text is taken over as it stands.
fn rates(cost: &Fields) -> Map<String, Value> {
    let stated = |field: &str| cost.get(field).map(|raw| raw.get().trim()).filter(|text| *text != "null");
    RATES
        .into_iter()
        .filter_map(|(rate, field)| Some((rate.field().to_owned(), json!(stated(field)?))))
        .collect()
}
