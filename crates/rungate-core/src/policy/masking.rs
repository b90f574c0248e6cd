//! Masking what detectors find, in text and inside the strings of JSON.
//!
//! JSON is not parsed into a tree: its string values are found in the bytes, and only those with a find are written
//! anew; every other byte stays. Keys, numbers and the top-level `model` are never changed. A string is looked at as
//! it reads after its escapes (`\u0040` is `@`), and where it holds JSON itself, as the arguments of a tool call do,
//! so are the strings in there.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::policy::detect::Detector;

/// What stands for what was found.
pub const MASK: &str = "[redacted]";

/// What is left between masks is looked at again this often, since a mask makes new word boundaries; what then still
/// has finds is masked as a whole.
const MAX_ROUNDS: usize = 6;
/// JSON in strings in JSON is followed this deep.
const MAX_NESTING: usize = 4;

/// `text` with everything masked that a detector finds; borrowed when nothing is.
///
/// What comes out has no finds between its masks, so that masking again changes nothing. Takes time linear in the
/// text.
pub fn mask_text<'a>(text: &'a str, detectors: &[Detector]) -> Cow<'a, str> {
    let mut masked = String::new();
    let mut changed = false;
    for (index, piece) in text.split(MASK).enumerate() {
        if index > 0 {
            masked.push_str(MASK);
        }
        changed |= mask_piece(piece, detectors, 0, &mut masked);
    }
    if changed { Cow::Owned(masked) } else { Cow::Borrowed(text) }
}

fn mask_piece(piece: &str, detectors: &[Detector], round: usize, masked: &mut String) -> bool {
    let mut spans = Vec::new();
    for detector in detectors {
        detector.spans(piece, &mut spans);
    }
    if spans.is_empty() {
        masked.push_str(piece);
        return false;
    }
    if round == MAX_ROUNDS {
        masked.push_str(MASK);
        return true;
    }
    spans.sort_unstable();
    let mut at = 0;
    for (from, to) in spans {
        if from > at || at == 0 {
            mask_piece(&piece[at..from], detectors, round + 1, masked);
            masked.push_str(MASK);
        }
        at = at.max(to);
    }
    mask_piece(&piece[at..], detectors, round + 1, masked);
    true
}

/// The JSON text with everything masked inside string values that a detector finds; `None` when nothing is.
///
/// Text that is not JSON, or is cut off, is taken as far as its quotes say where strings are.
pub fn mask_json(json: &str, detectors: &[Detector]) -> Option<String> {
    mask_nested(json, detectors, 0)
}

fn mask_nested(json: &str, detectors: &[Detector], depth: usize) -> Option<String> {
    let mut masked = String::new();
    let mut kept = 0;
    for (from, to) in Strings::new(json) {
        let text = unescape(&json[from..to]);
        let replaced = if is_json(&text, depth) {
            mask_nested(&text, detectors, depth + 1).map(Cow::Owned)
        } else {
            Some(mask_text(&text, detectors)).filter(|masked| matches!(masked, Cow::Owned(_)))
        };
        let Some(replaced) = replaced else { continue };
        masked.push_str(&json[kept..from]);
        escape(&replaced, &mut masked);
        kept = to;
    }
    if kept == 0 {
        return None;
    }
    masked.push_str(&json[kept..]);
    Some(masked)
}

/// Whether a detector finds anything inside the string values of the JSON text.
pub(super) fn finds_in_json(json: &str, detector: &Detector) -> bool {
    fn nested(json: &str, detector: &Detector, depth: usize) -> bool {
        Strings::new(json).any(|(from, to)| {
            let text = unescape(&json[from..to]);
            if is_json(&text, depth) { nested(&text, detector, depth + 1) } else { detector.finds(&text) }
        })
    }
    nested(json, detector, 0)
}

