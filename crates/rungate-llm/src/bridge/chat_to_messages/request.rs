//! The request: parameters and tools. Messages are in [`super::conversation`].
//!
//! What Anthropic has no equivalent for is refused when leaving it out would change what is answered, and else left out
//! and named. Values that ask for nothing (`n: 1`, a penalty of 0, `store: false`) are neither.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::common::{Dropped, Field, Object, TextOrItems, invalid, unsupported};
use super::super::{TranslateError, TranslatedRequest};
use super::conversation::{Block, Conversation, Turn, require_function};

/// Anthropic requires a limit where OpenAI does not. This is the largest that every Claude model accepts: the output
/// limit of the Claude 3 models, the lowest in Anthropic's model table.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The parameters of a function that declares none: Anthropic requires a schema.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

#[derive(Debug, Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    user_id: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
struct OutputConfig<'a> {
    format: OutputFormat<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OutputFormat<'a> {
    JsonSchema { schema: &'a RawValue },
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Cow<'a, str>>,
    input_schema: &'a RawValue,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ToolChoice<'a> {
    Auto {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    None,
}

/// Translates a request.
pub(in super::super) fn translate(body: &[u8], model: &str) -> Result<TranslatedRequest, TranslateError> {
    let mut dropped = Dropped::default();
    let mut request = Object::of_body(body)?;
    refuse_what_changes_meaning(&mut request)?;

    let Conversation { system, turns } = Conversation::read(&request.require("messages")?, &mut dropped)?;
    let tools = tools(&mut request, &mut dropped)?;
    let body = Request {
        model,
        max_tokens: max_tokens(&mut request)?,
        system,
        messages: turns,
        tool_choice: tool_choice(&mut request, !tools.is_empty())?,
        tools,
        temperature: temperature(&mut request)?,
        top_p: request.take("top_p").map(|top_p| top_p.number().map(|_| top_p.raw())).transpose()?,
        stop_sequences: stop_sequences(&mut request)?,
        output_config: output_config(&mut request, &mut dropped)?,
        metadata: metadata(&mut request, &mut dropped)?,
        stream: request.take("stream").map_or(Ok(false), |stream| stream.boolean())?,
    };

    // The model is resolved and the usage of a stream is given by the gateway, not by the provider.
    for consumed in ["model", "stream_options"] {
        request.take(consumed);
    }
    request.take_neutral("store", &["false"]);
    request.take_neutral("service_tier", &["auto", "default"]);
    request.leave(&mut dropped);
    dropped.with_body(&body)
}

fn refuse_what_changes_meaning(request: &mut Object<'_>) -> Result<(), TranslateError> {
    if let Some(choices) = request.take("n") {
        match choices.unsigned()? {
            0 => return Err(invalid(choices.path, "must be 1 or more")),
            1 => {}
            _ => return Err(unsupported(choices.path, "one answer is given per request")),
        }
    }
    for penalty in ["frequency_penalty", "presence_penalty"] {
        if let Some(penalty) = request.take(penalty)
            && penalty.number()? != 0.0
        {
            return Err(unsupported(penalty.path, "there are no penalties"));
        }
    }
    if let Some(bias) = request.take("logit_bias")
        && !bias.is_empty_object()
    {
        return Err(unsupported(bias.path, "tokens cannot be biased"));
    }
    if let Some(logprobs) = request.take("logprobs")
        && logprobs.boolean()?
    {
        return Err(unsupported(logprobs.path, "probabilities are not given"));
    }
    if let Some(top) = request.take("top_logprobs")
        && top.unsigned()? > 0
    {
        return Err(unsupported(top.path, "probabilities are not given"));
    }
    if let Some(modalities) = request.take("modalities") {
        for modality in modalities.items()? {
            if modality.string()? != "text" {
                return Err(unsupported(modality.path, "only text is answered"));
            }
        }
    }
    for (name, reason) in [
        ("audio", "only text is answered"),
        ("web_search_options", "there is no such search"),
        ("functions", "functions are replaced by tools"),
        ("function_call", "functions are replaced by tools"),
    ] {
        if let Some(field) = request.take(name) {
            return Err(unsupported(field.path, reason));
        }
    }
    Ok(())
}

fn max_tokens(request: &mut Object<'_>) -> Result<u64, TranslateError> {
    let (newer, older) = (request.take("max_completion_tokens"), request.take("max_tokens"));
    newer.or(older).map_or(Ok(DEFAULT_MAX_TOKENS), |limit| limit.unsigned())
}

/// Anthropic's ranges to 1, OpenAI's to 2. A higher one asks for more randomness than there is, so it is refused rather
/// than lowered.
fn temperature<'a>(request: &mut Object<'a>) -> Result<Option<&'a RawValue>, TranslateError> {
    let Some(temperature) = request.take("temperature") else { return Ok(None) };
    if temperature.number()? > 1.0 {
        return Err(unsupported(temperature.path, "it ranges from 0 to 1"));
    }
    Ok(Some(temperature.raw()))
}

