//! Lenient reading of the vendors' JSON: an odd field costs neither its row nor its value.
//! Knows no vendor. Every type here reads from a text only, since it looks at the text as it was sent.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

/// A field of a row: absent or null, as documented, or something else that must not get lost.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Field<T> {
    /// Absent or null.
    #[default]
    Empty,
    /// What the vendor documents.
    Read(T),
    /// Anything else.
    Odd(Value),
}

impl<T> Field<T> {
    /// What was read; what could not be read goes to `extra` as it was sent.
    pub(super) fn take(self, key: &str, extra: &mut Map<String, Value>) -> Option<T> {
        match self {
            Self::Empty => None,
            Self::Read(value) => Some(value),
            Self::Odd(value) => {
                extra.insert(key.to_owned(), value);
                None
            }
        }
    }

    /// What was read, where the rest does not matter.
    pub(super) fn read(self) -> Option<T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Empty | Self::Odd(_) => None,
        }
    }
}

impl Field<Text> {
    /// As [`Field::take`], unwrapped.
    pub(super) fn text(self, key: &str, extra: &mut Map<String, Value>) -> Option<String> {
        self.take(key, extra).map(|Text(text)| text)
    }
}

impl Field<Flag> {
    /// As [`Field::take`], unwrapped.
    pub(super) fn flag(self, key: &str, extra: &mut Map<String, Value>) -> Option<bool> {
        self.take(key, extra).map(|Flag(flag)| flag)
    }
}

impl Field<Number> {
    /// As [`Field::take`], unwrapped.
    pub(super) fn number(self, key: &str, extra: &mut Map<String, Value>) -> Option<i64> {
        self.take(key, extra).map(|Number(number)| number)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text == "null" {
            return Ok(Self::Empty);
        }
        match read(text) {
            Ok(value) => Ok(Self::Read(value)),
            // What not even a value can hold is kept as its text: it must not cost what stands around it.
            Err(_) => Ok(Self::Odd(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)))),
        }
    }
}

/// A list whose entries are read one by one; null stands for an empty one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listed<T> {
    /// Entries as documented, in the vendor's order.
    pub(super) read: Vec<T>,
    /// Other entries; or what stands in the list's place.
    pub(super) odd: Vec<Value>,
}

impl<T> Listed<T> {
    /// The entries; those that could not be read go to `extra` as they were sent.
    pub(super) fn take(self, key: &str, extra: &mut Map<String, Value>) -> Vec<T> {
        if !self.odd.is_empty() {
            extra.insert(key.to_owned(), Value::Array(self.odd));
        }
        self.read
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { read: Vec::new(), odd: Vec::new() }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut listed = Self::default();
        match Field::<Vec<Field<T>>>::deserialize(deserializer)? {
            Field::Empty => {}
            Field::Odd(value) => listed.odd.push(value),
            Field::Read(entries) => {
                for entry in entries {
                    match entry {
                        Field::Empty => {}
                        Field::Read(entry) => listed.read.push(entry),
                        Field::Odd(entry) => listed.odd.push(entry),
                    }
                }
            }
        }
        Ok(listed)
    }
}

/// A value as it was sent, beside what was read of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent<T> {
    pub(super) value: Value,
    pub(super) read: T,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Sent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let value = serde_json::from_str(text).map_err(D::Error::custom)?;
        Ok(Self { value, read: read(text).map_err(D::Error::custom)? })
    }
}

/// A text, or a number or a boolean kept as the text that was sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map(Self).map_err(D::Error::custom),
            Some(b'0'..=b'9' | b'-' | b't' | b'f') => Ok(Self(text.to_owned())),
            _ => Err(D::Error::custom("no text")),
        }
    }
}

/// Words for true and for false, in any case.
const WORDS: [[&str; 8]; 2] =
    [["true", "1", "yes", "y", "t", "on", "active", "enabled"], ["false", "0", "no", "n", "f", "off", "inactive", "disabled"]];

/// A boolean, or a usual word or number for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = match Value::deserialize(deserializer)? {
            Value::Bool(flag) => return Ok(Self(flag)),
            Value::String(word) => word,
            Value::Number(number) => number.to_string(),
            _ => return Err(D::Error::custom("no boolean")),
        };
        let is_one_of = |words: &[&str]| words.iter().any(|known| word.trim().eq_ignore_ascii_case(known));
        match WORDS.each_ref().map(|words| is_one_of(words)) {
            [true, _] => Ok(Self(true)),
            [_, true] => Ok(Self(false)),
            _ => Err(D::Error::custom("no boolean")),
        }
    }
}

/// A whole number, or a text of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| D::Error::custom("no whole number"))
    }
}

/// `3.0` is the number 3, as long as a float still counts one by one.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

