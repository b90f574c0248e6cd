//! What the load sends: chats of agents, each body unlike all others, made with little work.
//!
//! A connection is an agent that goes through one run after another. Within a run the history grows from step to step, so
//! that a body begins with the one before it, as those of real agents do.

use std::io::Write as _;

use crate::random::Random;
use crate::words;

/// Steps of a run.
const STEPS: u64 = 8;
const SMALL_BYTES: usize = 280;
/// Of the first step of a run with large prompts, and what each further one adds: 32 KB on average over a run.
const LARGE_FIRST_BYTES: usize = 29_184;
const LARGE_STEP_BYTES: usize = 1_024;
/// The part of a large prompt that is the same for all runs: what the agent is, and its tools.
const INSTRUCTION_BYTES: usize = 8_192;

/// How large a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PromptSize {
    /// 280 bytes.
    Small,
    /// 32 KB on average.
    Large,
}

/// Asks for a streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamShape {
    /// Events with text.
    pub chunks: u32,
    /// Milliseconds between two of them.
    pub pace_ms: u32,
}

/// Who sends, and where to.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The path of chat completions.
    pub path: String,
    /// The `Host` header.
    pub host: String,
    /// The bearer token.
    pub key: String,
    /// The model asked for.
    pub model: String,
}

/// The requests of one connection, one after another.
pub struct Conversation {
    size: PromptSize,
    sender: Sender,
    /// Begins each id of this connection, so that no two connections share one.
    name: String,
    random: Random,
    run: u64,
    step: u64,
    opening: String,
    /// The body up to the last message; what follows is `tail`.
    body: Vec<u8>,
    history: usize,
    head: Vec<u8>,
}

impl Conversation {
    /// The conversation of connection `number` of a load with this seed.
    pub fn new(
        sender: Sender,
        size: PromptSize,
        stream: Option<StreamShape>,
        seed: u64,
        number: u64,
    ) -> Self {
        let model = &sender.model;
        let stream = stream.map_or_else(String::new, |StreamShape { chunks, pace_ms }| {
            // The upstream reads the shape of its answer off these two.
            format!(r#""stream":true,"max_tokens":{chunks},"seed":{pace_ms},"#)
        });
        Self {
            size,
            name: format!("{seed:x}-{number}"),
            random: Random::new(seed.wrapping_mul(31).wrapping_add(number)),
            run: 0,
            step: 0,
            opening: format!(r#"{{"model":"{model}",{stream}"messages":["#),
            body: Vec::with_capacity(LARGE_FIRST_BYTES + LARGE_STEP_BYTES * 10),
            history: 0,
            head: Vec::with_capacity(512),
            sender,
        }
    }

    /// Makes the next request: its head and its body.
    pub fn next_request(&mut self) -> (&[u8], &[u8]) {
        if self.step == STEPS {
            self.run += 1;
            self.step = 0;
        }
        match self.size {
            PromptSize::Small => self.small(),
            PromptSize::Large => self.large(),
        }
        self.step += 1;
        self.write_head();
        (&self.head, &self.body)
    }

    /// A question of 280 bytes, whatever the ids and the model are called.
    fn small(&mut self) {
        self.body.clear();
        self.body.extend_from_slice(self.opening.as_bytes());
        let _ = write!(self.body, r#"{{"role":"user","content":"{} {} {} "#, self.name, self.run, self.step);
        let end = br#""}]}"#;
        let left = SMALL_BYTES.saturating_sub(self.body.len() + end.len());
        words::append(&mut self.body, left, &mut self.random);
        self.body.extend_from_slice(end);
    }

    /// The history so far and one message more.
    fn large(&mut self) {
        if self.step == 0 {
            self.body.clear();
            self.body.extend_from_slice(self.opening.as_bytes());
            self.body.extend_from_slice(br#"{"role":"system","content":""#);
            words::append(&mut self.body, INSTRUCTION_BYTES, &mut Random::new(0));
            let _ = write!(self.body, r#""}},{{"role":"user","content":"Task {} {}: "#, self.name, self.run);
            let left = LARGE_FIRST_BYTES.saturating_sub(self.body.len() + 4);
            words::append(&mut self.body, left, &mut self.random);
            self.body.extend_from_slice(br#""}"#);
        } else {
            self.body.truncate(self.history);
            let role = if self.step % 2 == 1 { "assistant" } else { "user" };
            let start = self.body.len();
            let _ = write!(self.body, r#",{{"role":"{role}","content":"{}: "#, self.step);
            let left = LARGE_STEP_BYTES.saturating_sub(self.body.len() - start + 2);
            words::append(&mut self.body, left, &mut self.random);
            self.body.extend_from_slice(br#""}"#);
        }
        self.history = self.body.len();
        self.body.extend_from_slice(b"]}");
    }

    fn write_head(&mut self) {
        self.head.clear();
        let Sender { path, host, key, .. } = &self.sender;
        let (name, run, step, length) = (&self.name, self.run, self.step, self.body.len());
        // Writing to memory does not fail.
        let _ = write!(
            self.head,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
             x-request-id: {name}-{run}-{step}\r\nalephant-run-id: run-{name}-{run}\r\n\
             alephant-session-id: session-{name}-{session}\r\nalephant-property-environment: bench\r\n\
             content-length: {length}\r\n\r\n",
            session = run / 4,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn conversation(size: PromptSize, number: u64) -> Conversation {
        let text = str::to_owned;
        let sender = Sender {
            path: text("/v1/chat/completions"),
            host: text("127.0.0.1:1"),
            key: text("vk-1"),
            model: text("gpt-4o-mini"),
        };
        Conversation::new(sender, size, None, 0xABC, number)
    }

    #[test]
    fn bodies_are_chats_and_no_two_are_the_same() {
        for size in [PromptSize::Small, PromptSize::Large] {
            let mut bodies = HashSet::new();
            let mut ids = HashSet::new();
            for number in 0..3 {
                let mut conversation = conversation(size, number);
                for _ in 0..20 {
                    let (head, body) = conversation.next_request();
                    let chat: serde_json::Value = serde_json::from_slice(body).unwrap();
                    assert_eq!(chat["model"], "gpt-4o-mini");
                    assert!(bodies.insert(body.to_vec()));
                    let head = String::from_utf8(head.to_vec()).unwrap();
                    let id = head.lines().find(|line| line.starts_with("x-request-id: ")).unwrap();
                    assert!(ids.insert(id.to_owned()));
                    assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
                }
            }
        }
    }

    #[test]
    fn sizes_are_what_they_are_called() {
        let mut small = conversation(PromptSize::Small, 0);
        assert!((0..20).all(|_| small.next_request().1.len() == SMALL_BYTES));
        let mut large = conversation(PromptSize::Large, 0);
        let bytes: usize = (0..16).map(|_| large.next_request().1.len()).sum();
        let average = bytes / 16;
        assert!((32_000..=33_536).contains(&average), "{average}");
    }

    #[test]
    fn a_step_begins_with_the_history_of_the_one_before() {
        let mut large = conversation(PromptSize::Large, 0);
        let first = large.next_request().1.to_vec();
        let second = large.next_request().1.to_vec();
        assert!(second.starts_with(&first[..first.len() - 2]));
        for _ in 2..STEPS {
            large.next_request();
        }
        let next_run = large.next_request().1.to_vec();
        assert!(!next_run.starts_with(&first[..first.len() - 2]));
    }
}
