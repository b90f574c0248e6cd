//! Masks secrets and personal data in text that is kept.
//!
//! Used where a workspace, an agent or a header asks for `redacted` bodies, on the copy that is kept and never on what
//! is forwarded. What is looked for: e-mail addresses, payment card numbers (by their check digit), and credentials
//! in the well-known shapes of providers, clouds and our own tokens.

use std::sync::LazyLock;

use bytes::Bytes;
use regex::bytes::Regex;

const MASK: &[u8] = b"[redacted]";

/// One pattern for all, so that a text is read once. Group `card` needs its check digit looked at.
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let email = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}";
    let card = r"(?P<card>\b\d(?:[ -]?\d){12,18}\b)";
    let key = r"\b(?:sk|rk|pk|vk|xai|gsk|whsec|ghp|gho|glpat|xox[abps])[-_][A-Za-z0-9_-]{12,}";
    let pat = r"\bpat_ws[0-9a-f]{6}_[0-9a-f]{16,}";
    let aws = r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b";
    let google = r"\bAIza[0-9A-Za-z_-]{35}";
    let private_key = r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]{0,8192}-----END [A-Z ]*PRIVATE KEY-----";
    Regex::new(&[email, card, key, pat, aws, google, private_key].join("|")).ok()
});

/// The text with everything masked that looks like a secret or personal data, and whether anything was.
pub fn redact(text: &Bytes) -> (Bytes, bool) {
    // A pattern that does not compile would keep everything in clear: keep nothing instead.
    let Some(pattern) = PATTERN.as_ref() else { return (Bytes::from_static(MASK), true) };
    let mut masked = Vec::new();
    let mut kept_up_to = 0;
    for found in pattern.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        if found.name("card").is_some_and(|card| !has_check_digit(card.as_bytes())) {
            continue;
        }
        masked.extend_from_slice(&text[kept_up_to..whole.start()]);
        masked.extend_from_slice(MASK);
        kept_up_to = whole.end();
    }
    if kept_up_to == 0 {
        return (text.clone(), false);
    }
    masked.extend_from_slice(&text[kept_up_to..]);
    (Bytes::from(masked), true)
}

/// The Luhn check of ISO/IEC 7812-1.
fn has_check_digit(number: &[u8]) -> bool {
    let digits = number.iter().rev().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
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
    fn clean_text_is_not_copied() {
        let text = Bytes::from_static(b"nothing here");
        let (kept, changed) = redact(&text);
        assert!(!changed);
        assert_eq!(kept.as_ptr(), text.as_ptr());
    }
}
