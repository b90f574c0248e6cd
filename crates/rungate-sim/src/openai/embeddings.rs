//! `POST /v1/embeddings`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::call::{Answer, Call, unknown_field};
use crate::refusal::Refusal;
use crate::text;

const MAX_INPUTS: usize = 2048;
const MAX_DIMENSIONS: u64 = 4096;

/// One vector of length one for each input; the same text has the same vector.
pub(crate) fn answer(call: &Call<'_>) -> Result<Answer, Refusal> {
    let texts =
        inputs(call.field("input")).filter(|inputs| (1..=MAX_INPUTS).contains(&inputs.len())).ok_or_else(
            || Refusal::invalid("input", "Invalid 'input': expected 1 to 2048 texts or token arrays."),
        )?;
    let default = if call.model.starts_with("text-embedding-3-large") { 3072 } else { 1536 };
    let dimensions = call.number("dimensions").unwrap_or(default);
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        return Err(Refusal::invalid(
            "dimensions",
            "Invalid 'dimensions': expected a number from 1 to 4096.",
        ));
    }
    let is_base64 = call.field("encoding_format") == "base64";
    let data: Value = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text.as_bytes(), dimensions);
            let embedding = if is_base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                STANDARD.encode(bytes).into()
            } else {
                Value::from(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = texts.iter().map(|text| text::tokens(text.len())).sum();
    let mut list = json!({"object": "list", "data": data, "model": call.model, "x_sim": unknown_field()});
    call.put_usage(&mut list, json!({"prompt_tokens": tokens, "total_tokens": tokens}));
    Ok(Answer::Json(list))
}

/// The texts to embed; each token id of a token array stands for four bytes.
fn inputs(input: &Value) -> Option<Vec<String>> {
    let token_array = |ids: &[Value]| -> Option<String> {
        ids.iter().map(|id| id.as_u64().map(|id| format!("{:4}", id % 10_000))).collect()
    };
    match input {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(parts) if parts.first().is_some_and(Value::is_u64) => Some(vec![token_array(parts)?]),
        Value::Array(parts) => parts
            .iter()
            .map(|part| match part {
                Value::String(text) => Some(text.clone()),
                Value::Array(ids) => token_array(ids),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// Numbers from a generator that is seeded with the text.
fn vector(text: &[u8], dimensions: u64) -> Vec<f32> {
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut state = text
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    let mut numbers: Vec<f32> = (0..dimensions)
        .map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let [high, low, ..] = state.to_be_bytes();
            f32::from(i16::from_be_bytes([high, low])) / 32768.0
        })
        .collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    for number in &mut numbers {
        *number /= length;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_deterministic_and_of_length_one() {
        let first = vector(b"text", 256);
        assert_eq!(first, vector(b"text", 256));
        assert_ne!(first, vector(b"other", 256));
        let length: f32 = first.iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }

    #[test]
    fn every_form_of_input_is_read() {
        assert_eq!(inputs(&json!("a")).unwrap().len(), 1);
        assert_eq!(inputs(&json!(["a", [1, 2]])).unwrap().len(), 2);
        assert_eq!(inputs(&json!([1, 2])).unwrap()[0].len(), 8);
        assert_eq!(inputs(&json!({"a": 1})), None);
    }
}