fn is_json(text: &str, depth: usize) -> bool {
    depth < MAX_NESTING
        && text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The insides of the string values of a JSON text, without keys and the value of the top-level `model`.
struct Strings<'a> {
    json: &'a str,
    at: usize,
    depth: usize,
    skip_next: bool,
}

impl<'a> Strings<'a> {
    fn new(json: &'a str) -> Self {
        Self { json, at: 0, depth: 0, skip_next: false }
    }

    /// The end of the inside of the string that begins at `from`.
    fn end(&self, from: usize) -> usize {
        let bytes = self.json.as_bytes();
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => return at,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        bytes.len()
    }

    fn is_key(&self, end: usize) -> bool {
        let rest = self.json.as_bytes().get(end + 1..).unwrap_or_default();
        rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
    }
}

impl Iterator for Strings<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        while let Some(byte) = self.json.as_bytes().get(self.at) {
            self.at += 1;
            match byte {
                b'{' | b'[' => {
                    self.depth += 1;
                    self.skip_next = false;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b'"' => {
                    let (from, to) = (self.at, self.end(self.at));
                    self.at = to + 1;
                    if self.is_key(to) {
                        self.skip_next = self.depth == 1 && unescape(&self.json[from..to]) == "model";
                        continue;
                    }
                    if !std::mem::take(&mut self.skip_next) {
                        return Some((from, to));
                    }
                }
                b',' => self.skip_next = false,
                _ => {}
            }
        }
        None
    }
}

/// The inside of a JSON string as it reads. Broken escapes stay as they are; half a surrogate pair is U+FFFD.
fn unescape(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let hex = |text: &str| text.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let mut text = String::with_capacity(raw.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        flush(&mut units, &rest[..at], &mut text);
        let escaped = &rest[at + 1..];
        let plain = match escaped.bytes().next() {
            Some(b'u') => {
                if let Some(unit) = hex(&escaped[1..]) {
                    units.push(unit);
                    rest = &escaped[5..];
                    continue;
                }
                '\\'
            }
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'"') => '"',
            Some(b'/') => '/',
            _ => '\\',
        };
        flush_units(&mut units, &mut text);
        text.push(plain);
        let known =
            matches!(escaped.bytes().next(), Some(b'n' | b't' | b'r' | b'b' | b'f' | b'"' | b'/' | b'\\'));
        rest = if known { &escaped[1..] } else { escaped };
    }
    flush(&mut units, rest, &mut text);
    flush_units(&mut units, &mut text);
    Cow::Owned(text)
}

/// UTF-16 units gathered so far, then `plain`; units that stand next to each other belong together.
fn flush(units: &mut Vec<u16>, plain: &str, text: &mut String) {
    if !plain.is_empty() {
        flush_units(units, text);
        text.push_str(plain);
    }
}

