//! Crashes between the files of a batch, and the plans of the queries that must not scan.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use rungate_core::exchange::{
    Dimension, Entry, ExchangeFilter, ExchangeRecord, Granularity, Outcome, RebuildMode, RollupOf,
    RollupQuery, Sequence, Sequenced,
};
use rungate_core::id::WorkspaceId;
use rungate_core::page::{Order, PageRequest};
use rungate_core::time::Day;
use rusqlite::Connection;

use super::days::Days;
use super::reader::Reader;
use super::writer::{LogWriter, by_day};
use crate::conformance::fixture::{
    OURS, Random, any_exchange, any_journal, closed, exchange, first_day, numbered, opened, opening,
};
use crate::conformance::{rollups, trail};
use crate::sqlite::bind::DIALECT;
use crate::sqlite::folder::Folder;

/// The journal of exchanges of any kind, with two trails among them.
fn journal(seed: u64, workspace: WorkspaceId, count: u64) -> Vec<Entry> {
    let mut told = trail::two_runs().into_iter();
    let mut entries = Vec::new();
    for (place, entry) in rollups::journal(seed, workspace, count).into_iter().enumerate() {
        entries.push(entry);
        if place % 3 == 0 {
            entries.extend(told.next());
        }
    }
    entries.extend(told);
    entries
}

/// A log folder without threads, so that a test decides what is written before a crash.
struct Bench {
    _dir: tempfile::TempDir,
    folder: Folder,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        Self { _dir: dir, folder }
    }

    fn days(&self) -> Arc<Days> {
        Arc::new(Days::open(self.folder.log()).unwrap())
    }

    fn writer(&self) -> LogWriter {
        LogWriter::open(self.days()).unwrap()
    }

    /// Everything a table says, without what may differ: where bodies lie, and numbers of rows.
    fn dump(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            let values = (0..columns).map(|column| row.get_ref(column).map(|value| format!("{value:?}")));
            values.collect::<rusqlite::Result<Vec<_>>>().map(|values| values.join(" "))
        };
        statement.query_map([], read).unwrap().map(Result::unwrap).collect()
    }

    fn state(&self) -> Vec<String> {
        let days = self.days();
        let views = Connection::open(days.views()).unwrap();
        let mut state = Vec::new();
        for table in
            ["pending", "run", "run_agent", "run_property", "session", "session_agent", "session_run"]
        {
            let order = if ["pending", "run", "session"].contains(&table) { "record" } else { "1, 2, 3" };
            let columns = if table == "run" || table == "session" {
                "record, started_at, last_at, search"
            } else {
                "*"
            };
            state.extend(Self::dump(&views, &format!("SELECT {columns} FROM {table} ORDER BY {order}")));
        }
        for table in ["rollup_hour", "rollup_day"] {
            // Without the number of the combination, which is of no account.
            let sql = format!(
                "SELECT c.at, c.sums, {} FROM {table} AS c JOIN rollup_key AS k ON k.id = c.key \
                 AND k.workspace = c.workspace ORDER BY 1, 3, 4, 5, 6, 7, 8, 9",
                crate::rollup::KEY_COLUMNS
            );
            state.extend(Self::dump(&views, &sql));
        }
        for table in ["rollup_property", "rollup_property_hour", "rollup_property_day"] {
            state.extend(Self::dump(&views, &format!("SELECT * FROM {table} ORDER BY 1, 2, 3")));
        }
        state.extend(Self::dump(&views, "SELECT sequence FROM applied"));
        for day in days.listed(None, None, Order::Asc) {
            let rows = Connection::open(days.rows(day)).unwrap();
            state.push(day.to_string());
            state.extend(Self::dump(&rows, "SELECT * FROM trail ORDER BY sequence"));
            state.extend(Self::dump(
                &rows,
                "SELECT id, workspace, created_at, opened_sequence, closed_sequence, outcome, request_length, \
                 response_length, search, record FROM exchange ORDER BY id",
            ));
            state.extend(Self::dump(
                &rows,
                "SELECT e.id, p.key, p.value, p.created_at FROM property AS p JOIN exchange AS e ON e.seq = p.exchange \
                 ORDER BY 1, 2, 3",
            ));
        }
        let mut reader = Reader::open(Arc::clone(&days)).unwrap();
        for day in days.listed(None, None, Order::Asc) {
            let rows = Connection::open(days.rows(day)).unwrap();
            let mut ids = rows.prepare("SELECT id FROM exchange ORDER BY id").unwrap();
            for id in ids.query_map([], |row| row.get::<_, [u8; 16]>(0)).unwrap() {
                let id = rungate_core::id::ExchangeId::new(uuid::Uuid::from_bytes(id.unwrap()));
                state.push(format!("{:?}", reader.bodies(OURS, id).unwrap()));
            }
        }
        state
    }
}

