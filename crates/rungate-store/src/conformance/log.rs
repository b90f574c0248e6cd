//! The log suite: entries, bodies, retention. Lists are in [`super::search`], sums in [`super::sums`].

use rungate_core::exchange::{
    Dimension, Entry, Erased, ExchangeFilter, ExchangeRecord, Opening, Outcome, RollupOf, RollupQuery,
    Sequence, Sequenced, Subject,
};
use rungate_core::id::{ExchangeId, RequestId, RunId, SessionId, TraceId, UserId};
use rungate_core::page::{Order, PageRequest};
use rungate_core::ports::{Bodies, Dropped, Log};
use std::sync::Arc;
use uuid::Uuid;

use super::fixture::{OURS, THEIRS, at, body, closed, exchange, first_day, numbered, opened, opening};
use super::search::all_pages;

/// Makes a test of each function of the log's suite.
macro_rules! log_suite {
    ($open:path) => {
        $crate::conformance::stamp! { log, log, $open:
            an_opening_is_pending_until_its_closing
            a_closing_without_opening_is_kept_whole
            an_exchange_opened_and_closed_in_one_batch_is_one_row
            a_closing_that_brings_its_opening_is_as_both_apart
            what_was_applied_is_not_applied_again
            a_second_closing_changes_nothing
            times_come_back_to_the_microsecond
            an_id_that_carries_no_time_is_found
            bodies_come_back_whatever_their_size
            w_023_two_requests_with_one_request_id_are_both_found
            the_newest_exchange_of_a_response_id_is_found
            w_007_a_workspace_reads_nothing_of_anothers
            retention_drops_whole_days
            an_erasure_takes_what_was_said_and_leaves_what_it_cost
            an_erasure_of_one_subject_touches_no_other
        }
        $crate::conformance::stamp! { log, search, $open:
            w_104_each_filter_gives_exactly_its_rows
            w_104_each_run_filter_gives_exactly_its_runs
            w_104_each_session_filter_gives_exactly_its_sessions
            w_009_pages_over_days_neither_repeat_nor_skip
        }
        $crate::conformance::stamp! { log, sums, $open:
            w_104_totals_equal_the_sum_of_rows
            a_run_shows_what_its_exchanges_say
            counts_out_of_range_do_not_stop_the_log
        }
        $crate::conformance::stamp! { log, trail, $open:
            a_trail_comes_back_in_the_order_of_arrival_page_by_page
            a_trail_adds_up_to_its_run_and_session
            w_007_a_trail_of_another_workspace_is_not_there
            an_erasure_takes_what_a_trail_says
            what_was_told_is_not_told_again
            runs_are_found_by_how_they_were_ended
        }
        $crate::conformance::stamp! { log, expire, $open:
            exactly_what_is_due_goes_and_all_else_stays
            bodies_go_before_their_rows_and_sums_stay
            a_day_that_is_held_to_its_terms_is_left_alone_until_they_change
        }
        $crate::conformance::stamp! { log, rollups, $open:
            w_104_rollups_equal_the_sums_of_the_rows
            a_rebuild_of_what_is_right_changes_nothing
            rollups_outlive_rows_and_hours_go_before_days
            only_properties_that_are_asked_for_are_rolled_up
            a_property_asked_for_later_has_what_the_rows_say
            values_beyond_the_bound_are_one
            w_007_rollups_of_another_workspace_are_not_there
        }
    };
}
pub(crate) use log_suite;

pub(crate) async fn an_opening_is_pending_until_its_closing(log: &dyn Log) {
    let record = exchange(1, OURS, at(0, 5));
    log.apply(&numbered(1, [opened(&record)])).await.unwrap();
    assert_eq!(log.applied().await.unwrap(), Sequence(1));
    assert_eq!(log.pending().await.unwrap(), [opening(&record)]);
    let row = log.get(OURS, record.id).await.unwrap().unwrap();
    assert_eq!(row.record, opening(&record));
    assert!(!row.has_request_body && !row.has_response_body);

    log.apply(&numbered(2, [closed(&record)])).await.unwrap();
    assert_eq!(log.pending().await.unwrap(), []);
    assert_eq!(log.get(OURS, record.id).await.unwrap().unwrap().record, record);
    assert_eq!(log.applied().await.unwrap(), Sequence(2));
    assert_eq!(log.count(OURS, &ExchangeFilter::default()).await.unwrap(), 1);
}

