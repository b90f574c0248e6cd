//! Reads the JSON bodies of requests: says which field is wrong and what it may be, and checks the rules of a request
//! before its handler sees it.

use std::ops::RangeInclusive;

use axum::extract::{FromRequest, Request as HttpRequest};
use bytes::Bytes;
use globset::Glob;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rungate_core::code::Code;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

use super::error::{ApiError, FieldError};

/// The largest body of a control request.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
const MAX_GLOBS: usize = 500;
const MAX_GLOB_CHARS: usize = 200;

/// What a control request may carry as its body.
pub trait Request: DeserializeOwned {
    /// Documented fields whose effect this version does not have. Sent with a neutral value they are accepted, with
    /// any other they are refused: nothing is stored that would not be enforced.
    const LATER: &'static [Later] = &[];

    /// Checks what the types cannot say.
    fn check(&self, checks: &mut Checks) {
        let _ = checks;
    }
}

/// A field of a later version.
#[derive(Debug, Clone, Copy)]
pub struct Later {
    /// Its path, such as `budget` or `runApi.strict`.
    path: &'static str,
    /// A value, as JSON text, that changes nothing.
    neutral: &'static str,
}

/// A field of a later version; null and empty values are neutral.
pub const fn later(path: &'static str) -> Later {
    Later { path, neutral: "null" }
}

impl Later {
    /// Accepts one more value, given as JSON text: what this version does anyway.
    #[must_use]
    pub const fn unless(mut self, neutral: &'static str) -> Self {
        self.neutral = neutral;
        self
    }

    fn accepts(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) if text.is_empty() => true,
            Value::Array(items) if items.is_empty() => true,
            Value::Object(fields) if fields.is_empty() => true,
            value => serde_json::from_str::<Value>(self.neutral).is_ok_and(|neutral| neutral == *value),
        }
    }

    /// Takes the field out of a body, if it stands there with a neutral value.
    fn take(self, body: &mut Value) -> Result<(), ApiError> {
        let (parents, name) = self.path.rsplit_once('.').unwrap_or(("", self.path));
        let mut parent = body;
        for segment in parents.split('.').filter(|segment| !segment.is_empty()) {
            match parent.get_mut(segment) {
                Some(next) => parent = next,
                None => return Ok(()),
            }
        }
        let Value::Object(fields) = parent else { return Ok(()) };
        match fields.remove(name) {
            Some(value) if !self.accepts(&value) => Err(ApiError::not_supported_yet(self.path)),
            _ => Ok(()),
        }
    }
}

/// The rules a request broke so far.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldError>);

impl Checks {
    /// Notes a broken rule.
    pub fn fail(&mut self, field: impl Into<String>, rule: &'static str, message: impl Into<String>) {
        self.0.push(FieldError::new(field, rule, message));
    }

    /// The number of characters of a text, surrounding white space not counted at the lower bound.
    pub fn length(&mut self, field: &str, text: &str, allowed: RangeInclusive<usize>) {
        let (least, most) = (*allowed.start(), *allowed.end());
        if text.trim().chars().count() < least || text.chars().count() > most {
            let message = match least {
                0 => format!("must be at most {most} characters"),
                _ => format!("must be {least} to {most} characters"),
            };
            self.fail(field, "length", message);
        }
    }

    /// As [`Checks::length`], of a text that may be absent.
    pub fn length_of<T: AsRef<str>>(&mut self, field: &str, text: Option<T>, allowed: RangeInclusive<usize>) {
        if let Some(text) = text {
            self.length(field, text.as_ref(), allowed);
        }
    }

    /// Patterns that must compile.
    pub fn globs(&mut self, field: &str, patterns: &[String]) {
        if patterns.len() > MAX_GLOBS {
            self.fail(field, "length", format!("must have at most {MAX_GLOBS} patterns"));
        }
        for (at, pattern) in patterns.iter().enumerate() {
            let bounded = (1..=MAX_GLOB_CHARS).contains(&pattern.chars().count());
            if !bounded || Glob::new(pattern).is_err() {
                let message = format!("must be a glob of 1 to {MAX_GLOB_CHARS} characters, such as gpt-4o*");
                self.fail(format!("{field}[{at}]"), "glob", message);
            }
        }
    }

    /// 400 if a rule was broken.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::fields(&self.0)) }
    }
}

/// A checked JSON body. An empty body counts as `{}`.
pub struct Json<T>(pub T);

impl<T: Request, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;
    async fn from_request(request: HttpRequest, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        parse(&read_body(&parts.headers, body, MAX_BODY_BYTES).await?).map(Self)
    }
}

/// The bytes of a JSON body: 413 when there are too many, 415 when they say to be something else.
pub async fn read_body(
    headers: &HeaderMap,
    body: axum::body::Body,
    most_bytes: usize,
) -> Result<Bytes, ApiError> {
    let bytes = match Limited::new(body, most_bytes).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("the body is larger than {most_bytes} bytes");
            return Err(ApiError::new(Code::PayloadTooLarge, message));
        }
        Err(_) => return Err(ApiError::new(Code::InvalidJson, "the body ended before its end")),
    };
    if !bytes.is_empty() && !is_json(headers) {
        return Err(ApiError::new(Code::UnsupportedMediaType, "the body must be application/json"));
    }
    Ok(bytes)
}

