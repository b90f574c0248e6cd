//! Values with a form of their own: addresses, accounts, numbers of telephones.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use url::Url;

use super::words::is_invisible;

/// Values of one text that are found; what comes after them is not looked at.
const MAX_MENTIONS: usize = 500;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An address of electronic mail.
    Email,
    /// A web address, with its path.
    Url,
    /// A host name or address.
    Host,
    /// An IBAN, or any other long run of digits and letters that names an account.
    Account,
    /// A telephone number with its country code.
    Phone,
    /// An address on a chain.
    Wallet,
    /// A path to a file.
    Path,
}

impl Kind {
    /// Its name in facts and reasons.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Url => "url",
            Self::Host => "host",
            Self::Account => "account",
            Self::Phone => "phone",
            Self::Wallet => "wallet",
            Self::Path => "path",
        }
    }
}

/// A value in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Typed {
    /// What it is.
    pub kind: Kind,
    /// Its form: equal for two spellings of one thing.
    pub form: String,
}

type Shape = (Kind, &'static str);

/// Looked for in this order; what one has taken no other gets.
const SHAPES: [Shape; 6] = [
    (Kind::Url, r"(?i)\bhttps?://[^\s<>\x22'`\\]+"),
    (Kind::Email, r"[\p{L}\p{N}._%+'-]+@[\p{L}\p{N}.-]+"),
    (Kind::Wallet, r"\b(?:0x[0-9a-fA-F]{40}|bc1[02-9ac-hj-np-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b"),
    (Kind::Account, r"\b[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]){11,30}\b"),
    (Kind::Phone, r"\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}\b"),
    (Kind::Account, r"\b[0-9](?:[ -]?[0-9]){6,33}\b"),
];

static PATTERNS: LazyLock<Vec<(Kind, Regex)>> = LazyLock::new(|| {
    SHAPES.iter().filter_map(|(kind, shape)| Some((*kind, Regex::new(shape).ok()?))).collect()
});

static HOST: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+\p{L}{2,}$").ok());

/// A whole value, where it has a form of its own.
pub fn typed(value: &str) -> Option<Typed> {
    let value = visible(value);
    let value = value.trim();
    for (kind, pattern) in PATTERNS.iter() {
        let is_whole = pattern.find(value).is_some_and(|found| found.range() == (0..value.len()));
        if is_whole && let Some(form) = form(*kind, value) {
            return Some(Typed { kind: *kind, form });
        }
    }
    if HOST.as_ref().is_some_and(|host| host.is_match(value)) {
        return Some(Typed { kind: Kind::Host, form: host(value)? });
    }
    let is_path = (value.starts_with('/') || value.starts_with("./") || value.starts_with("~/"))
        && !value.contains(char::is_whitespace)
        && value.len() > 2;
    is_path.then(|| Typed { kind: Kind::Path, form: value.trim_start_matches("./").to_owned() })
}

/// Every value with a form of its own in a text, whole: `a@b.com.evil.io` does not mention `a@b.com`.
pub fn mentions(text: &str) -> Vec<Typed> {
    let text = visible(text);
    let mut taken: Vec<(usize, usize)> = Vec::new();
    let mut found = Vec::new();
    for (kind, pattern) in PATTERNS.iter() {
        for place in pattern.find_iter(&text) {
            if found.len() >= MAX_MENTIONS {
                return found;
            }
            let value = place.as_str().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '\'']);
            let value = if *kind == Kind::Account { account_in(value) } else { value };
            let span = (place.start(), place.start() + value.len());
            if taken.iter().any(|(from, to)| span.0 < *to && *from < span.1) {
                continue;
            }
            taken.push(span);
            if let Some(form) = form(*kind, value) {
                if *kind == Kind::Url
                    && let Some(host) =
                        Url::parse(value).ok().and_then(|url| url.host_str().map(str::to_owned))
                {
                    found.push(Typed { kind: Kind::Host, form: host });
                }
                found.push(Typed { kind: *kind, form });
            }
        }
    }
    for word in text.split(|it: char| it.is_whitespace() || "<>()[]{}\"'`,;|".contains(it)) {
        let word = word.trim_end_matches(['.', ':', '!', '?']);
        if found.len() < MAX_MENTIONS && word.len() > 2 {
            match typed(word) {
                Some(value) if matches!(value.kind, Kind::Host | Kind::Path) => found.push(value),
                _ => {}
            }
        }
    }
    found
}

/// The account at the start of what has the shape of one: words that follow it look like groups of it. As long as its check digits
/// (ISO 13616) say, else up to the last group with a digit.
fn account_in(text: &str) -> &str {
    let ends = || text.match_indices(' ').map(|(at, _)| at).chain([text.len()]);
    let valid = ends().filter(|end| is_iban(&text[..*end])).max();
    let has_digit = |end: &usize| {
        let group = text[..*end].rsplit(' ').next().unwrap_or_default();
        group.contains(|it: char| it.is_ascii_digit())
    };
    let end = valid.or_else(|| ends().take_while(|end| *end < 6 || has_digit(end)).last());
    end.map_or(text, |end| &text[..end])
}

