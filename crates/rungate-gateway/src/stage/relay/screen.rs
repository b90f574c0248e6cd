//! Content filters over an answer that comes piece by piece.
//!
//! What a filter refuses must not leave, and what it looks for may lie across any two pieces. So where one may refuse, the
//! pieces wait until the answer is whole, and are then looked at as a whole answer is; where filters only mark, nothing waits.

use bytes::Bytes;
use rungate_llm::sse::{Event, Splitter};
use serde_json::Value;

use crate::exchange::Exchange;
use crate::memory::{MemoryPool, NoRoom, Room};
use crate::refusal::Refusal;
use crate::stage::govern;

/// Members whose strings go to the client piece by piece, in any of the wire formats.
const SAID: [&str; 11] = [
    "content",
    "refusal",
    "reasoning",
    "reasoning_content",
    "text",
    "thinking",
    "partial_json",
    "arguments",
    "input",
    "delta",
    "transcript",
];
/// Members that tell the parts of an answer apart.
const PARTS: [&str; 5] = ["index", "output_index", "content_index", "summary_index", "item_id"];

/// An answer that filters are to look at.
pub struct Screen {
    said: Said,
    waiting: Option<Vec<Bytes>>,
    bytes: usize,
    pool: MemoryPool,
    room: Room,
}

impl Screen {
    /// What the policies of an exchange ask for; `None` where they do not look at answers.
    pub fn of(exchange: &Exchange, pool: &MemoryPool) -> Option<Self> {
        let workspace = exchange.workspace();
        let policies = govern::of_answer(exchange, &workspace)?;
        let waiting = policies.may_refuse_answers().then(Vec::new);
        Some(Self { said: Said::default(), waiting, bytes: 0, pool: pool.clone(), room: Room::default() })
    }

    /// Looks at an event of the provider.
    pub fn see(&mut self, event: &Event) -> Result<(), NoRoom> {
        self.bytes += event.raw.len();
        self.said.add(event);
        self.pool.grow(&mut self.room, 2 * self.bytes)
    }

    /// Keeps a piece back; gives it again where nothing waits.
    pub fn hold(&mut self, piece: Bytes) -> Option<Bytes> {
        match &mut self.waiting {
            None => Some(piece),
            Some(waiting) => {
                waiting.push(piece);
                None
            }
        }
    }

    /// The pieces that waited, now that the answer is whole; or why they must not leave.
    pub fn done(self, exchange: &mut Exchange) -> Result<Vec<Bytes>, Refusal> {
        govern::filter_said(exchange, &self.said.into_json())?;
        Ok(self.waiting.unwrap_or_default())
    }
}

/// Holds the stream of a kept answer against the content filters.
pub fn kept(exchange: &mut Exchange, stream: &Bytes) -> Result<(), Refusal> {
    let workspace = exchange.workspace();
    if govern::of_answer(exchange, &workspace).is_none() {
        return Ok(());
    }
    let (mut splitter, mut events) = (Splitter::new(usize::MAX), Vec::new());
    // It was split when it came.
    if splitter.push(stream, &mut events).is_err() {
        return Ok(());
    }
    events.extend(splitter.finish());
    let mut said = Said::default();
    for event in &events {
        said.add(event);
    }
    govern::filter_said(exchange, &said.into_json())
}

/// Everything that an answer says, put together from its pieces.
#[derive(Debug, Default)]
struct Said {
    parts: Vec<(String, String)>,
    last: usize,
}

impl Said {
    fn add(&mut self, event: &Event) {
        // What is no JSON, such as the terminator, says nothing.
        if let Ok(value) = serde_json::from_slice::<Value>(&event.data) {
            self.walk(&value, &mut String::new());
        }
    }

    fn walk(&mut self, value: &Value, path: &mut String) {
        match value {
            Value::Object(fields) => {
                let before = path.len();
                for part in PARTS.iter().filter_map(|name| fields.get(*name)) {
                    path.push('#');
                    path.push_str(&part.to_string());
                }
                for (name, value) in fields {
                    let inner = path.len();
                    path.push('/');
                    path.push_str(name);
                    match value {
                        Value::String(text) if SAID.contains(&name.as_str()) => self.append(path, text),
                        _ => self.walk(value, path),
                    }
                    path.truncate(inner);
                }
                path.truncate(before);
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item, path)),
            _ => {}
        }
    }

    fn append(&mut self, path: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        // Mostly it goes on with what came last.
        let is_last = self.parts.get(self.last).is_some_and(|(part, _)| part == path);
        if !is_last {
            self.last = self.parts.iter().position(|(part, _)| part == path).unwrap_or(self.parts.len());
        }
        match self.parts.get_mut(self.last) {
            Some((_, said)) => said.push_str(text),
            None => self.parts.push((path.to_owned(), text.to_owned())),
        }
    }

    /// A JSON array of texts, so that filters look at each as at the strings of a whole answer.
    fn into_json(self) -> String {
        self.parts.into_iter().map(|(_, said)| said).collect::<Value>().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(events: &[&str]) -> Value {
        let mut said = Said::default();
        for data in events {
            let raw = Bytes::from(format!("data: {data}\n\n"));
            let (mut splitter, mut split) = (Splitter::new(usize::MAX), Vec::new());
            splitter.push(&raw, &mut split).unwrap();
            for event in &split {
                said.add(event);
            }
        }
        serde_json::from_str(&said.into_json()).unwrap()
    }

    #[test]
    fn pieces_of_each_part_are_put_together() {
        let chat = [
            r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"zoe@ex"}}]}"#,
            r#"{"id":"c","choices":[{"index":1,"delta":{"content":"other"}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"ample.com","tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{\"a\":"}}]}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
            "[DONE]",
        ];
        assert_eq!(said(&chat), serde_json::json!(["zoe@example.com", "other", "{\"a\":1}"]));
        let messages = [
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}"#,
        ];
        assert_eq!(said(&messages), serde_json::json!(["ab", "{}"]));
        let responses = [
            r#"{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"a"}"#,
            r#"{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"b"}"#,
        ];
        assert_eq!(said(&responses), serde_json::json!(["ab"]));
    }
}
