//! Roll-ups without their database: how the sums of a batch are gathered, kept and read back.
//!
//! A cell is one combination of everything that sums can be asked for ([`RollupKey`]) in one UTC hour, and once more in
//! one UTC day. The combinations lie in a table of their own (`rollup_key`), so that a cell is a time, a number and its
//! sums. Sums are added up here and never in SQL, which fails on a sum that is out of range.

use std::collections::{BTreeMap, HashMap};

use rungate_core::exchange::{
    Dimension, ExchangeRecord, Granularity, Group, LatencyHistogram, MAX_ROLLUP_VALUES, RollupKey, RollupOf,
    RollupQuery, RollupRow, Sums, Totals,
};
use rungate_core::id::WorkspaceId;
use rungate_core::money::NanoUsd;
use rungate_core::ports::StoreError;
use rungate_core::time::{Day, Timestamp};

use crate::sql::{Clause, Dialect};

/// The sums of each hour.
pub(crate) type Hours = BTreeMap<Timestamp, Sums>;

/// What closings add to the cells.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    /// Per combination.
    pub exchanges: HashMap<(WorkspaceId, RollupKey), Hours>,
    /// Per property key and day.
    pub properties: HashMap<(WorkspaceId, String, Day), Values>,
}

impl Cells {
    /// Adds one closed exchange, whose run, if it has one, began with `run_agent`.
    pub fn add(&mut self, record: &ExchangeRecord, run_agent: Option<&str>) {
        let hours =
            self.exchanges.entry((record.workspace_id, RollupKey::of(record, run_agent))).or_default();
        hours.entry(Granularity::Hour.start(record.created_at)).or_default().add(record);
    }

    /// Adds one closed exchange to the values of a property key, when it has that property. Values that come when there
    /// are `room` others are not told apart.
    pub fn add_property(&mut self, record: &ExchangeRecord, key: &str, room: usize) {
        if let Some(value) = record.attribution.properties.get(key) {
            let place = (record.workspace_id, key.to_owned(), record.created_at.day());
            self.properties.entry(place).or_default().add(record, value, room);
        }
    }
}

/// The values of one property key on one day.
#[derive(Debug, Default)]
pub(crate) struct Values {
    places: HashMap<String, usize>,
    /// In the order they were first closed with, which decides about those that are told apart.
    in_order: Vec<(String, Hours)>,
    other: Hours,
}

impl Values {
    fn add(&mut self, record: &ExchangeRecord, value: &str, room: usize) {
        let hours = match self.places.get(value) {
            Some(place) => &mut self.in_order[*place].1,
            None if self.in_order.len() >= room => &mut self.other,
            None => {
                let place = self.in_order.len();
                self.places.insert(value.to_owned(), place);
                self.in_order.push((value.to_owned(), Hours::new()));
                &mut self.in_order[place].1
            }
        };
        hours.entry(Granularity::Hour.start(record.created_at)).or_default().add(record);
    }

    /// The values, without those that are not told apart.
    pub fn told_apart(&self) -> impl Iterator<Item = &str> {
        self.in_order.iter().map(|(value, _)| value.as_str())
    }

    /// The values as they are kept: `known` says which the day has already, of which there are `count`.
    pub fn bounded(
        self,
        mut count: usize,
        known: impl Fn(&str) -> Result<bool, StoreError>,
    ) -> Result<Vec<(PropertyValue, Hours)>, StoreError> {
        let mut kept = Vec::with_capacity(self.in_order.len() + 1);
        let mut other = self.other;
        for (value, hours) in self.in_order {
            let is_new = !known(&value)?;
            if is_new && count >= MAX_ROLLUP_VALUES {
                for (at, sums) in hours {
                    other.entry(at).or_default().merge(&sums);
                }
                continue;
            }
            count += usize::from(is_new);
            kept.push((PropertyValue::Of(value), hours));
        }
        if !other.is_empty() {
            kept.push((PropertyValue::Other, other));
        }
        Ok(kept)
    }
}

/// The value of a property cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PropertyValue {
    /// This one.
    Of(String),
    /// Any beyond the bound.
    Other,
}

impl PropertyValue {
    /// The columns `is_other` and `value`.
    pub fn columns(&self) -> (i64, &str) {
        match self {
            Self::Of(value) => (0, value),
            Self::Other => (1, ""),
        }
    }

    /// From the columns `is_other` and `value`.
    pub fn read(is_other: i64, value: String) -> Self {
        if is_other == 0 { Self::Of(value) } else { Self::Other }
    }
}

/// The cells of hours: the hours themselves, and the days they lie in.
pub(crate) fn buckets(hours: &Hours) -> Vec<(Granularity, Timestamp, Sums)> {
    let mut days: BTreeMap<Timestamp, Sums> = BTreeMap::new();
    for (at, sums) in hours {
        days.entry(Granularity::Day.start(*at)).or_default().merge(sums);
    }
    let hours = hours.iter().map(|(at, sums)| (Granularity::Hour, *at, *sums));
    hours.chain(days.into_iter().map(|(at, sums)| (Granularity::Day, at, sums))).collect()
}

