//! Reads what is wanted of an answer and is not put off by the rest.
//!
//! A field that is not what it should be counts as absent. One that stands twice counts once, the last that says
//! something. So an answer that was paid for is not refused for a field that nobody needs.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::NotTheFormat;

/// The largest count that is believed: JSON numbers are exact up to here, and sums of a few such cannot overflow.
const MAX_COUNT: u64 = 1 << 53;

/// An object of which some fields are wanted.
pub trait Object<'de>: Default {
    /// Reads the value of one field, or skips it.
    fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error>;
}

/// Reads a text that must be an object.
pub fn object<'de, T: Object<'de>>(text: &'de str) -> Result<T, NotTheFormat> {
    read(text).map(|One(object)| object).ok_or(NotTheFormat)
}

fn read<'de, C: Compound<'de>>(text: &'de str) -> Option<C> {
    serde_json::from_str::<Maybe<C>>(text).ok().and_then(|Maybe(value)| value)
}

/// The value of a field, not read yet. Every way to read it fills a slot if the value is of that type.
pub struct Field<'m, A>(&'m mut A);

impl<'de, A: MapAccess<'de>> Field<'_, A> {
    pub fn skip(self) -> Result<(), A::Error> {
        self.0.next_value::<IgnoredAny>().map(drop)
    }

    /// Anything but `null`.
    pub fn any(self, slot: &mut Option<Any<'de>>) -> Result<(), A::Error> {
        let raw: &'de RawValue = self.0.next_value()?;
        fill(slot, Some(Any(raw)).filter(|value| value.json() != "null"));
        Ok(())
    }

    pub fn text(self, slot: &mut Option<Text<'de>>) -> Result<(), A::Error> {
        let raw: &'de RawValue = self.0.next_value()?;
        fill(slot, Any(raw).text());
        Ok(())
    }

    /// A whole number that is not negative. What comes with a fraction is rounded up.
    pub fn count(self, slot: &mut Option<u64>) -> Result<(), A::Error> {
        let raw: &'de RawValue = self.0.next_value()?;
        fill(slot, Any(raw).count());
        Ok(())
    }

    /// A finite number that is not negative.
    pub fn number(self, slot: &mut Option<f64>) -> Result<(), A::Error> {
        let raw: &'de RawValue = self.0.next_value()?;
        fill(slot, Any(raw).number());
        Ok(())
    }

    pub fn object<T: Object<'de>>(self, slot: &mut Option<T>) -> Result<(), A::Error> {
        let Maybe(value) = self.0.next_value::<Maybe<One<T>>>()?;
        fill(slot, value.map(|One(object)| object));
        Ok(())
    }

    /// A list of objects; what else stands in it is left out.
    pub fn list<T: Object<'de>>(self, slot: &mut Option<Vec<T>>) -> Result<(), A::Error> {
        let Maybe(value) = self.0.next_value::<Maybe<Many<T>>>()?;
        fill(slot, value.map(|Many(list)| list));
        Ok(())
    }

    /// How many elements a list has.
    pub fn length(self, slot: &mut Option<u64>) -> Result<(), A::Error> {
        let Maybe(value) = self.0.next_value::<Maybe<Length>>()?;
        fill(slot, value.map(|Length(length)| length));
        Ok(())
    }
}

/// Keeps what is there when nothing comes.
fn fill<T>(slot: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *slot = value;
    }
}

/// A value of which only the extent is known.
#[derive(Debug, Clone, Copy)]
pub struct Any<'de>(&'de RawValue);

impl<'de> Any<'de> {
    pub fn json(self) -> &'de str {
        self.0.get()
    }

    pub fn text(self) -> Option<Text<'de>> {
        self.json().starts_with('"').then_some(Text(self.json()))
    }

    pub fn object<T: Object<'de>>(self) -> Option<T> {
        read(self.json()).map(|One(object)| object)
    }

    pub fn list<T: Object<'de>>(self) -> Option<Vec<T>> {
        read(self.json()).map(|Many(list)| list)
    }

    fn number(self) -> Option<f64> {
        let number: f64 = self.json().trim_matches('"').parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    }

    fn count(self) -> Option<u64> {
        let exact = self.json().trim_matches('"').parse().ok();
        exact.or_else(|| self.number().and_then(whole_number)).filter(|count| *count <= MAX_COUNT)
    }
}

fn whole_number(number: f64) -> Option<u64> {
    // What is larger than any count prints as digits that do not parse.
    format!("{:.0}", number.ceil()).parse().ok()
}

/// A JSON string, decoded when needed.
#[derive(Debug, Clone, Copy)]
pub struct Text<'de>(&'de str);

impl<'de> Text<'de> {
    /// The text. Half a surrogate pair, which providers send when they cut a text at any place, becomes a replacement
    /// character.
    pub fn decode(self) -> Cow<'de, str> {
        let inner = &self.0[1..self.0.len() - 1];
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Cow::Borrowed(inner);
        }
        let mut json = serde_json::Deserializer::from_str(self.0);
        let mut bytes = json.deserialize_bytes(Decoded).unwrap_or_default();
        for at in 2..bytes.len() {
            if bytes[at - 2] == 0xED && bytes[at - 1] >= 0xA0 {
                // Half a surrogate pair is as long as the character that stands for it.
                bytes[at - 2..=at].copy_from_slice("\u{fffd}".as_bytes());
            }
        }
        Cow::Owned(String::from_utf8(bytes).unwrap_or_default())
    }

    pub fn is(self, other: &str) -> bool {
        self.decode() == other
    }

    pub const fn is_empty(self) -> bool {
        self.0.len() == 2
    }
}