fn flush_units(units: &mut Vec<u16>, text: &mut String) {
    text.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

/// Writes `text` as the inside of a JSON string.
fn escape(text: &str, json: &mut String) {
    let quoted = serde_json::Value::from(text).to_string();
    json.push_str(&quoted[1..quoted.len() - 1]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::detect::detectors;

    fn masked(json: &str) -> String {
        mask_json(json, detectors()).unwrap_or_else(|| json.to_owned())
    }

    #[test]
    fn only_string_values_change_and_all_other_bytes_stay() {
        let body = r#"{ "model":"sk-abcdefghijklmnop", "a@b.io" : [1.50, "to zoe@example.com\n"],"n":4242424242424242 }"#;
        assert_eq!(
            masked(body),
            r#"{ "model":"sk-abcdefghijklmnop", "a@b.io" : [1.50, "to [redacted]\n"],"n":4242424242424242 }"#
        );
        assert_eq!(masked(r#"{"x":{"model":"zoe@example.com"}}"#), r#"{"x":{"model":"[redacted]"}}"#);
        assert_eq!(mask_json(r#"{"a":"é\u0040 \"x\""}"#, detectors()), None);
    }

    #[test]
    fn escapes_do_not_hide_what_is_looked_for() {
        assert_eq!(masked(r#"["zoe\u0040example.com"]"#), r#"["[redacted]"]"#);
        assert_eq!(masked(r#"["\u007a\u006Fe@example\u002ecom"]"#), r#"["[redacted]"]"#);
        assert_eq!(masked(r#"["a\\ zoe@example.com \ud83d\ude00"]"#), r#"["a\\ [redacted] 😀"]"#);
        assert_eq!(masked(r#"["\ud800 zoe@example.com"]"#), "[\"\u{fffd} [redacted]\"]");
    }

    #[test]
    fn tool_arguments_stay_json_and_are_looked_at_inside() {
        let arguments = r#"{"to":"zoe\u0040example.com","n":4242424242424242}"#;
        let out: Value = serde_json::from_str(&masked(&json!({"arguments": arguments}).to_string())).unwrap();
        let inner: Value = serde_json::from_str(out["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(inner, json!({"to": MASK, "n": 4_242_424_242_424_242_u64}));
        assert_eq!(masked(r#"["{hello} zoe@example.com"]"#), r#"["{hello} [redacted]"]"#);
    }

    #[test]
    fn cut_off_text_is_masked_as_far_as_it_goes() {
        assert_eq!(masked(r#"{"a":"zoe@example.com and"#), r#"{"a":"[redacted] and"#);
        assert_eq!(masked(r#"{"a":"zoe@example.com\"#), r#"{"a":"[redacted]\\"#);
    }

    fn secret() -> impl Strategy<Value = String> {
        let parts = prop_oneof![
            Just("zoe@example.com".to_owned()),
            Just("4242 4242 4242 4242".to_owned()),
            Just("4111111111111111".to_owned()),
            Just("DE89370400440532013000".to_owned()),
            Just("078-05-1120".to_owned()),
            Just("+49 30 901820".to_owned()),
            Just("sk-proj-abcdefghijklmnop".to_owned()),
            Just("AKIAIOSFODNN7EXAMPLE".to_owned()),
            Just("-----BEGIN PRIVATE KEY-----".to_owned()),
            Just(MASK.to_owned()),
            "[0-9]{1,20}",
            "[ \\-.,@\"\\\\{}\\[\\]a-zA-Zé😀\n]{0,6}",
        ];
        proptest::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
    }

    fn shape(value: &Value) -> Value {
        match value {
            Value::String(_) => json!(""),
            Value::Array(items) => items.iter().map(shape).collect(),
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn masked_text_has_no_finds_and_stays(text in secret()) {
            let once = mask_text(&text, detectors()).into_owned();
            for piece in once.split(MASK) {
                for detector in detectors() {
                    prop_assert!(!detector.finds(piece), "{} in {piece:?}", detector.name());
                }
            }
            prop_assert_eq!(&mask_text(&once, detectors()), &once);
        }

        #[test]
        fn masked_json_is_json_of_the_same_shape_and_stays(texts in proptest::collection::vec(secret(), 1..5)) {
            let body = json!({"model": texts[0], "messages": texts, "n": [1, null, {"k": texts[0]}]});
            let once = masked(&body.to_string());
            let value: Value = serde_json::from_str(&once).unwrap();
            prop_assert_eq!(shape(&value), shape(&body));
            prop_assert_eq!(&value["model"], &body["model"]);
            prop_assert_eq!(masked(&once), once);
        }

        #[test]
        fn strings_read_as_a_json_reader_reads_them(text in ".{0,16}") {
            let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let units = units.concat();
            prop_assert_eq!(unescape(&units), text.as_str());
            let quoted = Value::from(text.as_str()).to_string();
            prop_assert_eq!(unescape(&quoted[1..quoted.len() - 1]), text.as_str());
        }

        #[test]
        fn no_text_breaks_it(text in "[\\x00-\\x7f\u{e9}\u{1f600}\"\\\\u@{}:]{0,64}") {
            masked(&text);
        }
    }
}
