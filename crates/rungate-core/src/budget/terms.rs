//! The terms of a budget, each valid by its type.

use serde::{Deserialize, Deserializer, Serialize};

use crate::money::{NANO_PER_USD, NanoUsd};

/// A field of a budget breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field's path on the wire, such as `scope.id`.
    pub field: &'static str,
    /// The rule, as a sentence without its spender: `must not be negative`.
    pub reason: &'static str,
}

impl Invalid {
    /// A broken rule.
    pub const fn new(field: &'static str, reason: &'static str) -> Self {
        Self { field, reason }
    }
}

/// The most that may be spent in one window. Zero: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Limit(NanoUsd);

impl Limit {
    /// The largest limit: one billion US dollars. Above it stands a mistake in the unit.
    pub const MAX: NanoUsd = NanoUsd::from_nanos(1_000_000_000 * NANO_PER_USD);

    /// A limit; not negative and at most [`Limit::MAX`].
    pub const fn new(amount: NanoUsd) -> Result<Self, Invalid> {
        match amount.nanos() {
            ..0 => Err(Invalid::new("limitNanoUsd", "must not be negative")),
            nanos if nanos > Self::MAX.nanos() => {
                Err(Invalid::new("limitNanoUsd", "must be at most one billion US dollars"))
            }
            _ => Ok(Self(amount)),
        }
    }

    /// The amount.
    pub const fn amount(self) -> NanoUsd {
        self.0
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(NanoUsd::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What happens to a request that does not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetAction {
    /// It is refused.
    #[default]
    BlockRequests,
    /// Its output limit is lowered until it fits; refused when nothing fits.
    Clamp,
    /// Nothing: the spend is counted, and thresholds are reported.
    AlertOnly,
    /// It is refused, and its virtual key is switched off.
    DisableKey,
}

impl BudgetAction {
    /// Every accepted spelling.
    const SPELLINGS: [(&'static str, Self); 10] = [
        ("block_requests", Self::BlockRequests),
        ("block", Self::BlockRequests),
        ("pause", Self::BlockRequests),
        ("pause_all", Self::BlockRequests),
        ("clamp", Self::Clamp),
        ("reduce_quota", Self::Clamp),
        ("soft_throttle", Self::Clamp),
        ("alert_only", Self::AlertOnly),
        ("alert-only", Self::AlertOnly),
        ("disable_key", Self::DisableKey),
    ];

    /// The action of that spelling.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::SPELLINGS
            .into_iter()
            .find(|(spelling, _)| *spelling == text)
            .map(|(_, action)| action)
            .ok_or(Invalid::new("action", "must be block_requests, clamp, alert_only or disable_key"))
    }

    /// Whether it keeps requests from going past the limit.
    pub const fn is_hard(self) -> bool {
        !matches!(self, Self::AlertOnly)
    }
}

impl<'de> Deserialize<'de> for BudgetAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Percentages of the limit whose crossing is reported: ascending, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Thresholds(Vec<u16>);

impl Thresholds {
    /// At most this many.
    pub const MAX: usize = 20;

    /// Sorts them and leaves out repetitions. Refuses more than [`Thresholds::MAX`], zero, and above 1000.
    pub fn new(mut percents: Vec<u16>) -> Result<Self, Invalid> {
        percents.sort_unstable();
        percents.dedup();
        if percents.len() > Self::MAX {
            return Err(Invalid::new("thresholds", "must be at most 20 different percentages"));
        }
        if percents.iter().any(|percent| !(1..=1000).contains(percent)) {
            return Err(Invalid::new("thresholds", "must be percentages from 1 to 1000"));
        }
        Ok(Self(percents))
    }

    /// The percentages, ascending.
    pub fn percents(&self) -> &[u16] {
        &self.0
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self(vec![50, 75, 90, 100])
    }
}

impl<'de> Deserialize<'de> for Thresholds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_neither_negative_nor_absurd() {
        assert_eq!(Limit::new(NanoUsd::ZERO).unwrap().amount(), NanoUsd::ZERO);
        assert_eq!(Limit::new(Limit::MAX).unwrap().amount(), Limit::MAX);
        for bad in [-1, i64::MIN, Limit::MAX.nanos() + 1, i64::MAX] {
            assert_eq!(Limit::new(NanoUsd::from_nanos(bad)).unwrap_err().field, "limitNanoUsd", "{bad}");
        }
        assert!(
            serde_json::from_str::<Limit>("\"-1\"").unwrap_err().to_string().contains("must not be negative")
        );
    }

    #[test]
    fn w_098_every_action_spelling_is_accepted() {
        let stored = [
            ("alert-only", "alert_only"),
            ("alert_only", "alert_only"),
            ("block", "block_requests"),
            ("pause", "block_requests"),
            ("pause_all", "block_requests"),
            ("block_requests", "block_requests"),
            ("disable_key", "disable_key"),
            ("clamp", "clamp"),
            ("reduce_quota", "clamp"),
            ("soft_throttle", "clamp"),
        ];
        for (sent, kept) in stored {
            let action: BudgetAction = serde_json::from_value(serde_json::json!(sent)).unwrap();
            assert_eq!(serde_json::json!(action), serde_json::json!(kept), "{sent}");
        }
        assert_eq!(BudgetAction::default(), BudgetAction::BlockRequests);
        assert_eq!(BudgetAction::parse("Block").unwrap_err().field, "action");
    }

    #[test]
    fn thresholds_are_sorted_and_each_once() {
        assert_eq!(Thresholds::new(vec![100, 50, 50, 1000]).unwrap().percents(), [50, 100, 1000]);
        assert!(Thresholds::new((1..=20).chain(1..=20).collect()).is_ok());
        for bad in [vec![0], vec![1001], (1..=21).collect()] {
            assert_eq!(Thresholds::new(bad).unwrap_err().field, "thresholds");
        }
        assert_eq!(Thresholds::default().percents(), [50, 75, 90, 100]);
    }
}
