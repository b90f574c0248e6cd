//! Prices with the dates they are asked from.

use std::fmt;

use rungate_core::time::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::Price;

/// The most prices that one model may have had.
const MAX_PRICES: usize = 64;
/// The field of the date.
const FROM: &str = "from";

/// A price and the moment it is asked from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// The first moment it counts for; `None` for the oldest that is known, which counts for all that came before.
    pub from: Option<Timestamp>,
    /// The price.
    pub price: Price,
}

/// Every price that a model has or had; none when nobody knows.
///
/// On the wire one object, as [`Price`] is, where there is one price; else a list of them, newest first, each but the last
/// with the moment it is asked from: `[{"from": "2026-08-21T00:00:00.000Z", "inputPerMTok": "4"}, {"inputPerMTok": "5"}]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices(Box<[Dated]>);

impl Prices {
    /// Prices, newest first; the error says which rule they break.
    pub fn new(newest_first: Vec<Dated>) -> Result<Self, String> {
        let ascends = newest_first.windows(2).all(|pair| pair[0].from > pair[1].from);
        let ends = newest_first.last().is_none_or(|oldest| oldest.from.is_none());
        if !ascends || !ends {
            return Err("prices: the newest stands first, and every one but the last has a `from`".to_owned());
        }
        if newest_first.len() > MAX_PRICES {
            return Err(format!("prices: at most {MAX_PRICES}"));
        }
        Ok(Self(newest_first.into()))
    }

    /// The price that is asked at a moment; `None` when no price is known at all.
    pub fn at(&self, moment: Timestamp) -> Option<&Price> {
        self.0.iter().find(|dated| dated.from.is_none_or(|from| from <= moment)).map(|dated| &dated.price)
    }

    /// Whether no price is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every price, newest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Dated> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Prices {
    type Item = &'a Dated;
    type IntoIter = std::slice::Iter<'a, Dated>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Price> for Prices {
    fn from(price: Price) -> Self {
        Self(Box::new([Dated { from: None, price }]))
    }
}

impl Serialize for Prices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [Dated { price, .. }] = &*self.0 {
            return price.serialize(serializer);
        }
        serializer.collect_seq(&self.0)
    }
}

impl Serialize for Dated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(from) = self.from {
            map.serialize_entry(FROM, &from)?;
        }
        self.price.serialize_fields(&mut map)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Prices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PricesVisitor)
    }
}

struct PricesVisitor;

impl<'de> Visitor<'de> for PricesVisitor {
    type Value = Prices;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of prices, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Prices, A::Error> {
        Price::deserialize(MapAccessDeserializer::new(map)).map(Prices::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Prices, A::Error> {
        let mut prices = Vec::new();
        while let Some(mut fields) = list.next_element::<Map<String, Value>>()? {
            let from = fields.remove(FROM).map(serde_json::from_value).transpose();
            let price = serde_json::from_value(Value::Object(fields));
            let read = from.and_then(|from| price.map(|price| Dated { from, price }));
            prices.push(read.map_err(de::Error::custom)?);
        }
        Prices::new(prices).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rate;
    use serde_json::json;

    fn read(value: Value) -> Result<Prices, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn the_price_in_force_is_the_newest_that_has_begun() {
        let prices = read(json!([
            {"from": "2026-12-01T00:00:00Z", "inputPerMTok": "1"},
            {"from": "2026-08-21T00:00:00Z", "inputPerMTok": "4"},
            {"inputPerMTok": "5"},
        ]))
        .unwrap();
        let input = |moment| prices.at(at(moment)).unwrap().rates(0).get(Rate::Input).unwrap() / 1_000_000;
        assert_eq!(input("2020-01-01T00:00:00Z"), 5);
        assert_eq!(input("2026-08-20T23:59:59.999999Z"), 5);
        assert_eq!(input("2026-08-21T00:00:00Z"), 4);
        assert_eq!(input("2026-11-30T23:59:59Z"), 4);
        assert_eq!(input("2027-01-01T00:00:00Z"), 1);
        assert_eq!(Prices::default().at(at("2027-01-01T00:00:00Z")), None);
    }

    #[test]
    fn one_price_is_an_object_and_several_are_a_list() {
        for value in [
            json!({"inputPerMTok": "1"}),
            json!([{"from": "2026-08-21T00:00:00.000Z", "inputPerMTok": "4"}, {"inputPerMTok": "5"}]),
        ] {
            assert_eq!(serde_json::to_value(read(value.clone()).unwrap()).unwrap(), value);
        }
    }

    #[test]
    fn lists_without_an_order_are_refused() {
        let first = "prices: the newest stands first, and every one but the last has a `from`";
        for value in [
            json!([{"inputPerMTok": "1"}, {"inputPerMTok": "2"}]),
            json!([{"from": "2026-08-21T00:00:00Z", "inputPerMTok": "1"}]),
            json!([{"inputPerMTok": "2"}, {"from": "2026-08-21T00:00:00Z", "inputPerMTok": "1"}]),
            json!([
                {"from": "2026-08-21T00:00:00Z", "inputPerMTok": "1"},
                {"from": "2026-08-21T00:00:00Z", "inputPerMTok": "1"},
                {"inputPerMTok": "1"},
            ]),
        ] {
            assert_eq!(read(value.clone()).unwrap_err(), first, "{value}");
        }
        assert!(read(json!([{"from": "yesterday", "inputPerMTok": "1"}, {"inputPerMTok": "1"}])).is_err());
        assert!(read(json!([{"inputPerMTok": "-1"}])).is_err());
    }
}
