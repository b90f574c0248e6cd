//! Anthropic's endpoints, one file each.

pub(crate) mod count_tokens;
pub(crate) mod messages;

use serde_json::Value;

use crate::call::Call;
use crate::refusal::Refusal;
use crate::text;

/// The messages of a request.
fn messages<'a>(call: &'a Call<'_>) -> Result<&'a [Value], Refusal> {
    match call.field("messages").as_array() {
        None => Err(Refusal::invalid("messages", "messages: Field required")),
        Some(messages) if messages.is_empty() => {
            Err(Refusal::invalid("messages", "messages: at least one message is required"))
        }
        Some(messages) => Ok(messages),
    }
}

/// The bytes of all text in the system prompt and the messages.
fn prompt_bytes(call: &Call<'_>, messages: &[Value]) -> usize {
    text::bytes_in(call.field("system")) + messages.iter().map(text::bytes_in).sum::<usize>()
}
