//! The log suite on PostgreSQL, and what only a database of several nodes has. Skipped where there is none; see the
//! testkit.

use std::collections::BTreeSet;
use std::sync::Arc;

use rungate_core::exchange::{
    Entry, ExchangeFilter, Granularity, RebuildMode, RollupOf, RollupQuery, RunFilter, Sequence, Sequenced,
};
use rungate_core::id::{RequestId, RunId, SessionId, VirtualKeyId};
use rungate_core::page::{Order, PageRequest, Position};
use rungate_core::ports::{Bodies, Dropped, Log, StoreError};
use rungate_testkit::TestDatabase;
use uuid::Uuid;

use super::super::DatabaseUrl;
use super::super::pool::Pool;
use super::PostgresLog;
use super::days::{self, Days, Span};
use super::reader::Lookup;
use crate::conformance::fixture::{
    OURS, any_journal, at, body, closed, exchange, first_day, last_records, numbered, opened, opening,
};
use crate::conformance::search::all_pages;

/// The log alone.
struct Roles {
    log: Arc<PostgresLog>,
}

impl Roles {
    async fn close(self) {
        self.log.close().await;
    }
}

fn url(database: &TestDatabase) -> DatabaseUrl {
    DatabaseUrl::parse(&database.url()).unwrap()
}

async fn node(database: &TestDatabase, name: &str) -> Arc<PostgresLog> {
    Arc::new(PostgresLog::open(&url(database), name).await.unwrap())
}

async fn open() -> Option<(TestDatabase, Roles)> {
    let database = TestDatabase::create()?;
    let log = node(&database, "one").await;
    Some((database, Roles { log }))
}

mod suite {
    crate::conformance::log::log_suite!(super::open);
}

fn whole(record: &rungate_core::exchange::ExchangeRecord) -> Entry {
    Entry::Closed {
        record: Arc::new(record.clone()),
        request: Some(body(format!("asked {}", record.id))),
        response: Some(body(format!("answered {}", record.id))),
    }
}

/// Everything the tables say, without what may differ: blocks of bodies, and places in the journal.
fn state(database: &TestDatabase) -> String {
    [
        "SELECT id, day, created_at, outcome, request_length, response_length, search, record FROM exchange ORDER BY id",
        "SELECT day, created_at, exchange, key, value FROM property ORDER BY 3, 4",
        "SELECT workspace, run_id, started_at, last_at, cost, errors, search, record FROM run ORDER BY 1, 2",
        "SELECT * FROM run_agent ORDER BY 1, 2, 3",
        "SELECT * FROM run_property ORDER BY 1, 2, 3, 4",
        "SELECT workspace, session_id, started_at, last_at, search, record FROM session ORDER BY 1, 2",
        "SELECT * FROM session_agent ORDER BY 1, 2, 3",
        "SELECT * FROM session_run ORDER BY 1, 2, 3",
        "SELECT * FROM rollup_hour ORDER BY 1, 2, 3",
        "SELECT * FROM rollup_day ORDER BY 1, 2, 3",
    ]
    .map(|sql| database.sql(sql))
    .join("\n")
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_batch_loses_and_repeats_nothing() {
    let (Some(once), Some(crashing)) = (TestDatabase::create(), TestDatabase::create()) else { return };
    let journal = numbered(1, any_journal(11, OURS, 60));
    let log = node(&once, "one").await;
    log.apply(&journal).await.unwrap();
    log.close().await;

    let log = node(&crashing, "one").await;
    log.apply(&journal[..20]).await.unwrap();
    // Fails at the very end, when everything else of the batch is written.
    crashing.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'crashed'; END $$; \
         CREATE TRIGGER fail BEFORE UPDATE ON cursor FOR EACH ROW EXECUTE FUNCTION fail()",
    );
    let failed = log.apply(&journal[20..50]).await.unwrap_err();
    assert!(failed.to_string().contains("crashed"), "{failed}");
    assert_eq!(log.applied().await.unwrap(), Sequence(20));
    crashing.sql("DROP TRIGGER fail ON cursor");
    log.close().await;

    let log = node(&crashing, "one").await;
    assert_eq!(log.applied().await.unwrap(), Sequence(20));
    log.apply(&journal[10..50]).await.unwrap();
    // The answer to a commit may be lost, while the batch is applied.
    let other = node(&crashing, "one").await;
    log.apply(&journal[50..60]).await.unwrap();
    other.apply(&journal[40..]).await.unwrap();
    assert_eq!(other.applied().await.unwrap(), journal[journal.len() - 1].sequence);
    assert!(state(&crashing) == state(&once));
    for record in last_records(&journal.iter().map(|entry| (*entry.entry).clone()).collect::<Vec<_>>()) {
        assert_eq!(other.get(OURS, record.id).await.unwrap().unwrap().record, record);
    }
}

