//! Price snapshots, and what differs between two, on the wire.

use rungate_core::agent::PriceSnapshot;
use rungate_core::time::Timestamp;
use rungate_llm::catalog::{Change, Diff, Model};
use serde::Serialize;
use utoipa::ToSchema;

/// What is known of a stored price catalogue.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PriceSnapshot)]
pub struct PriceSnapshotView {
    /// Rows that it priced name it. It ends in the hash of what is in it.
    pub id: String,
    /// Where it came from.
    pub source: String,
    /// When it was stored; it never changes.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How many models it has.
    pub models: u64,
    /// How many of them have a price.
    pub priced: u64,
    /// Whether requests are priced by it now.
    pub is_active: bool,
}

impl PriceSnapshotView {
    /// A stored catalogue. `in_force` is the id of the one that requests are priced by.
    pub fn new(snapshot: PriceSnapshot, in_force: &str) -> Self {
        Self {
            is_active: snapshot.name == in_force,
            id: snapshot.name,
            source: snapshot.source,
            created_at: snapshot.head.created_at,
            models: snapshot.models,
            priced: snapshot.priced,
        }
    }
}

/// What differs between two price catalogues.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PriceDifference)]
pub struct DiffView {
    /// The id of the first.
    pub from: String,
    /// The id of the second.
    pub to: String,
    /// Models that only the second has, as `provider/model`.
    pub added: Vec<String>,
    /// Models that only the first has.
    pub removed: Vec<String>,
    /// Models of both whose prices differ.
    pub changed: Vec<ChangeView>,
}

/// A model whose prices differ.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PriceChange)]
pub struct ChangeView {
    /// `provider/model`.
    pub model: String,
    /// Each price that differs.
    pub prices: Vec<FieldChangeView>,
}

/// A price that differs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PriceFieldChange)]
pub struct FieldChangeView {
    /// Its field, such as `inputPerMTok`.
    pub field: String,
    /// US dollars in the first; null where it has no such price.
    pub old: Option<String>,
    /// US dollars in the second; null where it has no such price.
    pub new: Option<String>,
    /// By how many percent, to two decimals; null where one side has no price or the first asks nothing.
    pub percent: Option<String>,
}

impl DiffView {
    /// What differs between two catalogues, of one provider where one is named.
    pub fn new(from: &str, to: &str, found: Diff<'_>, provider: Option<&str>) -> Self {
        let wanted = |model: &Model| provider.is_none_or(|provider| *model.provider == *provider);
        let names =
            |models: Vec<&Model>| models.into_iter().filter(|model| wanted(model)).map(name).collect();
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            added: names(found.added),
            removed: names(found.removed),
            changed: found
                .changed
                .into_iter()
                .filter(|change| wanted(change.model))
                .map(ChangeView::from)
                .collect(),
        }
    }
}

impl From<Change<'_>> for ChangeView {
    fn from(change: Change<'_>) -> Self {
        let view = |field: rungate_llm::catalog::FieldChange| FieldChangeView {
            percent: field.basis_points.map(percent),
            field: field.field,
            old: field.old,
            new: field.new,
        };
        Self { model: name(change.model), prices: change.fields.into_iter().map(view).collect() }
    }
}

/// `provider/model`.
pub fn name(model: &Model) -> String {
    format!("{}/{}", model.provider, model.id)
}

/// Hundredths of a percent as text: `-33.33`, `100`.
fn percent(basis_points: i64) -> String {
    let sign = if basis_points < 0 { "-" } else { "" };
    let (whole, rest) = (basis_points.unsigned_abs() / 100, basis_points.unsigned_abs() % 100);
    if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:02}") }
}
