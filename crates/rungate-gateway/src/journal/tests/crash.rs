//! Damage: nothing panics, nothing is invented, everything intact comes back.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use rungate_core::exchange::{Body, Entry, Sequence};

use super::order::any_entry;
use super::{closed, config, damaged_files, open, opened, read_all, record, segments};
use crate::journal::{Journal, JournalConfig, JournalError};

/// Frames by sequence, with the file and bytes they take, as the writer placed them.
fn places(journal: &Journal) -> BTreeMap<u64, (std::path::PathBuf, std::ops::Range<u64>)> {
    let located = journal.shared.lock().locate(0, u64::MAX);
    located
        .into_iter()
        .flat_map(|(path, frames)| {
            frames
                .into_iter()
                .map(move |frame| (frame.sequence, (path.clone(), frame.offset..frame.offset + frame.bytes)))
        })
        .collect()
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_outside_the_damage_comes_back_and_none_is_invented(
        entries in prop::collection::vec(any_entry(), 1..16),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u64..200, any::<u8>()), 0..4),
        cut in prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let journal = open(&config);
        for entry in &entries {
            journal.append_now(entry.clone()).unwrap();
        }
        let places = places(&journal);
        drop(journal);

        let files = segments(&config);
        let mut damaged: Vec<(std::path::PathBuf, std::ops::Range<u64>)> = Vec::new();
        for (file, at, length, byte) in hits {
            let path = file.get(&files);
            let mut bytes = fs::read(path).unwrap();
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + usize::try_from(length).unwrap());
            // Each byte changes, so that every frame that is touched is damaged.
            bytes[at..end].iter_mut().for_each(|old| *old ^= byte | 1);
            fs::write(path, bytes).unwrap();
            damaged.push((path.clone(), at as u64..end as u64));
        }
        if let Some((file, at)) = cut {
            let path = file.get(&files);
            let length = path.metadata().unwrap().len();
            let at = at.index(usize::try_from(length).unwrap()) as u64;
            OpenOptions::new().write(true).open(path).unwrap().set_len(at).unwrap();
            damaged.push((path.clone(), at..length));
        }
        let touched = |path: &Path, range: &std::ops::Range<u64>| {
            damaged.iter().any(|(file, hit)| file == path && hit.start < range.end && range.start < hit.end)
        };
        let journal = open(&config);
        let read = read_all(&journal);
        for entry in &read {
            let at = usize::try_from(entry.sequence.0).unwrap() - 1;
            prop_assert_eq!(&*entry.entry, &entries[at]);
        }
        prop_assert!(read.is_sorted_by(|a, b| a.sequence < b.sequence));
        for (sequence, (path, range)) in &places {
            if !touched(path, range) {
                prop_assert!(read.iter().any(|entry| entry.sequence.0 == *sequence), "lost {}", sequence);
            }
        }
        let next = journal.append_now(opened(7, 7)).unwrap();
        prop_assert!(read.last().is_none_or(|last| last.sequence < next));
        drop(journal);
        let again = open(&config);
        prop_assert_eq!(read_all(&again).len(), read.len() + 1);
    }
}

#[test]
fn a_torn_end_is_put_aside_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    for number in 0..3 {
        journal.append_now(opened(number, 500)).unwrap();
    }
    let last = places(&journal)[&3].clone();
    drop(journal);
    let torn = last.1.end - 100;
    OpenOptions::new().write(true).open(&last.0).unwrap().set_len(torn).unwrap();
    let torn_bytes = fs::read(&last.0).unwrap()[usize::try_from(last.1.start).unwrap()..].to_vec();

    let journal = open(&config);
    let damage = &journal.damage()[0];
    assert_eq!((damage.offset, damage.bytes), (last.1.start, torn - last.1.start));
    assert_eq!(fs::read(damage.saved.as_ref().unwrap()).unwrap(), torn_bytes);
    assert_eq!(last.0.metadata().unwrap().len(), last.1.start);
    assert_eq!(read_all(&journal).len(), 2);
    assert_eq!(journal.append_now(opened(9, 0)).unwrap(), Sequence(3));
    drop(journal);
    assert!(open(&config).damage().is_empty());
}

