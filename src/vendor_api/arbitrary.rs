//! Bodies for the property tests of this room: JSON with everything that JSON allows and little that anyone expects, known answers
//! with bytes changed, and what must hold of every row that was read.

use std::fmt::Write;

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value};

use super::{Page, error::VendorError};
use crate::model::node::Node;

/// JSON as text can hold it: keys in order and more than once, numbers and strings in any spelling.
#[derive(Debug, Clone)]
pub(super) enum Json {
    /// A number, a string with its quotes, a word.
    Plain(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, &|_| {});
        text
    }

    /// The same with the keys of every object turned around, and white space between.
    pub(super) fn turned(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, &|entries| entries.reverse());
        text
    }

    fn write(&self, text: &mut String, order: &impl Fn(&mut Vec<&(String, Json)>)) {
        match self {
            Self::Plain(plain) => text.push_str(plain),
            Self::Array(entries) => {
                text.push('[');
                for (place, entry) in entries.iter().enumerate() {
                    text.push_str(if place > 0 { "," } else { "" });
                    entry.write(text, order);
                }
                text.push(']');
            }
            Self::Object(entries) => {
                let mut ordered: Vec<&(String, Self)> = entries.iter().collect();
                order(&mut ordered);
                text.push('{');
                for (place, (key, value)) in ordered.into_iter().enumerate() {
                    write!(text, "{}{key}:", if place > 0 { "," } else { "" }).expect("writing into a string cannot fail");
                    value.write(text, order);
                }
                text.push('}');
            }
        }
    }
}

/// Strings with their quotes: escapes, halves of pairs and U+0000 among them.
fn quoted() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ]{0,6}",
        2 => select(vec!["\\u0000", "\\ud800", "\\udfff", "\\ud83d\\ude00", "\\\\", "\\\"", "\\n", "é", "\u{FFFD}", "\u{7f}", "{[", "1e999"])
            .prop_map(str::to_owned),
        1 => "\\PC{0,4}".prop_map(|text| text.replace(['"', '\\'], "")),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn plain() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?";
    let known =
        ["null", "true", "false", "1e999", "-0", "7", "\"7\"", "\"true\"", "\"2025-03-02T08:15:40Z\"", "\"2025-03-02 08:15:40\"", ID];
    prop_oneof![3 => select(known.to_vec()).prop_map(str::to_owned), 2 => number, 3 => quoted()]
}

/// A user's id.
const ID: &str = "\"5f0c1a10-0000-4000-8000-000000000011\"";

/// Any value; `keys` are those that the vendor uses, most often met.
pub(super) fn json(keys: &'static [&'static str]) -> impl Strategy<Value = Json> {
    let key = prop_oneof![4 => select(keys.to_vec()).prop_map(|key| format!("\"{key}\"")), 1 => quoted()];
    let shallow = plain().prop_map(Json::Plain).prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Json::Array), vec((key.clone(), inner), 0..8).prop_map(Json::Object)]
    });
    // Now and then far below.
    (shallow, prop_oneof![9 => Just(0_usize), 1 => 50_usize..400]).prop_map(|(value, depth)| {
        (0..depth).fold(value, |value, level| match level % 2 {
            0 => Json::Array(vec![value]),
            _ => Json::Object(vec![("\"x\"".into(), value)]),
        })
    })
}

/// A known answer, spoilt: bytes changed, parts left out, doubled or put in a foreign place, the end cut off.
pub(super) fn spoilt(answer: &'static str) -> impl Strategy<Value = Vec<u8>> {
    vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..6, any::<u8>()), 1..6).prop_map(move |strokes| {
        strokes.into_iter().fold(answer.as_bytes().to_vec(), |mut bytes, (a, b, kind, byte)| {
            if bytes.is_empty() {
                return bytes;
            }
            let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
            let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 60));
            match kind {
                0 => bytes[a] = byte,
                1 => bytes[a] ^= 1 << (byte % 8),
                2 => bytes.truncate(bytes.len() - bytes.len().min(usize::from(byte))),
                3 => drop(bytes.drain(from..to)),
                4 => bytes.splice(to..to, bytes[from..to].to_vec()).for_each(drop),
                _ => bytes.splice(a..a, select_bytes(byte).iter().copied()).for_each(drop),
            }
            bytes
        })
    })
}

fn select_bytes(byte: u8) -> &'static [u8] {
    const PIECES: [&[u8]; 8] = [b"\\u0000", b"\\ud800", b"null", b"1e999", b"\"", b"[[[[", b"\xFF", b",\"userId\":"];
    PIECES[usize::from(byte) % PIECES.len()]
}

/// What holds of every page: each row was read or is remarked on, and what was read can be stored and read back.
pub(super) fn check<R: Node>(page: Result<Page<R>, VendorError>) -> Result<(), TestCaseError> {
    let Ok(page) = page else { return Ok(()) };
    let refused = page.remarks.iter().filter(|remark| remark.kind == "bad_row").count();
    prop_assert_eq!(page.rows.len() + refused, page.received() as usize, "a row is lost");
    for row in &page.rows {
        let content = Value::Object(row.content());
        check_storable(&content, 0)?;
        // In `change`, it stands two levels deeper.
        let back: Value = serde_json::from_str(&Value::from(vec![vec![content.clone()]]).to_string())
            .map_err(|error| TestCaseError::fail(format!("it cannot be read back: {error}")))?;
        prop_assert_eq!(&back[0][0], &content);
    }
    Ok(())
}

fn check_storable(value: &Value, depth: usize) -> Result<(), TestCaseError> {
    prop_assert!(depth < 80, "nested too deeply");
    match value {
        Value::String(text) => prop_assert!(!text.contains('\0'), "U+0000 is left"),
        Value::Array(entries) => entries.iter().try_for_each(|entry| check_storable(entry, depth + 1))?,
        Value::Object(map) => {
            prop_assert!(map.keys().all(|key| !key.contains('\0')), "U+0000 is left in a key");
            map.values().try_for_each(|entry| check_storable(entry, depth + 1))?;
        }
        Value::Number(number) => prop_assert!(number.as_f64().is_some_and(f64::is_finite)),
        Value::Null | Value::Bool(_) => {}
    }
    Ok(())
}

/// Whether one page's rows have the same ids and contents as another's.
pub(super) fn digests<R: Node>(page: &Page<R>) -> Vec<(String, String)> {
    page.rows.iter().map(|row| (row.key().to_string(), row.digest().0.to_string())).collect()
}

/// Objects whose keys nobody knows and whose values everything can hold: what a column's neighbour may be.
pub(super) fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("whole floats are kept as whole numbers", |float| float.is_finite() && float.fract() != 0.0)
            .prop_map(Value::from),
        "[^\0]{0,12}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 5, |inner| {
        let object = prop::collection::btree_map("[^\0]{0,8}", inner.clone(), 0..4);
        prop_oneof![vec(inner, 0..4).prop_map(Value::from), object.prop_map(|map| Value::Object(map.into_iter().collect()))]
    });
    prop::collection::btree_map("x[^\0]{0,12}", value, 0..6).prop_map(|map| map.into_iter().collect())
}
