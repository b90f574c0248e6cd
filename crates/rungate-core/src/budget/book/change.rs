//! Budgets that come, change and go, and accounts that are evicted.

use std::collections::HashMap;
use std::sync::Arc;

use crate::budget::book::account::Account;
use crate::budget::book::outcome::Notice;
use crate::budget::book::{Accounts, Book, Entry, past};
use crate::budget::resource::Budget;
use crate::id::BudgetId;

impl Book {
    /// Takes in a budget that is new or changed; it is in force with the next request. One that is not enabled is
    /// removed. Answers the thresholds that are passed now because the limit or the thresholds changed.
    pub fn put(&mut self, budget: &Budget) -> Vec<Notice> {
        let known = self.by_id.get(&budget.id()).copied();
        if let Some(slot) = known
            && budget.enabled
            && self.budgets.get(slot).is_some_and(|entry| {
                entry.budget.scope == budget.scope
                    && entry.budget.head.workspace_id == budget.head.workspace_id
            })
        {
            return self.change(slot, budget);
        }
        self.remove(budget.id());
        if budget.enabled {
            self.add(budget);
        }
        Vec::new()
    }

    /// Removes a budget. Reservations stay open, and count again on it should it come back.
    pub fn remove(&mut self, id: BudgetId) {
        let Some(slot) = self.by_id.remove(&id) else { return };
        let Some(Entry { budget, accounts, .. }) = self.budgets.remove(slot) else { return };
        self.index.remove(budget.head.workspace_id, &budget.scope, slot);
        for (_, hold) in self.holds.iter_mut() {
            hold.accounts.retain(|account| self.accounts.get(*account).is_some_and(|it| it.budget != slot));
        }
        let slots: &mut dyn Iterator<Item = usize> = match accounts {
            Accounts::One(account) => &mut std::iter::once(account),
            Accounts::Each(accounts) => &mut accounts.into_values(),
        };
        for account in slots {
            self.idle -= usize::from(self.accounts.remove(account).is_some_and(|it| it.is_idle()));
        }
    }

    fn change(&mut self, slot: usize, budget: &Budget) -> Vec<Notice> {
        let mut notices = Vec::new();
        let Some(entry) = self.budgets.get_mut(slot).filter(|entry| entry.budget != *budget) else {
            return notices;
        };
        let before = std::mem::replace(&mut entry.budget, budget.clone());
        let has_other_windows = before.window != budget.window || before.timezone != budget.timezone;
        let is_raised = budget.limit > before.limit;
        let slots: &mut dyn Iterator<Item = usize> = match &entry.accounts {
            Accounts::One(account) => &mut std::iter::once(*account),
            Accounts::Each(accounts) => &mut accounts.values().copied(),
        };
        for account in slots {
            let Some(account) = self.accounts.get_mut(account) else { continue };
            if has_other_windows {
                account.forget_windows();
            }
            if is_raised {
                account.rearm(budget);
            }
            past::report(account, budget, &mut notices);
        }
        notices
    }

    fn add(&mut self, budget: &Budget) {
        let floor = self.last;
        let is_each = budget.scope.is_each();
        let accounts = if is_each { Accounts::Each(HashMap::new()) } else { Accounts::One(usize::MAX) };
        let slot = self.budgets.insert(Entry { budget: budget.clone(), accounts, floor });
        if !is_each {
            let account = self.accounts.insert(Account::new(slot, None, floor));
            if let Some(entry) = self.budgets.get_mut(slot) {
                entry.accounts = Accounts::One(account);
            }
        }
        self.by_id.insert(budget.id(), slot);
        self.index.insert(budget.head.workspace_id, &budget.scope, slot);
        self.attach(slot, budget);
    }

    /// Lets the open reservations that a new budget covers count on it.
    fn attach(&mut self, budget_slot: usize, budget: &Budget) {
        let covered: Vec<usize> = self
            .holds
            .iter()
            .filter(|(_, hold)| {
                hold.spender.workspace == budget.head.workspace_id && budget.scope.covers(&hold.spender)
            })
            .map(|(slot, _)| slot)
            .collect();
        for slot in covered {
            let Some(spender) = self.holds.get(slot).map(|hold| Arc::clone(&hold.spender)) else { continue };
            let Some(account) = self.account(budget_slot, &spender) else { continue };
            if let (Some(hold), Some(it)) = (self.holds.get_mut(slot), self.accounts.get_mut(account)) {
                self.idle -= usize::from(it.hold(hold.amount));
                hold.accounts.push(account);
            }
        }
    }

    /// Evicts idle accounts of sessions and runs when there are too many, the least recently used first. It waits until
    /// there are an eighth more than that, so that the search is paid for by many new accounts.
    pub(super) fn evict(&mut self) {
        if self.idle <= self.max_idle + self.max_idle / 8 {
            return;
        }
        let idle = self.accounts.iter().filter(|(_, account)| account.is_idle());
        let mut oldest: Vec<(u64, usize)> = idle.map(|(slot, account)| (account.touched, slot)).collect();
        let surplus = oldest.len().saturating_sub(self.max_idle);
        if surplus > 0 {
            oldest.select_nth_unstable(surplus - 1);
        }
        for (_, slot) in oldest.drain(..surplus) {
            let Some(account) = self.accounts.remove(slot) else { continue };
            self.idle -= 1;
            let (Some(entry), Some(instance)) = (self.budgets.get_mut(account.budget), account.instance)
            else {
                continue;
            };
            entry.floor = entry.floor.max(account.last);
            if let Accounts::Each(accounts) = &mut entry.accounts {
                accounts.remove(&instance);
            }
        }
    }
}