/// Whether the content type is JSON; an absent one is taken as such.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads and checks a request.
pub fn parse<T: Request>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut body: Value = match bytes {
        [] => Value::Object(Map::new()),
        bytes => serde_json::from_slice(bytes)
            .map_err(|error| ApiError::new(Code::InvalidJson, format!("the body is not JSON: {error}")))?,
    };
    if !body.is_object() {
        return Err(ApiError::new(Code::InvalidRequest, "the body must be a JSON object"));
    }
    for later in T::LATER {
        later.take(&mut body)?;
    }
    let request: T = serde_path_to_error::deserialize(body).map_err(|error| shape_error(&error))?;
    let mut checks = Checks::default();
    request.check(&mut checks);
    checks.finish()?;
    Ok(request)
}

/// Names the field that a body went wrong at. Serde names a missing or unknown field in its message only.
fn shape_error(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let message = error.inner().to_string();
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let named = message.split('`').nth(1).unwrap_or_default();
    let join = |name: &str| match path.as_str() {
        "" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    if message.starts_with("unknown field") {
        ApiError::field(join(named), "unknown_field", message)
    } else if message.starts_with("missing field") {
        ApiError::field(join(named), "required", "is required")
    } else if message.starts_with("duplicate field") {
        ApiError::field(join(named), "duplicate", "is given twice, once under another name")
    } else if message.starts_with("unknown variant") {
        let allowed = message.split_once("expected ").map_or(message.as_str(), |(_, allowed)| allowed);
        ApiError::field(path, "one_of", format!("must be {}", allowed.replace('`', "")))
    } else {
        ApiError::field(path, "type", message)
    }
}

/// Tells a field that is null from one that is absent: `None` is absent, `Some(None)` is null.
pub fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Sample {
        name: String,
        #[serde(default, deserialize_with = "nullable")]
        model: Option<Option<String>>,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        allowed: Vec<String>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Inner {
        #[serde(default)]
        days: Option<u32>,
        #[serde(default)]
        kind: Option<Kind>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Full,
        None,
    }

    impl Request for Sample {
        const LATER: &'static [Later] = &[later("budget"), later("inner.strict").unless("false")];
        fn check(&self, checks: &mut Checks) {
            checks.length("name", &self.name, 1..=5);
            checks.globs("allowed", &self.allowed);
        }
    }

    /// The code, the field and the rule of the error that `body` gives.
    fn refused(body: &str) -> (Code, String, String) {
        let error = parse::<Sample>(body.as_bytes()).unwrap_err();
        let code = error.code();
        let text = format!("{error:?}");
        let between = |start: &str| {
            text.split_once(start)
                .and_then(|(_, rest)| rest.split_once('"'))
                .map(|(value, _)| value.to_owned())
                .unwrap_or_default()
        };
        (code, between("field: Some(\""), between("\"rule\": String(\""))
    }

    #[test]
    fn errors_name_the_field_and_the_rule() {
        for (body, field, rule) in [
            ("{}", "name", "required"),
            (r#"{"name": "a", "colour": 1}"#, "colour", "unknown_field"),
            (r#"{"name": 7}"#, "name", "type"),
            (r#"{"name": "a", "inner": {"days": "x"}}"#, "inner.days", "type"),
            (r#"{"name": "a", "inner": {"weeks": 1}}"#, "inner.weeks", "unknown_field"),
            (r#"{"name": "a", "inner": {"kind": "some"}}"#, "inner.kind", "one_of"),
            (r#"{"name": "  "}"#, "name", "length"),
            (r#"{"name": "abcdef"}"#, "name", "length"),
            (r#"{"name": "a", "allowed": ["gpt-*", "[a"]}"#, "allowed[1]", "glob"),
        ] {
            assert_eq!(refused(body), (Code::InvalidRequest, field.to_owned(), rule.to_owned()), "{body}");
        }
        assert_eq!(refused("{").0, Code::InvalidJson);
        assert_eq!(refused("[]").0, Code::InvalidRequest);
    }

    #[test]
    fn later_fields_are_refused_unless_neutral() {
        for (body, field) in [
            (r#"{"name": "a", "budget": 0}"#, "budget"),
            (r#"{"name": "a", "inner": {"strict": true}}"#, "inner.strict"),
        ] {
            assert_eq!(
                refused(body),
                (Code::NotSupportedYet, field.to_owned(), "not_supported_yet".to_owned())
            );
        }
        let neutral = r#"{"name": "a", "budget": null, "inner": {"strict": false}}"#;
        assert!(parse::<Sample>(neutral.as_bytes()).is_ok());
    }

    #[test]
    fn null_differs_from_absent() {
        let read = |body: &str| parse::<Sample>(body.as_bytes()).unwrap();
        assert_eq!(read(r#"{"name": "a"}"#).model, None);
        assert_eq!(read(r#"{"name": "a", "model": null}"#).model, Some(None));
        assert!(matches!(
            read(r#"{"name": "a", "inner": {"days": 1, "kind": "none"}}"#).inner,
            Some(Inner { days: Some(1), kind: Some(Kind::None) })
        ));
        assert!(matches!(
            read(r#"{"name": "a", "inner": {"kind": "full"}}"#).inner,
            Some(Inner { kind: Some(Kind::Full), .. })
        ));
    }
}
