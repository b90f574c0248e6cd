//! A row of LiteLLM's price list, read as text so that no price goes through a float.

use std::collections::BTreeMap;

use rungate_core::money::parse_scaled;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A row: what LiteLLM knows of one model.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Row(BTreeMap<String, Box<RawValue>>);

/// Why a row is left out.
#[derive(Debug)]
pub struct Skip(pub String);

/// Pico-dollars (1e-12 USD) are what a price per token is held in.
const DECIMALS: i32 = 12;

impl Row {
    /// The text of a string field.
    pub fn text(&self, field: &str) -> Option<String> {
        serde_json::from_str(self.0.get(field)?.get()).ok()
    }

    /// A list of texts; empty when absent.
    pub fn texts(&self, field: &str) -> Vec<String> {
        self.0.get(field).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// A whole number above zero.
    pub fn count(&self, field: &str) -> Option<u64> {
        serde_json::from_str(self.0.get(field)?.get()).ok().filter(|count| *count > 0)
    }

    /// Whether a field is `true`.
    pub fn is(&self, field: &str) -> bool {
        self.0.get(field).is_some_and(|raw| raw.get() == "true")
    }

    /// The decimal text of a price; null counts as absent.
    pub fn price(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(|raw| raw.get().trim()).filter(|text| *text != "null")
    }

    /// A price in pico-dollars; the error is the text that is none.
    pub fn pico(&self, field: &str) -> Result<Option<i64>, String> {
        let Some(text) = self.price(field) else { return Ok(None) };
        parse_scaled(text, DECIMALS).map(Some).map_err(|_| text.to_owned())
    }

    /// The names of the fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
