//! Reads from a request body what the gateway must know, and changes what it must change, without building a tree.
//!
//! Only what decides the gateway's own behaviour is checked here; everything else is for the provider to judge.

pub(crate) mod excerpt;
mod json;
mod multipart;
mod output;
mod preview;
mod rewrite;

use std::ops::Range;

use rungate_core::operation::Operation;

pub use output::lower_output_limit;
pub(crate) use output::takes_completion_tokens;
pub use rewrite::rewrite;

/// What the gateway needs to know of a request body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// The model; `None` when absent, null or empty.
    pub model: Option<String>,
    /// Where in the body the model's value stands, quotes included (JSON), or the field's content (multipart).
    pub model_span: Option<Range<usize>>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Whether the client asks for the usage of a stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// Where the value of `stream_options` stands, if it was sent; an object or null.
    pub stream_options_span: Option<Range<usize>>,
    /// How many choices are asked for (`n`); 1 when not said.
    pub choices: u32,
    /// Where the user's words stand: the value of `messages`, `input` or `prompt` (JSON), or the field's content (multipart).
    pub words_span: Option<Range<usize>>,
    /// Whether the body is `multipart/form-data`.
    pub multipart: bool,
}

/// Why a body is refused before anything is spent. Says where and why, and repeats nothing of what the body holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not JSON, or a key that decides what is done stands twice; says where and why.
    #[error("the body is not valid JSON: {0}")]
    InvalidJson(String),
    /// A field of the wrong type or out of range.
    #[error("{field}: {rule}")]
    InvalidField {
        /// The field.
        field: String,
        /// What is allowed.
        rule: String,
    },
    /// Not well-formed `multipart/form-data`.
    #[error("the body is not valid multipart/form-data: {0}")]
    InvalidMultipart(String),
}

impl ScanError {
    fn field(field: &str, rule: impl Into<String>) -> Self {
        Self::InvalidField { field: field.to_owned(), rule: rule.into() }
    }
}

/// The most choices one request may ask for.
const MAX_CHOICES: u32 = 128;

/// Scans a body. `content_type` is the request's header, without which JSON is assumed. Multipart is read where
/// [`Operation::allows_multipart`] says so; elsewhere the body must be JSON.
pub fn scan(operation: Operation, content_type: Option<&str>, body: &[u8]) -> Result<Scan, ScanError> {
    match content_type {
        Some(content_type) if operation.allows_multipart() && multipart::is_form_data(content_type) => {
            multipart::scan(content_type, body)
        }
        _ => json::scan(operation, body),
    }
}

/// The first 200 characters of the last user text of a body that was scanned; empty where there is none.
///
/// Apart from [`scan`], since it reads the words again and most bodies are not kept.
pub fn preview(operation: Operation, scan: &Scan, body: &[u8]) -> String {
    let words =
        scan.words_span.clone().and_then(|span| std::str::from_utf8(&body[span]).ok()).unwrap_or_default();
    if scan.multipart { excerpt::of_text(words).to_owned() } else { preview::of_json(operation, words) }
}

/// The names of the tools that a JSON body offers: of functions, and of those that a provider names by their kind.
pub fn tool_names(body: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Function {
        name: Option<String>,
    }
    #[derive(serde::Deserialize)]
    struct Tool {
        #[serde(rename = "type")]
        kind: Option<String>,
        name: Option<String>,
        function: Option<Function>,
    }
    #[derive(serde::Deserialize)]
    struct Offered {
        #[serde(default)]
        tools: Vec<Tool>,
    }
    let name = |tool: Tool| tool.function.and_then(|function| function.name).or(tool.name).or(tool.kind);
    let offered = serde_json::from_slice::<Offered>(body);
    offered.map(|offered| offered.tools.into_iter().filter_map(name).collect()).unwrap_or_default()
}

/// The number of choices that a valid `n` asks for.
fn choices(n: Option<u32>) -> Result<u32, ScanError> {
    n.filter(|n| (1..=MAX_CHOICES).contains(n))
        .ok_or_else(|| ScanError::field("n", format!("must be a whole number from 1 to {MAX_CHOICES}")))
}

#[cfg(test)]
mod tests;
