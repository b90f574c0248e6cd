//! Past spend, as the log has it: roll-ups for whole days and hours, rows for what is smaller.

use std::time::Duration;

use rungate_core::budget::{Owner, Scope, Span, Wanted};
use rungate_core::exchange::{Dimension, ExchangeFilter, Granularity, RollupOf, RollupQuery};
use rungate_core::id::{ExternalId, RunId, SessionId, VirtualKeyId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::ports::{Log, StoreError};
use rungate_core::time::Timestamp;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Rows of a part of an hour are there for at least this long; retention is in days.
const ROWS_ARE_KEPT: Duration = Duration::from_hours(24);

/// Whether the account is of a session or run of which the log has nothing, as of most whose spend is asked for.
pub(super) async fn is_new(log: &dyn Log, wanted: &Wanted) -> Result<bool, StoreError> {
    let workspace = wanted.workspace;
    let instance = wanted.account.instance.as_deref();
    let known = match (&wanted.scope, instance) {
        (Scope::EachSession(_), Some(id)) => match SessionId::parse(id) {
            Ok(id) => log.session(workspace, &id).await?.is_some(),
            Err(_) => false,
        },
        (Scope::EachRun(_), Some(id)) => match RunId::parse(id) {
            Ok(id) => log.run(workspace, &id).await?.is_some(),
            Err(_) => false,
        },
        _ => true,
    };
    Ok(!known)
}

/// What the account's exchanges of the window cost, as far as the log has come. `agent` is the external id of the agent
/// that the scope names, by which roll-ups know it; `now` is about the present.
pub(super) async fn spent(
    log: &dyn Log,
    wanted: &Wanted,
    agent: Option<&ExternalId>,
    now: Timestamp,
) -> Result<NanoUsd, StoreError> {
    let (workspace, window) = (wanted.workspace, wanted.window);
    let instance = wanted.account.instance.as_deref();
    match &wanted.scope {
        Scope::Workspace(_) => of_cells(log, workspace, Vec::new(), window, now).await,
        Scope::VirtualKey(id) => {
            of_cells(log, workspace, vec![(Dimension::VirtualKey, id.to_string())], window, now).await
        }
        // Without a name there is no exchange of it either.
        Scope::Agent(_) => match agent {
            Some(agent) => {
                of_cells(log, workspace, vec![(Dimension::Agent, agent.to_string())], window, now).await
            }
            None => Ok(NanoUsd::ZERO),
        },
        Scope::Session(id) => of_session(log, workspace, id, None, window).await,
        Scope::Run(id) => of_run(log, workspace, id, None, window).await,
        Scope::EachSession(of) => match instance.and_then(|id| SessionId::parse(id).ok()) {
            Some(id) => of_session(log, workspace, &id, *of, window).await,
            None => Ok(NanoUsd::ZERO),
        },
        Scope::EachRun(of) => match instance.and_then(|id| RunId::parse(id).ok()) {
            Some(id) => of_run(log, workspace, &id, *of, window).await,
            None => Ok(NanoUsd::ZERO),
        },
    }
}

async fn of_session(
    log: &dyn Log,
    workspace: WorkspaceId,
    id: &SessionId,
    of: Option<Owner>,
    window: Span,
) -> Result<NanoUsd, StoreError> {
    let Some(session) = log.session(workspace, id).await? else { return Ok(NanoUsd::ZERO) };
    let filter = ExchangeFilter { session_ids: vec![id.clone()], ..owned_by(of) };
    of_rows(log, workspace, filter, window, session.first_at).await
}

async fn of_run(
    log: &dyn Log,
    workspace: WorkspaceId,
    id: &RunId,
    of: Option<Owner>,
    window: Span,
) -> Result<NanoUsd, StoreError> {
    let Some(run) = log.run(workspace, id).await? else { return Ok(NanoUsd::ZERO) };
    let filter = ExchangeFilter { run_ids: vec![id.clone()], ..owned_by(of) };
    of_rows(log, workspace, filter, window, run.started_at).await
}

fn owned_by(of: Option<Owner>) -> ExchangeFilter {
    match of {
        None => ExchangeFilter::default(),
        Some(Owner::Agent(id)) => ExchangeFilter { agent_ids: vec![id], ..ExchangeFilter::default() },
        Some(Owner::VirtualKey(id)) => {
            ExchangeFilter { virtual_key_ids: vec![id], ..ExchangeFilter::default() }
        }
    }
}

/// The rows of one session or run, which are few, from its first on.
async fn of_rows(
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: ExchangeFilter,
    window: Span,
    first: Timestamp,
) -> Result<NanoUsd, StoreError> {
    let filter = ExchangeFilter { from: Some(window.start.max(first)), to: window.end, ..filter };
    log.charged(workspace, &filter).await
}

/// A window in pieces: the part of an hour before its first whole one, and whole hours and days.
#[derive(Debug, PartialEq, Eq)]
struct Pieces {
    rows: Option<(Timestamp, Timestamp)>,
    cells: Vec<(Granularity, Timestamp, Timestamp)>,
}

impl Pieces {
    /// Of a window that holds `now` or ended before. What has not begun yet is not looked at.
    fn of(window: Span, now: Timestamp) -> Self {
        let soon = Granularity::Day.start(now.plus(DAY + DAY));
        let start = window.start;
        if start.micros() == i64::MIN {
            return Self { rows: None, cells: vec![(Granularity::Day, start, soon)] };
        }
        // Ends lie on starts of the same zone. One that is no whole hour takes in the rest of its hour: rather too much.
        let end = window.end.map_or(soon, |end| up(Granularity::Hour, end)).min(soon);
        let first_hour = up(Granularity::Hour, start);
        let (rows, first_hour) = if first_hour == start {
            (None, start)
        } else if now.since(start) < ROWS_ARE_KEPT {
            (Some((start, first_hour)), first_hour)
        } else {
            (None, Granularity::Hour.start(start))
        };
        let (first_day, last_day) = (up(Granularity::Day, first_hour), Granularity::Day.start(end));
        let cells = if first_day < last_day {
            vec![
                (Granularity::Hour, first_hour, first_day),
                (Granularity::Day, first_day, last_day),
                (Granularity::Hour, last_day, end),
            ]
        } else {
            vec![(Granularity::Hour, first_hour, end)]
        };
        Self { rows, cells: cells.into_iter().filter(|(_, from, to)| from < to).collect() }
    }
}

/// The start of the next bucket, or of this one where `at` is its start.
fn up(granularity: Granularity, at: Timestamp) -> Timestamp {
    let start = granularity.start(at);
    let length = match granularity {
        Granularity::Hour => HOUR,
        Granularity::Day => DAY,
    };
    if start == at { at } else { start.plus(length) }
}

async fn of_cells(
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: Vec<(Dimension, String)>,
    window: Span,
    now: Timestamp,
) -> Result<NanoUsd, StoreError> {
    let pieces = Pieces::of(window, now);
    let mut spent = NanoUsd::ZERO;
    for (granularity, from, to) in pieces.cells {
        let of = RollupOf::Exchanges { filter: filter.clone(), group_by: None };
        let rows = log.rollup(workspace, &RollupQuery { granularity, from, to, of, by_time: false }).await?;
        spent += rows.iter().map(|row| row.sums.totals.charged()).sum::<NanoUsd>();
    }
    if let Some((from, to)) = pieces.rows {
        let mut rows = ExchangeFilter { from: Some(from), to: Some(to), ..ExchangeFilter::default() };
        for (dimension, entity) in filter {
            match dimension {
                Dimension::Agent => rows.agent_external_ids.push(entity),
                Dimension::VirtualKey => rows.virtual_key_ids.extend(entity.parse::<VirtualKeyId>().ok()),
                _ => {}
            }
        }
        spent += log.charged(workspace, &rows).await?;
    }
    Ok(spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn pieces(start: &str, end: Option<&str>, now: &str) -> (Option<[String; 2]>, Vec<String>) {
        let pieces = Pieces::of(Span { start: at(start), end: end.map(at) }, at(now));
        let rows = pieces.rows.map(|(from, to)| [from.to_string(), to.to_string()]);
        let cells = pieces.cells.iter().map(|(granularity, from, to)| {
            format!("{granularity:?} {} {}", &from.to_string()[5..16], &to.to_string()[5..16])
        });
        (rows, cells.collect())
    }

    #[test]
    fn a_month_of_utc_is_whole_days() {
        let month = pieces("2026-11-01T00:00:00Z", Some("2026-12-01T00:00:00Z"), "2026-11-25T12:00:00Z");
        assert_eq!(month, (None, vec!["Day 11-01T00:00 11-27T00:00".to_owned()]));
    }

    #[test]
    fn days_that_begin_elsewhere_are_hours_at_their_ends() {
        let week = pieces("2026-11-22T23:00:00Z", Some("2026-11-29T23:00:00Z"), "2027-01-01T00:00:00Z");
        let expected =
            ["Hour 11-22T23:00 11-23T00:00", "Day 11-23T00:00 11-29T00:00", "Hour 11-29T00:00 11-29T23:00"];
        assert_eq!(week, (None, expected.map(str::to_owned).to_vec()));
        let day = pieces("2026-11-24T23:00:00Z", Some("2026-11-25T23:00:00Z"), "2026-11-25T12:00:00Z");
        assert_eq!(day.1, ["Hour 11-24T23:00 11-25T23:00"]);
    }

    #[test]
    fn a_part_of_an_hour_is_rows_as_long_as_they_are_there_for_certain() {
        let (start, end) = ("2026-11-24T18:30:00Z", Some("2026-11-25T18:30:00Z"));
        let (rows, cells) = pieces(start, end, "2026-11-25T12:00:00Z");
        assert_eq!(rows.unwrap(), ["2026-11-24T18:30:00.000Z", "2026-11-24T19:00:00.000Z"]);
        assert_eq!(cells[0], "Hour 11-24T19:00 11-25T19:00");
        let (rows, cells) = pieces("2026-10-31T18:30:00Z", None, "2026-11-25T12:00:00Z");
        assert_eq!((rows, cells[0].as_str()), (None, "Hour 10-31T18:00 11-01T00:00"));
    }

    #[test]
    fn what_always_was_is_asked_of_days() {
        let always = Pieces::of(Span::ALWAYS, at("2026-11-25T12:00:00Z"));
        assert_eq!((always.rows, always.cells.len()), (None, 1));
    }
}