pub(crate) async fn a_closing_without_opening_is_kept_whole(log: &dyn Log) {
    let mut record = exchange(1, OURS, at(0, 0));
    record.outcome = Outcome::Refused;
    let entry = Entry::Closed {
        record: Arc::new(record.clone()),
        request: Some(body("asked")),
        response: Some(body("refused")),
    };
    log.apply(&numbered(1, [entry])).await.unwrap();
    let row = log.get(OURS, record.id).await.unwrap().unwrap();
    assert_eq!(row.record, record);
    assert!(row.has_request_body && row.has_response_body);
    assert_eq!(log.pending().await.unwrap(), []);
}

pub(crate) async fn an_exchange_opened_and_closed_in_one_batch_is_one_row(log: &dyn Log) {
    let mut record = exchange(1, OURS, at(0, 0));
    record.attribution.run_id = Some(RunId::parse("run").unwrap());
    let open = Entry::Opened { record: Arc::new(opening(&record)), request: Some(body("asked")) };
    let close =
        Entry::Closed { record: Arc::new(record.clone()), request: None, response: Some(body("answer")) };
    log.apply(&numbered(1, [open, close])).await.unwrap();
    assert_eq!(all_pages(log, &ExchangeFilter::default(), Order::Desc, 10).await, [record.clone()]);
    let bodies = log.bodies(OURS, record.id).await.unwrap().unwrap();
    assert_eq!(bodies, Bodies { request: Some(body("asked")), response: Some(body("answer")) });
    let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
    assert_eq!((run.open, run.totals.requests), (0, 1));
}

pub(crate) async fn a_closing_that_brings_its_opening_is_as_both_apart(log: &dyn Log) {
    let mut record = exchange(1, OURS, at(0, 0));
    record.attribution.run_id = Some(RunId::parse("run").unwrap());
    let open = Entry::Opened { record: Arc::new(opening(&record)), request: Some(body("asked")) };
    let close =
        Entry::Closed { record: Arc::new(record.clone()), request: None, response: Some(body("answer")) };
    let [apart @ .., closing] = &numbered(1, [open, close])[..] else { unreachable!() };
    let brought = Opening { sequence: Sequence(1), request: Some(body("asked")) };
    let together = Sequenced { opening: Some(brought), ..closing.clone() };
    log.apply(&[together]).await.unwrap();
    // As after a crash: read from the journal, where they are two.
    log.apply(&[apart, std::slice::from_ref(closing)].concat()).await.unwrap();
    assert_eq!(log.applied().await.unwrap(), Sequence(2));
    assert_eq!(all_pages(log, &ExchangeFilter::default(), Order::Desc, 10).await, [record.clone()]);
    let bodies = log.bodies(OURS, record.id).await.unwrap().unwrap();
    assert_eq!(bodies, Bodies { request: Some(body("asked")), response: Some(body("answer")) });
    let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
    assert_eq!((run.open, run.totals.requests), (0, 1));
    assert_eq!(log.pending().await.unwrap(), []);
}

pub(crate) async fn what_was_applied_is_not_applied_again(log: &dyn Log) {
    let mut record = exchange(1, OURS, at(0, 0));
    record.attribution.run_id = Some(RunId::parse("run").unwrap());
    let second = exchange(2, OURS, at(1, 0));
    let journal = numbered(1, [opened(&record), closed(&record), opened(&second), closed(&second)]);
    log.apply(&journal[..3]).await.unwrap();
    log.apply(&journal[..2]).await.unwrap();
    log.apply(&journal).await.unwrap();
    log.apply(&journal).await.unwrap();
    log.apply(&[]).await.unwrap();
    assert_eq!(log.applied().await.unwrap(), Sequence(4));
    assert_eq!(log.count(OURS, &ExchangeFilter::default()).await.unwrap(), 2);
    assert_eq!(log.pending().await.unwrap(), []);
    let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
    assert_eq!((run.open, run.totals.requests), (0, 1));
}

