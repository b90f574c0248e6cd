//! `schedule`: when requests may be sent.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Deserialize;
use serde_json::Value;

use crate::code::Code;
use crate::policy::config::{ConfigError, bounded, read};
use crate::policy::facts::{Facts, Judgement};
use crate::policy::rule_types::{Guard, Rule};

const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    timezone: String,
    windows: Vec<Window>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Window {
    days: Vec<Weekday>,
    from: String,
    to: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Minutes of the week, from Monday 00:00, at wall time: `[from, to)`, sorted, apart from each other.
#[derive(Debug)]
struct Schedule {
    zone: TimeZone,
    open: Vec<(u32, u32)>,
}

pub(super) fn compile(config: &Value) -> Result<Rule, ConfigError> {
    let Config { timezone, windows } = read(config)?;
    bounded("windows", &windows)?;
    if windows.is_empty() {
        return Err(ConfigError::at("windows", "must have at least one window"));
    }
    let zone = TimeZoneDatabase::bundled()
        .get(&timezone)
        .map_err(|_| ConfigError::at("timezone", "not an IANA time zone such as Europe/Berlin"))?;
    let mut open: Vec<(u32, u32, usize)> = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let at = |field: &str| format!("windows[{index}].{field}");
        let from = minute(&window.from).filter(|from| *from < DAY);
        let from = from.ok_or_else(|| ConfigError::at(at("from"), "must be 00:00 to 23:59"))?;
        let to = minute(&window.to).ok_or_else(|| ConfigError::at(at("to"), "must be 00:00 to 24:00"))?;
        if from == to {
            return Err(ConfigError::at(at("to"), "must differ from `from`"));
        }
        if window.days.is_empty() || window.days.len() > 7 {
            return Err(ConfigError::at(at("days"), "must name 1 to 7 days"));
        }
        // A window that ends before it begins ends on the next day.
        let length = if to > from { to - from } else { to + DAY - from };
        for day in &window.days {
            let start = *day as u32 * DAY + from;
            let end = start + length;
            open.push((start, end.min(WEEK), index));
            if end > WEEK {
                open.push((0, end - WEEK, index));
            }
        }
    }
    open.sort_unstable();
    if let Some(pair) = open.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        let (first, second) = (pair[0].2.min(pair[1].2), pair[0].2.max(pair[1].2));
        let reason = if first == second {
            "overlaps itself: a day stands twice".to_owned()
        } else {
            format!("overlaps windows[{first}]")
        };
        return Err(ConfigError::at(format!("windows[{second}]"), reason));
    }
    let open = open.into_iter().map(|(from, to, _)| (from, to)).collect();
    Ok(Rule::Guard(Box::new(Schedule { zone, open })))
}

/// The minute of the day of `09:30`.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

impl Guard for Schedule {
    fn judge(&self, facts: &Facts<'_>) -> Judgement {
        let closed =
            || Judgement::deny(Code::PolicyDenied, "outside of the hours that requests are allowed in");
        let Ok(now) = jiff::Timestamp::from_microsecond(facts.now.micros()) else { return closed() };
        let now = self.zone.to_datetime(now);
        let part = |part: i8| u32::try_from(part).unwrap_or(0);
        let minute = part(now.date().weekday().to_monday_zero_offset()) * DAY
            + part(now.hour()) * 60
            + part(now.minute());
        if self.open.iter().any(|(from, to)| (*from..*to).contains(&minute)) {
            return Judgement::allow();
        }
        closed()
    }
}
