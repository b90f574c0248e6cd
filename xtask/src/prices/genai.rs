//! The data of genai-prices, `data.py`: exact prices with the days they came to be asked.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rungate_core::money::parse_scaled;
use rungate_core::time::{Day, Timestamp};
use rungate_llm::catalog::import::listing::{Given, Listing, dated, is_name, price};
use rungate_llm::catalog::import::providers::{Source, ours};
use rungate_llm::catalog::{Price, Prices, Rate, Unit};
use serde_json::{Map, Value, json};

use super::python;

/// Prices per million tokens.
const RATES: [(Rate, &str); 8] = [
    (Rate::Input, "input_mtok"),
    (Rate::Output, "output_mtok"),
    (Rate::CachedInput, "cache_read_mtok"),
    (Rate::CacheWrite, "cache_write_mtok"),
    (Rate::CacheWrite1h, "cache_write_1h_mtok"),
    (Rate::Reasoning, "output_reasoning_mtok"),
    (Rate::AudioInput, "input_audio_mtok"),
    (Rate::AudioOutput, "output_audio_mtok"),
];

/// Asked for tools, not for the answer; and audio from the cache, which is counted as cached input.
const APART: [&str; 4] =
    ["web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok", "input_text_messages_kcount"];

/// Pico-dollars, the smallest that is held.
const PICO: i32 = 12;

/// Reads the module.
pub fn read(text: &str) -> Result<Given> {
    let providers = python::assigned(text, "providers")?;
    let mut given = Given::default();
    for provider in providers.as_array().context("the providers are no list")? {
        let their_id = provider["id"].as_str().context("a provider without an id")?;
        let models = provider["models"].as_array().context("a provider without models")?;
        given.rows += models.len();
        let Some(id) = ours(Source::GenaiPrices, their_id) else {
            for _ in models {
                given.skip("provider that is not listed");
            }
            continue;
        };
        for model in models {
            read_model(id, model, &mut given)?;
        }
    }
    Ok(given)
}

/// Only exact names are taken: one that stands for all that begin with it would price what it does not know.
fn read_model(provider: &'static str, model: &Value, given: &mut Given) -> Result<()> {
    let id = model["id"].as_str().context("a model without an id")?;
    if model["deprecated"] == true {
        given.skip("withdrawn by the provider");
        return Ok(());
    }
    let mut names = Vec::new();
    exact_names(&model["match"], &mut names);
    let is_exact = names.contains(&id);
    let Some(mode) = mode(id, &model["prices"]) else {
        given.skip("use: rerank");
        return Ok(());
    };
    let name = format!("{provider}/{id}");
    let prices = prices(&model["prices"], mode, id).unwrap_or_else(|why| {
        if is_exact {
            given.unpriced(why, name);
        }
        Prices::default()
    });
    let listing = Listing {
        provider,
        id: id.to_owned(),
        mode,
        offered: true,
        context_window: model["context_window"].as_str().and_then(|text| text.parse().ok()),
        max_output_tokens: None,
        modalities: vec!["text"],
        capabilities: Vec::new(),
        source: None,
        prices,
    };
    if !is_exact {
        given.skip("known by the beginning of its name only");
    }
    for alias in names.into_iter().chain([id]).filter(|alias| is_name(alias)) {
        let models = if is_exact && alias == id { &mut given.models } else { &mut given.aliases };
        models.insert((provider, alias.to_owned()), listing.clone());
    }
    Ok(())
}

fn exact_names<'a>(clause: &'a Value, names: &mut Vec<&'a str>) {
    names.extend(clause["equals"].as_str());
    for alternative in clause["or_"].as_array().into_iter().flatten() {
        exact_names(alternative, names);
    }
}

/// The use, which the data does not say; `None` for one without an operation.
fn mode(id: &str, prices: &Value) -> Option<&'static str> {
    let newest = prices.as_array().and_then(|list| list.last()).map_or(prices, |entry| &entry["prices"]);
    let asks = |field: &str| !newest[field].is_null();
    let lower = id.to_lowercase();
    if lower.contains("rerank") {
        None
    } else if lower.contains("moderation") {
        Some("moderation")
    } else if ["audio_hours", "input_audio_hours", "input_mchars"].into_iter().any(asks) {
        Some("audio")
    } else if lower.contains("embed") || (asks("input_mtok") && !asks("output_mtok")) {
        Some("embedding")
    } else {
        Some("chat")
    }
}

/// One price, or a list of which the last that has begun counts.
fn prices(prices: &Value, mode: &str, id: &str) -> Result<Prices, String> {
    let Some(list) = prices.as_array() else {
        return one(prices, mode, id)?.map_or(Ok(Prices::default()), |price| Ok(Prices::from(price)));
    };
    let mut oldest_first: BTreeMap<Option<Timestamp>, Price> = BTreeMap::new();
    for entry in list {
        let constraint = &entry["constraint"];
        let from = match constraint["start_date"].as_str() {
            Some(date) => Some(day(date).ok_or("a date that is none")?),
            None if constraint.is_null() => None,
            None => return Err("depends on the time of day".to_owned()),
        };
        match one(&entry["prices"], mode, id)? {
            Some(price) => oldest_first.insert(from, price),
            None => return Err("asked nothing for a time".to_owned()),
        };
    }
    dated(oldest_first.into_iter().collect())
}

/// `2026-9-1`
fn day(date: &str) -> Option<Timestamp> {
    let mut parts = date.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    Some(Day::parse(&format!("{year:04}-{month:02}-{day:02}"))?.start())
}

