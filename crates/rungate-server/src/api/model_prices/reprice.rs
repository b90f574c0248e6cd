//! `GET /model-prices/reprice`

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rungate_core::agent::PriceOverride;
use rungate_core::exchange::{ExchangeFilter, ExchangeRecord};
use rungate_core::id::WorkspaceId;
use rungate_core::money::NanoUsd;
use rungate_core::page::{Page, PageRequest};
use rungate_core::ports::{CatalogFilter, Log, Row, StoreError};
use rungate_core::time::Timestamp;
use rungate_gateway::prices::{OwnPrices, Repriced, reprice as at_prices};
use rungate_llm::catalog::Catalogue;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::auth::{Caller, workspace_entry};
use crate::api::envelope::{Envelope, ok};
use crate::api::error::ApiError;
use crate::api::paging::{MAX_PAGE, Paging};
use crate::api::params::Params;
use crate::api::price_snapshots::named::{self, ACTIVE};
use crate::api::requests::filter::{self, RequestFilters, Wanted};
use crate::api::requests::fresh::caught_up;
use crate::api::requests::query::list_name;
use crate::api::resources;
use crate::services::Services;

/// At most so many requests are priced in one answer; the next one goes on.
const MAX_ROWS: usize = 2_000;
/// How many of the requests that differ most are named.
const MAX_NAMED: usize = 20;
/// Parameters of this route alone.
const OWN_PARAMETERS: [&str; 2] = ["snapshot", "ignoreOverrides"];
/// Parameters of lists that this route, which has its own measure, does not take.
const NOT_TAKEN: [&str; 5] = ["limit", "page", "pageSize", "count", "order"];

/// What requests cost, and would have cost at another price catalogue. Amounts are nano-dollars; unknown costs are
/// counted and stand in no sum.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepriceView {
    /// The catalogue that was priced by.
    price_snapshot_id: String,
    /// The window: requests that came in at or after this time.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// And before this; null: until now.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Requests in this answer that were looked at, open ones included.
    requests: u64,
    /// Those that have not ended and have no cost yet.
    pending: u64,
    /// Sums of this answer by the model that answered. Add up those of all answers.
    models: Vec<ModelSums>,
    /// The requests of this answer whose cost differs most, most different first.
    most_different: Vec<DifferentRequest>,
    /// Asks for the next part; null when all were priced.
    next_cursor: Option<String>,
}

/// Sums of one model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelSums {
    /// The provider's id; empty where none was chosen.
    provider: String,
    /// The model; empty where none is known.
    model: String,
    /// Requests that ended.
    requests: u64,
    /// What those of known cost cost.
    cost_then_nano_usd: String,
    /// What those of known cost would have cost.
    cost_now_nano_usd: String,
    /// The second less the first, over requests whose cost is known on both sides.
    difference_nano_usd: String,
    /// Requests whose cost is recorded as unknown.
    unknown_then: u64,
    /// Requests whose cost would be unknown.
    unknown_now: u64,
}

/// A request whose cost differs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferentRequest {
    /// Its id.
    id: String,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The provider's id.
    provider: String,
    /// The model.
    model: String,
    /// What it was priced by.
    price_snapshot_id: Option<String>,
    /// What it cost.
    cost_then_nano_usd: String,
    /// What it would have cost.
    cost_now_nano_usd: String,
    /// The second less the first.
    difference_nano_usd: String,
}

/// Price requests again, by another price catalogue, and tell the difference. Nothing is changed. Takes the filters of
/// `/requests`; each request is priced as of the time it came in, by its recorded counts, and the workspace's own prices
/// win as they did then. Answers at most 2000 requests at a time; `cursor` goes on.
#[utoipa::path(get, path = "/api/v1/model-prices/reprice", tag = "Prices",
    params(
        ("snapshot" = Option<String>, Query, description = "An id, `embedded` or `active` (default)"),
        ("ignoreOverrides" = Option<bool>, Query, description = "Leave the workspace's own prices out"),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the answer before"),
        RequestFilters,
    ),
    responses((status = 200, body = Envelope<RepriceView>)))]
pub async fn reprice(
    State(services): State<Arc<Services>>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    let workspace = workspace_entry(&services, caller.workspace)?;
    if let Some(name) = NOT_TAKEN.iter().find(|name| params.get(name).is_some()) {
        return Err(ApiError::field(*name, "unknown_parameter", "is not a parameter of this route"));
    }
    let ignore = params.parse::<bool>("ignoreOverrides", "must be true or false")?.unwrap_or(false);
    let Wanted { mut filter, .. } = filter::read(&params.without(&OWN_PARAMETERS), &workspace)?;
    let mut paging = Paging::read(&params, list_name(&services, &params, "reprice"))?;
    paging.check_uuid()?;
    filter::bound(&mut filter, &mut paging, services.clock.now())?;
    let catalogue = named::require(&services, params.get("snapshot").unwrap_or(ACTIVE)).await?;
    let own = if ignore { None } else { Some(own_prices(&services, caller.workspace).await?) };
    caught_up(&services).await;
    let (log, tenant, wanted) = (&*services.log, caller.workspace, &filter);
    let page = paging.fetch(|request| async move { rows(log, tenant, wanted, request).await }).await?;
    let Page { items, next } = page;
    let mut report = Report::default();
    for row in &items {
        report.add(&row.record, own.as_ref(), &catalogue);
    }
    let list = paging.list(Page::<()> { items: Vec::new(), next }, None);
    Ok(ok(report.view(&catalogue, &filter, list.next_cursor)))
}