pub(crate) async fn a_second_closing_changes_nothing(log: &dyn Log) {
    let mut record = exchange(1, OURS, at(0, 0));
    record.attribution.run_id = Some(RunId::parse("run").unwrap());
    let mut other = record.clone();
    other.outcome = Outcome::Interrupted;
    let batches =
        [vec![opened(&record), closed(&record), closed(&other)], vec![closed(&other), opened(&record)]];
    let mut sequence = 1;
    for batch in batches {
        let batch = numbered(sequence, batch);
        sequence += batch.len() as u64;
        log.apply(&batch).await.unwrap();
        assert_eq!(log.get(OURS, record.id).await.unwrap().unwrap().record, record);
        let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
        assert_eq!((run.open, run.totals.requests), (0, 1));
        assert_eq!(log.pending().await.unwrap(), []);
    }
}

pub(crate) async fn times_come_back_to_the_microsecond(log: &dyn Log) {
    let mut record = exchange(1, OURS, at(0, 1_234_567));
    record.attribution.run_id = Some(RunId::parse("run").unwrap());
    record.attribution.session_id = Some(SessionId::parse("session").unwrap());
    log.apply(&numbered(1, [opened(&record)])).await.unwrap();
    assert_eq!(log.pending().await.unwrap()[0].created_at, record.created_at);
    assert_eq!(log.get(OURS, record.id).await.unwrap().unwrap().record.created_at, record.created_at);
    let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
    assert_eq!((run.started_at, run.last_activity_at), (record.created_at, record.created_at));
    let session = log.session(OURS, &SessionId::parse("session").unwrap()).await.unwrap().unwrap();
    assert_eq!((session.first_at, session.last_at), (record.created_at, record.created_at));
}

pub(crate) async fn an_id_that_carries_no_time_is_found(log: &dyn Log) {
    let mut record = exchange(1, OURS, at(1, 0));
    record.id = ExchangeId::new(Uuid::from_u128(99));
    let entry =
        Entry::Closed { record: Arc::new(record.clone()), request: Some(body("asked")), response: None };
    log.apply(&numbered(1, [closed(&exchange(2, OURS, at(0, 0))), entry])).await.unwrap();
    assert_eq!(log.get(OURS, record.id).await.unwrap().unwrap().record, record);
    assert_eq!(log.bodies(OURS, record.id).await.unwrap().unwrap().request, Some(body("asked")));
    assert_eq!(log.get(OURS, ExchangeId::new(Uuid::from_u128(98))).await.unwrap(), None);
}

pub(crate) async fn bodies_come_back_whatever_their_size(log: &dyn Log) {
    let sizes = [0, 1, 1_000, 200_000, 262_144, 262_145, 3_000_000];
    let text = |size: usize| (0..size).map(|place| b"abcdefghij"[place * place % 10]).collect::<Vec<u8>>();
    let mut journal = Vec::new();
    for (number, size) in (0..).zip(sizes) {
        let record = exchange(number, OURS, at(0, i64::try_from(size).unwrap()));
        let mut request = body(text(size));
        request.truncated = number == 1;
        let mut response = body(text(size / 2));
        response.redacted = number == 2;
        journal.push((record, request, response));
    }
    let opened = journal.iter().map(|(record, request, _)| Entry::Opened {
        record: Arc::new(opening(record)),
        request: Some(request.clone()),
    });
    log.apply(&numbered(1, opened)).await.unwrap();
    let closed = journal.iter().map(|(record, _, response)| Entry::Closed {
        record: Arc::new(record.clone()),
        request: None,
        response: Some(response.clone()),
    });
    log.apply(&numbered(8, closed)).await.unwrap();
    for (record, request, response) in journal {
        let bodies = log.bodies(OURS, record.id).await.unwrap().unwrap();
        assert!(bodies.request.as_ref() == Some(&request), "request of {} bytes", request.bytes.len());
        assert!(bodies.response.as_ref() == Some(&response), "response of {} bytes", response.bytes.len());
        let row = log.get(OURS, record.id).await.unwrap().unwrap();
        assert!(row.has_request_body && row.has_response_body);
    }
    let without = exchange(50, OURS, at(0, 50));
    log.apply(&numbered(15, [super::fixture::closed(&without)])).await.unwrap();
    assert_eq!(log.bodies(OURS, without.id).await.unwrap(), Some(Bodies::default()));
    assert_eq!(log.bodies(OURS, exchange(51, OURS, at(0, 51)).id).await.unwrap(), None);
}

