//! `POST /v1/messages/count_tokens`.

use serde_json::json;

use crate::call::{Answer, Call};
use crate::refusal::Refusal;
use crate::text;

/// The input tokens that the same request to `/v1/messages` uses.
pub(crate) fn answer(call: &Call<'_>) -> Result<Answer, Refusal> {
    let messages = super::messages(call)?;
    let tokens = text::tokens(super::prompt_bytes(call, messages));
    Ok(Answer::Json(json!({"input_tokens": tokens})))
}
