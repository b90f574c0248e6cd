//! The journal's reader. First line: `R` for bytes as they are; `F` for frames made up from them, with checksums that
//! hold; anything else writes real entries and damages them.
//!
//! What writes and damages: entries lie between `|`, and each line behind the first blank line is one damage.

use std::ops::Range;

use bytes::Bytes;
use rungate_core::activity::{AgentStamp, Trust};
use rungate_core::exchange::{Body, Entry, ExchangeRecord, Outcome, Sequence};
use rungate_core::id::{ExchangeId, ExternalId, VirtualKeyId, WorkspaceId, uuid_v7};
use rungate_core::operation::Kind;
use rungate_core::time::Timestamp;
use rungate_gateway::journal::fuzzing::{Contents, read, write};

use crate::input::Input;

const SALT: u64 = 0x0123_4567_89AB_CDEF;
const HEADER_BYTES: usize = 44;
const MAX_ENTRIES: usize = 12;

/// Every property of the journal's reader for one segment.
pub fn run(data: &[u8]) {
    let input = Input::of(data);
    let last = u64::from(input.choice(1).wrapping_sub(b'0'));
    match input.choice(0) {
        b'R' => drop(read_any(input.body, last)),
        b'F' => made_up(input.body, last),
        _ => damaged(&input),
    }
}

/// Whatever the bytes: frames and gaps lie side by side, cover all, and sequences go up.
fn read_any(segment: &[u8], last: u64) -> Option<Contents> {
    let contents = read(&Bytes::copy_from_slice(segment), last)?;
    let mut ranges: Vec<&Range<usize>> =
        contents.frames.iter().map(|(range, _)| range).chain(&contents.gaps).collect();
    ranges.sort_by_key(|range| range.start);
    let end = ranges.iter().fold(0, |end, range| {
        assert!(range.start == end && range.end > end, "{ranges:?} leave bytes out");
        range.end
    });
    assert_eq!(end, segment.len());
    let sequences: Vec<u64> =
        contents.frames.iter().filter_map(|(_, entry)| Some(entry.as_ref()?.sequence.0)).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b) && sequences.first().is_none_or(|first| *first > last));
    Some(contents)
}

/// Frames whose headers say what the input wants, checksum and all. Each takes 27 bytes and what they say is behind.
fn made_up(mut rest: &[u8], last: u64) {
    let mut segment = Vec::new();
    while let Some((says, behind)) = rest.split_at_checked(27) {
        let length = usize::from(says[26]).min(behind.len());
        let (payload, behind) = behind.split_at(length);
        let at = segment.len();
        segment.extend_from_slice(b"\xF5RGJ");
        // Version, kind, flags, sequence; the salt is one of two, so that frames of one segment meet.
        segment.extend_from_slice(&says[..12]);
        segment.extend_from_slice(&u64::from(says[12] & 1).to_le_bytes());
        // Lengths that fit the payload, or some that were made up.
        if says[13] == b'=' {
            segment.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
            segment.extend_from_slice(&[0; 8]);
        } else {
            segment.extend_from_slice(&says[14..26]);
        }
        segment.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        let crc = crc32fast::hash(&segment[at..at + HEADER_BYTES - 4]);
        segment.extend_from_slice(&crc.to_le_bytes());
        segment.extend_from_slice(payload);
        rest = behind;
    }
    segment.extend_from_slice(rest);
    read_any(&segment, last);
}

