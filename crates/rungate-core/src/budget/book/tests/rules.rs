//! What is refused, and what the refusal says.

use super::{
    agent, book, budget, each_run, in_run, load_nothing, minute, nano, reserve, spend, sums, virtual_key,
    whole, workspace,
};
use crate::budget::{Book, Budget, BudgetAction, Owner, Refused, Scope, Shortfall, Window, Zone};
use crate::exchange::Sequence;

fn with(action: BudgetAction, budget: Budget) -> Budget {
    Budget { action, ..budget }
}

fn exhausted(refused: Refused) -> Shortfall {
    match refused {
        Refused::Exhausted { shortfall, .. } => *shortfall,
        other => panic!("not exhausted: {other:?}"),
    }
}

#[test]
fn w_049_a_refusal_has_all_details() {
    let scope = Scope::Agent(agent(1));
    let (mut book, spender) = book(&[Budget { window: Window::Monthly, ..budget(1, scope, 5_000) }]);
    spend(&mut book, &spender, 4_990, 1);
    let open = reserve(&mut book, &spender, 4).unwrap();
    let shortfall = exhausted(reserve(&mut book, &spender, 24).unwrap_err());
    assert_eq!((shortfall.scope, shortfall.scope_id.as_str()), ("agent", agent(1).to_string().as_str()));
    assert_eq!((shortfall.limit, shortfall.spent, shortfall.reserved), (nano(5_000), nano(4_990), nano(4)));
    assert_eq!((shortfall.remaining, shortfall.required), (nano(6), nano(24)));
    assert_eq!(shortfall.window, Window::Monthly);
    assert_eq!(shortfall.span.end.unwrap().to_string(), "2026-12-01T00:00:00.000Z");
    book.release(open);
}

#[test]
fn what_fits_but_for_reservations_waits_and_fits_later() {
    let (mut book, spender) = book(&[whole(100)]);
    let open = reserve(&mut book, &spender, 60).unwrap();
    assert!(matches!(reserve(&mut book, &spender, 41), Err(Refused::Reserved(_))));
    assert!(matches!(reserve(&mut book, &spender, 101), Err(Refused::Exhausted { .. })));
    let fits = reserve(&mut book, &spender, 40).unwrap();
    book.settle(open, nano(30), Sequence(1));
    assert_eq!(sums(&book, minute(1)), Some((30, 40)));
    book.release(fits);
    assert!(reserve(&mut book, &spender, 70).is_ok());
}

#[test]
fn all_accounts_are_reserved_or_none() {
    let (mut book, spender) = book(&[whole(100), budget(2, each_run(None), 50)]);
    assert!(matches!(reserve(&mut book, &spender, 51), Err(Refused::Exhausted { .. })));
    assert_eq!(sums(&book, minute(1)), Some((0, 0)));
    let reservation = reserve(&mut book, &spender, 50).unwrap();
    assert_eq!(sums(&book, minute(1)), Some((0, 50)));
    let other = in_run("other");
    load_nothing(&mut book, &other);
    let refused = reserve(&mut book, &other, 51).unwrap_err();
    // The run's own budget refuses for good, and that outweighs waiting for the workspace's.
    assert_eq!(exhausted(refused).scope_id, "other");
    book.release(reservation);
}

#[test]
fn each_run_of_an_owner_is_that_owners_alone() {
    let budget = budget(1, each_run(Some(Owner::Agent(agent(1)))), 10);
    let (mut book, spender) = book(&[budget]);
    assert!(reserve(&mut book, &spender, 11).is_err());
    let mut other = (*spender).clone();
    other.agent = Some(agent(2));
    assert!(reserve(&mut book, &std::sync::Arc::new(other), 11).is_ok());
    let mut without_run = (*spender).clone();
    without_run.run = None;
    assert!(reserve(&mut book, &std::sync::Arc::new(without_run), 11).is_ok());
}

#[test]
fn a_limit_of_zero_lets_nothing_be_spent() {
    let (mut book, spender) = book(&[whole(0)]);
    assert!(matches!(reserve(&mut book, &spender, 1), Err(Refused::Exhausted { .. })));
    assert!(reserve(&mut book, &spender, 0).is_ok());
}

#[test]
fn w_051_a_clamp_budget_says_what_still_fits_everywhere() {
    let clamp = with(BudgetAction::Clamp, budget(2, Scope::VirtualKey(virtual_key(1)), 40));
    let (mut book, spender) = book(&[whole(100), clamp]);
    let Err(Refused::Clamp { most, shortfall }) = reserve(&mut book, &spender, 60) else { panic!() };
    assert_eq!((most, shortfall.scope, shortfall.required), (nano(40), "virtual_key", nano(60)));
    let open = reserve(&mut book, &spender, 40).unwrap();
    // Nothing is left to lower it to, but there will be when the one in flight has settled.
    assert!(matches!(reserve(&mut book, &spender, 60), Err(Refused::Reserved(_))));
    book.settle(open, nano(40), Sequence(1));
    assert_eq!(exhausted(reserve(&mut book, &spender, 1).unwrap_err()).scope, "virtual_key");
}

