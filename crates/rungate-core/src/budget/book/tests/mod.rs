//! What must hold of the book.

mod loading;
mod machine;
mod model;
mod rules;
mod settling;

use std::sync::Arc;

use uuid::Uuid;

use crate::agent::Head;
use crate::budget::{
    Book, Budget, BudgetAction, Limit, Loaded, Notice, Owner, Past, Refused, Reservation, Scope, Spender,
    Thresholds, Wanted, Window, Zone,
};
use crate::exchange::Sequence;
use crate::id::{AgentId, BudgetId, ExchangeId, RunId, SessionId, VirtualKeyId, WorkspaceId};
use crate::money::NanoUsd;
use crate::time::Timestamp;

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new(uuid(1))
}

fn agent(number: u128) -> AgentId {
    AgentId::new(uuid(1_000 + number))
}

fn virtual_key(number: u128) -> VirtualKeyId {
    VirtualKeyId::new(uuid(2_000 + number))
}

fn nano(nanos: i64) -> NanoUsd {
    NanoUsd::from_nanos(nanos)
}

/// Minutes after the start of 25 November 2026, UTC.
fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::parse("2026-11-25T00:00:00Z").unwrap().millis() + minutes * 60_000)
}

fn budget(number: u128, scope: Scope, limit: i64) -> Budget {
    Budget {
        head: Head::new(uuid(number), workspace(), minute(0)),
        scope,
        limit: Limit::new(nano(limit)).unwrap(),
        window: Window::Daily,
        timezone: Zone::default(),
        action: BudgetAction::BlockRequests,
        thresholds: Thresholds::default(),
        enabled: true,
        attached: false,
        extra: serde_json::Map::new(),
    }
}

fn whole(limit: i64) -> Budget {
    budget(1, Scope::Workspace(workspace()), limit)
}

/// An exchange of agent 1 with key 1 in run `r` and session `s`.
fn spender(created: Timestamp) -> Spender {
    Spender {
        exchange: ExchangeId::new(uuid(9)),
        created,
        workspace: workspace(),
        agent: Some(agent(1)),
        virtual_key: Some(virtual_key(1)),
        session: Some(SessionId::parse("s").unwrap()),
        run: Some(RunId::parse("r").unwrap()),
    }
}

fn in_run(run: &str) -> Arc<Spender> {
    Arc::new(Spender { run: Some(RunId::parse(run).unwrap()), ..spender(minute(1)) })
}

/// Loads nothing spent wherever that is asked for.
fn load_nothing(book: &mut Book, spender: &Spender) {
    for wanted in book.missing(spender) {
        load(book, &wanted, 0, wanted.from.0);
    }
}

fn load(book: &mut Book, wanted: &Wanted, spent: i64, cut: u64) -> Vec<Notice> {
    match book.load(wanted, Past { spent: nano(spent), cut: Sequence(cut), notified: 0 }) {
        Loaded::Known(notices) => notices,
        other => panic!("not taken: {other:?}"),
    }
}

/// A book with these budgets, of which nothing is spent in the first day.
fn book(budgets: &[Budget]) -> (Book, Arc<Spender>) {
    let mut book = Book::new(100, Sequence(0));
    for budget in budgets {
        book.put(budget);
    }
    let spender = Arc::new(spender(minute(1)));
    load_nothing(&mut book, &spender);
    (book, spender)
}

fn reserve(book: &mut Book, spender: &Arc<Spender>, amount: i64) -> Result<Reservation, Refused> {
    book.reserve(spender, nano(amount)).map(|held| held.reservation)
}

fn spend(book: &mut Book, spender: &Arc<Spender>, amount: i64, at: u64) {
    let reservation = reserve(book, spender, amount).unwrap();
    book.settle(reservation, nano(amount), Sequence(at));
}

/// What is spent and reserved on the account of budget 1.
fn sums(book: &Book, at: Timestamp) -> Option<(i64, i64)> {
    let key = crate::budget::AccountKey { budget: BudgetId::new(uuid(1)), instance: None };
    book.usage(&key, at).map(|usage| (usage.spent.nanos(), usage.reserved.nanos()))
}

fn percents(notices: &[Notice]) -> Vec<u16> {
    notices.iter().map(|notice| notice.percent).collect()
}

/// The sessions or runs of an owner, each by itself.
fn each_run(of: Option<Owner>) -> Scope {
    Scope::EachRun(of)
}