/// Writes entries, damages the segment, and compares what is read with what was written.
fn damaged(input: &Input<'_>) {
    let (entries, hits) = match input.body.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&input.body[..at], &input.body[at + 2..]),
        None => (input.body, &b""[..]),
    };
    let first = u64::from(input.choice(1).wrapping_sub(b'0')) + 1;
    let mut segment = Vec::new();
    let mut written: Vec<(Range<usize>, Entry)> = Vec::new();
    for (at, text) in entries.split(|&byte| byte == b'|').take(MAX_ENTRIES).enumerate() {
        let entry = entry(at, text);
        let lean = text.first() == Some(&b'-');
        let frame = write(&entry, first + at as u64, SALT, lean).unwrap();
        let start = segment.len();
        segment.extend_from_slice(&frame);
        written.push((start..segment.len(), if lean { without_bodies(entry) } else { entry }));
    }
    let mut touched: Vec<Range<usize>> = Vec::new();
    let mut moved_from = usize::MAX;
    for hit in hits.split(|&byte| byte == b'\n').filter(|hit| hit.len() > 2) {
        damage(&mut segment, hit, &mut touched, &mut moved_from);
    }
    let Some(contents) = read_any(&segment, first - 1) else {
        // A format that is newer is a header that was changed and whose checksum holds.
        unreachable!("damage was taken for a newer version");
    };
    let came: Vec<_> = contents.frames.into_iter().filter_map(|(_, entry)| entry).collect();
    for read in &came {
        let at = usize::try_from(read.sequence.0 - first).unwrap();
        assert_eq!(written.get(at).map(|(_, entry)| entry), Some(&*read.entry), "an entry was invented");
    }
    for (at, (range, _)) in written.iter().enumerate() {
        let is_hit = touched.iter().any(|hit| hit.start < range.end && range.start < hit.end);
        if !is_hit && range.end <= moved_from {
            let sequence = Sequence(first + at as u64);
            assert!(came.iter().any(|read| read.sequence == sequence), "{sequence:?} was lost");
        }
    }
}

/// One damage: `x` changes bytes, `c` cuts the end off, `i` puts bytes in, `d` doubles bytes, `r` takes bytes out.
fn damage(segment: &mut Vec<u8>, hit: &[u8], touched: &mut Vec<Range<usize>>, moved_from: &mut usize) {
    // Two bytes of the line say where, in 65536ths; the rest is how many, or what.
    let at = (segment.len() * usize::from(u16::from_be_bytes([hit[1], hit[2]]))) >> 16;
    let end = (at + hit.len() - 2).min(segment.len());
    match hit[0] {
        b'c' => {
            touched.push(at..usize::MAX);
            segment.truncate(at);
        }
        b'i' => {
            *moved_from = at.min(*moved_from);
            segment.splice(at..at, hit[3..].iter().copied());
        }
        b'd' => {
            *moved_from = at.min(*moved_from);
            let copy = segment[at..].iter().copied().take(hit.len() * 64).collect::<Vec<_>>();
            segment.splice(at..at, copy);
        }
        b'r' => {
            *moved_from = at.min(*moved_from);
            segment.drain(at..end);
        }
        _ => {
            touched.push(at..end);
            segment[at..end].iter_mut().for_each(|byte| *byte ^= hit[1] | 1);
        }
    }
}

fn entry(number: usize, text: &[u8]) -> Entry {
    let at = Timestamp::from_millis(1_795_478_400_000 + i64::try_from(number).unwrap());
    let agent =
        AgentStamp { id: None, external_id: ExternalId::unknown(), name: None, trust: Trust::AuthBound };
    let mut record = Box::new(ExchangeRecord::new(
        ExchangeId::new(uuid_v7(at, [number.to_le_bytes()[0]; 10])),
        WorkspaceId::new(uuid_v7(at, [1; 10])),
        at,
        Kind::Chat,
        agent,
        VirtualKeyId::new(uuid_v7(at, [2; 10])),
    ));
    record.preview_in = String::from_utf8_lossy(text).into_owned();
    let flags = text.last().copied().unwrap_or_default();
    let body = |bit: u8| {
        (flags & bit != 0).then(|| Body {
            bytes: Bytes::copy_from_slice(text),
            truncated: flags & 4 != 0,
            redacted: flags & 8 != 0,
        })
    };
    if flags & 16 != 0 {
        return Entry::Opened { record: record.into(), request: body(1) };
    }
    record.outcome = Outcome::Refused;
    Entry::Closed { record: record.into(), request: body(1), response: body(2) }
}

/// What a full journal keeps of an entry.
fn without_bodies(entry: Entry) -> Entry {
    let lean = |body: Option<Body>| {
        body.map(|body| Body {
            truncated: body.truncated || !body.bytes.is_empty(),
            bytes: Bytes::new(),
            ..body
        })
    };
    match entry {
        Entry::Opened { record, request } => Entry::Opened { record, request: lean(request) },
        Entry::Closed { record, request, response } => {
            Entry::Closed { record, request: lean(request), response: lean(response) }
        }
        Entry::Trail { entry, content } => Entry::Trail { entry, content: lean(content) },
    }
}
