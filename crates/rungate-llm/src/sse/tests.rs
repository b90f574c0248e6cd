use bytes::Bytes;
use proptest::prelude::*;

use super::{Event, Splitter, TooLong};

/// Every event of a stream that comes in the given pieces, the unclosed one at its end included.
fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut splitter = Splitter::new(1 << 20);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(&Bytes::copy_from_slice(piece), &mut events).unwrap();
    }
    events.extend(splitter.finish());
    assert_eq!(splitter.pending_bytes(), 0);
    events
}

/// Name and data of every event of a stream that comes in one piece.
fn read(stream: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    split([stream]).iter().map(|event| (text(event.name()), text(&event.data))).collect()
}

fn pair(name: &str, data: &str) -> (String, String) {
    (name.to_owned(), data.to_owned())
}

#[test]
fn reads_fields_under_every_line_end() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = ["event: ping", "data: {\"a\":1}", "", "data:x", "data: y", "id: 7", "", ""].join(end);
        assert_eq!(read(stream.as_bytes()), [pair("ping", "{\"a\":1}"), pair("", "x\ny")], "{end:?}");
    }
}

#[test]
fn removes_one_leading_space_and_no_more() {
    assert_eq!(read(b"data:  two\n\n"), [pair("", " two")]);
    assert_eq!(read(b"data:\ttab \n\n"), [pair("", "\ttab ")]);
}

#[test]
fn a_field_without_a_colon_has_an_empty_value() {
    assert_eq!(read(b"data\n\n"), [pair("", "")]);
    assert_eq!(read(b"data\ndata\n\n"), [pair("", "\n")]);
    assert_eq!(read(b"data\ndata: x\ndata\n\n"), [pair("", "\nx\n")]);
}

#[test]
fn other_fields_are_kept_in_raw_alone() {
    let stream = b"retry: 10\nDATA: no\ndatas: no\n data: no\n\n".as_slice();
    let events = split([stream]);
    assert_eq!(events.len(), 1);
    assert!(events[0].data.is_empty());
    assert_eq!(events[0].raw, stream);
}

#[test]
fn the_last_name_counts() {
    assert_eq!(read(b"event: a\nevent: b\ndata: 1\n\n"), [pair("b", "1")]);
}

#[test]
fn comments_and_bare_blank_lines_are_events_without_content() {
    let events = split([b": OPENROUTER PROCESSING\n\n\ndata: x\n\n".as_slice()]);
    let raws: Vec<&[u8]> = events.iter().map(|event| event.raw.as_ref()).collect();
    assert_eq!(raws, [b": OPENROUTER PROCESSING\n\n".as_slice(), b"\n", b"data: x\n\n"]);
    assert!(events[..2].iter().all(|event| event.name.is_none() && event.data.is_empty()));
}

#[test]
fn a_byte_order_mark_is_skipped_at_the_start_alone() {
    assert_eq!(read(b"\xEF\xBB\xBFdata: x\n\n"), [pair("", "x")]);
    assert_eq!(read(b"data: x\n\n\xEF\xBB\xBFdata: y\n\n"), [pair("", "x"), pair("", "")]);
    assert_eq!(split([b"\xEF\xBB\xBF\n".as_slice()]).len(), 1);
    assert_eq!(split([b"\xEF\xBBdata: x\n\n".as_slice()])[0].data.len(), 0);
}

#[test]
fn what_the_stream_did_not_close_comes_at_the_end() {
    assert_eq!(read(b"data: a\n\ndata: [DONE]"), [pair("", "a"), pair("", "[DONE]")]);
    let mut splitter = Splitter::new(64);
    assert_eq!(splitter.finish(), None);
}

