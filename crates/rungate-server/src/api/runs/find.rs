//! Finds a run by either of its ids, and the requests of a run.

use std::time::Duration;

use rungate_core::exchange::{ExchangeFilter, ExchangeRecord, Run};
use rungate_core::id::{RunId, WorkspaceId};
use rungate_core::page::{Order, PageRequest};
use rungate_core::time::Timestamp;
use rungate_core::trail::{Contents, Registration, TrailEntry, TrailFilter, TrailKind, What};
use rungate_gateway::directory::WorkspaceEntry;

use crate::api::error::ApiError;
use crate::api::paging::MAX_PAGE;
use crate::services::Services;

/// At most this many requests of a run are read for its steps and properties.
pub const MAX_REQUESTS: usize = 10_000;

/// The run that `id` names: ours first, then the caller's.
pub async fn require(services: &Services, workspace: WorkspaceId, id: &str) -> Result<Run, ApiError> {
    if let Ok(ours) = id.parse()
        && let Some(run) = services.log.run_by_uuid(workspace, ours).await?
    {
        return Ok(run);
    }
    let run = match RunId::parse(id) {
        Ok(theirs) => services.log.run(workspace, &theirs).await?,
        Err(_) => None,
    };
    run.ok_or_else(|| ApiError::not_found("run"))
}

/// The filter of a run's requests.
pub fn requests_of(run: &Run) -> ExchangeFilter {
    ExchangeFilter {
        run_ids: vec![run.run_id.clone()],
        from: Some(run.started_at),
        ..ExchangeFilter::default()
    }
}

/// The requests of a run, oldest first, and whether there are more than are read.
pub async fn requests(services: &Services, run: &Run) -> Result<(Vec<ExchangeRecord>, bool), ApiError> {
    let filter = requests_of(run);
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let request = PageRequest { limit: MAX_PAGE, after, order: Order::Asc };
        let page = services.log.find(run.workspace_id, &filter, &request).await?;
        found.extend(page.items.into_iter().map(|row| row.record));
        match page.next {
            Some(_) if found.len() >= MAX_REQUESTS => return Ok((found, true)),
            Some(next) => after = Some(next),
            None => return Ok((found, false)),
        }
    }
}

/// The entries of a run's trail, oldest first, and whether there are more than are read.
pub async fn told(services: &Services, run: &Run) -> Result<(Vec<TrailEntry>, bool), ApiError> {
    let filter = TrailFilter { run_id: Some(run.run_id.clone()), ..TrailFilter::default() };
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let request = PageRequest { limit: MAX_PAGE, after, order: Order::Asc };
        let page = services.log.trail(run.workspace_id, &filter, Contents::LeftOut, &request).await?;
        found.extend(page.items.into_iter().map(|row| row.entry));
        match page.next {
            Some(_) if found.len() >= MAX_REQUESTS => return Ok((found, true)),
            Some(next) => after = Some(next),
            None => return Ok((found, false)),
        }
    }
}

/// How a run was registered, and its system prompt as far as that is kept.
pub async fn registration(
    services: &Services,
    run: &Run,
) -> Result<Option<(Registration, Option<String>)>, ApiError> {
    if run.registered_at.is_none() {
        return Ok(None);
    }
    let filter = TrailFilter {
        run_id: Some(run.run_id.clone()),
        kinds: vec![TrailKind::Registered],
        ..TrailFilter::default()
    };
    let page = PageRequest { limit: 1, ..PageRequest::default() };
    let found = services.log.trail(run.workspace_id, &filter, Contents::Read, &page).await?;
    let Some(row) = found.items.into_iter().next() else { return Ok(None) };
    let prompt = row.content.map(|content| String::from_utf8_lossy(&content).into_owned());
    let registration = match row.entry.what {
        What::Registered(registration) => registration,
        _ => Registration::default(),
    };
    Ok(Some((registration, prompt)))
}

/// Runs and sessions without activity since then are idle.
pub fn idle_before(services: &Services, workspace: &WorkspaceEntry) -> Timestamp {
    let minutes = u64::from(workspace.workspace.settings.idle_minutes);
    services.clock.now().minus(Duration::from_mins(minutes))
}