/// Reads a text; where a key stands twice, its last value counts.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).or_else(|_| {
        let value: Value = serde_json::from_str(text)?;
        serde_json::from_str(&value.to_string())
    })
}

/// Reads an object, borrowing from its text. serde would take an array for a struct too, by position.
///
/// # Errors
/// In our words, when it is none, or one that could be read in two ways.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, &'static str> {
    if !text.trim_start().starts_with('{') {
        return Err("it is not an object");
    }
    let Ok(Keys(mut keys)) = serde_json::from_str(text) else { return Err("it has a key that is no text") };
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("a key stands in it twice");
    }
    serde_json::from_str(text).map_err(|_| "it cannot be read")
}

/// The keys of an object.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, told: &mut fmt::Formatter<'_>) -> fmt::Result {
        told.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

/// Keeps a field that is there apart from one that is absent, even if it is null. For `deserialize_with`.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field<T: DeserializeOwned>(text: &str) -> Field<T> {
        serde_json::from_str(text).expect("a field")
    }

    #[test]
    fn a_number_given_as_text_keeps_every_digit() {
        assert_eq!(field::<Text>("12345678901234567890123"), Field::Read(Text("12345678901234567890123".into())));
        assert_eq!(field::<Text>("1.10"), Field::Read(Text("1.10".into())));
        assert_eq!(field::<Text>(r#""""#), Field::Read(Text(String::new())));
        assert_eq!(field::<Text>("null"), Field::Empty);
        assert_eq!(field::<Text>(r#"["a"]"#), Field::Odd(json!(["a"])));
    }

    #[test]
    fn booleans_and_numbers_are_read_from_words_too() {
        for text in ["true", r#""true""#, r#""TRUE""#, r#"" True ""#, "1", r#""1""#, r#""Yes""#, r#""y""#, r#""Active""#, r#""ON""#] {
            assert_eq!(field::<Flag>(text), Field::Read(Flag(true)), "{text}");
        }
        for text in ["false", r#""FALSE""#, "0", r#""0""#, r#""No""#, r#""inactive""#, r#""Disabled""#] {
            assert_eq!(field::<Flag>(text), Field::Read(Flag(false)), "{text}");
        }
        assert_eq!(field::<Flag>(r#""maybe""#), Field::Odd(json!("maybe")));
        assert_eq!(field::<Flag>("2"), Field::Odd(json!(2)));
        for text in ["7", r#""7""#, "7.0", "7e0"] {
            assert_eq!(field::<Number>(text), Field::Read(Number(7)), "{text}");
        }
        for text in ["7.5", "1e300", "18446744073709551615", "true", r#""seven""#] {
            assert!(matches!(field::<Number>(text), Field::Odd(_)), "{text}");
        }
    }

    #[test]
    fn one_odd_entry_does_not_cost_the_others() {
        let listed: Listed<Number> = serde_json::from_str(r#"[1, null, "x", "2"]"#).expect("a list");
        assert_eq!((listed.read, listed.odd), (vec![Number(1), Number(2)], vec![json!("x")]));
        let listed: Listed<Number> = serde_json::from_str("null").expect("a list");
        assert_eq!(listed, Listed::default());
        let listed: Listed<Number> = serde_json::from_str(r#"{"a": 1}"#).expect("a list");
        assert_eq!(listed.odd, [json!({"a": 1})]);
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_value_counts() {
        #[derive(Deserialize)]
        struct Row {
            a: Field<Number>,
        }
        assert_eq!(read::<Row>(r#"{"a": 1, "a": 2}"#).expect("a row").a, Field::Read(Number(2)));
    }

    #[test]
    fn what_no_value_can_hold_costs_nothing_around_it() {
        for text in ["1e999".to_owned(), r#""\ud800""#.to_owned(), format!("{}{}", "[".repeat(500), "]".repeat(500))] {
            assert_eq!(field::<Flag>(&text), Field::Odd(json!(text)));
        }
    }

    #[test]
    fn an_object_that_can_be_read_in_two_ways_is_refused() {
        #[derive(Deserialize, Debug, PartialEq)]
        struct Row {
            a: i32,
        }
        assert_eq!(object(r#" {"a": 1, "b": 1e999, "c": {"a": 2, "a": 3}}"#), Ok(Row { a: 1 }));
        assert_eq!(object::<Row>("[1]"), Err("it is not an object"));
        assert_eq!(object::<Row>(r#"{"a": 1, "b": 1, "\u0062": 2}"#), Err("a key stands in it twice"));
        assert_eq!(object::<Row>(r#"{"\ud800": 1, "a": 1}"#), Err("it has a key that is no text"));
        assert_eq!(object::<Row>("{}"), Err("it cannot be read"));
    }
}
