//! Finds the last user text of a request. What it cannot make sense of it leaves to the provider, without an error.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use rungate_core::operation::Operation;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::excerpt;

/// How many elements of a list are looked at, from its end. Bounds the memory that a list of very many takes.
const LOOK_BACK: usize = 256;

/// The last elements of an array, as they stand.
struct LastElements<'a>(VecDeque<&'a RawValue>);

impl<'de> Deserialize<'de> for LastElements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> Visitor<'de> for Elements {
            type Value = LastElements<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let mut last = VecDeque::new();
                while let Some(element) = elements.next_element()? {
                    if last.len() == LOOK_BACK {
                        last.pop_front();
                    }
                    last.push_back(element);
                }
                Ok(LastElements(last))
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}

/// A message of a conversation, or an input item of the Responses API.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// A part of a message's content. Parts that are not text have no `text`.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

/// The first characters of the last user text in the JSON in which an operation has it.
pub(super) fn of_json(operation: Operation, words: &str) -> String {
    let preview = match operation {
        Operation::ChatCompletions | Operation::Messages | Operation::CountTokens => of_messages(words),
        Operation::Responses => excerpt::of_json(words).or_else(|| of_messages(words)),
        _ => of_input(words),
    };
    preview.unwrap_or_default()
}

fn of_messages(messages: &str) -> Option<String> {
    let LastElements(messages) = serde_json::from_str(messages).ok()?;
    messages
        .into_iter()
        .rev()
        .filter_map(|message| serde_json::from_str::<Message<'_>>(message.get()).ok())
        .filter(|message| message.role == "user")
        .find_map(|message| {
            let content = message.content.get();
            excerpt::of_json(content).or_else(|| of_parts(content))
        })
}

fn of_parts(parts: &str) -> Option<String> {
    let LastElements(parts) = serde_json::from_str(parts).ok()?;
    parts
        .into_iter()
        .rev()
        .filter_map(|part| serde_json::from_str::<Part<'_>>(part.get()).ok())
        .find_map(|part| excerpt::of_json(part.text.get()))
}

/// A text, or the first of several.
fn of_input(input: &str) -> Option<String> {
    excerpt::of_json(input).or_else(|| {
        let elements = input.strip_prefix('[')?;
        let first: &RawValue = serde_json::Deserializer::from_str(elements).into_iter().next()?.ok()?;
        excerpt::of_json(first.get()).or_else(|| {
            let part: Part<'_> = serde_json::from_str(first.get()).ok()?;
            excerpt::of_json(part.text.get())
        })
    })
}
