//! `POST /v1/images/generations`, `/edits` and `/variations`.

use serde_json::{Value, json};

use crate::call::{Answer, CREATED, Call, unknown_field};
use crate::event::Event;
use crate::refusal::Refusal;
use crate::text;

/// A PNG of one pixel.
const PNG_BASE64: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const PNG_URL: &str = "https://example.com/sim.png";
/// What an image costs to read and to make, in tokens; `tokens=` changes the latter.
const TOKENS_PER_IMAGE_READ: u64 = 100;
const TOKENS_PER_IMAGE_MADE: u64 = 272;
const MAX_IMAGES: u64 = 10;

/// Images made from a prompt, from images and a prompt, or from an image alone.
pub(crate) fn answer(call: &Call<'_>) -> Result<Answer, Refusal> {
    let count = call.number("n").unwrap_or(1);
    if !(1..=MAX_IMAGES).contains(&count) {
        return Err(Refusal::invalid("n", "Invalid 'n': expected a number from 1 to 10."));
    }
    let usage = usage(call, count);
    if call.is_true("stream") {
        return Ok(Answer::Events(events(call, usage)));
    }
    let is_tokens = call.model.starts_with("gpt-image");
    let is_base64 = is_tokens || call.field("response_format") == "b64_json";
    let image = if is_base64 {
        json!({"b64_json": PNG_BASE64})
    } else {
        json!({"url": PNG_URL, "revised_prompt": call.field("prompt")})
    };
    let data: Value = (0..count).map(|_| image.clone()).collect();
    let mut images = json!({"created": CREATED, "data": data, "x_sim": unknown_field()});
    if is_tokens {
        for (field, value) in
            [("background", "opaque"), ("output_format", "png"), ("quality", "low"), ("size", "1024x1024")]
        {
            images[field] = value.into();
        }
        call.put_usage(&mut images, usage);
    }
    Ok(Answer::Json(images))
}

fn usage(call: &Call<'_>, count: u64) -> Value {
    let images_read = match call.field("image") {
        Value::Null => 0,
        Value::Array(images) => images.len() as u64,
        _ => 1,
    };
    let text_tokens = text::tokens(text::bytes_in(call.field("prompt")));
    let image_tokens = images_read * TOKENS_PER_IMAGE_READ;
    let output = count * call.directives.tokens.map_or(TOKENS_PER_IMAGE_MADE, |tokens| tokens as u64);
    json!({
        "input_tokens": text_tokens + image_tokens,
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
        "output_tokens": output,
        "total_tokens": text_tokens + image_tokens + output,
    })
}

fn events(call: &Call<'_>, usage: Value) -> Vec<Event> {
    let prefix = if call.field("image").is_null() { "image_generation" } else { "image_edit" };
    let image = |name: &str| {
        json!({
            "type": name,
            "b64_json": PNG_BASE64,
            "created_at": CREATED,
            "size": "1024x1024",
            "quality": "low",
            "background": "opaque",
            "output_format": "png",
        })
    };
    let partial_name = format!("{prefix}.partial_image");
    let mut partial = image(&partial_name);
    partial["partial_image_index"] = 0.into();
    let completed_name = format!("{prefix}.completed");
    let mut completed = image(&completed_name);
    call.put_usage(&mut completed, usage);
    vec![Event::named(&partial_name, &partial), Event::named(&completed_name, &completed).finish()]
}
