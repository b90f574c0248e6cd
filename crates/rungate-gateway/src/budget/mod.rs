//! Budgets at work: what a request may cost is reserved before it is sent, and settled when it has ended.
//!
//! The book in `rungate-core` decides. Around it: loading what was spent before from the log, waiting for money that
//! requests in flight hold, and telling others what was passed.

mod denied;
mod past;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rungate_core::budget::{
    AccountKey, Book, Budget, Loaded, Notice, Past, Refused, Reservation, Settlement, Shortfall, Spender,
    Usage, Wanted,
};
use rungate_core::exchange::Sequence;
use rungate_core::id::{BudgetId, ExternalId, VirtualKeyId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::ports::{Log, StoreError};
use rungate_core::time::Timestamp;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;

use crate::journal::Journal;

/// Accounts of single sessions and runs that are kept although nothing is reserved on them.
const MAX_IDLE_ACCOUNTS: usize = 100_000;
/// Requests that wait for money in flight. Beyond it they are refused at once.
const MAX_WAITING: usize = 4_096;
/// Events that wait to be taken. Beyond it they are logged and lost; thresholds are reported again after a restart.
const MAX_EVENTS: usize = 10_000;
/// How long the log may take to come as far as past spend needs it.
const LOG_PATIENCE: Duration = Duration::from_secs(2);
/// A sum that came too late for its question is asked for again so often.
const LOADS: u32 = 5;

/// Holds requests to their budgets. One per installation.
pub struct Ledger {
    book: Mutex<Book>,
    /// Budgets as the book has them.
    followed: Mutex<HashMap<BudgetId, Budget>>,
    log: Arc<dyn Log>,
    journal: Arc<Journal>,
    /// Money was given back.
    freed: Notify,
    waiting: Semaphore,
    patience: Duration,
    /// Past spend is loaded by one at a time; who waited finds it there.
    loading: tokio::sync::Mutex<()>,
    events: mpsc::Sender<Event>,
}

/// What others should know.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A threshold of a budget was passed.
    Passed(WorkspaceId, Notice),
    /// A budget that is used up wants a key switched off.
    Disable(WorkspaceId, VirtualKeyId),
}

/// Why nothing was reserved.
#[derive(Debug)]
pub enum Denied {
    /// It does not fit.
    Exhausted(Box<Shortfall>),
    /// It would fit but for requests in flight, and these did not end in time.
    Reserved(Box<Shortfall>),
    /// It would fit if it cost no more than `most`.
    Clamp {
        /// More than zero.
        most: NanoUsd,
        /// The account with the least room.
        shortfall: Box<Shortfall>,
    },
    /// What was spent before cannot be found out now.
    Unavailable(String),
}

impl Ledger {
    /// A ledger without budgets; see [`Ledger::follow`]. A request waits for money in flight for `patience`.
    pub fn new(
        log: Arc<dyn Log>,
        journal: Arc<Journal>,
        patience: Duration,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (events, taken) = mpsc::channel(MAX_EVENTS);
        let ledger = Self {
            book: Mutex::new(Book::new(MAX_IDLE_ACCOUNTS, journal.last())),
            followed: Mutex::default(),
            log,
            journal,
            freed: Notify::new(),
            waiting: Semaphore::new(MAX_WAITING),
            patience,
            loading: tokio::sync::Mutex::default(),
            events,
        };
        (ledger, taken)
    }

