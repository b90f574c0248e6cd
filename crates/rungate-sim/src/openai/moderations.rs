//! `POST /v1/moderations`.

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call, unknown_field};
use crate::refusal::Refusal;
use crate::text;

/// A text with this word is flagged as violence; nothing else is flagged.
const FLAGGED_WORD: &str = "sim-flag";
const FLAGGED_CATEGORY: &str = "violence";
const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// One verdict for each text.
pub(crate) fn answer(call: &Call<'_>) -> Result<Answer, Refusal> {
    let inputs = match call.field("input") {
        Value::Null => return Err(Refusal::invalid("input", "Missing required parameter: 'input'.")),
        Value::Array(inputs) if inputs.iter().all(Value::is_string) => {
            inputs.iter().map(text::text_in).collect()
        }
        input => vec![text::text_in(input)],
    };
    let results: Value = inputs.iter().map(|input| verdict(input.contains(FLAGGED_WORD))).collect();
    let model = if call.model.is_empty() { "omni-moderation-latest" } else { call.model };
    let id = call.sim.id("modr-");
    Ok(Answer::Json(json!({"id": id, "model": model, "results": results, "x_sim": unknown_field()})))
}

fn verdict(is_flagged: bool) -> Value {
    let by_category = |value: &dyn Fn(bool) -> Value| -> Map<String, Value> {
        let value = |name: &&str| value(is_flagged && *name == FLAGGED_CATEGORY);
        CATEGORIES.iter().map(|name| ((*name).to_owned(), value(name))).collect()
    };
    json!({
        "flagged": is_flagged,
        "categories": by_category(&Value::from),
        "category_scores": by_category(&|is_flagged| if is_flagged { 0.99.into() } else { 0.0001.into() }),
        "category_applied_input_types": by_category(&|_| json!(["text"])),
    })
}
