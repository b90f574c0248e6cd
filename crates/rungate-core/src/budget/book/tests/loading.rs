//! Loading past spend while exchanges settle: nothing is counted twice, nothing is lost.

use std::sync::Arc;

use super::{book, load, minute, nano, percents, reserve, spend, spender, sums, whole};
use crate::budget::{Book, Loaded, Past, Refused, Wanted};
use crate::exchange::Sequence;

fn past(spent: i64, cut: u64) -> Past {
    Past { spent: nano(spent), cut: Sequence(cut), notified: 0 }
}

/// A book whose budget came while three exchanges of ten each were open, and what it wants to know.
fn surprised() -> (Book, Vec<super::Reservation>, Wanted, Arc<super::Spender>) {
    let spender = Arc::new(spender(minute(1)));
    let mut book = Book::new(100, Sequence(0));
    let open = (0..3).map(|_| reserve(&mut book, &spender, 10).unwrap()).collect();
    book.put(&whole(100));
    let Err(Refused::Unknown(mut wanted)) = reserve(&mut book, &spender, 1) else { panic!() };
    (book, open, wanted.remove(0), spender)
}

#[test]
fn the_book_says_what_it_has_to_be_told() {
    let (_, _, wanted, _) = surprised();
    assert_eq!((wanted.workspace, wanted.scope.kind()), (super::workspace(), "workspace"));
    assert!(wanted.window.contains(minute(1)) && !wanted.window.contains(minute(24 * 60)));
}

#[test]
fn what_settles_before_at_and_after_the_cut_counts_once() {
    let (mut book, mut open, wanted, _) = surprised();
    book.settle(open.remove(0), nano(1), Sequence(5));
    book.settle(open.remove(0), nano(2), Sequence(6));
    // The log was at 5 when it was summed up, so the second is added; the third settles after its sum arrived,
    // though its closing was in it.
    load(&mut book, &wanted, 1, 5);
    assert_eq!(sums(&book, minute(1)), Some((3, 10)));
    book.settle(open.remove(0), nano(4), Sequence(4));
    assert_eq!(sums(&book, minute(1)), Some((3, 0)));
}

#[test]
fn a_sum_that_lacks_what_was_settled_before_it_was_asked_for_is_stale() {
    let spender = Arc::new(spender(minute(1)));
    let mut book = Book::new(100, Sequence(0));
    spend(&mut book, &spender, 10, 8);
    book.put(&whole(100));
    let wanted = book.missing(&spender).remove(0);
    assert_eq!(wanted.from, Sequence(8));
    assert_eq!(book.load(&wanted, past(0, 7)), Loaded::Stale(Sequence(8)));
    load(&mut book, &wanted, 10, 8);
    assert_eq!(sums(&book, minute(1)), Some((10, 0)));
}

#[test]
fn an_answer_to_an_older_question_is_not_taken() {
    let (mut book, _, old, spender) = surprised();
    book.put(&super::Budget { window: super::Window::Weekly, ..whole(100) });
    book.put(&whole(100));
    let new = book.missing(&spender).remove(0);
    assert_eq!(old.window, new.window);
    assert_eq!(book.load(&old, past(0, 0)), Loaded::Unneeded);
    load(&mut book, &new, 0, 0);
    assert_eq!(book.load(&new, past(50, 9)), Loaded::Unneeded, "the second of two that raced");
    assert_eq!(sums(&book, minute(1)), Some((0, 30)));
}

#[test]
fn thresholds_passed_while_the_sum_was_awaited_are_reported_when_it_arrives() {
    let (mut book, mut open, wanted, _) = surprised();
    assert_eq!(book.settle(open.remove(0), nano(10), Sequence(1)).notices, []);
    let taken = book.load(&wanted, Past { spent: nano(70), cut: Sequence(0), notified: 50 });
    let Loaded::Known(notices) = taken else { panic!() };
    assert_eq!(percents(&notices), [75]);
}

#[test]
fn a_flood_of_settlements_while_waiting_asks_for_a_later_sum_instead() {
    let spender = Arc::new(spender(minute(1)));
    let mut book = Book::new(100, Sequence(0));
    let open: Vec<_> = (0..2_000).map(|_| reserve(&mut book, &spender, 1).unwrap()).collect();
    book.put(&whole(5_000));
    let wanted = book.missing(&spender).remove(0);
    for (number, reservation) in (1..).zip(open) {
        book.settle(reservation, nano(1), Sequence(number));
    }
    let Loaded::Stale(from) = book.load(&wanted, past(0, 0)) else { panic!() };
    load(&mut book, &wanted, i64::try_from(from.0).unwrap(), from.0);
    assert_eq!(sums(&book, minute(1)), Some((2_000, 0)));
}

#[test]
fn a_window_can_be_loaded_before_it_begins() {
    let (mut book, _) = book(&[whole(100)]);
    let tomorrow = Arc::new(spender(minute(24 * 60)));
    let wanted = book.missing(&tomorrow).remove(0);
    load(&mut book, &wanted, 0, 0);
    assert!(reserve(&mut book, &tomorrow, 100).is_ok());
}

#[test]
fn a_sum_that_was_on_its_way_when_the_limit_rose_is_asked_for_again() {
    let (mut book, _, old, spender) = surprised();
    book.put(&whole(200));
    // It says that 100 was reported, which was of the limit before.
    assert_eq!(book.load(&old, Past { spent: nano(100), cut: Sequence(0), notified: 100 }), Loaded::Unneeded);
    let new = book.missing(&spender).remove(0);
    let Loaded::Known(notices) = book.load(&new, Past { spent: nano(100), cut: Sequence(0), notified: 50 })
    else {
        panic!()
    };
    assert_eq!(percents(&notices), [0_u16; 0]);
}
