//! What goes in comes out, in order, whoever appends and however often it is opened.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};
use rungate_core::exchange::{Body, Entry, Opening, Outcome, Sequence, Sequenced};

use super::{closed, config, open, opened, read_all, record, segments, told};
use crate::journal::{Durability, Journal, JournalConfig};

fn any_body() -> impl Strategy<Value = Option<Body>> {
    let size = prop::sample::select(vec![0_usize, 1, 43, 700, 8_000, 70_000, 300_000]);
    prop::option::of((size, any::<u8>(), any::<bool>(), any::<bool>()).prop_map(
        |(size, byte, truncated, redacted)| Body {
            bytes: Bytes::from(vec![byte; size]),
            truncated,
            redacted,
        },
    ))
}

pub(super) fn any_entry() -> impl Strategy<Value = Entry> {
    (any::<bool>(), any::<u32>(), "\\PC{0,200}", any_body(), any_body()).prop_map(
        |(opens, number, preview, request, response)| {
            let mut record = record(u64::from(number));
            record.preview_in = preview;
            if opens {
                return Entry::Opened { record: record.into(), request };
            }
            record.outcome = Outcome::Refused;
            Entry::Closed { record: record.into(), request, response }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn entries_come_back_as_they_went_in(
        entries in prop::collection::vec(any_entry(), 1..24),
        reopen_at in 0_usize..24,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let mut journal = open(&config);
        for (at, entry) in entries.iter().enumerate() {
            if at == reopen_at {
                drop(journal);
                journal = open(&config);
            }
            prop_assert_eq!(journal.append_now(entry.clone()).unwrap(), Sequence(at as u64 + 1));
        }
        let read = read_all(&journal);
        // What this process appended it remembers, exactly as the files have it.
        let reopened = if reopen_at < entries.len() { reopen_at } else { 0 };
        let remembered = journal.remembered(Sequence(reopened as u64), usize::MAX, usize::MAX);
        prop_assert_eq!(remembered.as_deref(), Some(&read[reopened..]));
        if let Some(before) = reopened.checked_sub(1) {
            prop_assert_eq!(journal.remembered(Sequence(before as u64), usize::MAX, usize::MAX), None);
        }
        prop_assert_eq!(read.iter().map(|entry| entry.sequence.0).collect::<Vec<_>>(),
            (1..=entries.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(read.iter().map(|entry| (*entry.entry).clone()).collect::<Vec<_>>(), entries);
    }
}

#[test]
fn threads_that_append_at_once_lose_nothing_and_keep_the_order() {
    const THREADS: u64 = 8;
    const EACH: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let journal = &journal;
            scope.spawn(move || {
                let mut last = Sequence(0);
                for at in 0..EACH {
                    let sequence = journal.append_now(opened(thread * EACH + at, 100)).unwrap();
                    assert!(sequence > last);
                    last = sequence;
                }
            });
        }
    });
    drop(journal);
    let journal = open(&config);
    assert!(journal.damage().is_empty());
    let read = read_all(&journal);
    let sequences: Vec<u64> = read.iter().map(|entry| entry.sequence.0).collect();
    assert_eq!(sequences, (1..=THREADS * EACH).collect::<Vec<_>>());
    let mut ids: Vec<_> = read.iter().map(|entry| entry.entry.exchange_id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, THREADS * EACH);
}

#[test]
fn segments_rotate_are_private_and_go_when_the_log_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    for number in 0..20 {
        journal.append_now(opened(number, 20_000)).unwrap();
    }
    let before = segments(&config);
    assert!(before.len() >= 6, "{before:?}");
    for segment in &before {
        let metadata = segment.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert!(metadata.len() <= config.segment_bytes);
    }
    journal.release(Sequence(10));
    assert_eq!(journal.undrained_entries(), 10);
    assert_eq!(read_all(&journal)[0].sequence, Sequence(11));
    journal.release(Sequence(20));
    assert_eq!((journal.undrained_entries(), journal.undrained_bytes()), (0, 0));
    assert_eq!(segments(&config).len(), 1);
}

#[test]
fn a_frame_larger_than_a_segment_has_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    for (number, bytes) in [(1, 10), (2, 1 << 20), (3, 10)] {
        journal.append_now(opened(number, bytes)).unwrap();
    }
    assert_eq!(segments(&config).len(), 3);
    assert_eq!(read_all(&journal).len(), 3);
}

#[test]
fn sequences_go_on_after_everything_was_released() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    for number in 0..20 {
        journal.append_now(opened(number, 20_000)).unwrap();
    }
    journal.release(Sequence(20));
    drop(journal);
    let journal = open(&config);
    assert_eq!(journal.append_now(opened(21, 0)).unwrap(), Sequence(21));
}

#[test]
fn sequences_stay_above_what_the_log_has() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&config(folder.path()));
    journal.append_now(opened(1, 0)).unwrap();
    journal.ensure_after(Sequence(1_000));
    assert_eq!(journal.append_now(opened(2, 0)).unwrap(), Sequence(1_001));
    journal.ensure_after(Sequence(5));
    assert_eq!(journal.append_now(opened(3, 0)).unwrap(), Sequence(1_002));
    assert_eq!(read_all(&journal).len(), 3);
}

#[test]
fn reading_stops_at_the_bound_but_returns_at_least_one() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&config(folder.path()));
    for number in 0..6 {
        journal.append_now(opened(number, 10_000)).unwrap();
    }
    assert_eq!(journal.read(Sequence(0), 1).unwrap().len(), 1);
    assert_eq!(journal.read(Sequence(1), 25_000).unwrap().len(), 2);
    assert_eq!(journal.read(Sequence(6), 25_000).unwrap().len(), 0);
}

