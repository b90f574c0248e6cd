//! A stream of chunks as the stream of a message.
//!
//! Anthropic's blocks follow one another, while OpenAI's calls may grow side by side. The text and the first call are
//! streamed as they come; whatever grows beside that call is held until the reason to stop is known and then given as
//! blocks of its own. `message_delta` waits for `[DONE]`, because the usage comes after the reason to stop.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::super::common::{read_answer, write_event};
use super::super::{AnswerContext, BadAnswer};
use super::answer::{ChatUsage, Message, Usage, message_id, stop_reason};
use super::error::Problem;

/// The most that is held of what grows beside the call that is streamed.
const MAX_HELD_BYTES: usize = 8 << 20;

#[derive(Debug, Deserialize)]
struct Chunk {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<ChatUsage>,
    error: Option<Problem>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    reasoning: Option<IgnoredAny>,
    reasoning_content: Option<IgnoredAny>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: u32,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Outgoing<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: StartedBlock<'a> },
    ContentBlockDelta { index: u32, delta: BlockDelta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: MessageDelta, usage: Usage },
    MessageStop,
    Ping,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StartedBlock<'a> {
    Text { text: &'a str },
    ToolUse { id: &'a str, name: &'a str, input: NoInput },
}

/// Writes `{}`: the input follows in deltas.
#[derive(Debug, Serialize)]
struct NoInput {}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockDelta<'a> {
    TextDelta { text: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

#[derive(Debug, Serialize)]
struct MessageDelta {
    stop_reason: &'static str,
    stop_sequence: Option<()>,
}

impl Outgoing<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Ping => "ping",
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        write_event(out, self.name(), self)
    }
}

/// The state of one stream.
#[derive(Debug)]
pub(in super::super) struct Stream {
    context: AnswerContext,
    started: bool,
    /// The index of the block that is open, or of the next one.
    block: u32,
    text_is_open: bool,
    /// Every call so far; the first one is streamed. Given away with the reason to stop.
    calls: Vec<Call>,
    /// What was said after the first call had begun.
    held_text: String,
    held_bytes: usize,
    refused: bool,
    stop_reason: Option<&'static str>,
    usage: ChatUsage,
}

#[derive(Debug)]
struct Call {
    index: u32,
    id: String,
    name: String,
    held: String,
}

impl Stream {
    pub(in super::super) fn new(context: AnswerContext) -> Self {
        Self {
            context,
            started: false,
            block: 0,
            text_is_open: false,
            calls: Vec::new(),
            held_text: String::new(),
            held_bytes: 0,
            refused: false,
            stop_reason: None,
            usage: ChatUsage::default(),
        }
    }

