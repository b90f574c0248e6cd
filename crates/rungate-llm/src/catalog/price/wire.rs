//! Prices in the shape of the catalogue and of the API: decimal US dollars as text.

use std::fmt;

use rungate_core::money::{MoneyError, parse_scaled};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Amount, Price, Rate, Rates, Tier, Unit};

/// The highest price that is believed, in US dollars of its unit (a dollar for a single token).
const MAX_USD: i64 = 1_000_000;
/// The most tiers a price may have.
const MAX_TIERS: usize = 8;
/// Decimals of a price per million tokens, so that one token has an integer price in pico-dollars.
const RATE_DECIMALS: u8 = 6;

/// Reads a price from decimal text; `None` for null.
fn parse_amount<E: de::Error>(field: &str, value: &Value, decimals: u8) -> Result<Option<i64>, E> {
    let wrong = |rule: String| E::custom(format_args!("{field}: {rule}"));
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        _ => return Err(wrong("is US dollars as a decimal string, such as \"0.15\"".to_owned())),
    };
    let amount = parse_scaled(text, i32::from(decimals)).map_err(|error| match error {
        MoneyError::NotANumber => wrong(format!("{text:?} is not a decimal number")),
        MoneyError::TooPrecise => wrong(format!("{text:?} has more than {decimals} decimals")),
        MoneyError::OutOfRange => wrong(format!("{text:?} is above {MAX_USD} US dollars")),
    })?;
    if amount < 0 {
        return Err(wrong(format!("{text:?} is negative")));
    }
    if amount > MAX_USD * 10_i64.pow(u32::from(decimals)) {
        return Err(wrong(format!("{text:?} is above {MAX_USD} US dollars")));
    }
    Ok(Some(amount))
}

fn amount_text(amount: i64, decimals: u8) -> String {
    let width = usize::from(decimals);
    let scale = 10_i64.pow(u32::from(decimals));
    let (whole, rest) = (amount / scale, amount % scale);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

impl Price {
    /// Writes its fields into an object.
    pub(super) fn serialize_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        serialize_rates(&self.rates, map)?;
        for unit in Unit::ALL {
            if let Some(amount) = self.unit(unit) {
                map.serialize_entry(unit.field(), &amount_text(amount, unit.decimals()))?;
            }
        }
        if !self.tiers.is_empty() {
            map.serialize_entry("tiers", &self.tiers)?;
        }
        Ok(())
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_fields(&mut map)?;
        map.end()
    }
}

impl Serialize for Tier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("aboveInputTokens", &self.above_input_tokens)?;
        serialize_rates(&self.rates, &mut map)?;
        map.end()
    }
}

fn serialize_rates<M: SerializeMap>(rates: &Rates, map: &mut M) -> Result<(), M::Error> {
    for rate in Rate::ALL {
        if let Some(amount) = rates.get(rate) {
            map.serialize_entry(rate.field(), &amount_text(amount, RATE_DECIMALS))?;
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PriceVisitor)
    }
}

impl<'de> Deserialize<'de> for Tier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TierVisitor)
    }
}

struct PriceVisitor;

impl<'de> Visitor<'de> for PriceVisitor {
    type Value = Price;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of prices")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Price, A::Error> {
        let mut price = Price::default();
        while let Some(field) = map.next_key::<String>()? {
            if field == "tiers" {
                let tiers: Option<Vec<Tier>> =
                    map.next_value().map_err(|error| de::Error::custom(format_args!("tiers: {error}")))?;
                price.tiers = tiers.unwrap_or_default().into();
            } else if let Some(unit) = Unit::ALL.into_iter().find(|unit| unit.field() == field) {
                let value: Value = map.next_value()?;
                put(&mut price.units[unit as usize], &field, &value, unit.decimals())?;
            } else if !put_rate(&mut price.rates, &field, &mut map)? {
                return Err(unknown(&field, "tiers", Unit::ALL.map(Unit::field).as_slice()));
            }
        }
        let priced = !price.rates.is_empty() || Unit::ALL.into_iter().any(|unit| price.unit(unit).is_some());
        if !priced {
            return Err(de::Error::custom("at least one price is needed, such as inputPerMTok"));
        }
        let ascending =
            price.tiers.windows(2).all(|pair| pair[0].above_input_tokens < pair[1].above_input_tokens);
        if !ascending || price.tiers.len() > MAX_TIERS {
            return Err(de::Error::custom(format_args!(
                "tiers: at most {MAX_TIERS}, in ascending order of aboveInputTokens"
            )));
        }
        Ok(price)
    }
}

struct TierVisitor;

impl<'de> Visitor<'de> for TierVisitor {
    type Value = Tier;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of prices with aboveInputTokens")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tier, A::Error> {
        let mut above = None;
        let mut rates = Rates::default();
        while let Some(field) = map.next_key::<String>()? {
            if field == "aboveInputTokens" {
                let value: Value = map.next_value()?;
                above = Some(value.as_u64().ok_or_else(|| {
                    de::Error::custom("aboveInputTokens: is a whole number of tokens, such as 200000")
                })?);
            } else if !put_rate(&mut rates, &field, &mut map)? {
                return Err(unknown(&field, "aboveInputTokens", &[]));
            }
        }
        let above_input_tokens = above.ok_or_else(|| de::Error::missing_field("aboveInputTokens"))?;
        if rates.is_empty() {
            return Err(de::Error::custom("at least one price is needed, such as inputPerMTok"));
        }
        Ok(Tier { above_input_tokens, rates })
    }
}

