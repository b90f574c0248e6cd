//! Which requests a query means.

use std::time::Duration;

use rungate_core::code::Code;
use rungate_core::exchange::{ExchangeFilter, StatusFilter};
use rungate_core::id::{ProviderKeyId, RequestId, RunId, SessionId, TraceId, UserId};
use rungate_core::money::NanoUsd;
use rungate_core::page::Order;
use rungate_core::time::Timestamp;
use rungate_gateway::directory::WorkspaceEntry;
use utoipa::IntoParams;

use super::query::{Query, any, flag, named, uuid, whole};
use crate::api::error::ApiError;
use crate::api::paging::Paging;
use crate::api::params::Params;

/// The window of a query that names none.
const DEFAULT_WINDOW: Duration = Duration::from_hours(24);
/// The longest window.
const MAX_WINDOW: Duration = Duration::from_hours(92 * 24);

/// The filters of requests: joined by AND; the values of a repeated one by OR.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes parameters that `read` reads, and names those that are accepted")]
pub struct RequestFilters {
    /// Our id, as in `alephant-id`.
    id: Option<Vec<String>>,
    /// The client's `x-request-id`.
    request_id: Option<Vec<String>>,
    /// The caller's run id.
    run_id: Option<Vec<String>>,
    /// The caller's session id.
    session_id: Option<Vec<String>>,
    /// The trace.
    trace_id: Option<Vec<String>>,
    /// UUID or external id of an agent.
    agent_id: Option<Vec<String>>,
    /// The member that the key is bound to.
    member_id: Option<Vec<String>>,
    /// Refused: this version has no departments.
    department_id: Option<Vec<String>>,
    /// The virtual key.
    virtual_key_id: Option<Vec<String>>,
    /// The provider key used last.
    provider_key_id: Option<Vec<String>>,
    /// The same as `providerKeyId`.
    master_key_id: Option<Vec<String>>,
    /// The model asked for or the model that answered.
    model: Option<Vec<String>>,
    /// The provider that answered.
    provider: Option<Vec<String>>,
    /// `chat`, `completion`, `response`, `message`, `embedding`, `image`, `audio`, `moderation`, `workflow` or `paid`.
    kind: Option<Vec<String>>,
    /// A status such as `200`, a class such as `4xx`, or `error`.
    status: Option<Vec<String>>,
    /// `pending`, `interrupted`, `succeeded`, `refused`, `upstream_failed`, `client_closed` or `abandoned`.
    outcome: Option<Vec<String>>,
    /// The code of the error the client got.
    error_code: Option<Vec<String>>,
    /// The end user.
    user_id: Option<Vec<String>>,
    /// Requests with this property.
    #[param(rename = "property.<key>")]
    property: Option<Vec<String>>,
    /// Came in at or after; RFC 3339. By default 24 hours before `to`.
    from: Option<String>,
    /// Came in before; RFC 3339. By default now. At most 92 days after `from`.
    to: Option<String>,
    /// Cost at least this many dollars.
    min_cost_usd: Option<String>,
    /// Took at least this long.
    min_latency_ms: Option<u64>,
    /// Text in ids, model, property values, error text and previews, without regard to case.
    q: Option<String>,
    /// `desc` (default) or `asc`, by time.
    order: Option<String>,
    /// `true` counts all matches into `total`.
    count: Option<bool>,
}

/// What a query asks for.
#[derive(Debug)]
pub struct Wanted {
    /// Which requests.
    pub filter: ExchangeFilter,
    /// In which order.
    pub order: Order,
    /// Whether to count them.
    pub count: bool,
}

/// Reads the query of a list of requests. The window is as it was given; see [`bound`].
pub fn read(params: &Params, workspace: &WorkspaceEntry) -> Result<Wanted, ApiError> {
    if params.get("departmentId").is_some() {
        return Err(ApiError::not_supported_yet("departmentId"));
    }
    let mut query = Query::open::<RequestFilters>(params);
    let agents = query.agents(workspace);
    let mut provider_key_ids = query.all("providerKeyId", uuid::<ProviderKeyId>);
    provider_key_ids.extend(query.all("masterKeyId", uuid::<ProviderKeyId>));
    let codes: Vec<Code> = query.all("errorCode", named);
    let (from, to) = window(&mut query);
    let filter = ExchangeFilter {
        ids: query.all("id", uuid),
        request_ids: query.all("requestId", RequestId::parse),
        run_ids: query.all("runId", RunId::parse),
        session_ids: query.all("sessionId", SessionId::parse),
        trace_ids: query.all("traceId", TraceId::parse),
        agent_ids: agents.ids,
        agent_external_ids: agents.external_ids,
        member_ids: query.all("memberId", uuid),
        virtual_key_ids: query.all("virtualKeyId", uuid),
        provider_key_ids,
        models: query.all("model", any),
        providers: query.all("provider", any),
        kinds: query.all("kind", named),
        statuses: query.all("status", status),
        outcomes: query.all("outcome", named),
        error_codes: codes.iter().map(|code| code.as_str().to_owned()).collect(),
        user_ids: query.all("userId", UserId::parse),
        properties: query.properties(),
        from,
        to,
        min_cost: query.one("minCostUsd", dollars),
        min_latency_ms: query.one("minLatencyMs", whole),
        text: query.text("q"),
    };
    let order = query.one("order", named).unwrap_or_default();
    let count = query.one("count", flag).unwrap_or_default();
    query.finish()?;
    Ok(Wanted { filter, order, count })
}

/// Reads `from` and `to`.
pub fn window(query: &mut Query<'_>) -> (Option<Timestamp>, Option<Timestamp>) {
    let (from, to) = (query.one("from", Timestamp::parse), query.one("to", Timestamp::parse));
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        query.fail("from", "range", "must be before to");
    }
    (from, to)
}

/// Gives the filter a window of at most 92 days: the log is kept in days, and all of them would be searched.
pub fn bound(filter: &mut ExchangeFilter, paging: &mut Paging, now: Timestamp) -> Result<(), ApiError> {
    let until = filter.to.unwrap_or(now);
    let from = filter.from.unwrap_or_else(|| paging.since(until.minus(DEFAULT_WINDOW)));
    if until.since(from) > MAX_WINDOW {
        let message = "the time from from to to is longer than 92 days";
        return Err(ApiError::new(Code::WindowTooLong, message).at("from"));
    }
    filter.from = Some(from);
    Ok(())
}

fn status(text: &str) -> Result<StatusFilter, &'static str> {
    let filter = match text.as_bytes() {
        b"error" => Some(StatusFilter::Error),
        [class @ b'1'..=b'5', b'x', b'x'] => Some(StatusFilter::Class(u16::from(class - b'0'))),
        [b'1'..=b'5', _, _] => text.parse().ok().map(StatusFilter::Exact),
        _ => None,
    };
    filter.ok_or("must be a status such as 200, a class such as 4xx, or error")
}

/// Reads an amount of dollars that is not negative.
pub fn dollars(text: &str) -> Result<NanoUsd, String> {
    let amount = NanoUsd::parse_usd(text).map_err(|error| error.to_string())?;
    if amount < NanoUsd::ZERO { Err("must not be negative".to_owned()) } else { Ok(amount) }
}
