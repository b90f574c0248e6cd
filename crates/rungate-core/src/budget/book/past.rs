//! Past spend: asking for it, being told, and what is reported and shown of it.

use crate::budget::book::account::{Account, State, money, reached};
use crate::budget::book::outcome::{AccountKey, Loaded, Notice, Past, Usage, UsageStatus, Wanted};
use crate::budget::book::{Accounts, Book, Entry};
use crate::budget::resource::Budget;
use crate::budget::scope::Spender;
use crate::time::Timestamp;

impl Book {
    /// Past spend that is not known of any account that applies to the spender. With the time of a window that has not
    /// begun yet it can be loaded ahead.
    pub fn missing(&mut self, spender: &Spender) -> Vec<Wanted> {
        self.gather(spender);
        let accounts = std::mem::take(&mut self.scratch.accounts);
        let (wanted, _) = self.wanted(spender, &accounts);
        self.scratch.accounts = accounts;
        wanted
    }

    /// Takes past spend that was asked for.
    pub fn load(&mut self, wanted: &Wanted, past: Past) -> Loaded {
        let Some(slot) = self.find(&wanted.account) else { return Loaded::Unneeded };
        let Some(account) = self.accounts.get_mut(slot) else { return Loaded::Unneeded };
        match account.load(wanted.ticket, past) {
            None => Loaded::Unneeded,
            Some(Err(from)) => Loaded::Stale(from),
            Some(Ok(())) => {
                let mut notices = Vec::new();
                if let Some(entry) = self.budgets.get(account.budget) {
                    report(account, &entry.budget, &mut notices);
                }
                Loaded::Known(notices)
            }
        }
    }

    /// What is spent and reserved on an account, in the window that holds the moment. `None` when that is not known
    /// here, and the store has to be asked.
    pub fn usage(&self, account: &AccountKey, at: Timestamp) -> Option<Usage> {
        let account = self.accounts.get(self.find(account)?)?;
        let budget = &self.budgets.get(account.budget)?.budget;
        let tally = account.tally(at)?;
        let State::Known { spent, .. } = tally.state else { return None };
        let limit = budget.limit.amount();
        let status = if spent >= i128::from(limit.nanos()) {
            UsageStatus::Exhausted
        } else if reached(budget, spent).is_empty() {
            UsageStatus::Ok
        } else {
            UsageStatus::Warning
        };
        Some(Usage {
            limit,
            spent: money(spent),
            reserved: money(account.reserved),
            window: tally.span,
            status,
        })
    }

    /// What is not known of these accounts, and whether everything is known of those that can refuse.
    pub(super) fn wanted(&mut self, spender: &Spender, accounts: &[usize]) -> (Vec<Wanted>, bool) {
        let (mut wanted, mut is_known) = (Vec::new(), true);
        for slot in accounts {
            let Some(account) = self.accounts.get_mut(*slot) else { continue };
            let Some(Entry { budget, .. }) = self.budgets.get(account.budget) else { continue };
            let next = self.tickets + 1;
            let tally = account.expect_tally(spender.created, budget, next);
            let State::Awaited { ticket, least, .. } = tally.state else { continue };
            self.tickets = self.tickets.max(ticket);
            let window = tally.span;
            is_known &= !budget.action.is_hard();
            wanted.push(Wanted {
                account: key(account, budget),
                workspace: budget.head.workspace_id,
                scope: budget.scope.clone(),
                window,
                from: least,
                ticket,
            });
        }
        (wanted, is_known)
    }

    fn find(&self, key: &AccountKey) -> Option<usize> {
        let entry = self.budgets.get(*self.by_id.get(&key.budget)?)?;
        match (&entry.accounts, &key.instance) {
            (Accounts::One(slot), None) => Some(*slot),
            (Accounts::Each(slots), Some(instance)) => slots.get(instance).copied(),
            _ => None,
        }
    }
}

/// Adds a notice for each threshold that an account passed and that was not reported yet.
pub(super) fn report(account: &mut Account, budget: &Budget, notices: &mut Vec<Notice>) {
    account.passed(budget, |instance, window, percent, spent| {
        let account = AccountKey { budget: budget.id(), instance: instance.map(Box::from) };
        notices.push(Notice { account, window, percent, limit: budget.limit.amount(), spent: money(spent) });
    });
}

fn key(account: &Account, budget: &Budget) -> AccountKey {
    AccountKey { budget: budget.id(), instance: account.instance.clone() }
}