/// Reads the value of a rate; false when the field is none.
fn put_rate<'de, A: MapAccess<'de>>(rates: &mut Rates, field: &str, map: &mut A) -> Result<bool, A::Error> {
    let Some(rate) = Rate::ALL.into_iter().find(|rate| rate.field() == field) else { return Ok(false) };
    let value: Value = map.next_value()?;
    put(&mut rates.0[rate as usize], field, &value, RATE_DECIMALS)?;
    Ok(true)
}

fn put<E: de::Error>(slot: &mut Amount, field: &str, value: &Value, decimals: u8) -> Result<(), E> {
    if slot.known().is_some() {
        return Err(E::custom(format_args!("{field}: stands twice")));
    }
    *slot = parse_amount(field, value, decimals)?.into();
    Ok(())
}

fn unknown<E: de::Error>(field: &str, other: &str, units: &[&str]) -> E {
    let known = [Rate::ALL.map(Rate::field).as_slice(), units, &[other]].concat().join(", ");
    E::custom(format_args!("{field}: is not a price; known are {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Price, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_decimal_text_as_pico_dollars_per_token() {
        let price = read(json!({
            "inputPerMTok": "0.15", "outputPerMTok": "0.600000", "cachedInputPerMTok": "0.000001",
            "reasoningPerMTok": null, "perImage": "0.04", "perMCharacters": "15", "perAudioMinute": "0.006",
        }))
        .unwrap();
        let rates = price.rates(0);
        assert_eq!(rates.get(Rate::Input), Some(150_000));
        assert_eq!(rates.get(Rate::Output), Some(600_000));
        assert_eq!(rates.get(Rate::CachedInput), Some(1));
        assert_eq!(rates.get(Rate::Reasoning), None);
        assert_eq!(price.unit(Unit::Image), Some(40_000_000_000));
        assert_eq!(price.unit(Unit::Character), Some(15_000_000));
        assert_eq!(price.unit(Unit::AudioMinute), Some(6_000_000_000));
    }

    #[test]
    fn a_tier_is_for_more_input_than_its_bound_and_changes_only_what_it_names() {
        let price = read(json!({
            "inputPerMTok": "1", "outputPerMTok": "5",
            "tiers": [{"aboveInputTokens": 100, "inputPerMTok": "2"}, {"aboveInputTokens": 200, "inputPerMTok": "3"}],
        }))
        .unwrap();
        let input = |tokens| price.rates(tokens).get(Rate::Input);
        assert_eq!((input(100), input(101), input(200), input(201)), tuple(1, 2, 2, 3));
        assert_eq!(price.rates(500).get(Rate::Output), Some(5_000_000));
    }

    fn tuple(a: i64, b: i64, c: i64, d: i64) -> (Option<i64>, Option<i64>, Option<i64>, Option<i64>) {
        let usd = |dollars| Some(dollars * 1_000_000);
        (usd(a), usd(b), usd(c), usd(d))
    }

    #[test]
    fn errors_name_the_field_and_the_rule() {
        for (value, error) in [
            (
                json!({"inputPerMTok": 0.15}),
                "inputPerMTok: is US dollars as a decimal string, such as \"0.15\"",
            ),
            (json!({"inputPerMTok": "-1"}), "inputPerMTok: \"-1\" is negative"),
            (json!({"inputPerMTok": "0.0000001"}), "inputPerMTok: \"0.0000001\" has more than 6 decimals"),
            (json!({"outputPerMTok": "a"}), "outputPerMTok: \"a\" is not a decimal number"),
            (
                json!({"outputPerMTok": "1000000.1"}),
                "outputPerMTok: \"1000000.1\" is above 1000000 US dollars",
            ),
            (json!({"perImage": "1e40"}), "perImage: \"1e40\" is above 1000000 US dollars"),
            (json!({}), "at least one price is needed, such as inputPerMTok"),
            (
                json!({"inputPerMTok": "1", "tiers": [{"inputPerMTok": "2"}]}),
                "tiers: missing field `aboveInputTokens`",
            ),
            (
                json!({"inputPerMTok": "1", "tiers": [{"aboveInputTokens": 9}]}),
                "tiers: at least one price is needed, such as inputPerMTok",
            ),
            (
                json!({"inputPerMTok": "1", "tiers": [
                    {"aboveInputTokens": 9, "inputPerMTok": "2"}, {"aboveInputTokens": 9, "inputPerMTok": "2"},
                ]}),
                "tiers: at most 8, in ascending order of aboveInputTokens",
            ),
        ] {
            assert_eq!(read(value.clone()).unwrap_err(), error, "{value}");
        }
        let unknown = read(json!({"input": "1"})).unwrap_err();
        assert!(unknown.starts_with("input: is not a price; known are inputPerMTok, "), "{unknown}");
        assert!(serde_json::from_str::<Price>(r#"{"inputPerMTok":"1","inputPerMTok":"2"}"#).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            rates in prop::array::uniform8(prop::option::of(0..=1_000_000_000_000_i64)),
            image in 0..=1_000_000_000_000_000_000_i64,
            above in 1..u64::MAX,
        ) {
            let tier = Tier { above_input_tokens: above, rates: Rates([Some(1), None, Some(7), None, None, None, None, None].map(Amount::from)) };
            let price = Price { rates: Rates(rates.map(Amount::from)), units: [Some(image), Some(3), None].map(Amount::from), tiers: Box::new([tier]) };
            let text = serde_json::to_string(&price).unwrap();
            prop_assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price);
        }
    }
}