fn is_iban(text: &str) -> bool {
    let characters: Vec<u8> =
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    if !(15..=34).contains(&characters.len()) {
        return false;
    }
    let rest = characters[4..].iter().chain(&characters[..4]).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    rest == 1
}

/// What can be seen of a text, in compatibility form.
fn visible(text: &str) -> String {
    text.nfkc().filter(|it| !is_invisible(*it)).collect()
}

fn form(kind: Kind, value: &str) -> Option<String> {
    match kind {
        Kind::Email => {
            let (name, at) = value.rsplit_once('@')?;
            let host = host(at.trim_end_matches('.'))?;
            host.contains('.').then(|| format!("{}@{host}", name.to_lowercase()))
        }
        Kind::Url => {
            let url = Url::parse(value).ok()?;
            let host = url.host_str()?;
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{host}{port}{}", url.path().trim_end_matches('/')))
        }
        Kind::Wallet if value.starts_with("0x") || value.starts_with("bc1") => {
            Some(value.to_ascii_lowercase())
        }
        Kind::Account | Kind::Phone => {
            Some(value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase())
        }
        Kind::Host => host(value),
        Kind::Wallet | Kind::Path => Some(value.to_owned()),
    }
}

/// A host in lower case and ASCII, as resolvers see it.
fn host(name: &str) -> Option<String> {
    Url::parse(&format!("http://{name}/")).ok()?.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form_of(value: &str) -> Option<(Kind, String)> {
        typed(value).map(|typed| (typed.kind, typed.form))
    }

    #[test]
    fn two_spellings_of_one_thing_have_one_form() {
        for same in [
            &[
                "Zoe.K@Example.com",
                "zoe.k@EXAMPLE.com",
                "zoe.k@ｅxample.com",
                "z\u{200b}oe.k@example.com",
                " zoe.k@example.com ",
            ][..],
            &["https://Example.com/a/", "HTTPS://example.com/a", "http://example.com:80/a"],
            &["DE89 3704 0044 0532 0130 00", "de89370400440532013000", "DE89\u{a0}37040044 0532013000"],
            &["+49 (30) 901820", "+49-30-901820", "+4930901820"],
            &["0xAbCdEf0123456789aBcDeF0123456789abcdef01", "0xabcdef0123456789abcdef0123456789abcdef01"],
            &["1234 5678 9012", "1234-5678-9012", "123456789012"],
        ] {
            let forms: Vec<_> = same.iter().map(|value| form_of(value)).collect();
            assert!(forms[0].is_some() && forms.iter().all(|form| *form == forms[0]), "{same:?}: {forms:?}");
        }
    }

    #[test]
    fn what_looks_alike_has_another_form() {
        let real = form_of("pay@acme.com").unwrap();
        for other in
            ["pay@acme.com.evil.io", "pay@аcme.com", "xpay@acme.com", "pay@acme.co", "pay@evil.io#acme.com"]
        {
            assert_ne!(form_of(other), Some(real.clone()), "{other}");
        }
        assert_ne!(form_of("https://acme.com@evil.io/a"), form_of("https://acme.com/a"));
        assert_ne!(form_of("DE89370400440532013000"), form_of("DE89370400440532013001"));
    }

    #[test]
    fn whole_values_alone_are_mentioned() {
        let of = |text: &str| {
            let mut found: Vec<String> = mentions(text).into_iter().map(|typed| typed.form).collect();
            found.sort();
            found.dedup();
            found
        };
        assert_eq!(
            of("Mail zoe@example.com, please."),
            ["example.com", "zoe@example.com"].map(str::to_owned)[1..]
        );
        assert!(!of("mail a@b.com.evil.io").contains(&"a@b.com".to_owned()));
        assert_eq!(of("Pay DE89 3704 0044 0532 0130 00 today"), ["DE89370400440532013000"]);
        assert_eq!(of("Pay DE89 3704 0044 0532 0130 01 today"), ["DE89370400440532013001"]);
        assert!(of("see https://acme.com/docs/x.").contains(&"acme.com/docs/x".to_owned()));
        assert!(of("see https://acme.com/docs/x.").contains(&"acme.com".to_owned()));
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_form(value in "[a-z0-9.@:/+ -]{0,40}") {
            if let Some(once) = typed(&value) {
                // A web address loses its scheme in its form.
                prop_assume!(once.kind != Kind::Url && once.kind != Kind::Phone);
                let again = typed(&once.form);
                prop_assert_eq!(again, Some(once));
            }
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC{0,200}") {
            mentions(&text);
            typed(&text);
        }
    }
}
