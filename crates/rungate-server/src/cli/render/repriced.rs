//! What past requests would have cost, added up over the parts that the API answers in.

use std::collections::BTreeMap;

use anyhow::Context as _;
use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::look::{Look, Paint};
use super::table::{Cell, Column, Table};
use super::text;

/// How many requests are named.
const MAX_NAMED: usize = 20;

const MODELS: &[Column] = &[
    Column::new("MODEL").min(16),
    Column::new("REQUESTS").right(),
    Column::new("COST THEN").decimal(),
    Column::new("COST NOW").decimal(),
    Column::new("DIFFERENCE").decimal(),
    Column::new("UNKNOWN THEN").right().expendable(2),
    Column::new("UNKNOWN NOW").right().expendable(1),
];

const REQUESTS: &[Column] = &[
    Column::new("TIME (UTC)").expendable(2),
    Column::new("REQUEST"),
    Column::new("MODEL").min(12),
    Column::new("THEN").decimal(),
    Column::new("NOW").decimal(),
    Column::new("DIFFERENCE").decimal(),
    Column::new("PRICED BY").min(12).expendable(1),
];

/// An answer of `GET /api/v1/model-prices/reprice`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Part {
    pub price_snapshot_id: String,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub requests: u64,
    pub pending: u64,
    pub models: Vec<Model>,
    pub most_different: Vec<Different>,
    pub next_cursor: Option<String>,
}

/// Sums of one model, as the API gives them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Model {
    pub provider: String,
    pub model: String,
    pub requests: u64,
    pub cost_then_nano_usd: String,
    pub cost_now_nano_usd: String,
    pub difference_nano_usd: String,
    pub unknown_then: u64,
    pub unknown_now: u64,
}

/// A request whose cost differs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the field of the API of the same name")]
pub struct Different {
    pub id: String,
    pub created_at: Option<Timestamp>,
    pub provider: String,
    pub model: String,
    pub price_snapshot_id: Option<String>,
    pub cost_then_nano_usd: String,
    pub cost_now_nano_usd: String,
    pub difference_nano_usd: String,
}

/// Sums.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    requests: u64,
    then: i128,
    now: i128,
    difference: i128,
    unknown_then: u64,
    unknown_now: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.then = self.then.saturating_add(other.then);
        self.now = self.now.saturating_add(other.now);
        self.difference = self.difference.saturating_add(other.difference);
        self.unknown_then += other.unknown_then;
        self.unknown_now += other.unknown_now;
    }

    fn to_json(self) -> Value {
        json!({
            "requests": self.requests,
            "costThenNanoUsd": self.then.to_string(),
            "costNowNanoUsd": self.now.to_string(),
            "differenceNanoUsd": self.difference.to_string(),
            "unknownThen": self.unknown_then,
            "unknownNow": self.unknown_now,
        })
    }
}

/// All parts together.
#[derive(Debug, Default)]
pub struct Whole {
    /// Requests looked at.
    pub requests: u64,
    pending: u64,
    snapshot: String,
    models: BTreeMap<(String, String), Sums>,
    different: Vec<(i128, Different)>,
}

impl Whole {
    /// Adds a part.
    pub fn add(&mut self, part: Part) -> anyhow::Result<()> {
        self.requests += part.requests;
        self.pending += part.pending;
        self.snapshot = part.price_snapshot_id;
        for model in part.models {
            let sums = Sums {
                requests: model.requests,
                then: nanos(&model.cost_then_nano_usd)?,
                now: nanos(&model.cost_now_nano_usd)?,
                difference: nanos(&model.difference_nano_usd)?,
                unknown_then: model.unknown_then,
                unknown_now: model.unknown_now,
            };
            self.models.entry((model.provider, model.model)).or_default().add(&sums);
        }
        for different in part.most_different {
            self.different.push((nanos(&different.difference_nano_usd)?, different));
        }
        self.different.sort_by_key(|(difference, _)| std::cmp::Reverse(difference.unsigned_abs()));
        self.different.truncate(MAX_NAMED);
        Ok(())
    }

