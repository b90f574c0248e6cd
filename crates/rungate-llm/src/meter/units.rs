//! Answers that are charged by other units than generated text: embeddings, moderations, images, sound.

use rungate_core::operation::{Kind, Operation};
use rungate_core::usage::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::usage::{OpenAi, milliseconds};
use super::{EventKind, NotTheFormat, ProviderError, Report, Text, json};
use crate::sse::Event;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    /// Embeddings or images.
    #[serde(default)]
    data: Option<Vec<IgnoredAny>>,
    /// Moderations.
    #[serde(default)]
    results: Option<Vec<IgnoredAny>>,
    /// Transcriptions.
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    /// Of transcriptions: seconds of sound.
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    usage: Option<OpenAi>,
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    delta: Option<Text<'a>>,
    #[serde(default)]
    usage: Option<OpenAi>,
    #[serde(default)]
    error: Option<ProviderError>,
}

/// Reads a whole answer.
pub fn whole(
    operation: Operation,
    content_type: Option<&str>,
    body: &[u8],
    report: &mut Report,
) -> Result<(), NotTheFormat> {
    let is_json = content_type.is_none_or(|text| text.trim_start().starts_with("application/json"));
    if operation.kind() == Kind::Audio && !is_json {
        // Sound, or a transcription as text or subtitles.
        if operation != Operation::Speech {
            let text = std::str::from_utf8(body).map_err(|_| NotTheFormat)?;
            report.text(text);
        }
        return Ok(());
    }
    let answer: Answer<'_> = json(body)?;
    let is_there = match operation.kind() {
        Kind::Embedding | Kind::Image => answer.data.is_some(),
        Kind::Moderation => answer.results.is_some(),
        _ => answer.text.is_some(),
    };
    if !is_there {
        return Err(NotTheFormat);
    }
    report.named(answer.model.as_ref().map(Text::as_str));
    if let Some(text) = &answer.text {
        report.text(text.as_str());
    }
    let mut usage = answer.usage.as_ref().and_then(OpenAi::normal);
    if operation.kind() == Kind::Image {
        let images = answer.data.map_or(0, |data| data.len() as u64);
        usage = Some(Usage { images, ..usage.unwrap_or_default() });
    }
    let seconds = answer.duration.filter(|seconds| *seconds >= 0.0);
    report.usage = match (usage, seconds) {
        (None, Some(seconds)) => Some(Usage { audio_ms: milliseconds(seconds), ..Usage::default() }),
        // Moderation reports nothing and costs nothing at every provider that has it.
        (None, None) if operation.kind() == Kind::Moderation => Some(Usage::default()),
        (usage, _) => usage,
    };
    Ok(())
}

/// Reads one event of a stream of images, sound or a transcription: they end with an event whose type ends so, or with
/// `[DONE]`.
pub fn event(event: &Event, report: &mut Report) -> Result<EventKind, NotTheFormat> {
    if event.data.trim_ascii() == b"[DONE]" {
        report.complete = true;
        return Ok(EventKind::Terminator);
    }
    let read: StreamEvent<'_> = json(&event.data)?;
    let kind = read.kind.as_ref().map_or("", Text::as_str);
    if let Some(usage) = read.usage.as_ref().and_then(OpenAi::normal) {
        report.usage = Some(usage);
    }
    if read.error.is_some() || kind == "error" {
        report.error = Some(read.error.map(ProviderError::message).unwrap_or_default());
        return Ok(EventKind::Error);
    }
    if let Some(delta) = &read.delta {
        report.text(delta.as_str());
    }
    if matches!(kind.rsplit('.').next(), Some("done" | "completed")) {
        report.complete = true;
        return Ok(EventKind::Terminator);
    }
    Ok(EventKind::Content)
}
