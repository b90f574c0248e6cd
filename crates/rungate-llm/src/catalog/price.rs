//! Prices in the shape of the catalogue and of the API: decimal US dollars as text, held as exact integers.

use std::fmt;

use rungate_core::money::{MoneyError, parse_scaled};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The highest price that is believed, in US dollars of its unit (a dollar for a single token).
const MAX_USD: i64 = 1_000_000;
/// The most tiers a price may have.
const MAX_TIERS: usize = 8;

/// A price per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Input that is none of the kinds below.
    Input,
    /// Output that is none of the kinds below.
    Output,
    /// Input read from the provider's prompt cache.
    CachedInput,
    /// Input written to the provider's prompt cache, for its default lifetime.
    CacheWrite,
    /// Input written to the provider's prompt cache for an hour.
    CacheWrite1h,
    /// Output spent on reasoning.
    Reasoning,
    /// Input that is audio.
    AudioInput,
    /// Output that is audio.
    AudioOutput,
}

/// A price per something else than a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An image made.
    Image,
    /// A character read aloud; stated per million.
    Character,
    /// A minute of audio transcribed.
    AudioMinute,
}

impl Rate {
    /// Every rate, in the order they are written.
    pub const ALL: [Self; 8] = [
        Self::Input,
        Self::Output,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Reasoning,
        Self::AudioInput,
        Self::AudioOutput,
    ];

    /// Its field, in US dollars per million tokens.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Input => "inputPerMTok",
            Self::Output => "outputPerMTok",
            Self::CachedInput => "cachedInputPerMTok",
            Self::CacheWrite => "cacheWritePerMTok",
            Self::CacheWrite1h => "cacheWrite1hPerMTok",
            Self::Reasoning => "reasoningPerMTok",
            Self::AudioInput => "audioInputPerMTok",
            Self::AudioOutput => "audioOutputPerMTok",
        }
    }
}

impl Unit {
    /// Every unit, in the order they are written.
    pub const ALL: [Self; 3] = [Self::Image, Self::Character, Self::AudioMinute];

    /// Its field, in US dollars per image, million characters, or minute.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Image => "perImage",
            Self::Character => "perMCharacters",
            Self::AudioMinute => "perAudioMinute",
        }
    }

    /// Decimals that are held: such that one unit has an integer price in pico-dollars.
    const fn decimals(self) -> u8 {
        match self {
            Self::Character => 6,
            Self::Image | Self::AudioMinute => 12,
        }
    }
}

/// Prices per token, each in pico-dollars (1e-12 USD): one dollar per million tokens is a million of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates([Option<i64>; Rate::ALL.len()]);

impl Rates {
    /// A rate in pico-dollars per token.
    pub const fn get(&self, rate: Rate) -> Option<i64> {
        self.0[rate as usize]
    }

    /// These rates, and those of `base` where there is none.
    fn or(self, base: Self) -> Self {
        let mut rates = self;
        for (own, base) in rates.0.iter_mut().zip(base.0) {
            *own = own.or(base);
        }
        rates
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// Other prices for the whole request once its input is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The tier is for requests with more input tokens than this.
    pub above_input_tokens: u64,
    /// What it changes; other rates stay as they are.
    pub rates: Rates,
}

/// What a model costs.
///
/// On the wire an object of decimal strings, such as `{"inputPerMTok": "0.15", "outputPerMTok": "0.6"}`; see
/// [`Rate::field`] and [`Unit::field`] for the fields. `tiers` is a list of `{"aboveInputTokens": 200000, …}` with the
/// fields of rates, in ascending order. Reading refuses unknown fields, numbers that are not strings, negative prices,
/// more decimals than can be held exactly (six per million, twelve per unit), and prices nobody asks; the error names the
/// field and the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    rates: Rates,
    units: [Option<i64>; Unit::ALL.len()],
    tiers: Box<[Tier]>,
}

impl Price {
    /// The rates of a request with so many input tokens, cached ones included.
    pub fn rates(&self, input_tokens: u64) -> Rates {
        let reached = self.tiers.iter().rev().find(|tier| input_tokens > tier.above_input_tokens);
        reached.map_or(self.rates, |tier| tier.rates.or(self.rates))
    }

    /// A price in pico-dollars per image, character, or minute.
    pub const fn unit(&self, unit: Unit) -> Option<i64> {
        self.units[unit as usize]
    }

    /// The tiers, lowest first.
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// Whether nothing is priced above zero.
    pub fn is_free(&self) -> bool {
        let tiers = self.tiers.iter().flat_map(|tier| tier.rates.0);
        self.rates.0.into_iter().chain(self.units).chain(tiers).flatten().all(|price| price == 0)
    }
}

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

/// Decimals of a price per million tokens, so that one token has an integer price in pico-dollars.
const RATE_DECIMALS: u8 = 6;

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_rates(&self.rates, &mut map)?;
        for unit in Unit::ALL {
            if let Some(amount) = self.unit(unit) {
                map.serialize_entry(unit.field(), &amount_text(amount, unit.decimals()))?;
            }
        }
        if !self.tiers.is_empty() {
            map.serialize_entry("tiers", &self.tiers)?;
        }
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
        let priced = !price.rates.is_empty() || price.units.iter().any(Option::is_some);
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

fn put<E: de::Error>(slot: &mut Option<i64>, field: &str, value: &Value, decimals: u8) -> Result<(), E> {
    if slot.is_some() {
        return Err(E::custom(format_args!("{field}: stands twice")));
    }
    *slot = parse_amount(field, value, decimals)?;
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
            let tier = Tier { above_input_tokens: above, rates: Rates([Some(1), None, Some(7), None, None, None, None, None]) };
            let price = Price { rates: Rates(rates), units: [Some(image), Some(3), None], tiers: Box::new([tier]) };
            let text = serde_json::to_string(&price).unwrap();
            prop_assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price);
        }
    }
}
