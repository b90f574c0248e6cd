//! The first characters of a text, for the lists that people look at.

/// How many characters an excerpt has at most.
const MAX_CHARS: usize = 200;

/// The first characters of a text.
pub(crate) fn of_text(text: &str) -> &str {
    text.char_indices().nth(MAX_CHARS).map_or(text, |(end, _)| &text[..end])
}

/// The first characters of a JSON value that is a string, of which no more than these are decoded. `None` when the value is not a string.
pub(crate) fn of_json(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    // Most texts begin plainly: as many bytes as characters, and nothing to decode.
    let begin = &inner.as_bytes()[..inner.len().min(MAX_CHARS)];
    if begin.is_ascii() && !begin.contains(&b'\\') {
        return Some(inner[..begin.len()].to_owned());
    }
    let mut end = 0;
    for _ in 0..MAX_CHARS {
        end += unit_length(&inner[end..]);
    }
    // A lone surrogate is valid JSON and no valid text.
    serde_json::from_str(&format!("\"{}\"", &inner[..end])).ok()
}

/// Appends to an excerpt what still fits.
pub(crate) fn extend(excerpt: &mut String, text: &str) {
    // Counting is needed only once so many bytes are there that they could be enough characters.
    if excerpt.len() < MAX_CHARS && excerpt.len() + text.len() <= MAX_CHARS {
        excerpt.push_str(text);
        return;
    }
    let room = MAX_CHARS.saturating_sub(excerpt.chars().count());
    excerpt.push_str(text.char_indices().nth(room).map_or(text, |(end, _)| &text[..end]));
}

/// Bytes of the first character of a string's inside, escapes and surrogate pairs counting as one.
fn unit_length(inner: &str) -> usize {
    let escape = |text: &str| if text.starts_with("\\u") { 6 } else { 2 };
    let length = match inner.chars().next() {
        None => 0,
        Some('\\') => {
            let first = escape(inner);
            let high = first == 6
                && matches!(
                    inner.as_bytes().get(2..4),
                    Some([b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B'])
                );
            let paired = high && inner.as_bytes().get(first..).is_some_and(|rest| rest.starts_with(b"\\u"));
            if paired { 2 * first } else { first }
        }
        Some(char) => char.len_utf8(),
    };
    length.min(inner.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Option<String> {
        of_json(json)
    }

    #[test]
    fn decodes_escapes_and_no_more_than_it_needs() {
        assert_eq!(of(r#""a\n\"\\\u00e9 \ud83d\ude00 ü""#).as_deref(), Some("a\n\"\\é 😀 ü"));
        let long = format!("\"{}\"", r"\ud83d\ude00".repeat(300));
        assert_eq!(of(&long), Some("😀".repeat(200)));
        assert_eq!(of(&format!("\"{}\"", "ü".repeat(201))), Some("ü".repeat(200)));
        assert_eq!(of("17"), None);
        assert_eq!(of(r#""\ud83d""#), None, "half a character");
    }

    #[test]
    fn grows_to_its_limit_in_any_steps() {
        for step in [1, 3, 200, 450] {
            let text: Vec<char> = "aü€😀".chars().cycle().take(450).collect();
            let mut excerpt = String::new();
            for piece in text.chunks(step) {
                extend(&mut excerpt, &piece.iter().collect::<String>());
            }
            assert_eq!(excerpt, text[..200].iter().collect::<String>(), "in steps of {step}");
            assert_eq!(of_text(&text.iter().collect::<String>()), excerpt);
        }
    }
}
