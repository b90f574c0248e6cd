//! Whether an amount fits.

use crate::budget::book::account::{Account, State, money};
use crate::budget::book::outcome::{AccountKey, Refused, Shortfall, Wanted};
use crate::budget::book::{Book, Entry};
use crate::budget::resource::Budget;
use crate::budget::scope::Spender;
use crate::budget::terms::BudgetAction;
use crate::budget::window::Span;
use crate::money::NanoUsd;

/// One account in the eyes of a request.
struct View<'a> {
    account: &'a Account,
    budget: &'a Budget,
    span: Span,
    spent: i128,
    limit: i128,
}

/// What is between an account and a request, the worse the larger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    /// Reservations that will settle.
    Reserved,
    /// The limit itself.
    Exhausted,
}

impl View<'_> {
    const fn free(&self) -> i128 {
        self.limit - self.spent - self.account.reserved
    }

    /// Whether a lower amount could fit.
    fn clamps(&self) -> bool {
        self.budget.action == BudgetAction::Clamp
    }

    fn obstacle(&self, amount: i128) -> Option<Obstacle> {
        if amount == 0 || amount <= self.free() {
            return None;
        }
        // What is clamped needs any room at all, once requests in flight have settled.
        let least = if self.clamps() { 1 } else { amount };
        Some(if self.spent + least <= self.limit { Obstacle::Reserved } else { Obstacle::Exhausted })
    }

    fn shortfall(&self, required: NanoUsd) -> Box<Shortfall> {
        let budget = self.budget;
        let instance = self.account.instance.clone();
        Box::new(Shortfall {
            scope: budget.scope.kind(),
            scope_id: budget.scope.id().or_else(|| Some(instance.as_deref()?.to_owned())).unwrap_or_default(),
            account: AccountKey { budget: budget.id(), instance },
            limit: budget.limit.amount(),
            spent: money(self.spent),
            reserved: money(self.account.reserved),
            remaining: money(self.free().max(0)),
            required,
            window: budget.window,
            span: self.span,
        })
    }
}

impl Book {
    /// Whether `amount` fits on all accounts. Answers what past spend is wanted of accounts that only alert.
    pub(super) fn judge(
        &mut self,
        spender: &Spender,
        accounts: &[usize],
        amount: NanoUsd,
    ) -> Result<Vec<Wanted>, Refused> {
        let (wanted, is_known) = self.wanted(spender, accounts);
        if !is_known {
            return Err(Refused::Unknown(wanted));
        }
        let asked = i128::from(amount.nanos());
        let mut target = asked;
        let mut tightest = None;
        for view in self.views(spender, accounts).filter(View::clamps) {
            if (1..target).contains(&view.free()) {
                target = view.free();
                tightest = Some(view);
            }
        }
        let mut worst: Option<(Obstacle, View<'_>)> = None;
        let mut disable_key = None;
        for view in self.views(spender, accounts) {
            let Some(obstacle) = view.obstacle(target) else { continue };
            let used_up = view.spent >= view.limit || asked <= view.limit;
            if view.budget.action == BudgetAction::DisableKey && obstacle == Obstacle::Exhausted && used_up {
                disable_key = spender.virtual_key;
            }
            let is_worse =
                worst.as_ref().is_none_or(|(other, than)| (obstacle, -view.free()) > (*other, -than.free()));
            if is_worse {
                worst = Some((obstacle, view));
            }
        }
        match (worst, tightest) {
            (Some((Obstacle::Exhausted, view)), _) => {
                Err(Refused::Exhausted { shortfall: view.shortfall(amount), disable_key })
            }
            (Some((Obstacle::Reserved, view)), _) => Err(Refused::Reserved(view.shortfall(amount))),
            (None, Some(view)) => {
                Err(Refused::Clamp { most: money(target), shortfall: view.shortfall(amount) })
            }
            (None, None) => Ok(wanted),
        }
    }

    /// The hard accounts, whose spend is known.
    fn views<'a>(&'a self, spender: &'a Spender, accounts: &'a [usize]) -> impl Iterator<Item = View<'a>> {
        accounts.iter().filter_map(|slot| {
            let account = self.accounts.get(*slot)?;
            let Entry { budget, .. } = self.budgets.get(account.budget)?;
            let tally = account.tally(spender.created)?;
            let State::Known { spent, .. } = tally.state else { return None };
            let limit = i128::from(budget.limit.amount().nanos());
            budget.action.is_hard().then_some(View { account, budget, span: tally.span, spent, limit })
        })
    }
}