/// The table of the cells of exchanges.
pub(crate) const fn exchange_table(granularity: Granularity) -> &'static str {
    match granularity {
        Granularity::Hour => "rollup_hour",
        Granularity::Day => "rollup_day",
    }
}

/// The table of the cells of properties.
pub(crate) const fn property_table(granularity: Granularity) -> &'static str {
    match granularity {
        Granularity::Hour => "rollup_property_hour",
        Granularity::Day => "rollup_property_day",
    }
}

/// The columns of `rollup_key` that name a combination, in the order of [`key_columns`].
pub(crate) const KEY_COLUMNS: &str = "agent, run_agent, virtual_key, member, provider_key, provider, model";

/// The values of [`KEY_COLUMNS`]; what is absent is empty, since a unique index takes two nulls for different.
pub(crate) fn key_columns(key: &RollupKey) -> [&str; 7] {
    [
        &key.agent,
        &key.run_agent,
        &key.virtual_key,
        key.member.as_deref().unwrap_or_default(),
        key.provider_key.as_deref().unwrap_or_default(),
        key.provider.as_deref().unwrap_or_default(),
        key.model.as_deref().unwrap_or_default(),
    ]
}

/// What [`key_columns`] made.
pub(crate) fn key_of(
    [agent, run_agent, virtual_key, member, provider_key, provider, model]: [String; 7],
) -> RollupKey {
    let some = |name: String| Some(name).filter(|name| !name.is_empty());
    RollupKey {
        agent,
        run_agent,
        virtual_key,
        member: some(member),
        provider_key: some(provider_key),
        provider: some(provider),
        model: some(model),
    }
}

/// The form of [`encode`].
const FORM: u8 = 2;
/// The form before, which did not have what was reserved for unknown costs.
const FORM_WITHOUT_RESERVED: u8 = 1;

/// Sums as they are kept: a byte for the form, then numbers of variable length, the latencies last and without the
/// empty buckets at their end.
pub(crate) fn encode(sums: &Sums) -> Vec<u8> {
    let totals = &sums.totals;
    let numbers = [
        totals.requests,
        totals.errors,
        totals.input_tokens,
        totals.output_tokens,
        totals.cost.nanos().cast_unsigned(),
        totals.unknown_cost_requests,
        totals.latency_ms,
        sums.cached_input_tokens,
        sums.cache_write_tokens,
        sums.reasoning_tokens,
        totals.unknown_cost_reserved.nanos().cast_unsigned(),
    ];
    let counts = sums.latency.counts();
    let end = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    let mut bytes = vec![FORM];
    for number in numbers.iter().chain(&counts[..end]) {
        let mut rest = *number;
        while rest >= 0x80 {
            bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        bytes.push(rest.to_le_bytes()[0]);
    }
    bytes
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Result<Sums, StoreError> {
    let corrupt = || StoreError::Corrupt("the sums of a roll-up cannot be read".to_owned());
    let [form @ (FORM | FORM_WITHOUT_RESERVED), rest @ ..] = bytes else { return Err(corrupt()) };
    let mut numbers = Vec::with_capacity(24);
    let (mut number, mut shift) = (0_u64, 0_u32);
    for byte in rest {
        let part = u64::from(byte & 0x7f);
        number |= part.checked_shl(shift).filter(|shifted| shifted >> shift == part).ok_or_else(corrupt)?;
        shift += 7;
        if byte & 0x80 == 0 {
            numbers.push(number);
            (number, shift) = (0, 0);
        }
    }
    if *form == FORM_WITHOUT_RESERVED && numbers.len() >= 10 {
        numbers.insert(10, 0);
    }
    let Some((plain, latency)) = numbers.split_first_chunk::<11>() else { return Err(corrupt()) };
    if shift > 0 || latency.len() > LatencyHistogram::BUCKETS {
        return Err(corrupt());
    }
    let [
        requests,
        errors,
        input,
        output,
        cost,
        unknown_cost_requests,
        latency_ms,
        cached,
        written,
        reasoning,
        reserved,
    ] = *plain;
    Ok(Sums {
        totals: Totals {
            requests,
            errors,
            input_tokens: input,
            output_tokens: output,
            cost: NanoUsd::from_nanos(cost.cast_signed()),
            unknown_cost_requests,
            unknown_cost_reserved: NanoUsd::from_nanos(reserved.cast_signed()),
            latency_ms,
        },
        cached_input_tokens: cached,
        cache_write_tokens: written,
        reasoning_tokens: reasoning,
        latency: LatencyHistogram::from_counts(latency),
    })
}

/// The query of the cells that a question means. Its rows are a time, whether it is the cell of other values, an entity
/// or value, and sums; for a [`Fold`].
pub(crate) fn select(
    dialect: &'static Dialect,
    workspace: WorkspaceId,
    query: &RollupQuery,
) -> (String, Clause) {
    let mut clause = Clause::new(dialect);
    let (columns, source) = match &query.of {
        RollupOf::Exchanges { filter, group_by } => {
            let cells = exchange_table(query.granularity);
            let entity = group_by.map_or("''", entity_column);
            // The narrower table leads.
            let source = if filter.is_empty() {
                clause.compare("c.workspace", "=", workspace.uuid());
                format!("{cells} AS c CROSS JOIN rollup_key AS k")
            } else {
                clause.compare("k.workspace", "=", workspace.uuid());
                format!("rollup_key AS k CROSS JOIN {cells} AS c")
            };
            for (dimension, entity) in filter {
                match entity.as_str() {
                    // Nothing has an empty name; it stands for absence.
                    "" => clause.and("FALSE"),
                    entity => clause.compare(entity_column(*dimension), "=", entity),
                }
            }
            clause.and("c.key = k.id");
            (format!("c.at, CAST(0 AS BIGINT), {entity}, c.sums"), source)
        }
        RollupOf::Property(key) => {
            clause.compare("c.workspace", "=", workspace.uuid());
            clause.compare("c.property", "=", key.as_str());
            (
                "c.at, c.is_other, c.value, c.sums".to_owned(),
                format!("{} AS c", property_table(query.granularity)),
            )
        }
    };
    clause.compare("c.at", ">=", query.from.micros());
    clause.compare("c.at", "<", query.to.micros());
    (format!("SELECT {columns} FROM {source} WHERE {}", clause.text()), clause)
}

const fn entity_column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Agent => "k.agent",
        Dimension::RunAgent => "k.run_agent",
        Dimension::VirtualKey => "k.virtual_key",
        Dimension::Member => "k.member",
        Dimension::ProviderKey => "k.provider_key",
        Dimension::Provider => "k.provider",
        Dimension::Model => {
            "CASE WHEN k.provider = '' OR k.model = '' THEN '' ELSE k.provider || '/' || k.model END"
        }
    }
}

