//! `POST /v1/audio/speech`, `/transcriptions` and `/translations`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::call::{Answer, Call, unknown_field};
use crate::event::Event;
use crate::refusal::Refusal;
use crate::reply::{Prompt, Reply};
use crate::text;

/// The bytes and the tokens of audio said for each token of text.
const AUDIO_BYTES_PER_TOKEN: usize = 64;
const AUDIO_TOKENS_PER_TOKEN: u64 = 5;
/// A second of audio in a file, in bytes and in tokens.
const FILE_BYTES_PER_SECOND: u64 = 16_000;
const FILE_TOKENS_PER_SECOND: u64 = 10;
/// A longer input is refused, as documented.
const MAX_SPEECH_CHARACTERS: usize = 4096;
/// The audio in one event of a stream, in bytes.
const SPEECH_EVENT_BYTES: usize = 1024;

/// Audio (not real: bytes that count up) of a text, or its stream of events.
pub(crate) fn speech(call: &Call<'_>) -> Result<Answer, Refusal> {
    let input = call.field("input").as_str().filter(|input| input.chars().count() <= MAX_SPEECH_CHARACTERS);
    let input = input
        .ok_or_else(|| Refusal::invalid("input", "Invalid 'input': expected at most 4096 characters."))?;
    let tokens = text::tokens(input.len());
    let bytes = input.len().div_ceil(4) * AUDIO_BYTES_PER_TOKEN;
    let audio: Bytes = (0..=u8::MAX).cycle().take(bytes).collect();
    if call.field("stream_format") == "sse" {
        let output = tokens * AUDIO_TOKENS_PER_TOKEN;
        let mut done = json!({"type": "speech.audio.done"});
        let usage = json!({"input_tokens": tokens, "output_tokens": output, "total_tokens": tokens + output});
        call.put_usage(&mut done, usage);
        let delta = |audio| json!({"type": "speech.audio.delta", "audio": STANDARD.encode(audio)});
        let mut events: Vec<Event> =
            audio.chunks(SPEECH_EVENT_BYTES).map(|audio| Event::data(&delta(audio))).collect();
        events.push(Event::data(&done).finish());
        return Ok(Answer::Events(events));
    }
    let content_type = match call.field("response_format").as_str() {
        Some("opus") => "audio/opus",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        _ => "audio/mpeg",
    };
    Ok(Answer::Raw(content_type, audio))
}

/// The text of an audio file, in the format asked for.
pub(crate) fn transcription(call: &Call<'_>) -> Result<Answer, Refusal> {
    let file = call.field("file").get("bytes").and_then(Value::as_u64);
    let file = file.ok_or_else(|| Refusal::invalid("file", "Missing required parameter: 'file'."))?;
    let seconds = file.div_ceil(FILE_BYTES_PER_SECOND).max(1);
    let reply = Prompt::default().reply(call.directives);
    let output = reply.tokens();
    let Reply::Text { text, .. } = reply else {
        return Err(Refusal::invalid("file", "A transcription calls no tools."));
    };
    let usage = usage(call, seconds, output);
    if call.is_true("stream") {
        return Ok(Answer::Events(events(call, &text, usage)));
    }
    let end = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match call.field("response_format").as_str() {
        Some("text") => Ok(Answer::Raw("text/plain; charset=utf-8", format!("{text}\n").into())),
        Some("srt") => {
            let srt = format!("1\n00:00:00,000 --> {end},000\n{text}\n\n");
            Ok(Answer::Raw("text/plain; charset=utf-8", srt.into()))
        }
        Some("vtt") => {
            let vtt = format!("WEBVTT\n\n00:00:00.000 --> {end}.000\n{text}\n\n");
            Ok(Answer::Raw("text/vtt; charset=utf-8", vtt.into()))
        }
        format => {
            let mut transcription = json!({"text": text, "x_sim": unknown_field()});
            if format == Some("verbose_json") {
                transcription["language"] = "english".into();
                transcription["duration"] = seconds.into();
                transcription["segments"] = json!([segment(&text, seconds)]);
            }
            call.put_usage(&mut transcription, usage);
            Ok(Answer::Json(transcription))
        }
    }
}

fn segment(text: &str, seconds: u64) -> Value {
    json!({
        "id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": text, "tokens": [], "temperature": 0.0,
        "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0,
    })
}

/// `whisper` models are billed by the second, the others by tokens.
fn usage(call: &Call<'_>, seconds: u64, output: u64) -> Value {
    if call.model.starts_with("whisper") {
        return json!({"type": "duration", "seconds": seconds});
    }
    let text_tokens = text::tokens(text::bytes_in(call.field("prompt")));
    let audio_tokens = seconds * FILE_TOKENS_PER_SECOND;
    json!({
        "type": "tokens",
        "input_tokens": text_tokens + audio_tokens,
        "input_token_details": {"text_tokens": text_tokens, "audio_tokens": audio_tokens},
        "output_tokens": output,
        "total_tokens": text_tokens + audio_tokens + output,
    })
}

fn events(call: &Call<'_>, text: &str, usage: Value) -> Vec<Event> {
    let delta = |piece| json!({"type": "transcript.text.delta", "delta": piece});
    let mut events: Vec<Event> = call.pieces(text).map(|piece| Event::data(&delta(piece))).collect();
    let mut done = json!({"type": "transcript.text.done", "text": text});
    call.put_usage(&mut done, usage);
    events.push(Event::data(&done).finish());
    events
}