    pub(in super::super) fn event(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if data.trim_ascii() == b"[DONE]" {
            return self.stop(out);
        }
        let chunk: Chunk = read_answer(data)?;
        if let Some(error) = chunk.error {
            return write_event(out, "error", &error.in_stream());
        }
        if let Some(usage) = chunk.usage {
            self.usage = usage;
        }
        let choices = chunk.choices.unwrap_or_default();
        // Azure's first chunk holds the filter's verdict on the prompt and names neither id nor model.
        if !self.started && !choices.is_empty() {
            self.start(chunk.id.as_deref(), chunk.model.as_deref(), out)?;
        }
        for choice in choices {
            // A message is one choice, no more than one was asked for, and nothing follows its reason to stop.
            if choice.index == 0 && self.stop_reason.is_none() {
                self.choice(choice, out)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, id: Option<&str>, model: Option<&str>, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        self.started = true;
        let model = model.filter(|model| !model.is_empty()).unwrap_or(&self.context.model);
        let message = Message {
            id: message_id(id.unwrap_or_default()),
            kind: "message",
            role: "assistant",
            model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: Usage::default(),
        };
        Outgoing::MessageStart { message }.write(out)
    }

    fn choice(&mut self, choice: Choice, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if let Some(delta) = choice.delta {
            // Keeps the connection alive while a model reasons, which is not relayed: see `answer`.
            if delta.reasoning.is_some() || delta.reasoning_content.is_some() {
                Outgoing::Ping.write(out)?;
            }
            self.refused |= delta.refusal.as_ref().is_some_and(|refusal| !refusal.is_empty());
            for text in [delta.content, delta.refusal].into_iter().flatten() {
                self.text(&text, out)?;
            }
            for call in delta.tool_calls.unwrap_or_default() {
                self.call(call, out)?;
            }
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.stop_reason = Some(stop_reason(&reason, !self.calls.is_empty(), self.refused));
            self.give_held(out)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if text.is_empty() {
            return Ok(());
        }
        if !self.calls.is_empty() {
            self.hold(text.len())?;
            self.held_text.push_str(text);
            return Ok(());
        }
        if !self.text_is_open {
            self.text_is_open = true;
            self.start_block(StartedBlock::Text { text: "" }, out)?;
        }
        self.continue_block(BlockDelta::TextDelta { text }, out)
    }

    fn call(&mut self, delta: CallDelta, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let function = delta.function.unwrap_or_default();
        let arguments = function.arguments.unwrap_or_default();
        let id = delta.id.filter(|id| !id.is_empty());
        // Some providers number every call 0, so another id is another call as well.
        let known = self
            .calls
            .iter()
            .rposition(|call| call.index == delta.index && id.as_ref().is_none_or(|id| *id == call.id));
        let position = match known {
            Some(position) => position,
            None => self.begin_call(delta.index, id, function.name, out)?,
        };
        if arguments.is_empty() {
            return Ok(());
        }
        if position == 0 {
            return self.continue_block(BlockDelta::InputJsonDelta { partial_json: &arguments }, out);
        }
        self.hold(arguments.len())?;
        self.calls[position].held.push_str(&arguments);
        Ok(())
    }

    /// Notes a call; the first one opens its block.
    fn begin_call(
        &mut self,
        index: u32,
        id: Option<String>,
        name: Option<String>,
        out: &mut Vec<u8>,
    ) -> Result<usize, BadAnswer> {
        let (Some(id), Some(name)) = (id, name) else {
            return Err(BadAnswer("a tool call begins without an id or a name".to_owned()));
        };
        self.hold(id.len() + name.len())?;
        if self.calls.is_empty() {
            self.end_text(out)?;
            self.start_block(StartedBlock::ToolUse { id: &id, name: &name, input: NoInput {} }, out)?;
        }
        self.calls.push(Call { index, id, name, held: String::new() });
        Ok(self.calls.len() - 1)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), BadAnswer> {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > MAX_HELD_BYTES {
            return Err(BadAnswer(format!("its tool calls are longer than {MAX_HELD_BYTES} bytes")));
        }
        Ok(())
    }

    /// Ends what is open and gives what was held, in the order in which it began.
    fn give_held(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        self.end_text(out)?;
        let calls = std::mem::take(&mut self.calls);
        for (position, call) in calls.iter().enumerate() {
            if position > 0 {
                let started = StartedBlock::ToolUse { id: &call.id, name: &call.name, input: NoInput {} };
                self.start_block(started, out)?;
                self.continue_block(BlockDelta::InputJsonDelta { partial_json: &call.held }, out)?;
            }
            self.stop_block(out)?;
        }
        let text = std::mem::take(&mut self.held_text);
        self.text(&text, out)?;
        self.end_text(out)
    }

    fn stop(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let Some(stop_reason) = self.stop_reason else {
            return Err(BadAnswer("the stream ends without a finish reason".to_owned()));
        };
        let delta = MessageDelta { stop_reason, stop_sequence: None };
        Outgoing::MessageDelta { delta, usage: self.usage.of_messages() }.write(out)?;
        Outgoing::MessageStop.write(out)
    }

    fn end_text(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if std::mem::take(&mut self.text_is_open) { self.stop_block(out) } else { Ok(()) }
    }

    fn start_block(&self, content_block: StartedBlock<'_>, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        Outgoing::ContentBlockStart { index: self.block, content_block }.write(out)
    }

    fn continue_block(&self, delta: BlockDelta<'_>, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        Outgoing::ContentBlockDelta { index: self.block, delta }.write(out)
    }

    fn stop_block(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        Outgoing::ContentBlockStop { index: self.block }.write(out)?;
        self.block += 1;
        Ok(())
    }
}
