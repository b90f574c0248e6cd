//! OpenAI chat completions, and legacy completions, which differ in where the text stands.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use super::loose::{self, Any, Field, Object, Text};
use super::usage::OpenAi;
use super::{EventKind, NotTheFormat, Report, error_message};

/// More choices than any provider takes: what is not remembered beyond them counts as unfinished.
const MAX_CHOICES: usize = 1_024;

/// Which choices were seen, and whether each has its finish reason.
#[derive(Debug, Default)]
pub struct Choices {
    finished: BTreeMap<u64, bool>,
    overflowed: bool,
}

#[derive(Default)]
struct Completion<'de> {
    object: Option<Text<'de>>,
    model: Option<Text<'de>>,
    choices: Option<Vec<Choice<'de>>>,
    usage: Option<OpenAi>,
    /// Groq reports the usage of a stream here.
    x_groq: Option<Groq>,
    error: Option<Any<'de>>,
    /// Of an error that vLLM sends without an object around it.
    message: Option<Any<'de>>,
}

#[derive(Default)]
struct Groq {
    usage: Option<OpenAi>,
}

#[derive(Default)]
pub struct Choice<'de> {
    index: Option<u64>,
    finish_reason: Option<Text<'de>>,
    text: Option<Text<'de>>,
    message: Option<Message<'de>>,
    delta: Option<Message<'de>>,
    /// Moonshot reports the usage of a stream here.
    usage: Option<OpenAi>,
}

#[derive(Default)]
struct Message<'de> {
    /// Text, or parts of which Mistral's reasoning models send several kinds.
    content: Option<Any<'de>>,
    refusal: Option<Text<'de>>,
    /// The same under two names; some servers send both.
    reasoning_content: Option<Any<'de>>,
    reasoning: Option<Any<'de>>,
    tool_calls: Option<Vec<ToolCall<'de>>>,
    function_call: Option<Function<'de>>,
    audio: Option<Audio<'de>>,
}

#[derive(Default)]
struct Part<'de> {
    text: Option<Text<'de>>,
    thinking: Option<Any<'de>>,
}

#[derive(Default)]
struct ToolCall<'de> {
    function: Option<Function<'de>>,
}

#[derive(Default)]
struct Function<'de> {
    name: Option<Text<'de>>,
    arguments: Option<Any<'de>>,
}

#[derive(Default)]
struct Audio<'de> {
    transcript: Option<Text<'de>>,
}

impl<'de> Object<'de> for Completion<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "object" => value.text(&mut self.object),
            "model" => value.text(&mut self.model),
            "choices" => value.list(&mut self.choices),
            "usage" => value.object(&mut self.usage),
            "x_groq" => value.object(&mut self.x_groq),
            "error" => value.any(&mut self.error),
            "message" => value.any(&mut self.message),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Groq {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "usage" => value.object(&mut self.usage),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Choice<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "index" => value.count(&mut self.index),
            "finish_reason" => value.text(&mut self.finish_reason),
            "text" => value.text(&mut self.text),
            "message" => value.object(&mut self.message),
            "delta" => value.object(&mut self.delta),
            "usage" => value.object(&mut self.usage),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Message<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "content" => value.any(&mut self.content),
            "refusal" => value.text(&mut self.refusal),
            "reasoning_content" => value.any(&mut self.reasoning_content),
            "reasoning" => value.any(&mut self.reasoning),
            "tool_calls" => value.list(&mut self.tool_calls),
            "function_call" => value.object(&mut self.function_call),
            "audio" => value.object(&mut self.audio),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Part<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "text" => value.text(&mut self.text),
            "thinking" => value.any(&mut self.thinking),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for ToolCall<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "function" => value.object(&mut self.function),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Function<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "name" => value.text(&mut self.name),
            "arguments" => value.any(&mut self.arguments),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Audio<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "transcript" => value.text(&mut self.transcript),
            _ => value.skip(),
        }
    }
}

/// Reads a whole answer.
pub fn whole(body: &str, report: &mut Report) -> Result<(), NotTheFormat> {
    let completion: Completion<'_> = loose::object(body)?;
    let Some(choices) = &completion.choices else { return Err(NotTheFormat) };
    for choice in choices {
        choice.read(report);
    }
    completion.read_rest(report);
    Ok(())
}

impl Choices {
    /// Reads the data of one event.
    pub fn event(&mut self, data: &str, report: &mut Report) -> Result<EventKind, NotTheFormat> {
        if data.trim() == "[DONE]" {
            report.complete = !self.overflowed
                && !self.finished.is_empty()
                && self.finished.values().all(|finished| *finished);
            return Ok(EventKind::Terminator);
        }
        let chunk: Completion<'_> = loose::object(data)?;
        let bare = chunk.message.filter(|_| chunk.object.is_some_and(|object| object.is("error")));
        if let Some(message) = chunk.error.or(bare).and_then(error_message) {
            report.error = Some(message);
            return Ok(EventKind::Error);
        }
        chunk.read_rest(report);
        let choices = chunk.choices.as_deref().unwrap_or_default();
        for choice in choices {
            let index = choice.index.unwrap_or(0);
            if self.finished.len() >= MAX_CHOICES && !self.finished.contains_key(&index) {
                self.overflowed = true;
                continue;
            }
            // Some servers send an empty reason until there is one.
            *self.finished.entry(index).or_default() |=
                choice.finish_reason.is_some_and(|reason| !reason.is_empty());
            choice.read(report);
        }
        let is_usage_only = choices.is_empty() && chunk.usage.is_some();
        Ok(if is_usage_only { EventKind::UsageOnly } else { EventKind::Content })
    }
}

impl Completion<'_> {
    fn read_rest(&self, report: &mut Report) {
        report.named(self.model);
        let groq = self.x_groq.as_ref().and_then(|groq| groq.usage.as_ref());
        if let Some(usage) = self.usage.as_ref().or(groq).and_then(OpenAi::normal) {
            report.usage = Some(usage);
        }
    }
}

impl Choice<'_> {
    /// Reads its text, and its usage where it has one.
    pub fn read(&self, report: &mut Report) {
        if let Some(usage) = self.usage.as_ref().and_then(OpenAi::normal) {
            report.usage = Some(usage);
        }
        // Some servers say the same in two places (Together: `delta` and `text`); it was generated once.
        let before = report.output_text_bytes;
        for message in [&self.message, &self.delta].into_iter().flatten() {
            if report.output_text_bytes == before {
                message.read(report);
            }
        }
        if report.output_text_bytes == before {
            report.text(self.text);
        }
    }
}

impl Message<'_> {
    fn read(&self, report: &mut Report) {
        self.read_content(report);
        report.text(self.refusal);
        report.text(self.audio.as_ref().and_then(|audio| audio.transcript));
        report.hidden(self.reasoning_content.or(self.reasoning).and_then(Any::text));
        let called = self.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
        called.chain(&self.function_call).for_each(|function| function.read(report));
    }

    fn read_content(&self, report: &mut Report) {
        let Some(content) = self.content else { return };
        report.text(content.text());
        for part in content.list::<Part<'_>>().iter().flatten() {
            report.text(part.text);
            let Some(thinking) = part.thinking else { continue };
            report.hidden(thinking.text());
            thinking.list::<Part<'_>>().iter().flatten().for_each(|part| report.hidden(part.text));
        }
    }
}

impl Function<'_> {
    fn read(&self, report: &mut Report) {
        match self.name.filter(|name| !name.is_empty()) {
            Some(name) => report.tool(name, self.arguments),
            None => report.arguments(self.arguments),
        }
    }
}