/// Every price that the workspace ever set, withdrawn ones included.
async fn own_prices(services: &Services, workspace: WorkspaceId) -> Result<OwnPrices, ApiError> {
    let mut own = OwnPrices::default();
    for price in resources::all::<PriceOverride>(services, workspace, &CatalogFilter::default()).await? {
        own.add(price);
    }
    Ok(own)
}

/// As many pages as make [`MAX_ROWS`].
async fn rows(
    log: &dyn Log,
    workspace: WorkspaceId,
    filter: &ExchangeFilter,
    request: PageRequest,
) -> Result<Page<Row>, StoreError> {
    let mut all = Page { items: Vec::new(), next: request.after };
    loop {
        let next = PageRequest { limit: MAX_PAGE, after: all.next.take(), order: request.order };
        let page = log.find(workspace, filter, &next).await?;
        all.items.extend(page.items);
        all.next = page.next;
        if all.next.is_none() || all.items.len() >= MAX_ROWS {
            return Ok(all);
        }
    }
}

#[derive(Default)]
struct Sums {
    requests: u64,
    then: i128,
    now: i128,
    difference: i128,
    unknown_then: u64,
    unknown_now: u64,
}

#[derive(Default)]
struct Report<'a> {
    requests: u64,
    pending: u64,
    models: BTreeMap<(&'a str, &'a str), Sums>,
    different: Vec<(i128, &'a ExchangeRecord, Repriced)>,
}

impl<'a> Report<'a> {
    fn add(&mut self, record: &'a ExchangeRecord, own: Option<&OwnPrices>, catalogue: &Catalogue) {
        self.requests += 1;
        let Some(repriced) = at_prices(record, own, catalogue) else {
            self.pending += 1;
            return;
        };
        let sums = self.models.entry(named_as(record)).or_default();
        let nanos = |cost: Option<NanoUsd>| cost.map_or(0, |cost| i128::from(cost.nanos()));
        // A sum of i64s cannot leave an i128.
        sums.requests += 1;
        sums.then += nanos(repriced.then);
        sums.now += nanos(repriced.now);
        sums.unknown_then += u64::from(repriced.then.is_none());
        sums.unknown_now += u64::from(repriced.now.is_none());
        let Some(difference) = repriced.difference() else { return };
        sums.difference += difference;
        if difference != 0 {
            self.different.push((difference, record, repriced));
        }
    }

    fn view(mut self, catalogue: &Catalogue, filter: &ExchangeFilter, cursor: Option<String>) -> RepriceView {
        self.different
            .sort_by_key(|(difference, record, _)| (std::cmp::Reverse(difference.unsigned_abs()), record.id));
        let text = |cost: Option<NanoUsd>| cost.unwrap_or_default().nanos().to_string();
        let different = self.different.iter().take(MAX_NAMED).map(|(difference, record, repriced)| {
            let (provider, model) = named_as(record);
            DifferentRequest {
                id: record.id.to_string(),
                created_at: record.created_at,
                provider: provider.to_owned(),
                model: model.to_owned(),
                price_snapshot_id: record.price_snapshot_id.clone(),
                cost_then_nano_usd: text(repriced.then),
                cost_now_nano_usd: text(repriced.now),
                difference_nano_usd: difference.to_string(),
            }
        });
        RepriceView {
            price_snapshot_id: catalogue.snapshot_id().to_owned(),
            from: filter.from.unwrap_or_default(),
            to: filter.to,
            requests: self.requests,
            pending: self.pending,
            most_different: different.collect(),
            models: self
                .models
                .into_iter()
                .map(|((provider, model), sums)| ModelSums {
                    provider: provider.to_owned(),
                    model: model.to_owned(),
                    requests: sums.requests,
                    cost_then_nano_usd: sums.then.to_string(),
                    cost_now_nano_usd: sums.now.to_string(),
                    difference_nano_usd: sums.difference.to_string(),
                    unknown_then: sums.unknown_then,
                    unknown_now: sums.unknown_now,
                })
                .collect(),
            next_cursor: cursor,
        }
    }
}

/// Provider and model that answered.
fn named_as(record: &ExchangeRecord) -> (&str, &str) {
    (record.provider.as_deref().unwrap_or_default(), record.model.as_deref().unwrap_or_default())
}
