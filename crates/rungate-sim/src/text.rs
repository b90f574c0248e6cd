//! What the simulated provider says, and how it counts what it is told: always the same, so that tests know the cost
//! beforehand.

use serde_json::Value;

/// Words of exactly four bytes, each one token. One is a single character, so that streams hold something to split.
const WORDS: [&str; 16] = [
    "The ", "sim ", "has ", "one ", "job ", "say ", "the ", "old ", "new ", "öl ", "not ", "the ", "end ",
    "yet ", "but ", "🦀",
];

/// The tokens of a text of `bytes` bytes: one for each four, rounded up.
pub(crate) const fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// A text of exactly `count` tokens and four times as many bytes.
pub(crate) fn say(count: usize) -> String {
    WORDS.iter().cycle().take(count).copied().collect()
}

/// A text of exactly `bytes` bytes.
pub(crate) fn say_bytes(bytes: usize) -> String {
    let mut text = say(bytes / 4);
    text.extend(std::iter::repeat_n('.', bytes % 4));
    text
}

/// The longest start of `text` that is at most `max_tokens` long and ends between characters.
pub(crate) fn truncate(mut text: String, max_tokens: u64) -> (String, bool) {
    let max = usize::try_from(max_tokens).unwrap_or(usize::MAX).saturating_mul(4);
    if text.len() <= max {
        return (text, false);
    }
    text.truncate(text.floor_char_boundary(max));
    (text, true)
}

/// `text` in pieces of at most `size` bytes (and at least one character), cut between characters.
pub(crate) fn pieces(text: &str, size: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.len_utf8();
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(size).max(first));
        rest = tail;
        Some(piece)
    })
}

/// The bytes of all text in a message, an item or a content of any dialect.
pub(crate) fn bytes_in(content: &Value) -> usize {
    let mut bytes = 0;
    each_text(content, &mut |text| bytes += text.len());
    bytes
}

/// All text in a message, an item or a content of any dialect, joined.
pub(crate) fn text_in(content: &Value) -> String {
    let mut joined = String::new();
    each_text(content, &mut |text| joined.push_str(text));
    joined
}

/// Strings, and what stands under `text`, `content` and `output`; nothing else is text.
fn each_text<'a>(content: &'a Value, visit: &mut impl FnMut(&'a str)) {
    match content {
        Value::String(text) => visit(text),
        Value::Array(parts) => parts.iter().for_each(|part| each_text(part, visit)),
        Value::Object(part) => {
            for key in ["text", "content", "output"] {
                if let Some(inner) = part.get(key) {
                    each_text(inner, visit);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_is_a_token_is_four_bytes() {
        assert!(WORDS.iter().all(|word| word.len() == 4));
        assert_eq!(say(33).len(), 132);
        assert_eq!(tokens(say(33).len()), 33);
        assert_eq!(say_bytes(1027).len(), 1027);
        assert_eq!((tokens(0), tokens(1), tokens(4), tokens(5)), (0, 1, 1, 2));
    }

    #[test]
    fn pieces_join_to_the_text_and_never_split_a_character() {
        let text = "aé🦀b".repeat(9) + &say(20);
        for size in 1..9 {
            assert_eq!(pieces(&text, size).collect::<String>(), text);
        }
        assert_eq!(pieces(&say(20), 4).count(), 20);
    }

    #[test]
    fn truncation_keeps_characters_whole() {
        assert_eq!(truncate("abc🦀".into(), 1), ("abc".into(), true));
        assert_eq!(truncate("abcd".into(), 1), ("abcd".into(), false));
    }

    #[test]
    fn text_is_found_in_every_dialect() {
        let message =
            json!({"role": "user", "content": [{"type": "text", "text": "ab"}, {"type": "image_url"}]});
        let result =
            json!({"type": "tool_result", "content": [{"type": "text", "text": "cd"}], "tool_use_id": "x"});
        assert_eq!((bytes_in(&message), text_in(&result)), (2, "cd".into()));
        assert_eq!(text_in(&json!({"type": "function_call_output", "output": "e"})), "e");
    }
}
