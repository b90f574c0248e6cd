//! Copying a journal while it is written and released.

use super::*;
use crate::journal::hold::{Contents, Hold};

#[tokio::test]
async fn held_segments_stay_until_the_hold_goes_and_are_copied_whole() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { segment_bytes: 8 << 10, ..config(dir.path()) };
    let journal = Journal::open(config.clone()).unwrap();
    for number in 0..10 {
        journal.append(opened(number, 3 << 10)).await.unwrap();
    }
    let hold = Hold::take(&config.dir).unwrap();
    let before = segments(&config);
    for number in 0..10 {
        journal.append(closed(number, 3 << 10)).await.unwrap();
    }
    journal.release(journal.last());
    assert!(segments(&config).starts_with(&before), "a held segment is gone");

    // What an append in progress looks like.
    let newest = segments(&config).pop().unwrap();
    let mut torn = std::fs::read(&newest).unwrap();
    torn.extend_from_slice(b"\xF5RGJ half of a frame");
    std::fs::write(&newest, torn).unwrap();
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    let copied = hold.copy(&copy).unwrap();
    assert_eq!((copied.entries, copied.last), (20, 20));
    let read = Contents::of(&copy).unwrap();
    assert_eq!(read, Contents { damaged_bytes: 0, ..copied });
    let reopened = Journal::open(JournalConfig { dir: copy, ..config.clone() }).unwrap();
    assert!(reopened.damage().is_empty());
    assert_eq!(read_all(&reopened).len(), 20);

    drop(hold);
    journal.release(journal.last());
    assert_eq!(segments(&config).len(), 1, "what was held goes once nobody holds it");
}

#[tokio::test]
async fn a_hold_that_does_not_end_gives_way_before_the_disk_is_full_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { segment_bytes: 8 << 10, max_bytes: 1 << 20, ..config(dir.path()) };
    let journal = Journal::open(config.clone()).unwrap();
    journal.append(opened(0, 3 << 10)).await.unwrap();
    journal.append(closed(0, 3 << 10)).await.unwrap();
    let hold = Hold::take(&config.dir).unwrap();
    for number in 1..200 {
        journal.append(opened(number, 6 << 10)).await.unwrap();
        journal.append(closed(number, 6 << 10)).await.unwrap();
        journal.release(journal.last());
    }
    let bytes: u64 = segments(&config).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes < 2 << 20, "{bytes} bytes are held");
    let error = hold.copy(dir.path()).unwrap_err().to_string();
    assert!(error.contains("was removed while it was held"), "{error}");
}
