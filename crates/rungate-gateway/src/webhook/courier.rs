//! Empties the outbox: claims what is due, sends it, and records what came of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rungate_core::agent::Resource as _;
use rungate_core::id::WebhookId;
use rungate_core::ports::{self, Catalog, CatalogError, Clock, Document, Entropy, StoreError, Write};
use rungate_core::time::Timestamp;
use rungate_core::webhook::{Attempt, Delivery, DeliveryStatus, DueDelivery, Webhook};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::outbox::Outbox;
use super::sender::Sender;
use super::watch::{Tried, Watch};

/// How fast a courier goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// When what failed is tried again.
    pub backoff: Backoff,
    /// Tries at once.
    pub at_once: usize,
    /// Of those, to one webhook: one that hangs does not hold up the others.
    pub at_once_each: usize,
    /// How often it looks for what other nodes left, or left over.
    pub look_every: Duration,
    /// How much longer than a try can take a claim holds.
    pub slack: Duration,
}

impl Pace {
    /// What the server goes by.
    pub const USUAL: Self = Self {
        backoff: Backoff::WITHIN_A_DAY,
        at_once: 16,
        at_once_each: 4,
        look_every: Duration::from_secs(2),
        slack: Duration::from_secs(45),
    };
}

/// How long tries that were begun may go on when the courier is to stop. One that is cut off is made again.
const LAST_CALL: Duration = Duration::from_secs(5);

/// Delivers what is in the outbox.
pub struct Courier {
    /// The store.
    pub catalog: Arc<dyn Catalog>,
    /// Where events are left on this node.
    pub outbox: Arc<Outbox>,
    /// Makes a try.
    pub sender: Arc<Sender>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Told how it goes.
    pub watch: Arc<dyn Watch>,
    /// How fast it goes.
    pub pace: Pace,
}

/// What a courier has in hand.
#[derive(Default)]
struct Hands {
    /// Due when it last looked, the longest due first.
    ready: Vec<DueDelivery>,
    /// Tries that go on.
    tries: JoinSet<()>,
    /// Whose they are.
    busy: HashMap<Id, WebhookId>,
}

