//! Sums over closed exchanges by hour and day: what every chart and table of spending is read from.

use serde::{Deserialize, Serialize};

use crate::exchange::record::ExchangeRecord;
use crate::exchange::view::Totals;
use crate::time::Timestamp;

/// The cell of the roll-up that an exchange is added to, beside its workspace and its hour: one combination of everything
/// that sums can be asked for. Exchanges of one key mostly share one cell, so there are few; any dimension is
/// a sum over cells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RollupKey {
    /// External id of the agent.
    pub agent: String,
    /// External id of the agent that the exchange's run began with; the exchange's own agent when it has no run. It
    /// answers what a run's owner has caused, its sub-agents included.
    pub run_agent: String,
    /// The virtual key.
    pub virtual_key: String,
    /// The member the key is bound to.
    pub member: Option<String>,
    /// The provider key used last.
    pub provider_key: Option<String>,
    /// The provider that answered.
    pub provider: Option<String>,
    /// The model that answered, without its provider.
    pub model: Option<String>,
}

impl RollupKey {
    /// The cell of a record whose run, if it has one, began with `run_agent`. A name without a letter is none.
    pub fn of(record: &ExchangeRecord, run_agent: Option<&str>) -> Self {
        let agent = record.agent.external_id.to_string();
        let name = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        Self {
            run_agent: run_agent.map_or_else(|| agent.clone(), str::to_owned),
            agent,
            virtual_key: record.virtual_key_id.to_string(),
            member: record.member_id.map(|id| id.to_string()),
            provider_key: record.provider_key_id.map(|id| id.to_string()),
            provider: name(&record.provider),
            model: name(&record.model),
        }
    }
}

/// What sums can be filtered by and grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// By agent (external id).
    Agent,
    /// By the agent that the exchange's run began with (external id).
    RunAgent,
    /// By virtual key.
    VirtualKey,
    /// By member.
    Member,
    /// By provider key.
    ProviderKey,
    /// By provider that answered.
    Provider,
    /// By `provider/model` that answered.
    Model,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 7] = [
        Self::Agent,
        Self::RunAgent,
        Self::VirtualKey,
        Self::Member,
        Self::ProviderKey,
        Self::Provider,
        Self::Model,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::RunAgent => "run_agent",
            Self::VirtualKey => "virtual_key",
            Self::Member => "member",
            Self::ProviderKey => "provider_key",
            Self::Provider => "provider",
            Self::Model => "model",
        }
    }

    /// The entity of a cell in this dimension; `None` when it has none.
    pub fn entity(self, key: &RollupKey) -> Option<String> {
        match self {
            Self::Agent => Some(key.agent.clone()),
            Self::RunAgent => Some(key.run_agent.clone()),
            Self::VirtualKey => Some(key.virtual_key.clone()),
            Self::Member => key.member.clone(),
            Self::ProviderKey => key.provider_key.clone(),
            Self::Provider => key.provider.clone(),
            Self::Model => Some(format!("{}/{}", key.provider.as_ref()?, key.model.as_ref()?)),
        }
    }
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Counts, tokens, cost, latency.
    pub totals: Totals,
    /// Input tokens read from prompt caches.
    pub cached_input_tokens: u64,
    /// Input tokens written to prompt caches, of any lifetime.
    pub cache_write_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// How long the exchanges took.
    pub latency: LatencyHistogram,
}

impl Sums {
    /// Adds one closed exchange. Sums are held at the end of their range, as in [`Totals::add`].
    pub fn add(&mut self, record: &ExchangeRecord) {
        let usage = record.usage.unwrap_or_default();
        let mut one = Self {
            cached_input_tokens: usage.cached_input,
            cache_write_tokens: usage.cache_write.saturating_add(usage.cache_write_1h),
            reasoning_tokens: usage.reasoning,
            ..Self::default()
        };
        one.totals.add(record);
        if let Some(latency) = record.latency_ms {
            one.latency.add(latency);
        }
        self.merge(&one);
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        self.cached_input_tokens = self.cached_input_tokens.saturating_add(other.cached_input_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
        self.latency.merge(&other.latency);
    }
}

/// Counts of latencies in buckets that grow by the square root of two: a percentile read from it is at most 41 % too
/// high. The first bucket is below 1 ms, the last holds everything from some 12 minutes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyHistogram([u64; LatencyHistogram::BUCKETS]);

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self([0; Self::BUCKETS])
    }
}

impl LatencyHistogram {
    /// Buckets.
    pub const BUCKETS: usize = 40;

    /// Counts one latency in milliseconds.
    pub fn add(&mut self, milliseconds: u64) {
        let bucket = Self::bucket(milliseconds);
        self.0[bucket] = self.0[bucket].saturating_add(1);
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }

    /// The counts, fastest bucket first.
    pub const fn counts(&self) -> &[u64; Self::BUCKETS] {
        &self.0
    }

    /// From counts, fastest bucket first; what is missing is zero, what is too much goes into the last bucket.
    pub fn from_counts(counts: &[u64]) -> Self {
        let mut histogram = Self::default();
        for (place, count) in counts.iter().enumerate() {
            let bucket = place.min(Self::BUCKETS - 1);
            histogram.0[bucket] = histogram.0[bucket].saturating_add(*count);
        }
        histogram
    }

    /// The latency in milliseconds that `per_mille` of a thousand exchanges did not exceed, as the upper end of its
    /// bucket; `None` when nothing was counted.
    pub fn quantile(&self, per_mille: u64) -> Option<u64> {
        let count = self.0.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if count == 0 {
            return None;
        }
        let rank = (u128::from(count) * u128::from(per_mille.min(1_000))).div_ceil(1_000).max(1);
        let mut seen = 0_u128;
        let bucket = self.0.iter().position(|count| {
            seen += u128::from(*count);
            seen >= rank
        })?;
        Some(Self::upper(bucket))
    }

