mod properties;

use std::net::IpAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rungate_core::id::{RunId, VirtualKeyId};
use rungate_core::policy::Per;
use uuid::Uuid;

use super::*;

const WORKSPACE: WorkspaceId = WorkspaceId::new(Uuid::from_u128(1));
const KEY: VirtualKeyId = VirtualKeyId::new(Uuid::from_u128(2));
const MIB: usize = 1 << 20;
const MINUTE: Duration = Duration::from_mins(1);

fn counter(rule: u128, subject: Subject, unit: Unit) -> Counter {
    Counter { rule: Uuid::from_u128(rule), subject, unit }
}

fn limit(unit: Unit, most: u64) -> Limit {
    Limit { counter: counter(7, Subject::Workspace, unit), most, enforced: true }
}

fn per_run(run: usize, most: u64) -> Limit {
    let run = RunId::parse(&format!("run-{run}")).unwrap();
    Limit { counter: counter(7, Subject::Run(run), Unit::RequestsPerMinute), most, enforced: true }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Admits without caring for the end of the request.
fn admits(limiter: &Limiter, now: Duration, limits: &[Limit], tokens: u64) -> bool {
    limiter.admit(now, WORKSPACE, limits, tokens).is_ok()
}

fn refusal(limiter: &Limiter, now: Duration, limits: &[Limit], tokens: u64) -> (Standing, Option<Duration>) {
    match limiter.admit(now, WORKSPACE, limits, tokens) {
        Err(Refused::Reached { standing, retry_after, .. }) => (standing, retry_after),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thousand_at_once_against_a_hundred_a_minute() {
    let limiter = Limiter::new(MIB);
    let limits = [limit(Unit::RequestsPerMinute, 100)];
    let barrier = Barrier::new(20);
    let admitted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    (0..50).filter(|number| admits(&limiter, seconds(f64::from(*number)), &limits, 0)).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 100);
    // The last was admitted at 49 s at the latest, and the first at any time before.
    assert!(admits(&limiter, seconds(109.0), &limits, 0));
}

#[test]
fn no_window_has_two_halves() {
    let limiter = Limiter::new(MIB);
    let limits = [limit(Unit::RequestsPerMinute, 2)];
    assert!(admits(&limiter, seconds(59.0), &limits, 0));
    assert!(admits(&limiter, seconds(59.5), &limits, 0));
    assert!(!admits(&limiter, seconds(60.5), &limits, 0), "a fixed window would have begun again");
    assert!(!admits(&limiter, seconds(118.999), &limits, 0));
    assert!(admits(&limiter, seconds(119.0), &limits, 0));
    assert!(!admits(&limiter, seconds(119.4), &limits, 0));
    assert!(admits(&limiter, seconds(119.5), &limits, 0));
}

#[test]
fn w_053_waiting_retry_after_succeeds_for_all_limits_at_once() {
    let limiter = Limiter::new(MIB);
    let limits = [limit(Unit::RequestsPerMinute, 2), limit(Unit::RequestsPerHour, 3)];
    for now in [0.0, 10.0, 70.0] {
        assert!(admits(&limiter, seconds(now), &limits, 0), "{now}");
    }
    let (standing, retry_after) = refusal(&limiter, seconds(71.5), &limits, 0);
    assert_eq!((standing.unit, standing.limit, standing.remaining), (Unit::RequestsPerHour, 3, 0));
    assert_eq!(retry_after, Some(seconds(3600.0 - 71.5)));
    let refused = Refused::Reached { limit: 1, standing, retry_after };
    assert_eq!(refused.retry_after_seconds(), Some(3529), "rounded up");
    assert!(!admits(&limiter, seconds(3599.9), &limits, 0));
    assert!(admits(&limiter, seconds(3600.0), &limits, 0));
}

#[test]
fn a_refused_request_is_counted_nowhere() {
    let limiter = Limiter::new(MIB);
    let one = limit(Unit::RequestsPerMinute, 1);
    let both = [limit(Unit::RequestsPerHour, 5), one.clone()];
    assert!(admits(&limiter, seconds(0.0), &[one], 0));
    for _ in 0..10 {
        assert!(!admits(&limiter, seconds(1.0), &both, 0));
    }
    let admission = limiter.admit(seconds(60.0), WORKSPACE, &[both[0].clone()], 0).unwrap();
    assert_eq!(admission.standing().unwrap().remaining, 4);
}

#[test]
fn the_tightest_limit_is_named() {
    let limiter = Limiter::new(MIB);
    let key =
        Limit { counter: counter(8, Subject::Key(KEY), Unit::RequestsPerMinute), most: 10, enforced: true };
    let limits = [limit(Unit::RequestsPerDay, 1_000), key, limit(Unit::ConcurrentRequests, 50)];
    let admission = limiter.admit(seconds(5.0), WORKSPACE, &limits, 0).unwrap();
    let expected =
        Standing { scope: Per::Key, unit: Unit::RequestsPerMinute, limit: 10, remaining: 9, reset: MINUTE };
    assert_eq!(admission.standing(), Some(&expected));
    assert!(limiter.admit(seconds(5.0), WORKSPACE, &[], 0).unwrap().standing().is_none());
}

#[test]
fn tokens_are_reserved_and_corrected_at_their_time() {
    let limiter = Limiter::new(MIB);
    let limits = [limit(Unit::TokensPerMinute, 1_000)];
    let mut first = limiter.admit(seconds(0.0), WORKSPACE, &limits, 900).unwrap();
    let (standing, retry_after) = refusal(&limiter, seconds(1.0), &limits, 200);
    assert_eq!((standing.unit.as_str(), standing.remaining), ("tokens_per_minute", 100));
    assert_eq!(retry_after, Some(seconds(59.0)));
    first.settle_tokens(300);
    let mut second = limiter.admit(seconds(30.0), WORKSPACE, &limits, 700).unwrap();
    assert_eq!(second.standing().unwrap().remaining, 0);
    // More than was reserved counts too.
    second.settle_tokens(800);
    assert!(!admits(&limiter, seconds(59.9), &limits, 1));
    assert!(admits(&limiter, seconds(60.0), &limits, 200), "the 300 of the first have left");
    drop(first);
    assert_eq!(refusal(&limiter, seconds(60.0), &limits, 1_001).1, None, "it will never fit");
    let unsettled = limiter.admit(seconds(200.0), WORKSPACE, &limits, 600).unwrap();
    drop(unsettled);
    assert!(!admits(&limiter, seconds(201.0), &limits, 500), "what is unknown counts as used");
    // What settles when its window is over changes nothing, and absurd reports do not overflow.
    let mut late = limiter.admit(seconds(300.0), WORKSPACE, &limits, 600).unwrap();
    assert!(admits(&limiter, seconds(400.0), &limits, 500));
    late.settle_tokens(u64::MAX);
    assert!(admits(&limiter, seconds(401.0), &limits, 500));
    let three: Vec<_> =
        (0..3).map(|_| limiter.admit(seconds(600.0), WORKSPACE, &limits, 0).unwrap()).collect();
    for mut admission in three {
        admission.settle_tokens(u64::MAX);
    }
    assert!(!admits(&limiter, seconds(659.0), &limits, 1));
    assert!(admits(&limiter, seconds(661.0), &limits, 1_000));
}

#[test]
fn places_come_back_when_a_request_ends_however_it_ends() {
    let limiter = Limiter::new(MIB);
    let limits = [limit(Unit::ConcurrentRequests, 2)];
    let first = limiter.admit(seconds(0.0), WORKSPACE, &limits, 0).unwrap();
    let panicked = thread::scope(|scope| {
        let limiter = limiter.clone();
        let limits = &limits;
        scope
            .spawn(move || {
                let _second = limiter.admit(seconds(0.0), WORKSPACE, limits, 0).unwrap();
                let (standing, retry_after) = refusal(&limiter, seconds(0.0), limits, 0);
                assert_eq!((standing.unit.as_str(), standing.limit), ("concurrent_requests", 2));
                assert_eq!(retry_after, Some(Duration::from_secs(1)));
                panic!("while a place is held");
            })
            .join()
    });
    assert!(panicked.is_err());
    let second = limiter.admit(seconds(1.0), WORKSPACE, &limits, 0).unwrap();
    assert!(!admits(&limiter, seconds(9999.0), &limits, 0), "time frees no place");
    drop((first, second));
    assert!(admits(&limiter, seconds(2.0), &limits, 0));
}

#[test]
fn never_more_at_once_than_there_are_places() {
    let limiter = Limiter::new(MIB);
    let limits = [limit(Unit::ConcurrentRequests, 3)];
    let in_flight = AtomicUsize::new(0);
    let admitted: usize = thread::scope(|scope| {
        let run = || {
            let mut admitted = 0;
            for _ in 0..500 {
                let Ok(admission) = limiter.admit(seconds(0.0), WORKSPACE, &limits, 0) else { continue };
                assert!(in_flight.fetch_add(1, Ordering::SeqCst) < 3);
                thread::yield_now();
                in_flight.fetch_sub(1, Ordering::SeqCst);
                drop(admission);
                admitted += 1;
            }
            admitted
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(admitted >= 500);
    let admission = limiter.admit(seconds(0.0), WORKSPACE, &limits, 0).unwrap();
    assert_eq!(admission.standing().unwrap().remaining, 2, "every place came back");
}

#[test]
fn a_limit_that_only_logs_refuses_nothing_and_says_what_it_would_have() {
    let limiter = Limiter::new(MIB);
    let logs = Limit { enforced: false, ..limit(Unit::RequestsPerMinute, 1) };
    let limits = [limit(Unit::RequestsPerHour, 10), logs];
    let exceeded = |now| limiter.admit(seconds(now), WORKSPACE, &limits, 0).unwrap().exceeded().to_vec();
    assert_eq!(exceeded(0.0), [0_usize; 0]);
    assert_eq!(exceeded(1.0), [1]);
    assert_eq!(exceeded(60.0), [0_usize; 0], "what it would have refused is not counted");
    let admission = limiter.admit(seconds(60.0), WORKSPACE, &limits, 0).unwrap();
    assert_eq!(admission.standing().unwrap().unit, Unit::RequestsPerHour);
}

#[test]
fn a_changed_limit_goes_on_with_the_same_count() {
    let limiter = Limiter::new(MIB);
    for _ in 0..5 {
        assert!(admits(&limiter, seconds(0.0), &[limit(Unit::RequestsPerMinute, 5)], 0));
    }
    assert!(!admits(&limiter, seconds(1.0), &[limit(Unit::RequestsPerMinute, 3)], 0));
    let raised = [limit(Unit::RequestsPerMinute, 5_000)];
    let admission = limiter.admit(seconds(1.0), WORKSPACE, &raised, 0).unwrap();
    assert_eq!(admission.standing().unwrap().remaining, 5_000 - 6);
    let (_, retry_after) = refusal(&limiter, seconds(1.0), &[limit(Unit::RequestsPerMinute, 6)], 0);
    assert_eq!(retry_after, Some(seconds(59.0)));
}

#[test]
fn what_was_admitted_before_a_restart_can_be_restored() {
    let limiter = Limiter::new(MIB);
    let limits = [limit(Unit::RequestsPerMinute, 3)];
    let ago = [50.0, 20.0, 70.0, 30.0].map(|ago| (seconds(ago), 1));
    limiter.restore(seconds(1.0), WORKSPACE, &limits[0].counter, 3, ago);
    let (standing, retry_after) = refusal(&limiter, seconds(1.0), &limits, 0);
    assert_eq!((standing.remaining, retry_after), (0, Some(seconds(10.0))));
    assert!(admits(&limiter, seconds(11.0), &limits, 0));
    assert!(!admits(&limiter, seconds(30.9), &limits, 0));
    let large = [limit(Unit::RequestsPerDay, 5_000)];
    let day = (0..5_000).map(|number| (seconds(f64::from(number) * 17.0), 1));
    limiter.restore(seconds(40.0), WORKSPACE, &large[0].counter, 5_000, day);
    assert!(!admits(&limiter, seconds(40.0), &large, 0));
}

#[test]
fn addresses_of_one_network_are_one_subject() {
    let ip = |text: &str| Subject::ip(text.parse::<IpAddr>().unwrap());
    assert_eq!(ip("2001:db8:1:2:3:4:5:6"), ip("2001:db8:1:2:ffff::1"));
    assert_ne!(ip("2001:db8:1:2::1"), ip("2001:db8:1:3::1"));
    assert_eq!(ip("::ffff:192.0.2.7"), ip("192.0.2.7"));
    assert_ne!(ip("192.0.2.8"), ip("192.0.2.7"));
}

#[test]
fn made_up_runs_take_no_more_than_their_share_and_crowd_out_nobody() {
    let limiter = Limiter::new(MIB);
    let attack = |workspace, from: usize, now| {
        let runs = (from..from + 10_000).map(|run| [per_run(run, 100)]);
        runs.filter(|limits| limiter.admit(now, workspace, limits, 0).is_ok()).count()
    };
    let admitted = attack(WORKSPACE, 0, seconds(0.0));
    assert!((200..2_000).contains(&admitted), "{admitted} runs fit into a quarter of a MiB");
    assert!(limiter.bytes() <= MIB / 4);
    let crowded = limiter.admit(seconds(1.0), WORKSPACE, &[per_run(20_000, 100)], 0).unwrap_err();
    assert_eq!((crowded, crowded.retry_after_seconds()), (Refused::Crowded, Some(1)));
    assert!(admits(&limiter, seconds(1.0), &[per_run(0, 100)], 0), "one that is counted goes on");
    assert!(admits(&limiter, seconds(1.0), &[limit(Unit::RequestsPerMinute, 5)], 0), "keys and agents too");
    for other in 2..9 {
        attack(
            WorkspaceId::new(Uuid::from_u128(other)),
            10_000 * usize::try_from(other).unwrap(),
            seconds(2.0),
        );
    }
    assert!(limiter.bytes() <= MIB / 4 * 3 + 2_048, "{}", limiter.bytes());
    assert!(admits(&limiter, seconds(2.0), &[limit(Unit::RequestsPerHour, 5)], 0));
    // An unenforced limit that cannot be counted refuses nobody.
    let logs = Limit { enforced: false, ..per_run(90_000, 1) };
    assert!(admits(&limiter, seconds(2.0), &[logs], 0));

    // A minute later they are idle, and make room.
    let again = attack(WORKSPACE, 100_000, seconds(70.0));
    assert!((admitted - 20..=admitted).contains(&again), "{again} runs, of names that are a little longer");
    for _ in 0..2_000 {
        assert!(admits(&limiter, seconds(4_000.0), &[limit(Unit::RequestsPerMinute, 10_000)], 0));
    }
    assert_eq!(limiter.counters(), 1, "all that is idle is forgotten");
    assert!(limiter.bytes() < 40_000);
}

#[test]
fn a_counter_that_a_request_comes_back_to_is_not_forgotten() {
    let limiter = Limiter::new(MIB);
    let tokens = [limit(Unit::TokensPerMinute, 1_000)];
    let other = [limit(Unit::RequestsPerMinute, 1_000)];
    let mut long = limiter.admit(seconds(0.0), WORKSPACE, &tokens, 10).unwrap();
    for _ in 0..50 {
        assert!(admits(&limiter, seconds(500.0), &other, 0));
    }
    assert_eq!(limiter.counters(), 2);
    long.settle_tokens(0);
    for _ in 0..50 {
        assert!(admits(&limiter, seconds(501.0), &other, 0));
    }
    assert_eq!(limiter.counters(), 1);
}

#[test]
fn one_counter_never_takes_more_than_its_pieces_and_counts_on_without_room() {
    for (capacity, most) in [(MIB, 1_024), (MIB, 1_000_000), (2_048, 1_000), (2_048, 1_000_000)] {
        let limiter = Limiter::new(capacity);
        let limits = [limit(Unit::RequestsPerMinute, most)];
        let now = |number: u64| Duration::from_millis(number);
        let admitted = (0..59_000).filter(|&number| admits(&limiter, now(number), &limits, 0)).count() as u64;
        assert_eq!(admitted, most.min(59_000), "{capacity} {most}");
        assert!(limiter.bytes() <= capacity.min(20_000), "{}", limiter.bytes());
    }
}