impl Courier {
    /// Delivers until `shutdown`, and ends what it has begun.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut hands = Hands::default();
        let mut look_at = Instant::now();
        let mut failing = false;
        loop {
            if look_at <= Instant::now() {
                let looked = self.look(&mut hands).await;
                match &looked {
                    Err(error) if !failing => {
                        tracing::warn!(%error, "webhooks wait: the outbox cannot be read");
                    }
                    Ok(_) if failing => tracing::info!("the outbox can be read again"),
                    Ok(_) | Err(_) => {}
                }
                failing = looked.is_err();
                look_at = Instant::now() + looked.unwrap_or(self.pace.look_every);
            }
            self.start(&mut hands).await;
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.outbox.left() => look_at = Instant::now(),
                () = tokio::time::sleep_until(look_at) => {}
                Some(ended) = hands.tries.join_next_with_id() => hands.ended(ended),
            }
        }
        let ending = async { while hands.tries.join_next().await.is_some() {} };
        // What does not end in time is cut off by the drop of its set, and made again when its claim has run out.
        let _ = tokio::time::timeout(LAST_CALL, ending).await;
    }

    /// Reads what is due now. Returns when to look again.
    async fn look(&self, hands: &mut Hands) -> Result<Duration, StoreError> {
        let due = self.catalog.all(DueDelivery::KIND).await?;
        let now = self.clock.now();
        let oldest = due.iter().map(|document| document.head.created_at).min();
        self.watch.pending(due.len(), oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)));
        let due = due.iter().map(Document::read::<DueDelivery>).collect::<Result<Vec<_>, _>>()?;
        let (mut ready, later): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.at <= now);
        ready.sort_by_key(|due| (due.at, due.head.id));
        hands.ready = ready;
        let next = later.iter().map(|due| due.at.since(now)).min().unwrap_or(self.pace.look_every);
        Ok(next.min(self.pace.look_every))
    }

    /// Claims as much of what is ready as may be tried at once, and begins.
    async fn start(self: &Arc<Self>, hands: &mut Hands) {
        let chosen = hands.choose(&self.pace);
        for due in self.claim(chosen).await {
            let (webhook, courier) = (due.webhook, Arc::clone(self));
            let task = hands.tries.spawn(async move {
                let id = due.head.id;
                match courier.deliver(due).await {
                    // Its webhook was deleted meanwhile.
                    Ok(()) | Err(CatalogError::NotFound) => {}
                    Err(error) => {
                        tracing::warn!(%error, delivery = %id, "a try is not recorded and will be made again");
                    }
                }
            });
            hands.busy.insert(task.id(), webhook);
        }
    }

    /// Claims deliveries. Those that another node claimed first are left to it.
    async fn claim(&self, chosen: Vec<DueDelivery>) -> Vec<DueDelivery> {
        let now = self.clock.now();
        let until = now.plus(self.sender.longest() + self.pace.slack);
        let claims: Vec<DueDelivery> = chosen
            .into_iter()
            .map(|due| DueDelivery { at: until, tries: due.tries + 1, claimed: true, ..due }.touched(now))
            .collect();
        if claims.is_empty() {
            return claims;
        }
        let writes: Result<Vec<Write>, StoreError> = claims.iter().map(Write::update).collect();
        let Ok(writes) = writes else { return Vec::new() };
        match self.catalog.commit(writes.clone()).await {
            Ok(_) => return claims,
            Err(CatalogError::Store(error)) => {
                tracing::warn!(%error, "webhooks wait: nothing can be claimed");
                return Vec::new();
            }
            Err(_) => {}
        }
        let mut claimed = Vec::new();
        for (claim, write) in claims.into_iter().zip(writes) {
            if self.catalog.commit(vec![write]).await.is_ok() {
                claimed.push(claim);
            }
        }
        claimed
    }

    /// Tries a claimed delivery once and records what came of it.
    async fn deliver(&self, due: DueDelivery) -> Result<(), CatalogError> {
        let (workspace, id) = (due.head.workspace_id, due.head.id);
        let delivery: Option<Delivery> = ports::load(&*self.catalog, workspace, id).await?;
        let webhook: Option<Webhook> = ports::load(&*self.catalog, workspace, due.webhook.uuid()).await?;
        let (Some(delivery), Some(webhook)) = (&delivery, webhook) else {
            // Left while the webhook was being deleted.
            let delivery = delivery.as_ref().map(Write::delete);
            self.catalog.commit(delivery.into_iter().chain([Write::delete(&due)]).collect()).await?;
            return Ok(());
        };
        let attempt = if !webhook.enabled {
            self.not_made("the webhook is disabled")
        } else if due.tries > self.pace.backoff.tries {
            self.not_made("what came of the last try is not known: the server ended during it")
        } else {
            self.sender.send(&webhook, delivery.event, &delivery.payload).await
        };
        let is_gone = attempt.status == Some(410);
        let pause = match () {
            () if attempt.succeeded() || is_gone || !webhook.enabled => None,
            () => self.pause(due.tries),
        };
        self.watch.tried(match (&attempt.error, pause) {
            (None, _) => Tried::Delivered,
            (Some(_), Some(_)) => Tried::Failed,
            (Some(_), None) => Tried::Dead,
        });
        self.record(delivery.clone(), due, attempt, pause).await?;
        if is_gone {
            self.disable(webhook).await?;
        }
        Ok(())
    }

    fn pause(&self, tried: u32) -> Option<Duration> {
        let mut chance = [0];
        self.entropy.fill(&mut chance);
        self.pace.backoff.after(tried, chance[0])
    }

    fn not_made(&self, why: &str) -> Attempt {
        let error = Some(why.to_owned());
        Attempt { at: self.clock.now(), duration_ms: 0, status: None, error, answer: None }
    }

    /// Records a try, and with it either when the next one is or that there is none.
    async fn record(
        &self,
        mut delivery: Delivery,
        due: DueDelivery,
        attempt: Attempt,
        pause: Option<Duration>,
    ) -> Result<(), CatalogError> {
        let now = self.clock.now();
        let next: Option<Timestamp> = pause.map(|pause| now.plus(pause));
        delivery.status = match (attempt.succeeded(), next) {
            (true, _) => DeliveryStatus::Delivered,
            (false, Some(_)) => DeliveryStatus::Pending,
            (false, None) => DeliveryStatus::Dead,
        };
        delivery.next_try_at = next;
        delivery.note(attempt);
        let due = match next {
            Some(at) => Write::update(&DueDelivery { at, claimed: false, ..due }.touched(now))?,
            None => Write::delete(&due),
        };
        self.catalog.commit(vec![Write::update(&delivery.touched(now))?, due]).await?;
        Ok(())
    }

    /// The receiver said that it is gone for good. Somebody who changes the webhook meanwhile knows better.
    async fn disable(&self, webhook: Webhook) -> Result<(), CatalogError> {
        tracing::warn!(webhook = %webhook.id(), "a webhook is disabled: its receiver answered 410 Gone");
        let reason = Some("the receiver answered 410 Gone".to_owned());
        let disabled = Webhook { enabled: false, disabled_reason: reason, ..webhook };
        match self.catalog.commit(vec![Write::update(&disabled.touched(self.clock.now()))?]).await {
            Ok(_) | Err(CatalogError::VersionConflict | CatalogError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Hands {
    /// Takes what may be begun now out of what is ready.
    fn choose(&mut self, pace: &Pace) -> Vec<DueDelivery> {
        let mut busy: HashMap<WebhookId, usize> = HashMap::new();
        for webhook in self.busy.values() {
            *busy.entry(*webhook).or_default() += 1;
        }
        let mut room = pace.at_once.saturating_sub(self.busy.len());
        let (mut chosen, mut left) = (Vec::new(), Vec::new());
        for due in self.ready.drain(..) {
            let of_webhook = busy.entry(due.webhook).or_default();
            if room > 0 && *of_webhook < pace.at_once_each {
                room -= 1;
                *of_webhook += 1;
                chosen.push(due);
            } else {
                left.push(due);
            }
        }
        self.ready = left;
        chosen
    }

    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a try of a webhook broke off; it is made again when its claim has run out");
                error.id()
            }
        };
        self.busy.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use rungate_core::agent::Head;
    use rungate_core::id::WorkspaceId;
    use uuid::Uuid;

    use super::*;

    fn due(id: u128, webhook: u128) -> DueDelivery {
        let now = Timestamp::from_micros(0);
        let head = Head::new(Uuid::from_u128(id), WorkspaceId::new(Uuid::nil()), now);
        DueDelivery {
            head,
            webhook: WebhookId::new(Uuid::from_u128(webhook)),
            tries: 0,
            at: now,
            claimed: false,
        }
    }

    #[test]
    fn one_webhook_does_not_take_the_room_of_the_others() {
        let ready = (0..20).map(|id| due(id, 1)).chain([due(20, 2), due(21, 3)]).collect();
        let mut hands = Hands { ready, ..Hands::default() };
        let pace = Pace { at_once: 5, ..Pace::USUAL };
        let chosen: Vec<u128> = hands.choose(&pace).iter().map(|due| due.head.id.as_u128()).collect();
        assert_eq!(chosen, [0, 1, 2, 3, 20]);
        assert_eq!(hands.ready.len(), 17);
        assert_eq!(hands.ready[0].head.id.as_u128(), 4);
    }
}