#[test]
fn one_process_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let first = open(&config);
    let error = Journal::open(config.clone()).err().unwrap();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    open(&config);
}

#[test]
fn a_closed_journal_takes_nothing_and_has_everything_synced() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&config(folder.path()));
    journal.append_now(opened(1, 10)).unwrap();
    journal.close();
    assert!(journal.append_now(closed(1, 10)).is_err());
    assert_eq!(journal.shared.synced.borrow().last, 1);
    journal.close();
}

#[tokio::test]
async fn disk_durability_waits_for_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let config = JournalConfig { durability: Durability::Disk, ..config(folder.path()) };
    let journal = open(&config);
    let (first, second) = (opened(1, 10), opened(2, 10));
    let (first, second) = tokio::join!(journal.append(first), journal.append(second));
    let last = first.unwrap().max(second.unwrap());
    assert!(journal.shared.synced.borrow().last >= last.0);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_log_ends_when_it_has_the_entry_or_patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&config(folder.path()));
    let sequence = journal.append_now(opened(1, 10)).unwrap();
    assert!(!journal.wait_applied(sequence, Duration::from_secs(1)).await);
    let waiting = journal.wait_applied(sequence, Duration::from_secs(1));
    let releasing = async { journal.release(sequence) };
    assert!(tokio::join!(waiting, releasing).0);
}

#[test]
fn what_does_not_fit_into_memory_is_read_from_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&config(folder.path()));
    for number in 1..=20 {
        journal.append_now(opened(number, 1 << 20)).unwrap();
    }
    assert_eq!(journal.remembered(Sequence(0), usize::MAX, usize::MAX), None);
    let last = journal.remembered(Sequence(15), usize::MAX, usize::MAX).unwrap();
    assert_eq!(last, journal.read(Sequence(15), usize::MAX).unwrap());
    assert_eq!(last.len(), 5);
    assert_eq!(journal.remembered(Sequence(15), usize::MAX, 1).unwrap().len(), 1);
    journal.release(Sequence(20));
    assert_eq!(journal.remembered(Sequence(20), usize::MAX, usize::MAX), Some(Vec::new()));
}

#[test]
fn an_opening_comes_with_its_closing_where_both_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&config(folder.path()));
    for entry in [opened(1, 10), opened(2, 10), closed(1, 20), opened(3, 10), closed(2, 20)] {
        journal.append_now(entry).unwrap();
    }
    let read = journal.read(Sequence(0), usize::MAX).unwrap();
    let request_of = |entry: &Sequenced| match &*entry.entry {
        Entry::Opened { request, .. } | Entry::Closed { request, .. } => request.clone(),
        Entry::Trail { content, .. } => content.clone(),
    };
    let with = |closing: usize, opening: usize| Sequenced {
        opening: Some(Opening { sequence: read[opening].sequence, request: request_of(&read[opening]) }),
        ..read[closing].clone()
    };
    let all = journal.remembered(Sequence(0), usize::MAX, usize::MAX).unwrap();
    assert_eq!(all, [with(2, 0), read[3].clone(), with(4, 1)]);
    // The group ends between the two: each is an entry of its own.
    let group = journal.remembered(Sequence(0), 4, usize::MAX).unwrap();
    assert_eq!(group, [read[1].clone(), with(2, 0), read[3].clone()]);
    assert_eq!(journal.remembered(Sequence(4), 4, usize::MAX).unwrap(), [read[4].clone()]);
}

#[test]
fn what_is_reported_of_a_run_stands_between_exchanges_as_it_was_appended() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    let entries = [opened(1, 10), told(1, 70_000), closed(1, 20), told(2, 0)];
    for entry in &entries {
        journal.append_now(entry.clone()).unwrap();
    }
    let in_memory = journal.remembered(Sequence(0), usize::MAX, usize::MAX).unwrap();
    let (told_1, told_2) = (&in_memory[0], &in_memory[2]);
    assert_eq!((&*told_1.entry, &*told_2.entry), (&entries[1], &entries[3]));
    assert_eq!((told_1.sequence, told_2.sequence), (Sequence(2), Sequence(4)));
    drop(journal);
    let journal = open(&config);
    let read = journal.read(Sequence(0), usize::MAX).unwrap();
    assert_eq!(read.iter().map(|entry| (*entry.entry).clone()).collect::<Vec<_>>(), entries);
    assert_eq!([&read[1], &read[3]], [told_1, told_2]);
}

#[test]
fn what_is_retired_goes_when_the_log_has_it_and_the_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    journal.append_now(opened(1, 100)).unwrap();
    journal.append_now(closed(1, 100)).unwrap();
    journal.release(Sequence(1));
    journal.retire();
    assert_eq!(segments(&config).len(), 1, "the log has not all of it");
    journal.append_now(opened(2, 100)).unwrap();
    assert_eq!(segments(&config).len(), 2);
    journal.release(Sequence(2));
    assert_eq!(segments(&config).len(), 1);
    journal.release(Sequence(3));
    assert_eq!(segments(&config).len(), 1, "the newest stays as ever");
    journal.retire();
    assert_eq!(segments(&config), Vec::<std::path::PathBuf>::new());
    assert_eq!(journal.append_now(opened(3, 100)).unwrap(), Sequence(4));
    journal.release(Sequence(4));
    journal.retire();
    drop(journal);

    let journal = open(&config);
    journal.ensure_after(Sequence(4));
    assert_eq!(journal.append_now(opened(4, 100)).unwrap(), Sequence(5));
}