    fn total(&self) -> Sums {
        let mut total = Sums::default();
        for sums in self.models.values() {
            total.add(sums);
        }
        total
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let models = self.models.iter().map(|((provider, model), sums)| {
            let mut value = sums.to_json();
            value["provider"] = json!(provider);
            value["model"] = json!(model);
            value
        });
        let different = self.different.iter().map(|(_, request)| {
            json!({
                "id": request.id,
                "createdAt": request.created_at,
                "provider": request.provider,
                "model": request.model,
                "priceSnapshotId": request.price_snapshot_id,
                "costThenNanoUsd": request.cost_then_nano_usd,
                "costNowNanoUsd": request.cost_now_nano_usd,
                "differenceNanoUsd": request.difference_nano_usd,
            })
        });
        json!({
            "priceSnapshotId": self.snapshot,
            "requests": self.requests,
            "pending": self.pending,
            "total": self.total().to_json(),
            "models": models.collect::<Vec<_>>(),
            "mostDifferent": different.collect::<Vec<_>>(),
        })
    }
}

fn nanos(text: &str) -> anyhow::Result<i128> {
    text.parse().with_context(|| format!("{text:?} is no amount of nano-dollars"))
}

/// The report for people.
pub fn report(whole: &Whole, look: Look) -> String {
    if whole.requests == 0 {
        return "No requests match. --since 90d looks further back.\n".to_owned();
    }
    let mut table = Table::new(MODELS);
    for ((provider, model), sums) in &whole.models {
        let name = if provider.is_empty() { "(none)".to_owned() } else { format!("{provider}/{model}") };
        table.push(line(&name, sums));
    }
    let total = whole.total();
    table.push(line("all", &total));
    let mut shown = look.paint(Paint::Bold, &format!("At the prices of {}", whole.snapshot));
    shown += "\n\n";
    shown += &table.render(look);
    if !whole.different.is_empty() {
        shown += format!("\n{}\n", look.paint(Paint::Bold, "Requests whose cost differs most")).as_str();
        let mut table = Table::new(REQUESTS);
        for (difference, request) in &whole.different {
            let amount = |text: &str| nanos(text).map(amount).unwrap_or_default();
            table.push(vec![
                Cell::painted(&text::time(request.created_at), Paint::Faint),
                request.id.as_str().into(),
                format!("{}/{}", request.provider, request.model).into(),
                amount(&request.cost_then_nano_usd).into(),
                amount(&request.cost_now_nano_usd).into(),
                signed(*difference),
                request.price_snapshot_id.as_deref().unwrap_or_default().into(),
            ]);
        }
        shown += &table.render(look);
    }
    if total.unknown_then + total.unknown_now > 0 {
        shown += "\nUnknown costs stand in no sum, and in the difference only requests that are known on both sides.\n";
    }
    if whole.pending > 0 {
        shown += format!("\n{} that have not ended were left out.\n", text::count(whole.pending, "request"))
            .as_str();
    }
    shown + "\nNothing was changed.\n"
}

fn line(name: &str, sums: &Sums) -> Vec<Cell> {
    let odd = |count: u64| match count {
        0 => Cell::from("0"),
        count => Cell::painted(&count.to_string(), Paint::Odd),
    };
    vec![
        name.into(),
        sums.requests.to_string().into(),
        amount(sums.then).into(),
        amount(sums.now).into(),
        signed(sums.difference),
        odd(sums.unknown_then),
        odd(sums.unknown_now),
    ]
}

/// Nano-dollars as dollars. Sums above nine billion dollars are shown as that.
fn amount(nanos: i128) -> String {
    let bounded = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    text::usd(NanoUsd::from_nanos(i64::try_from(bounded).unwrap_or(i64::MAX)))
}

fn signed(difference: i128) -> Cell {
    match difference {
        0 => Cell::from("$0"),
        more if more > 0 => Cell::painted(&format!("+{}", amount(more)), Paint::Odd),
        less => Cell::painted(&amount(less), Paint::Good),
    }
}
