//! What to reply to a conversation, whatever the dialect: text, or the call of a tool.

use serde_json::{Value, json};

use crate::directives::Directives;
use crate::schema;
use crate::text;

/// The length of a text when nothing else is asked for, in tokens.
const DEFAULT_TOKENS: usize = 16;
/// So much of a tool's result is quoted.
const MAX_QUOTED_BYTES: usize = 4096;

/// What a conversation asks for.
#[derive(Default)]
pub(crate) struct Prompt<'a> {
    /// The tools on offer that can be called.
    pub tools: Vec<Tool<'a>>,
    pub choice: Choice<'a>,
    /// The text of the last message, where it is the result of a tool.
    pub tool_result: Option<String>,
    /// Whether the last message is the user's, so that a tool may be called.
    pub is_from_user: bool,
    pub format: Format<'a>,
    pub max_tokens: Option<u64>,
    /// The bytes of all text in it.
    pub bytes: usize,
}

/// A function that can be called.
pub(crate) struct Tool<'a> {
    pub name: &'a str,
    /// The schema of its arguments, `null` where it takes none.
    pub schema: &'a Value,
}

/// Which tool is to be called.
#[derive(Default)]
pub(crate) enum Choice<'a> {
    #[default]
    Auto,
    None,
    Named(&'a str),
}

/// What the text has to be.
#[derive(Default)]
pub(crate) enum Format<'a> {
    #[default]
    Text,
    Json,
    Schema(&'a Value),
}

/// What is replied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// Text, and whether the caller's limit cut it short.
    Text { text: String, is_limited: bool },
    /// A tool is called with these arguments, a JSON text.
    Tool { name: String, arguments: String },
}

impl Prompt<'_> {
    /// Quotes a tool's result; else calls a tool if it may; else says something in the format asked for.
    pub fn reply(&self, directives: &Directives) -> Reply {
        if let Some(result) = &self.tool_result {
            let quoted = &result[..result.floor_char_boundary(MAX_QUOTED_BYTES)];
            return self.limited(format!("The tool answered: {quoted}"));
        }
        if self.is_from_user
            && let Some(tool) = self.tool()
        {
            return Reply::Tool {
                name: tool.name.into(),
                arguments: schema::minimal(tool.schema).to_string(),
            };
        }
        self.limited(match self.format {
            Format::Json => json!({"answer": "sim"}).to_string(),
            Format::Schema(schema) => schema::minimal(schema).to_string(),
            Format::Text => match directives.big {
                Some(bytes) => text::say_bytes(bytes),
                None => text::say(directives.tokens.unwrap_or(DEFAULT_TOKENS)),
            },
        })
    }

    fn tool(&self) -> Option<&Tool<'_>> {
        match self.choice {
            Choice::None => None,
            Choice::Auto => self.tools.first(),
            Choice::Named(name) => self.tools.iter().find(|tool| tool.name == name),
        }
    }

    fn limited(&self, text: String) -> Reply {
        let (text, is_limited) = text::truncate(text, self.max_tokens.unwrap_or(u64::MAX));
        Reply::Text { text, is_limited }
    }
}

impl Reply {
    /// Its tokens.
    pub fn tokens(&self) -> u64 {
        match self {
            Self::Text { text, .. } => text::tokens(text.len()),
            Self::Tool { arguments, .. } => text::tokens(arguments.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool_prompt(schema: &Value) -> Prompt<'_> {
        Prompt { tools: vec![Tool { name: "look", schema }], is_from_user: true, ..Prompt::default() }
    }

    #[test]
    fn a_user_with_tools_gets_a_call_and_its_result_is_quoted() {
        let schema = json!({"properties": {"city": {"type": "string"}}});
        let prompt = tool_prompt(&schema);
        let call = Reply::Tool { name: "look".into(), arguments: "{\"city\":\"sim\"}".into() };
        assert_eq!(prompt.reply(&Directives::default()), call);

        let prompt = Prompt { tool_result: Some("21 °C".into()), ..tool_prompt(&schema) };
        let text = Reply::Text { text: "The tool answered: 21 °C".into(), is_limited: false };
        assert_eq!(prompt.reply(&Directives::default()), text);
    }

    #[test]
    fn no_choice_no_call() {
        let prompt = Prompt { choice: Choice::None, ..tool_prompt(&Value::Null) };
        assert!(matches!(prompt.reply(&Directives::default()), Reply::Text { .. }));
    }

    #[test]
    fn the_callers_limit_holds() {
        let prompt = Prompt { max_tokens: Some(5), ..Prompt::default() };
        let reply = prompt.reply(&Directives::default());
        assert!(matches!(reply, Reply::Text { is_limited: true, .. }));
        assert_eq!(reply.tokens(), 5);
        assert_eq!(Prompt::default().reply(&Directives::default()).tokens(), 16);
    }
}
