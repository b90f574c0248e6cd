//! What both directions share: reading a request member by member, each with its path, and writing JSON and events.
//!
//! Requests are read as raw values, not as a tree: schemas, tool arguments and numbers reach the provider exactly as the
//! client wrote them, key order included, and whatever was not taken is known by name.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{BadAnswer, TranslateError, TranslatedRequest};

pub(super) fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> TranslateError {
    TranslateError::Unsupported { field: field.into(), reason: reason.into() }
}

pub(super) fn invalid(field: impl Into<String>, rule: impl Into<String>) -> TranslateError {
    TranslateError::Invalid { field: field.into(), rule: rule.into() }
}

/// One value of a request, as it was written, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) path: String,
    raw: &'a RawValue,
}

impl<'a> Field<'a> {
    /// The value as it was written.
    pub(super) fn raw(&self) -> &'a RawValue {
        self.raw
    }

    fn parse<T: Deserialize<'a>>(&self, rule: &str) -> Result<T, TranslateError> {
        serde_json::from_str(self.raw.get()).map_err(|_| invalid(&self.path, rule))
    }

    pub(super) fn string(&self) -> Result<Cow<'a, str>, TranslateError> {
        let written = self.raw.get();
        match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            // Without escapes the value is its own text: images are not copied.
            Some(text) if !text.contains('\\') => Ok(Cow::Borrowed(text)),
            _ => self.parse("must be a string").map(Cow::Owned),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, TranslateError> {
        self.parse("must be true or false")
    }

    pub(super) fn number(&self) -> Result<f64, TranslateError> {
        self.parse("must be a number")
    }

    pub(super) fn unsigned(&self) -> Result<u64, TranslateError> {
        self.parse("must be a whole number, 0 or more")
    }

    pub(super) fn object(&self) -> Result<Object<'a>, TranslateError> {
        let Members(members) = self.parse("must be an object")?;
        Ok(Object { path: self.path.clone(), members })
    }

    pub(super) fn items(&self) -> Result<Vec<Field<'a>>, TranslateError> {
        let items: Vec<&'a RawValue> = self.parse("must be an array")?;
        let field = |(index, raw)| Field { path: format!("{}[{index}]", self.path), raw };
        Ok(items.into_iter().enumerate().map(field).collect())
    }

    /// What both wire formats write either as one text or as a list.
    pub(super) fn text_or_items(&self) -> Result<TextOrItems<'a>, TranslateError> {
        match self.raw.get().as_bytes().first() {
            Some(b'"') => self.string().map(TextOrItems::Text),
            Some(b'[') => self.items().map(TextOrItems::Items),
            _ => Err(invalid(&self.path, "must be a string or an array")),
        }
    }

    pub(super) fn is_empty_object(&self) -> bool {
        self.object().is_ok_and(|object| object.members.is_empty())
    }
}

/// A text, or a list of things that stand for one.
#[derive(Debug)]
pub(super) enum TextOrItems<'a> {
    Text(Cow<'a, str>),
    Items(Vec<Field<'a>>),
}

/// An object of a request, whose members are taken one by one.
#[derive(Debug)]
pub(super) struct Object<'a> {
    path: String,
    members: Vec<(String, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads a whole body.
    pub(super) fn of_body(body: &'a [u8]) -> Result<Self, TranslateError> {
        let Members(members) = serde_json::from_slice(body)
            .map_err(|error| invalid("body", format!("must be a JSON object: {error}")))?;
        Ok(Self { path: String::new(), members })
    }

    /// The path of one of its members.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a member. Null is the same as absent in both wire formats; of a name that stands twice the last counts.
    pub(super) fn take(&mut self, name: &str) -> Option<Field<'a>> {
        let raw = self.members.iter().rev().find(|(member, _)| member == name).map(|(_, raw)| *raw)?;
        self.members.retain(|(member, _)| member != name);
        (raw.get() != "null").then(|| Field { path: self.path_of(name), raw })
    }

    /// Takes a member that must be there.
    pub(super) fn require(&mut self, name: &str) -> Result<Field<'a>, TranslateError> {
        self.take(name).ok_or_else(|| invalid(self.path_of(name), "is required"))
    }

    /// Takes a member that says nothing when it is a string and one of `neutral`; any other value stays.
    pub(super) fn take_neutral(&mut self, name: &str, neutral: &[&str]) {
        let is_neutral = |raw: &RawValue| neutral.contains(&raw.get().trim_matches('"'));
        self.members.retain(|(member, raw)| member != name || !is_neutral(raw));
    }

    /// Lists what was not taken as left out; nulls say nothing and are not listed.
    pub(super) fn leave(self, dropped: &mut Dropped) {
        for (name, raw) in &self.members {
            if raw.get() != "null" {
                dropped.note(&self.path_of(name));
            }
        }
    }
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// The fields that were left out, each named once: `messages[].name`, whatever the number of messages.
///
/// A client may send any number of fields by any name, and the names end up in a response header.
#[derive(Debug, Default)]
pub(super) struct Dropped(Vec<String>);

/// The most fields that are named; [`MORE`] stands for those beyond.
const MAX_NAMED: usize = 24;
const MORE: &str = "more";
const MAX_NAME_BYTES: usize = 64;