/// Exchanges of one run, session and key, each opened and closed in batches of its own.
fn shared(node: u64, count: u64) -> Vec<Vec<Sequenced>> {
    let mut batches = Vec::new();
    for number in 0..count {
        let mut record = exchange(node * 1_000 + number, OURS, at(0, i64::try_from(number).unwrap()));
        record.attribution.run_id = Some(RunId::parse(&format!("run-{}", number % 3)).unwrap());
        record.attribution.session_id = Some(SessionId::parse(&format!("ses-{}", number % 2)).unwrap());
        record.attribution.properties.insert("env".to_owned(), format!("{}", number % 4));
        // A second one in the opposite order, so that nodes that lock in the order of entries block each other.
        let mut other = exchange(node * 1_000 + 500 + number, OURS, at(0, 0));
        other.attribution.run_id = Some(RunId::parse(&format!("run-{}", 2 - number % 3)).unwrap());
        other.attribution.session_id = Some(SessionId::parse(&format!("ses-{}", 1 - number % 2)).unwrap());
        let entries = [opened(&record), opened(&other), closed(&record), closed(&other)];
        let entries = if node.is_multiple_of(2) {
            entries.to_vec()
        } else {
            vec![entries[1].clone(), entries[0].clone(), entries[3].clone(), entries[2].clone()]
        };
        batches.push(numbered(number * 4 + 1, entries));
    }
    batches
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_add_to_the_same_run_lose_nothing_and_wait_in_no_circle() {
    let Some(database) = TestDatabase::create() else { return };
    let mut nodes = Vec::new();
    for number in 0..3 {
        nodes.push((number, node(&database, &format!("node-{number}")).await));
    }
    nodes[0].1.set_rollup_properties(OURS, &["env".to_owned()]).await.unwrap();
    let apply = |(number, log): (u64, Arc<PostgresLog>)| {
        tokio::spawn(async move {
            for batch in shared(number, 40) {
                log.apply(&batch).await.unwrap();
            }
        })
    };
    let running: Vec<_> = nodes.iter().cloned().map(apply).collect();
    for node in running {
        node.await.unwrap();
    }
    let log = &nodes[0].1;
    let page = PageRequest { limit: 50, ..PageRequest::default() };
    let runs = log.runs(OURS, &RunFilter::default(), &page).await.unwrap().items;
    assert_eq!(runs.iter().map(|run| run.totals.requests).sum::<u64>(), 240);
    assert!(runs.iter().all(|run| run.open == 0));
    for (number, log) in &nodes {
        assert_eq!(log.applied().await.unwrap(), Sequence(160), "node {number}");
        assert_eq!(log.pending().await.unwrap(), []);
    }
    for session in ["ses-0", "ses-1"] {
        let session = log.session(OURS, &SessionId::parse(session).unwrap()).await.unwrap().unwrap();
        assert_eq!((session.totals.requests, session.runs), (120, 3));
    }
    for granularity in [Granularity::Hour, Granularity::Day] {
        let rows = log.rollup(OURS, &RollupQuery { granularity, ..RollupQuery::ever(RollupOf::ALL) }).await;
        assert_eq!(rows.unwrap()[0].sums.totals.requests, 240);
    }
    assert_eq!(log.rebuild_rollups(first_day(), RebuildMode::Check).await.unwrap().differed, 0);
    assert_eq!(
        database.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"),
        "0"
    );
}

#[tokio::test]
async fn a_node_sees_every_exchange_but_only_its_own_open_ones_and_place() {
    let Some(database) = TestDatabase::create() else { return };
    let (one, two) = (node(&database, "one").await, node(&database, "two").await);
    let (ours, theirs) = (exchange(1, OURS, at(0, 0)), exchange(2, OURS, at(0, 1)));
    one.apply(&numbered(1, [opened(&ours)])).await.unwrap();
    two.apply(&numbered(5, [opened(&theirs)])).await.unwrap();
    assert_eq!(one.pending().await.unwrap(), [opening(&ours)]);
    assert_eq!(two.pending().await.unwrap(), [opening(&theirs)]);
    assert_eq!((one.applied().await.unwrap(), two.applied().await.unwrap()), (Sequence(1), Sequence(5)));
    for log in [&one, &two] {
        assert_eq!(log.count(OURS, &ExchangeFilter::default()).await.unwrap(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_need_the_same_new_day_make_it_once_while_another_drops_days() {
    let Some(database) = TestDatabase::create() else { return };
    let mut nodes = Vec::new();
    for number in 0..3 {
        nodes.push((number, node(&database, &format!("node-{number}")).await));
    }
    let apply = |(number, log): (u64, Arc<PostgresLog>)| {
        tokio::spawn(async move {
            for day in 0..6 {
                let record = exchange(number * 100 + u64::try_from(day).unwrap(), OURS, at(day, 0));
                log.apply(&numbered(u64::try_from(day).unwrap() + 1, [whole(&record)])).await.unwrap();
                log.retain(first_day().plus(2), first_day().plus(3), first_day()).await.unwrap();
            }
        })
    };
    let running: Vec<_> = nodes.iter().cloned().map(apply).collect();
    for node in running {
        node.await.unwrap();
    }
    let log = &nodes[0].1;
    log.retain(first_day().plus(2), first_day().plus(3), first_day()).await.unwrap();
    assert_eq!(log.count(OURS, &ExchangeFilter::default()).await.unwrap(), 3 * 4);
    let rows = all_pages(&**log, &ExchangeFilter::default(), Order::Asc, 5).await;
    for record in rows {
        let bodies = log.bodies(OURS, record.id).await.unwrap().unwrap();
        assert_eq!(bodies.request.is_some(), record.created_at >= at(3, 0), "{}", record.id);
    }
    let tables =
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(exchange|property|body)_[0-9]+$'";
    assert_eq!(database.sql(tables), "11");
}

#[tokio::test]
async fn retention_waits_for_no_reader_and_goes_on_where_it_stopped() {
    let Some(database) = TestDatabase::create() else { return };
    let log = node(&database, "one").await;
    let records = [0, 1, 2].map(|day| exchange(1, OURS, at(day, 0)));
    log.apply(&numbered(1, records.iter().map(whole))).await.unwrap();
    // What a crash between detaching and dropping leaves.
    let table = format!("exchange_{}", first_day().to_string().replace('-', ""));
    database.sql(&format!("ALTER TABLE exchange DETACH PARTITION {table} CONCURRENTLY"));
    let day = first_day().plus(1);
    assert_eq!(log.retain(day, day, first_day()).await.unwrap(), Dropped { row_days: 1, body_days: 1 });
    assert_eq!(log.retain(day, day, first_day()).await.unwrap(), Dropped::default());
    assert_eq!(database.sql(&format!("SELECT to_regclass('{table}') IS NULL")), "t");
    // A late closing makes its day anew, and it is dropped again.
    let late = exchange(7, OURS, at(0, 7));
    log.apply(&numbered(4, [whole(&late)])).await.unwrap();
    assert_eq!(log.get(OURS, late.id).await.unwrap().unwrap().record, late);
    assert_eq!(log.retain(day, day, first_day()).await.unwrap().row_days, 1);
    assert_eq!(log.get(OURS, late.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_block_is_found_and_named_and_the_others_stay_readable() {
    let Some(database) = TestDatabase::create() else { return };
    let log = node(&database, "one").await;
    let records = [1, 2, 3].map(|number| exchange(number, OURS, at(0, 0)));
    for (sequence, record) in (1..).zip(&records) {
        log.apply(&numbered(sequence, [whole(record)])).await.unwrap();
    }
    let block = database.sql("SELECT block FROM body ORDER BY block OFFSET 1 LIMIT 1");
    database.sql(&format!(
        "UPDATE body SET data = set_byte(data, 9, 255 - get_byte(data, 9)) WHERE block = {block}"
    ));
    let damaged = log.bodies(OURS, records[1].id).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt(_)));
    let said = damaged.to_string();
    assert!(said.contains(&first_day().to_string()) && said.contains(&format!("block {block}")), "{said}");
    for record in [&records[0], &records[2]] {
        let expected = Bodies {
            request: Some(body(format!("asked {}", record.id))),
            response: Some(body(format!("answered {}", record.id))),
        };
        assert_eq!(log.bodies(OURS, record.id).await.unwrap(), Some(expected));
    }
    assert!(log.get(OURS, records[1].id).await.unwrap().unwrap().has_request_body);
}

#[tokio::test]
async fn texts_that_postgresql_cannot_keep_or_index_neither_stop_the_log_nor_change_a_record() {
    let Some(database) = TestDatabase::create() else { return };
    let log = node(&database, "one").await;
    let noise: String =
        (0..9_000_u32).map(|i| char::from_u32(0x4e00 + i * i * 7 % 0x5000).unwrap()).collect();
    let mut record = exchange(1, OURS, at(0, 0));
    record.attribution.run_id = Some(RunId::parse("run").unwrap());
    record.agent.name = Some("nul \0 agent".to_owned());
    record.preview_in = "before\0after \u{ffff} \\u0000 \u{d7ff}\u{10ffff}".to_owned();
    record.error_message = Some(format!("\0{noise}"));
    record.model = Some(noise.clone());
    record.provider = Some("pro\0vider".to_owned());
    record.requested_model = Some("\0".to_owned());
    record.response_id = Some(format!("resp_{noise}"));
    record.virtual_key_label = "\0\0".to_owned();
    record.usage =
        Some(rungate_core::usage::Usage { input: u64::MAX, reasoning: u64::MAX, ..Default::default() });
    record.latency_ms = Some(u64::MAX);
    record.response_bytes = u64::MAX;
    for (key, value) in [("env", "a\0b"), ("long", noise.as_str()), (&noise[..600], noise.as_str())] {
        record.attribution.properties.insert(key.to_owned(), value.to_owned());
    }
    log.set_rollup_properties(OURS, &["env".to_owned(), "long".to_owned()]).await.unwrap();
    let plain = exchange(2, OURS, at(0, 1));
    let surrogate = Entry::Closed {
        record: Arc::new(record.clone()),
        request: Some(body(&b"{\"text\": \"\\ud800 \\u0000\"} \0\xff\xfe"[..])),
        response: None,
    };
    log.apply(&numbered(1, [opened(&record), surrogate, closed(&plain)])).await.unwrap();

    assert_eq!(log.get(OURS, record.id).await.unwrap().unwrap().record, record);
    let bodies = log.bodies(OURS, record.id).await.unwrap().unwrap();
    assert_eq!(bodies.request.unwrap(), body(&b"{\"text\": \"\\ud800 \\u0000\"} \0\xff\xfe"[..]));
    let by_response = log.by_response_id(OURS, record.response_id.as_deref().unwrap()).await.unwrap();
    assert_eq!(by_response.as_ref(), Some(&record));
    assert_eq!(log.by_response_id(OURS, &format!("resp_{noise}x")).await.unwrap(), None);
    let found = async |change: &dyn Fn(&mut ExchangeFilter)| {
        let mut filter = ExchangeFilter::default();
        change(&mut filter);
        log.find(OURS, &filter, &PageRequest { limit: 5, ..PageRequest::default() })
            .await
            .unwrap()
            .items
            .len()
    };
    assert_eq!(found(&|f| f.text = Some("BEFORE\0after".to_owned())).await, 1);
    assert_eq!(found(&|f| f.text = Some(noise[600..2_400].to_owned())).await, 1);
    assert_eq!(found(&|f| f.models = vec![noise.clone()]).await, 1);
    assert_eq!(found(&|f| f.properties = vec![("env".to_owned(), "a\0b".to_owned())]).await, 1);
    assert_eq!(found(&|f| f.properties = vec![("long".to_owned(), noise.clone())]).await, 1);
    assert_eq!(found(&|f| f.properties = vec![("long".to_owned(), noise[..3_000].to_owned())]).await, 0);
    let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
    assert_eq!((run.totals.requests, run.agents[0].name.as_deref()), (1, Some("nul \0 agent")));
    let by_env = RollupQuery::ever(RollupOf::Property("env".to_owned()));
    let rows = log.rollup(OURS, &by_env).await.unwrap();
    assert_eq!(rows[0].group, rungate_core::exchange::Group::Of("a\0b".to_owned()));
    assert_eq!(log.rebuild_rollups(first_day(), RebuildMode::Check).await.unwrap().differed, 0);
}

#[tokio::test]
async fn a_search_that_nobody_waits_for_ends_and_lookups_go_on_beside_long_ones() {
    let Some(database) = TestDatabase::create() else { return };
    let log = node(&database, "one").await;
    let record = exchange(1, OURS, at(0, 0));
    log.apply(&numbered(1, [closed(&record)])).await.unwrap();
    let searches = async {
        let mut held = Vec::new();
        for _ in 0..super::reader::SEARCHES {
            let search = log.reader.search().await.unwrap();
            search.connection().unwrap();
            held.push(search);
        }
        held
    };
    let held = searches.await;
    let all = ExchangeFilter::default();
    let mut waiting = Box::pin(log.count(OURS, &all));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(50), &mut waiting).await;
    assert!(waited.is_err(), "a search beyond the bound waits");
    assert_eq!(log.get(OURS, record.id).await.unwrap().unwrap().record, record);
    let busy = held[0].connection().unwrap().query("SELECT pg_sleep(20)", &[]);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), busy).await.is_err());
    drop(held);
    assert_eq!(waiting.await.unwrap(), 1);
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)%' AND state = 'active' \
                    AND datname = current_database() AND pid <> pg_backend_pid()";
    let mut left = String::new();
    for _ in 0..100 {
        left = database.sql(sleeping);
        if left == "0" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(left, "0");
}

/// The plan of a query, as text.
async fn plan(pool: &Pool, sql: &str, values: &[crate::sql::Value]) -> String {
    let connection = pool.get().await.unwrap();
    let parameters = super::super::bind::typed_parameters(values);
    let rows = connection.query_typed(&format!("EXPLAIN (COSTS OFF) {sql}"), &parameters).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn common_lists_are_led_by_an_index_in_their_order() {
    let Some(database) = TestDatabase::create() else { return };
    let log = node(&database, "one").await;
    let mut sequence = 1;
    for number in 0..8 {
        let batch = numbered(sequence, any_journal(number, OURS, 300));
        // The same ids come again in each journal.
        let batch: Vec<_> = batch
            .into_iter()
            .map(|entry| {
                let renumber = |record: &rungate_core::exchange::ExchangeRecord| {
                    let mut id = *record.id.uuid().as_bytes();
                    id[8] = 0x80 | u8::try_from(number).unwrap();
                    let id = rungate_core::id::ExchangeId::new(Uuid::from_bytes(id));
                    Arc::new(rungate_core::exchange::ExchangeRecord { id, ..record.clone() })
                };
                let renumbered = match &*entry.entry {
                    Entry::Opened { record, request } => {
                        Entry::Opened { record: renumber(record), request: request.clone() }
                    }
                    Entry::Trail { .. } => entry.entry.as_ref().clone(),
                    Entry::Closed { record, request, response } => Entry::Closed {
                        record: renumber(record),
                        request: request.clone(),
                        response: response.clone(),
                    },
                };
                Sequenced::new(entry.sequence, renumbered).unwrap()
            })
            .collect();
        sequence += batch.len() as u64;
        log.apply(&batch).await.unwrap();
    }
    let pool = Pool::new(&url(&database), 1).unwrap();
    let page = PageRequest { limit: 10, ..PageRequest::default() };
    let with = |change: &dyn Fn(&mut ExchangeFilter)| {
        let mut filter = ExchangeFilter { from: Some(first_day().start()), ..ExchangeFilter::default() };
        change(&mut filter);
        filter
    };
    let run = RunId::parse("run-1").unwrap();
    let key = VirtualKeyId::new(Uuid::from_u128(101));
    let cases = [
        (with(&|_| {}), "_workspace_created_at_id_idx"),
        (with(&|f| f.run_ids = vec![run.clone()]), "_workspace_run_id_created_at_id_idx"),
        (with(&|f| f.virtual_key_ids = vec![key]), "_workspace_virtual_key_id_created_at_id_idx"),
        (
            with(&|f| f.agent_external_ids = vec!["agt_1".to_owned()]),
            "_workspace_agent_external_id_created_at_id_idx",
        ),
        (
            with(&|f| f.properties = vec![("env".to_owned(), "prod".to_owned())]),
            "_workspace_key_value_created_at_exchange_idx",
        ),
        (with(&|f| f.models = vec!["gpt-5".to_owned()]), "_workspace_created_at_id_idx"),
        (with(&|f| f.text = Some("x".to_owned())), "_workspace_created_at_id_idx"),
        (
            with(&|f| f.request_ids = vec![RequestId::parse("req-1").unwrap()]),
            "_workspace_request_id_created_at_id_idx",
        ),
    ];
    let days = (first_day(), first_day().plus(2));
    let spans = [Span::of(first_day()), Span { days: Some(days), from: None, to: Some(at(3, 0)) }];
    let mut seen = BTreeSet::new();
    database.sql("ANALYZE");
    for (filter, index) in &cases {
        for span in &spans {
            for after in [None, Some(Position { at: at(1, 0).micros(), id: Uuid::nil().to_string() })] {
                let page = PageRequest { after, ..page.clone() };
                let (sql, values) = super::reader::page_query(OURS, filter, &page, span).unwrap();
                let plan = plan(&pool, &sql, &values).await;
                assert!(plan.contains(index), "{filter:?}\n{sql}\n{plan}");
                let whole_reads =
                    plan.lines().filter(|line| line.contains("Seq Scan on") && !line.contains("open"));
                assert_eq!(whole_reads.count(), 0, "{filter:?}\n{sql}\n{plan}");
                seen.insert(plan);
            }
        }
    }
    assert!(seen.len() > 8);
}

#[tokio::test]
async fn looking_up_day_by_day_finds_the_same_as_all_at_once() {
    let Some(database) = TestDatabase::create() else { return };
    let log = node(&database, "one").await;
    log.apply(&numbered(1, any_journal(4, OURS, 200))).await.unwrap();
    let connection = log.reader.connection().await.unwrap();
    let days = Days::read(&connection).await.unwrap();
    let mut found = 0;
    for (lookup, value) in
        [(Lookup::RequestId, "req-1"), (Lookup::ResponseId, "resp-3"), (Lookup::RequestId, "no")]
    {
        for limit in [1, 7, 500] {
            let at_once = log.reader.look_up(OURS, lookup, value, limit).await.unwrap();
            let walked = super::reader::walk(&connection, &days, OURS, lookup, value, limit).await.unwrap();
            assert!(at_once == walked, "{lookup:?} {value} {limit}");
            found += walked.len();
        }
    }
    assert!(found > 20, "{found}");
}

#[tokio::test]
async fn the_partition_of_a_day_beyond_all_calendars_has_a_name() {
    let Some(database) = TestDatabase::create() else { return };
    let log = node(&database, "one").await;
    let mut record = exchange(1, OURS, at(0, 0));
    let mut id = *record.id.uuid().as_bytes();
    id[..6].fill(0xff);
    record.id = rungate_core::id::ExchangeId::new(Uuid::from_bytes(id));
    assert!(days::day_of(&record) > first_day());
    log.apply(&numbered(1, [whole(&record)])).await.unwrap();
    assert_eq!(log.get(OURS, record.id).await.unwrap().unwrap().record, record);
    assert!(log.bodies(OURS, record.id).await.unwrap().unwrap().request.is_some());
}
