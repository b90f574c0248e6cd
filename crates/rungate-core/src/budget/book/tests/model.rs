//! A naive book: every exchange that ever was, summed up anew for each question.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{minute, nano, uuid, workspace};
use crate::budget::book::account::reached;
use crate::budget::{
    AccountKey, Book, Budget, Loaded, Notice, Past, Refused, Reservation, Span, Spender, Wanted,
};
use crate::exchange::Sequence;
use crate::money::NanoUsd;
use crate::time::Timestamp;

/// One exchange, from its reservation on.
pub struct Exchange {
    pub spender: Arc<Spender>,
    /// Until it is settled or released.
    pub open: Option<(Reservation, i64)>,
    /// Once its closing is in the journal: its number and cost.
    pub closed: Option<(u64, i64)>,
}

/// The book beside all that happened.
pub struct Model {
    pub book: Book,
    pub budgets: Vec<Budget>,
    pub exchanges: Vec<Exchange>,
    /// The last number in the journal, and how far the log is.
    pub journal: u64,
    pub applied: u64,
    /// Sums of past spend on their way to the book.
    pub loads: Vec<(Wanted, Past)>,
    /// How far the log was for the sums that the book took.
    cuts: HashMap<(AccountKey, Span), u64>,
    reported: HashMap<(AccountKey, Span), BTreeSet<u16>>,
}

pub const MAX_IDLE: usize = 4;

impl Model {
    pub fn new(budgets: Vec<Budget>) -> Self {
        let mut model = Self {
            book: Book::new(MAX_IDLE, Sequence(0)),
            budgets,
            exchanges: Vec::new(),
            journal: 0,
            applied: 0,
            loads: Vec::new(),
            cuts: HashMap::new(),
            reported: HashMap::new(),
        };
        for budget in model.budgets.clone() {
            model.book.put(&budget);
        }
        model
    }

    /// Reserves, and holds the answer against the sums of the model.
    pub fn reserve(&mut self, spender: &Arc<Spender>, amount: i64) -> Result<(), Refused> {
        let refused = match self.book.reserve(spender, nano(amount)) {
            Ok(held) => {
                let exchange = Exchange {
                    spender: Arc::clone(spender),
                    open: Some((held.reservation, amount)),
                    closed: None,
                };
                self.exchanges.push(exchange);
                self.assert_within_limits(spender, amount);
                return Ok(());
            }
            Err(refused) => refused,
        };
        if let Refused::Reserved(shortfall)
        | Refused::Exhausted { shortfall, .. }
        | Refused::Clamp { shortfall, .. } = &refused
        {
            let (limit, spent, reserved) = (shortfall.limit, shortfall.spent, shortfall.reserved);
            assert!(spent + reserved + nano(amount) > limit, "it fits: {refused:?}");
            assert_eq!(reserved.nanos(), self.reserved(&shortfall.account));
        }
        match &refused {
            Refused::Exhausted { shortfall, .. } => {
                assert!(shortfall.spent + nano(amount) > shortfall.limit);
            }
            Refused::Reserved(shortfall) => assert!(shortfall.reserved > NanoUsd::ZERO),
            _ => {}
        }
        Err(refused)
    }

    /// After something was reserved, nothing that can refuse is past its limit.
    pub fn assert_within_limits(&self, spender: &Spender, amount: i64) {
        for budget in &self.budgets {
            if amount == 0 || !budget.enabled || !budget.action.is_hard() || !budget.scope.covers(spender) {
                continue;
            }
            let key = key(budget, spender);
            let span = budget.window.span_at(spender.created, &budget.timezone);
            let spent = self.spent(&key, span, |_| false);
            let total = spent + self.reserved(&key);
            assert!(total <= budget.limit.amount().nanos(), "{total} on {key:?} of {budget:?}");
        }
    }