#[test]
fn a_block_budget_refuses_what_a_clamp_budget_would_let_through() {
    let clamp = with(BudgetAction::Clamp, budget(2, Scope::VirtualKey(virtual_key(1)), 40));
    let (mut book, spender) = book(&[whole(30), clamp]);
    assert_eq!(exhausted(reserve(&mut book, &spender, 60).unwrap_err()).scope, "workspace");
}

#[test]
fn an_alert_only_budget_counts_and_never_refuses() {
    let mut book = Book::new(100, Sequence(0));
    book.put(&with(BudgetAction::AlertOnly, whole(10)));
    let spender = std::sync::Arc::new(super::spender(minute(1)));
    let held = book.reserve(&spender, nano(50)).unwrap();
    assert_eq!(held.wanted.len(), 1, "not even before past spend is known");
    book.settle(held.reservation, nano(50), Sequence(7));
    assert_eq!(super::percents(&super::load(&mut book, &held.wanted[0], 5, 6)), [50, 75, 90, 100]);
    assert_eq!(sums(&book, minute(1)), Some((55, 0)));
    assert!(reserve(&mut book, &spender, 1_000).is_ok());
}

#[test]
fn a_used_up_disable_key_budget_names_the_key() {
    let scope = Scope::Workspace(workspace());
    let (mut book, spender) = book(&[with(BudgetAction::DisableKey, budget(1, scope, 100))]);
    let key_of = |refused| match refused {
        Err(Refused::Exhausted { disable_key, .. }) => disable_key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key_of(reserve(&mut book, &spender, 101)), None, "no window could hold it");
    let first = reserve(&mut book, &spender, 60).unwrap();
    assert_eq!(book.settle(first, nano(60), Sequence(1)).disable_key, None);
    assert_eq!(key_of(reserve(&mut book, &spender, 50)), Some(virtual_key(1)));
    let second = reserve(&mut book, &spender, 40).unwrap();
    assert_eq!(book.settle(second, nano(40), Sequence(2)).disable_key, Some(virtual_key(1)));
}

#[test]
fn other_workspaces_are_not_touched() {
    let (mut book, spender) = book(&[whole(0)]);
    let mut other = (*spender).clone();
    other.workspace = crate::id::WorkspaceId::new(super::uuid(77));
    assert!(reserve(&mut book, &std::sync::Arc::new(other), 1_000).is_ok());
}

#[test]
fn what_is_reserved_when_a_window_ends_weighs_on_the_next_until_it_is_settled() {
    let (mut book, late) = book(&[whole(100)]);
    let next_day = std::sync::Arc::new(super::spender(minute(24 * 60)));
    load_nothing(&mut book, &next_day);
    let open = reserve(&mut book, &late, 80).unwrap();
    assert!(matches!(reserve(&mut book, &next_day, 21), Err(Refused::Reserved(_))));
    book.settle(open, nano(70), Sequence(1));
    assert_eq!(sums(&book, minute(1)), Some((70, 0)), "it counts where it was created");
    assert_eq!(sums(&book, minute(24 * 60)), Some((0, 0)));
    spend(&mut book, &next_day, 100, 2);
    // A clock that steps back finds the day before as it was left.
    assert!(matches!(reserve(&mut book, &late, 31), Err(Refused::Exhausted { .. })));
    spend(&mut book, &late, 30, 3);
    assert!(matches!(reserve(&mut book, &next_day, 1), Err(Refused::Exhausted { .. })));
}

#[test]
fn a_change_is_in_force_at_once_and_keeps_reservations() {
    let (mut book, spender) = book(&[whole(100)]);
    let open = reserve(&mut book, &spender, 50).unwrap();
    book.put(&whole(60));
    assert!(matches!(reserve(&mut book, &spender, 11), Err(Refused::Reserved(_))));
    book.put(&Budget { enabled: false, ..whole(60) });
    let second = reserve(&mut book, &spender, 1_000).unwrap();
    book.put(&whole(2_000));
    load_nothing(&mut book, &spender);
    assert_eq!(sums(&book, minute(1)), Some((0, 1_050)), "both count again");
    book.settle(second, nano(1_000), Sequence(1));
    book.put(&Budget { timezone: Zone::parse("Asia/Tokyo").unwrap(), ..whole(2_000) });
    assert!(matches!(reserve(&mut book, &spender, 1), Err(Refused::Unknown(_))), "other windows, other sums");
    load_nothing(&mut book, &spender);
    assert_eq!(sums(&book, minute(1)), Some((0, 50)));
    book.remove(super::BudgetId::new(super::uuid(1)));
    assert!(reserve(&mut book, &spender, 1_000_000).is_ok());
    book.release(open);
}
