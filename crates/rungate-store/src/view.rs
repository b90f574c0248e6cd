//! How exchanges and trails add up to runs and sessions.

use rungate_core::activity::AgentStamp;
use rungate_core::exchange::{
    CheckTotals, ExchangeRecord, ModelTotals, Run, RunEnd, Session, Totals, run_uuid,
};
use rungate_core::id::{RunId, SessionId, TraceId, WorkspaceId};
use rungate_core::time::Timestamp;
use rungate_core::trail::{CheckDecision, TrailEntry, What};

use crate::record::lower_lines;

/// What one journal entry does to the runs and sessions of its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The exchange was opened.
    Opened,
    /// The exchange was closed; it had been opened before.
    Closed,
    /// The exchange came whole, without an opening.
    Whole,
}

impl Change {
    /// Whether the exchange is new: nothing of it was counted before.
    pub const fn is_first(self) -> bool {
        matches!(self, Self::Opened | Self::Whole)
    }

    /// Whether the exchange has ended.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Closed | Self::Whole)
    }
}

/// A run before anything of it; it began at `at`.
pub(crate) fn new_run(workspace: WorkspaceId, run_id: &RunId, at: Timestamp) -> Run {
    Run {
        id: run_uuid(workspace, run_id),
        workspace_id: workspace,
        run_id: run_id.clone(),
        session_id: None,
        trace_id: None,
        name: None,
        registered_at: None,
        end: None,
        events: 0,
        checks: CheckTotals::default(),
        agents: Vec::new(),
        started_at: at,
        last_activity_at: at,
        open: 0,
        totals: Totals::default(),
        models: Vec::new(),
        by_model: Vec::new(),
    }
}

/// Adds one entry to its run. Whether its agent is new to the run.
pub(crate) fn add_to_run(run: &mut Run, record: &ExchangeRecord, change: Change) -> bool {
    if let Some(session_id) = &record.attribution.session_id {
        run.session_id = Some(session_id.clone());
    }
    if let Some(trace_id) = record.attribution.trace_id.as_ref().filter(|_| run.registered_at.is_none()) {
        run.trace_id = Some(trace_id.clone());
    }
    run.started_at = run.started_at.min(record.created_at);
    run.last_activity_at = run.last_activity_at.max(last_activity(record));
    match change {
        Change::Opened => run.open += 1,
        Change::Closed => run.open = run.open.saturating_sub(1),
        Change::Whole => {}
    }
    if change.is_end() {
        run.totals.add(record);
        if let (Some(provider), Some(model)) = (&record.provider, &record.model) {
            add_to_model(run, provider, model, record);
        }
    }
    add_agent(&mut run.agents, &record.agent)
}

/// Adds an entry of its trail to a run. Whether its agent is new to the run.
pub(crate) fn add_told_to_run(run: &mut Run, entry: &TrailEntry) -> bool {
    run.started_at = run.started_at.min(entry.at);
    run.last_activity_at = run.last_activity_at.max(entry.at);
    if let Some(session_id) = &entry.session_id {
        run.session_id = Some(session_id.clone());
    }
    match &entry.what {
        What::Registered(registration) => {
            run.registered_at = Some(entry.at);
            run.trace_id.clone_from(&entry.trace_id);
            run.name.clone_from(&registration.name);
        }
        What::Event(_) => run.events += 1,
        What::Check(check) => match check.decision {
            CheckDecision::Allow => run.checks.allow += 1,
            CheckDecision::Hold => run.checks.hold += 1,
            CheckDecision::Deny => run.checks.deny += 1,
        },
        What::Resolved(_) => {}
        What::Ended(end) => {
            run.end = Some(RunEnd { status: end.status, at: entry.at, reason: end.reason.clone() });
        }
    }
    add_agent(&mut run.agents, &entry.agent)
}