    /// What is spent and reserved in each window that can refuse is within its limit.
    pub fn assert_never_exceeded(&self) {
        for budget in self.budgets.iter().filter(|budget| budget.action.is_hard()) {
            for spender in self.exchanges.iter().map(|it| &it.spender).filter(|it| budget.scope.covers(it)) {
                let key = key(budget, spender);
                let span = budget.window.span_at(spender.created, &budget.timezone);
                let open = self.exchanges.iter().filter(|it| counts(budget, &key, span, it));
                let reserved: i64 = open.filter_map(|it| it.open.as_ref()).map(|(_, amount)| amount).sum();
                let total = self.spent(&key, span, |_| false) + reserved;
                assert!(total <= budget.limit.amount().nanos(), "{total} on {key:?} of {budget:?}");
            }
        }
    }

    /// Puts the closing of an open exchange into the journal.
    pub fn close(&mut self, exchange: usize, cost: i64) -> u64 {
        if let Some((at, _)) = self.exchanges[exchange].closed {
            return at;
        }
        self.journal += 1;
        self.exchanges[exchange].closed = Some((self.journal, cost));
        self.journal
    }

    /// Sums up from the log what is wanted, as far as the log is.
    pub fn start_load(&mut self, wanted: Wanted) {
        let cut = self.applied;
        let budget = self.budgets.iter().find(|budget| budget.id() == wanted.account.budget).unwrap();
        let closings = self.exchanges.iter().filter(|it| counts(budget, &wanted.account, wanted.window, it));
        let spent =
            closings.filter_map(|it| it.closed).filter(|(at, _)| *at <= cut).map(|(_, cost)| cost).sum();
        let reported = self.reported.get(&(wanted.account.clone(), wanted.window));
        let notified = reported.and_then(|it| it.last().copied()).unwrap_or(0);
        self.loads.push((wanted, Past { spent: nano(spent), cut: Sequence(cut), notified }));
    }

    pub fn finish_load(&mut self, load: usize) {
        let (wanted, past) = self.loads.swap_remove(load);
        match self.book.load(&wanted, past) {
            Loaded::Known(notices) => {
                self.cuts.insert((wanted.account, wanted.window), past.cut.0);
                self.report(notices);
            }
            Loaded::Stale(from) => assert!(past.cut < from),
            Loaded::Unneeded => {}
        }
    }

