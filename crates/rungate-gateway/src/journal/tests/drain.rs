//! From the journal into a log that fails, hangs and forgets to answer.

use std::sync::Arc;
use std::time::Duration;

use rungate_core::code::Code;
use rungate_core::exchange::{CostStatus, ExchangeRecord, Outcome, Sequence};
use rungate_core::ports::{Clock, Log, StoreError};
use rungate_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::fake::{FakeLog, Step};
use super::{as_if_killed, closed, config, open, opened, segments};
use crate::journal::{Journal, drain, recover};

/// Long enough for any pause of the drain; the clock of these tests does not tick by itself.
const PATIENCE: Duration = Duration::from_mins(1);

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_500_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn append_ten(journal: &Journal) -> Sequence {
    for number in 0..10 {
        journal.append_now(opened(number, 10)).unwrap();
    }
    journal.last()
}

fn spawn(journal: &Arc<Journal>, log: &Arc<FakeLog>) -> (tokio::task::JoinHandle<()>, CancellationToken) {
    let shutdown = CancellationToken::new();
    let log: Arc<dyn Log> = Arc::<FakeLog>::clone(log);
    (tokio::spawn(drain::run(Arc::clone(journal), log, shutdown.clone())), shutdown)
}

#[tokio::test(start_paused = true)]
async fn entries_reach_the_log_in_groups_and_leave_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let (journal, log) = (open(&config), Arc::new(FakeLog::default()));
    for number in 0..5_000 {
        journal.append_now(opened(number, 10)).unwrap();
    }
    let (draining, shutdown) = spawn(&journal, &log);
    assert!(journal.wait_applied(journal.last(), PATIENCE).await);
    assert_eq!(log.batches(), [4_096, 904]);
    let later = journal.append_now(closed(0, 10)).unwrap();
    assert!(journal.wait_applied(later, PATIENCE).await);
    assert_eq!(log.applications(), (1..=5_001).collect::<Vec<_>>());
    assert_eq!((journal.undrained_entries(), segments(&config).len()), (0, 1));
    shutdown.cancel();
    draining.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_is_tried_until_it_takes_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, log) = (open(&config(folder.path())), Arc::new(FakeLog::default()));
    log.plan((0..12).map(|_| Step::Fail(StoreError::Unavailable("locked".to_owned()))));
    log.plan([Step::Fail(StoreError::Corrupt("a page".to_owned())), Step::ApplyThenFail]);
    let last = append_ten(&journal);
    let (draining, shutdown) = spawn(&journal, &log);
    assert!(!journal.wait_applied(last, Duration::from_secs(20)).await);
    assert!(journal.stalled_for().unwrap() > Duration::from_secs(15));
    assert_eq!(journal.undrained_entries(), 10);
    assert!(journal.wait_applied(last, PATIENCE).await);
    assert_eq!(log.applications(), (1..=10).collect::<Vec<_>>());
    shutdown.cancel();
    draining.await.unwrap();
    assert_eq!(journal.stalled_for(), None);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_in_the_middle_of_a_batch_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, log) = (open(&config(folder.path())), Arc::new(FakeLog::default()));
    log.plan([Step::ApplyThenHang]);
    let last = append_ten(&journal);
    let (draining, _shutdown) = spawn(&journal, &log);
    assert!(!journal.wait_applied(last, PATIENCE).await);
    draining.abort();
    assert!(draining.await.unwrap_err().is_cancelled());
    assert_eq!(journal.undrained_entries(), 10);
    let (draining, shutdown) = spawn(&journal, &log);
    assert!(journal.wait_applied(last, PATIENCE).await);
    assert_eq!(log.applications(), (1..=10).collect::<Vec<_>>());
    shutdown.cancel();
    draining.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn shutdown_moves_what_is_left_and_gives_up_on_a_log_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, log) = (open(&config(folder.path())), Arc::new(FakeLog::default()));
    let (draining, shutdown) = spawn(&journal, &log);
    tokio::task::yield_now().await;
    shutdown.cancel();
    let last = journal.append_now(opened(0, 10)).unwrap();
    draining.await.unwrap();
    assert_eq!(journal.applied(), last);

    log.plan([Step::ApplyThenHang]);
    journal.append_now(closed(0, 10)).unwrap();
    let (draining, shutdown) = spawn(&journal, &log);
    shutdown.cancel();
    draining.await.unwrap();
    assert_eq!(journal.undrained_entries(), 1);
}

fn outcomes(log: &FakeLog) -> Vec<Outcome> {
    log.records().iter().map(|record| record.outcome).collect()
}

#[tokio::test]
async fn what_a_killed_process_left_open_is_closed_as_interrupted_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    for number in 0..300 {
        journal.append_now(opened(number, 10)).unwrap();
    }
    journal.append_now(closed(0, 10)).unwrap();
    let left = as_if_killed(&config, &folder.path().join("killed"));

    let (journal, log) = (open(&left), FakeLog::default());
    let recovered = recover::run(&journal, &log, &FixedClock).await.unwrap();
    assert_eq!(recovered, recover::Recovered { replayed: 301, interrupted: 299 });
    assert_eq!((journal.undrained_entries(), journal.held_bytes()), (0, 0));
    assert_eq!(outcomes(&log)[0], Outcome::Succeeded);
    assert!(outcomes(&log)[1..].iter().all(|outcome| *outcome == Outcome::Interrupted));
    let expected = ExchangeRecord {
        outcome: Outcome::Interrupted,
        error_code: Some(Code::Interrupted),
        completed_at: Some(FixedClock.now()),
        cost_status: CostStatus::Unknown,
        ..super::record(1)
    };
    assert_eq!(log.records()[1], expected);

    drop(journal);
    let journal = open(&left);
    let again = recover::run(&journal, &log, &FixedClock).await.unwrap();
    assert_eq!(again, recover::Recovered::default());
    assert!(log.applications().is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn recovery_that_is_killed_at_any_step_is_finished_by_the_next() {
    for step in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let log = FakeLog::default();
        let journal = open(&config);
        for number in 0..2_500 {
            journal.append_now(opened(number, 10)).unwrap();
        }
        drop(journal);
        // Killed at the given call of the log, after or before it took effect.
        let planned = 2_500_usize.div_ceil(2_048) + step / 2;
        log.plan((0..planned).map(|_| Step::ApplyThenFail));
        if step % 2 == 0 {
            log.plan([Step::Fail(StoreError::Unavailable("killed".to_owned()))]);
        }
        let mut tries = 0;
        while recover::run(&open(&config), &log, &FixedClock).await.is_err() {
            tries += 1;
            assert!(tries < 20);
        }
        assert_eq!(outcomes(&log), vec![Outcome::Interrupted; 2_500]);
        let journal = open(&config);
        assert_eq!(recover::run(&journal, &log, &FixedClock).await.unwrap(), recover::Recovered::default());
        // 2,500 openings, and one closing each.
        assert_eq!(log.applications(), (1..=5_000).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_journal_that_was_lost_does_not_use_a_sequence_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let log = FakeLog::default();
    let journal = open(&config);
    for number in 0..5 {
        journal.append_now(closed(number, 10)).unwrap();
    }
    recover::run(&journal, &log, &FixedClock).await.unwrap();
    drop(journal);
    std::fs::remove_dir_all(&config.dir).unwrap();
    let journal = open(&config);
    recover::run(&journal, &log, &FixedClock).await.unwrap();
    assert_eq!(journal.append_now(opened(9, 10)).unwrap().0, 6);
}