struct Decoded;

impl Visitor<'_> for Decoded {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(bytes.to_vec())
    }
}

/// A value that is read from an object or a list. What it is not read from is drained and gives nothing.
trait Compound<'de>: Sized {
    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

struct One<T>(T);

impl<'de, T: Object<'de>> Compound<'de> for One<T> {
    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        let mut read = T::default();
        while let Some(Name(name)) = object.next_key()? {
            read.field(&name, Field(&mut object))?;
        }
        Ok(Some(Self(read)))
    }
}

struct Many<T>(Vec<T>);

impl<'de, T: Object<'de>> Compound<'de> for Many<T> {
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut read = Vec::new();
        while let Some(Maybe(element)) = list.next_element::<Maybe<One<T>>>()? {
            read.extend(element.map(|One(object)| object));
        }
        Ok(Some(Self(read)))
    }
}

struct Length(u64);

impl<'de> Compound<'de> for Length {
    fn from_list<A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut length = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            length += 1;
        }
        Ok(Some(Self(length)))
    }
}

/// The name of a field, borrowed where it can be.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Maybe<C>(Option<C>);

impl<'de, C: Compound<'de>> Deserialize<'de> for Maybe<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whatever(PhantomData)).map(Self)
    }
}

struct Whatever<C>(PhantomData<C>);

impl<'de, C: Compound<'de>> Visitor<'de> for Whatever<C> {
    type Value = Option<C>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        C::from_object(object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        C::from_list(list)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Sample<'de> {
        text: Option<Text<'de>>,
        count: Option<u64>,
        inner: Option<Box<Sample<'de>>>,
        list: Option<Vec<Sample<'de>>>,
        length: Option<u64>,
    }

    impl<'de> Object<'de> for Sample<'de> {
        fn field<A: MapAccess<'de>>(&mut self, name: &str, value: Field<'_, A>) -> Result<(), A::Error> {
            match name {
                "text" => value.text(&mut self.text),
                "count" => value.count(&mut self.count),
                "inner" => {
                    let mut inner = None;
                    value.object(&mut inner)?;
                    self.inner = inner.map(Box::new);
                    Ok(())
                }
                "list" => value.list(&mut self.list),
                "length" => value.length(&mut self.length),
                _ => value.skip(),
            }
        }
    }

    fn count(json: &str) -> Option<u64> {
        object::<Sample<'_>>(&format!("{{\"count\": {json}}}")).unwrap().count
    }

    fn text(json: &str) -> Option<String> {
        let json = format!("{{\"text\": {json}}}");
        object::<Sample<'_>>(&json).unwrap().text.map(|text| text.decode().into_owned())
    }

    #[test]
    fn counts_are_whole_believable_and_not_negative() {
        for (json, read) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("7.2", Some(8)),
            ("1e3", Some(1_000)),
            ("\"12\"", Some(12)),
            ("9007199254740992", Some(MAX_COUNT)),
            ("9007199254740994", None),
            ("18446744073709551616", None),
            ("1e999", None),
            ("-1", None),
            ("true", None),
            ("null", None),
            ("{}", None),
            ("[3]", None),
            ("\"\"", None),
            ("\"NaN\"", None),
        ] {
            assert_eq!(count(json), read, "{json}");
        }
    }

    #[test]
    fn texts_are_decoded_even_where_they_were_cut() {
        assert_eq!(text(r#""plain ü""#).as_deref(), Some("plain ü"));
        assert_eq!(text(r#""a\n\u00fc\ud83d\ude00""#).as_deref(), Some("a\nü😀"));
        assert_eq!(
            text(r#""half \ud83d, half \ude00 \ud7ff""#).as_deref(),
            Some("half \u{fffd}, half \u{fffd} \u{d7ff}")
        );
        for other in ["7", "null", "[]", "{\"text\": \"x\"}", "true"] {
            assert_eq!(text(other), None, "{other}");
        }
    }

    #[test]
    fn odd_fields_are_absent_and_double_ones_count_once() {
        let odd = r#"{"count": 1, "count": null, "text": 5, "list": [null, {"count": 2}, 7, [], "x"],
            "inner": [1, {"a": {}}], "length": {"a": 1}, "other": [[{"deep": 1e999}]], "count": 3}"#;
        let read: Sample<'_> = object(odd).unwrap();
        assert_eq!(read.count, Some(3));
        assert!(read.text.is_none() && read.inner.is_none() && read.length.is_none());
        assert_eq!(read.list.unwrap().iter().map(|sample| sample.count).collect::<Vec<_>>(), [Some(2)]);
        let read: Sample<'_> = object(r#"{"count": 4, "count": null, "length": [1, {}, null]}"#).unwrap();
        assert_eq!((read.count, read.length), (Some(4), Some(3)));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "7", "[]", "null", "\"{}\"", "{", "{} {}", "<html>"] {
            assert!(object::<Sample<'_>>(text).is_err(), "{text}");
        }
    }
}