    /// Takes over the budgets of all workspaces: changed ones are in force with the next request.
    pub fn follow(&self, budgets: impl IntoIterator<Item = Budget>) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *followed);
        for budget in budgets {
            let (id, workspace) = (budget.id(), budget.head.workspace_id);
            if gone.remove(&id).as_ref() != Some(&budget) {
                let notices = self.book().put(&budget);
                self.tell(workspace, notices, None);
            }
            followed.insert(id, budget);
        }
        for id in gone.into_keys() {
            self.book().remove(id);
        }
        drop(followed);
        // Who waits may have room now.
        self.freed.notify_waiters();
    }

    /// Reserves the most that an exchange can cost in every budget that covers it, or in none. `agent` is the external id of
    /// the spender's agent. Waits for past spend to be known, and for money in flight.
    pub async fn reserve(
        &self,
        spender: &Arc<Spender>,
        agent: &ExternalId,
        amount: NanoUsd,
    ) -> Result<Reservation, Denied> {
        let until = Instant::now() + self.patience;
        let mut place = None;
        let mut loads = 0;
        loop {
            // Registered before the book is asked, so that no money given back in between is missed.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            let refused = match self.book().reserve(spender, amount) {
                Ok(held) => return Ok(held.reservation),
                Err(refused) => refused,
            };
            match refused {
                Refused::Unknown(_) if loads == LOADS => {
                    return Err(Denied::Unavailable(
                        "past spend moves faster than it can be read".to_owned(),
                    ));
                }
                Refused::Unknown(_) => {
                    loads += 1;
                    self.load(spender, agent)
                        .await
                        .map_err(|error| Denied::Unavailable(error.to_string()))?;
                }
                Refused::Reserved(shortfall) => {
                    if place.is_none() {
                        place = self.waiting.try_acquire().ok();
                    }
                    let has_place = place.is_some();
                    if !has_place || tokio::time::timeout_at(until, freed).await.is_err() {
                        return Err(Denied::Reserved(shortfall));
                    }
                }
                Refused::Exhausted { shortfall, disable_key } => {
                    self.tell(spender.workspace, Vec::new(), disable_key);
                    return Err(Denied::Exhausted(shortfall));
                }
                Refused::Clamp { most, shortfall } => return Err(Denied::Clamp { most, shortfall }),
            }
        }
    }

    /// Holds more for an exchange that is not open yet, if that fits at once. Whether it does.
    pub fn widen(&self, reservation: &Reservation, total: NanoUsd) -> bool {
        self.book().resize(reservation, total).is_ok()
    }

    /// The least that is left of any of these budgets, in percent of its limit, as far as it is known here.
    pub fn least_left(&self, budgets: &[Arc<Budget>], spender: &Spender) -> Option<u64> {
        let book = self.book();
        let left = budgets.iter().filter(|budget| budget.enabled && budget.scope.covers(spender)).filter_map(
            |budget| {
                let instance = budget.scope.instance(spender).map(Box::from);
                let usage = book.usage(&AccountKey { budget: budget.id(), instance }, spender.created)?;
                let left =
                    usage.limit.saturating_sub(usage.spent).saturating_sub(usage.reserved).max(NanoUsd::ZERO);
                let (left, limit) = (i128::from(left.nanos()), i128::from(usage.limit.nanos()));
                // Of nothing nothing is left.
                Some(u64::try_from((left * 100).checked_div(limit).unwrap_or(0)).unwrap_or(0))
            },
        );
        left.min()
    }

    /// Counts what an exchange cost, or all that was reserved where nobody knows. `at` is its closing, in the journal.
    pub fn settle(
        &self,
        workspace: WorkspaceId,
        reservation: Reservation,
        cost: Option<NanoUsd>,
        at: Sequence,
    ) {
        let mut book = self.book();
        let settlement = match cost {
            Some(cost) => book.settle(reservation, cost, at),
            None => book.settle_unknown(reservation, at),
        };
        drop(book);
        self.freed.notify_waiters();
        let Settlement { notices, disable_key, .. } = settlement;
        self.tell(workspace, notices, disable_key);
    }

    /// Gives everything back: there is no exchange after all.
    pub fn release(&self, reservation: Reservation) {
        self.book().release(reservation);
        self.freed.notify_waiters();
    }

    /// What is spent and reserved on an account of a budget; past spend is loaded where it is not known. `None` when
    /// there is no such account.
    pub async fn usage(
        &self,
        spender: &Spender,
        agent: &ExternalId,
        account: &AccountKey,
    ) -> Result<Option<Usage>, StoreError> {
        if let Some(usage) = self.book().usage(account, spender.created) {
            return Ok(Some(usage));
        }
        self.load(spender, agent).await?;
        Ok(self.book().usage(account, spender.created))
    }

    /// Loads what the book does not know of the spender's accounts.
    async fn load(&self, spender: &Spender, agent: &ExternalId) -> Result<(), StoreError> {
        let _one_at_a_time = self.loading.lock().await;
        let missing = self.book().missing(spender);
        for wanted in missing {
            let past = self.past(&wanted, agent, spender.created).await?;
            let loaded = self.book().load(&wanted, past);
            match loaded {
                Loaded::Known(notices) => self.tell(wanted.workspace, notices, None),
                // Asked for anew with the next try.
                Loaded::Stale(_) | Loaded::Unneeded => {}
            }
        }
        Ok(())
    }

    async fn past(&self, wanted: &Wanted, agent: &ExternalId, now: Timestamp) -> Result<Past, StoreError> {
        if !self.journal.wait_applied(wanted.from, LOG_PATIENCE).await {
            return Err(StoreError::Unavailable("the log is behind the journal".to_owned()));
        }
        let cut = self.journal.applied();
        if past::is_new(&*self.log, wanted).await? {
            return Ok(Past { spent: NanoUsd::ZERO, cut, notified: 0 });
        }
        // The log takes over nothing meanwhile, so the sum has what is up to the cut, and nothing beyond.
        let _still = self.journal.hold_drain().await;
        let cut = self.journal.applied();
        let spent = past::spent(&*self.log, wanted, Some(agent), now).await?;
        // Everything that is passed is reported once more after a restart; who is told knows notices by their names.
        Ok(Past { spent, cut, notified: 0 })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, workspace: WorkspaceId, notices: Vec<Notice>, disable_key: Option<VirtualKeyId>) {
        let passed = notices.into_iter().map(|notice| Event::Passed(workspace, notice));
        let disable = disable_key.map(|key| Event::Disable(workspace, key));
        for event in passed.chain(disable) {
            if let Err(error) = self.events.try_send(event) {
                tracing::error!(%error, "an event of a budget is lost: nobody takes them");
            }
        }
    }
}