/// Folds cells into the rows of an answer.
#[derive(Debug)]
pub(crate) struct Fold<'a> {
    query: &'a RollupQuery,
    rows: HashMap<(Option<Timestamp>, Group), Sums>,
}

impl<'a> Fold<'a> {
    /// Nothing yet.
    pub fn new(query: &'a RollupQuery) -> Self {
        Self { query, rows: HashMap::new() }
    }

    /// Adds one row of [`select`].
    pub fn add(&mut self, at: i64, is_other: bool, entity: &str, sums: &[u8]) -> Result<(), StoreError> {
        let group = match &self.query.of {
            RollupOf::Exchanges { group_by: None, .. } => Group::Whole,
            RollupOf::Exchanges { .. } if entity.is_empty() => Group::Absent,
            RollupOf::Property(_) if is_other => Group::Other,
            RollupOf::Exchanges { .. } | RollupOf::Property(_) => Group::Of(entity.to_owned()),
        };
        let at = self.query.by_time.then(|| Timestamp::from_micros(at));
        self.rows.entry((at, group)).or_default().merge(&decode(sums)?);
        Ok(())
    }

    /// The rows, by time, then the most expensive first.
    pub fn finish(self) -> Vec<RollupRow> {
        let rows = self.rows.into_iter().map(|((at, group), sums)| RollupRow { at, group, sums });
        let mut rows: Vec<RollupRow> = rows.collect();
        rows.sort_by(|a, b| {
            let (ours, theirs) = (&a.sums.totals, &b.sums.totals);
            a.at.cmp(&b.at)
                .then_with(|| theirs.cost.cmp(&ours.cost))
                .then_with(|| theirs.requests.cmp(&ours.requests))
                .then_with(|| a.group.cmp(&b.group))
        });
        rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_read_as_they_were_written(
            numbers in proptest::collection::vec(prop_oneof![any::<u64>(), 0_u64..300, Just(0)], 11),
            counts in proptest::collection::vec(prop_oneof![any::<u64>(), Just(0)], 0..=LatencyHistogram::BUCKETS),
        ) {
            let sums = Sums {
                totals: Totals {
                    requests: numbers[0],
                    errors: numbers[1],
                    input_tokens: numbers[2],
                    output_tokens: numbers[3],
                    cost: NanoUsd::from_nanos(numbers[4].cast_signed()),
                    unknown_cost_requests: numbers[5],
                    unknown_cost_reserved: NanoUsd::from_nanos(numbers[10].cast_signed()),
                    latency_ms: numbers[6],
                },
                cached_input_tokens: numbers[7],
                cache_write_tokens: numbers[8],
                reasoning_tokens: numbers[9],
                latency: LatencyHistogram::from_counts(&counts),
            };
            prop_assert_eq!(decode(&encode(&sums)).unwrap(), sums);
        }

        #[test]
        fn damaged_sums_are_refused_or_read_but_never_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn what_is_cut_off_is_damaged() {
        let whole = encode(&Sums::default());
        assert_eq!(decode(&whole).unwrap(), Sums::default());
        for end in 0..whole.len() {
            assert!(matches!(decode(&whole[..end]), Err(StoreError::Corrupt(_))), "{end}");
        }
        let endless = [vec![FORM], vec![0xff; 12]].concat();
        assert!(matches!(decode(&endless), Err(StoreError::Corrupt(_))));
    }
}
