//! The log suite: what exchanges add up to.

use std::collections::BTreeMap;

use rungate_core::exchange::{
    ExchangeFilter, ExchangeRecord, RollupOf, RollupQuery, RunFilter, SessionFilter, Totals, run_uuid,
};
use rungate_core::id::{RunId, SessionId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::page::PageRequest;
use rungate_core::ports::Log;
use rungate_core::usage::Usage;
use uuid::Uuid;

use super::fixture::{OURS, any_journal, at, closed, exchange, last_records, numbered, opened};

fn sum<'a>(records: impl IntoIterator<Item = &'a ExchangeRecord>) -> Totals {
    let mut totals = Totals::default();
    records.into_iter().filter(|record| record.is_closed()).for_each(|record| totals.add(record));
    totals
}

/// Checks that runs and sessions of a workspace say what its rows say.
pub(crate) async fn check(log: &dyn Log, workspace: WorkspaceId, records: &[ExchangeRecord]) {
    let page = PageRequest { limit: 200, ..PageRequest::default() };
    for run in log.runs(workspace, &RunFilter::default(), &page).await.unwrap().items {
        let own: Vec<_> =
            records.iter().filter(|record| record.attribution.run_id.as_ref() == Some(&run.run_id)).collect();
        assert_eq!(run.totals, sum(own.iter().copied()), "{}", run.run_id);
        assert_eq!(run.open, own.iter().filter(|record| !record.is_closed()).count() as u64);
        let filter = ExchangeFilter { run_ids: vec![run.run_id.clone()], ..ExchangeFilter::default() };
        assert_eq!(log.count(workspace, &filter).await.unwrap(), own.len() as u64);
        assert_eq!(log.charged(workspace, &filter).await.unwrap(), run.totals.charged(), "{}", run.run_id);
        let mut by_model: BTreeMap<(String, String), Totals> = BTreeMap::new();
        for record in own.iter().filter(|record| record.is_closed()) {
            if let (Some(provider), Some(model)) = (&record.provider, &record.model) {
                by_model.entry((provider.clone(), model.clone())).or_default().add(record);
            }
        }
        let stored = run.by_model.iter().map(|of| ((of.provider.clone(), of.model.clone()), of.totals));
        assert_eq!(stored.collect::<BTreeMap<_, _>>(), by_model);
    }
    for session in log.sessions(workspace, &SessionFilter::default(), &page).await.unwrap().items {
        let id = Some(&session.session_id);
        let own = records.iter().filter(|record| record.attribution.session_id.as_ref() == id);
        assert_eq!(session.totals, sum(own));
    }
}

pub(crate) async fn w_104_totals_equal_the_sum_of_rows(log: &dyn Log) {
    let mut sequence = 1;
    for seed in 0..12 {
        let workspace = WorkspaceId::new(Uuid::from_u128(u128::from(seed) + 1_000));
        let journal = any_journal(seed, workspace, 10 * seed);
        for chunk in journal.chunks(usize::try_from(seed * 7 + 1).unwrap()) {
            log.apply(&numbered(sequence, chunk.iter().cloned())).await.unwrap();
            sequence += chunk.len() as u64;
        }
        check(log, workspace, &last_records(&journal)).await;
    }
}

pub(crate) async fn a_run_shows_what_its_exchanges_say(log: &dyn Log) {
    let (run_id, session_id) = (RunId::parse("run").unwrap(), SessionId::parse("session").unwrap());
    let mut first = exchange(1, OURS, at(0, 1_000));
    first.attribution.run_id = Some(run_id.clone());
    let mut second = exchange(2, OURS, at(1, 2_000));
    second.attribution.run_id = Some(run_id.clone());
    second.attribution.session_id = Some(session_id.clone());
    second.attribution.session_name = Some("Name".to_owned());
    second.attribution.session_path = Some("/path".to_owned());
    second.agent.external_id = rungate_core::id::ExternalId::parse("agt_other").unwrap();
    second.model = Some("claude-5".to_owned());
    second.provider = Some("anthropic".to_owned());
    second.cost = None;
    log.apply(&numbered(1, [opened(&first), opened(&second), closed(&second)])).await.unwrap();
    let run = log.run(OURS, &run_id).await.unwrap().unwrap();
    assert_eq!(run.id, run_uuid(OURS, &run_id));
    assert_eq!(run.session_id, Some(session_id.clone()));
    assert_eq!(run.agents, [first.agent.clone(), second.agent.clone()]);
    assert_eq!(run.started_at, first.created_at);
    assert_eq!(run.last_activity_at, second.completed_at.unwrap());
    assert_eq!((run.open, run.totals), (1, sum([&second])));
    assert_eq!(run.models, ["claude-5"]);

    log.apply(&numbered(4, [closed(&first)])).await.unwrap();
    let run = log.run(OURS, &run_id).await.unwrap().unwrap();
    assert_eq!((run.open, run.totals), (0, sum([&first, &second])));
    assert_eq!(run.totals.unknown_cost_requests, 1);
    assert_eq!(run.models, ["claude-5", "gpt-5-2026"]);
    assert_eq!(log.run_by_uuid(OURS, run.id).await.unwrap(), Some(run));
    let session = log.session(OURS, &session_id).await.unwrap().unwrap();
    assert_eq!(
        (session.name.as_deref(), session.path.as_deref(), session.runs),
        (Some("Name"), Some("/path"), 1)
    );
    assert_eq!(session.agents, [second.agent]);
    assert_eq!(log.run(OURS, &RunId::parse("none").unwrap()).await.unwrap(), None);
    assert_eq!(log.session(OURS, &SessionId::parse("none").unwrap()).await.unwrap(), None);
}

pub(crate) async fn counts_out_of_range_do_not_stop_the_log(log: &dyn Log) {
    let records = [1, 2].map(|number| {
        let mut record = exchange(number, OURS, at(0, 0));
        record.attribution.run_id = Some(RunId::parse("run").unwrap());
        record.usage = Some(Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() });
        record.cost = Some(NanoUsd::from_nanos(i64::MAX));
        record.latency_ms = Some(u64::MAX);
        record
    });
    for (sequence, record) in (1..).zip(&records) {
        log.apply(&numbered(sequence, [closed(record)])).await.unwrap();
    }
    let rows = log.rollup(OURS, &RollupQuery::ever(RollupOf::ALL)).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].sums.totals, sum(&records));
    assert_eq!(rows[0].sums.totals.cost, NanoUsd::MAX);
    let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
    assert_eq!(run.totals.requests, 2);
}
