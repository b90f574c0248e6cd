//! Reads the fields of a body: what each may be, what is tolerated, and what is not in strict mode.

use std::collections::BTreeMap;

use rungate_core::activity::headers;
use rungate_core::code::Code;
use rungate_core::id::{CallerId, IdError};
use rungate_core::time::Timestamp;
use serde_json::{Map, Value};

use super::error::RunError;

/// Properties of a run or an event.
const MAX_PROPERTIES: usize = 32;

/// The fields of one object.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    strict: bool,
}

/// How a time is written where it is not only tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// ISO 8601 with a zone.
    Iso,
    /// Seconds since 1970, as a number.
    Seconds,
}

impl<'a> Fields<'a> {
    /// Those of a body, which must be an object.
    pub fn of(body: &'a Value, strict: bool) -> Result<Self, RunError> {
        match body {
            Value::Object(object) => Ok(Self { object, strict }),
            _ => Err(RunError::new(Code::InvalidJson, "The body must be a JSON object")),
        }
    }

    /// Whether what is otherwise tolerated is refused.
    pub const fn is_strict(&self) -> bool {
        self.strict
    }

    /// A field; null is as if it were not there.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A field under its name, or under an older one that is only tolerated.
    pub fn either(&self, name: &str, older: &str) -> Option<&'a Value> {
        self.get(name).or_else(|| self.get(older).filter(|_| !self.strict))
    }

    /// A text that must be there.
    pub fn text(&self, name: &str) -> Result<&'a str, RunError> {
        match self.get(name) {
            None => Err(missing(name)),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(invalid(name, "must be a string")),
        }
    }

    /// A text that may be there, of at most so many characters.
    pub fn short_text(&self, name: &str, most: usize) -> Result<Option<String>, RunError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.chars().count() <= most => Ok(Some(text.clone())),
            Some(_) => Err(invalid(name, &format!("must be a string of at most {most} characters"))),
        }
    }

    /// An id of the caller's, in a type of its own.
    pub fn id<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, IdError>,
    ) -> Result<Option<T>, RunError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                parse(text).map(Some).map_err(|error| invalid(name, &error.to_string()))
            }
            Some(_) => Err(invalid(name, "must be a string")),
        }
    }

    /// A step or tool call.
    pub fn caller_id(&self, name: &str) -> Result<Option<CallerId>, RunError> {
        self.id(name, CallerId::parse)
    }

    /// A UUID that may be there.
    pub fn uuid(&self, name: &str) -> Result<Option<uuid::Uuid>, RunError> {
        self.get(name).map(|value| uuid_in(name, value)).transpose()
    }

    /// `timestamp`; absent only where that is tolerated.
    pub fn timestamp(&self, form: TimeForm) -> Result<Option<Timestamp>, RunError> {
        let Some(value) = self.get("timestamp") else {
            return if self.strict { Err(missing("timestamp")) } else { Ok(None) };
        };
        let parsed = match (value, form) {
            (Value::String(text), TimeForm::Iso) => iso(text, !self.strict),
            (Value::Number(number), TimeForm::Seconds) => seconds(number),
            (Value::String(text), TimeForm::Seconds) if !self.strict => iso(text, true),
            (Value::Number(number), TimeForm::Iso) if !self.strict => seconds(number),
            _ => None,
        };
        let rule = match form {
            TimeForm::Iso => "must be ISO 8601 with a zone, such as 2026-11-23T16:05:12.345Z",
            TimeForm::Seconds => "must be seconds since 1970, such as 1795449912.345",
        };
        parsed.map(Some).ok_or_else(|| RunError::new(Code::InvalidTimestamp, format!("timestamp {rule}")))
    }

    /// `properties`, keys in lower case.
    pub fn properties(&self) -> Result<BTreeMap<String, String>, RunError> {
        let object = match self.get("properties") {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(object)) => object,
            Some(_) => return Err(invalid("properties", "must be an object of strings")),
        };
        if object.len() > MAX_PROPERTIES {
            return Err(invalid("properties", &format!("has at most {MAX_PROPERTIES} entries")));
        }
        let mut properties = BTreeMap::new();
        for (key, value) in object {
            let name = format!("properties.{key}");
            let Value::String(value) = value else { return Err(invalid(&name, "must be a string")) };
            let key = key.to_ascii_lowercase();
            headers::property(&key, value).map_err(|(_, rule)| invalid(&name, rule))?;
            properties.insert(key, value.clone());
        }
        Ok(properties)
    }
}

