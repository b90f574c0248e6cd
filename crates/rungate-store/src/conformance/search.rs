//! The log suite: lists. What a filter means is said a second time here, over records in memory.

use rungate_core::exchange::{
    Entry, ExchangeFilter, ExchangeRecord, Outcome, Run, RunFilter, RunStatus, SessionFilter, StatusFilter,
};
use rungate_core::id::{
    AgentId, MemberId, ProviderKeyId, RequestId, RunId, SessionId, TraceId, UserId, VirtualKeyId, WorkspaceId,
};
use rungate_core::money::NanoUsd;
use rungate_core::operation::Kind;
use rungate_core::page::{Order, PageRequest};
use rungate_core::ports::Log;
use uuid::Uuid;

use super::fixture::{OURS, THEIRS, any_journal, at, closed, exchange, last_records, numbered};

/// Every exchange of a filter, page by page.
pub(crate) async fn all_pages(
    log: &dyn Log,
    filter: &ExchangeFilter,
    order: Order,
    limit: usize,
) -> Vec<ExchangeRecord> {
    all_pages_of(log, OURS, filter, order, limit).await
}

/// The same of any workspace.
pub(crate) async fn all_pages_of(
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: &ExchangeFilter,
    order: Order,
    limit: usize,
) -> Vec<ExchangeRecord> {
    let mut page = PageRequest { limit, after: None, order };
    let mut records = Vec::new();
    loop {
        let found = log.find(workspace, filter, &page).await.unwrap();
        assert!(found.items.len() <= limit);
        records.extend(found.items.into_iter().map(|row| row.record));
        match found.next {
            Some(next) => page.after = Some(next),
            None => return records,
        }
    }
}