pub(crate) async fn w_023_two_requests_with_one_request_id_are_both_found(log: &dyn Log) {
    let id = RequestId::parse("same").unwrap();
    let mut records: Vec<_> = [(1, 0, 5), (2, 0, 9), (3, 2, 1)]
        .map(|(number, day, micros)| {
            let mut record = exchange(number, OURS, at(day, micros));
            record.request_id = Some(id.clone());
            record
        })
        .into();
    let mut foreign = exchange(4, THEIRS, at(1, 0));
    foreign.request_id = Some(id.clone());
    let others = [foreign, exchange(5, OURS, at(1, 1))];
    log.apply(&numbered(1, records.iter().chain(&others).map(closed))).await.unwrap();
    records.reverse();
    let found = log.by_request_id(OURS, &id, 10).await.unwrap();
    assert_eq!(found.into_iter().map(|row| row.record).collect::<Vec<_>>(), records);
    let found = log.by_request_id(OURS, &id, 2).await.unwrap();
    assert_eq!(found.into_iter().map(|row| row.record).collect::<Vec<_>>(), records[..2]);
    assert_eq!(log.by_request_id(OURS, &RequestId::parse("other").unwrap(), 2).await.unwrap(), []);
}

pub(crate) async fn the_newest_exchange_of_a_response_id_is_found(log: &dyn Log) {
    let mut old = exchange(1, OURS, at(0, 0));
    old.response_id = Some("resp_1".to_owned());
    let mut new = exchange(2, OURS, at(1, 0));
    new.response_id.clone_from(&old.response_id);
    log.apply(&numbered(1, [opened(&old), opened(&new), closed(&old)])).await.unwrap();
    assert_eq!(log.by_response_id(OURS, "resp_1").await.unwrap(), Some(old));
    log.apply(&numbered(4, [closed(&new)])).await.unwrap();
    assert_eq!(log.by_response_id(OURS, "resp_1").await.unwrap(), Some(new));
    assert_eq!(log.by_response_id(THEIRS, "resp_1").await.unwrap(), None);
    assert_eq!(log.by_response_id(OURS, "resp_").await.unwrap(), None);
}

pub(crate) async fn w_007_a_workspace_reads_nothing_of_anothers(log: &dyn Log) {
    let (run, session, request) = (
        RunId::parse("shared").unwrap(),
        SessionId::parse("shared").unwrap(),
        RequestId::parse("shared").unwrap(),
    );
    let of = |number, workspace, cost| {
        let mut record = exchange(number, workspace, at(0, 0));
        record.attribution.run_id = Some(run.clone());
        record.attribution.session_id = Some(session.clone());
        record.attribution.trace_id = Some(TraceId::parse("shared").unwrap());
        record.request_id = Some(request.clone());
        record.cost = Some(rungate_core::money::NanoUsd::from_nanos(cost));
        record
    };
    let (ours, theirs) = (of(1, OURS, 3), of(2, THEIRS, 5));
    log.apply(&numbered(1, [closed(&ours), closed(&theirs)])).await.unwrap();
    assert_eq!(log.get(OURS, theirs.id).await.unwrap(), None);
    assert_eq!(log.bodies(OURS, theirs.id).await.unwrap(), None);
    assert_eq!(log.by_request_id(OURS, &request, 9).await.unwrap().len(), 1);
    assert_eq!(all_pages(log, &ExchangeFilter::default(), Order::Desc, 9).await, [ours]);
    let filter = ExchangeFilter { ids: vec![theirs.id], ..ExchangeFilter::default() };
    assert_eq!(log.count(OURS, &filter).await.unwrap(), 0);
    let page = PageRequest { limit: 9, ..PageRequest::default() };
    assert_eq!(
        log.runs(OURS, &rungate_core::exchange::RunFilter::default(), &page).await.unwrap().items.len(),
        1
    );
    let our_run = log.run(OURS, &run).await.unwrap().unwrap();
    let their_run = log.run(THEIRS, &run).await.unwrap().unwrap();
    assert_eq!((our_run.totals.cost.nanos(), their_run.totals.cost.nanos()), (3, 5));
    assert_eq!(log.run_by_uuid(OURS, our_run.id).await.unwrap(), Some(our_run));
    assert_eq!(log.run_by_uuid(OURS, their_run.id).await.unwrap(), None);
    let our_session = log.session(OURS, &session).await.unwrap().unwrap();
    assert_eq!(our_session.totals.cost.nanos(), 3);
    for dimension in rungate_core::exchange::Dimension::ALL {
        let query = RollupQuery::ever(RollupOf::each(dimension));
        for row in log.rollup(OURS, &query).await.unwrap() {
            assert_eq!(row.sums.totals.cost.nanos(), 3, "{dimension:?}");
        }
    }
}

