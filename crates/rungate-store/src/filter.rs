//! What each filter means, as conditions over the columns that every SQL backend has.

use std::collections::BTreeMap;

use rungate_core::exchange::{ExchangeFilter, RunFilter, RunStatus, SessionFilter, StatusFilter};
use rungate_core::id::{AgentId, RequestId, RunId, SessionId, TraceId, UserId, WorkspaceId};
use rungate_core::operation::Kind;
use rungate_core::ports::{CatalogFilter, Expiry};
use rungate_core::trail::TrailFilter;

use crate::record::integer;
use crate::sql::{Clause, Dialect};

/// The exchanges that `filter` means. Rows are called `e`; `property` is the table of properties.
pub(crate) fn exchanges(
    dialect: &'static Dialect,
    workspace: WorkspaceId,
    filter: &ExchangeFilter,
) -> Clause {
    let mut clause = Clause::new(dialect);
    clause.compare("e.workspace", "=", workspace.uuid());
    clause.any("e.id", filter.ids.iter().map(|id| id.uuid()));
    clause.any("e.request_id", filter.request_ids.iter().map(RequestId::as_str));
    clause.any("e.run_id", filter.run_ids.iter().map(RunId::as_str));
    clause.any("e.session_id", filter.session_ids.iter().map(SessionId::as_str));
    clause.any("e.trace_id", filter.trace_ids.iter().map(TraceId::as_str));
    let mut agents = Vec::new();
    agents.extend(clause.one_of("e.agent_id", filter.agent_ids.iter().map(|id| id.uuid())));
    agents.extend(clause.one_of("e.agent_external_id", texts(&filter.agent_external_ids)));
    clause.or(&agents);
    clause.any("e.member_id", filter.member_ids.iter().map(|id| id.uuid()));
    clause.any("e.virtual_key_id", filter.virtual_key_ids.iter().map(|id| id.uuid()));
    clause.any("e.provider_key_id", filter.provider_key_ids.iter().map(|id| id.uuid()));
    let mut models = Vec::new();
    models.extend(clause.one_of("e.model", texts(&filter.models)));
    models.extend(clause.one_of("e.requested_model", texts(&filter.models)));
    clause.or(&models);
    clause.any("e.provider", texts(&filter.providers));
    clause.any("e.kind", filter.kinds.iter().copied().map(Kind::as_str));
    let statuses: Vec<String> =
        filter.statuses.iter().map(|status| status_condition(&mut clause, *status)).collect();
    clause.or(&statuses);
    clause.any("e.outcome", filter.outcomes.iter().map(|outcome| outcome.as_str()));
    clause.any("e.error_code", texts(&filter.error_codes));
    clause.any("e.user_id", filter.user_ids.iter().map(UserId::as_str));
    if let Some(from) = filter.from {
        clause.compare("e.created_at", ">=", from.micros());
    }
    if let Some(to) = filter.to {
        clause.compare("e.created_at", "<", to.micros());
    }
    if let Some(cost) = filter.min_cost {
        clause.compare("e.cost", ">=", cost.nanos());
    }
    if let Some(latency_ms) = filter.min_latency_ms {
        clause.compare("e.latency_ms", ">=", integer(latency_ms));
    }
    for (key, values) in grouped(&filter.properties) {
        let (workspace, key) = (clause.bind(workspace.uuid()), clause.bind(key));
        let value = clause.one_of("p.value", values).unwrap_or_default();
        clause.and(&format!(
            "EXISTS (SELECT 1 FROM property AS p WHERE p.workspace = {workspace} AND p.key = {key} AND {value} \
             AND p.created_at = e.created_at AND p.exchange = e.{})",
            dialect.exchange_key
        ));
    }
    if let Some(text) = non_empty(filter.text.as_deref()) {
        clause.contains("e.search", text);
    }
    clause
}

fn status_condition(clause: &mut Clause, status: StatusFilter) -> String {
    match status {
        StatusFilter::Exact(status) => format!("e.status = {}", clause.bind(i64::from(status))),
        StatusFilter::Class(class) => {
            let first = i64::from(class) * 100;
            format!("e.status BETWEEN {} AND {}", clause.bind(first), clause.bind(first + 99))
        }
        StatusFilter::Error => "e.is_error = 1".to_owned(),
    }
}