    /// The bucket of a latency: half octaves, compared as squares so that no float is needed.
    fn bucket(milliseconds: u64) -> usize {
        if milliseconds == 0 {
            return 0;
        }
        let square = u128::from(milliseconds).pow(2);
        let half_octaves = usize::try_from(square.ilog2()).unwrap_or(usize::MAX);
        half_octaves.saturating_add(1).min(Self::BUCKETS - 1)
    }

    /// The largest whole number of milliseconds in a bucket.
    fn upper(bucket: usize) -> u64 {
        let square = 1_u128 << bucket;
        u64::try_from((square - 1).isqrt()).unwrap_or(u64::MAX)
    }
}

/// The width of the buckets of time that sums are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// UTC hours.
    Hour,
    /// UTC days.
    Day,
}

impl Granularity {
    /// The start of the bucket that `at` lies in.
    pub const fn start(self, at: Timestamp) -> Timestamp {
        let width: i64 = match self {
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        };
        Timestamp::from_micros(at.micros().div_euclid(width) * width)
    }
}

/// A question to the roll-ups of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupQuery {
    /// Which buckets.
    pub granularity: Granularity,
    /// Buckets that start at or after this.
    pub from: Timestamp,
    /// Buckets that start before this.
    pub to: Timestamp,
    /// What is added up.
    pub of: RollupOf,
    /// One row per bucket of time; one for all when false. Buckets without exchanges have no row.
    pub by_time: bool,
}

impl RollupQuery {
    /// What was ever rolled up, as one row for all days: the daily cells last longest.
    pub fn ever(of: RollupOf) -> Self {
        let (from, to) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
        Self { granularity: Granularity::Day, from, to, of, by_time: false }
    }
}

/// What a question to the roll-ups adds up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollupOf {
    /// Exchanges.
    Exchanges {
        /// Only those of these entities; all must match.
        filter: Vec<(Dimension, String)>,
        /// One row per entity of this dimension; one for all when absent.
        group_by: Option<Dimension>,
    },
    /// Exchanges with this property, one row per value. The key must be rolled up, else there are no rows.
    Property(String),
}

impl RollupOf {
    /// All exchanges together.
    pub const ALL: Self = Self::Exchanges { filter: Vec::new(), group_by: None };

    /// The exchanges of each entity.
    pub const fn each(dimension: Dimension) -> Self {
        Self::Exchanges { filter: Vec::new(), group_by: Some(dimension) }
    }
}

/// At most so many property keys of a workspace are rolled up.
pub const MAX_ROLLUP_PROPERTIES: usize = 10;

/// Of each property key and day, so many values are told apart, in the order they were first closed with. The exchanges
/// of any further value of that day are added up under [`Group::Other`].
pub const MAX_ROLLUP_VALUES: usize = 10_000;

/// Hourly cells are kept so many days; daily ones for ever.
pub const ROLLUP_HOUR_DAYS: i32 = 400;

/// Whose sums a row has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Everything that was asked for, not grouped.
    Whole,
    /// One entity or value.
    Of(String),
    /// Exchanges that have no entity in the dimension, such as a member.
    Absent,
    /// Exchanges with values beyond [`MAX_ROLLUP_VALUES`].
    Other,
}

/// One row of the answer. Rows are ordered by time, then the most expensive first, then those with most requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupRow {
    /// The start of the bucket, when asked for by time.
    pub at: Option<Timestamp>,
    /// Whose sums.
    pub group: Group,
    /// The sums.
    pub sums: Sums,
}

/// Whether a rebuild changes what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebuildMode {
    /// Cells that differ from the rows are mended.
    Mend,
    /// They are only counted.
    Check,
}

/// What a rebuild found on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilt {
    /// Closed exchanges whose rows were read.
    pub exchanges: u64,
    /// Cells that these make, hourly and daily.
    pub cells: u64,
    /// Cells that were missing, wrong or too many.
    pub differed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_ends_where_the_next_begins() {
        for bucket in 1..LatencyHistogram::BUCKETS - 1 {
            let upper = LatencyHistogram::upper(bucket);
            assert!(LatencyHistogram::bucket(upper) <= bucket, "{upper} ms");
            assert!(LatencyHistogram::bucket(upper + 1) > bucket, "{} ms", upper + 1);
        }
        assert_eq!(LatencyHistogram::bucket(0), 0);
        assert_eq!(LatencyHistogram::bucket(u64::MAX), LatencyHistogram::BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_never_too_low_and_at_most_half_as_much_again() {
        let mut histogram = LatencyHistogram::default();
        assert_eq!(histogram.quantile(500), None);
        (1..=1_000).for_each(|latency| histogram.add(latency));
        for (per_mille, exact) in [(1, 1), (500, 500), (950, 950), (990, 990), (1_000, 1_000)] {
            let found = histogram.quantile(per_mille).unwrap_or_default();
            assert!(found >= exact && found * 2 <= exact * 3, "{per_mille} of 1000: {found} for {exact}");
        }
    }

    #[test]
    fn buckets_of_time_start_on_the_hour_and_at_midnight() {
        let at = Timestamp::parse("2026-11-24T23:19:02.500Z").unwrap();
        assert_eq!(Granularity::Hour.start(at).to_string(), "2026-11-24T23:00:00.000Z");
        assert_eq!(Granularity::Day.start(at).to_string(), "2026-11-24T00:00:00.000Z");
        assert_eq!(Granularity::Hour.start(Timestamp::from_micros(-1)).micros(), -3_600_000_000);
    }
}
