//! What settling counts, reports and gives back.

use std::sync::Arc;

use super::{
    book, budget, each_run, in_run, load_nothing, minute, nano, percents, reserve, spend, sums, whole,
};
use crate::budget::{Book, Budget, Refused, Settlement, Thresholds, UsageStatus};
use crate::exchange::Sequence;
use crate::money::NanoUsd;

#[test]
fn less_gives_back_the_rest_and_more_counts_in_full_and_is_told() {
    let (mut book, spender) = book(&[Budget { thresholds: Thresholds::new(vec![]).unwrap(), ..whole(100) }]);
    let first = reserve(&mut book, &spender, 60).unwrap();
    let settled = book.settle(first, nano(10), Sequence(1));
    assert_eq!(settled, Settlement { spent: nano(10), ..Settlement::default() });
    let second = reserve(&mut book, &spender, 60).unwrap();
    let settled = book.settle(second, nano(95), Sequence(2));
    assert_eq!((settled.spent, settled.excess), (nano(95), nano(35)));
    assert_eq!(sums(&book, minute(1)), Some((105, 0)));
    assert!(reserve(&mut book, &spender, 1).is_err());
}

#[test]
fn an_unknown_cost_counts_as_all_that_was_reserved() {
    let (mut book, spender) = book(&[whole(100)]);
    let reservation = reserve(&mut book, &spender, 60).unwrap();
    assert_eq!(book.settle_unknown(reservation, Sequence(1)).spent, nano(60));
    assert_eq!(sums(&book, minute(1)), Some((60, 0)));
}

#[test]
fn each_threshold_is_reported_once_and_again_only_under_a_higher_limit() {
    let (mut book, spender) = book(&[whole(100)]);
    let settle = |book: &mut Book, cost, at| {
        let reservation = reserve(book, &spender, cost).unwrap();
        percents(&book.settle(reservation, nano(cost), Sequence(at)).notices)
    };
    assert_eq!(settle(&mut book, 49, 1), [0_u16; 0]);
    assert_eq!(settle(&mut book, 26, 2), [50, 75]);
    assert_eq!(settle(&mut book, 1, 3), [0_u16; 0]);
    assert_eq!(settle(&mut book, 24, 4), [90, 100]);
    assert_eq!(percents(&book.put(&whole(160))), [0_u16; 0]);
    assert_eq!(settle(&mut book, 20, 5), [75], "50 of the new limit was passed before it came");
    assert_eq!(percents(&book.put(&whole(120))), [90, 100]);
    assert_eq!(percents(&book.put(&whole(110))), [0_u16; 0]);
}

#[test]
fn a_reservation_grows_for_a_retry_and_shrinks_when_the_bound_does() {
    let (mut book, spender) = book(&[whole(100)]);
    let reservation = reserve(&mut book, &spender, 40).unwrap();
    book.resize(&reservation, nano(90)).unwrap();
    assert!(matches!(book.resize(&reservation, nano(101)), Err(Refused::Reserved(_))));
    assert_eq!(sums(&book, minute(1)), Some((0, 90)));
    book.resize(&reservation, nano(15)).unwrap();
    assert_eq!(sums(&book, minute(1)), Some((0, 15)));
    assert_eq!(book.settle_unknown(reservation, Sequence(1)).spent, nano(15));
}

#[test]
fn reservations_are_put_back_after_a_crash_even_past_the_limit() {
    let (mut book, spender) = book(&[whole(100)]);
    let first = book.restore(&spender, nano(80));
    let second = book.restore(&spender, nano(80));
    assert_eq!(book.open().map(|(_, amount)| amount).sum::<NanoUsd>(), nano(160));
    assert!(matches!(reserve(&mut book, &spender, 1), Err(Refused::Reserved(_))));
    book.settle_unknown(first, Sequence(1));
    book.release(second);
    assert_eq!(sums(&book, minute(1)), Some((80, 0)));
}

#[test]
fn usage_says_how_far_a_budget_is_used() {
    let (mut book, spender) = book(&[whole(100)]);
    let key = crate::budget::AccountKey { budget: super::BudgetId::new(super::uuid(1)), instance: None };
    let mut status = Vec::new();
    for at in 1..=4 {
        status.push(book.usage(&key, minute(1)).unwrap().status);
        spend(&mut book, &spender, 25, at);
    }
    status.push(book.usage(&key, minute(1)).unwrap().status);
    let (unused, warning) = (UsageStatus::Ok, UsageStatus::Warning);
    assert_eq!(status, [unused, unused, warning, warning, UsageStatus::Exhausted]);
    assert_eq!(book.usage(&key, minute(24 * 60)), None, "nobody asked for the next day yet");
}

#[test]
fn idle_runs_are_evicted_the_oldest_first_and_reserved_ones_never() {
    let mut book = Book::new(16, Sequence(0));
    book.put(&budget(1, each_run(None), 100));
    let usage = |book: &Book, run: &str| {
        let key = crate::budget::AccountKey {
            budget: super::BudgetId::new(super::uuid(1)),
            instance: Some(run.into()),
        };
        book.usage(&key, minute(1)).map(|usage| usage.spent.nanos())
    };
    let start = |book: &mut Book, run: &str| -> Arc<_> {
        let spender = in_run(run);
        load_nothing(book, &spender);
        spender
    };
    let held = start(&mut book, "held");
    let open = reserve(&mut book, &held, 10).unwrap();
    for number in 0..40_u64 {
        let spender = start(&mut book, &format!("run-{number}"));
        spend(&mut book, &spender, 5, number + 1);
    }
    assert_eq!(usage(&book, "held"), Some(0));
    assert_eq!(usage(&book, "run-0"), None);
    assert_eq!(usage(&book, "run-39"), Some(5));
    assert!(book.idle <= 19);
    // What was evicted has to be loaded from where it was settled last.
    let wanted = book.missing(&in_run("run-0"));
    assert!(wanted[0].from >= Sequence(1));
    book.release(open);
}
