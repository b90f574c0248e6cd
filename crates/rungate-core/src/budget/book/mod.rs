//! The book: what is spent and reserved on every account, and whether a request fits.
//!
//! **Accounts.** A budget has one account; a budget of each session or run has one for each of them. An account
//! keeps a sum of what is spent for each window it was asked about, and one sum of what open reservations hold.
//!
//! **Which window.** The spend of an exchange counts in the window it was created in, whenever it is settled: the same
//! moment by which the log sums it. A request fits when what is spent in its window, *everything* reserved on the
//! account and the request's own upper bound together are within the limit. So what is still reserved when a window
//! ends weighs on the next one too, until it is settled. With `S(w)` spent and `R(w)` reserved in window `w`, and `R` the
//! sum of all `R(w)`: reserving `a` in `w` makes sure of `S(w) + R + a ≤ L`, and `R(w) ≤ R`, so `S(w) + R(w) ≤ L` holds
//! afterwards. Settling `c ≤ a` moves at most `a` from `R(w)` to `S(w)`, so it holds then as well, for the window that
//! ended and for the one that began. A clock that steps back finds the earlier window as it was left: with its own
//! sum, neither opened anew nor forgotten, and the later one likewise.
//!
//! **Past spend** comes from a store that lags behind. The book says what it wants to know ([`Wanted`]), the caller sums it
//! up from the log, and says how far the log was: the `cut`. Settlements carry the sequence number of their closing, so that
//! each cost is either at the cut or before, and in the sum, or after it, and added by the book:
//! - settled while the sum was awaited: remembered, and added when the sum arrives if after its cut;
//! - settled later: added unless its number is at the cut or before;
//! - settled earlier, when the book kept no sum for the window: the sum must reach at least the last number that was
//!   settled on the account (or on an account of that budget that was evicted, or anywhere before the budget came),
//!   else it is refused as [`Loaded::Stale`].
//!
//! **Changes** of a budget are in force with the next request. A reservation knows its exchange, so a budget that comes
//! later finds the open ones that it covers, and they count on it from then on, even past its limit.
//!
//! Every exchange that may cost money passes through [`Book::reserve`], also where no budget applies to it yet.

mod account;
mod change;
mod index;
mod judge;
mod outcome;
mod past;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::budget::resource::Budget;
use crate::budget::scope::{Scope, Spender};
use crate::budget::terms::BudgetAction;
use crate::exchange::Sequence;
use crate::id::BudgetId;
use crate::money::NanoUsd;

use account::Account;
use index::Index;
pub use outcome::{
    AccountKey, Held, Loaded, Notice, Past, Refused, Reservation, Settlement, Shortfall, Usage, UsageStatus,
    Wanted,
};
use slots::Slots;

/// What is spent and reserved on every account. One per installation, behind a lock: each call is short.
#[derive(Debug)]
pub struct Book {
    budgets: Slots<Entry>,
    by_id: HashMap<BudgetId, usize>,
    index: Index,
    accounts: Slots<Account>,
    holds: Slots<Hold>,
    /// The last closing that was settled.
    last: Sequence,
    /// How many calls asked for accounts: the age of their use.
    calls: u64,
    /// Questions for past spend that were asked.
    tickets: u64,
    /// Accounts of one session or run on which nothing is reserved.
    idle: usize,
    /// Beyond this many they are evicted.
    max_idle: usize,
    /// Slots of the budgets and of the accounts that the present call is about.
    scratch: Scratch,
}

/// Buffers that are used again by each call.
#[derive(Debug, Default)]
struct Scratch {
    budgets: Vec<usize>,
    accounts: Vec<usize>,
}

/// A budget in force.
#[derive(Debug)]
struct Entry {
    budget: Budget,
    accounts: Accounts,
    /// The account of a session or run that is not in the book may have been settled on up to here.
    floor: Sequence,
}

/// The accounts of a budget, by slot.
#[derive(Debug)]
enum Accounts {
    One(usize),
    Each(HashMap<Box<str>, usize>),
}

