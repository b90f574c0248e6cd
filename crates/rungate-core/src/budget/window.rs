//! Windows of time in a time zone.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span as Step, ToSpan as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::budget::terms::Invalid;
use crate::time::Timestamp;

/// A time zone by its IANA name, known to the database that is part of the binary. Compares by its name.
#[derive(Clone)]
pub struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

impl Zone {
    /// The zone of that name, in any case: `Europe/Berlin`, `UTC`. Refuses names that the database does not have.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let found = TimeZoneDatabase::bundled().get(name);
        let rules = found.map_err(|_| {
            Invalid::new("timezone", "must be an IANA time zone, such as UTC or Europe/Berlin")
        })?;
        Ok(Self { name: rules.iana_name().unwrap_or(name).into(), rules })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first moment of a day there: midnight, or the moment after it where the clocks skip midnight.
    fn start_of(&self, date: Date) -> Option<Timestamp> {
        let start = self.rules.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
        Some(Timestamp::from_micros(start.as_microsecond()))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: "UTC".into(), rules: TimeZone::UTC }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A stretch of time: from `start`, inclusive, to `end`, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it: when the spend starts again from nothing. `None`: never.
    pub end: Option<Timestamp>,
}

impl Span {
    /// All of time.
    pub const ALWAYS: Self = Self { start: Timestamp::from_micros(i64::MIN), end: None };

    /// Whether the moment lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

/// How long spend is added up before it starts again from nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// A calendar day.
    Daily,
    /// Monday to Sunday.
    Weekly,
    /// A calendar month.
    #[default]
    Monthly,
    /// A calendar year.
    Yearly,
    /// For ever.
    Total,
}

