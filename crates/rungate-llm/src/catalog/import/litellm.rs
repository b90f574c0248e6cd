//! LiteLLM's price list, `model_prices_and_context_window*.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::listing::{Given, Listing, is_name, price};
use super::providers::{Source, ours, theirs};
use super::row::{Row, Skip};
use crate::catalog::{Prices, Rate, Unit};

/// LiteLLM's names of the uses that the data plane has an operation for.
const MODES: [(&str, &str); 8] = [
    ("chat", "chat"),
    ("responses", "responses"),
    ("completion", "completion"),
    ("embedding", "embedding"),
    ("moderation", "moderation"),
    ("image_generation", "image"),
    ("audio_speech", "audio"),
    ("audio_transcription", "audio"),
];

const CAPABILITIES: [(&str, &str); 9] = [
    ("supports_function_calling", "tools"),
    ("supports_vision", "vision"),
    ("supports_reasoning", "reasoning"),
    ("supports_prompt_caching", "prompt_caching"),
    ("supports_response_schema", "structured_output"),
    ("supports_web_search", "web_search"),
    ("supports_computer_use", "computer_use"),
    ("supports_pdf_input", "pdf"),
    ("supports_audio_output", "audio_output"),
];

/// The fields of the standard prices. What is asked for batches, priority, flex and other service levels, for searches
/// and for pages is left out: a request does not say in advance that it will be asked.
const RATES: [(Rate, &str); 8] = [
    (Rate::Input, "input_cost_per_token"),
    (Rate::Output, "output_cost_per_token"),
    (Rate::CachedInput, "cache_read_input_token_cost"),
    (Rate::CacheWrite, "cache_creation_input_token_cost"),
    (Rate::CacheWrite1h, "cache_creation_input_token_cost_above_1hr"),
    (Rate::Reasoning, "output_cost_per_reasoning_token"),
    (Rate::AudioInput, "input_cost_per_audio_token"),
    (Rate::AudioOutput, "output_cost_per_audio_token"),
];

/// Prices of what the meter does not count. A row that has one of them asks more than its tokens.
const UNCOUNTED: [&str; 5] = [
    "input_cost_per_request",
    "input_cost_per_query",
    "output_cost_per_image",
    "citation_cost_per_token",
    "tiered_pricing",
];

/// Reads the list.
pub fn read(text: &str) -> Result<Given, serde_json::Error> {
    let rows: BTreeMap<String, Row> = serde_json::from_str(text)?;
    let mut given = Given { rows: rows.len(), ..Given::default() };
    for (key, row) in &rows {
        let listing = match listing(key, row, &mut given) {
            Ok(listing) => listing,
            Err(Skip(why)) => {
                given.skip(&why);
                continue;
            }
        };
        let name = (listing.provider, listing.id.clone());
        if let Some(other) = given.models.get_mut(&name) {
            if other.prices != listing.prices {
                other.prices = Prices::default();
                let model = format!("{}/{}", name.0, name.1);
                given.unpriced("two rows disagree", model);
            }
            given.skip("listed twice");
            continue;
        }
        given.models.insert(name, listing);
    }
    Ok(given)
}

fn listing(key: &str, row: &Row, given: &mut Given) -> Result<Listing, Skip> {
    let skip = |why: &str| Skip(why.to_owned());
    let their_provider = row.text("litellm_provider").ok_or_else(|| skip("alias or sample"))?;
    let provider =
        ours(Source::LiteLlm, &their_provider).ok_or_else(|| skip("provider that is not listed"))?;
    let their_mode = row.text("mode").ok_or_else(|| skip("no use given"))?;
    let mode = lookup(&MODES, &their_mode).ok_or_else(|| Skip(format!("use: {their_mode}")))?;
    let id = id(key, provider).ok_or_else(|| skip("class of prices, region or commitment, not a model"))?;

    let mut draft = Draft { row, name: format!("{provider}/{id}"), given, fields: Map::new() };
    match their_mode.as_str() {
        "image_generation" => draft.image(),
        "audio_speech" => draft.speech(),
        "audio_transcription" => draft.transcription(),
        _ => draft.text(),
    }
    let prices = draft.finish(mode, id);
    Ok(Listing {
        provider,
        id: id.to_owned(),
        mode,
        offered: true,
        context_window: row.count("max_input_tokens"),
        max_output_tokens: row.count("max_output_tokens"),
        modalities: modalities(&their_mode, row),
        capabilities: CAPABILITIES.iter().filter(|(field, _)| row.is(field)).map(|(_, name)| *name).collect(),
        source: None,
        prices,
    })
}

fn lookup(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours)
}

/// The name that the provider itself uses: without LiteLLM's prefix. `None` for rows that price a class of models
/// (`together-ai-up-to-4b`), a size of image (`1024-x-1024/dall-e-2`), a region (`us-east-1/…`) or a service.
fn id<'a>(key: &'a str, provider: &str) -> Option<&'a str> {
    let prefixes = theirs(Source::LiteLlm, provider);
    let id = prefixes.iter().find_map(|prefix| key.strip_prefix(prefix)?.strip_prefix('/')).unwrap_or(key);
    let class = id == key && (id.starts_with("together-ai-") || id.starts_with("fireworks-ai-"));
    let size =
        id.split('/').any(|part| part.contains("-x-") && part.starts_with(|c: char| c.is_ascii_digit()));
    let region = provider == "bedrock" && id.contains('/');
    (!class && !size && !region && is_name(id) && id != "container").then_some(id)
}

