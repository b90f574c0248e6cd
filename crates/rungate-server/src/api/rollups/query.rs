//! Which sums a query means.

use std::str::FromStr;
use std::time::Duration;

use rungate_core::code::Code;
use rungate_core::exchange::{Dimension, Granularity, RollupOf, RollupQuery};
use rungate_core::id::{AgentRef, MemberId, ProviderKeyId, VirtualKeyId};
use rungate_core::time::Timestamp;
use rungate_gateway::directory::WorkspaceEntry;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::params::Params;
use crate::api::requests::filter::window;
use crate::api::requests::query::{Query, any, is_property_key, named, uuid};

const DAY: Duration = Duration::from_hours(24);
/// The window of a query that names none, by hour and otherwise.
const DEFAULT_HOURS: Duration = DAY;
const DEFAULT_DAYS: Duration = Duration::from_hours(30 * 24);
/// The longest windows, by hour and otherwise.
const MAX_HOURS: Duration = Duration::from_hours(92 * 24);
const MAX_DAYS: Duration = Duration::from_hours(3_660 * 24);

const PROPERTY_PREFIX: &str = "property:";

/// What is added up. Filters are joined by AND; each may be given once.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes parameters that `read` reads, and names those that are accepted")]
pub struct RollupParams {
    /// `agent`, `run_agent`, `virtual_key`, `member`, `provider_key`, `provider`, `model` or `property:<key>`; without it
    /// everything is added up. `run_agent` is the agent that a request's run began with, so that its sub-agents count to it.
    group_by: Option<String>,
    /// `hour`, `day` or `all`: one row per UTC hour, per UTC day (default), or one for the whole time.
    granularity: Option<String>,
    /// From this time on, to the start of its hour or day; 30 days before `to` where it is not given, by hour one day.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this time, to the end of its hour or day; now where it is not given. By hour at most 92 days after `from`,
    /// otherwise 3660.
    #[param(format = DateTime)]
    to: Option<String>,
    /// UUID or external id of an agent.
    agent_id: Option<String>,
    /// UUID or external id of the agent that runs began with.
    run_agent_id: Option<String>,
    /// The virtual key.
    virtual_key_id: Option<String>,
    /// The member that the key is bound to.
    member_id: Option<String>,
    /// The provider key used last.
    provider_key_id: Option<String>,
    /// The provider that answered.
    provider: Option<String>,
    /// The model that answered, as `provider/model`.
    model: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Buckets {
    Hour,
    #[default]
    Day,
    All,
}

#[derive(Debug, Clone)]
enum GroupBy {
    Dimension(Dimension),
    Property(String),
}

/// Reads the query.
pub fn read(params: &Params, workspace: &WorkspaceEntry, now: Timestamp) -> Result<RollupQuery, ApiError> {
    let mut query = Query::open_unpaged::<RollupParams>(params);
    let group_by = query.one("groupBy", group_by);
    let buckets: Buckets = query.one("granularity", named).unwrap_or_default();
    let (from, to) = window(&mut query);
    let filter = filter(&mut query, workspace);
    if matches!(group_by, Some(GroupBy::Property(_))) && !filter.is_empty() {
        query.fail("groupBy", "unsupported", "a property cannot be joined with a filter");
    }
    query.finish()?;
    let of = match group_by {
        Some(GroupBy::Property(key)) => RollupOf::Property(key),
        Some(GroupBy::Dimension(dimension)) => RollupOf::Exchanges { filter, group_by: Some(dimension) },
        None => RollupOf::Exchanges { filter, group_by: None },
    };
    let (granularity, from, to) = bounded(buckets, from, to, now)?;
    Ok(RollupQuery { granularity, from, to, of, by_time: buckets != Buckets::All })
}

/// The window, widened to whole buckets, and which these are: by hour where nothing else was asked for and hours will do.
fn bounded(
    buckets: Buckets,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Granularity, Timestamp, Timestamp), ApiError> {
    let to = to.unwrap_or(now);
    let by_hour = buckets == Buckets::Hour;
    let from = from.unwrap_or_else(|| to.minus(if by_hour { DEFAULT_HOURS } else { DEFAULT_DAYS }));
    let length = to.since(from);
    let (longest, days) = if by_hour { (MAX_HOURS, 92) } else { (MAX_DAYS, 3_660) };
    if length > longest {
        let message = format!("the time from from to to is longer than {days} days");
        return Err(ApiError::new(Code::WindowTooLong, message).at("from"));
    }
    if from >= to {
        return Err(ApiError::field("from", "range", "must be before to"));
    }
    let granularity = match buckets {
        Buckets::Hour => Granularity::Hour,
        Buckets::All if length <= MAX_HOURS => Granularity::Hour,
        Buckets::Day | Buckets::All => Granularity::Day,
    };
    let width = if granularity == Granularity::Hour { Duration::from_hours(1) } else { DAY };
    let last = granularity.start(to.minus(Duration::from_micros(1)));
    Ok((granularity, granularity.start(from), last.plus(width)))
}

fn filter(query: &mut Query<'_>, workspace: &WorkspaceEntry) -> Vec<(Dimension, String)> {
    fn id<T: FromStr + ToString>(text: &str) -> Result<String, &'static str> {
        uuid::<T>(text).map(|id| id.to_string())
    }
    let agent = |text: &str| {
        let reference = AgentRef::parse(text)?;
        let known = workspace.agent(&reference).map(|agent| agent.external_id.to_string());
        Ok::<_, rungate_core::id::IdError>(known.unwrap_or_else(|| text.to_owned()))
    };
    let values = [
        (Dimension::Agent, query.one("agentId", agent)),
        (Dimension::RunAgent, query.one("runAgentId", agent)),
        (Dimension::VirtualKey, query.one("virtualKeyId", id::<VirtualKeyId>)),
        (Dimension::Member, query.one("memberId", id::<MemberId>)),
        (Dimension::ProviderKey, query.one("providerKeyId", id::<ProviderKeyId>)),
        (Dimension::Provider, query.one("provider", any)),
        (Dimension::Model, query.one("model", any)),
    ];
    values.into_iter().filter_map(|(dimension, value)| Some((dimension, value?))).collect()
}

fn group_by(text: &str) -> Result<GroupBy, String> {
    if let Some(key) = text.strip_prefix(PROPERTY_PREFIX) {
        let key = key.to_ascii_lowercase();
        let allowed = "a key has 1 to 64 characters of a-z 0-9 _ - and starts with a letter or digit";
        return if is_property_key(&key) { Ok(GroupBy::Property(key)) } else { Err(allowed.to_owned()) };
    }
    let found = Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == text);
    found.map(GroupBy::Dimension).ok_or_else(|| {
        let known = Dimension::ALL.map(Dimension::as_str).join(", ");
        format!("must be one of {known}, property:<key>")
    })
}