impl Window {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::Total => "total",
        }
    }

    /// The window of that name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        [Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly, Self::Total]
            .into_iter()
            .find(|window| window.as_str() == text)
            .ok_or_else(|| Invalid::new("window", "must be daily, weekly, monthly, yearly or total"))
    }

    /// The window that holds the moment, between local midnights.
    ///
    /// Outside the years -9999 to 9999 there is no calendar, and one window for all of time.
    pub fn span_at(self, at: Timestamp, zone: &Zone) -> Span {
        self.calendar_span(at, zone).unwrap_or(Span::ALWAYS)
    }

    fn calendar_span(self, at: Timestamp, zone: &Zone) -> Option<Span> {
        let moment = jiff::Timestamp::from_microsecond(at.micros()).ok()?;
        let step = self.step()?;
        let mut first = self.first_day(zone.rules.to_datetime(moment).date())?;
        // Where clocks go back over midnight, a local date ends, begins again and ends again. The day begins when
        // its midnight first passes, so the date that the clock shows can be one day off.
        while zone.start_of(first)? > at {
            first = first.checked_sub(step).ok()?;
        }
        let mut next = first.checked_add(step).ok()?;
        while zone.start_of(next)? <= at {
            (first, next) = (next, next.checked_add(step).ok()?);
        }
        Some(Span { start: zone.start_of(first)?, end: Some(zone.start_of(next)?) })
    }

    fn first_day(self, date: Date) -> Option<Date> {
        match self {
            Self::Daily => Some(date),
            Self::Weekly => date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days()).ok(),
            Self::Monthly => Some(date.first_of_month()),
            Self::Yearly => Some(date.first_of_year()),
            Self::Total => None,
        }
    }

    fn step(self) -> Option<Step> {
        match self {
            Self::Daily => Some(1.day()),
            Self::Weekly => Some(1.week()),
            Self::Monthly => Some(1.month()),
            Self::Yearly => Some(1.year()),
            Self::Total => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn span(window: Window, zone: &str, moment: &str) -> (String, String, i64) {
        let span = window.span_at(at(moment), &Zone::parse(zone).unwrap());
        let end = span.end.unwrap();
        (span.start.to_string(), end.to_string(), (end.seconds() - span.start.seconds()) / 60)
    }

    #[test]
    fn weeks_start_on_monday_and_months_and_years_on_their_first_day() {
        let moment = "2026-11-25T12:00:00Z";
        let expected = [
            (Window::Daily, "2026-11-25", "2026-11-26"),
            (Window::Weekly, "2026-11-23", "2026-11-30"),
            (Window::Monthly, "2026-11-01", "2026-12-01"),
            (Window::Yearly, "2026-01-01", "2027-01-01"),
        ];
        for (window, start, end) in expected {
            let (from, to, _) = span(window, "UTC", moment);
            assert_eq!((&from[..10], &to[..10]), (start, end), "{window:?}");
            assert!(from.ends_with("T00:00:00.000Z") && to.ends_with("T00:00:00.000Z"));
        }
        assert_eq!(Window::Total.span_at(at(moment), &Zone::default()), Span::ALWAYS);
    }

    #[test]
    fn days_have_23_or_25_hours_where_the_clocks_change() {
        let (start, end, minutes) = span(Window::Daily, "Europe/Berlin", "2026-03-29T12:00:00Z");
        assert_eq!((start.as_str(), end.as_str()), ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"));
        assert_eq!(minutes, 23 * 60);
        assert_eq!(span(Window::Daily, "Europe/Berlin", "2026-10-25T12:00:00Z").2, 25 * 60);
        // Lord Howe moves its clocks by half an hour.
        assert_eq!(span(Window::Daily, "Australia/Lord_Howe", "2026-04-05T00:00:00Z").2, 24 * 60 + 30);
        assert_eq!(span(Window::Daily, "Asia/Kolkata", "2026-11-25T00:00:00Z").0, "2026-11-24T18:30:00.000Z");
        assert_eq!(
            span(Window::Daily, "Asia/Kathmandu", "2026-11-25T00:00:00Z").0,
            "2026-11-24T18:15:00.000Z"
        );
    }

    #[test]
    fn a_day_without_midnight_starts_at_its_first_moment() {
        // Cairo went from 23:59:59 to 01:00 on 25 April 2025.
        let (start, _, minutes) = span(Window::Daily, "Africa/Cairo", "2025-04-25T12:00:00Z");
        assert_eq!((start.as_str(), minutes), ("2025-04-24T22:00:00.000Z", 23 * 60));
    }

    #[test]
    fn a_day_that_was_skipped_belongs_to_no_window() {
        // Samoa had no 30 December 2011.
        let (_, end, _) = span(Window::Daily, "Pacific/Apia", "2011-12-30T09:59:59Z");
        let (start, _, _) = span(Window::Daily, "Pacific/Apia", "2011-12-30T10:00:00Z");
        assert_eq!((end.as_str(), start.as_str()), ("2011-12-30T10:00:00.000Z", "2011-12-30T10:00:00.000Z"));
    }

    #[test]
    fn clocks_that_go_back_over_midnight_do_not_open_the_day_before_again() {
        // St John's went from 00:01 back to 23:01 on 29 October 2006: midnight passed twice.
        let before = span(Window::Daily, "America/St_Johns", "2006-10-29T02:29:00Z");
        let after = span(Window::Daily, "America/St_Johns", "2006-10-29T02:45:00Z");
        assert_eq!(before.1, "2006-10-29T02:30:00.000Z");
        assert_eq!((after.0.as_str(), after.2), ("2006-10-29T02:30:00.000Z", 25 * 60));
    }

    #[test]
    fn only_zones_of_the_database_are_accepted_and_keep_its_spelling() {
        assert_eq!(Zone::parse("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(serde_json::from_str::<Zone>("\"Asia/Tokyo\"").unwrap().name(), "Asia/Tokyo");
        for bad in ["", "Mars/Olympus", "../etc/localtime", "+02:00"] {
            assert_eq!(Zone::parse(bad).unwrap_err().field, "timezone", "{bad:?}");
        }
        assert!(serde_json::from_str::<Zone>("\"Mars/Olympus\"").is_err());
    }

    #[test]
    fn outside_the_calendar_there_is_one_window() {
        for micros in [i64::MIN, i64::MAX] {
            assert_eq!(Window::Daily.span_at(Timestamp::from_micros(micros), &Zone::default()), Span::ALWAYS);
        }
    }

    const ZONES: [&str; 10] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Cairo",
    ];

    proptest! {
        #[test]
        fn windows_tile_time(
            zone in proptest::sample::select(&ZONES),
            window in proptest::sample::select(&[Window::Daily, Window::Weekly, Window::Monthly, Window::Yearly]),
            micros in -1_000_000_000_000_000_i64..6_000_000_000_000_000,
        ) {
            let zone = Zone::parse(zone).unwrap();
            let moment = Timestamp::from_micros(micros);
            let span = window.span_at(moment, &zone);
            let end = span.end.unwrap();
            prop_assert!(span.contains(moment));
            let last = Timestamp::from_micros(end.micros() - 1);
            prop_assert_eq!(window.span_at(span.start, &zone), span);
            prop_assert_eq!(window.span_at(last, &zone), span);
            prop_assert_eq!(window.span_at(end, &zone).start, end);
            prop_assert_eq!(window.span_at(Timestamp::from_micros(span.start.micros() - 1), &zone).end, Some(span.start));
            for boundary in [span.start, end] {
                let local = |micros| zone.rules.to_datetime(jiff::Timestamp::from_microsecond(micros).unwrap());
                let skipped = local(boundary.micros() - 1).date() < local(boundary.micros()).date();
                prop_assert!(local(boundary.micros()).time() == Time::midnight() || skipped);
            }
        }
    }
}
