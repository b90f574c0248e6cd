//! Reads and writes the resources of a workspace.

use rungate_core::agent::Resource;
use rungate_core::id::WorkspaceId;
use rungate_core::page::{Order, Page, PageRequest};
use rungate_core::ports::{self, CatalogFilter, Write};
use uuid::Uuid;

use super::error::ApiError;
use super::paging::{List, MAX_PAGE, Paging};
use crate::services::Services;

/// One resource of the workspace; 404 saying `what` was not found.
pub async fn require<R: Resource>(
    services: &Services,
    workspace: WorkspaceId,
    id: Uuid,
    what: &str,
) -> Result<R, ApiError> {
    ports::load(&*services.catalog, workspace, id).await?.ok_or_else(|| ApiError::not_found(what))
}

/// Commits all changes or none; when it returns they are in force on this node, unless its store has just gone away.
pub async fn commit(services: &Services, writes: Vec<Write>) -> Result<(), ApiError> {
    services.catalog.commit(writes).await?;
    // What is committed is committed: an error now would hide a token that is shown once. The poll catches up.
    if let Err(error) = services.directories.refresh(&*services.catalog).await {
        tracing::error!(%error, "a change is stored but not in force yet: the directory could not be refreshed");
    }
    Ok(())
}

/// A page of resources with their exact number, each put on the wire by `view`.
pub async fn list<R: Resource, V>(
    services: &Services,
    workspace: WorkspaceId,
    filter: &CatalogFilter,
    paging: &Paging,
    view: impl Fn(R) -> V,
) -> Result<List<V>, ApiError> {
    paging.check_uuid()?;
    let catalog = &*services.catalog;
    let page = paging
        .fetch(|request| async move { ports::list::<R>(catalog, workspace, filter, &request).await })
        .await?;
    let total = catalog.count(R::KIND, workspace, filter).await?;
    Ok(paging.list(page.map(view), Some(total)))
}

/// Every resource that matches, oldest first: for rules over all of them.
pub async fn all<R: Resource>(
    services: &Services,
    workspace: WorkspaceId,
    filter: &CatalogFilter,
) -> Result<Vec<R>, ApiError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let request = PageRequest { limit: MAX_PAGE, after, order: Order::Asc };
        let Page { items, next } = ports::list::<R>(&*services.catalog, workspace, filter, &request).await?;
        found.extend(items);
        match next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// A filter on one facet.
pub fn facet(name: &str, values: &[&str]) -> CatalogFilter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    CatalogFilter { facets: vec![(name.to_owned(), values)], search: None }
}
