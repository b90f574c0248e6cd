//! Detectors of personal data and secrets.
//!
//! They look at shapes, not at meaning: a name or a postal address is not found, and a phone number only with its
//! country code or in North American groups. Card numbers need their check digit and a first digit from 2 to 6, IBANs
//! their check digits, so that one in twenty or in a hundred random numbers of that shape is taken for one. What is
//! spread over several strings, spelt out or in other scripts' digits is not found.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// At most this many matches of an operator's pattern are looked for in one text; from there on all of it counts as
/// one match, so that no pattern takes more than linear time.
const MAX_MATCHES: usize = 256;
const MAX_PATTERN_BYTES: usize = 1_000;

/// Finds one kind of data.
#[derive(Debug, Clone)]
pub struct Detector {
    name: Box<str>,
    pattern: Regex,
    /// How much of a match is one; nothing when it only looks like it.
    accept: Option<fn(&str) -> Option<usize>>,
    max_matches: usize,
}

type Builtin = (&'static str, &'static str, Option<fn(&str) -> Option<usize>>);

const BUILTIN: [Builtin; 7] = [
    (
        "private_key",
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
        None,
    ),
    (
        "api_key",
        r"(?-u:\b)(?:(?:sk|rk|pk|vk|xai|gsk|whsec|ghp|gho|glpat|xox[abps])[-_][A-Za-z0-9_-]{12,}|github_pat_[A-Za-z0-9_]{20,}|pat_ws[0-9a-f]{6}_[0-9a-f]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}(?-u:\b)|AIza[0-9A-Za-z_-]{35}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,})",
        None,
    ),
    ("email", r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}", None),
    ("iban", r"(?-u:\b)[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}(?-u:\b)", Some(iban)),
    ("credit_card", r"(?-u:\b)[2-6](?:[ -]?[0-9]){12,18}(?-u:\b)", Some(card)),
    ("ssn", r"(?-u:\b)[0-9]{3}-[0-9]{2}-[0-9]{4}(?-u:\b)", Some(ssn)),
    (
        "phone",
        r"\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}(?-u:\b)|(?:\([2-9][0-9]{2}\) ?|(?-u:\b)[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}(?-u:\b)",
        None,
    ),
];

static DETECTORS: LazyLock<Vec<Detector>> = LazyLock::new(|| {
    let build = |(name, pattern, accept): Builtin| {
        let pattern = Regex::new(pattern).ok()?;
        Some(Detector { name: name.into(), pattern, accept, max_matches: usize::MAX })
    };
    BUILTIN.into_iter().filter_map(build).collect()
});

/// Those that are built in: `private_key api_key email iban credit_card ssn phone`.
pub fn detectors() -> &'static [Detector] {
    &DETECTORS
}

impl Detector {
    /// An operator's pattern. There is no backtracking, and what it compiles to is bounded.
    pub fn pattern(name: &str, pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(format!("at most {MAX_PATTERN_BYTES} bytes"));
        }
        let pattern = RegexBuilder::new(pattern)
            .size_limit(1 << 18)
            .dfa_size_limit(1 << 20)
            .nest_limit(50)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "compiles to too much: repeat less".to_owned(),
                // The last line says what is wrong; those before draw where.
                error => error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
            })?;
        // Words and gaps are enough to show a pattern that finds nothing but places, such as `\b`.
        if ["", "ab 0-"].into_iter().any(|text| pattern.find(text).is_some_and(|found| found.is_empty())) {
            return Err("matches the empty text".to_owned());
        }
        Ok(Self { name: name.into(), pattern, accept: None, max_matches: MAX_MATCHES })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it finds anything.
    pub fn finds(&self, text: &str) -> bool {
        if self.accept.is_none() {
            return self.pattern.is_match(text);
        }
        let mut found = Vec::new();
        self.spans(text, &mut found);
        !found.is_empty()
    }

    /// Adds the byte ranges of what it finds.
    pub(super) fn spans(&self, text: &str, spans: &mut Vec<(usize, usize)>) {
        let (mut from, mut left) = (0, self.max_matches);
        while let Some(found) = self.pattern.find_at(text, from) {
            if left == 0 {
                spans.push((found.start(), text.len()));
                return;
            }
            left -= 1;
            let length = match self.accept {
                None => Some(found.len()),
                Some(accept) => accept(found.as_str()),
            };
            match length.filter(|length| *length > 0) {
                Some(length) => {
                    spans.push((found.start(), found.start() + length));
                    from = found.start() + length;
                }
                // What begins a little later may be one. The shapes that are looked at closer begin in ASCII.
                None => from = found.start() + text[found.start()..].chars().next().map_or(1, char::len_utf8),
            }
            if from > text.len() {
                return;
            }
        }
    }
}

