//! The log suite: roll-ups say what the rows say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rungate_core::exchange::{
    Dimension, Entry, ExchangeFilter, ExchangeRecord, Granularity, Group, MAX_ROLLUP_VALUES, RebuildMode,
    Rebuilt, RollupKey, RollupOf, RollupQuery, Sums,
};
use rungate_core::id::{RunId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::page::Order;
use rungate_core::ports::Log;
use rungate_core::time::Timestamp;
use rungate_core::usage::Usage;
use uuid::Uuid;

use super::fixture::{OURS, Random, THEIRS, any_journal, at, closed, exchange, first_day, numbered, opened};
use super::search::all_pages_of;

type Expected = BTreeMap<(Option<Timestamp>, Group), Sums>;

/// A journal like any other, with more of what providers report, some of it beyond all sense, and closings just before
/// and after midnight.
pub(crate) fn journal(seed: u64, workspace: WorkspaceId, count: u64) -> Vec<Entry> {
    let mut random = Random::new(seed + 77);
    let mut journal = any_journal(seed, workspace, count);
    for entry in &mut journal {
        let Entry::Closed { record, .. } = entry else { continue };
        let record = Arc::make_mut(record);
        let mut usage = Usage { input: 10, output: 5, ..Usage::default() };
        usage.cached_input = random.below(9);
        usage.cache_write = random.below(5);
        usage.cache_write_1h = random.below(5);
        usage.reasoning = random.below(4);
        match random.below(30) {
            0 => {
                usage = Usage { input: u64::MAX, output: u64::MAX / 2, reasoning: u64::MAX, ..usage };
                record.cost = Some(NanoUsd::from_nanos(i64::MAX / 2));
                record.latency_ms = Some(u64::MAX);
            }
            1 => record.model = Some(String::new()),
            _ => {}
        }
        record.usage = random.maybe(usage);
    }
    for (number, micros) in [(count, 86_399_999_999), (count + 1, 86_400_000_000), (count + 2, -1)] {
        let mut record = exchange(number, workspace, at(1, micros));
        record.attribution.run_id = Some(RunId::parse("run-1").unwrap());
        journal.push(opened(&record));
        journal.push(closed(&record));
    }
    journal
}

/// The agent that each run began with, by the journal.
fn first_agents(journal: &[Entry]) -> HashMap<RunId, String> {
    let mut agents = HashMap::new();
    for entry in journal {
        let record = entry.record().unwrap();
        if let Some(run) = &record.attribution.run_id {
            agents.entry(run.clone()).or_insert_with(|| record.agent.external_id.to_string());
        }
    }
    agents
}

/// The answer to a question, by rows.
fn fold(records: &[ExchangeRecord], first_agents: &HashMap<RunId, String>, query: &RollupQuery) -> Expected {
    let mut expected = Expected::new();
    for record in records.iter().filter(|record| record.is_closed()) {
        let run = record.attribution.run_id.as_ref();
        let key = RollupKey::of(record, run.and_then(|run| first_agents.get(run)).map(String::as_str));
        let group = match &query.of {
            RollupOf::Exchanges { filter, group_by } => {
                if !filter.iter().all(|(dimension, entity)| dimension.entity(&key).as_ref() == Some(entity)) {
                    continue;
                }
                group_by.map_or(Group::Whole, |by| by.entity(&key).map_or(Group::Absent, Group::Of))
            }
            RollupOf::Property(key) => match record.attribution.properties.get(key) {
                Some(value) => Group::Of(value.clone()),
                None => continue,
            },
        };
        let start = query.granularity.start(record.created_at);
        if query.from <= start && start < query.to {
            expected.entry((query.by_time.then_some(start), group)).or_default().add(record);
        }
    }
    expected
}

async fn ask(log: &dyn Log, workspace: WorkspaceId, query: &RollupQuery) -> Expected {
    let rows = log.rollup(workspace, query).await.unwrap();
    let cost = |row: &rungate_core::exchange::RollupRow| row.sums.totals.cost;
    assert!(rows.is_sorted_by(|a, b| a.at < b.at || (a.at == b.at && cost(a) >= cost(b))), "{query:?}");
    let length = rows.len();
    let found: Expected = rows.into_iter().map(|row| ((row.at, row.group), row.sums)).collect();
    assert_eq!(found.len(), length, "a group comes once: {query:?}");
    found
}

/// Every question about these windows and entities, `properties` among them.
fn questions(records: &[ExchangeRecord], properties: &[&str]) -> Vec<RollupQuery> {
    let entities = |dimension: Dimension| -> BTreeSet<String> {
        let all = records.iter().filter_map(|record| dimension.entity(&RollupKey::of(record, None)));
        all.take(2).chain(["nobody".to_owned(), String::new()]).collect()
    };
    let mut subjects = vec![RollupOf::ALL];
    subjects.extend(Dimension::ALL.map(RollupOf::each));
    for (place, dimension) in Dimension::ALL.into_iter().enumerate() {
        for entity in entities(dimension) {
            let other = Dimension::ALL[(place + 3) % Dimension::ALL.len()];
            let filter = vec![(dimension, entity)];
            subjects.push(RollupOf::Exchanges { filter: filter.clone(), group_by: None });
            subjects.push(RollupOf::Exchanges { filter: filter.clone(), group_by: Some(other) });
            if let Some(second) = entities(other).into_iter().next_back() {
                let filter = [filter, vec![(other, second)]].concat();
                subjects.push(RollupOf::Exchanges { filter, group_by: Some(dimension) });
            }
        }
    }
    subjects.extend(properties.iter().map(|key| RollupOf::Property((*key).to_owned())));
    let mut questions = Vec::new();
    for of in subjects {
        for granularity in [Granularity::Hour, Granularity::Day] {
            for by_time in [false, true] {
                let of = of.clone();
                let ever = RollupQuery { granularity, by_time, ..RollupQuery::ever(of) };
                let part =
                    RollupQuery { from: at(0, 7_200_000_001), to: at(2, 3_600_000_000), ..ever.clone() };
                questions.extend([ever, part]);
            }
        }
    }
    questions
}

/// Checks that the roll-ups of a workspace say what its rows say.
pub(crate) async fn check(log: &dyn Log, workspace: WorkspaceId, journal: &[Entry], properties: &[&str]) {
    let records = all_pages_of(log, workspace, &ExchangeFilter::default(), Order::Asc, 200).await;
    let first_agents = first_agents(journal);
    for query in questions(&records, properties) {
        let expected = fold(&records, &first_agents, &query);
        assert_eq!(ask(log, workspace, &query).await, expected, "{query:?}");
    }
}

async fn rebuild_all(log: &dyn Log, mode: RebuildMode) -> Rebuilt {
    let mut all = Rebuilt::default();
    for day in log.row_days().await.unwrap() {
        let rebuilt = log.rebuild_rollups(day, mode).await.unwrap();
        all.exchanges += rebuilt.exchanges;
        all.cells += rebuilt.cells;
        all.differed += rebuilt.differed;
    }
    all
}

pub(crate) async fn w_104_rollups_equal_the_sums_of_the_rows(log: &dyn Log) {
    let mut sequence = 1;
    for seed in 0..8 {
        let workspace = WorkspaceId::new(Uuid::from_u128(u128::from(seed) + 1_000));
        let properties = ["env".to_owned(), "team".to_owned()];
        log.set_rollup_properties(workspace, &properties).await.unwrap();
        let journal = journal(seed, workspace, 12 * seed);
        for chunk in journal.chunks(usize::try_from(seed * 7 + 1).unwrap()) {
            let batch = numbered(sequence, chunk.iter().cloned());
            log.apply(&batch).await.unwrap();
            log.apply(&batch).await.unwrap();
            sequence += chunk.len() as u64;
        }
        check(log, workspace, &journal, &["env", "team", "absent"]).await;
    }
    let found = rebuild_all(log, RebuildMode::Check).await;
    assert!(found.exchanges > 100 && found.cells > 100, "{found:?}");
    assert_eq!(found.differed, 0);
}

pub(crate) async fn a_rebuild_of_what_is_right_changes_nothing(log: &dyn Log) {
    let journal = journal(3, OURS, 60);
    log.set_rollup_properties(OURS, &["env".to_owned()]).await.unwrap();
    let (first, rest) = journal.split_at(70);
    log.apply(&numbered(1, first.iter().cloned())).await.unwrap();
    let found = rebuild_all(log, RebuildMode::Mend).await;
    assert_eq!(found, rebuild_all(log, RebuildMode::Check).await);
    assert_eq!(found.differed, 0);
    log.apply(&numbered(71, rest.iter().cloned())).await.unwrap();
    check(log, OURS, &journal, &["env"]).await;
    let beyond = log.rebuild_rollups(first_day().plus(40), RebuildMode::Mend).await.unwrap();
    assert_eq!(beyond, Rebuilt::default());
}

pub(crate) async fn rollups_outlive_rows_and_hours_go_before_days(log: &dyn Log) {
    let journal = journal(5, OURS, 40);
    log.set_rollup_properties(OURS, &["env".to_owned()]).await.unwrap();
    log.apply(&numbered(1, journal.iter().cloned())).await.unwrap();
    let daily = RollupQuery { by_time: true, ..RollupQuery::ever(RollupOf::each(Dimension::Agent)) };
    let by_env = RollupQuery { of: RollupOf::Property("env".to_owned()), ..daily.clone() };
    let hourly = |query: &RollupQuery| RollupQuery { granularity: Granularity::Hour, ..query.clone() };
    let before = [ask(log, OURS, &daily).await, ask(log, OURS, &by_env).await];
    assert!(before.iter().all(|rows| !rows.is_empty()));

    let day = first_day().plus(2);
    log.retain(day, day, day).await.unwrap();
    log.retain(day, day, first_day()).await.unwrap();
    assert_eq!(log.row_days().await.unwrap(), [day]);
    assert_eq!([ask(log, OURS, &daily).await, ask(log, OURS, &by_env).await], before);
    for query in [hourly(&daily), hourly(&by_env)] {
        let rows = ask(log, OURS, &query).await;
        assert!(!rows.is_empty());
        assert!(rows.keys().all(|(at, _)| at.unwrap() >= day.start()));
    }
    assert_eq!(log.rebuild_rollups(first_day(), RebuildMode::Mend).await.unwrap(), Rebuilt::default());
    assert_eq!(rebuild_all(log, RebuildMode::Check).await.differed, 0);
    assert_eq!([ask(log, OURS, &daily).await, ask(log, OURS, &by_env).await], before);

    // Rows that are kept longer than hours make their days alone.
    log.retain(day, day, day.plus(1)).await.unwrap();
    assert_eq!(ask(log, OURS, &hourly(&daily)).await, Expected::new());
    assert_eq!(rebuild_all(log, RebuildMode::Mend).await.differed, 0);
    assert_eq!(ask(log, OURS, &hourly(&daily)).await, Expected::new());
}

fn by_value(key: &str) -> RollupQuery {
    RollupQuery::ever(RollupOf::Property(key.to_owned()))
}

pub(crate) async fn only_properties_that_are_asked_for_are_rolled_up(log: &dyn Log) {
    assert_eq!(log.rollup_properties(OURS).await.unwrap(), Vec::<String>::new());
    let mut record = exchange(1, OURS, at(0, 0));
    for (key, value) in [("env", ""), ("team", "red"), ("secret", "x")] {
        record.attribution.properties.insert(key.to_owned(), value.to_owned());
    }
    log.set_rollup_properties(OURS, &["team".to_owned(), "env".to_owned()]).await.unwrap();
    log.apply(&numbered(1, [closed(&record)])).await.unwrap();
    assert_eq!(log.rollup_properties(OURS).await.unwrap(), ["env", "team"]);
    let groups =
        async |key| ask(log, OURS, &by_value(key)).await.into_keys().map(|(_, group)| group).collect();
    let found: [Vec<Group>; 3] = [groups("env").await, groups("team").await, groups("secret").await];
    assert_eq!(found, [vec![Group::Of(String::new())], vec![Group::Of("red".to_owned())], vec![]]);

    log.set_rollup_properties(OURS, &["env".to_owned()]).await.unwrap();
    let found: [Vec<Group>; 2] = [groups("env").await, groups("team").await];
    assert_eq!(found, [vec![Group::Of(String::new())], vec![]]);
    assert_eq!(rebuild_all(log, RebuildMode::Check).await.differed, 0);
}

pub(crate) async fn a_property_asked_for_later_has_what_the_rows_say(log: &dyn Log) {
    let journal = journal(9, OURS, 60);
    log.apply(&numbered(1, journal.iter().cloned())).await.unwrap();
    log.set_rollup_properties(OURS, &["team".to_owned()]).await.unwrap();
    check(log, OURS, &journal, &["team", "env"].map(|key| if key == "env" { "absent" } else { key })).await;
    // Said again, it stays; asked for anew, it is filled anew.
    log.set_rollup_properties(OURS, &["env".to_owned(), "team".to_owned()]).await.unwrap();
    log.set_rollup_properties(OURS, &[]).await.unwrap();
    log.set_rollup_properties(OURS, &["team".to_owned(), "env".to_owned()]).await.unwrap();
    check(log, OURS, &journal, &["team", "env"]).await;
    assert_eq!(rebuild_all(log, RebuildMode::Check).await.differed, 0);
}

pub(crate) async fn values_beyond_the_bound_are_one(log: &dyn Log) {
    let key = "ticket".to_owned();
    log.set_rollup_properties(OURS, std::slice::from_ref(&key)).await.unwrap();
    let mut sequence = 1;
    let mut apply = async |values: std::ops::Range<usize>, day: i32| {
        let record = |number: usize| {
            let micros = i64::try_from(number).unwrap() * 1_000;
            let mut record = exchange(number as u64 + sequence * 1_000_000, OURS, at(day, micros));
            record.attribution.properties.insert(key.clone(), format!("t-{number}"));
            closed(&record)
        };
        let batch = numbered(sequence, values.map(record));
        sequence += batch.len() as u64;
        log.apply(&batch).await.unwrap();
    };
    apply(0..MAX_ROLLUP_VALUES - 1, 0).await;
    apply(MAX_ROLLUP_VALUES - 2..MAX_ROLLUP_VALUES + 5, 0).await;
    // A known value stays told apart, and another day has its own room.
    apply(0..3, 0).await;
    apply(MAX_ROLLUP_VALUES + 1..MAX_ROLLUP_VALUES + 3, 1).await;
    for round in ["as applied", "rebuilt"] {
        let daily = RollupQuery { by_time: true, ..by_value("ticket") };
        let rows = ask(log, OURS, &daily).await;
        let start = |day| Some(first_day().plus(day).start());
        let requests = |day, group: Group| rows.get(&(start(day), group)).map(|sums| sums.totals.requests);
        let told_apart = rows.keys().filter(|(at, group)| *at == start(0) && *group != Group::Other).count();
        assert_eq!(told_apart, MAX_ROLLUP_VALUES, "{round}");
        assert_eq!(requests(0, Group::Other), Some(5), "{round}");
        assert_eq!(requests(0, Group::Of("t-0".to_owned())), Some(2), "{round}");
        assert_eq!(requests(0, Group::Of(format!("t-{}", MAX_ROLLUP_VALUES - 2))), Some(2), "{round}");
        assert_eq!(requests(1, Group::Of(format!("t-{}", MAX_ROLLUP_VALUES + 2))), Some(1), "{round}");
        assert_eq!(rebuild_all(log, RebuildMode::Check).await.differed, 0, "{round}");
        log.set_rollup_properties(OURS, &[]).await.unwrap();
        log.set_rollup_properties(OURS, &["ticket".to_owned()]).await.unwrap();
    }
}

pub(crate) async fn w_007_rollups_of_another_workspace_are_not_there(log: &dyn Log) {
    let journal = journal(4, OURS, 20);
    log.set_rollup_properties(OURS, &["env".to_owned()]).await.unwrap();
    log.apply(&numbered(1, journal.iter().cloned())).await.unwrap();
    assert_eq!(log.rollup_properties(THEIRS).await.unwrap(), Vec::<String>::new());
    let records = all_pages_of(log, OURS, &ExchangeFilter::default(), Order::Asc, 200).await;
    for query in questions(&records, &["env"]) {
        assert_eq!(ask(log, THEIRS, &query).await, Expected::new(), "{query:?}");
    }
}
