//! What answers say they used, read from fixtures of every provider.
//!
//! A fixture is `fixtures/<provider>/<case>.<operation>.json` (a whole answer) or `.sse` (a stream), and beside it what is
//! read from it, `….expected.json`. `UPDATE_GOLDEN=1` writes the latter anew; read each before it is committed.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use bytes::Bytes;
use proptest::prelude::*;
use rungate_core::money::NanoUsd;
use rungate_core::operation::Operation;
use rungate_core::usage::Usage;
use rungate_llm::catalog::{Price, cost};
use rungate_llm::meter::{EventKind, Meter, NotTheFormat, Report};
use rungate_llm::providers;
use rungate_llm::sse::{Event, Splitter};
use serde_json::{Value, json};

const MAX_EVENT_BYTES: usize = 1 << 20;

/// A recorded answer.
struct Fixture {
    path: PathBuf,
    operation: Operation,
    is_stream: bool,
    body: Bytes,
}

impl Fixture {
    fn read(path: PathBuf) -> Self {
        let name = path.file_name().unwrap().to_str().unwrap();
        let [_, operation, extension] = name.split('.').collect::<Vec<_>>()[..] else {
            unreachable!("{} is not named <case>.<operation>.<json|sse>", path.display())
        };
        let operation = serde_json::from_value(json!(operation)).unwrap();
        let is_stream = extension == "sse";
        let body = fs::read(&path).unwrap().into();
        Self { path, operation, is_stream, body }
    }

    fn expected_path(&self) -> PathBuf {
        let name = self.path.to_str().unwrap();
        // A case may be recorded whole and as a stream.
        let (stem, extension) = name.rsplit_once('.').unwrap();
        let mark = if extension == "sse" { "sse.expected" } else { "expected" };
        format!("{stem}.{mark}.json").into()
    }

    fn report(&self) -> Report {
        self.report_of(self.body.clone()).unwrap()
    }

    /// What is read from `body` in the fixture's place.
    fn report_of(&self, body: Bytes) -> Result<Report, NotTheFormat> {
        if self.is_stream {
            read_stream(self.operation, &[body]).map(|(report, _)| report)
        } else {
            read_whole(self.operation, &body)
        }
    }

    /// What is read from the fixture, as the file beside it says it.
    fn reading(&self) -> Value {
        if self.is_stream {
            let (report, kinds) = read_stream(self.operation, slice::from_ref(&self.body)).unwrap();
            let mut reading = shown(&report);
            let not_content: Vec<_> = kinds.iter().filter(|kind| **kind != EventKind::Content).collect();
            reading["notContent"] =
                not_content.iter().map(|kind| json!(format!("{kind:?}"))).collect::<Vec<_>>().into();
            return reading;
        }
        shown(&read_whole(self.operation, &self.body).unwrap())
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn fixtures() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = entries(&root).into_iter().flat_map(|folder| entries(&folder));
    files.filter(|path| !path.to_str().unwrap().ends_with(".expected.json")).map(Fixture::read).collect()
}

fn streams() -> Vec<Fixture> {
    fixtures().into_iter().filter(|fixture| fixture.is_stream).collect()
}

fn fixture(name: &str) -> Fixture {
    Fixture::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name))
}

fn shown(report: &Report) -> Value {
    json!({
        "usage": report.usage,
        "model": report.model,
        "responseId": report.response_id,
        "preview": report.preview,
        "outputTextBytes": report.output_text_bytes,
        "complete": report.complete,
        "error": report.error,
    })
}

fn read_whole(operation: Operation, body: &[u8]) -> Result<Report, NotTheFormat> {
    let mut meter = Meter::new(operation);
    meter.whole(Some("application/json"), body)?;
    Ok(meter.report().clone())
}

/// The events of a stream that comes in these pieces.
fn split(pieces: &[Bytes]) -> Vec<Event> {
    let mut splitter = Splitter::new(MAX_EVENT_BYTES);
    let mut events = Vec::new();
    for piece in pieces {
        splitter.push(piece, &mut events).unwrap();
    }
    events.extend(splitter.finish());
    events
}

/// Reads a stream as a gateway does: up to its terminator or its error.
fn read_stream(operation: Operation, pieces: &[Bytes]) -> Result<(Report, Vec<EventKind>), NotTheFormat> {
    let mut meter = Meter::new(operation);
    let mut kinds = Vec::new();
    for event in split(pieces) {
        let kind = meter.event(&event)?;
        kinds.push(kind);
        if matches!(kind, EventKind::Terminator | EventKind::Error) {
            break;
        }
    }
    Ok((meter.report().clone(), kinds))
}

