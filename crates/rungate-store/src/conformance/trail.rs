//! The suite of trails: what is reported of runs and said to it.

use std::collections::BTreeMap;

use rungate_core::activity::{AgentStamp, Trust};
use rungate_core::exchange::{Entry, RunFilter, RunStatus, Sequence, SessionFilter, Subject};
use rungate_core::id::{ExternalId, RunId, SessionId, TraceId, TrailId, WorkspaceId, uuid_v7};
use rungate_core::page::{Order, PageRequest};
use rungate_core::ports::Log;
use rungate_core::time::Timestamp;
use rungate_core::trail::{
    Check, CheckDecision, Completeness, Contents, End, EndStatus, Event, EventTrust, EventType, Registration,
    TrailEntry, TrailFilter, TrailKind, TrailRow, What,
};
use serde_json::json;

use super::fixture::{OURS, THEIRS, at, body, closed, exchange, numbered};

fn run_id(name: &str) -> RunId {
    RunId::parse(name).unwrap()
}

fn trace_of(run: &str) -> TraceId {
    TraceId::parse(&format!("trace-of-{run}")).unwrap()
}

/// An entry; its number decides its id.
fn told(number: u64, workspace: WorkspaceId, run: &str, at: Timestamp, what: What) -> Entry {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let agent = AgentStamp {
        id: None,
        external_id: ExternalId::parse("agt_teller").unwrap(),
        name: Some("Teller".to_owned()),
        trust: Trust::AuthBound,
    };
    let content = match &what {
        What::Registered(_) => Some(body("You are helpful.")),
        What::Event(_) => Some(body(format!("content of {number} {}", "long ".repeat(300)))),
        What::Check(_) => Some(body("{}")),
        What::Resolved(_) | What::Ended(_) => None,
    };
    let entry = TrailEntry {
        id: TrailId::new(uuid_v7(at, random)),
        workspace_id: workspace,
        at,
        run_id: run_id(run),
        trace_id: Some(trace_of(run)),
        session_id: Some(SessionId::parse("session-1").unwrap()),
        agent,
        virtual_key_id: None,
        step_id: None,
        parent_step_id: None,
        tool_call_id: None,
        after_end: false,
        what,
    };
    Entry::Trail { entry: Box::new(entry), content }
}

fn event(event_type: EventType) -> What {
    What::Event(Box::new(Event {
        event_type,
        original_type: None,
        reported_at: None,
        schema: Some("{}".to_owned()),
        schema_valid: Some(true),
        trust: EventTrust::Reported,
        warnings: Vec::new(),
        properties: BTreeMap::new(),
        action_check_id: None,
        fingerprint: "00".to_owned(),
        preview: "preview of it".to_owned(),
    }))
}

fn check(decision: CheckDecision) -> What {
    What::Check(Box::new(Check {
        action: "pay".to_owned(),
        arguments_hash: "00".to_owned(),
        decision,
        enforced: true,
        would_be: None,
        reasoning: "because".to_owned(),
        rules: Vec::new(),
        evidence: Vec::new(),
        policy_version: "1".to_owned(),
        completeness: Completeness::ReportedOnly,
        hold: None,
        approval_id: None,
        dry_run: false,
        facts: json!({ "class": "money" }),
        reported_at: None,
        schema: None,
        took_us: 40,
    }))
}

fn registered(name: &str) -> What {
    let properties = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    What::Registered(Registration { name: Some(name.to_owned()), properties, reported_at: None })
}

fn ended(status: EndStatus) -> What {
    What::Ended(End { status, reason: Some("done".to_owned()), reported_at: None })
}

fn entry_of(entry: &Entry) -> TrailEntry {
    match entry {
        Entry::Trail { entry, .. } => (**entry).clone(),
        Entry::Opened { .. } | Entry::Closed { .. } => panic!("no entry of a trail"),
    }
}

/// Every entry of `filter`, by pages of three.
async fn all(log: &dyn Log, workspace: WorkspaceId, filter: &TrailFilter, order: Order) -> Vec<TrailRow> {
    let mut request = PageRequest { limit: 3, after: None, order };
    let mut rows = Vec::new();
    loop {
        let page = log.trail(workspace, filter, Contents::Read, &request).await.unwrap();
        assert!(page.items.len() <= 3);
        rows.extend(page.items);
        match page.next {
            None => return rows,
            next => request.after = next,
        }
    }
}

fn of_run(run: &str) -> TrailFilter {
    TrailFilter { run_id: Some(run_id(run)), ..TrailFilter::default() }
}

