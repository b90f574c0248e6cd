//! What a body asks for, as far as that decides what it can cost.

use std::borrow::Cow;

use memchr::memmem;
use rungate_core::operation::{Kind, Operation};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::parts::{Parts, for_each};
use crate::request::Scan;

/// Tokens that a provider puts before or around what is in the body: templates, and instructions of its own. The most
/// that is known of is some 700 (xAI, and Anthropic where there are tools).
///
/// What a template adds for each message, part and tool needs no allowance: the braces, quotes and names around it in the
/// body are more bytes than that is tokens.
const OWN_TOKENS: u64 = 1_024;
/// The most images that an edit takes, its mask included.
const EDITED_IMAGES: u64 = 17;
/// Tokens of a tool that the provider itself describes to the model, such as `computer_20250124`: at most some 1 200.
const KNOWN_TOOL_TOKENS: u64 = 2_048;

/// Why what has the provider do more than answer once is not bounded.
const PROVIDER_RUN: &str =
    "the provider searches, runs tools or asks other models, in calls that nothing bounds";

/// What a request asks for. Read once, whatever number of models it may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    pub(super) operation: Operation,
    /// Tokens that text makes at most.
    pub(super) text_tokens: u64,
    pub(super) parts: Parts,
    /// The field and the reason for which nothing bounds it, whatever the model.
    pub(super) unbounded: Option<(&'static str, &'static str)>,
    pub(super) limits: OutputLimits,
    /// Tokens of an expected answer, which are charged where they are not met.
    pub(super) predicted: u64,
    /// Answers: choices times prompts.
    pub(super) answers: u64,
    /// Prompts, each with a context of its own.
    pub(super) prompts: u64,
    /// Characters to be read aloud.
    pub(super) characters: u64,
    /// Whether the answer may be sound.
    pub(super) audio_output: bool,
    /// Whether input may be cached for an hour.
    pub(super) hour_cache: bool,
}

/// The limits of output that a body sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OutputLimits {
    /// `max_tokens` or `max_output_tokens`: always heeded.
    pub plain: Option<u64>,
    /// `max_completion_tokens`: heeded by those that know it.
    pub completion: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(deserialize_with = "count")]
    max_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    max_completion_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    max_output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    best_of: Option<u64>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    functions: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    output_format: Option<&'a RawValue>,
    #[serde(borrow)]
    output_config: Option<&'a RawValue>,
    #[serde(borrow)]
    prediction: Option<&'a RawValue>,
    #[serde(borrow)]
    modalities: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    context_management: Option<&'a RawValue>,
    #[serde(borrow)]
    web_search_options: Option<&'a RawValue>,
    #[serde(borrow)]
    search_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    mcp_servers: Option<&'a RawValue>,
    #[serde(borrow)]
    compound_custom: Option<&'a RawValue>,
    #[serde(borrow)]
    plugins: Option<&'a RawValue>,
    #[serde(borrow)]
    models: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
}

/// A whole number. What is written otherwise counts as none: then the model's own limit holds.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<&RawValue>::deserialize(deserializer)?.and_then(|value| value.get().parse().ok()))
}

impl Demand {
    /// Reads what a body asks for that was scanned.
    pub fn read(operation: Operation, scan: &Scan, body: &[u8]) -> Self {
        let mut demand = Self {
            operation,
            text_tokens: 0,
            parts: Parts::default(),
            unbounded: None,
            limits: OutputLimits::default(),
            predicted: 0,
            answers: u64::from(scan.choices.max(1)),
            prompts: 1,
            characters: 0,
            audio_output: operation == Operation::Speech,
            hour_cache: false,
        };
        if operation.is_free() {
            return demand;
        }
        if scan.multipart {
            demand.read_form(scan, body);
            return demand;
        }
        match std::str::from_utf8(body).ok().and_then(|text| serde_json::from_str::<Fields<'_>>(text).ok()) {
            Some(fields) => demand.read_fields(scan, body, &fields),
            // Two limits of one name: which of them counts would be the provider's choice.
            None => demand.unbounded = Some(("body", "a field stands in it twice")),
        }
        demand
    }

    /// The most output for each answer that the body asks for; `None` where it sets no limit.
    pub fn output_limit(&self) -> Option<u64> {
        self.limits.plain.into_iter().chain(self.limits.completion).max()
    }

    /// Whether everything that is asked for stands in the body, and the provider does nothing but answer: it runs no tools, reads
    /// no files and goes on with nothing that it keeps.
    pub const fn is_self_contained(&self) -> bool {
        self.unbounded.is_none() && self.parts.opaque.is_none()
    }

    /// The same with no output limit above `most` for each answer, as
    /// [`lower_output_limit`](crate::request::lower_output_limit) makes the body.
    pub fn lowered_to(&self, most: u64) -> Self {
        let limits = OutputLimits {
            plain: Some(self.limits.plain.map_or(most, |limit| limit.min(most))),
            completion: self.limits.completion.map(|limit| limit.min(most)),
        };
        Self { limits, ..self.clone() }
    }

    /// A form: images, or a recording. Every part of it has an empty line behind its headers.
    fn read_form(&mut self, scan: &Scan, body: &[u8]) {
        let words = scan.words_span.as_ref().map_or(0, |span| span.len() as u64);
        self.text_tokens = OWN_TOKENS + words;
        if self.operation.kind() == Kind::Image {
            self.parts.images = memmem::find_iter(body, b"\r\n\r\n").count() as u64;
        } else {
            self.parts.not_bounded("file");
        }
    }

