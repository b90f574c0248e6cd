//! What is kept of deliveries: so many of each webhook, and for so long.

use std::time::Duration;

use rungate_core::agent::{Resource as _, ResourceKind};
use rungate_core::id::{WebhookId, WorkspaceId};
use rungate_core::page::{Order, PageRequest};
use rungate_core::ports::{self, Catalog, CatalogError, CatalogFilter, Document, StoreError, Write};
use rungate_core::time::Timestamp;
use rungate_core::webhook::{Delivery, DeliveryStatus, DueDelivery, Webhook};

use super::MAX_KEPT;

/// How long a delivery is kept.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// Removed in one commit.
const BATCH: usize = 200;

/// What belongs to one webhook.
pub fn of_webhook(webhook: WebhookId) -> CatalogFilter {
    CatalogFilter { facets: vec![("webhook".to_owned(), vec![webhook.to_string()])], search: None }
}

/// Deliveries of one webhook that are not pending.
fn ended(webhook: WebhookId) -> CatalogFilter {
    let mut filter = of_webhook(webhook);
    let statuses = DeliveryStatus::ALL.iter().filter(|status| **status != DeliveryStatus::Pending);
    filter.facets.push(("status".to_owned(), statuses.map(|status| status.as_str().to_owned()).collect()));
    filter
}

/// Removes the oldest deliveries of a webhook that has too many.
pub async fn trim(
    catalog: &dyn Catalog,
    workspace: WorkspaceId,
    webhook: WebhookId,
) -> Result<(), StoreError> {
    let filter = ended(webhook);
    let count = catalog.count(Delivery::KIND, workspace, &filter).await?;
    let excess = usize::try_from(count.saturating_sub(MAX_KEPT)).unwrap_or(usize::MAX);
    if excess > 0 {
        let page = PageRequest { limit: excess.min(BATCH), after: None, order: Order::Asc };
        remove(catalog, catalog.find(Delivery::KIND, workspace, &filter, &page).await?.items).await;
    }
    Ok(())
}

/// Removes the deliveries of every webhook that are older than they are kept. Returns how many.
pub async fn sweep(catalog: &dyn Catalog, now: Timestamp) -> Result<usize, StoreError> {
    let mut removed = 0;
    for document in catalog.all(Webhook::KIND).await? {
        let filter = ended(WebhookId::new(document.head.id));
        loop {
            let page = PageRequest { limit: BATCH, after: None, order: Order::Asc };
            let found = catalog.find(Delivery::KIND, document.head.workspace_id, &filter, &page).await?.items;
            let is_old = |found: &Document| now.since(found.head.created_at) >= KEPT;
            let old: Vec<Document> = found.into_iter().filter(is_old).collect();
            let whole = old.len() == BATCH;
            let gone = remove(catalog, old).await;
            removed += gone;
            if !whole || gone == 0 {
                break;
            }
        }
    }
    Ok(removed)
}

/// Removes deliveries. Another node, or somebody who deletes the webhook, may be faster with some. Returns how many.
async fn remove(catalog: &dyn Catalog, documents: Vec<Document>) -> usize {
    let deletes: Vec<Write> = documents
        .into_iter()
        .map(|document| Write::Delete {
            kind: Delivery::KIND,
            workspace: document.head.workspace_id,
            id: document.head.id,
        })
        .collect();
    let count = deletes.len();
    if count == 0 || catalog.commit(deletes.clone()).await.is_ok() {
        return count;
    }
    let mut removed = 0;
    for delete in deletes {
        removed += usize::from(catalog.commit(vec![delete]).await.is_ok());
    }
    removed
}

/// How often the removal of a webhook is tried while its deliveries move.
const REMOVALS: usize = 5;

/// Removes a webhook with everything that belongs to it, in one commit.
pub async fn remove_webhook(catalog: &dyn Catalog, webhook: &Webhook) -> Result<(), CatalogError> {
    let mut last = CatalogError::NotFound;
    for _ in 0..REMOVALS {
        let mut writes = vec![Write::delete(webhook)];
        for kind in [Delivery::KIND, DueDelivery::KIND] {
            writes.extend(deletes_of(catalog, kind, webhook).await?);
        }
        match catalog.commit(writes).await {
            Ok(_) => return Ok(()),
            // A delivery ended, and its place among those that are due is gone; or somebody else removed the webhook.
            Err(CatalogError::NotFound) => {}
            Err(error) => return Err(error),
        }
        ports::require::<Webhook>(catalog, webhook.head.workspace_id, webhook.head.id).await?;
        last = CatalogError::VersionConflict;
    }
    Err(last)
}

async fn deletes_of(
    catalog: &dyn Catalog,
    kind: ResourceKind,
    webhook: &Webhook,
) -> Result<Vec<Write>, StoreError> {
    let filter = of_webhook(webhook.id());
    let workspace = webhook.head.workspace_id;
    let mut page = PageRequest { limit: BATCH, after: None, order: Order::Asc };
    let mut deletes = Vec::new();
    loop {
        let found = catalog.find(kind, workspace, &filter, &page).await?;
        let ids = found.items.iter().map(|document| document.head.id);
        deletes.extend(ids.map(|id| Write::Delete { kind, workspace, id }));
        match found.next {
            Some(next) => page.after = Some(next),
            None => return Ok(deletes),
        }
    }
}