/// An open reservation.
#[derive(Debug)]
struct Hold {
    spender: Arc<Spender>,
    amount: NanoUsd,
    accounts: Vec<usize>,
}

impl Book {
    /// An empty book. Beyond `max_idle` accounts of single sessions and runs on which nothing is reserved, the least
    /// recently used are evicted; it must be well above the number of requests that wait for past spend at one time,
    /// since an evicted account has to be loaded again. `last` is the last closing in the journal: no sum of past
    /// spend may lack what came before.
    pub fn new(max_idle: usize, last: Sequence) -> Self {
        Self {
            budgets: Slots::default(),
            by_id: HashMap::new(),
            index: Index::default(),
            accounts: Slots::default(),
            holds: Slots::default(),
            last,
            calls: 0,
            tickets: 0,
            idle: 0,
            max_idle,
            scratch: Scratch::default(),
        }
    }

    /// Reserves `amount`, the most that the exchange can cost, on every account that applies to it, or on none.
    ///
    /// An amount of zero always fits. An exchange reserves once; what a retry or fallback may cost on top is reserved
    /// with [`Book::resize`], so that the exchange has one settlement, like its one closing.
    pub fn reserve(&mut self, spender: &Arc<Spender>, amount: NanoUsd) -> Result<Held, Refused> {
        let amount = amount.max(NanoUsd::ZERO);
        self.gather(spender);
        let accounts = std::mem::take(&mut self.scratch.accounts);
        let wanted = self.judge(spender, &accounts, amount);
        let held = wanted.map(|wanted| Held { reservation: self.hold(spender, &accounts, amount), wanted });
        self.scratch.accounts = accounts;
        held
    }

    /// Reserves without asking whether it fits: for exchanges that were open before a restart.
    pub fn restore(&mut self, spender: &Arc<Spender>, amount: NanoUsd) -> Reservation {
        self.gather(spender);
        let accounts = std::mem::take(&mut self.scratch.accounts);
        let reservation = self.hold(spender, &accounts, amount.max(NanoUsd::ZERO));
        self.scratch.accounts = accounts;
        reservation
    }

    /// Makes the reservation hold `total` from now on: more for a retry or fallback (what earlier attempts cost, or
    /// may have cost, and the next one's bound), less when the bound turns out lower. Less always succeeds; more must
    /// fit, and a refusal leaves the reservation as it was. The shortfall and `most` are about the difference.
    pub fn resize(&mut self, reservation: &Reservation, total: NanoUsd) -> Result<(), Refused> {
        let total = total.max(NanoUsd::ZERO);
        let Some(hold) = self.holds.get_mut(reservation.slot) else { return Ok(()) };
        let more = total.saturating_sub(hold.amount);
        let accounts = std::mem::take(&mut hold.accounts);
        let spender = Arc::clone(&hold.spender);
        let judged =
            if more > NanoUsd::ZERO { self.judge(&spender, &accounts, more) } else { Ok(Vec::new()) };
        if judged.is_ok() {
            for slot in &accounts {
                if let Some(account) = self.accounts.get_mut(*slot) {
                    account.reserved += i128::from(more.nanos());
                }
            }
        }
        if let Some(hold) = self.holds.get_mut(reservation.slot) {
            hold.accounts = accounts;
            if judged.is_ok() {
                hold.amount = total;
            }
        }
        judged.map(|_| ())
    }

    /// Counts what the exchange cost and gives back the rest. `at` is its closing, which must be in the journal before. A cost above what was reserved counts in full.
    pub fn settle(&mut self, reservation: Reservation, cost: NanoUsd, at: Sequence) -> Settlement {
        self.close(reservation, at, |_| cost.max(NanoUsd::ZERO))
    }

    /// Counts all that was reserved as spent, since nobody knows what the exchange cost.
    pub fn settle_unknown(&mut self, reservation: Reservation, at: Sequence) -> Settlement {
        self.close(reservation, at, |reserved| reserved)
    }