#[test]
fn every_answer_is_read_as_expected() {
    let is_updating = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let reading = fixture.reading();
        let path = fixture.expected_path();
        if is_updating {
            fs::write(&path, format!("{reading:#}\n")).unwrap();
        }
        let expected: Value =
            fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        if reading != expected {
            wrong.push(format!("{}:\nread {reading:#}\nexpected {expected:#}", fixture.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_expectation_has_its_answer() {
    let known: Vec<_> = fixtures().iter().map(Fixture::expected_path).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for path in entries(&root).iter().flat_map(|folder| entries(folder)) {
        let is_orphan = path.to_str().unwrap().ends_with(".expected.json") && !known.contains(&path);
        assert!(!is_orphan, "{}", path.display());
    }
}

#[test]
fn every_provider_has_a_whole_answer_and_a_stream() {
    let fixtures = fixtures();
    for provider in providers::ALL {
        for is_stream in [false, true] {
            let is_there = fixtures.iter().any(|fixture| {
                let folder = fixture.path.parent().and_then(Path::file_name);
                folder == Some(provider.id.as_ref()) && fixture.is_stream == is_stream
            });
            assert!(is_there, "{}, stream: {is_stream}", provider.id);
        }
    }
}

/// The sums that a price is put on: no part is larger than the whole it is of.
#[test]
fn parts_are_within_their_whole() {
    for fixture in fixtures() {
        let report = fixture.report();
        let Some(usage) = report.usage else { continue };
        let from_cache = usage.cached_input + usage.cache_write + usage.cache_write_1h;
        assert!(from_cache <= usage.input && usage.audio_input <= usage.input, "{}", fixture.path.display());
        let special = usage.reasoning + usage.audio_output;
        assert!(special <= usage.output, "{}", fixture.path.display());
    }
}

#[test]
fn garbage_is_refused() {
    for body in
        ["", "null", "[]", "17", "\"text\"", "<html></html>", "{\"choices\": [", "{}", "{\"error\": {}}"]
    {
        for operation in
            [Operation::ChatCompletions, Operation::Completions, Operation::Messages, Operation::Embeddings]
        {
            assert_eq!(read_whole(operation, body.as_bytes()), Err(NotTheFormat), "{operation:?} {body}");
        }
    }
    for data in ["data: <html>\n\n", "data: [1]\n\n", "data: {\"choices\":\n\n"] {
        for operation in
            [Operation::ChatCompletions, Operation::Messages, Operation::Responses, Operation::Transcriptions]
        {
            let read = read_stream(operation, &[Bytes::from_static(data.as_bytes())]);
            assert_eq!(read, Err(NotTheFormat), "{operation:?} {data}");
        }
    }
}

#[test]
fn sound_and_subtitles_need_not_be_json() {
    let mut meter = Meter::new(Operation::Speech);
    meter.whole(Some("audio/mpeg"), b"\xff\xfb\x90").unwrap();
    assert_eq!(meter.report(), &Report { complete: true, ..Report::default() });
    let mut meter = Meter::new(Operation::Transcriptions);
    meter.whole(Some("text/vtt; charset=utf-8"), b"WEBVTT\n\nHello").unwrap();
    assert_eq!((meter.report().preview.as_str(), meter.report().output_text_bytes), ("WEBVTT\n\nHello", 13));
}

/// A stream that is cut anywhere before the end of its terminator is never complete.
#[test]
fn a_truncated_stream_is_never_complete() {
    for fixture in streams() {
        let body = &fixture.body;
        let events = split(slice::from_ref(body));
        let (_, kinds) = read_stream(fixture.operation, slice::from_ref(body)).unwrap();
        let before: usize = events[..kinds.len() - 1].iter().map(|event| event.raw.len()).sum();
        for end in 0..before {
            let Ok((report, _)) = read_stream(fixture.operation, &[body.slice(..end)]) else { continue };
            assert!(!report.complete, "{} cut at {end}", fixture.path.display());
        }
    }
}

fn nanos(price: Value, usage: &Usage) -> Option<i64> {
    let price: Price = serde_json::from_value(price).unwrap();
    cost(&price, usage).map(NanoUsd::nanos)
}

/// Prices in US dollars per million tokens that make every kind tell: a token costs its price in thousands of
/// nano-dollars.
#[test]
fn costs_follow_from_answers() {
    let tokens = || {
        json!({
            "inputPerMTok": "100", "cachedInputPerMTok": "10", "cacheWritePerMTok": "125",
            "cacheWrite1hPerMTok": "200", "outputPerMTok": "500",
        })
    };
    let audio = || json!({"inputPerMTok": "1", "audioInputPerMTok": "50", "outputPerMTok": "2", "audioOutputPerMTok": "90"});
    for (name, price, thousands) in [
        ("openai/cached.chat_completions.json", tokens(), 86 * 100 + 1_920 * 10 + 300 * 500),
        ("openai/usage.chat_completions.sse", tokens(), 86 * 100 + 1_920 * 10 + 300 * 500),
        ("openai/reasoning.chat_completions.json", tokens(), 81 * 100 + 1_035 * 500),
        ("openai/audio.chat_completions.json", audio(), 17 + 100 * 50 + 14 * 2 + 50 * 90),
        // 2048 fresh, 1800 read, 456 for five minutes, 100 for an hour.
        (
            "anthropic/cache.messages.json",
            tokens(),
            2_048 * 100 + 1_800 * 10 + 456 * 125 + 100 * 200 + 503 * 500,
        ),
        ("anthropic/cumulative.messages.sse", tokens(), 10_682 * 100 + 3_000 * 10 + 100 * 200 + 510 * 500),
        ("deepseek/reasoner.chat_completions.sse", tokens(), 64 * 100 + 1_536 * 10 + 210 * 500),
        ("xai/reasoning.chat_completions.json", tokens(), 26 * 100 + 6 * 10 + 103 * 500),
        ("gemini/thinking.chat_completions.json", tokens(), 11 * 100 + 1_007 * 500),
        ("gemini/only_thinking.chat_completions.json", tokens(), 11 * 100 + 1_000 * 500),
        ("openrouter/cache.chat_completions.sse", tokens(), 54 * 100 + 40 * 10 + 100 * 125 + 20 * 500),
        ("openai/one.embeddings.json", json!({"inputPerMTok": "100"}), 8 * 100),
        ("openai/dall_e.image_variations.json", json!({"perImage": "0.04"}), 3 * 40_000),
        (
            "openai/gpt_image.image_generations.json",
            json!({"inputPerMTok": "5", "outputPerMTok": "40"}),
            50 * 5 + 8_320 * 40,
        ),
        (
            "openai/gpt_image.image_generations.sse",
            json!({"perImage": "0.04", "inputPerMTok": "0", "outputPerMTok": "0"}),
            40_000,
        ),
        ("openai/duration.transcriptions.json", json!({"perAudioMinute": "0.6"}), 90_000),
        ("mistral/text.transcriptions.json", json!({"perAudioMinute": "0.6"}), 203 * 10_000),
        ("openai/flagged.moderations.json", tokens(), 0),
    ] {
        let fixture = fixture(name);
        let report = fixture.report();
        assert_eq!(nanos(price, &report.usage.unwrap()), Some(thousands * 1_000), "{name}");
    }
}

/// One change to the bytes of a fixture.
#[derive(Debug, Clone)]
enum Change {
    Flip(prop::sample::Index, u8),
    Delete(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
}

fn any_change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        2 => (at(), 1..40_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        1 => at().prop_map(Change::Truncate),
    ]
}

impl Change {
    fn apply(&self, body: &mut Vec<u8>) {
        if body.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, byte) => *at.get_mut(body) = *byte,
            Self::Delete(at, length) => {
                let start = at.index(body.len());
                body.drain(start..body.len().min(start + length));
            }
            Self::Truncate(at) => body.truncate(at.index(body.len())),
        }
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events_and_the_same_reading(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        for fixture in streams() {
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(fixture.body.len())).collect();
            ends.push(fixture.body.len());
            ends.sort_unstable();
            let mut start = 0;
            let mut pieces = Vec::new();
            for end in ends {
                pieces.push(fixture.body.slice(start..end));
                start = end;
            }
            let whole = [fixture.body.clone()];
            prop_assert_eq!(split(&pieces), split(&whole));
            prop_assert_eq!(read_stream(fixture.operation, &pieces), read_stream(fixture.operation, &whole));
        }
    }

    #[test]
    fn broken_answers_never_panic_and_keep_their_sums(changes in prop::collection::vec(any_change(), 1..6)) {
        for fixture in fixtures() {
            let mut body = fixture.body.to_vec();
            for change in &changes {
                change.apply(&mut body);
            }
            let report = fixture.report_of(body.into());
            let Ok(Report { usage: Some(usage), .. }) = report else { continue };
            prop_assert!(usage.cached_input + usage.cache_write + usage.cache_write_1h <= usage.input);
            prop_assert!(usage.reasoning <= usage.output);
        }
    }
}

#[test]
fn every_single_byte_piece_gives_the_same_reading() {
    for fixture in streams() {
        let bytes: Vec<_> = (0..fixture.body.len()).map(|at| fixture.body.slice(at..=at)).collect();
        let whole = [fixture.body.clone()];
        assert_eq!(split(&bytes), split(&whole), "{}", fixture.path.display());
        assert_eq!(read_stream(fixture.operation, &bytes), read_stream(fixture.operation, &whole));
    }
}
