//! The version a client last saw: a change that rests on an older one is refused.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;
use rungate_core::agent::Head;
use rungate_core::code::Code;

use super::error::ApiError;

/// The version in `If-Match`, if one was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// Not sent, or `*`.
    Any,
    /// This version.
    Version(u64),
    /// Something that no version of ours looks like, so it matches none.
    Other,
}

impl IfMatch {
    fn parse(text: &str) -> Self {
        let text = text.trim();
        if text == "*" {
            return Self::Any;
        }
        let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
        text.parse().map_or(Self::Other, Self::Version)
    }

    /// 409 unless `head` is at the version of the header and of the body, as far as each was sent.
    pub fn check(&self, in_body: Option<u64>, head: &Head) -> Result<(), ApiError> {
        let header_matches = match self {
            Self::Any => true,
            Self::Version(version) => *version == head.version,
            Self::Other => false,
        };
        if header_matches && in_body.is_none_or(|version| version == head.version) {
            return Ok(());
        }
        let message = format!("somebody else changed this first: it is at version {}", head.version);
        Err(ApiError::new(Code::VersionConflict, message).at("version"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(match parts.headers.get(IF_MATCH) {
            None => Self::Any,
            Some(value) => Self::parse(value.to_str().unwrap_or_default()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_read_in_every_spelling() {
        for (text, expected) in [
            ("3", IfMatch::Version(3)),
            ("\"3\"", IfMatch::Version(3)),
            ("W/\"3\"", IfMatch::Version(3)),
            ("*", IfMatch::Any),
            ("\"abc\"", IfMatch::Other),
        ] {
            assert_eq!(IfMatch::parse(text), expected, "{text}");
        }
    }
}
