//! What differs between two catalogues: models and their prices.

use std::collections::BTreeMap;

use rungate_core::money::parse_scaled;
use serde::Serialize;
use serde_json::Value;

use super::{Catalogue, Model, key};

/// Prices are compared in millionths of a millionth of a dollar, the smallest that is held.
const DECIMALS: i32 = 12;

/// What differs.
#[derive(Debug, Default)]
pub struct Diff<'a> {
    /// Only in the second.
    pub added: Vec<&'a Model>,
    /// Only in the first.
    pub removed: Vec<&'a Model>,
    /// In both, at other prices.
    pub changed: Vec<Change<'a>>,
}

/// A model whose prices differ.
#[derive(Debug)]
pub struct Change<'a> {
    /// As it is in the second.
    pub model: &'a Model,
    /// Each field that differs in the newest price; where that is the same, each of those before.
    pub fields: Vec<FieldChange>,
}

/// A price that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its field, such as `inputPerMTok` or `tiers[aboveInputTokens=200000].inputPerMTok`.
    pub field: String,
    /// US dollars in the first; `None` where it has no such price.
    pub old: Option<String>,
    /// US dollars in the second; `None` where it has no such price.
    pub new: Option<String>,
    /// By how much, in hundredths of a percent, rounded to the nearest; `None` where nothing was asked before or now.
    pub basis_points: Option<i64>,
}

impl Change<'_> {
    /// Whether the model had a price and has none now.
    pub fn loses_its_price(&self) -> bool {
        self.model.prices.is_empty()
    }
}

/// What differs, each list in order of provider and id. Prices are equal when all of them are.
pub fn diff<'a>(first: &'a Catalogue, second: &'a Catalogue) -> Diff<'a> {
    let mut diff = Diff::default();
    let (mut old, mut new) = (first.models().iter().peekable(), second.models().iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (None, None) => return diff,
            (Some(left), right) if right.is_none_or(|right| key(left) < key(right)) => {
                diff.removed.extend(old.next());
            }
            (left, Some(right)) if left.is_none_or(|left| key(right) < key(left)) => {
                diff.added.extend(new.next());
            }
            _ => {
                if let (Some(left), Some(right)) = (old.next(), new.next()) {
                    diff.changed.extend(change(left, right));
                }
            }
        }
    }
}

fn change<'a>(old: &Model, new: &'a Model) -> Option<Change<'a>> {
    if old.prices == new.prices {
        return None;
    }
    let newest = |model: &Model| fields(model.prices.iter().next().map(|dated| &dated.price));
    let mut fields_of = differences(&newest(old), &newest(new));
    if fields_of.is_empty() {
        // The price that is asked last is the same: what came before, or since when, differs.
        fields_of = differences(&fields(Some(&old.prices)), &fields(Some(&new.prices)));
    }
    Some(Change { model: new, fields: fields_of })
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<FieldChange> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differing = names.into_iter().filter_map(|name| {
        let (old, new) = (before.get(name), after.get(name));
        (old != new).then(|| FieldChange {
            field: name.clone(),
            basis_points: basis_points(old, new),
            old: old.cloned(),
            new: new.cloned(),
        })
    });
    differing.collect()
}

/// Prices, each under one name.
fn fields(prices: Option<impl Serialize>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    if let Some(value) = prices.and_then(|prices| serde_json::to_value(prices).ok()) {
        flatten("", &value, &mut fields);
    }
    fields
}

/// What tells the members of a list apart, since their place does not.
const BOUNDS: [&str; 2] = ["aboveInputTokens", "from"];

fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter().filter(|(name, _)| !BOUNDS.contains(&name.as_str())) {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, fields);
            }
        }
        Value::Array(items) => {
            for item in items {
                let bound = BOUNDS.iter().find_map(|name| Some((name, text(item.get(name)?)?)));
                let name = bound.map_or_else(String::new, |(name, bound)| format!("[{name}={bound}]"));
                flatten(&format!("{path}{name}"), item, fields);
            }
        }
        other => fields.extend(text(other).map(|text| (path.to_owned(), text))),
    }
}