/// Adds an entry of a run's trail to the run's session, apart from the number of runs. Whether its agent is new to the session.
pub(crate) fn add_told_to_session(session: &mut Session, entry: &TrailEntry) -> bool {
    session.first_at = session.first_at.min(entry.at);
    session.last_at = session.last_at.max(entry.at);
    add_agent(&mut session.agents, &entry.agent)
}

fn add_to_model(run: &mut Run, provider: &str, model: &str, record: &ExchangeRecord) {
    if let Err(place) = run.models.binary_search_by(|known| known.as_str().cmp(model)) {
        run.models.insert(place, model.to_owned());
    }
    let place = run
        .by_model
        .binary_search_by(|known| (known.provider.as_str(), known.model.as_str()).cmp(&(provider, model)));
    let place = place.unwrap_or_else(|place| {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        run.by_model.insert(place, ModelTotals { provider, model, totals: Totals::default() });
        place
    });
    run.by_model[place].totals.add(record);
}

/// A session before anything of it; it began at `at`.
pub(crate) fn new_session(workspace: WorkspaceId, session_id: &SessionId, at: Timestamp) -> Session {
    Session {
        workspace_id: workspace,
        session_id: session_id.clone(),
        name: None,
        path: None,
        agents: Vec::new(),
        runs: 0,
        first_at: at,
        last_at: at,
        totals: Totals::default(),
    }
}

/// Adds one entry to its session, apart from the number of runs. Whether its agent is new to the session.
pub(crate) fn add_to_session(session: &mut Session, record: &ExchangeRecord, change: Change) -> bool {
    if let Some(name) = &record.attribution.session_name {
        session.name = Some(name.clone());
    }
    if let Some(path) = &record.attribution.session_path {
        session.path = Some(path.clone());
    }
    session.first_at = session.first_at.min(record.created_at);
    session.last_at = session.last_at.max(last_activity(record));
    if change.is_end() {
        session.totals.add(record);
    }
    add_agent(&mut session.agents, &record.agent)
}

/// What a search for runs looks in.
pub(crate) fn run_search_text(run: &Run) -> String {
    let session = run.session_id.as_ref().map(SessionId::as_str);
    let own =
        [Some(run.run_id.as_str()), run.name.as_deref(), run.trace_id.as_ref().map(TraceId::as_str), session];
    lower_lines(own.into_iter().flatten().chain(agent_texts(&run.agents)))
}

/// What a search for sessions looks in.
pub(crate) fn session_search_text(session: &Session) -> String {
    let own = [Some(session.session_id.as_str()), session.name.as_deref()];
    lower_lines(own.into_iter().flatten().chain(agent_texts(&session.agents)))
}

/// The names an agent is found by: its external id, and its UUID where it has one.
pub(crate) fn agent_names(agent: &AgentStamp) -> impl Iterator<Item = String> {
    [Some(agent.external_id.to_string()), agent.id.map(|id| id.to_string())].into_iter().flatten()
}

/// The external id of the agent that a run began with.
pub(crate) fn first_agent(run: &Run) -> Option<&str> {
    run.agents.first().map(|agent| agent.external_id.as_str())
}

fn agent_texts(agents: &[AgentStamp]) -> impl Iterator<Item = &str> {
    agents.iter().flat_map(|agent| [Some(agent.external_id.as_str()), agent.name.as_deref()]).flatten()
}

/// Adds an agent that is not there yet; one that was known by its external id alone gets the UUID it has now.
fn add_agent(agents: &mut Vec<AgentStamp>, agent: &AgentStamp) -> bool {
    let known = agents.iter_mut().find(|known| known.external_id == agent.external_id);
    match known {
        None => agents.push(agent.clone()),
        Some(known) if known.id.is_none() && agent.id.is_some() => known.clone_from(agent),
        Some(_) => return false,
    }
    true
}

fn last_activity(record: &ExchangeRecord) -> Timestamp {
    record.completed_at.map_or(record.created_at, |at| at.max(record.created_at))
}
