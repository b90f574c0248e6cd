//! Crashes between the files of a batch, and the plans of the queries that must not scan.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use rungate_core::exchange::{ExchangeFilter, Sequence, Sequenced};
use rungate_core::page::{Order, PageRequest};
use rungate_core::time::Day;
use rusqlite::Connection;

use super::days::Days;
use super::reader::Reader;
use super::writer::{LogWriter, by_day};
use crate::conformance::fixture::{OURS, any_journal, closed, exchange, first_day, numbered, opened};
use crate::sqlite::folder::Folder;

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
        state.extend(Self::dump(&views, "SELECT * FROM rollup ORDER BY 1, 2, 3, 4"));
        state.extend(Self::dump(&views, "SELECT sequence FROM applied"));
        for day in days.listed(None, None, Order::Asc) {
            let rows = Connection::open(days.rows(day)).unwrap();
            state.push(day.to_string());
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
    let requests: i64 = views
        .query_row("SELECT sum(requests) FROM rollup WHERE dimension = 'workspace'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(requests, 1);
    assert_eq!(Bench::dump(&views, "SELECT * FROM pending"), Vec::<String>::new());
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