/// A run over three days, with another beside it.
pub(crate) fn two_runs() -> Vec<Entry> {
    let mut entries = vec![told(1, OURS, "one", at(0, 0), registered("First"))];
    for number in 2..12_u64 {
        let day = i32::try_from(number / 4).unwrap();
        let at = at(day, i64::try_from(number).unwrap());
        let kind = if number % 5 == 0 { EventType::Tool } else { EventType::User };
        let what = if number % 3 == 0 { check(CheckDecision::Hold) } else { event(kind) };
        entries.push(told(number, OURS, "one", at, what));
        entries.push(told(number + 100, OURS, "other", at, event(EventType::User)));
    }
    entries.push(told(99, OURS, "one", at(2, 500), ended(EndStatus::Completed)));
    entries
}

pub(crate) async fn a_trail_comes_back_in_the_order_of_arrival_page_by_page(log: &dyn Log) {
    let entries = two_runs();
    log.apply(&numbered(1, entries.clone())).await.unwrap();
    let ours: Vec<TrailEntry> =
        entries.iter().map(entry_of).filter(|entry| entry.run_id.as_str() == "one").collect();
    let rows = all(log, OURS, &of_run("one"), Order::Asc).await;
    assert_eq!(rows.iter().map(|row| row.entry.clone()).collect::<Vec<_>>(), ours);
    let mut backwards = all(log, OURS, &of_run("one"), Order::Desc).await;
    backwards.reverse();
    assert_eq!(backwards, rows);
    assert_eq!(rows[0].content.as_deref(), Some(&b"You are helpful."[..]));
    assert!(rows[1].content.as_ref().unwrap().starts_with(b"content of 2 long"));
    assert!(!rows.last().unwrap().has_content);
    let page = PageRequest { limit: 9, ..PageRequest::default() };
    let lean = log.trail(OURS, &of_run("one"), Contents::LeftOut, &page).await.unwrap().items;
    assert!(lean.iter().all(|row| row.content.is_none()) && lean[5].has_content);

    let ids = |rows: Vec<TrailRow>| rows.into_iter().map(|row| row.entry.id).collect::<Vec<_>>();
    let by = |keep: &dyn Fn(&TrailEntry) -> bool| {
        ours.iter().filter(|it| keep(it)).map(|it| it.id).collect::<Vec<_>>()
    };
    let checks = TrailFilter { kinds: vec![TrailKind::Check], ..TrailFilter::default() };
    assert_eq!(ids(all(log, OURS, &checks, Order::Asc).await), by(&|it| it.kind() == TrailKind::Check));
    let denied = TrailFilter { decisions: vec![CheckDecision::Deny], ..checks };
    assert_eq!(ids(all(log, OURS, &denied, Order::Asc).await), []);
    let tools = TrailFilter { event_types: vec![EventType::Tool], ..of_run("one") };
    assert_eq!(ids(all(log, OURS, &tools, Order::Asc).await), by(&|it| it.detail() == "tool"));
    let one = TrailFilter { ids: vec![ours[4].id], ..TrailFilter::default() };
    assert_eq!(ids(all(log, OURS, &one, Order::Asc).await), [ours[4].id]);
    let later = TrailFilter { from: Some(at(1, 0)), to: Some(at(2, 0)), ..of_run("one") };
    assert_eq!(ids(all(log, OURS, &later, Order::Asc).await), by(&|it| it.at.day() == at(1, 0).day()));
}

pub(crate) async fn a_trail_adds_up_to_its_run_and_session(log: &dyn Log) {
    let mut request = exchange(1, OURS, at(0, 3));
    request.attribution.run_id = Some(run_id("one"));
    request.attribution.trace_id = Some(TraceId::parse("another-trace").unwrap());
    log.apply(&numbered(1, two_runs().into_iter().chain([closed(&request)]))).await.unwrap();
    let run = log.run(OURS, &run_id("one")).await.unwrap().unwrap();
    assert_eq!((run.events, run.checks.hold, run.checks.allow), (7, 3, 0));
    assert_eq!((run.name.as_deref(), run.registered_at), (Some("First"), Some(at(0, 0))));
    assert_eq!(run.trace_id, Some(trace_of("one")), "a trace that a run was registered with stays its own");
    assert_eq!((run.started_at, run.last_activity_at), (at(0, 0), at(2, 500)));
    assert_eq!(
        run.end.as_ref().map(|end| (end.status, end.at)),
        Some((EndStatus::Completed, at(2, 500).to_millisecond()))
    );
    assert_eq!(run.totals.requests, 1);
    assert_eq!(run.agents.len(), 2);
    let by_trace = RunFilter { trace_ids: vec![trace_of("one")], ..RunFilter::default() };
    let found = log.runs(OURS, &by_trace, &PageRequest { limit: 5, ..PageRequest::default() }).await.unwrap();
    assert_eq!(found.items.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), ["one"]);
    let by_property = RunFilter {
        properties: vec![("tier".to_owned(), "gold".to_owned())],
        agent_external_ids: vec!["agt_teller".to_owned()],
        ..RunFilter::default()
    };
    let found =
        log.runs(OURS, &by_property, &PageRequest { limit: 5, ..PageRequest::default() }).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let page = PageRequest { limit: 5, ..PageRequest::default() };
    let sessions = log.sessions(OURS, &SessionFilter::default(), &page).await.unwrap();
    assert_eq!((sessions.items.len(), sessions.items[0].runs), (1, 2));
    assert_eq!(sessions.items[0].last_at, at(2, 500));
}