pub(crate) async fn retention_drops_whole_days(log: &dyn Log) {
    let records: Vec<_> = (0..3)
        .map(|day| {
            let mut record = exchange(1, OURS, at(day, 0));
            record.attribution.run_id = Some(RunId::parse("run").unwrap());
            record
        })
        .collect();
    let whole = |record: &rungate_core::exchange::ExchangeRecord| Entry::Closed {
        record: Arc::new(record.clone()),
        request: Some(body("asked")),
        response: Some(body("answered")),
    };
    let journal = numbered(1, records.iter().map(whole));
    log.apply(&journal).await.unwrap();
    for record in &records {
        assert!(log.get(OURS, record.id).await.unwrap().is_some());
    }

    let day = first_day();
    assert_eq!(log.retain(day, day, day).await.unwrap(), Dropped::default());
    let dropped = log.retain(day.plus(1), day.plus(2), day).await.unwrap();
    assert_eq!(dropped, Dropped { row_days: 1, body_days: 2 });
    assert_eq!(log.get(OURS, records[0].id).await.unwrap(), None);
    assert_eq!(log.bodies(OURS, records[0].id).await.unwrap(), None);
    let without = log.get(OURS, records[1].id).await.unwrap().unwrap();
    assert!(!without.has_request_body && !without.has_response_body);
    assert_eq!(log.bodies(OURS, records[1].id).await.unwrap(), Some(Bodies::default()));
    assert!(log.get(OURS, records[2].id).await.unwrap().unwrap().has_request_body);
    assert_eq!(log.bodies(OURS, records[2].id).await.unwrap().unwrap().response, Some(body("answered")));
    assert_eq!(all_pages(log, &ExchangeFilter::default(), Order::Asc, 9).await, records[1..]);

    // What they add up to stays, a replay of what was dropped brings nothing back, and the log goes on.
    log.apply(&journal).await.unwrap();
    let run = log.run(OURS, &RunId::parse("run").unwrap()).await.unwrap().unwrap();
    assert_eq!(run.totals.requests, 3);
    assert_eq!(log.count(OURS, &ExchangeFilter::default()).await.unwrap(), 2);
    let late = exchange(9, OURS, at(1, 9));
    log.apply(&numbered(4, [whole(&late)])).await.unwrap();
    assert_eq!(log.bodies(OURS, late.id).await.unwrap().unwrap().request, Some(body("asked")));
}

/// An exchange of a user, a session and a run, with everything that can be erased.
fn said(number: u64, day: i32, user: &str) -> Entry {
    let mut record = exchange(number, OURS, at(day, 0));
    record.attribution.user_id = Some(UserId::parse(user).unwrap());
    record.attribution.session_id = Some(SessionId::parse(&format!("session-{user}")).unwrap());
    record.attribution.run_id = Some(RunId::parse(&format!("run-{user}")).unwrap());
    record.preview_in = format!("asked by {user}");
    record.preview_out = format!("told to {user}");
    let text = format!("what {user} said in {number}");
    Entry::Closed { record: Arc::new(record), request: Some(body(text.clone())), response: Some(body(text)) }
}