/// What the model takes as input.
fn modalities(their_mode: &str, row: &Row) -> Vec<&'static str> {
    const KNOWN: [&str; 4] = ["text", "image", "audio", "video"];
    let stated = row.texts("supported_modalities");
    if !stated.is_empty() {
        return KNOWN.into_iter().filter(|name| stated.iter().any(|stated| stated == name)).collect();
    }
    if their_mode == "audio_transcription" {
        return vec!["audio"];
    }
    let flags =
        [("image", "supports_vision"), ("audio", "supports_audio_input"), ("video", "supports_video_input")];
    let supported = flags.into_iter().filter(|(_, field)| row.is(field)).map(|(name, _)| name);
    std::iter::once("text").chain(supported).collect()
}

/// A price in the making, as fields of the wire.
struct Draft<'a> {
    row: &'a Row,
    name: String,
    given: &'a mut Given,
    fields: Map<String, Value>,
}

impl Draft<'_> {
    fn pico(&mut self, field: &str) -> Option<i64> {
        self.row.pico(field).unwrap_or_else(|text| {
            self.given.unpriced("cannot be held exactly", format!("{}: {field} {text}", self.name));
            None
        })
    }

    /// The price per million of what is priced apiece; an integer of pico-dollars is a millionth of that.
    fn per_million(&mut self, name: &str, pico: Option<i64>) {
        if let Some(pico) = pico {
            self.fields.insert(name.to_owned(), json!(format!("{pico}e-6")));
        }
    }

    fn has(&self, rate: Rate) -> bool {
        self.fields.contains_key(rate.field())
    }

    fn tokens(&mut self) {
        for (rate, field) in RATES {
            let pico = self.pico(field);
            self.per_million(rate.field(), pico);
        }
        self.tiers();
        // DeepSeek's cache is written for free, which is said as a price of zero for tokens that are charged as input.
        let written_for_free = self.pico("cache_creation_input_token_cost") == Some(0);
        if written_for_free {
            self.fields.remove(Rate::CacheWrite.field());
        }
    }

    fn tiers(&mut self) {
        let mut tiers: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
        for (rate, field) in RATES {
            if !self.has(rate) {
                continue;
            }
            let bounds: Vec<(u64, String)> = self
                .row
                .fields()
                .filter_map(|name| {
                    let thousands =
                        name.strip_prefix(field)?.strip_prefix("_above_")?.strip_suffix("k_tokens")?;
                    Some((thousands.parse::<u64>().ok()? * 1_000, name.to_owned()))
                })
                .collect();
            for (above, name) in bounds {
                if let Some(pico) = self.pico(&name) {
                    tiers
                        .entry(above)
                        .or_default()
                        .insert(rate.field().to_owned(), json!(format!("{pico}e-6")));
                }
            }
        }
        let tiers: Vec<Value> = tiers
            .into_iter()
            .map(|(above, mut tier)| {
                tier.insert("aboveInputTokens".to_owned(), json!(above));
                Value::Object(tier)
            })
            .collect();
        if !tiers.is_empty() {
            self.fields.insert("tiers".to_owned(), Value::Array(tiers));
        }
    }

    /// By token where images have a price per token: answers do not tell tokens of text and of images apart, so each
    /// side is priced at the dearer of both. Else by image, unless the price depends on the size.
    fn image(&mut self) {
        let input = self.pico("input_cost_per_token").max(self.pico("input_cost_per_image_token"));
        let output = self.pico("output_cost_per_image_token");
        if let (Some(_), Some(output)) = (input, output) {
            let text = self.pico("output_cost_per_token");
            self.per_million(Rate::Output.field(), text.max(Some(output)));
            self.per_million(Rate::Input.field(), input);
            let cached =
                self.pico("cache_read_input_token_cost").max(self.pico("cache_read_input_image_token_cost"));
            self.per_million(Rate::CachedInput.field(), cached);
            return;
        }
        let by_size = self.row.fields().any(|field| field.starts_with("output_cost_per_image_"));
        let image = self.row.price("output_cost_per_image").or(self.row.price("input_cost_per_image"));
        if let (false, Some(image)) = (by_size, image) {
            self.fields.insert(Unit::Image.field().to_owned(), json!(image));
        }
    }

    /// By token where there is such a price, else by character.
    fn speech(&mut self) {
        self.tokens();
        if !self.has(Rate::Input) {
            let pico = self.pico("input_cost_per_character");
            self.per_million(Unit::Character.field(), pico);
        }
    }

    /// By token where there is such a price, else by time, listed per second.
    fn transcription(&mut self) {
        self.tokens();
        if !self.has(Rate::Input)
            && let Some(pico) = self.pico("input_cost_per_second")
        {
            let minute = i128::from(pico) * 60;
            self.fields.insert(Unit::AudioMinute.field().to_owned(), json!(format!("{minute}e-12")));
        }
    }

    /// By token, unless more than tokens is asked for.
    fn text(&mut self) {
        let asked = |field: &&str| {
            self.row.price(field).is_some_and(|price| price.contains(|c: char| ('1'..='9').contains(&c)))
        };
        if let Some(uncounted) = UNCOUNTED.into_iter().find(asked) {
            self.given.unpriced(format!("asks for what is not counted: {uncounted}"), self.name.clone());
            return;
        }
        self.tokens();
    }

    fn finish(self, mode: &str, id: &str) -> Prices {
        match price(self.fields, mode, id) {
            Ok(price) => price.map(Prices::from).unwrap_or_default(),
            Err(why) => {
                self.given.unpriced(why, self.name);
                Prices::default()
            }
        }
    }
}
