//! The request: parameters and tools. Messages are in [`super::conversation`].
//!
//! The provider's own tools (`web_search_…` and its like), MCP servers and containers are refused. `top_k`, thinking,
//! effort and cache marks are left out and named: they steer how an answer is found, not what is asked.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::common::{Dropped, Field, Object, invalid, unsupported};
use super::super::{TranslateError, TranslatedRequest};
use super::conversation::{self, ChatMessage};
use crate::request::takes_completion_tokens;

#[derive(Debug, Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<ChatMessage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Debug, Serialize)]
struct JsonSchema<'a> {
    /// OpenAI requires a name and does nothing with it.
    name: &'static str,
    schema: &'a RawValue,
    strict: bool,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    parameters: &'a RawValue,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ToolChoice<'a> {
    Mode(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Named<'a>,
    },
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: Cow<'a, str>,
}

/// Translates a request.
pub(in super::super) fn translate(
    body: &[u8],
    model: &str,
    ask_usage: bool,
) -> Result<TranslatedRequest, TranslateError> {
    let mut dropped = Dropped::default();
    let mut request = Object::of_body(body)?;
    for (name, reason) in [
        ("mcp_servers", "there are no MCP servers on the provider's side"),
        ("container", "there are no containers on the provider's side"),
    ] {
        if let Some(field) = request.take(name) {
            return Err(unsupported(field.path, reason));
        }
    }

    let system =
        request.take("system").map(|system| conversation::system(&system, &mut dropped)).transpose()?;
    let mut messages: Vec<_> = system.flatten().into_iter().collect();
    messages.extend(conversation::messages(&request.require("messages")?, &mut dropped)?);
    let max_tokens = request.require("max_tokens")?.unsigned()?;
    let (max_tokens, max_completion_tokens) =
        if takes_completion_tokens(model) { (None, Some(max_tokens)) } else { (Some(max_tokens), None) };
    let tools = tools(&mut request, &mut dropped)?;
    let (tool_choice, parallel_tool_calls) = tool_choice(&mut request, !tools.is_empty(), &mut dropped)?;
    let stream = request.take("stream").map_or(Ok(false), |stream| stream.boolean())?;
    let body = Request {
        model,
        messages,
        max_tokens,
        max_completion_tokens,
        tools,
        tool_choice,
        parallel_tool_calls,
        temperature: number(&mut request, "temperature")?,
        top_p: number(&mut request, "top_p")?,
        stop: stop(&mut request)?,
        response_format: response_format(&mut request, &mut dropped)?,
        user: user(&mut request, &mut dropped)?,
        stream,
        // Messages streams always tell their usage.
        stream_options: (stream && ask_usage).then_some(StreamOptions { include_usage: true }),
    };

    request.take("model");
    request.take_neutral("service_tier", &["auto", "standard_only"]);
    leave_thinking(&mut request, &mut dropped)?;
    request.leave(&mut dropped);
    dropped.with_body(&body)
}

fn number<'a>(request: &mut Object<'a>, name: &str) -> Result<Option<&'a RawValue>, TranslateError> {
    request.take(name).map(|field| field.number().map(|_| field.raw())).transpose()
}

fn stop<'a>(request: &mut Object<'a>) -> Result<Vec<Cow<'a, str>>, TranslateError> {
    let Some(sequences) = request.take("stop_sequences") else { return Ok(Vec::new()) };
    sequences.items()?.iter().map(Field::string).collect()
}

fn user<'a>(request: &mut Object<'a>, dropped: &mut Dropped) -> Result<Option<Cow<'a, str>>, TranslateError> {
    let Some(metadata) = request.take("metadata") else { return Ok(None) };
    let mut metadata = metadata.object()?;
    let user = metadata.take("user_id").map(|user| user.string()).transpose()?;
    metadata.leave(dropped);
    Ok(user)
}

/// Switched off is what other models do anyway.
fn leave_thinking(request: &mut Object<'_>, dropped: &mut Dropped) -> Result<(), TranslateError> {
    if let Some(thinking) = request.take("thinking")
        && thinking.object()?.require("type")?.string()? != "disabled"
    {
        dropped.note(&thinking.path);
    }
    Ok(())
}

/// `output_config.format`, and `output_format`, its older place.
fn response_format<'a>(
    request: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<Option<ResponseFormat<'a>>, TranslateError> {
    let older = request.take("output_format");
    let mut newer = None;
    if let Some(config) = request.take("output_config") {
        let mut config = config.object()?;
        newer = config.take("format");
        config.leave(dropped);
    }
    let Some(format) = newer.or(older) else { return Ok(None) };
    let mut format = format.object()?;
    let kind = format.require("type")?;
    if kind.string()? != "json_schema" {
        return Err(unsupported(kind.path, "there is no such format"));
    }
    let schema = format.require("schema")?;
    schema.object()?;
    format.leave(dropped);
    let json_schema = JsonSchema { name: "answer", schema: schema.raw(), strict: true };
    Ok(Some(ResponseFormat::JsonSchema { json_schema }))
}

fn tools<'a>(request: &mut Object<'a>, dropped: &mut Dropped) -> Result<Vec<Tool<'a>>, TranslateError> {
    let Some(tools) = request.take("tools") else { return Ok(Vec::new()) };
    tools.items()?.iter().map(|declared| tool(declared, dropped)).collect()
}

fn tool<'a>(declared: &Field<'a>, dropped: &mut Dropped) -> Result<Tool<'a>, TranslateError> {
    let mut declared = declared.object()?;
    if let Some(kind) = declared.take("type")
        && kind.string()? != "custom"
    {
        return Err(unsupported(kind.path, "it runs on Anthropic's side only"));
    }
    let schema = declared.require("input_schema")?;
    schema.object()?;
    let function = Function {
        name: declared.require("name")?.string()?,
        description: declared.take("description").map(|text| text.string()).transpose()?,
        parameters: schema.raw(),
        strict: declared.take("strict").map_or(Ok(false), |strict| strict.boolean())?,
    };
    declared.leave(dropped);
    Ok(Tool { kind: "function", function })
}

/// The choice, and whether several calls may be made at once. OpenAI refuses both where there are no tools.
fn tool_choice<'a>(
    request: &mut Object<'a>,
    has_tools: bool,
    dropped: &mut Dropped,
) -> Result<(Option<ToolChoice<'a>>, Option<bool>), TranslateError> {
    let Some(choice) = request.take("tool_choice") else { return Ok((None, None)) };
    let mut choice = choice.object()?;
    let kind = choice.require("type")?;
    let chosen = match kind.string()?.as_ref() {
        "auto" => ToolChoice::Mode("auto"),
        "any" => ToolChoice::Mode("required"),
        "none" => ToolChoice::Mode("none"),
        "tool" => ToolChoice::Named {
            kind: "function",
            function: Named { name: choice.require("name")?.string()? },
        },
        _ => return Err(invalid(kind.path, "must be auto, any, tool or none")),
    };
    let one_at_a_time = choice.take("disable_parallel_tool_use").map_or(Ok(false), |one| one.boolean())?;
    choice.leave(dropped);
    match chosen {
        _ if has_tools => Ok((Some(chosen), one_at_a_time.then_some(false))),
        ToolChoice::Mode("auto" | "none") => Ok((None, None)),
        _ => Err(invalid("tool_choice", "needs tools to choose from")),
    }
}
