//! Points in time, without a clock: the current time is always passed in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: microseconds since the Unix epoch, UTC.
///
/// Prints and serialises as RFC 3339 with milliseconds, `2026-11-23T16:05:12.345Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date and time with a zone, such as 2026-11-23T16:05:12.345Z")]
pub struct TimestampError;

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The whole millisecond it lies in: as much as its text carries.
    pub const fn to_millisecond(self) -> Self {
        Self::from_millis(self.millis())
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This point later by `duration`, held at the end of the range.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This point earlier by `duration`, held at the start of the range.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time that passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC day this point lies in.
    pub fn day(self) -> Day {
        Day(i32::try_from(self.0.div_euclid(86_400_000_000)).unwrap_or(0))
    }

    /// The same, printed and serialised to the microsecond: for what is ordered by it.
    pub const fn precise(self) -> Precise {
        Precise(self)
    }

    /// Reads an RFC 3339 date and time with a zone.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Ok(Self(parsed.as_microsecond()))
    }
}

/// A point in time that prints and serialises as RFC 3339 with microseconds; see [`Timestamp::precise`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Precise(Timestamp);

impl fmt::Display for Precise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0.0) {
            Ok(timestamp) => write!(f, "{timestamp:.6}"),
            Err(_) => f.write_str("out of range"),
        }
    }
}

impl Serialize for Precise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.millis().saturating_mul(1_000)) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => f.write_str("out of range"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A UTC day: days since 1970-01-01. Prints as `2026-11-23`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// From days since 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// The first moment of the day.
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0) * 86_400_000_000)
    }

    /// The day `days` later (earlier when negative).
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Reads `2026-11-23`.
    pub fn parse(text: &str) -> Option<Self> {
        let date: jiff::civil::Date = text.parse().ok()?;
        let timestamp = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
        Some(Timestamp(timestamp.as_microsecond()).day())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.start().micros()) {
            Ok(timestamp) => write!(f, "{}", jiff::tz::Offset::UTC.to_datetime(timestamp).date()),
            Err(_) => f.write_str("out of range"),
        }
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_rfc_3339_with_milliseconds() {
        let at = Timestamp::parse("2026-11-23T17:05:12.345678+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-23T16:05:12.345Z");
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse("2026-11-23 16:05"), Err(TimestampError));
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2026-11-23T16:05:12.345Z\"");
    }

    #[test]
    fn days_are_utc_and_read_back() {
        let at = Timestamp::parse("2026-11-23T23:59:59.999Z").unwrap();
        assert_eq!(at.day().to_string(), "2026-11-23");
        assert_eq!(Day::parse("2026-11-23"), Some(at.day()));
        assert_eq!(at.day().plus(1).start().to_string(), "2026-11-24T00:00:00.000Z");
        assert_eq!(Timestamp::from_micros(-1).day().to_string(), "1969-12-31");
    }
}