/// What `expiry` is about. Rows are called `e`; exchanges and trail entries have the columns alike.
pub(crate) fn expiry(dialect: &'static Dialect, expiry: &Expiry) -> Clause {
    let mut clause = Clause::new(dialect);
    clause.compare("e.workspace", "=", expiry.workspace.uuid());
    clause.any("e.virtual_key_id", expiry.key.iter().map(|id| id.uuid()));
    clause.any("e.agent_id", expiry.agent.iter().map(|id| id.uuid()));
    let keys = expiry.except_keys.iter().map(|id| id.uuid());
    if let Some(named) = clause.one_of("e.virtual_key_id", keys) {
        clause.and(&format!("(e.virtual_key_id IS NULL OR NOT {named})"));
    }
    let agents = expiry.except_agents.iter().map(|id| id.uuid());
    if let Some(named) = clause.one_of("e.agent_id", agents) {
        clause.and(&format!("(e.agent_id IS NULL OR NOT {named})"));
    }
    clause
}

/// The trail entries that `filter` means. Rows are called `t`.
pub(crate) fn trail(dialect: &'static Dialect, workspace: WorkspaceId, filter: &TrailFilter) -> Clause {
    let mut clause = Clause::new(dialect);
    clause.compare("t.workspace", "=", workspace.uuid());
    clause.any("t.id", filter.ids.iter().map(|id| id.uuid()));
    clause.any("t.run_id", filter.run_id.iter().map(RunId::as_str));
    clause.any("t.kind", filter.kinds.iter().map(|kind| kind.as_str()));
    let decisions = filter.decisions.iter().map(|decision| decision.as_str());
    clause.any("t.detail", decisions.chain(filter.event_types.iter().map(|event| event.as_str())));
    clause.any("t.agent_external_id", texts(&filter.agent_external_ids));
    if let Some(from) = filter.from {
        clause.compare("t.at", ">=", from.micros());
    }
    if let Some(to) = filter.to {
        clause.compare("t.at", "<", to.micros());
    }
    clause
}

/// A property that leads to the exchanges of `filter` faster than their times do: one that must have one value, where
/// no id narrows the list already.
pub(crate) fn leading_property(filter: &ExchangeFilter) -> Option<(&str, &str)> {
    let narrowed = !(filter.ids.is_empty()
        && filter.request_ids.is_empty()
        && filter.run_ids.is_empty()
        && filter.session_ids.is_empty()
        && filter.trace_ids.is_empty()
        && filter.user_ids.is_empty());
    if narrowed {
        return None;
    }
    grouped(&filter.properties).into_iter().find_map(|(key, values)| match values[..] {
        [value] => Some((key, value)),
        _ => None,
    })
}