/// A filter with one change to it.
fn with(change: impl FnOnce(&mut ExchangeFilter)) -> ExchangeFilter {
    let mut filter = ExchangeFilter::default();
    change(&mut filter);
    filter
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn filters(records: &[ExchangeRecord]) -> Vec<ExchangeFilter> {
    let id = |number: u128| Uuid::from_u128(number + 100);
    let from_to = with(|f| (f.from, f.to) = (Some(at(0, 40_000_002_460)), Some(at(2, 20_000_001_230))));
    vec![
        with(|_| {}),
        with(|f| f.ids = vec![records[3].id, records[9].id]),
        with(|f| f.request_ids = vec![RequestId::parse("req-1").unwrap()]),
        with(|f| f.run_ids = vec![RunId::parse("run-1").unwrap(), RunId::parse("run-2").unwrap()]),
        with(|f| f.session_ids = vec![SessionId::parse("ses-1").unwrap()]),
        with(|f| f.trace_ids = vec![TraceId::parse("trace-3").unwrap()]),
        with(|f| f.agent_ids = vec![AgentId::new(id(1))]),
        with(|f| f.agent_external_ids = vec!["agt_0".to_owned(), "agt_2".to_owned()]),
        with(|f| {
            f.agent_ids = vec![AgentId::new(id(1))];
            f.agent_external_ids = vec!["agt_0".to_owned()];
        }),
        with(|f| f.member_ids = vec![MemberId::new(id(1))]),
        with(|f| f.virtual_key_ids = vec![VirtualKeyId::new(id(2))]),
        with(|f| f.provider_key_ids = vec![ProviderKeyId::new(id(0)), ProviderKeyId::new(id(1))]),
        with(|f| f.models = vec!["gpt-5".to_owned()]),
        with(|f| f.models = vec!["claude-5".to_owned(), "gpt-5-mini".to_owned()]),
        with(|f| f.providers = vec!["anthropic".to_owned()]),
        with(|f| f.kinds = vec![Kind::Message, Kind::Embedding]),
        with(|f| f.statuses = vec![StatusFilter::Exact(201)]),
        with(|f| f.statuses = vec![StatusFilter::Class(4)]),
        with(|f| f.statuses = vec![StatusFilter::Error]),
        with(|f| f.statuses = vec![StatusFilter::Class(5), StatusFilter::Exact(200)]),
        with(|f| f.outcomes = vec![Outcome::Pending, Outcome::ClientClosed]),
        with(|f| f.error_codes = vec!["invalid_json".to_owned()]),
        with(|f| f.user_ids = vec![UserId::parse("user-2").unwrap()]),
        with(|f| f.properties = vec![pair("env", "prod")]),
        with(|f| f.properties = vec![pair("env", "prod"), pair("env", "dev")]),
        with(|f| f.properties = vec![pair("env", "prod"), pair("team", "pears"), pair("team", "Äpfel")]),
        with(|f| {
            f.properties = vec![pair("team", "100%_real"), pair("env", "dev")];
            f.run_ids = vec![RunId::parse("run-1").unwrap()];
        }),
        with(|f| f.properties = vec![pair("env", "PROD")]),
        from_to,
        with(|f| {
            f.properties = vec![pair("env", "prod")];
            f.from = Some(at(1, 0));
            f.to = Some(at(2, 40_000_002_460));
        }),
        with(|f| f.from = Some(at(9, 0))),
        with(|f| f.min_cost = Some(NanoUsd::from_nanos(2_500))),
        with(|f| f.min_latency_ms = Some(1_000)),
        with(|f| f.text = Some("ÄPFEL".to_owned())),
        with(|f| f.text = Some("0% OF X_Y".to_owned())),
        with(|f| f.text = Some("because of INVALID".to_owned())),
        with(|f| f.text = Some("RUN-1".to_owned())),
        with(|f| f.text = Some(records[5].id.to_string()[20..].to_owned())),
        with(|f| f.text = Some("%".to_owned())),
        with(|f| f.text = Some("no such text".to_owned())),
        with(|f| {
            f.agent_external_ids = vec!["agt_1".to_owned()];
            f.models = vec!["gpt-5".to_owned()];
            f.statuses = vec![StatusFilter::Class(2)];
            f.from = Some(at(1, 0));
        }),
    ]
}

/// Whether a filter means a record.
fn means(filter: &ExchangeFilter, record: &ExchangeRecord) -> bool {
    fn any<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
        wanted.is_empty() || wanted.iter().any(is)
    }
    let attribution = &record.attribution;
    let agent = filter.agent_ids.is_empty() && filter.agent_external_ids.is_empty()
        || filter.agent_ids.iter().any(|id| record.agent.id == Some(*id))
        || filter.agent_external_ids.iter().any(|id| record.agent.external_id.as_str() == id);
    let text = filter.text.as_ref().is_none_or(|text| {
        let all = serde_json::to_string(record).unwrap().to_lowercase();
        all.contains(&text.to_lowercase())
    });
    let properties = filter.properties.iter().all(|(key, _)| {
        filter
            .properties
            .iter()
            .any(|(other, value)| other == key && attribution.properties.get(key) == Some(value))
    });
    any(&filter.ids, |id| record.id == *id)
        && any(&filter.request_ids, |id| record.request_id.as_ref() == Some(id))
        && any(&filter.run_ids, |id| attribution.run_id.as_ref() == Some(id))
        && any(&filter.session_ids, |id| attribution.session_id.as_ref() == Some(id))
        && any(&filter.trace_ids, |id| attribution.trace_id.as_ref() == Some(id))
        && agent
        && any(&filter.member_ids, |id| record.member_id == Some(*id))
        && any(&filter.virtual_key_ids, |id| record.virtual_key_id == *id)
        && any(&filter.provider_key_ids, |id| record.provider_key_id == Some(*id))
        && any(&filter.models, |model| {
            record.model.as_ref() == Some(model) || record.requested_model.as_ref() == Some(model)
        })
        && any(&filter.providers, |provider| record.provider.as_ref() == Some(provider))
        && any(&filter.kinds, |kind| record.kind == *kind)
        && any(&filter.statuses, |status| match status {
            StatusFilter::Exact(status) => record.status == Some(*status),
            StatusFilter::Class(class) => record.status.is_some_and(|status| status / 100 == *class),
            StatusFilter::Error => record.is_error(),
        })
        && any(&filter.outcomes, |outcome| record.outcome == *outcome)
        && any(&filter.error_codes, |code| record.error_code.is_some_and(|own| own.as_str() == code))
        && any(&filter.user_ids, |id| attribution.user_id.as_ref() == Some(id))
        && properties
        && filter.from.is_none_or(|from| from <= record.created_at)
        && filter.to.is_none_or(|to| record.created_at < to)
        && filter.min_cost.is_none_or(|cost| record.cost.is_some_and(|own| cost <= own))
        && filter.min_latency_ms.is_none_or(|latency| record.latency_ms.is_some_and(|own| latency <= own))
        && text
}

