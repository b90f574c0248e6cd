//! Two hundred threads race a budget that fits a few dozen requests.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use super::{book, nano, sums, whole};
use crate::budget::Refused;
use crate::exchange::Sequence;

const CLIENTS: u64 = 200;
const LIMIT: i64 = 30_000;
const MOST: i64 = 1_000;

#[test]
fn w_050_two_hundred_threads_never_exceed_a_budget_and_leave_less_than_one_request_unspent() {
    let (book, spender) = book(&[whole(LIMIT)]);
    let book = Mutex::new(book);
    let (spent, sequence, refused) = (AtomicI64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let start = Barrier::new(200);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (book, spent, sequence, refused) = (&book, &spent, &sequence, &refused);
            let (spender, start) = (Arc::clone(&spender), &start);
            scope.spawn(move || {
                start.wait();
                // Costs differ from client to client and are at most the bound.
                let bound = MOST - i64::try_from(client * 37 % 400).unwrap();
                let cost = bound - i64::try_from(client * 53 % 200).unwrap();
                loop {
                    let held = book.lock().unwrap().reserve(&spender, nano(bound));
                    match held {
                        Ok(held) => {
                            thread::yield_now();
                            let mut book = book.lock().unwrap();
                            let at = Sequence(sequence.fetch_add(1, Ordering::SeqCst) + 1);
                            let counted = book.settle(held.reservation, nano(cost), at).spent;
                            let total = spent.fetch_add(counted.nanos(), Ordering::SeqCst) + counted.nanos();
                            assert!(total <= LIMIT, "{total}");
                        }
                        Err(Refused::Reserved(_)) => thread::yield_now(),
                        Err(Refused::Exhausted { .. }) => {
                            refused.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    let total = spent.into_inner();
    assert_eq!(sums(&book.into_inner().unwrap(), spender.created), Some((total, 0)));
    assert_eq!(refused.into_inner(), CLIENTS);
    assert!(total <= LIMIT && LIMIT - total < MOST, "{total} of {LIMIT}");
}