    /// Gives everything back: nothing was sent, so nothing was spent.
    pub fn release(&mut self, reservation: Reservation) {
        if let Some(hold) = self.take_hold(reservation) {
            for slot in &hold.accounts {
                if let Some(account) = self.accounts.get_mut(*slot) {
                    self.idle += usize::from(account.unhold(hold.amount));
                }
            }
        }
    }

    /// Exchanges with an open reservation, and what each holds.
    pub fn open(&self) -> impl Iterator<Item = (&Spender, NanoUsd)> {
        self.holds.iter().map(|(_, hold)| (&*hold.spender, hold.amount))
    }

    fn close(
        &mut self,
        reservation: Reservation,
        at: Sequence,
        cost: impl Fn(NanoUsd) -> NanoUsd,
    ) -> Settlement {
        self.last = self.last.max(at);
        let Some(hold) = self.take_hold(reservation) else { return Settlement::default() };
        let spent = cost(hold.amount);
        let excess = spent.saturating_sub(hold.amount).max(NanoUsd::ZERO);
        let mut settlement = Settlement { spent, excess, ..Settlement::default() };
        for slot in &hold.accounts {
            let Some(account) = self.accounts.get_mut(*slot) else { continue };
            self.idle += usize::from(account.unhold(hold.amount));
            let counted = account.spend(hold.spender.created, spent, at);
            let (Some(counted), Some(entry)) = (counted, self.budgets.get(account.budget)) else { continue };
            let budget = &entry.budget;
            if budget.action == BudgetAction::DisableKey
                && spent > NanoUsd::ZERO
                && counted >= i128::from(budget.limit.amount().nanos())
            {
                settlement.disable_key = hold.spender.virtual_key;
            }
            past::report(account, budget, &mut settlement.notices);
        }
        settlement
    }

    fn hold(&mut self, spender: &Arc<Spender>, accounts: &[usize], amount: NanoUsd) -> Reservation {
        for slot in accounts {
            if let Some(account) = self.accounts.get_mut(*slot) {
                self.idle -= usize::from(account.hold(amount));
            }
        }
        let hold = Hold { spender: Arc::clone(spender), amount, accounts: accounts.to_vec() };
        Reservation { slot: self.holds.insert(hold) }
    }

    #[expect(clippy::needless_pass_by_value, reason = "who gives a reservation back has it no longer")]
    fn take_hold(&mut self, reservation: Reservation) -> Option<Hold> {
        self.holds.remove(reservation.slot)
    }

    /// Puts the slots of all accounts that apply to the spender into the scratch buffer. Accounts that are missing are
    /// made.
    fn gather(&mut self, spender: &Spender) {
        self.evict();
        self.calls += 1;
        let mut budgets = std::mem::take(&mut self.scratch.budgets);
        let mut accounts = std::mem::take(&mut self.scratch.accounts);
        budgets.clear();
        accounts.clear();
        self.index.covering(spender, &mut budgets);
        for budget in &budgets {
            if let Some(slot) = self.account(*budget, spender) {
                accounts.push(slot);
            }
        }
        self.scratch = Scratch { budgets, accounts };
    }

    /// The account of a budget that applies to the spender, which the budget covers.
    fn account(&mut self, budget: usize, spender: &Spender) -> Option<usize> {
        let entry = self.budgets.get_mut(budget)?;
        let slot = match &mut entry.accounts {
            Accounts::One(slot) => *slot,
            Accounts::Each(slots) => {
                let instance = Scope::instance(&entry.budget.scope, spender)?;
                if let Some(slot) = slots.get(instance) {
                    *slot
                } else {
                    let account = Account::new(budget, Some(instance.into()), entry.floor);
                    let slot = self.accounts.insert(account);
                    slots.insert(instance.into(), slot);
                    self.idle += 1;
                    slot
                }
            }
        };
        self.accounts.get_mut(slot)?.touched = self.calls;
        Some(slot)
    }
}