/// A field is not there.
pub fn missing(name: &str) -> RunError {
    RunError::new(Code::MissingField, format!("{name} is required"))
}

/// A field breaks its rule.
pub fn invalid(name: &str, rule: &str) -> RunError {
    RunError::new(Code::InvalidField, format!("{name} {rule}"))
}

/// A UUID in a field.
pub fn uuid_in(name: &str, value: &Value) -> Result<uuid::Uuid, RunError> {
    let parsed = value.as_str().and_then(|text| uuid::Uuid::try_parse(text).ok());
    parsed.ok_or_else(|| invalid(name, "must be a UUID"))
}

/// ISO 8601; without a zone it is UTC, where that is tolerated.
fn iso(text: &str, tolerant: bool) -> Option<Timestamp> {
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    if !tolerant {
        return None;
    }
    Timestamp::parse(&format!("{text}Z")).ok().or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")).ok())
}

/// Seconds since 1970, to the microsecond; between the years 1 and 9999.
#[expect(clippy::cast_possible_truncation, reason = "held to the range before")]
fn seconds(number: &serde_json::Number) -> Option<Timestamp> {
    let seconds =
        number.as_f64().filter(|seconds| (-62_135_596_800.0..253_402_300_800.0).contains(seconds))?;
    Some(Timestamp::from_micros((seconds * 1e6).round() as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(value: &Value, form: TimeForm, strict: bool) -> Option<String> {
        let body = json!({ "timestamp": value });
        Fields::of(&body, strict).unwrap().timestamp(form).ok().flatten().map(|at| at.to_string())
    }

    #[test]
    fn w_065_times_are_read_in_every_form_that_is_tolerated_and_in_one_when_strict() {
        let expected = Some("2026-11-23T16:05:12.345Z".to_owned());
        let forms = [
            (json!("2026-11-23T16:05:12.345Z"), TimeForm::Iso),
            (json!("2026-11-23T17:05:12.345+01:00"), TimeForm::Iso),
            (json!(1_795_449_912.345), TimeForm::Seconds),
        ];
        for (value, form) in forms {
            assert_eq!(at(&value, form, true), expected, "{value}");
            assert_eq!(at(&value, form, false), expected, "{value}");
        }
        let tolerated = [
            (json!("2026-11-23T16:05:12.345"), TimeForm::Iso),
            (json!(1_795_449_912.345), TimeForm::Iso),
            (json!("2026-11-23T16:05:12.345Z"), TimeForm::Seconds),
            (json!("2026-11-23 16:05:12.345"), TimeForm::Seconds),
        ];
        for (value, form) in tolerated {
            assert_eq!(at(&value, form, true), None, "{value}");
            assert_eq!(at(&value, form, false), expected, "{value}");
        }
        for value in [json!("yesterday"), json!(true), json!(1e300), json!("")] {
            assert_eq!(at(&value, TimeForm::Iso, false), None, "{value}");
        }
    }

    #[test]
    fn properties_keep_the_rules_of_their_headers() {
        let read = |value: Value| {
            let body = json!({ "properties": value });
            Fields::of(&body, false).unwrap().properties()
        };
        assert_eq!(
            read(json!({ "Tier": "gold" })).unwrap(),
            BTreeMap::from([("tier".into(), "gold".into())])
        );
        for bad in [json!([]), json!({ "a b": "x" }), json!({ "a": 1 }), json!({ "api-token": "x" })] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
