//! The Responses API.

use serde::de::MapAccess;

use super::loose::{self, Any, Field, Object, Text};
use super::usage::OpenAi;
use super::{EventKind, NotTheFormat, Report, error_message};

#[derive(Default)]
struct Response<'de> {
    id: Option<Text<'de>>,
    object: Option<Text<'de>>,
    model: Option<Text<'de>>,
    output: Option<Vec<Item<'de>>>,
    usage: Option<OpenAi>,
    error: Option<Any<'de>>,
}

#[derive(Default)]
struct Item<'de> {
    kind: Option<Text<'de>>,
    role: Option<Text<'de>>,
    name: Option<Text<'de>>,
    /// Of a function.
    arguments: Option<Any<'de>>,
    /// Of a tool with a grammar of its own.
    input: Option<Any<'de>>,
    content: Option<Vec<Part<'de>>>,
    summary: Option<Vec<Part<'de>>>,
}

#[derive(Default)]
struct Part<'de> {
    text: Option<Text<'de>>,
    refusal: Option<Text<'de>>,
}

#[derive(Default)]
struct StreamEvent<'de> {
    kind: Option<Text<'de>>,
    response: Option<Response<'de>>,
    item: Option<Item<'de>>,
    /// Most deltas are text; some events carry objects under the same name.
    delta: Option<Text<'de>>,
    message: Option<Text<'de>>,
    error: Option<Any<'de>>,
}

impl<'de> Object<'de> for Response<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "id" => value.text(&mut self.id),
            "object" => value.text(&mut self.object),
            "model" => value.text(&mut self.model),
            "output" => value.list(&mut self.output),
            "usage" => value.object(&mut self.usage),
            "error" => value.any(&mut self.error),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Item<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "type" => value.text(&mut self.kind),
            "role" => value.text(&mut self.role),
            "name" => value.text(&mut self.name),
            "arguments" => value.any(&mut self.arguments),
            "input" => value.any(&mut self.input),
            "content" => value.list(&mut self.content),
            "summary" => value.list(&mut self.summary),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for Part<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "text" => value.text(&mut self.text),
            "refusal" => value.text(&mut self.refusal),
            _ => value.skip(),
        }
    }
}

impl<'de> Object<'de> for StreamEvent<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
        match name {
            "type" => value.text(&mut self.kind),
            "response" => value.object(&mut self.response),
            "item" => value.object(&mut self.item),
            "delta" => value.text(&mut self.delta),
            "message" => value.text(&mut self.message),
            "error" => value.any(&mut self.error),
            _ => value.skip(),
        }
    }
}

/// Reads a whole answer. Lists of input items and confirmations of a deletion are objects without usage.
pub fn whole(body: &str, report: &mut Report) -> Result<(), NotTheFormat> {
    let response: Response<'_> = loose::object(body)?;
    response.output.iter().flatten().for_each(|item| item.read(report));
    response.read_head(report);
    Ok(())
}

/// Reads one event.
pub fn event(name: &str, data: &str, report: &mut Report) -> Result<EventKind, NotTheFormat> {
    let read: StreamEvent<'_> = loose::object(data)?;
    let kind = read.kind.map_or(name.into(), Text::decode);
    if let Some(response) = &read.response {
        response.read_head(report);
    }
    match &*kind {
        "response.completed" | "response.incomplete" => {
            report.complete = true;
            return Ok(EventKind::Terminator);
        }
        "response.failed" | "response.cancelled" => {
            let error = read.response.and_then(|response| response.error);
            report.error = Some(error.and_then(error_message).unwrap_or_default());
            return Ok(EventKind::Error);
        }
        "error" => {
            let message = read.message.map(|message| message.decode().into_owned());
            report.error = Some(message.or_else(|| read.error.and_then(error_message)).unwrap_or_default());
            return Ok(EventKind::Error);
        }
        "response.output_item.added" => {
            if let Some(name) = read.item.and_then(|item| item.called()) {
                report.tool(name, None);
            }
        }
        "response.output_text.delta" | "response.refusal.delta" => report.text(read.delta),
        kind if kind.ends_with("audio.delta") => {}
        "" => match read.error.and_then(error_message) {
            Some(message) => {
                report.error = Some(message);
                return Ok(EventKind::Error);
            }
            None => return Err(NotTheFormat),
        },
        _ => report.hidden(read.delta),
    }
    Ok(EventKind::Content)
}

impl Response<'_> {
    fn read_head(&self, report: &mut Report) {
        report.named(self.model);
        if let Some(id) = self.id.filter(|_| self.object.is_some_and(|object| object.is("response"))) {
            report.response_id = Some(id.decode().into_owned());
        }
        if let Some(usage) = self.usage.as_ref().and_then(OpenAi::normal) {
            report.usage = Some(usage);
        }
    }
}

impl<'de> Item<'de> {
    /// The tool that the client is asked to run. Those that the provider runs itself have names, too.
    fn called(&self) -> Option<Text<'de>> {
        let is_call = |kind: Text<'_>| kind.is("function_call") || kind.is("custom_tool_call");
        self.name.filter(|_| self.kind.is_some_and(is_call))
    }

    fn read(&self, report: &mut Report) {
        if self.role.is_some_and(|role| !role.is("assistant")) {
            // Fireworks lists the input among the output.
            return;
        }
        let is_reasoning = self.kind.is_some_and(|kind| kind.is("reasoning"));
        for part in self.content.iter().flatten() {
            if is_reasoning {
                report.hidden(part.text);
            } else {
                report.text(part.text);
                report.text(part.refusal);
            }
        }
        self.summary.iter().flatten().for_each(|part| report.hidden(part.text));
        let arguments = self.arguments.or(self.input);
        match self.called() {
            Some(name) => report.tool(name, arguments),
            None => report.arguments(arguments),
        }
    }
}