fn one(stated: &Value, mode: &str, id: &str) -> Result<Option<Price>, String> {
    let Some(stated) = stated.as_object() else { return Ok(None) };
    let mut fields = Map::new();
    let mut tiers: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for (field, value) in stated {
        if field.is_empty() || value.is_null() || APART.contains(&field.as_str()) {
            continue;
        }
        if let Some((rate, _)) = RATES.iter().find(|(_, theirs)| theirs == field) {
            fields.insert(rate.field().to_owned(), base(value)?);
            for tier in value["tiers"].as_array().into_iter().flatten() {
                let above = tier["start"].as_str().and_then(|start| start.parse().ok());
                let above = above.ok_or("a tier without a start")?;
                tiers.entry(above).or_default().insert(rate.field().to_owned(), tier["price"].clone());
            }
        } else if field == "input_mchars" {
            fields.insert(Unit::Character.field().to_owned(), base(value)?);
        } else if field == "audio_hours" || field == "input_audio_hours" {
            fields.insert(Unit::AudioMinute.field().to_owned(), per_minute(value)?);
        } else if field != "input_image_mtok" || stated.get("input_mtok") != Some(value) {
            return Err(format!("asks for what is not counted: {field}"));
        }
    }
    if fields.is_empty() && id.ends_with(":free") {
        fields.extend([Rate::Input, Rate::Output].map(|rate| (rate.field().to_owned(), json!("0"))));
    }
    if !tiers.is_empty() {
        fields.insert("tiers".to_owned(), tiers_of(tiers));
    }
    price(fields, mode, id)
}

fn base(value: &Value) -> Result<Value, String> {
    let text = value.as_str().or_else(|| value["base"].as_str());
    text.map(Value::from).ok_or_else(|| "a price that is no number".to_owned())
}

fn per_minute(per_hour: &Value) -> Result<Value, String> {
    let pico = per_hour.as_str().and_then(|text| parse_scaled(text, PICO).ok());
    match pico {
        Some(pico) if pico % 60 == 0 => Ok(json!(format!("{}e-{PICO}", pico / 60))),
        _ => Err("cannot be held exactly".to_owned()),
    }
}

/// Tiers as we hold them: each names every rate that has changed up to its bound.
fn tiers_of(tiers: BTreeMap<u64, Map<String, Value>>) -> Value {
    let mut reached = Map::new();
    let tier = |(above, rates): (u64, Map<String, Value>)| {
        reached.extend(rates);
        let mut tier = reached.clone();
        tier.insert("aboveInputTokens".to_owned(), above.into());
        Value::Object(tier)
    };
    tiers.into_iter().map(tier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(models: &str) -> Given {
        read(&format!("providers: list[Provider] = [Provider(id='x-ai', models=[{models}])]\n")).unwrap()
    }

    fn line(given: &Given, id: &str) -> String {
        serde_json::to_string(&given.models[&("xai", id.to_owned())].prices).unwrap()
    }

    #[test]
    fn dated_prices_stand_newest_first() {
        let given = given(
            "ModelInfo(id='a', match=ClauseEquals(equals='a'), prices=[
                ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('3'), output_mtok=Decimal('15'))),
                ConditionalPrice(constraint=StartDateConstraint(start_date=datetime.date(2026, 9, 1)),
                    prices=ModelPrice(input_mtok=Decimal('2'), output_mtok=TieredPrices(base=Decimal('10'),
                        tiers=[Tier(start=200000, price=Decimal('20'))]), web_searches_kcount=Decimal('5')))])",
        );
        assert_eq!(
            line(&given, "a"),
            concat!(
                r#"[{"from":"2026-09-01T00:00:00.000Z","inputPerMTok":"2","outputPerMTok":"10","#,
                r#""tiers":[{"aboveInputTokens":200000,"outputPerMTok":"20"}]},{"inputPerMTok":"3","outputPerMTok":"15"}]"#
            )
        );
    }

    #[test]
    fn what_is_not_counted_is_not_priced() {
        let model = |id: &str, prices: &str| {
            format!("ModelInfo(id='{id}', match=ClauseEquals(equals='{id}'), prices={prices}),")
        };
        let tokens = "input_mtok=Decimal('1'), output_mtok=Decimal('2')";
        let given = given(
            &[
                model("request", &format!("ModelPrice({tokens}, requests_kcount=Decimal('5'))")),
                model("night", &format!("[ConditionalPrice(constraint=TimeOfDateConstraint(start_time=datetime.time(0, 30)), prices=ModelPrice({tokens}))]")),
                model("zero", "ModelPrice(input_mtok=Decimal('0'), output_mtok=Decimal('0'))"),
                model("image", &format!("ModelPrice({tokens}, input_image_mtok=Decimal('1'))")),
                model("hour", "ModelPrice(audio_hours=Decimal('0.36'))"),
            ]
            .concat(),
        );
        let unpriced: Vec<_> =
            given.unpriced.iter().map(|(why, models)| format!("{why} {models:?}")).collect();
        assert_eq!(
            unpriced,
            [
                r#"asks for what is not counted: requests_kcount ["xai/request"]"#,
                r#"depends on the time of day ["xai/night"]"#,
                r#"zero ["xai/zero"]"#,
            ]
        );
        assert_eq!(line(&given, "image"), r#"{"inputPerMTok":"1","outputPerMTok":"2"}"#);
        assert_eq!(line(&given, "hour"), r#"{"perAudioMinute":"0.006"}"#);
    }

    #[test]
    fn a_beginning_of_names_is_no_name() {
        let given = given(
            "ModelInfo(id='b', match=ClauseOr(or_=[ClauseStartsWith(starts_with='b'), ClauseEquals(equals='b-1')]),
                prices=ModelPrice(input_mtok=Decimal('3'), output_mtok=Decimal('15')))",
        );
        assert!(given.models.is_empty());
        assert!(given.aliases.contains_key(&("xai", "b-1".to_owned())));
    }
}