/// Applies a made-up journal in several batches, with another workspace's in between; gives our records by time.
async fn filled(log: &dyn Log) -> Vec<ExchangeRecord> {
    let journal = any_journal(7, OURS, 300);
    let mut sequence = 1;
    for (number, chunk) in journal.chunks(97).enumerate() {
        let foreign = any_journal(number as u64, THEIRS, 20);
        let batch =
            numbered(sequence, chunk.iter().cloned().chain(if number == 0 { foreign } else { Vec::new() }));
        sequence += batch.len() as u64;
        log.apply(&batch).await.unwrap();
    }
    let mut records = last_records(&journal);
    records.sort_by_key(|record| (record.created_at, record.id));
    records
}

pub(crate) async fn w_104_each_filter_gives_exactly_its_rows(log: &dyn Log) {
    let records = filled(log).await;
    for filter in filters(&records) {
        let mut expected: Vec<_> = records.iter().filter(|record| means(&filter, record)).cloned().collect();
        let count = log.count(OURS, &filter).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{filter:?}");
        assert!(all_pages(log, &filter, Order::Asc, 7).await == expected, "oldest first: {filter:?}");
        expected.reverse();
        assert!(all_pages(log, &filter, Order::Desc, 50).await == expected, "newest first: {filter:?}");
    }
}

/// Whether any exchange of a run has a property.
fn has_property(records: &[ExchangeRecord], run: &Run, key: &str, value: &str) -> bool {
    records.iter().any(|record| {
        record.attribution.run_id.as_ref() == Some(&run.run_id)
            && record.attribution.properties.get(key).is_some_and(|own| own == value)
    })
}

