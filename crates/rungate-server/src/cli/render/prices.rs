//! Price catalogues: as a list, what differs between two, and one price.

use std::collections::BTreeMap;

use rungate_core::time::Timestamp;
use rungate_llm::catalog::import::Imported;
use serde::Deserialize;
use serde_json::Value;

use super::facts::Facts;
use super::look::{Look, Paint};
use super::table::{Cell, Column, Table};
use super::text;

const SNAPSHOTS: &[Column] = &[
    Column::new("STORED (UTC)"),
    Column::new("ID"),
    Column::new("MODELS").right(),
    Column::new("PRICED").right().expendable(2),
    Column::new("FROM").min(16).expendable(1),
    Column::new(""),
];

const CHANGES: &[Column] = &[
    Column::new("MODEL").min(16),
    Column::new("PRICE").min(12),
    Column::new("OLD").right(),
    Column::new("NEW").right(),
    Column::new("CHANGE").right(),
];

/// How many models that came or went are named.
const MAX_NAMED: usize = 10;
/// How many lines of changes an update shows; `prices diff` shows all.
const MAX_CHANGES: usize = 40;

/// The answer of `GET /api/v1/price-snapshots`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Snapshots {
    pub active: String,
    pub in_force: String,
    pub embedded: String,
    pub data: Vec<Snapshot>,
    pub has_more: bool,
}

/// A stored catalogue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Snapshot {
    pub id: String,
    pub source: String,
    pub created_at: Option<Timestamp>,
    pub models: u64,
    pub priced: u64,
    pub is_active: bool,
}

/// The answer of `POST /api/v1/price-snapshots`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Stored {
    pub snapshot: Option<Snapshot>,
    pub warnings: Vec<String>,
    pub difference: Difference,
}

/// The answer of `GET /api/v1/price-snapshots/diff`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Difference {
    pub from: String,
    pub to: String,
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<Change>,
}

/// A model whose prices differ.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Change {
    pub model: String,
    pub prices: Vec<FieldChange>,
}

/// A price that differs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct FieldChange {
    pub field: String,
    pub old: Option<String>,
    pub new: Option<String>,
    pub percent: Option<String>,
}

/// The answer of `GET /api/v1/model-prices/resolve`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Resolved {
    pub provider: String,
    pub model: String,
    pub listed_as: Option<String>,
    pub at: Option<Timestamp>,
    pub price_source: Option<String>,
    pub price_snapshot_id: Option<String>,
    pub prices: Option<BTreeMap<String, Value>>,
}

/// The list.
pub fn snapshots(listed: &Snapshots, look: Look) -> String {
    let mut table = Table::new(SNAPSHOTS);
    for snapshot in &listed.data {
        let mark = if snapshot.is_active { Cell::painted("active", Paint::Good) } else { Cell::from("") };
        table.push(vec![
            Cell::painted(&text::time(snapshot.created_at), Paint::Faint),
            snapshot.id.as_str().into(),
            snapshot.models.to_string().into(),
            snapshot.priced.to_string().into(),
            snapshot.source.as_str().into(),
            mark,
        ]);
    }
    let mut shown = if listed.data.is_empty() { String::new() } else { table.render(look) };
    if listed.has_more {
        shown += "…\n";
    }
    let chosen = if listed.active == "embedded" { &listed.embedded } else { &listed.active };
    if chosen == &listed.in_force {
        shown += format!("Requests are priced by {}.\n", text::clean(&listed.in_force)).as_str();
    } else {
        let (chosen, in_force) = (text::clean(chosen), text::clean(&listed.in_force));
        let line = format!("{chosen} is chosen but not usable: requests are priced by {in_force}.");
        shown += format!("{}\n", look.paint(Paint::Bad, &line)).as_str();
    }
    shown
}

/// What an import took, and what it left out.
pub fn imported(imported: &Imported) -> String {
    let models = text::count(imported.catalogue.models().len() as u64, "model");
    let mut shown = format!("{} of {}\n", models, imported.format.name());
    for note in &imported.notes {
        shown += format!("  {}\n", text::clean(note)).as_str();
    }
    shown
}

