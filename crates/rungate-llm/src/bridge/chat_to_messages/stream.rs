//! A stream of a message as a stream of chunks.
//!
//! `message_start` gives the chunk with the role, `message_delta` the one with the finish reason, `message_stop` the
//! usage, if it was asked for, and `[DONE]`. Signatures, pings and events that are not known give nothing.

use serde::{Deserialize, Serialize};

use super::super::common::{read_answer, write_data};
use super::super::{AnswerContext, BadAnswer};
use super::answer::{Block, ChatUsage, Usage, completion_id, finish_reason};
use super::error::Problem;

/// An event of any type; what the type does not have is absent.
#[derive(Debug, Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Started>,
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    delta: Option<IncomingDelta>,
    usage: Option<Usage>,
    error: Option<Problem>,
}

#[derive(Debug, Deserialize)]
struct Started {
    id: String,
    model: Option<String>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Debug, Deserialize)]
struct IncomingDelta {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    thinking: String,
    #[serde(default)]
    partial_json: String,
    stop_reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    /// Null on every chunk but the last where usage was asked for, absent where it was not.
    #[serde(skip_serializing_if = "StreamUsage::is_not_asked_for")]
    usage: StreamUsage,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum StreamUsage {
    NotAskedFor,
    NotYet,
    Known(ChatUsage),
}

impl StreamUsage {
    const fn is_not_asked_for(&self) -> bool {
        matches!(self, Self::NotAskedFor)
    }
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

#[derive(Debug, Serialize)]
struct ToolCall<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// The state of one stream.
#[derive(Debug)]
pub(in super::super) struct Stream {
    context: AnswerContext,
    id: String,
    model: String,
    usage: Usage,
    tool: Option<OpenTool>,
    /// Calls begun so far: the index of the next one.
    tools: u32,
    finished: bool,
}

/// The call whose block is open; Anthropic's blocks follow one another.
#[derive(Debug)]
struct OpenTool {
    block: u64,
    index: u32,
    has_arguments: bool,
}

impl Stream {
    pub(in super::super) fn new(context: AnswerContext) -> Self {
        Self {
            id: completion_id(""),
            model: context.model.clone(),
            context,
            usage: Usage::default(),
            tool: None,
            tools: 0,
            finished: false,
        }
    }

    pub(in super::super) fn event(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let event: Incoming<'_> = read_answer(data)?;
        match event.kind.as_str() {
            "message_start" => self.start(event.message, out),
            "content_block_start" => self.start_block(event.index, event.content_block, out),
            "content_block_delta" => self.continue_block(event.index, event.delta, out),
            "content_block_stop" => self.stop_block(event.index, out),
            "message_delta" => self.finish(event.delta, event.usage, out),
            "message_stop" => self.stop(out),
            "error" => {
                let error =
                    event.error.ok_or_else(|| BadAnswer("an error event without an error".to_owned()))?;
                write_data(out, &error.of_chat())
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, message: Option<Started>, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let message = message.ok_or_else(|| BadAnswer("message_start without a message".to_owned()))?;
        self.id = completion_id(&message.id);
        if let Some(model) = message.model {
            self.model = model;
        }
        self.usage.update(&message.usage);
        self.write(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, None, out)
    }

    fn start_block(
        &mut self,
        index: u64,
        block: Option<Block<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), BadAnswer> {
        let block = block.ok_or_else(|| BadAnswer("content_block_start without a block".to_owned()))?;
        match block.kind.as_str() {
            "text" => self.write_text(&block.text, out),
            "thinking" => self.write_thinking(&block.thinking, out),
            "tool_use" => {
                let tool = OpenTool { block: index, index: self.tools, has_arguments: false };
                self.tools += 1;
                let call = ToolCall {
                    index: tool.index,
                    id: Some(&block.id),
                    kind: Some("function"),
                    function: Function { name: Some(&block.name), arguments: "" },
                };
                self.tool = Some(tool);
                self.write(Delta { tool_calls: Some([call]), ..Delta::default() }, None, out)
            }
            _ => Ok(()),
        }
    }

    fn continue_block(
        &mut self,
        index: u64,
        delta: Option<IncomingDelta>,
        out: &mut Vec<u8>,
    ) -> Result<(), BadAnswer> {
        let delta = delta.ok_or_else(|| BadAnswer("content_block_delta without a delta".to_owned()))?;
        match delta.kind.as_str() {
            "text_delta" => self.write_text(&delta.text, out),
            "thinking_delta" => self.write_thinking(&delta.thinking, out),
            "input_json_delta" => self.write_arguments(index, &delta.partial_json, out),
            _ => Ok(()),
        }
    }

    /// Arguments of blocks that are not calls of the client's tools have no place in a chunk.
    fn write_arguments(&mut self, index: u64, json: &str, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        let Some(tool) = self.tool.as_mut().filter(|tool| tool.block == index && !json.is_empty()) else {
            return Ok(());
        };
        tool.has_arguments = true;
        let function = Function { name: None, arguments: json };
        let call = ToolCall { index: tool.index, id: None, kind: None, function };
        self.write(Delta { tool_calls: Some([call]), ..Delta::default() }, None, out)
    }

    /// Anthropic streams no arguments for an empty input; OpenAI's are always JSON.
    fn stop_block(&mut self, index: u64, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if self.tool.as_ref().is_some_and(|tool| tool.block == index && !tool.has_arguments) {
            self.write_arguments(index, "{}", out)?;
        }
        Ok(())
    }

    fn finish(
        &mut self,
        delta: Option<IncomingDelta>,
        usage: Option<Usage>,
        out: &mut Vec<u8>,
    ) -> Result<(), BadAnswer> {
        if let Some(usage) = usage {
            self.usage.update(&usage);
        }
        match delta.and_then(|delta| delta.stop_reason) {
            Some(reason) if !self.finished => {
                self.finished = true;
                self.write(Delta::default(), Some(finish_reason(&reason)), out)
            }
            _ => Ok(()),
        }
    }

    fn stop(&mut self, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if !self.finished {
            return Err(BadAnswer("the stream ends without a reason to stop".to_owned()));
        }
        if self.context.include_usage {
            let usage = StreamUsage::Known(self.usage.of_chat());
            write_data(out, &self.chunk(Vec::new(), usage))?;
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
        Ok(())
    }

    fn write_text(&self, text: &str, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if text.is_empty() {
            return Ok(());
        }
        self.write(Delta { content: Some(text), ..Delta::default() }, None, out)
    }

    fn write_thinking(&self, thinking: &str, out: &mut Vec<u8>) -> Result<(), BadAnswer> {
        if thinking.is_empty() {
            return Ok(());
        }
        self.write(Delta { reasoning_content: Some(thinking), ..Delta::default() }, None, out)
    }

    fn write(
        &self,
        delta: Delta<'_>,
        finish_reason: Option<&'static str>,
        out: &mut Vec<u8>,
    ) -> Result<(), BadAnswer> {
        let usage = if self.context.include_usage { StreamUsage::NotYet } else { StreamUsage::NotAskedFor };
        write_data(out, &self.chunk(vec![Choice { index: 0, delta, logprobs: None, finish_reason }], usage))
    }

    fn chunk<'a>(&'a self, choices: Vec<Choice<'a>>, usage: StreamUsage) -> Chunk<'a> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.context.created,
            model: &self.model,
            choices,
            usage,
        }
    }
}
