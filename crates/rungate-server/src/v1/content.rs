//! The content of events and the schemas that go with it.

use rungate_check::schema::Schemas;
use rungate_core::code::Code;
use serde_json::{Value, json};

use super::error::RunError;
use super::fields::{Fields, missing};

/// The largest content of an event, in bytes.
pub const MAX_CONTENT_BYTES: usize = 1 << 20;
const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Content nests no deeper.
const MAX_DEPTH: usize = 64;
/// What the reader of JSON says of what nests deeper than it reads.
const TOO_DEEP: &str = "recursion limit exceeded";

/// A content, as it is kept.
pub struct Content {
    /// A JSON object.
    pub value: Value,
    /// As text.
    pub text: String,
    /// Whether it is what the wire says, and not only tolerated.
    pub is_plain: bool,
}

/// A schema and what it says of the content.
#[derive(Debug, Default)]
pub struct Fit {
    /// As text; absent without one.
    pub schema: Option<String>,
    /// Whether the content fits; absent without a schema.
    pub fits: Option<bool>,
}

/// `content`: a JSON object written as a string. An object, and any other text, is tolerated.
pub fn content(fields: Fields<'_>, most: usize) -> Result<Content, RunError> {
    let content = match fields.get("content") {
        None => return Err(missing("content")),
        Some(Value::String(text)) => from_text(text)?,
        Some(value @ Value::Object(_)) => {
            Content { text: value.to_string(), value: value.clone(), is_plain: false }
        }
        Some(other) => {
            let value = json!({ "text": other.to_string() });
            Content { text: value.to_string(), value, is_plain: false }
        }
    };
    if content.text.len() > most {
        let message = format!("content has {} bytes; at most {most} are taken", content.text.len());
        return Err(RunError::new(Code::PayloadTooLarge, message));
    }
    if depth(&content.value) > MAX_DEPTH {
        return Err(too_deep());
    }
    if fields.is_strict() && !content.is_plain {
        let message = "content must be a JSON object written as a string";
        return Err(RunError::new(Code::InvalidContent, message));
    }
    Ok(content)
}

fn from_text(text: &str) -> Result<Content, RunError> {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => Ok(Content { value, text: text.to_owned(), is_plain: true }),
        Err(error) if error.to_string().contains(TOO_DEEP) => Err(too_deep()),
        Ok(_) | Err(_) => {
            let value = json!({ "text": text });
            Ok(Content { text: value.to_string(), value, is_plain: false })
        }
    }
}

fn too_deep() -> RunError {
    RunError::new(Code::InvalidContent, format!("content nests deeper than {MAX_DEPTH} levels"))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// `schema`: a JSON Schema written as a string, also in function style; an object is tolerated.
pub fn schema(fields: Fields<'_>, schemas: &Schemas, content: &Value) -> Result<Fit, RunError> {
    let text = match fields.get("schema") {
        None if fields.is_strict() => return Err(missing("schema")),
        None => return Ok(Fit::default()),
        Some(Value::String(text)) => text.clone(),
        Some(value @ Value::Object(_)) if !fields.is_strict() => value.to_string(),
        Some(_) => return Err(bad_schema("schema must be a JSON Schema written as a string")),
    };
    if text.len() > MAX_SCHEMA_BYTES {
        let message = format!("schema has {} bytes; at most {MAX_SCHEMA_BYTES} are taken", text.len());
        return Err(RunError::new(Code::PayloadTooLarge, message));
    }
    let parsed: Value =
        serde_json::from_str(&text).map_err(|error| bad_schema(&format!("schema is not JSON: {error}")))?;
    let compiled = match parameters(&parsed) {
        Some(parameters) => schemas.compile(&parameters.to_string()),
        None => schemas.compile(&text),
    };
    let compiled = compiled.map_err(|error| bad_schema(&format!("schema is no JSON Schema: {error}")))?;
    Ok(Fit { schema: Some(text), fits: Some(compiled.fits(content)) })
}

/// The name of the action that a function-style description is of.
pub fn action_name(fit: &Fit) -> Result<String, RunError> {
    let described: Option<Value> = fit.schema.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let described = described.unwrap_or_default();
    let function = described.get("function").filter(|inner| inner.is_object()).unwrap_or(&described);
    match function.get("name") {
        Some(Value::String(name)) if !name.trim().is_empty() => Ok(name.clone()),
        _ => Err(bad_schema(
            "schema must name the action: {\"type\": \"function\", \"name\": \"…\", \"parameters\": {…}}",
        )),
    }
}

/// The parameters of a function-style description; `None` for a plain schema.
fn parameters(schema: &Value) -> Option<Value> {
    let function = schema.get("function").filter(|inner| inner.is_object()).unwrap_or(schema);
    let is_function = schema["type"] == "function" || schema.get("function").is_some();
    is_function.then(|| function.get("parameters").cloned().unwrap_or_else(|| json!({})))
}

fn bad_schema(message: &str) -> RunError {
    RunError::new(Code::InvalidSchema, message)
}