pub(crate) async fn an_erasure_takes_what_was_said_and_leaves_what_it_cost(log: &dyn Log) {
    let anna = UserId::parse("anna").unwrap();
    let entries: Vec<Entry> = (1..=8).map(|number| said(number, (number % 3) as i32, "anna")).collect();
    let mut open = exchange(9, OURS, at(2, 9));
    open.attribution.user_id = Some(anna.clone());
    open.preview_in = "still asking".to_owned();
    let records: Vec<_> =
        entries.iter().map(|entry| ExchangeRecord::clone(entry.record().unwrap())).collect();
    log.apply(&numbered(1, entries.into_iter().chain([opened(&open)]))).await.unwrap();
    let of_anna = ExchangeFilter { user_ids: vec![anna.clone()], ..ExchangeFilter::default() };
    let sums = RollupQuery::ever(RollupOf::each(Dimension::Agent));
    let before = log.rollup(OURS, &sums).await.unwrap();

    let subject = Subject::User(anna);
    let erased = log.erase(OURS, &subject).await.unwrap();
    assert_eq!(erased, Erased { exchanges: 9, bodies: 16, previews: 17, open: 1, entries: 0 });
    for record in &records {
        let row = log.get(OURS, record.id).await.unwrap().unwrap();
        let mut expected = record.clone();
        expected.erase_text();
        assert_eq!(row.record, expected);
        assert!(!row.has_request_body && !row.has_response_body);
        assert_eq!(log.bodies(OURS, record.id).await.unwrap(), Some(Bodies::default()));
    }
    assert_eq!(log.count(OURS, &of_anna).await.unwrap(), 9);
    for text in ["asked by", "told to", "still asking"] {
        let found = ExchangeFilter { text: Some(text.to_owned()), ..ExchangeFilter::default() };
        assert_eq!(log.count(OURS, &found).await.unwrap(), 0, "{text}");
    }
    assert_eq!(log.pending().await.unwrap()[0].preview_in, "");
    assert_eq!(log.rollup(OURS, &sums).await.unwrap(), before);
    let again = log.erase(OURS, &subject).await.unwrap();
    assert_eq!(again, Erased { exchanges: 9, bodies: 0, previews: 0, open: 1, entries: 0 });
}

pub(crate) async fn an_erasure_of_one_subject_touches_no_other(log: &dyn Log) {
    let mut entries = vec![said(1, 0, "anna"), said(2, 0, "bert"), said(3, 0, "cleo"), said(4, 0, "dora")];
    let mut theirs = exchange(5, THEIRS, at(0, 5));
    theirs.attribution.run_id = Some(RunId::parse("run-anna").unwrap());
    let their_id = theirs.id;
    entries.push(Entry::Closed { record: Arc::new(theirs), request: Some(body("theirs")), response: None });
    let ids: Vec<ExchangeId> = entries.iter().filter_map(Entry::exchange_id).collect();
    log.apply(&numbered(1, entries)).await.unwrap();

    let one = Erased { exchanges: 1, bodies: 2, previews: 2, open: 0, entries: 0 };
    let run = Subject::Run(RunId::parse("run-anna").unwrap());
    assert_eq!(log.erase(OURS, &run).await.unwrap(), one);
    let session = Subject::Session(SessionId::parse("session-cleo").unwrap());
    assert_eq!(log.erase(OURS, &session).await.unwrap(), one);
    let nobody = Subject::User(UserId::parse("nobody").unwrap());
    assert_eq!(log.erase(OURS, &nobody).await.unwrap(), Erased::default());

    for (id, user, number) in [(ids[1], "bert", 2), (ids[3], "dora", 4)] {
        let text = body(format!("what {user} said in {number}"));
        let bodies = Bodies { request: Some(text.clone()), response: Some(text) };
        assert_eq!(log.bodies(OURS, id).await.unwrap(), Some(bodies));
    }
    let kept = log.bodies(THEIRS, their_id).await.unwrap().unwrap();
    assert_eq!(kept.request, Some(body("theirs")));
}