pub(crate) async fn w_007_a_trail_of_another_workspace_is_not_there(log: &dyn Log) {
    let entries = [
        told(1, OURS, "one", at(0, 0), registered("ours")),
        told(2, THEIRS, "one", at(0, 1), event(EventType::User)),
    ];
    let ids = entries.iter().map(|entry| entry_of(entry).id).collect::<Vec<_>>();
    log.apply(&numbered(1, entries)).await.unwrap();
    for (workspace, own, foreign) in [(OURS, ids[0], ids[1]), (THEIRS, ids[1], ids[0])] {
        let rows = all(log, workspace, &of_run("one"), Order::Asc).await;
        assert_eq!(rows.iter().map(|row| row.entry.id).collect::<Vec<_>>(), [own]);
        let by_id = TrailFilter { ids: vec![foreign], ..TrailFilter::default() };
        assert_eq!(all(log, workspace, &by_id, Order::Asc).await, []);
    }
}

pub(crate) async fn an_erasure_takes_what_a_trail_says(log: &dyn Log) {
    log.apply(&numbered(1, two_runs())).await.unwrap();
    let erased = log.erase(OURS, &Subject::Run(run_id("one"))).await.unwrap();
    assert_eq!((erased.entries, erased.exchanges), (12, 0));
    for row in all(log, OURS, &of_run("one"), Order::Asc).await {
        assert!(!row.has_content && row.content.is_none());
        let json = row.entry.to_json().unwrap();
        for text in ["preview of it", "First", "\"done\""] {
            assert!(!json.contains(text), "{json}");
        }
    }
    assert!(all(log, OURS, &of_run("other"), Order::Asc).await.iter().all(|row| row.has_content));
    assert_eq!(log.run(OURS, &run_id("one")).await.unwrap().unwrap().events, 7);
    let session = Subject::Session(SessionId::parse("session-1").unwrap());
    assert_eq!(log.erase(OURS, &session).await.unwrap().entries, 22);
    assert!(all(log, OURS, &of_run("other"), Order::Asc).await.iter().all(|row| !row.has_content));
}

pub(crate) async fn what_was_told_is_not_told_again(log: &dyn Log) {
    let entries = numbered(1, two_runs());
    log.apply(&entries[..9]).await.unwrap();
    log.apply(&entries).await.unwrap();
    log.apply(&entries).await.unwrap();
    assert_eq!(log.applied().await.unwrap(), Sequence(entries.len() as u64));
    assert_eq!(all(log, OURS, &of_run("one"), Order::Asc).await.len(), 12);
    assert_eq!(log.run(OURS, &run_id("one")).await.unwrap().unwrap().events, 7);
}

pub(crate) async fn runs_are_found_by_how_they_were_ended(log: &dyn Log) {
    let mut entries = Vec::new();
    for (number, run) in ["open", "completed", "failed", "cancelled"].into_iter().enumerate() {
        let number = number as u64;
        entries.push(told(number, OURS, run, at(0, i64::try_from(number).unwrap()), registered(run)));
    }
    for (number, status) in
        [EndStatus::Completed, EndStatus::Failed, EndStatus::Cancelled].into_iter().enumerate()
    {
        let at = at(0, 10 + i64::try_from(number).unwrap());
        entries.push(told(10 + number as u64, OURS, status.as_str(), at, ended(status)));
    }
    log.apply(&numbered(1, entries)).await.unwrap();
    let cases = [
        (RunStatus::Running, "open"),
        (RunStatus::Completed, "completed"),
        (RunStatus::Failed, "failed"),
        (RunStatus::Cancelled, "cancelled"),
    ];
    for (status, expected) in cases {
        let filter =
            RunFilter { statuses: vec![status], idle_before: Some(at(0, 0)), ..RunFilter::default() };
        let page = PageRequest { limit: 9, ..PageRequest::default() };
        let found = log.runs(OURS, &filter, &page).await.unwrap().items;
        assert_eq!(found.iter().map(|run| run.run_id.as_str()).collect::<Vec<_>>(), [expected]);
    }
}
