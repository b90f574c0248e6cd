//! Answers that are charged by other units than generated text: embeddings, moderations, images, sound.

use rungate_core::operation::{Kind, Operation};
use rungate_core::usage::Usage;
use serde::de::MapAccess;

use super::chat::Choice;
use super::loose::{self, Any, Field, Object, Text};
use super::usage::{OpenAi, by_time};
use super::{EventKind, NotTheFormat, Report, error_message};

#[derive(Default)]
struct Answer<'de> {
    model: Option<Text<'de>>,
    /// How many embeddings or images.
    data: Option<u64>,
    /// How many moderations.
    results: Option<u64>,
    /// Of transcriptions.
    text: Option<Text<'de>>,
    /// Of transcriptions: seconds of sound.
    duration: Option<f64>,
    usage: Option<OpenAi>,
}

#[derive(Default)]
struct StreamEvent<'de> {
    kind: Option<Text<'de>>,
    model: Option<Text<'de>>,
    delta: Option<Text<'de>>,
    /// Mistral's name for a delta of a transcription. The last event has all of it once more.
    text: Option<Text<'de>>,
    /// vLLM streams a transcription as it does a chat.
    choices: Option<Vec<Choice<'de>>>,
    usage: Option<OpenAi>,
    error: Option<Any<'de>>,
}

impl<'de> Object<'de> for Answer<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "model" => value.text(&mut self.model),
            "data" => value.length(&mut self.data),
            "results" => value.length(&mut self.results),
            "text" => value.text(&mut self.text),
            "duration" => value.number(&mut self.duration),
            "usage" => value.object(&mut self.usage),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for StreamEvent<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "type" => value.text(&mut self.kind),
            "model" => value.text(&mut self.model),
            "delta" => value.text(&mut self.delta),
            "text" => value.text(&mut self.text),
            "choices" => value.list(&mut self.choices),
            "usage" => value.object(&mut self.usage),
            "error" => value.any(&mut self.error),
            _ => value.skip(),
        }
    }
}

/// Reads a whole answer. Content that is not JSON is sound, or a transcription as text or subtitles.
pub fn whole(
    operation: Operation,
    content_type: Option<&str>,
    body: &[u8],
    report: &mut Report,
) -> Result<(), NotTheFormat> {
    let is_json = content_type.is_none_or(|text| text.trim_start().starts_with("application/json"));
    if operation == Operation::Speech && !is_json {
        return Ok(());
    }
    let body = String::from_utf8_lossy(body);
    if operation.kind() == Kind::Audio && !is_json {
        report.plain(&body);
        return Ok(());
    }
    let answer: Answer<'_> = loose::object(&body)?;
    let is_there = match operation.kind() {
        Kind::Embedding | Kind::Image => answer.data.is_some(),
        Kind::Moderation => answer.results.is_some(),
        // Mistral wraps sound in an object.
        _ => operation == Operation::Speech || answer.text.is_some(),
    };
    if !is_there {
        return Err(NotTheFormat);
    }
    report.named(answer.model);
    report.text(answer.text);
    let mut usage = answer.usage.as_ref().and_then(|usage| normal(operation, usage));
    if operation.kind() == Kind::Image {
        usage = Some(Usage { images: answer.data.unwrap_or(0), ..usage.unwrap_or_default() });
    }
    report.usage = match (usage, answer.duration) {
        (None, Some(seconds)) => Some(by_time(seconds)),
        // Moderation reports nothing and costs nothing at every provider that has it.
        (None, None) if operation.kind() == Kind::Moderation => Some(Usage::default()),
        (usage, _) => usage,
    };
    Ok(())
}

/// Reads one event of a stream of images, sound or a transcription: they end with an event whose type ends so, or with
/// `[DONE]`.
pub fn event(
    operation: Operation,
    name: &str,
    data: &str,
    report: &mut Report,
) -> Result<EventKind, NotTheFormat> {
    if data.trim() == "[DONE]" {
        report.complete = true;
        return Ok(EventKind::Terminator);
    }
    let read: StreamEvent<'_> = loose::object(data)?;
    let kind = read.kind.map_or(name.into(), Text::decode);
    report.named(read.model);
    if let Some(usage) = read.usage.as_ref().and_then(|usage| normal(operation, usage)) {
        report.usage = Some(usage);
    }
    let error = read.error.and_then(error_message);
    if error.is_some() || kind == "error" {
        report.error = Some(error.unwrap_or_default());
        return Ok(EventKind::Error);
    }
    if matches!(kind.rsplit('.').next(), Some("done" | "completed")) {
        if operation.kind() == Kind::Image {
            report.usage = Some(Usage { images: 1, ..report.usage.unwrap_or_default() });
        }
        report.complete = true;
        return Ok(EventKind::Terminator);
    }
    if kind.ends_with("text.delta") {
        report.text(read.delta.or(read.text));
    }
    read.choices.iter().flatten().for_each(|choice| choice.read(report));
    Ok(EventKind::Content)
}

fn normal(operation: Operation, usage: &OpenAi) -> Option<Usage> {
    match operation {
        Operation::Transcriptions | Operation::Translations => usage.of_transcription(),
        _ => usage.normal(),
    }
}
