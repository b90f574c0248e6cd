use http::HeaderMap;
use rungate_core::id::WorkspaceId;
use uuid::Uuid;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);
const START: Duration = Duration::from_secs(1_000);

fn key(number: u64) -> Key {
    key_of(WorkspaceId::new(Uuid::nil()), number)
}

fn key_of(workspace: WorkspaceId, number: u64) -> Key {
    let identity = Identity {
        workspace,
        sharing: Sharing::Workspace,
        provider_key: Uuid::nil(),
        operations: ["chat", "chat"],
        uri: "/",
        headers: &HeaderMap::new(),
        body: &number.to_be_bytes(),
        limits: (None, None),
        model: None,
        stream: [false, false],
        seed: None,
    };
    identity.key()
}

fn answer(bytes: usize) -> Answer {
    Answer {
        body: Bytes::from(vec![b'a'; bytes]),
        pieces: None,
        content_type: None,
        model: None,
        preview: String::new(),
        cost: Some(NanoUsd::from_nanos(5)),
    }
}

#[test]
fn an_answer_is_found_until_its_time_is_over() {
    let cache = Cache::new(1 << 20);
    assert!(cache.find(&key(1), START, MINUTE).is_none());
    cache.keep(key(1), answer(10), START, MINUTE);
    let found = cache.find(&key(1), START + MINUTE / 2, MINUTE).unwrap();
    assert_eq!((found.answer(), found.age), (&answer(10), MINUTE / 2));
    assert!(cache.find(&key(2), START, MINUTE).is_none());
    assert!(cache.find(&key(1), START + MINUTE / 2, MINUTE / 2).is_none(), "older than it may be");
    assert!(cache.find(&key(1), START + MINUTE / 2, MINUTE).is_some(), "and kept all the same");
    assert!(cache.find(&key(1), START + MINUTE, MINUTE * 2).is_none());
    assert_eq!((cache.len(), cache.bytes()), (0, 0), "what is over is let go");
}

#[test]
fn a_new_answer_takes_the_place_of_the_old_one() {
    let cache = Cache::new(1 << 20);
    cache.keep(key(1), answer(10), START, MINUTE);
    cache.keep(key(1), answer(20), START + MINUTE / 2, MINUTE);
    assert_eq!(cache.find(&key(1), START + MINUTE, MINUTE).unwrap().answer(), &answer(20));
    assert_eq!(cache.len(), 1);
    cache.keep(key(1), answer(1 << 20), START + MINUTE, MINUTE);
    assert_eq!(cache.len(), 1, "too large");
}

#[test]
fn a_workspace_is_forgotten_and_no_other() {
    let cache = Cache::new(1 << 20);
    let theirs = WorkspaceId::new(Uuid::from_u128(1));
    cache.keep(key(1), answer(10), START, MINUTE);
    assert!(cache.find(&key_of(theirs, 1), START, MINUTE).is_none(), "the same request of another tenant");
    cache.keep(key_of(theirs, 1), answer(20), START, MINUTE);
    cache.forget(theirs);
    assert!(cache.find(&key_of(theirs, 1), START, MINUTE).is_none());
    assert_eq!(cache.find(&key(1), START, MINUTE).unwrap().answer(), &answer(10));
}

#[test]
fn the_bytes_are_bounded_whatever_comes() {
    for bytes in [64 << 10, 1 << 20, 5_000_000] {
        let cache = Cache::new(bytes);
        for number in 0..4_000 {
            let size = usize::try_from(number).unwrap().wrapping_mul(7_919) % (cache.largest() * 5 / 4);
            cache.keep(key(number), answer(size), START, MINUTE);
            assert!(cache.bytes() <= bytes as u64, "{} of {bytes}", cache.bytes());
        }
        assert!(cache.bytes() > bytes as u64 / 2, "room is used: {} of {bytes}", cache.bytes());
    }
    let off = Cache::new(0);
    assert!(!off.is_on());
    off.keep(key(1), answer(0), START, MINUTE);
    assert!(off.is_empty());
}

#[test]
fn the_largest_answer_is_kept_and_none_that_is_larger() {
    let cache = Cache::new(1 << 20);
    let most = cache.largest() - OVERHEAD_BYTES;
    cache.keep(key(1), answer(most), START, MINUTE);
    cache.keep(key(2), answer(most + 1), START, MINUTE);
    assert!(cache.find(&key(1), START, MINUTE).is_some());
    assert!(cache.find(&key(2), START, MINUTE).is_none());
}

#[test]
fn the_pieces_of_a_stream_are_gathered_as_they_came_or_not_at_all() {
    let pool = MemoryPool::new(1 << 20);
    let mut gathering = Gathering::new(100, pool.clone());
    for piece in ["data: 1\n\n", "", "data: 22\n\n"] {
        gathering.add(piece.as_bytes());
    }
    let (body, ends) = gathering.take().unwrap();
    assert_eq!((&body[..], &*ends), (&b"data: 1\n\ndata: 22\n\n"[..], &[9, 19][..]));

    let mut gathering = Gathering::new(100, pool.clone());
    gathering.add(&[0; 80]);
    gathering.add(&[0; 80]);
    gathering.add(&[0; 1]);
    assert_eq!(pool.used_bytes(), 0, "given back at once");
    assert!(gathering.take().is_none());

    let small = MemoryPool::new(1 << 10);
    let mut gathering = Gathering::new(1 << 20, small);
    gathering.add(&[0; 2 << 10]);
    assert!(gathering.take().is_none(), "no memory for it");
}
