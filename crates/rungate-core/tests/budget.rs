//! The book of budgets behind a lock, with threads that race for the same money.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use rungate_core::agent::Head;
use rungate_core::budget::{
    AccountKey, Book, Budget, BudgetAction, Limit, Loaded, Past, Refused, Scope, Spender, Thresholds, Window,
    Zone,
};
use rungate_core::exchange::Sequence;
use rungate_core::id::{ExchangeId, WorkspaceId};
use rungate_core::money::NanoUsd;
use rungate_core::time::Timestamp;
use uuid::Uuid;

const CLIENTS: u64 = 200;
const LIMIT: i64 = 30_000;
const MOST: i64 = 1_000;

/// What all clients share: the book, the last closing in the journal, and what was spent by then.
struct Shared {
    book: Book,
    journal: u64,
    spent: i64,
}

fn nano(nanos: i64) -> NanoUsd {
    NanoUsd::from_nanos(nanos)
}

fn world() -> (Shared, Arc<Spender>, AccountKey) {
    let created = Timestamp::parse("2026-11-25T12:00:00Z").unwrap();
    let workspace = WorkspaceId::new(Uuid::from_u128(1));
    let budget = Budget {
        head: Head::new(Uuid::from_u128(2), workspace, created),
        scope: Scope::Workspace(workspace),
        limit: Limit::new(nano(LIMIT)).unwrap(),
        window: Window::Monthly,
        timezone: Zone::default(),
        action: BudgetAction::BlockRequests,
        thresholds: Thresholds::default(),
        enabled: true,
        attached: false,
        extra: serde_json::Map::new(),
    };
    let spender = Spender {
        exchange: ExchangeId::new(Uuid::from_u128(3)),
        created,
        workspace,
        agent: None,
        virtual_key: None,
        session: None,
        run: None,
    };
    let mut book = Book::new(1_000, Sequence(0));
    book.put(&budget);
    for wanted in book.missing(&spender) {
        let past = Past { spent: nano(0), cut: wanted.from, notified: 0 };
        assert_eq!(book.load(&wanted, past), Loaded::Known(Vec::new()));
    }
    let key = AccountKey { budget: budget.id(), instance: None };
    (Shared { book, journal: 0, spent: 0 }, Arc::new(spender), key)
}

/// Sends requests until the budget is exhausted for this client. Returns how many thresholds its requests passed.
fn client(number: u64, shared: &Mutex<Shared>, spender: &Arc<Spender>) -> usize {
    let number = i64::try_from(number).unwrap();
    let bound = MOST - number * 37 % 400;
    let cost = bound - number * 53 % 200;
    let mut passed = 0;
    loop {
        let held = shared.lock().unwrap().book.reserve(spender, nano(bound));
        match held {
            Ok(held) => {
                thread::yield_now();
                let mut shared = shared.lock().unwrap();
                shared.journal += 1;
                let at = Sequence(shared.journal);
                // Every seventh ends without anybody knowing what it cost.
                let settled = match at.0 % 7 {
                    0 => shared.book.settle_unknown(held.reservation, at),
                    _ => shared.book.settle(held.reservation, nano(cost), at),
                };
                shared.spent += settled.spent.nanos();
                assert!(shared.spent <= LIMIT, "{} of {LIMIT}", shared.spent);
                passed += settled.notices.len();
            }
            Err(Refused::Reserved(_)) => thread::yield_now(),
            Err(Refused::Exhausted { .. }) => return passed,
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn w_050_two_hundred_clients_never_exceed_a_budget_and_leave_less_than_one_request_unspent() {
    let (shared, spender, key) = world();
    let shared = Mutex::new(shared);
    let start = Barrier::new(usize::try_from(CLIENTS).unwrap());
    let passed: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn({
                    let (shared, spender, start) = (&shared, &spender, &start);
                    move || {
                        start.wait();
                        client(number, shared, spender)
                    }
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let shared = shared.into_inner().unwrap();
    let usage = shared.book.usage(&key, spender.created).unwrap();
    assert_eq!((usage.spent.nanos(), usage.reserved.nanos()), (shared.spent, 0));
    assert!(LIMIT - shared.spent < MOST, "{} of {LIMIT}", shared.spent);
    assert_eq!(shared.book.open().count(), 0);
    let expected = [50, 75, 90, 100].iter().filter(|percent| shared.spent * 100 >= LIMIT * **percent).count();
    assert_eq!(passed, expected, "each threshold once");
}