/// The runs that `filter` means. Rows are called `r`.
pub(crate) fn runs(dialect: &'static Dialect, workspace: WorkspaceId, filter: &RunFilter) -> Clause {
    let mut clause = Clause::new(dialect);
    clause.compare("r.workspace", "=", workspace.uuid());
    clause.any("r.session_id", filter.session_ids.iter().map(SessionId::as_str));
    clause.any("r.trace_id", filter.trace_ids.iter().map(TraceId::as_str));
    let agents = agent_names(&filter.agent_ids, &filter.agent_external_ids);
    member_condition(&mut clause, workspace, "r.run_id", "run_agent", "run_id", &agents);
    let statuses: Vec<String> = filter
        .statuses
        .iter()
        .map(|status| match (status, filter.idle_before) {
            (RunStatus::Running, Some(at)) => {
                format!("(r.ended IS NULL AND r.last_at >= {})", clause.bind(at.micros()))
            }
            (RunStatus::Idle, Some(at)) => {
                format!("(r.ended IS NULL AND r.last_at < {})", clause.bind(at.micros()))
            }
            (RunStatus::Running, None) => "r.ended IS NULL".to_owned(),
            (RunStatus::Idle, None) => "FALSE".to_owned(),
            (RunStatus::Completed, _) => "r.ended = 'completed'".to_owned(),
            (RunStatus::Failed, _) => "r.ended = 'failed'".to_owned(),
            (RunStatus::Cancelled, _) => "r.ended = 'cancelled'".to_owned(),
        })
        .collect();
    clause.or(&statuses);
    for (key, values) in grouped(&filter.properties) {
        let (workspace, key) = (clause.bind(workspace.uuid()), clause.bind(key));
        let value = clause.one_of("p.value", values).unwrap_or_default();
        clause.and(&format!(
            "r.run_id IN (SELECT p.run_id FROM run_property AS p \
             WHERE p.workspace = {workspace} AND p.key = {key} AND {value})"
        ));
    }
    if let Some(from) = filter.from {
        clause.compare("r.last_at", ">=", from.micros());
    }
    if let Some(to) = filter.to {
        clause.compare("r.started_at", "<", to.micros());
    }
    if let Some(cost) = filter.min_cost {
        clause.compare("r.cost", ">=", cost.nanos());
    }
    match filter.has_errors {
        Some(true) => clause.and("r.errors > 0"),
        Some(false) => clause.and("r.errors = 0"),
        None => {}
    }
    if let Some(text) = non_empty(filter.text.as_deref()) {
        clause.contains("r.search", text);
    }
    clause
}

/// The sessions that `filter` means. Rows are called `s`.
pub(crate) fn sessions(dialect: &'static Dialect, workspace: WorkspaceId, filter: &SessionFilter) -> Clause {
    let mut clause = Clause::new(dialect);
    clause.compare("s.workspace", "=", workspace.uuid());
    let agents = agent_names(&filter.agent_ids, &filter.agent_external_ids);
    member_condition(&mut clause, workspace, "s.session_id", "session_agent", "session_id", &agents);
    if let Some(from) = filter.from {
        clause.compare("s.last_at", ">=", from.micros());
    }
    if let Some(to) = filter.to {
        clause.compare("s.started_at", "<", to.micros());
    }
    if let Some(text) = non_empty(filter.text.as_deref()) {
        clause.contains("s.search", text);
    }
    clause
}

/// The documents that `filter` means. Rows are called `d`.
pub(crate) fn documents(
    dialect: &'static Dialect,
    kind: &str,
    workspace: WorkspaceId,
    filter: &CatalogFilter,
) -> Clause {
    let mut clause = Clause::new(dialect);
    clause.compare("d.kind", "=", kind);
    clause.compare("d.workspace", "=", workspace.uuid());
    for (name, values) in &filter.facets {
        let Some(value) = clause.one_of("f.value", texts(values)) else { continue };
        let name = clause.bind(name.as_str());
        clause.and(&format!(
            "EXISTS (SELECT 1 FROM facet AS f WHERE f.kind = d.kind AND f.id = d.id AND f.name = {name} AND {value})"
        ));
    }
    if let Some(text) = non_empty(filter.search.as_deref()) {
        clause.contains("d.search_lower", text);
    }
    clause
}

/// The names an agent is found by among the agents of a run or session: its UUID and its external id.
fn agent_names(ids: &[AgentId], external_ids: &[String]) -> Vec<String> {
    ids.iter().map(ToString::to_string).chain(external_ids.iter().cloned()).collect()
}

fn member_condition(
    clause: &mut Clause,
    workspace: WorkspaceId,
    owner: &str,
    table: &str,
    column: &str,
    agents: &[String],
) {
    if agents.is_empty() {
        return;
    }
    let workspace = clause.bind(workspace.uuid());
    let agent = clause.one_of("a.agent", texts(agents)).unwrap_or_default();
    clause.and(&format!(
        "{owner} IN (SELECT a.{column} FROM {table} AS a WHERE a.workspace = {workspace} AND {agent})"
    ));
}

/// The values of each key.
fn grouped(properties: &[(String, String)]) -> BTreeMap<&str, Vec<&str>> {
    let mut grouped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in properties {
        grouped.entry(key).or_default().push(value);
    }
    grouped
}

fn texts(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().map(String::as_str)
}

fn non_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}
