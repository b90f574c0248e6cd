//! One request to an endpoint, and what an endpoint answers.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::directives::Directives;
use crate::event::Event;
use crate::refusal::Refusal;
use crate::sim::Sim;
use crate::text;

/// When everything was made, in seconds since 1970: answers do not depend on a clock.
pub(crate) const CREATED: u64 = 1_767_225_600;
/// A longer text is said in large pieces.
const MAX_FINE_TEXT_BYTES: usize = 400_000;
/// The bytes of a token, and of a large piece.
const FINE_PIECE: usize = 4;
const LARGE_PIECE: usize = 4096;
/// The most bytes that one answer says over all its choices.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// One request, with its behaviour.
pub(crate) struct Call<'a> {
    pub sim: &'a Sim,
    /// The JSON body, or the form as JSON; `null` where there is none.
    pub body: &'a Value,
    /// The length of the raw body.
    pub body_bytes: usize,
    /// The model as it was asked for, directives included.
    pub model: &'a str,
    pub directives: &'a Directives,
    /// The id in the path.
    pub id: &'a str,
    /// The query of the URL.
    pub query: &'a str,
    /// Whether an `anthropic-version` was sent, which decides the shape of the list of models.
    pub is_anthropic: bool,
}

/// What an endpoint answers.
pub(crate) enum Answer {
    Json(Value),
    Events(Vec<Event>),
    /// Bytes of this content type.
    Raw(&'static str, Bytes),
}

/// Tokens used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// All input tokens, the cached ones included.
    pub input: u64,
    /// Those of the input that were read from a cache.
    pub cached: u64,
    /// All output tokens, the reasoning ones included.
    pub output: u64,
    /// Those of the output that are reasoning.
    pub reasoning: u64,
}

impl Usage {
    pub const fn total(self) -> u64 {
        self.input + self.output
    }
}

impl Call<'_> {
    /// A field of the body, `null` where it is absent.
    pub fn field(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }

    /// Whether a field is true; in a form it is text.
    pub fn is_true(&self, name: &str) -> bool {
        let field = self.field(name);
        field.as_bool().unwrap_or_else(|| field.as_str() == Some("true"))
    }

    /// A number from the body or a form.
    pub fn number(&self, name: &str) -> Option<u64> {
        let field = self.field(name);
        field.as_u64().or_else(|| field.as_str()?.parse().ok())
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The field `n`, from 1 to 128, when so many times `bytes` may be said.
    pub fn choices(&self, bytes: usize) -> Result<usize, Refusal> {
        let asked = self.number("n").unwrap_or(1);
        let count = usize::try_from(asked).unwrap_or(usize::MAX);
        if !(1..=128).contains(&count) {
            return Err(Refusal::invalid("n", "Invalid 'n': expected a number from 1 to 128."));
        }
        let most = if bytes > MAX_FINE_TEXT_BYTES { MAX_ANSWER_BYTES } else { MAX_FINE_TEXT_BYTES };
        if count > 1 && count * bytes > most {
            return Err(Refusal::invalid("n", "That many choices of that length are too much to simulate."));
        }
        Ok(count)
    }

    /// `text` in the pieces in which it is streamed.
    pub fn pieces<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let is_large = self.directives.big.is_some() || text.len() > MAX_FINE_TEXT_BYTES;
        text::pieces(text, if is_large { LARGE_PIECE } else { FINE_PIECE })
    }

    /// The usage of an answer to `input_bytes` of text that says `output` tokens.
    pub fn usage(&self, input_bytes: usize, output: u64) -> Usage {
        let input = text::tokens(input_bytes);
        let reasoning = self.directives.reasoning;
        Usage { input, cached: self.directives.cached.min(input), output: output + reasoning, reasoning }
    }

    /// Adds `usage` to `answer` unless it is to be left out.
    pub fn put_usage(&self, answer: &mut Value, usage: Value) {
        if !self.directives.no_usage {
            answer["usage"] = usage;
        }
    }
}

/// A field that no SDK knows, so that tests see unknown fields survive.
pub(crate) fn unknown_field() -> Value {
    json!({"unknown": true})
}