/// Writes some files of a batch and then crashes: the first `days` days, and nothing else.
fn crash_after(writer: &mut LogWriter, batch: &[Sequenced], days: usize) {
    let entries: Vec<&Sequenced> = batch.iter().collect();
    for (day, entries) in by_day(&entries).into_iter().take(days) {
        writer.apply_day(day, &entries).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever was written before a crash, applying the batch again ends as applying it once does; and so does cutting
    /// the journal into other batches afterwards.
    #[test]
    fn a_crash_between_two_files_of_a_batch_loses_and_repeats_nothing(
        seed in 0_u64..1_000_000,
        cuts in proptest::collection::vec((1_usize..25, 0_usize..4, 0_usize..30), 1..8),
    ) {
        let journal = numbered(1, any_journal(seed, OURS, 40));
        let once = Bench::new();
        once.writer().apply(&journal).unwrap();

        let crashing = Bench::new();
        let mut from = 0;
        for (length, days, back) in cuts {
            let mut writer = crashing.writer();
            let to = (from + length).min(journal.len());
            crash_after(&mut writer, &journal[from..to], days);
            drop(writer);
            // After the restart the journal is read from the place up to which everything is applied, or from before.
            let mut writer = crashing.writer();
            let applied = usize::try_from(writer.applied().load(std::sync::atomic::Ordering::Acquire)).unwrap();
            prop_assert_eq!(applied, from);
            writer.apply(&journal[from.saturating_sub(back)..to]).unwrap();
            from = to;
        }
        crashing.writer().apply(&journal[from..]).unwrap();
        prop_assert_eq!(crashing.state(), once.state());
    }
}

#[test]
fn a_second_closing_is_left_out_even_when_a_crash_came_between_the_files() {
    let record = exchange(1, OURS, first_day().start());
    let first = numbered(1, [closed(&record)]);
    let second = numbered(2, [closed(&record), opened(&record)]);
    let bench = Bench::new();
    let mut writer = bench.writer();
    writer.apply(&first).unwrap();
    crash_after(&mut writer, &second, 1);
    drop(writer);
    let mut writer = bench.writer();
    let entries: Vec<&Sequenced> = second.iter().collect();
    let repeated = writer.apply_day(first_day(), &entries).unwrap();
    assert_eq!(repeated, HashSet::from([Sequence(2), Sequence(3)]));
    writer.apply(&second).unwrap();
    let views = Connection::open(bench.days().views()).unwrap();
    let rows = super::summary::rollup(&views, OURS, &RollupQuery::ever(RollupOf::ALL)).unwrap();
    assert_eq!(rows[0].sums.totals.requests, 1);
    assert_eq!(Bench::dump(&views, "SELECT * FROM pending"), Vec::<String>::new());
}

#[test]
fn a_closing_that_only_its_day_has_counts_when_the_journal_has_lost_it() {
    let record = exchange(1, OURS, first_day().start());
    let mut interrupted = record.clone();
    interrupted.outcome = Outcome::Interrupted;
    interrupted.cost = None;
    let bench = Bench::new();
    let mut writer = bench.writer();
    writer.apply(&numbered(1, [opened(&record)])).unwrap();
    crash_after(&mut writer, &numbered(2, [closed(&record)]), 1);
    drop(writer);
    // Number 2 was damaged in the journal, so that recovery finds the exchange open and ends it.
    let again = numbered(3, [closed(&interrupted), closed(&interrupted)]);
    let mut writer = bench.writer();
    writer.apply(&again).unwrap();
    writer.apply(&again).unwrap();

    let views = Connection::open(bench.days().views()).unwrap();
    let rows = super::summary::rollup(&views, OURS, &RollupQuery::ever(RollupOf::ALL)).unwrap();
    let totals = &rows[0].sums.totals;
    assert_eq!((totals.requests, Some(totals.cost)), (1, record.cost));
    assert_eq!(Bench::dump(&views, "SELECT * FROM pending"), Vec::<String>::new());
    let kept = Reader::open(bench.days()).unwrap().get(OURS, record.id).unwrap().unwrap();
    assert_eq!(kept.record, record);
}

#[test]
fn common_lists_are_led_by_an_index_in_their_order() {
    let bench = Bench::new();
    bench.writer().apply(&numbered(1, any_journal(3, OURS, 50))).unwrap();
    let days = bench.days();
    let day: Day = days.listed(None, None, Order::Asc)[0];
    let connection = Connection::open(days.rows(day)).unwrap();
    let page = PageRequest { limit: 50, ..PageRequest::default() };
    let with = |change: &dyn Fn(&mut ExchangeFilter)| {
        let mut filter = ExchangeFilter { from: Some(first_day().start()), ..ExchangeFilter::default() };
        change(&mut filter);
        filter
    };
    let run = rungate_core::id::RunId::parse("run-1").unwrap();
    let key = rungate_core::id::VirtualKeyId::new(uuid::Uuid::nil());
    let cases = [
        (with(&|_| {}), "exchange_by_time"),
        (with(&|f| f.run_ids = vec![run.clone()]), "exchange_by_run"),
        (with(&|f| f.virtual_key_ids = vec![key]), "exchange_by_key"),
        (with(&|f| f.agent_external_ids = vec!["a".to_owned()]), "exchange_by_agent"),
        (with(&|f| f.statuses = vec![rungate_core::exchange::StatusFilter::Error]), "exchange_by_error"),
        (with(&|f| f.properties = vec![("env".to_owned(), "prod".to_owned())]), "SEARCH l USING PRIMARY KEY"),
        (with(&|f| f.models = vec!["gpt-5".to_owned()]), "exchange_by_time"),
        (with(&|f| f.text = Some("x".to_owned())), "exchange_by_time"),
    ];
    for (filter, index) in cases {
        for after in [None, Some(rungate_core::page::Position { at: 1, id: uuid::Uuid::nil().to_string() })] {
            let page = PageRequest { after, ..page.clone() };
            let (sql, values) = super::reader::page_query(OURS, &filter, &page).unwrap();
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = rusqlite::params_from_iter(values);
            let plan: Vec<String> =
                statement.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let plan = plan.join("\n");
            assert!(plan.contains(index), "{filter:?}\n{sql}\n{plan}");
            assert!(!plan.contains("SCAN"), "{filter:?}\n{sql}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{filter:?}\n{sql}\n{plan}");
        }
    }
}

#[test]
fn cells_that_were_damaged_are_mended_and_only_when_asked_to() {
    let bench = Bench::new();
    let mut writer = bench.writer();
    writer.set_rollup_properties(OURS, &["env".to_owned()]).unwrap();
    writer.apply(&numbered(1, journal(11, OURS, 60))).unwrap();
    let right = bench.state();
    let views = Connection::open(bench.days().views()).unwrap();
    let damage_done = [
        "DELETE FROM rollup_day WHERE key = (SELECT min(key) FROM rollup_day)",
        "UPDATE rollup_hour SET sums = x'00' WHERE key = (SELECT max(key) FROM rollup_hour)",
        "UPDATE rollup_hour SET sums = (SELECT sums FROM rollup_day ORDER BY length(sums) DESC LIMIT 1)",
        "INSERT OR IGNORE INTO rollup_day SELECT workspace, at, 1, sums FROM rollup_day",
        "DELETE FROM rollup_property_day",
        "UPDATE rollup_property_hour SET value = value || '!'",
        "DELETE FROM rollup_day; DELETE FROM rollup_hour; DELETE FROM rollup_key",
    ];
    let days = bench.days().listed(None, None, Order::Asc);
    for damage in damage_done {
        views.execute_batch(damage).unwrap();
        let wrong = bench.state();
        let mut rebuild =
            |mode| days.iter().map(|day| writer.rebuild(*day, mode).unwrap().differed).sum::<u64>();
        let differed = rebuild(RebuildMode::Check);
        assert!(differed > 0, "{damage}");
        assert_eq!(bench.state(), wrong, "a check changes nothing: {damage}");
        assert_eq!(rebuild(RebuildMode::Mend), differed, "{damage}");
        assert_eq!(rebuild(RebuildMode::Mend), 0, "{damage}");
        assert_eq!(bench.state(), right, "{damage}");
    }
}

#[test]
fn an_exchange_that_a_large_batch_opens_again_keeps_no_other_out() {
    let mut random = Random::new(5);
    let records: Vec<_> = (1..=150).map(|number| any_exchange(number, OURS, &mut random)).collect();
    let entries = |records: &[ExchangeRecord]| -> Vec<Entry> {
        records.iter().flat_map(|record| [opened(&opening(record)), closed(record)]).collect()
    };
    let (once, twice) = (Bench::new(), Bench::new());
    once.writer().apply(&numbered(1, entries(&records))).unwrap();
    let mut writer = twice.writer();
    writer.apply(&numbered(1, entries(&records[70..71]))).unwrap();
    writer.apply(&numbered(3, entries(&records))).unwrap();

    for sql in [
        "SELECT id, record FROM exchange ORDER BY id",
        "SELECT e.id, p.key, p.value, p.created_at FROM property AS p JOIN exchange AS e ON e.seq = p.exchange \
         ORDER BY 1, 2",
    ] {
        let rows = |bench: &Bench| {
            let mut rows = Vec::new();
            for day in bench.days().listed(None, None, Order::Asc) {
                rows.extend(Bench::dump(&Connection::open(bench.days().rows(day)).unwrap(), sql));
            }
            rows
        };
        assert_eq!(rows(&once), rows(&twice));
        assert!(rows(&once).len() > 100);
    }
    let count = |bench: &Bench| {
        let views = Connection::open(bench.days().views()).unwrap();
        Bench::dump(&views, "SELECT run_id, record ->> '$.totals.requests' FROM run ORDER BY 1")
    };
    assert_eq!(count(&once), count(&twice));
}

#[test]
fn rows_that_are_not_applied_everywhere_yet_are_not_counted_twice() {
    let journal = numbered(1, journal(12, OURS, 40));
    let bench = Bench::new();
    let mut writer = bench.writer();
    let (first, second) = journal.split_at(30);
    writer.apply(first).unwrap();
    crash_after(&mut writer, second, 9);
    for day in bench.days().listed(None, None, Order::Asc) {
        assert_eq!(writer.rebuild(day, RebuildMode::Mend).unwrap().differed, 0);
    }
    writer.apply(&journal).unwrap();
    let once = Bench::new();
    once.writer().apply(&journal).unwrap();
    assert_eq!(bench.state(), once.state());
}

#[test]
fn a_day_whose_rows_were_moved_aside_keeps_its_sums() {
    let bench = Bench::new();
    let mut writer = bench.writer();
    writer.apply(&numbered(1, [closed(&exchange(1, OURS, first_day().start()))])).unwrap();
    drop(writer);
    bench.days().move_aside(first_day()).unwrap();
    let mut writer = bench.writer();
    writer.apply(&numbered(2, [closed(&exchange(2, OURS, first_day().start()))])).unwrap();
    let refused = writer.rebuild(first_day(), RebuildMode::Mend).unwrap_err();
    assert!(refused.to_string().contains("moved aside"), "{refused}");
    let views = Connection::open(bench.days().views()).unwrap();
    let rows = super::summary::rollup(&views, OURS, &RollupQuery::ever(RollupOf::ALL)).unwrap();
    assert_eq!(rows[0].sums.totals.requests, 2);
}

#[test]
fn sums_of_the_first_schema_are_moved_once() {
    let journal = numbered(1, journal(13, OURS, 40));
    let fresh = Bench::new();
    fresh.writer().apply(&journal).unwrap();
    let moved = Bench::new();
    moved.writer().apply(&journal).unwrap();
    let views = Connection::open(moved.days().views()).unwrap();
    views.execute_batch("DELETE FROM rollup_day; DELETE FROM rollup_hour; DELETE FROM rollup_key").unwrap();
    let gone = first_day().plus(-9);
    let add = |day: Day, dimension: &str, entity: &str| {
        let ours = OURS.uuid();
        let values = rusqlite::params![ours.as_bytes(), dimension, day.days(), entity];
        let sql = "INSERT INTO rollup VALUES (?1, ?2, ?3, ?4, 7, 1, 20, 30, 500, 2, 9000)";
        views.execute(sql, values).unwrap();
    };
    add(first_day(), "virtual_key", "key");
    for (dimension, entity) in
        [("workspace", "w"), ("virtual_key", "key"), ("agent", "agt"), ("model", "o/m")]
    {
        add(gone, dimension, entity);
    }
    drop(moved.writer());
    drop(moved.writer());
    let ask = |of: RollupOf, from: Day, to: Day| {
        let (from, to) = (from.start(), to.start());
        let query = RollupQuery { granularity: Granularity::Day, from, to, of, by_time: false };
        super::summary::rollup(&views, OURS, &query).unwrap()
    };
    let old = ask(RollupOf::each(Dimension::VirtualKey), gone, gone.plus(1));
    assert_eq!(old.len(), 1);
    let totals = old[0].sums.totals;
    assert_eq!((totals.requests, totals.errors, totals.cost.nanos(), totals.latency_ms), (7, 1, 500, 9_000));
    views.execute("DELETE FROM rollup_day WHERE at = ?1", [gone.start().micros()]).unwrap();
    assert_eq!(moved.state(), fresh.state());
    assert_eq!(Bench::dump(&views, "SELECT * FROM rollup"), Vec::<String>::new());
}

#[test]
fn no_question_to_the_roll_ups_scans() {
    let bench = Bench::new();
    bench.writer().apply(&numbered(1, journal(3, OURS, 50))).unwrap();
    let views = Connection::open(bench.days().views()).unwrap();
    let one = |dimension| RollupOf::Exchanges { filter: vec![(dimension, "x".to_owned())], group_by: None };
    let cases = [
        (RollupOf::ALL, "SEARCH c USING PRIMARY KEY (workspace=? AND at>? AND at<?)"),
        (RollupOf::each(Dimension::Model), "SEARCH c USING PRIMARY KEY (workspace=? AND at>? AND at<?)"),
        (one(Dimension::Agent), "rollup_day_by_key (key=? AND at>? AND at<?)"),
        (one(Dimension::Agent), "(workspace=? AND agent=?)"),
        (one(Dimension::VirtualKey), "rollup_key_by_virtual_key (workspace=? AND virtual_key=?)"),
        (one(Dimension::RunAgent), "rollup_key_by_run_agent (workspace=? AND run_agent=?)"),
        (one(Dimension::Member), "rollup_key_by_member (workspace=? AND member=?)"),
        (one(Dimension::Model), "(workspace=?)"),
        (RollupOf::Property("env".to_owned()), "PRIMARY KEY (workspace=? AND property=? AND at>? AND at<?)"),
    ];
    for (of, index) in cases {
        let (sql, clause) = crate::rollup::select(&DIALECT, OURS, &RollupQuery::ever(of));
        let mut statement = views.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = rusqlite::params_from_iter(clause.values());
        let plan: Vec<String> =
            statement.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
    }
}

#[test]
fn a_lost_views_file_is_made_anew_from_the_rows() {
    let journal = numbered(1, journal(14, OURS, 80));
    let once = Bench::new();
    once.writer().apply(&journal).unwrap();
    let lost = Bench::new();
    let mut writer = lost.writer();
    let (first, rest) = journal.split_at(100);
    for batch in first.chunks(9) {
        writer.apply(batch).unwrap();
    }
    // The last batch is cut short: the journal still has it.
    crash_after(&mut writer, rest, 2);
    drop(writer);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(lost.days().views().with_extension(format!("db{suffix}")));
    }
    assert!(!lost.days().views().exists());
    let mut writer = lost.writer();
    let applied = writer.applied().load(std::sync::atomic::Ordering::Acquire);
    assert!((100..=journal.len() as u64).contains(&applied), "{applied}");
    drop(writer);
    // What was applied again is not applied a third time.
    writer = lost.writer();
    assert_eq!(writer.applied().load(std::sync::atomic::Ordering::Acquire), applied);
    writer.apply(&journal[100..]).unwrap();
    assert_eq!(lost.state(), once.state());
}