/// Where a number of that shape may end: after each place that no letter or digit follows.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    (1..=bytes.len()).rev().filter(move |end| word(end - 1) && !word(*end))
}

/// The longest start of `text` that has 13 to 19 digits and the check digit of ISO/IEC 7812-1.
fn card(text: &str) -> Option<usize> {
    ends(text).find(|end| {
        let digits = || text.as_bytes()[..*end].iter().rev().filter(|byte| byte.is_ascii_digit());
        let doubled = |digit: u32| if digit * 2 > 9 { digit * 2 - 9 } else { digit * 2 };
        let sum: u32 = digits()
            .map(|byte| u32::from(byte - b'0'))
            .enumerate()
            .map(|(place, digit)| if place % 2 == 0 { digit } else { doubled(digit) })
            .sum();
        digits().count() >= 13 && sum.is_multiple_of(10)
    })
}

/// The longest start of `text` that has 15 to 34 characters and the check digits of ISO 13616.
fn iban(text: &str) -> Option<usize> {
    ends(text).find(|end| {
        let characters = || text.as_bytes()[..*end].iter().filter(|byte| **byte != b' ');
        let rest = characters().skip(4).chain(characters().take(4)).fold(0_u32, |rest, byte| match byte {
            b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
            letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
        });
        (15..=34).contains(&characters().count()) && rest == 1
    })
}

/// A number that the United States give out.
fn ssn(text: &str) -> Option<usize> {
    let (area, rest) = text.split_once('-')?;
    let given = area != "000" && area != "666" && !area.starts_with('9');
    (given && !rest.starts_with("00") && !rest.ends_with("0000")).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        let mut spans = Vec::new();
        detectors().iter().find(|detector| detector.name() == name).unwrap().spans(text, &mut spans);
        spans.into_iter().map(|(from, to)| text[from..to].to_owned()).collect()
    }

    #[test]
    fn every_builtin_compiles() {
        assert_eq!(detectors().len(), BUILTIN.len());
    }

    #[test]
    fn each_detector_finds_what_it_is_for_and_leaves_what_only_looks_like_it() {
        assert_eq!(found("email", "mail zoe.k+x@example.co.uk now"), ["zoe.k+x@example.co.uk"]);
        assert_eq!(found("email", "a@b and @handle"), [""; 0]);
        assert_eq!(found("credit_card", "card 4242 4242 4242 4242."), ["4242 4242 4242 4242"]);
        assert_eq!(found("credit_card", "3 4242424242424242 1"), ["4242424242424242"]);
        assert_eq!(found("credit_card", "order 4242424242424241 at 1764041103000000"), [""; 0]);
        assert_eq!(found("iban", "to DE89 3704 0044 0532 0130 00 PLEASE"), ["DE89 3704 0044 0532 0130 00"]);
        assert_eq!(found("iban", "to GB82WEST12345698765433"), [""; 0]);
        assert_eq!(found("ssn", "078-05-1120 000-12-3456 901-12-3456 123-45-0000"), ["078-05-1120"]);
        let phones = ["+49 (30) 901820-0", "(212) 555-0123", "415-555-2671"];
        assert_eq!(found("phone", "+49 (30) 901820-0, (212) 555-0123 or 415-555-2671"), phones);
        assert_eq!(found("phone", "2026-11-25 and 10.0.0.1"), [""; 0]);
        assert_eq!(found("api_key", "sk-proj-abcdefghijklmnop AKIAIOSFODNN7EXAMPLE").len(), 2);
        assert_eq!(found("api_key", "a desk-bound task-list"), [""; 0]);
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----";
        assert_eq!(found("private_key", &format!("x {key} y")), [key]);
    }

    #[test]
    fn patterns_that_are_invalid_or_made_to_be_slow_are_refused() {
        for (pattern, reason) in [
            ("(", "unclosed group"),
            (r"(a)\1", "backreferences"),
            ("(?:(?:a{100}){100}){100}", "compiles to too much"),
            ("a*", "empty text"),
            (r"\b", "empty text"),
            (&"a".repeat(1_001), "at most 1000 bytes"),
        ] {
            let error = Detector::pattern("x", pattern).unwrap_err();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_pattern_with_very_many_matches_takes_the_rest_as_one() {
        let mut spans = Vec::new();
        Detector::pattern("x", ".*[^A-Z]|[A-Z]").unwrap().spans(&"A".repeat(100_000), &mut spans);
        assert_eq!(spans.len(), MAX_MATCHES + 1);
        assert_eq!(spans.last().unwrap().1, 100_000);
    }
}
