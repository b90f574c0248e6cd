//! Reads the one credential of a request, whichever header it came in.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use rungate_core::secret::{TokenHash, TokenHasher};

/// Every virtual key starts with this.
pub const VIRTUAL_KEY_PREFIX: &str = "vk-";
/// Every personal access token starts with this.
pub const PAT_PREFIX: &str = "pat_ws";

const API_KEY: &str = "x-api-key";
/// The longest token that is looked up; no token of ours is longer.
const MAX_TOKEN_BYTES: usize = 200;

/// What a token is, told by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `vk-…`: the data plane's credential.
    VirtualKey,
    /// `pat_ws…`: the control plane's credential.
    Pat,
    /// Nothing of ours.
    Unknown,
}

/// A credential as it was sent. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// What it is.
    pub fn kind(&self) -> TokenKind {
        if self.0.len() > MAX_TOKEN_BYTES {
            TokenKind::Unknown
        } else if self.0.starts_with(VIRTUAL_KEY_PREFIX) {
            TokenKind::VirtualKey
        } else if self.0.starts_with(PAT_PREFIX) {
            TokenKind::Pat
        } else {
            TokenKind::Unknown
        }
    }

    /// The hash it is kept and looked up by.
    pub fn hash(&self, hasher: &TokenHasher) -> TokenHash {
        hasher.hash(&self.0)
    }

    /// The token itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// Two headers carry two different tokens of ours; none can be preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Authorization and x-api-key carry different credentials; send one")]
pub struct Conflict;

/// The credential of a request; `None` when it sent none.
///
/// `Authorization: Bearer <t>`, `Authorization: <t>` and `x-api-key: <t>` are equal. A value that is nothing of ours
/// gives way to one that is, since SDKs fill the other header with a placeholder.
pub fn read(headers: &HeaderMap) -> Result<Option<Token>, Conflict> {
    let sent = headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(API_KEY));
    let mut found: Option<Token> = None;
    for value in sent {
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = without_scheme(text.trim());
        if text.is_empty() {
            continue;
        }
        let token = Token(text.to_owned());
        match &found {
            None => found = Some(token),
            Some(_) if token.kind() == TokenKind::Unknown => {}
            Some(first) if first.kind() == TokenKind::Unknown => found = Some(token),
            Some(first) if *first != token => return Err(Conflict),
            Some(_) => {}
        }
    }
    Ok(found)
}

/// The value behind `Bearer`, whose case does not matter.
fn without_scheme(value: &str) -> &str {
    const SCHEME: &str = "bearer";
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => match rest.chars().next() {
            None => rest,
            Some(' ' | '\t') => rest.trim_start(),
            Some(_) => value,
        },
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&'static str, &str)]) -> Result<Option<Token>, Conflict> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        read(&headers)
    }

    #[test]
    fn w_001_bearer_bare_and_x_api_key_are_equal() {
        for (name, value) in [
            ("authorization", "Bearer vk-abc"),
            ("authorization", "bearer  vk-abc"),
            ("authorization", "vk-abc"),
            ("x-api-key", "vk-abc"),
        ] {
            let token = read_pairs(&[(name, value)]).unwrap().unwrap();
            assert_eq!((token.expose(), token.kind()), ("vk-abc", TokenKind::VirtualKey), "{name}: {value}");
        }
        assert_eq!(read_pairs(&[]), Ok(None));
        assert_eq!(read_pairs(&[("authorization", "Bearer "), ("x-api-key", "")]), Ok(None));
        assert_eq!(read_pairs(&[("authorization", "Bearer")]), Ok(None));
    }

    #[test]
    fn w_001_two_different_tokens_conflict() {
        assert_eq!(
            read_pairs(&[("authorization", "Bearer vk-a"), ("x-api-key", "pat_ws123456_b")]),
            Err(Conflict)
        );
        assert_eq!(read_pairs(&[("authorization", "vk-a"), ("authorization", "vk-b")]), Err(Conflict));
        let same = read_pairs(&[("authorization", "Bearer vk-a"), ("x-api-key", "vk-a")]).unwrap();
        assert_eq!(same.unwrap().expose(), "vk-a");
    }

    #[test]
    fn a_value_that_is_not_ours_gives_way() {
        let token = read_pairs(&[("authorization", "Bearer sk-placeholder"), ("x-api-key", "vk-a")]);
        assert_eq!(token.unwrap().unwrap().expose(), "vk-a");
        let token = read_pairs(&[("authorization", "Bearer pat_ws123456_b"), ("x-api-key", "none")]);
        assert_eq!(token.unwrap().unwrap().kind(), TokenKind::Pat);
        let token = read_pairs(&[("authorization", "Basic dXNlcjpw")]).unwrap().unwrap();
        assert_eq!(token.kind(), TokenKind::Unknown);
    }

    #[test]
    fn a_token_does_not_print_and_has_a_bound() {
        let token = read_pairs(&[("x-api-key", "vk-secret")]).unwrap().unwrap();
        assert_eq!(format!("{token:?}"), "[token]");
        let long = format!("vk-{}", "a".repeat(198));
        assert_eq!(read_pairs(&[("x-api-key", &long)]).unwrap().unwrap().kind(), TokenKind::Unknown);
    }
}
