//! Masks secrets and personal data in text that is kept.
//!
//! Used where a workspace, an agent or a header asks for `redacted` bodies, on the copy that is kept and never on what
//! is forwarded. What is looked for are all detectors of [`rungate_core::policy`]. In JSON, and in the events of a
//! stream, only string values change; any other text is masked wherever something is found.

use std::borrow::Cow;

use bytes::Bytes;
use rungate_core::policy::{detectors, mask_json, mask_text};

/// The text with everything masked that looks like a secret or personal data, and whether anything was.
pub fn redact(text: &Bytes) -> (Bytes, bool) {
    let mut masked = Vec::new();
    let mut changed = false;
    // Bytes that are no text are kept as they are.
    for chunk in text.utf8_chunks() {
        let valid = masked_text(chunk.valid());
        changed |= matches!(valid, Cow::Owned(_));
        masked.extend_from_slice(valid.as_bytes());
        masked.extend_from_slice(chunk.invalid());
    }
    if changed { (Bytes::from(masked), true) } else { (text.clone(), false) }
}

fn masked_text(text: &str) -> Cow<'_, str> {
    if text.trim_start().starts_with(['{', '[']) {
        return mask_json(text, detectors()).map_or(Cow::Borrowed(text), Cow::Owned);
    }
    if text.starts_with("data:") || text.starts_with("event:") {
        return masked_events(text);
    }
    mask_text(text, detectors())
}

/// The lines of a server-sent event stream, of which those with JSON are masked as JSON.
fn masked_events(text: &str) -> Cow<'_, str> {
    let mut masked = String::with_capacity(text.len());
    let mut changed = false;
    for line in text.split_inclusive('\n') {
        let data = line.strip_prefix("data:").filter(|data| data.trim_start().starts_with(['{', '[']));
        let replaced = match data {
            Some(data) => mask_json(data, detectors()).map(|data| format!("data:{data}")),
            None => Some(mask_text(line, detectors()))
                .filter(|line| matches!(line, Cow::Owned(_)))
                .map(Cow::into_owned),
        };
        changed |= replaced.is_some();
        masked.push_str(replaced.as_deref().unwrap_or(line));
    }
    if changed { Cow::Owned(masked) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        String::from_utf8(redact(&Bytes::copy_from_slice(text.as_bytes())).0.to_vec()).unwrap()
    }

    #[test]
    fn secrets_and_personal_data_are_masked() {
        assert_eq!(masked("mail zoe.k+x@example.co.uk now"), "mail [redacted] now");
        assert_eq!(masked("card 4242 4242 4242 4242."), "card [redacted].");
        assert_eq!(masked("order 4242424242424241"), "order 4242424242424241");
        assert_eq!(masked("{\"k\":\"sk-proj-abcdefghijklmnop\"}"), "{\"k\":\"[redacted]\"}");
        assert_eq!(masked("AKIAIOSFODNN7EXAMPLE"), "[redacted]");
        assert_eq!(masked("a desk-bound task-list"), "a desk-bound task-list");
    }

    #[test]
    fn json_stays_json_and_bytes_that_are_no_text_stay() {
        assert_eq!(
            masked(r#"{"model":"m","n":4242424242424242,"c":"zoe\u0040example.com"}"#),
            r#"{"model":"m","n":4242424242424242,"c":"[redacted]"}"#
        );
        assert_eq!(
            masked("data: {\"d\":\"zoe@example.com\"}\n\ndata: [DONE]\n"),
            "data: {\"d\":\"[redacted]\"}\n\ndata: [DONE]\n"
        );
        let (kept, changed) = redact(&Bytes::from_static(b"\xff zoe@example.com \xfe"));
        assert!(changed);
        assert_eq!(&kept[..], b"\xff [redacted] \xfe");
    }

    #[test]
    fn clean_text_is_not_copied() {
        let text = Bytes::from_static(b"nothing here");
        let (kept, changed) = redact(&text);
        assert!(!changed);
        assert_eq!(kept.as_ptr(), text.as_ptr());
    }
}