#[test]
fn bytes_of_a_body_that_look_like_a_frame_are_never_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    // A client sends what a journal would write, even with a sequence that would fit.
    let journal = open(&config);
    journal.ensure_after(Sequence(1));
    journal.append_now(opened(66, 10)).unwrap();
    drop(journal);
    let forged = Bytes::from(fs::read(&segments(&config)[0]).unwrap());
    fs::remove_dir_all(&config.dir).unwrap();

    let journal = open(&config);
    journal.append_now(opened(0, 10)).unwrap();
    let request = Some(Body { bytes: forged, truncated: false, redacted: false });
    journal.append_now(Entry::Opened { record: Arc::new(record(1)), request }).unwrap();
    journal.append_now(opened(2, 10)).unwrap();
    let (path, range) = places(&journal)[&2].clone();
    drop(journal);
    overwrite(&path, range.start + 9, &[0xAA; 8]);

    let journal = open(&config);
    let ids: Vec<_> = read_all(&journal).iter().map(|entry| entry.entry.exchange_id()).collect();
    assert_eq!(ids, [Some(record(0).id), Some(record(2).id)]);
}

#[test]
fn a_segment_without_one_intact_frame_goes_out_of_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    journal.append_now(opened(0, 10)).unwrap();
    drop(journal);
    overwrite(&segments(&config)[0], 0, &[0; 60]);
    let journal = open(&config);
    assert_eq!(journal.damage().len(), 1);
    assert_eq!(damaged_files(&config).len(), 1);
    assert!(read_all(&journal).is_empty());
    assert_eq!(journal.append_now(opened(1, 10)).unwrap(), Sequence(2));
}

#[test]
fn a_frame_damaged_after_opening_is_left_out_and_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    for number in 0..3 {
        journal.append_now(opened(number, 500)).unwrap();
    }
    let places = places(&journal);
    for sequence in [1, 2] {
        let (path, range) = &places[&sequence];
        overwrite(path, range.end - 4, b"oops");
    }
    // The bound is reached by the first frame: reading goes on to one that is intact.
    let read = journal.read(Sequence(0), 1).unwrap();
    assert_eq!(read.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [Sequence(3)]);
    assert_eq!(journal.undrained_entries(), 1);
    assert_eq!(damaged_files(&config).len(), 2);
}

#[test]
fn a_segment_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let journal = open(&config);
    journal.append_now(opened(0, 10)).unwrap();
    drop(journal);
    let path = &segments(&config)[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[4] = 2;
    let crc = crc32fast::hash(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    fs::write(path, &bytes).unwrap();
    let Err(JournalError::Io(error)) = Journal::open(config.clone()) else { panic!("opened") };
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(fs::read(path).unwrap(), bytes);
}

/// The folder of the fixtures is committed: what version 1 wrote is read for ever.
#[test]
fn frames_of_version_1_are_still_read() {
    let fixture = include_bytes!("../fixtures/v1.seg");
    let folder = tempfile::tempdir().unwrap();
    let config: JournalConfig = config(folder.path());
    fs::create_dir_all(&config.dir).unwrap();
    fs::write(config.dir.join("00000000000000000001.seg"), fixture).unwrap();
    let journal = open(&config);
    assert!(journal.damage().is_empty());
    let read = read_all(&journal);
    let mut refused = closed(2, 0);
    if let Entry::Closed { request, response, .. } = &mut refused {
        let bytes = Bytes::from_static(b"{\"model\":\"gpt-5-mini\"}");
        *request = Some(Body { bytes, truncated: true, redacted: true });
        *response = None;
    }
    let expected = [opened(1, 21), closed(1, 34), refused];
    assert_eq!(read.iter().map(|entry| entry.sequence.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(read.iter().map(|entry| (*entry.entry).clone()).collect::<Vec<_>>(), expected);
}