pub(crate) async fn w_104_each_run_filter_gives_exactly_its_runs(log: &dyn Log) {
    type Means<'a> = Box<dyn Fn(&Run) -> bool + 'a>;
    let records = filled(log).await;
    let page = PageRequest { limit: 200, ..PageRequest::default() };
    let all = log.runs(OURS, &RunFilter::default(), &page).await.unwrap().items;
    assert_eq!(all.len(), 6);
    assert!(all.windows(2).all(|pair| pair[0].last_activity_at >= pair[1].last_activity_at));
    let middle = all[3].last_activity_at;
    let agent = AgentId::new(Uuid::from_u128(101));
    let base = RunFilter::default;
    let session = all[0].session_id.clone();
    let trace = all[1].trace_id.clone();
    let cases: Vec<(RunFilter, Means<'_>)> = vec![
        (
            RunFilter { agent_ids: vec![agent], ..base() },
            Box::new(|run| run.agents.iter().any(|known| known.id == Some(agent))),
        ),
        (
            RunFilter { agent_external_ids: vec!["agt_0".to_owned()], ..base() },
            Box::new(|run| run.agents.iter().any(|known| known.external_id.as_str() == "agt_0")),
        ),
        (
            RunFilter { session_ids: session.iter().cloned().collect(), ..base() },
            Box::new(|run| run.session_id == session),
        ),
        (
            RunFilter { trace_ids: trace.iter().cloned().collect(), ..base() },
            Box::new(|run| run.trace_id == trace),
        ),
        (
            RunFilter { statuses: vec![RunStatus::Idle], idle_before: Some(middle), ..base() },
            Box::new(|run| run.last_activity_at < middle),
        ),
        (
            RunFilter { statuses: vec![RunStatus::Running], idle_before: Some(middle), ..base() },
            Box::new(|run| run.last_activity_at >= middle),
        ),
        (RunFilter { statuses: vec![RunStatus::Completed], ..base() }, Box::new(|_| false)),
        (
            RunFilter { properties: vec![pair("env", "prod"), pair("team", "pears")], ..base() },
            Box::new(|run| {
                has_property(&records, run, "env", "prod") && has_property(&records, run, "team", "pears")
            }),
        ),
        (RunFilter { from: Some(middle), ..base() }, Box::new(|run| run.last_activity_at >= middle)),
        (RunFilter { to: Some(middle), ..base() }, Box::new(|run| run.started_at < middle)),
        (
            RunFilter { to: Some(all[2].started_at), ..base() },
            Box::new(|run| run.started_at < all[2].started_at),
        ),
        (
            RunFilter { min_cost: Some(all[2].totals.cost), ..base() },
            Box::new(|run| run.totals.cost >= all[2].totals.cost),
        ),
        (RunFilter { has_errors: Some(true), ..base() }, Box::new(|run| run.totals.errors > 0)),
        (RunFilter { has_errors: Some(false), ..base() }, Box::new(|run| run.totals.errors == 0)),
        (
            RunFilter { text: Some("RUN-4".to_owned()), ..base() },
            Box::new(|run| run.run_id.as_str() == "run-4"),
        ),
    ];
    for (filter, means) in cases {
        let expected: Vec<_> = all.iter().filter(|run| means(run)).cloned().collect();
        assert_eq!(log.runs(OURS, &filter, &page).await.unwrap().items, expected, "{filter:?}");
    }
    let mut paged = Vec::new();
    let mut page = PageRequest { limit: 4, after: None, order: Order::Asc };
    loop {
        let found = log.runs(OURS, &RunFilter::default(), &page).await.unwrap();
        paged.extend(found.items);
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    paged.reverse();
    assert_eq!(paged, all);
}

pub(crate) async fn w_104_each_session_filter_gives_exactly_its_sessions(log: &dyn Log) {
    let records = filled(log).await;
    let page = PageRequest { limit: 200, ..PageRequest::default() };
    let all = log.sessions(OURS, &SessionFilter::default(), &page).await.unwrap().items;
    assert_eq!(all.len(), 3);
    for session in &all {
        let own: Vec<_> = records
            .iter()
            .filter(|record| record.attribution.session_id.as_ref() == Some(&session.session_id))
            .collect();
        let runs: std::collections::BTreeSet<_> =
            own.iter().filter_map(|record| record.attribution.run_id.clone()).collect();
        assert_eq!(session.runs, runs.len() as u64);
        assert_eq!(session.first_at, own.iter().map(|record| record.created_at).min().unwrap());
    }
    let last = all[1].last_at;
    let first = all[1].first_at;
    let agent = AgentId::new(Uuid::from_u128(102));
    let base = SessionFilter::default;
    let found = |filter: SessionFilter| async move {
        let page = PageRequest { limit: 200, ..PageRequest::default() };
        log.sessions(OURS, &filter, &page).await.unwrap().items
    };
    let expected = |means: &dyn Fn(&rungate_core::exchange::Session) -> bool| -> Vec<_> {
        all.iter().filter(|session| means(session)).cloned().collect()
    };
    let of_agent = SessionFilter { agent_ids: vec![agent], ..base() };
    assert_eq!(
        found(of_agent).await,
        expected(&|session| session.agents.iter().any(|known| known.id == Some(agent)))
    );
    assert_eq!(found(SessionFilter { agent_external_ids: vec!["nobody".to_owned()], ..base() }).await, []);
    assert_eq!(
        found(SessionFilter { from: Some(last), ..base() }).await,
        expected(&|session| session.last_at >= last)
    );
    assert_eq!(
        found(SessionFilter { to: Some(first), ..base() }).await,
        expected(&|session| session.first_at < first)
    );
    let text = SessionFilter { text: Some("SES-2".to_owned()), ..base() };
    assert_eq!(found(text).await, expected(&|session| session.session_id.as_str() == "ses-2"));
}

pub(crate) async fn w_009_pages_over_days_neither_repeat_nor_skip(log: &dyn Log) {
    let mut records = Vec::new();
    for number in 0..30 {
        let day = i32::try_from(number / 10).unwrap();
        records.push(exchange(number, OURS, at(day, i64::try_from(number % 10 / 3).unwrap())));
    }
    log.apply(&numbered(1, records.iter().map(closed))).await.unwrap();
    records.sort_by_key(|record| (record.created_at, record.id));
    records.reverse();
    let mut page = PageRequest { limit: 4, after: None, order: Order::Desc };
    let mut seen = Vec::new();
    let mut sequence = 31;
    loop {
        let found = log.find(OURS, &ExchangeFilter::default(), &page).await.unwrap();
        seen.extend(found.items.into_iter().map(|row| row.record));
        // Meanwhile the list grows at its end.
        let newer: [Entry; 2] =
            [1, 2].map(|number| closed(&exchange(1_000 + sequence + number, OURS, at(3, 7))));
        log.apply(&numbered(sequence, newer)).await.unwrap();
        sequence += 2;
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert!(seen == records);
    // Never more than 200, and at least one.
    let many = (0..250).map(|number| closed(&exchange(5_000 + number, OURS, at(4, 0))));
    log.apply(&numbered(sequence, many)).await.unwrap();
    for (limit, expected) in [(10_000, 200), (200, 200), (0, 1)] {
        let page = PageRequest { limit, ..PageRequest::default() };
        let found = log.find(OURS, &ExchangeFilter::default(), &page).await.unwrap();
        assert_eq!(found.items.len(), expected);
    }
}