/// A single value as text; `None` for null.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn basis_points(old: Option<&String>, new: Option<&String>) -> Option<i64> {
    let read = |text: &String| parse_scaled(text, DECIMALS).ok().map(i128::from);
    let (old, new) = (read(old?)?, read(new?)?);
    if old <= 0 {
        return None;
    }
    let doubled = (new - old).checked_mul(20_000)?;
    i64::try_from((doubled + old * doubled.signum()) / (2 * old)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(models: &[(&str, &str)]) -> Catalogue {
        let rows: Vec<String> = models
            .iter()
            .map(|(id, rest)| format!(r#"{{"provider": "openai", "id": "{id}", "mode": "chat"{rest}}}"#))
            .collect();
        Catalogue::parse(&format!(r#"{{"snapshotId": "x", "models": [{}]}}"#, rows.join(","))).unwrap()
    }

    #[test]
    fn names_what_came_what_went_and_each_price_that_changed() {
        let old = catalogue(&[
            ("a", r#", "prices": {"inputPerMTok": "1", "outputPerMTok": "3"}"#),
            ("b", r#", "prices": {"inputPerMTok": "1"}"#),
            (
                "c",
                r#", "prices": {"inputPerMTok": "1", "tiers": [{"aboveInputTokens": 100, "inputPerMTok": "2"}]}"#,
            ),
            ("e", r#", "prices": {"inputPerMTok": "5"}"#),
        ]);
        let new = catalogue(&[
            ("a", r#", "contextWindow": 5, "prices": {"inputPerMTok": "0.5", "outputPerMTok": "3"}"#),
            (
                "c",
                r#", "prices": {"inputPerMTok": "1.0", "cachedInputPerMTok": "0", "tiers": [{"aboveInputTokens": 200, "inputPerMTok": "2"}]}"#,
            ),
            ("d", ""),
            ("e", ""),
        ]);
        let found = diff(&old, &new);
        let ids = |models: &[&Model]| models.iter().map(|model| model.id.to_string()).collect::<Vec<_>>();
        assert_eq!((ids(&found.added), ids(&found.removed)), (vec!["d".to_owned()], vec!["b".to_owned()]));
        let field = |change: &FieldChange| {
            let text = |side: &Option<String>| side.clone().unwrap_or_default();
            format!("{} {}>{} {:?}", change.field, text(&change.old), text(&change.new), change.basis_points)
        };
        let changed: Vec<(String, Vec<String>)> = found
            .changed
            .iter()
            .map(|change| (change.model.id.to_string(), change.fields.iter().map(field).collect()))
            .collect();
        let expected = [
            ("a", vec!["inputPerMTok 1>0.5 Some(-5000)"]),
            (
                "c",
                vec![
                    "cachedInputPerMTok >0 None",
                    "tiers[aboveInputTokens=100].inputPerMTok 2> None",
                    "tiers[aboveInputTokens=200].inputPerMTok >2 None",
                ],
            ),
            ("e", vec!["inputPerMTok 5> None"]),
        ];
        let expected: Vec<(String, Vec<String>)> = expected
            .into_iter()
            .map(|(id, fields)| (id.to_owned(), fields.into_iter().map(str::to_owned).collect()))
            .collect();
        assert_eq!(changed, expected);
        assert!(found.changed[2].loses_its_price() && !found.changed[0].loses_its_price());
        assert!(diff(&old, &old).changed.is_empty());
    }

    #[test]
    fn of_dated_prices_the_newest_is_compared_and_the_history_where_that_is_the_same() {
        let one = r#", "prices": {"inputPerMTok": "5"}"#;
        let lowered =
            r#", "prices": [{"from": "2026-08-21T00:00:00Z", "inputPerMTok": "4"}, {"inputPerMTok": "5"}]"#;
        let later =
            r#", "prices": [{"from": "2026-09-21T00:00:00Z", "inputPerMTok": "4"}, {"inputPerMTok": "5"}]"#;
        let found = |old: &str, new: &str| {
            let (old, new) = (catalogue(&[("a", old)]), catalogue(&[("a", new)]));
            let diff = diff(&old, &new);
            let fields = diff.changed.iter().flat_map(|change| change.fields.clone());
            fields.map(|field| (field.field, field.old, field.new)).collect::<Vec<_>>()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(found(one, lowered), [("inputPerMTok".to_owned(), text("5"), text("4"))]);
        let dated = |month: &str| format!("[from=2026-{month}-21T00:00:00.000Z].inputPerMTok");
        assert_eq!(found(lowered, later), [(dated("08"), text("4"), None), (dated("09"), None, text("4"))]);
        assert_eq!(found(later, later), []);
    }

    #[test]
    fn percentages_are_exact_and_rounded_once() {
        let points = |old: &str, new: &str| basis_points(Some(&old.to_owned()), Some(&new.to_owned()));
        assert_eq!(points("0.15", "0.3"), Some(10_000));
        assert_eq!(points("3", "2"), Some(-3_333));
        assert_eq!(points("3", "4"), Some(3_333));
        assert_eq!(points("3", "5"), Some(6_667));
        assert_eq!(points("0", "5"), None);
        assert_eq!(points("0.000001", "1000000"), Some(9_999_999_999_990_000));
    }
}