fn stop_sequences<'a>(request: &mut Object<'a>) -> Result<Vec<Cow<'a, str>>, TranslateError> {
    let Some(stop) = request.take("stop") else { return Ok(Vec::new()) };
    let sequences: Vec<_> = match stop.text_or_items()? {
        TextOrItems::Text(sequence) => vec![sequence],
        TextOrItems::Items(items) => items.iter().map(Field::string).collect::<Result<_, _>>()?,
    };
    if sequences.iter().any(|sequence| sequence.trim().is_empty()) {
        return Err(unsupported(stop.path, "a stop sequence must be more than white space"));
    }
    Ok(sequences)
}

/// Both name a user for the detection of abuse; `safety_identifier` is the newer field and goes first.
fn metadata<'a>(
    request: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<Option<Metadata<'a>>, TranslateError> {
    let (newer, older) = (request.take("safety_identifier"), request.take("user"));
    if let (Some(_), Some(older)) = (&newer, &older) {
        dropped.note(&older.path);
    }
    newer.or(older).map(|user| user.string().map(|user_id| Metadata { user_id })).transpose()
}

/// A schema has an equivalent; JSON without one has not.
fn output_config<'a>(
    request: &mut Object<'a>,
    dropped: &mut Dropped,
) -> Result<Option<OutputConfig<'a>>, TranslateError> {
    let Some(format) = request.take("response_format") else { return Ok(None) };
    let mut format = format.object()?;
    let kind = format.require("type")?;
    match kind.string()?.as_ref() {
        "text" => Ok(None),
        "json_schema" => {
            let mut json_schema = format.require("json_schema")?.object()?;
            let schema = json_schema.require("schema")?;
            schema.object()?;
            // The name is for OpenAI's own use; a schema is always held to here.
            for consumed in ["name", "strict"] {
                json_schema.take(consumed);
            }
            json_schema.leave(dropped);
            Ok(Some(OutputConfig { format: OutputFormat::JsonSchema { schema: schema.raw() } }))
        }
        "json_object" => Err(unsupported(kind.path, "JSON is answered to a schema only: use json_schema")),
        _ => Err(unsupported(kind.path, "there is no such format")),
    }
}

fn tools<'a>(request: &mut Object<'a>, dropped: &mut Dropped) -> Result<Vec<Tool<'a>>, TranslateError> {
    let Some(tools) = request.take("tools") else { return Ok(Vec::new()) };
    tools.items()?.iter().map(|declared| tool(declared, dropped)).collect()
}

fn tool<'a>(declared: &Field<'a>, dropped: &mut Dropped) -> Result<Tool<'a>, TranslateError> {
    let mut declared = declared.object()?;
    require_function(&mut declared)?;
    let mut function = declared.require("function")?.object()?;
    let tool = Tool {
        name: function.require("name")?.string()?,
        description: function.take("description").map(|text| text.string()).transpose()?,
        input_schema: input_schema(function.take("parameters"))?,
        strict: function.take("strict").map_or(Ok(false), |strict| strict.boolean())?,
        cache_control: declared.take("cache_control").map(|control| control.raw()),
    };
    function.leave(dropped);
    declared.leave(dropped);
    Ok(tool)
}

fn input_schema(parameters: Option<Field<'_>>) -> Result<&RawValue, TranslateError> {
    match parameters {
        Some(parameters) if !parameters.is_empty_object() => {
            parameters.object()?;
            Ok(parameters.raw())
        }
        _ => serde_json::from_str(NO_PARAMETERS).map_err(|error| invalid("tools", error.to_string())),
    }
}

fn tool_choice<'a>(
    request: &mut Object<'a>,
    has_tools: bool,
) -> Result<Option<ToolChoice<'a>>, TranslateError> {
    let choice = request.take("tool_choice");
    let parallel = request.take("parallel_tool_calls").map_or(Ok(true), |parallel| parallel.boolean())?;
    let disable_parallel_tool_use = !parallel;
    let Some(choice) = choice else {
        return Ok((has_tools && !parallel).then_some(ToolChoice::Auto { disable_parallel_tool_use }));
    };
    let choice = match choice.raw().get() {
        r#""auto""# => ToolChoice::Auto { disable_parallel_tool_use },
        r#""required""# => ToolChoice::Any { disable_parallel_tool_use },
        r#""none""# => ToolChoice::None,
        written if written.starts_with('"') => {
            return Err(invalid(choice.path, "must be auto, none, required or a function"));
        }
        _ => {
            let mut named = choice.object()?;
            require_function(&mut named)?;
            let name = named.require("function")?.object()?.require("name")?.string()?;
            ToolChoice::Tool { name, disable_parallel_tool_use }
        }
    };
    match choice {
        // Anthropic refuses any choice among no tools; these two choose nothing.
        ToolChoice::Auto { .. } | ToolChoice::None if !has_tools => Ok(None),
        _ if !has_tools => Err(invalid("tool_choice", "needs tools to choose from")),
        choice => Ok(Some(choice)),
    }
}