    fn read_fields(&mut self, scan: &Scan, body: &[u8], fields: &Fields<'_>) {
        self.limits = match self.operation {
            Operation::Responses => OutputLimits { plain: fields.max_output_tokens, completion: None },
            Operation::ChatCompletions => {
                OutputLimits { plain: fields.max_tokens, completion: fields.max_completion_tokens }
            }
            _ => OutputLimits { plain: fields.max_tokens, completion: None },
        };
        self.predicted = bytes(fields.prediction);
        self.audio_output |= fields.modalities.is_some() || fields.audio.is_some();
        self.hour_cache = mentions(body, b"1h");
        self.read_words(fields);
        if self.operation == Operation::Speech {
            self.characters = scan.words_span.as_ref().map_or(0, |span| span.len() as u64);
        }
        let own_tools = self.read_tools(fields);
        // Schemas are written out anew in the prompt, with more white space and marks than in the body.
        let schemas = [
            fields.tools,
            fields.functions,
            fields.response_format,
            fields.text,
            fields.output_format,
            fields.output_config,
        ];
        let schema_bytes: u64 = schemas.into_iter().map(bytes).sum();
        let text_bytes = (body.len() as u64).saturating_sub(self.parts.image_bytes);
        self.text_tokens = OWN_TOKENS + text_bytes + schema_bytes + own_tools * KNOWN_TOOL_TOKENS;
        self.read_unbounded(fields);
    }

    fn read_words(&mut self, fields: &Fields<'_>) {
        let (field, words) = match self.operation {
            Operation::ChatCompletions => ("messages", fields.messages),
            Operation::Messages => {
                if let Some(system) = fields.system {
                    self.parts.read("system", system);
                }
                ("messages", fields.messages)
            }
            Operation::Responses | Operation::Embeddings | Operation::Moderations => ("input", fields.input),
            Operation::ImageEdits | Operation::ImageVariations => {
                self.parts.images = EDITED_IMAGES;
                return;
            }
            Operation::Completions => {
                self.prompts = fields.prompt.map_or(1, prompts);
                let choices = self.answers.max(fields.best_of.unwrap_or(1));
                self.answers = choices.saturating_mul(self.prompts);
                return;
            }
            _ => return,
        };
        if let Some(words) = words {
            self.parts.read(field, words);
        }
        for (field, stored) in
            [("previous_response_id", fields.previous_response_id), ("conversation", fields.conversation)]
        {
            if stored.is_some() {
                self.parts.not_bounded(field);
            }
        }
    }

    /// Says whether the provider runs one of the tools, and counts those that it describes itself.
    fn read_tools(&mut self, fields: &Fields<'_>) -> u64 {
        let Some(tools) = fields.tools else { return 0 };
        let (mut own, mut provider_run) = (0, false);
        let read = for_each(tools, |tool| match serde_json::from_str::<Tool<'_>>(tool.get()) {
            Ok(Tool { kind: None }) => {}
            Ok(Tool { kind: Some(kind) }) if matches!(&*kind, "function" | "custom") => {}
            Ok(Tool { kind: Some(kind) }) if is_client_run(&kind) => own += 1,
            _ => provider_run = true,
        });
        if provider_run || read.is_err() {
            self.unbounded = Some(("tools", PROVIDER_RUN));
        }
        own
    }

    fn read_unbounded(&mut self, fields: &Fields<'_>) {
        let compacts = |value: &&RawValue| mentions(value.get().as_bytes(), b"compact");
        // A prompt of the Responses API is a stored one, which has its own tools.
        let stored_prompt = fields.prompt.filter(|_| self.operation == Operation::Responses);
        let found = [
            ("web_search_options", fields.web_search_options),
            ("search_parameters", fields.search_parameters),
            ("mcp_servers", fields.mcp_servers),
            ("compound_custom", fields.compound_custom),
            ("plugins", fields.plugins),
            ("models", fields.models),
            ("context_management", fields.context_management.filter(compacts)),
            ("prompt", stored_prompt),
        ];
        if let Some((field, _)) = found.into_iter().find(|(_, value)| value.is_some()) {
            self.unbounded = Some((field, PROVIDER_RUN));
        }
    }
}

/// How many prompts the value of `prompt` is: a text or a list of tokens is one, a list of those is many.
fn prompts(prompt: &RawValue) -> u64 {
    let (mut all, mut tokens) = (0, 0);
    let read = for_each(prompt, |element| {
        all += 1;
        tokens += u64::from(element.get().as_bytes()[0].is_ascii_digit());
    });
    if read.is_err() || tokens == all { 1 } else { all }
}

/// Tools that a provider describes to the model and the caller runs.
fn is_client_run(kind: &str) -> bool {
    let dated = ["bash_", "text_editor_", "computer_", "memory_"];
    matches!(kind, "local_shell" | "apply_patch" | "computer")
        || dated.iter().any(|prefix| kind.starts_with(prefix))
}

/// Whether a text stands in the JSON, or may be hidden in it by escapes.
fn mentions(json: &[u8], text: &[u8]) -> bool {
    memmem::find(json, text).is_some() || memmem::find(json, b"\\u").is_some()
}

fn bytes(value: Option<&RawValue>) -> u64 {
    value.map_or(0, |value| value.get().len() as u64)
}
