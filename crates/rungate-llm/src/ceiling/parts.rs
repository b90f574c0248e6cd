//! What of a conversation is not text.
//!
//! Text is bounded by its bytes; all else is not: an image of a hundred bytes may be thousands of tokens, and a file that
//! is named by its id stands nowhere in the body. What is not known to be text is taken to be such a thing.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// How deep parts are looked into: a message holds the result of a tool, which holds a document, which holds parts.
const MAX_DEPTH: u8 = 10;

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Images.
    pub images: u64,
    /// Bytes of the body in which images stand.
    pub image_bytes: u64,
    /// The field in which something stands that its bytes do not bound.
    pub opaque: Option<&'static str>,
    /// Whether there is, or may be, sound.
    pub audio: bool,
}

/// A message, an input item, or a part of its content. All fields are as they stand.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    /// Of an assistant's message: sound that it has said before.
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
}

impl Parts {
    /// Looks through the value of a field: a text, or a list of texts and objects.
    pub(super) fn read(&mut self, field: &'static str, value: &RawValue) {
        // In messages, what is not text says so in its type, or has been said in sound. Most conversations have neither.
        let text = value.get().as_bytes();
        let may_say = |name: &[u8]| memmem::find(text, name).is_some();
        if field == "input" || may_say(b"\"type\"") || may_say(b"\"audio\"") || may_say(b"\\u") {
            self.value(field, value, MAX_DEPTH);
        }
    }

    fn value(&mut self, field: &'static str, value: &RawValue, depth: u8) {
        match value.get().as_bytes().first() {
            Some(b'[') if depth > 0 => {
                let read = for_each(value, |element| self.value(field, element, depth - 1));
                if read.is_err() {
                    self.not_bounded(field);
                }
            }
            Some(b'{') if depth > 0 => self.part(field, value, depth),
            Some(b'[' | b'{') => self.not_bounded(field),
            // Texts, numbers (of tokens, in prompts), true, false and null.
            _ => {}
        }
    }

    fn part(&mut self, field: &'static str, value: &RawValue, depth: u8) {
        let Ok(part) = serde_json::from_str::<Part<'_>>(value.get()) else { return self.not_bounded(field) };
        let inside = match part.kind.as_deref() {
            None | Some("message") => {
                // An input item without both is a reference to a stored one.
                if part.audio.is_some() || (part.role.is_none() && part.content.is_none()) {
                    self.not_bounded(field);
                }
                part.content
            }
            Some("tool_result" | "search_result") => part.content,
            Some("function_call_output" | "custom_tool_call_output") => part.output,
            Some("document") => return self.document(field, &part, depth),
            Some("image_url" | "image" | "input_image" | "computer_screenshot" | "computer_call_output") => {
                self.images += 1;
                self.image_bytes += value.get().len() as u64;
                None
            }
            Some("input_audio") => return self.not_bounded(field),
            Some(kind) if is_text(kind) => None,
            Some(_) => return self.not_bounded(field),
        };
        if let Some(inside) = inside {
            self.value(field, inside, depth - 1);
        }
    }

    /// A document is text where its source is.
    fn document(&mut self, field: &'static str, part: &Part<'_>, depth: u8) {
        let source = part.source.and_then(|source| serde_json::from_str::<Part<'_>>(source.get()).ok());
        match source.as_ref().and_then(|source| Some((source.kind.as_deref()?, source.content))) {
            Some(("text", _)) => {}
            Some(("content", Some(content))) => self.value(field, content, depth - 1),
            _ => self.not_bounded(field),
        }
    }

    pub(super) fn not_bounded(&mut self, field: &'static str) {
        self.opaque = Some(field);
        self.audio = true;
    }
}

/// Parts that are text and nothing else.
fn is_text(kind: &str) -> bool {
    matches!(
        kind,
        "text"
            | "input_text"
            | "output_text"
            | "summary_text"
            | "reasoning_text"
            | "refusal"
            | "thinking"
            | "redacted_thinking"
            | "reasoning"
            | "tool_use"
            | "function_call"
            | "custom_tool_call"
    )
}

/// Calls `each` with every element of an array, of which none is kept.
pub(super) fn for_each(array: &RawValue, each: impl FnMut(&RawValue)) -> Result<(), serde_json::Error> {
    struct Elements<F>(F);

    impl<'de, F: FnMut(&RawValue)> Visitor<'de> for Elements<F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
            while let Some(element) = elements.next_element::<&'de RawValue>()? {
                self.0(element);
            }
            Ok(())
        }
    }

    impl<'de, F: FnMut(&RawValue)> DeserializeSeed<'de> for Elements<F> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_seq(self)
        }
    }

    Elements(each).deserialize(&mut serde_json::Deserializer::from_str(array.get()))
}
