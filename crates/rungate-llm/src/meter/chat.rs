//! OpenAI chat completions, and legacy completions, which differ in where the text stands.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::usage::OpenAi;
use super::{EventKind, NotTheFormat, ProviderError, Report, Text, json};
use crate::sse::Event;

/// More choices than any provider takes: what is not remembered beyond them counts as unfinished.
const MAX_CHOICES: usize = 1_024;

/// Which choices were seen, and whether each has its finish reason.
#[derive(Debug, Default)]
pub struct Choices {
    finished: BTreeMap<u64, bool>,
    overflowed: bool,
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow, default)]
    model: Option<Text<'a>>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    usage: Option<OpenAi>,
    /// Groq reports the usage of a stream here.
    #[serde(default)]
    x_groq: Option<Groq>,
    #[serde(default)]
    error: Option<ProviderError>,
}

#[derive(Deserialize)]
struct Groq {
    #[serde(default)]
    usage: Option<OpenAi>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    finish_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default, alias = "message")]
    delta: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Text<'a>>,
    #[serde(borrow, default, alias = "reasoning")]
    reasoning_content: Option<Content<'a>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
}

/// Text, or parts of which Mistral's reasoning models send several kinds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(#[serde(borrow)] Text<'a>),
    Parts(#[serde(borrow)] Vec<Part<'a>>),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    arguments: Option<Text<'a>>,
}

/// Reads a whole answer.
pub fn whole(body: &[u8], report: &mut Report) -> Result<(), NotTheFormat> {
    let completion: Completion<'_> = json(body)?;
    let Some(choices) = &completion.choices else { return Err(NotTheFormat) };
    for choice in choices {
        read_choice(choice, report);
    }
    read_rest(&completion, report);
    Ok(())
}

impl Choices {
    /// Reads one event.
    pub fn event(&mut self, event: &Event, report: &mut Report) -> Result<EventKind, NotTheFormat> {
        if event.data.trim_ascii() == b"[DONE]" {
            report.complete = !self.overflowed
                && !self.finished.is_empty()
                && self.finished.values().all(|finished| *finished);
            return Ok(EventKind::Terminator);
        }
        let mut chunk: Completion<'_> = json(&event.data)?;
        if let Some(error) = chunk.error.take() {
            report.error = Some(error.message());
            return Ok(EventKind::Error);
        }
        read_rest(&chunk, report);
        let choices = chunk.choices.as_deref().unwrap_or_default();
        for choice in choices {
            if self.finished.len() >= MAX_CHOICES && !self.finished.contains_key(&choice.index) {
                self.overflowed = true;
                continue;
            }
            *self.finished.entry(choice.index).or_default() |= choice.finish_reason.is_some();
            read_choice(choice, report);
        }
        let is_usage_only = choices.is_empty() && chunk.choices.is_some() && chunk.usage.is_some();
        Ok(if is_usage_only { EventKind::UsageOnly } else { EventKind::Content })
    }
}

fn read_rest(completion: &Completion<'_>, report: &mut Report) {
    report.named(completion.model.as_ref().map(Text::as_str));
    let groq = completion.x_groq.as_ref().and_then(|groq| groq.usage.as_ref());
    if let Some(usage) = completion.usage.as_ref().or(groq).and_then(OpenAi::normal) {
        report.usage = Some(usage);
    }
}

fn read_choice(choice: &Choice<'_>, report: &mut Report) {
    if let Some(text) = &choice.text {
        report.text(text.as_str());
    }
    let Some(message) = &choice.delta else { return };
    match &message.content {
        Some(Content::Text(text)) => report.text(text.as_str()),
        Some(Content::Parts(parts)) => {
            parts.iter().filter_map(|part| part.text.as_ref()).for_each(|text| report.text(text.as_str()));
        }
        Some(Content::Other(_)) | None => {}
    }
    if let Some(refusal) = &message.refusal {
        report.text(refusal.as_str());
    }
    if let Some(Content::Text(text)) = &message.reasoning_content {
        report.hidden(text.as_str());
    }
    for function in message.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref()) {
        let arguments = function.arguments.as_ref().map_or("", Text::as_str);
        match &function.name {
            Some(name) => report.tool(name.as_str(), arguments),
            None => report.hidden(arguments),
        }
    }
}
