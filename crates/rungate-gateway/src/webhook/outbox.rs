//! Where events are left for the webhooks that want them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rungate_core::agent::{Head, Resource as _};
use rungate_core::id::{WebhookId, WorkspaceId};
use rungate_core::page::{Order, PageRequest};
use rungate_core::ports::{
    self, Catalog, CatalogError, CatalogFilter, Clock, Entropy, StoreError, Write, fresh_uuid,
};
use rungate_core::webhook::{Delivery, DeliveryStatus, DueDelivery, Event, Webhook};
use tokio::sync::Notify;

use super::watch::{Tried, Watch};
use super::{MAX_PENDING, MAX_WEBHOOKS, keep, of_store};

/// Takes events and keeps them until they are delivered.
pub struct Outbox {
    catalog: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    watch: Arc<dyn Watch>,
    left: Notify,
}

impl Outbox {
    /// An outbox over the catalog that all nodes share.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        watch: Arc<dyn Watch>,
    ) -> Self {
        Self { catalog, clock, entropy, watch, left: Notify::new() }
    }

    /// Leaves events for the enabled webhooks of their workspaces that want their types. When it returns they are stored,
    /// in one commit; they are sent later, by whichever node is first. One that was left before is not left again.
    ///
    /// It reads and writes the catalog, and each commit makes every node read its picture of the catalog anew: for what
    /// happens a few times a second at most, and not from within a request. Returns how many deliveries are new.
    pub async fn leave(&self, events: &[Event]) -> Result<usize, StoreError> {
        let mut of_workspaces: BTreeMap<WorkspaceId, Vec<&Event>> = BTreeMap::new();
        for event in events {
            of_workspaces.entry(event.workspace).or_default().push(event);
        }
        let mut deliveries = Vec::new();
        for (workspace, events) in of_workspaces {
            for webhook in self.webhooks(workspace).await? {
                deliveries.extend(self.for_webhook(&webhook, &events).await?);
            }
        }
        if deliveries.is_empty() {
            return Ok(0);
        }
        let new = self.store(&deliveries).await?;
        self.left.notify_one();
        let webhooks: BTreeMap<WebhookId, WorkspaceId> =
            deliveries.iter().map(|delivery| (delivery.webhook, delivery.head.workspace_id)).collect();
        for (webhook, workspace) in webhooks {
            self.trim(workspace, webhook).await;
        }
        Ok(new)
    }

    /// Keeps a delivery that was already tried and is not to be tried again.
    pub async fn note(&self, delivery: &Delivery) -> Result<(), CatalogError> {
        self.catalog.commit(vec![Write::insert(delivery)?]).await?;
        self.trim(delivery.head.workspace_id, delivery.webhook).await;
        Ok(())
    }

    /// Sends a delivery again: at once where it is waiting for its next try, and with a new series of tries where it was
    /// delivered or given up. One that is being sent stays as it is.
    pub async fn send_again(&self, mut delivery: Delivery) -> Result<Delivery, CatalogError> {
        let now = self.clock.now();
        let Head { id, workspace_id, .. } = delivery.head;
        let due = ports::load::<DueDelivery>(&*self.catalog, workspace_id, id).await?;
        if due.as_ref().is_some_and(|due| due.claimed && due.at > now) {
            return Ok(delivery);
        }
        delivery.status = DeliveryStatus::Pending;
        delivery.next_try_at = Some(now);
        let due = match due {
            Some(due) => Write::update(&DueDelivery { at: now, ..due }.touched(now))?,
            None => Write::insert(&DueDelivery::of(&delivery, now))?,
        };
        let delivery = delivery.touched(now);
        self.catalog.commit(vec![Write::update(&delivery)?, due]).await?;
        self.left.notify_one();
        Ok(delivery)
    }

    /// Returns when something was left on this node since the last call. For its one courier.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }

    async fn trim(&self, workspace: WorkspaceId, webhook: WebhookId) {
        if let Err(error) = keep::trim(&*self.catalog, workspace, webhook).await {
            tracing::warn!(%error, %webhook, "old deliveries were not removed; the next one tries again");
        }
    }

    async fn webhooks(&self, workspace: WorkspaceId) -> Result<Vec<Webhook>, StoreError> {
        // The bound on webhooks is checked when one is made, where two may be at the same time.
        let page = PageRequest { limit: 2 * MAX_WEBHOOKS, after: None, order: Order::Asc };
        Ok(ports::list(&*self.catalog, workspace, &CatalogFilter::default(), &page).await?.items)
    }

    /// The deliveries of what a webhook wants, as far as it has room.
    async fn for_webhook(&self, webhook: &Webhook, events: &[&Event]) -> Result<Vec<Delivery>, StoreError> {
        let wanted: Vec<&&Event> = events.iter().filter(|event| webhook.wants(event.event_type)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let filter = keep::of_webhook(webhook.id());
        let pending = self.catalog.count(DueDelivery::KIND, webhook.head.workspace_id, &filter).await?;
        let room = usize::try_from(MAX_PENDING.saturating_sub(pending)).unwrap_or(usize::MAX);
        if let Some(dropped) = wanted.len().checked_sub(room).filter(|dropped| *dropped > 0) {
            tracing::warn!(webhook = %webhook.id(), dropped, "events are dropped: too many of this webhook are pending");
            (0..dropped).for_each(|_| self.watch.tried(Tried::Dropped));
        }
        Ok(wanted.into_iter().take(room).map(|event| self.delivery(webhook, event)).collect())
    }

    fn delivery(&self, webhook: &Webhook, event: &Event) -> Delivery {
        let now = self.clock.now();
        Delivery {
            head: Head::new(fresh_uuid(&*self.entropy, now), webhook.head.workspace_id, now),
            webhook: webhook.id(),
            event: event.id(),
            event_type: event.event_type,
            payload: event.body(),
            status: DeliveryStatus::Pending,
            attempts: Vec::new(),
            next_try_at: Some(now),
        }
    }

    /// Stores deliveries; where some were left before, the others. How many are new.
    async fn store(&self, deliveries: &[Delivery]) -> Result<usize, StoreError> {
        let each: Vec<[Write; 2]> = deliveries
            .iter()
            .map(|delivery| {
                let due = DueDelivery::of(delivery, delivery.head.created_at);
                Ok([Write::insert(delivery)?, Write::insert(&due)?])
            })
            .collect::<Result<_, StoreError>>()?;
        match self.catalog.commit(each.iter().flatten().cloned().collect()).await {
            Ok(_) => return Ok(deliveries.len()),
            Err(CatalogError::AlreadyExists(_)) => {}
            Err(error) => return Err(of_store(error)),
        }
        let mut new = 0;
        for writes in each {
            match self.catalog.commit(writes.into()).await {
                Ok(_) => new += 1,
                Err(CatalogError::AlreadyExists(_)) => {}
                Err(error) => return Err(of_store(error)),
            }
        }
        Ok(new)
    }
}