/// What an update does.
pub fn stored(stored: &Stored, look: Look) -> String {
    let mut shown = summary(&stored.difference, look);
    shown += &changes(&stored.difference, MAX_CHANGES, look);
    for warning in &stored.warnings {
        shown += format!("{}\n", look.paint(Paint::Odd, &format!("! {}", text::clean(warning)))).as_str();
    }
    if stored.snapshot.is_some() {
        shown += "This catalogue is stored already.\n";
    }
    shown
}

/// What differs between two catalogues.
pub fn difference(difference: &Difference, look: Look) -> String {
    summary(difference, look) + &changes(difference, usize::MAX, look)
}

fn summary(difference: &Difference, look: Look) -> String {
    let Difference { from, to, added, removed, changed } = difference;
    let heading = format!("{} → {}", text::clean(from), text::clean(to));
    let mut shown = format!("{}\n", look.paint(Paint::Bold, &heading));
    if added.is_empty() && removed.is_empty() && changed.is_empty() {
        return shown + "No price differs.\n";
    }
    let mut facts = Facts::new(look, 9);
    for (name, models) in [("added", added), ("removed", removed)] {
        let named = models[..models.len().min(MAX_NAMED)].join(", ");
        let more = if models.len() > MAX_NAMED { ", …" } else { "" };
        let named = if models.is_empty() { String::new() } else { format!(": {named}{more}") };
        facts.add(name, &format!("{}{named}", models.len()));
    }
    facts.add("changed", &changed.len().to_string());
    shown += &facts.into_text();
    shown
}

fn changes(difference: &Difference, most: usize, look: Look) -> String {
    let mut lines = difference
        .changed
        .iter()
        .flat_map(|change| change.prices.iter().enumerate().map(move |(at, field)| (change, at, field)));
    let mut table = Table::new(CHANGES);
    for (change, at, field) in lines.by_ref().take(most) {
        let name = if at == 0 { change.model.as_str() } else { "" };
        let (percent, paint) = match field.percent.as_deref() {
            Some(percent) if percent.starts_with('-') => (format!("{percent} %"), Paint::Good),
            Some(percent) => (format!("+{percent} %"), Paint::Odd),
            None => (String::new(), Paint::Plain),
        };
        table.push(vec![
            name.into(),
            field.field.as_str().into(),
            field.old.as_deref().map_or("none", |price| price).into(),
            field.new.as_deref().map_or("none", |price| price).into(),
            Cell::painted(&percent, paint),
        ]);
    }
    if difference.changed.is_empty() {
        return String::new();
    }
    let mut shown = format!("\n{}", table.render(look));
    let left = lines.count();
    if left > 0 {
        shown += format!("… and {}\n", text::count(left as u64, "other change")).as_str();
    }
    shown + "\n"
}

/// One price.
pub fn resolved(price: &Resolved, look: Look) -> String {
    let mut facts = Facts::new(look, 22);
    let name = format!("{}/{}", price.provider, price.model);
    facts.add("model", &name);
    if price.listed_as.as_deref().is_some_and(|listed| listed != price.model) {
        facts.add("listed as", price.listed_as.as_deref().unwrap_or_default());
    }
    facts.add("at", &price.at.map(|at| at.to_string()).unwrap_or_default());
    let source = match price.price_source.as_deref() {
        Some("override") => "the workspace's own",
        Some(other) => other,
        None => "none: its cost is unknown",
    };
    facts.add("price", source);
    facts.add("snapshot", price.price_snapshot_id.as_deref().unwrap_or_default());
    facts.gap();
    for (field, value) in price.prices.iter().flatten() {
        match value {
            Value::String(amount) => facts.add(field, &format!("${amount}")),
            other => facts.add(field, &other.to_string()),
        }
    }
    facts.into_text()
}