impl Dropped {
    pub(super) fn note(&mut self, path: &str) {
        let general = Self::general(path);
        match self.0.len() {
            _ if self.0.contains(&general) => {}
            0..MAX_NAMED => self.0.push(general),
            MAX_NAMED => self.0.push(MORE.to_owned()),
            _ => {}
        }
    }

    /// The path without indices, and of plain characters only.
    fn general(path: &str) -> String {
        let mut general = String::with_capacity(path.len());
        let mut pieces = path.split('[');
        general.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            general.push('[');
            general.push_str(piece.trim_start_matches(|character: char| character.is_ascii_digit()));
        }
        let plain = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | '[' | ']')
        };
        general.chars().take(MAX_NAME_BYTES).map(|each| if plain(each) { each } else { '_' }).collect()
    }

    /// The request with what was left out of it.
    pub(super) fn with_body(self, body: &impl Serialize) -> Result<TranslatedRequest, TranslateError> {
        let body = serde_json::to_vec(body).map_err(|error| invalid("body", error.to_string()))?;
        Ok(TranslatedRequest { body: body.into(), dropped: self.0 })
    }
}

/// A `data:` URI of base64, taken apart.
#[derive(Debug)]
pub(super) struct DataUri<'a> {
    pub(super) media_type: Cow<'a, str>,
    pub(super) data: Cow<'a, str>,
}

impl<'a> DataUri<'a> {
    /// `None` when it is not `data:<media type>[;…];base64,<data>`.
    pub(super) fn parse(uri: Cow<'a, str>) -> Option<Self> {
        let (head, data) = uri.strip_prefix("data:")?.split_once(',')?;
        let (parameters, encoding) = head.rsplit_once(';')?;
        let media_type = parameters.split(';').next().filter(|media_type| !media_type.is_empty())?;
        if !encoding.eq_ignore_ascii_case("base64") {
            return None;
        }
        let media_type = Cow::Owned(media_type.to_ascii_lowercase());
        let data_start = uri.len() - data.len();
        let data = match uri {
            Cow::Borrowed(uri) => Cow::Borrowed(&uri[data_start..]),
            Cow::Owned(mut uri) => Cow::Owned(uri.split_off(data_start)),
        };
        Some(Self { media_type, data })
    }
}

/// Reads a provider's JSON.
pub(super) fn read_answer<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadAnswer> {
    serde_json::from_slice(body).map_err(|error| BadAnswer(error.to_string()))
}

/// Writes a whole answer.
pub(super) fn write_answer(answer: &impl Serialize) -> Result<Bytes, BadAnswer> {
    serde_json::to_vec(answer).map(Bytes::from).map_err(|error| BadAnswer(error.to_string()))
}

/// Writes an event without a name, as OpenAI's are.
pub(super) fn write_data(out: &mut Vec<u8>, data: &impl Serialize) -> Result<(), BadAnswer> {
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, data).map_err(|error| BadAnswer(error.to_string()))?;
    out.extend_from_slice(b"\n\n");
    Ok(())
}

/// Writes a named event, as Anthropic's are.
pub(super) fn write_event(out: &mut Vec<u8>, name: &str, data: &impl Serialize) -> Result<(), BadAnswer> {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    write_data(out, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_out_field_is_named_once_and_without_its_place() {
        let mut dropped = Dropped::default();
        for path in ["messages[0].name", "messages[17].name", "seed", "tools[2].function.examples[3]"] {
            dropped.note(path);
        }
        assert_eq!(dropped.0, ["messages[].name", "seed", "tools[].function.examples[]"]);
    }

    #[test]
    fn the_names_of_left_out_fields_fit_into_a_header() {
        let mut dropped = Dropped::default();
        dropped.note("evil\r\nset-cookie: a=b, c;é");
        dropped.note(&"long".repeat(100));
        assert_eq!(dropped.0[0], "evil__set-cookie__a_b__c__");
        assert_eq!(dropped.0[1].len(), MAX_NAME_BYTES);
        for number in 0..100 {
            dropped.note(&format!("field{number}"));
        }
        assert_eq!(dropped.0.len(), MAX_NAMED + 1);
        assert_eq!(dropped.0.last().unwrap(), MORE);
    }

    #[test]
    fn of_a_member_that_stands_twice_the_last_counts() {
        let mut object = Object::of_body(br#"{"a": 1, "b": null, "a": 2}"#).unwrap();
        assert_eq!(object.take("a").unwrap().unsigned().unwrap(), 2);
        assert!(object.take("a").is_none() && object.take("b").is_none());
    }

    #[test]
    fn strings_are_read_with_and_without_escapes() {
        let mut object =
            Object::of_body(r#"{"plain": "é", "escaped": "a\/\"b\u00e9", "not": [1]}"#.as_bytes()).unwrap();
        assert_eq!(object.take("plain").unwrap().string().unwrap(), "é");
        assert_eq!(object.take("escaped").unwrap().string().unwrap(), "a/\"bé");
        assert!(object.take("not").unwrap().string().is_err());
    }

    #[test]
    fn data_uris_are_taken_apart() {
        let uri = DataUri::parse("data:image/PNG;charset=x;base64,AAAA".into()).unwrap();
        assert_eq!((uri.media_type.as_ref(), uri.data.as_ref()), ("image/png", "AAAA"));
        for wrong in ["https://x", "data:image/png,AAAA", "data:;base64,AAAA", "data:image/png;base64"] {
            assert!(DataUri::parse(wrong.into()).is_none(), "{wrong}");
        }
    }
}