#[test]
fn an_event_is_complete_with_its_last_byte() {
    let mut splitter = Splitter::new(64);
    let mut events = Vec::new();
    splitter.push(&Bytes::from_static(b"data: a\r\n\r"), &mut events).unwrap();
    assert!(events.is_empty(), "the line feed may still come");
    splitter.push(&Bytes::from_static(b"\n"), &mut events).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(splitter.pending_bytes(), 0);
    splitter.push(&Bytes::from_static(b"data: b\r\r"), &mut events).unwrap();
    splitter.push(&Bytes::from_static(b"d"), &mut events).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(splitter.pending_bytes(), 1);
}

#[test]
fn whole_events_share_the_memory_of_their_piece() {
    let piece = Bytes::from_static(b"event: a\ndata: {}\n\ndata: 2\n\n");
    let within = piece.as_ptr_range();
    let mut events = Vec::new();
    Splitter::new(64).push(&piece, &mut events).unwrap();
    assert_eq!(events.len(), 2);
    for event in &events {
        assert!(within.contains(&event.raw.as_ptr()));
        assert!(within.contains(&event.data.as_ptr()));
    }
}

#[test]
fn an_event_that_is_too_long_is_refused_however_it_comes() {
    let stream = b"data: ok\n\ndata: 0123456789\n\n";
    for size in 1..=stream.len() {
        let mut splitter = Splitter::new(17);
        let mut events = Vec::new();
        let outcome = stream
            .chunks(size)
            .try_for_each(|piece| splitter.push(&Bytes::copy_from_slice(piece), &mut events));
        assert_eq!(outcome, Err(TooLong(17)), "in pieces of {size}");
        assert_eq!(events.len(), 1);
        assert!(splitter.pending_bytes() <= 17);
    }
    let mut events = Vec::new();
    Splitter::new(18).push(&Bytes::from_static(stream), &mut events).unwrap();
    assert_eq!(events.len(), 2);
}

/// Bytes that are full of what matters to the format.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => Just(b"\n".to_vec()),
        3 => Just(b"\r".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        2 => Just(b"data".to_vec()),
        2 => Just(b"event".to_vec()),
        2 => Just(b":".to_vec()),
        1 => Just(b" ".to_vec()),
        1 => Just(b"\xEF\xBB\xBF".to_vec()),
        1 => Just(b"\xEF\xBB".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

/// Cuts a stream at the given places.
pub(crate) fn cut<'a>(stream: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &stream[std::mem::replace(&mut start, end)..end]).collect()
}

/// A second reader, as plain as can be: name and data of each event with a name or data.
fn naive(stream: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    for (at, &byte) in stream.iter().enumerate() {
        match byte {
            b'\n' if at > 0 && stream[at - 1] == b'\r' => {}
            b'\n' | b'\r' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(byte),
        }
    }
    let mut events = Vec::new();
    for block in lines.split(Vec::is_empty) {
        let (mut name, mut data) = (Vec::new(), Vec::new());
        for line in block {
            let colon = line.iter().position(|&byte| byte == b':');
            let value = colon.map_or(&[][..], |colon| &line[colon + 1..]);
            let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
            match &line[..colon.unwrap_or(line.len())] {
                b"event" => name = value,
                b"data" => data.push(value),
                _ => {}
            }
        }
        let data = data.join(&b'\n');
        if !name.is_empty() || !data.is_empty() {
            events.push((name, data));
        }
    }
    events
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        stream in stream(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = split([stream.as_slice()]);
        prop_assert_eq!(&split(cut(&stream, &places)), &whole);
        prop_assert_eq!(&split(stream.chunks(1)), &whole);
        let raws: Vec<u8> = whole.iter().flat_map(|event| event.raw.to_vec()).collect();
        prop_assert_eq!(raws, stream);
    }

    #[test]
    fn agrees_with_a_plain_reader(stream in stream()) {
        let events: Vec<_> = split([stream.as_slice()])
            .iter()
            .map(|event| (event.name().to_vec(), event.data.to_vec()))
            .filter(|(name, data)| !name.is_empty() || !data.is_empty())
            .collect();
        prop_assert_eq!(events, naive(&stream));
    }
}
