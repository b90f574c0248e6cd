//! Scans a JSON body: one pass over its top level, in which every value that is not needed is skipped.
//!
//! Skipping does not recurse, so no nesting is too deep for it.

use std::borrow::Cow;
use std::ops::Range;

use rungate_core::operation::Operation;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Scan, ScanError, choices};

/// The fields that are looked at, as they stand in the body. A field that stands twice is an error: which of the two
/// counts would be the provider's choice.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    model: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    stream: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    stream_options: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    n: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    messages: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    input: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    prompt: Option<&'a RawValue>,
}

/// The fields of `stream_options` that are looked at.
#[derive(Deserialize)]
pub(super) struct StreamOptions<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) include_usage: Option<&'a RawValue>,
}

/// Keeps a null that was sent apart from a field that was not.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

pub(super) fn scan(operation: Operation, body: &[u8]) -> Result<Scan, ScanError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| invalid(format!("it is not UTF-8 at byte {}", error.valid_up_to())))?;
    match text.trim_start_matches(is_whitespace).as_bytes().first() {
        None => return Err(invalid("it is empty")),
        Some(b'{') => {}
        Some(_) => return Err(invalid("it must be one JSON object")),
    }
    // Of an object of raw values, no error repeats any content: only syntax and our own field names are left to it.
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    require_input(operation, &fields)?;

    Ok(Scan {
        model: model(fields.model)?,
        model_span: fields.model.map(|value| span(text, value)),
        stream: flag("stream", fields.stream)?,
        include_usage: fields.stream_options.map_or(Ok(false), include_usage)?,
        stream_options_span: fields.stream_options.map(|value| span(text, value)),
        choices: match fields.n {
            Some(n) if !is_null(n) => choices(n.get().parse().ok())?,
            _ => 1,
        },
        words_span: words(operation, &fields).map(|value| span(text, value)),
        multipart: false,
    })
}

/// The field in which the user says something.
fn words<'a>(operation: Operation, fields: &Fields<'a>) -> Option<&'a RawValue> {
    match operation {
        Operation::ChatCompletions | Operation::Messages | Operation::CountTokens => fields.messages,
        Operation::Responses | Operation::Embeddings | Operation::Moderations | Operation::Speech => {
            fields.input
        }
        _ => fields.prompt,
    }
}

/// Checks the one field without which nothing can be asked.
fn require_input(operation: Operation, fields: &Fields<'_>) -> Result<(), ScanError> {
    let (field, value, starts, rule): (_, _, &[u8], _) = match operation {
        Operation::ChatCompletions | Operation::Messages | Operation::CountTokens => {
            ("messages", fields.messages, b"[", "an array of messages")
        }
        Operation::Embeddings | Operation::Moderations => {
            ("input", fields.input, b"\"[", "a string or an array")
        }
        Operation::Speech => ("input", fields.input, b"\"", "a string"),
        Operation::ImageGenerations => ("prompt", fields.prompt, b"\"", "a string"),
        _ => return Ok(()),
    };
    match value {
        None => Err(ScanError::field(field, format!("is required: {rule}"))),
        Some(value) if starts.contains(&value.get().as_bytes()[0]) => Ok(()),
        Some(_) => Err(ScanError::field(field, format!("must be {rule}"))),
    }
}

fn model(value: Option<&RawValue>) -> Result<Option<String>, ScanError> {
    let Some(value) = value.filter(|value| !is_null(value)) else { return Ok(None) };
    let model: Cow<'_, str> = serde_json::from_str(value.get())
        .map_err(|_| ScanError::field("model", "must be a string of valid Unicode, or null"))?;
    Ok(Some(model.into_owned()).filter(|model| !model.is_empty()))
}

fn include_usage(options: &RawValue) -> Result<bool, ScanError> {
    if is_null(options) {
        return Ok(false);
    }
    if !options.get().starts_with('{') {
        return Err(ScanError::field("stream_options", "must be an object or null"));
    }
    let options: StreamOptions<'_> = serde_json::from_str(options.get())
        .map_err(|_| ScanError::field("stream_options.include_usage", "must not stand twice"))?;
    flag("stream_options.include_usage", options.include_usage)
}

fn flag(field: &str, value: Option<&RawValue>) -> Result<bool, ScanError> {
    match value.map(RawValue::get) {
        Some("true") => Ok(true),
        Some("false" | "null") | None => Ok(false),
        Some(_) => Err(ScanError::field(field, "must be true, false or null")),
    }
}

fn invalid(why: impl Into<String>) -> ScanError {
    ScanError::InvalidJson(why.into())
}

/// White space as JSON has it, which is less than Unicode has.
pub(super) const fn is_whitespace(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r')
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Where a value borrowed from `text` stands in it.
pub(super) fn span(text: &str, value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + value.get().len()
}