    /// Notes thresholds that were reported; each must be new and passed.
    pub fn report(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            let needed = i128::from(notice.percent) * i128::from(notice.limit.nanos());
            assert!(i128::from(notice.spent.nanos()) * 100 >= needed, "{notice:?}");
            let reported = self.reported.entry((notice.account.clone(), notice.window)).or_default();
            assert!(reported.insert(notice.percent), "twice: {notice:?}");
        }
    }

    /// Changes a budget. Where the limit rises, thresholds above what is spent may be reported again.
    pub fn put(&mut self, place: usize, budget: &Budget) {
        if budget.limit > self.budgets[place].limit {
            let of_budget: Vec<_> =
                self.reported.keys().filter(|(key, _)| key.budget == budget.id()).cloned().collect();
            for (key, span) in of_budget {
                let known = self.book.usage(&key, span.start).filter(|usage| usage.window == span);
                let spent =
                    known.map_or_else(|| self.spent(&key, span, |_| false), |usage| usage.spent.nanos());
                let still = reached(budget, i128::from(spent)).last().copied().unwrap_or(0);
                self.reported.entry((key, span)).or_default().retain(|percent| *percent <= still);
            }
        }
        self.budgets[place] = budget.clone();
        let notices = self.book.put(budget);
        self.report(notices);
    }

    /// The process ends and starts again: what was being settled is settled, what is open is put back.
    pub fn restart(&mut self) {
        self.book = Book::new(MAX_IDLE, Sequence(self.journal));
        self.loads.clear();
        for budget in &self.budgets {
            self.book.put(budget);
        }
        for exchange in &mut self.exchanges {
            if let Some((_, amount)) = exchange.open.take()
                && exchange.closed.is_none()
            {
                exchange.open = Some((self.book.restore(&exchange.spender, nano(amount)), amount));
            }
        }
    }

    /// Holds every sum that the book knows against the model's.
    pub fn check(&self) {
        for budget in self.budgets.iter().filter(|budget| budget.enabled) {
            for exchange in self.exchanges.iter().filter(|it| budget.scope.covers(&it.spender)) {
                let key = key(budget, &exchange.spender);
                let Some(usage) = self.book.usage(&key, exchange.spender.created) else { continue };
                let span = budget.window.span_at(exchange.spender.created, &budget.timezone);
                assert_eq!(usage.window, span);
                let cut = self.cuts[&(key.clone(), span)];
                assert_eq!(usage.spent.nanos(), self.spent(&key, span, |at| at <= cut), "{key:?} {span:?}");
                assert_eq!(usage.reserved.nanos(), self.reserved(&key), "{key:?}");
                let due = reached(budget, i128::from(usage.spent.nanos())).last().copied().unwrap_or(0);
                let reported = self.reported.get(&(key.clone(), span)).and_then(|it| it.last().copied());
                assert!(reported.unwrap_or(0) >= due, "{due} was not reported on {key:?}");
            }
        }
        let open = self.exchanges.iter().filter_map(|it| it.open.as_ref());
        let held: i64 = self.book.open().map(|(_, amount)| amount.nanos()).sum();
        assert_eq!(held, open.map(|(_, amount)| amount).sum::<i64>());
    }

    /// What settled exchanges cost, and those whose closing the book has seen in a sum already.
    fn spent(&self, key: &AccountKey, span: Span, is_in_sum: impl Fn(u64) -> bool) -> i64 {
        let budget = self.budgets.iter().find(|budget| budget.id() == key.budget).unwrap();
        self.exchanges
            .iter()
            .filter(|it| counts(budget, key, span, it))
            .filter_map(|it| it.closed.filter(|(at, _)| it.open.is_none() || is_in_sum(*at)))
            .map(|(_, cost)| cost)
            .sum()
    }

    fn reserved(&self, key: &AccountKey) -> i64 {
        let budget = self.budgets.iter().find(|budget| budget.id() == key.budget).unwrap();
        let counts =
            |it: &&Exchange| budget.scope.covers(&it.spender) && self::key(budget, &it.spender) == *key;
        self.exchanges.iter().filter(counts).filter_map(|it| it.open.as_ref()).map(|(_, amount)| amount).sum()
    }
}

fn counts(budget: &Budget, account: &AccountKey, span: Span, exchange: &Exchange) -> bool {
    let spender = &exchange.spender;
    budget.scope.covers(spender) && key(budget, spender) == *account && span.contains(spender.created)
}

fn key(budget: &Budget, spender: &Spender) -> AccountKey {
    AccountKey { budget: budget.id(), instance: budget.scope.instance(spender).map(Box::from) }
}

/// One of a few agents, keys, sessions and runs.
pub fn who(number: u8, created: Timestamp) -> Arc<Spender> {
    let spender = super::spender(created);
    let named = |prefix: &str, of: u8| format!("{prefix}{}", number % of);
    Arc::new(Spender {
        exchange: crate::id::ExchangeId::new(uuid(u128::from(number))),
        workspace: workspace(),
        agent: Some(super::agent(u128::from(number % 2))),
        virtual_key: Some(super::virtual_key(u128::from(number % 3))),
        session: (!number.is_multiple_of(5)).then(|| crate::id::SessionId::parse(&named("s", 4)).unwrap()),
        run: (!number.is_multiple_of(7)).then(|| crate::id::RunId::parse(&named("r", 11)).unwrap()),
        ..spender
    })
}

/// A moment of one of three days, some of them just before or after a midnight.
pub fn moment(number: u16) -> Timestamp {
    minute(i64::from(number % 12) * 6 * 60 + i64::from(number % 2) - 1)
}
