//! Reads the rows of an answer, each by itself: one that cannot be read becomes a remark and costs no other. Knows no vendor.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};

use super::{
    Remark,
    error::VendorError,
    json::{self, Field, Flag, Text},
    mend, tame, times,
};
use crate::model::{
    digest::Digest,
    node::{Node, NodeId},
};

/// Fields that one remark names at most.
const MOST_NAMED: usize = 12;

/// What there is to say of a row that was taken; whom it is about is added when its id is known.
#[derive(Debug, Default)]
pub(super) struct Notes {
    of_row: Vec<(&'static str, String)>,
    /// Of a field, for whatever row: what one vendor writes in one way it writes so in all rows.
    of_fields: Vec<(&'static str, String, String)>,
}

impl Notes {
    /// One more. The detail is in our words: fields and positions, never the vendor's text. One of a kind is kept for a row.
    pub(super) fn add(&mut self, kind: &'static str, detail: String) {
        match self.of_row.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) if known.contains(&detail) || known.matches("; ").count() >= MOST_NAMED => {}
            Some((_, known)) => known.extend(["; ", &detail]),
            None => self.of_row.push((kind, detail)),
        }
    }

    /// A flag; a word that says neither is noted and kept in `extra` as it was sent.
    pub(super) fn flag(&mut self, field: Field<Flag>, key: &str, extra: &mut Map<String, Value>) -> Option<bool> {
        if matches!(field, Field::Odd(_)) {
            self.of_fields.push(("odd_value", key.to_owned(), format!("`{key}` is neither true nor false as anybody writes it")));
        }
        field.flag(key, extra)
    }

    fn is_empty(&self) -> bool {
        self.of_row.is_empty() && self.of_fields.is_empty()
    }

    /// Adds them as remarks about this row; one of a field, for whatever row, is made once.
    fn tell(self, key: NodeId, remarks: &mut Vec<Remark>) {
        remarks.extend(self.of_row.into_iter().map(|(kind, detail)| Remark { kind, about: key.to_string(), detail }));
        for (kind, field, detail) in self.of_fields {
            if !remarks.iter().any(|known| known.kind == kind && known.about == field) {
                remarks.push(Remark { kind, about: field, detail: format!("{detail}, such as in {key}") });
            }
        }
    }

    /// A sentence about some fields, if there are any.
    fn add_about(&mut self, kind: &'static str, what: &str, fields: &[String]) {
        if !fields.is_empty() {
            let more = if fields.len() > MOST_NAMED { ", …" } else { "" };
            self.add(kind, format!("{what} {}{more}", fields[..fields.len().min(MOST_NAMED)].join(", ")));
        }
    }

    /// An instant; a malformed one is noted and kept in `extra` as it was sent, an empty text is none.
    pub(super) fn time(
        &mut self,
        field: Field<Text>,
        key: &str,
        parse: fn(&str) -> Option<DateTime<Utc>>,
        extra: &mut Map<String, Value>,
    ) -> Option<DateTime<Utc>> {
        let is_odd = matches!(field, Field::Odd(_));
        let text = field.text(key, extra).filter(|text| !text.is_empty() && !times::is_none(text));
        let time = text.as_deref().and_then(parse);
        if is_odd || (text.is_some() && time.is_none()) {
            let detail = format!("`{key}` is no time as this vendor writes it, or one that clients cannot read in every zone");
            self.of_fields.push(("bad_time", key.to_owned(), detail));
            extra.extend(text.map(|text| (key.to_owned(), text.into())));
        }
        time
    }
}

/// The rows of a list, unread. A list that is null is empty only if the vendor counts none: an error must not pass for it.
pub(super) fn listed<'a>(list: Option<&'a RawValue>, count: Option<u64>, name: &str) -> Result<Vec<&'a RawValue>, VendorError> {
    let Some(list) = list else {
        return Err(VendorError::WrongShape(format!("`{name}` is missing")));
    };
    if list.get() == "null" {
        let is_empty = count == Some(0);
        return is_empty.then(Vec::new).ok_or_else(|| VendorError::WrongShape(format!("`{name}` is null, but the count is not 0")));
    }
    serde_json::from_str(list.get()).map_err(|_| VendorError::WrongShape(format!("`{name}` is not an array")))
}

/// The rows of an answer.
pub struct Rows<R> {
    /// Those that could be read, in order.
    pub(super) rows: Vec<R>,
    /// The ids of all, in order: one that could not be read has a stand-in.
    pub(super) keys: Vec<NodeId>,
    /// What there is to say of them.
    pub(super) remarks: Vec<Remark>,
}

/// One row before it is read.
#[derive(Debug, Clone, Copy)]
pub enum RowText<'a> {
    /// It need not be read: the mirror has it as this node.
    Known(NodeId),
    /// As it was sent, with its digest where it is one of a list.
    Sent(&'a str, Option<Digest>),
}

impl<'a> From<&&'a RawValue> for RowText<'a> {
    fn from(text: &&'a RawValue) -> Self {
        Self::Sent(text.get(), None)
    }
}

/// The rows that could be read, in order, and remarks on these and the others.
///
/// `before` rows of the list stand before these; `convert` refuses a row with the reason.
pub(super) fn read<W: DeserializeOwned, R: Node>(
    texts: &[RowText<'_>],
    before: u32,
    convert: impl Fn(W, &mut Notes) -> Result<R, &'static str>,
) -> Rows<R> {
    let mut rows: Vec<R> = Vec::with_capacity(texts.len());
    let mut keys = Vec::with_capacity(texts.len());
    let mut met: HashMap<NodeId, usize> = HashMap::with_capacity(texts.len());
    let mut bad: HashMap<NodeId, usize> = HashMap::new();
    let mut remarks = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let (text, digest) = match text {
            RowText::Known(key) => {
                keys.push(*key);
                continue;
            }
            RowText::Sent(text, digest) => (*text, *digest),
        };
        let mut notes = Notes::default();
        match parse(text, &mut notes).and_then(|wire| convert(wire, &mut notes)) {
            Ok(mut row) => {
                let key = row.key();
                let earlier = *met.entry(key).or_insert(rows.len());
                if rows.get(earlier).is_some_and(|earlier| earlier.digest() != row.digest()) {
                    notes.add("shown_twice", "one answer showed this node twice and not alike; what stood first was taken".into());
                }
                // What there is to say of it is said again each time.
                row.set_text_digest(digest.filter(|_| notes.is_empty()));
                notes.tell(key, &mut remarks);
                rows.push(row);
                keys.push(key);
            }
            Err(reason) => {
                let key = NodeId::unreadable(text);
                let same = bad.entry(key).or_default();
                remarks.push(bad_row(key, *same, before as usize + index + 1, reason));
                *same += 1;
                keys.push(key);
            }
        }
    }
    Rows { rows, keys, remarks }
}

/// About a row that has no id: told apart by its text, which stays the same when others come in before it.
fn bad_row(key: NodeId, same: usize, place: usize, reason: &str) -> Remark {
    let about = if same == 0 { format!("row {key}") } else { format!("row {key} {}", same + 1) };
    let detail = format!("row {place} of the list could not be read: {reason}; ask the vendor about it, the list's other rows were taken");
    Remark { kind: "bad_row", about, detail }
}

fn parse<W: DeserializeOwned>(text: &str, notes: &mut Notes) -> Result<W, &'static str> {
    const NO_OBJECT: &str = "it is not an object";
    let paired = mend::replace_lone_surrogates(text);
    let tamed = tame::tame(&paired);
    notes.add_about(
        "kept_as_text",
        "numbers that are none in JSON, or have more digits than can be held, were kept as texts in",
        &tamed.numbers,
    );
    notes.add_about("kept_as_text", "what was nested too deeply was kept as a text in", &tamed.deep);
    notes.add_about("key_twice", "a key stands more than once in its object, of which the last value was taken:", &tamed.twice);
    // U+0000 parses well and fails in Postgres only, so it is looked for first.
    if !tamed.text.contains(mend::NUL_ESCAPE) {
        return json::read(&tamed.text).map_err(|_| NO_OBJECT);
    }
    let mut value: Value = serde_json::from_str(&tamed.text).map_err(|_| "it holds a value that is no JSON")?;
    let fields = mend::replace_nul(&mut value);
    notes.add_about(
        "text_replaced",
        "bytes that are no text in the answer's charset, or U+0000, which Postgres cannot hold, were replaced by U+FFFD in",
        &fields,
    );
    json::read(&value.to_string()).map_err(|_| NO_OBJECT)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{model::user::User, vendor_api::times};

    #[derive(Deserialize)]
    struct Row {
        #[serde(default)]
        id: Field<json::Number>,
        #[serde(default)]
        name: Field<Text>,
        #[serde(default)]
        at: Field<Text>,
        #[serde(flatten)]
        rest: Map<String, Value>,
    }

    fn convert(row: Row, notes: &mut Notes) -> Result<User, &'static str> {
        let mut extra = row.rest;
        let name = row.name.take("name", &mut extra).map(|Text(name)| name);
        let auto_update_time = notes.time(row.at, "at", times::iso, &mut extra);
        let name = name.ok_or("it has no name")?;
        let id =
            row.id.number("id", &mut extra).map_or_else(|| xxhash_rust::xxh3::xxh3_128(name.as_bytes()), |id| id.unsigned_abs().into());
        Ok(User { id: uuid::Uuid::from_u128(id), name: Some(name), auto_update_time, extra, ..User::default() })
    }

    fn sent<'a>(texts: &'a [&RawValue]) -> Vec<RowText<'a>> {
        texts.iter().map(RowText::from).collect()
    }

    fn read_all(text: &str) -> (Vec<User>, Vec<Remark>) {
        let texts: Vec<&RawValue> = serde_json::from_str(text).expect("a list");
        let Rows { rows, remarks, .. } = read(&sent(&texts), 0, convert);
        (rows, remarks)
    }

    #[test]
    fn one_bad_row_costs_no_other_and_is_told_by_its_place_in_the_list() {
        let texts: Vec<&RawValue> = serde_json::from_str(r#"[{"name": "a"}, 5, {}, {"name": "b"}]"#).expect("a list");
        let Rows { rows, keys, remarks } = read(&sent(&texts), 99, convert);
        assert_eq!(keys.iter().map(NodeId::is_unreadable).collect::<Vec<_>>(), [false, true, true, false]);
        assert_ne!(keys[1], keys[2]);
        let names: Vec<_> = rows.iter().filter_map(|row| row.name.as_deref()).collect();
        assert_eq!(names, ["a", "b"]);
        let about: Vec<_> = remarks.iter().map(|remark| (remark.kind, remark.about.clone())).collect();
        assert_eq!(about, [("bad_row", format!("row {}", keys[1])), ("bad_row", format!("row {}", keys[2]))]);
        assert!(remarks[0].detail.starts_with("row 101 of the list could not be read: it is not an object; "), "{}", remarks[0].detail);
    }

    #[test]
    fn what_cannot_be_held_is_kept_as_text_and_what_stands_twice_is_told() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let (rows, remarks) =
            read_all(&format!(r#"[{{"name": 1, "name": "b", "x": {deep}, "y": 1e999, "z": [12345678901234567890123]}}]"#));
        assert_eq!(rows[0].name.as_deref(), Some("b"));
        assert_eq!((&rows[0].extra["y"], &rows[0].extra["z"]), (&"1e999".into(), &serde_json::json!(["12345678901234567890123"])));
        let told: Vec<_> = remarks.iter().map(|remark| (remark.kind, remark.detail.as_str())).collect();
        let kept = "numbers that are none in JSON, or have more digits than can be held, were kept as texts in y, z; what was nested too deeply was kept as a text in x";
        let twice = "a key stands more than once in its object, of which the last value was taken: name";
        assert_eq!(told, [("kept_as_text", kept), ("key_twice", twice)]);
    }

    #[test]
    fn a_node_shown_twice_and_not_alike_is_told() {
        let (rows, remarks) = read_all(r#"[{"id": 7, "name": "a"}, {"id": 7, "name": "a"}, {"id": 7, "name": "b"}]"#);
        assert_eq!((rows.len(), remarks.len(), remarks[0].kind), (3, 1, "shown_twice"));
    }

    #[test]
    fn what_postgres_cannot_hold_is_replaced_and_named() {
        let (rows, remarks) =
            read_all(r#"[{"name": "a\u0000b", "more": {"x": ["\ud800"], "k\u0000": 1}}, {"name": "\\u0000 \ud83d\ude00"}]"#);
        assert_eq!(rows[0].name.as_deref(), Some("a\u{FFFD}b"));
        assert_eq!(rows[0].extra["more"], serde_json::json!({"x": ["\u{FFFD}"], "k\u{FFFD}": 1}));
        assert_eq!(rows[1].name.as_deref(), Some("\\u0000 😀"));
        assert_eq!(remarks.len(), 1);
        assert_eq!(remarks[0].kind, "text_replaced");
        assert!(remarks[0].detail.ends_with("in more.a key, more.x, name"), "{}", remarks[0].detail);
    }

    #[test]
    fn a_malformed_time_is_noted_and_kept() {
        let (rows, remarks) = read_all(r#"[{"name": "a", "at": "soon"}, {"name": "b", "at": {"y": 1}}, {"name": "c", "at": ""}]"#);
        assert!(rows.iter().all(|row| row.auto_update_time.is_none()));
        assert_eq!(rows[0].extra["at"], "soon");
        assert_eq!(rows[1].extra["at"], serde_json::json!({"y": 1}));
        assert!(rows[2].extra.is_empty());
        assert!(remarks.iter().map(|remark| remark.kind).eq(["bad_time"]), "{remarks:?}");
        assert!(!remarks[0].detail.contains("soon"));
    }

    #[test]
    fn a_null_list_is_empty_only_under_a_count_of_none() {
        let null: &RawValue = serde_json::from_str("null").expect("raw");
        assert!(listed(Some(null), Some(0), "Users").expect("empty").is_empty());
        assert!(matches!(listed(Some(null), None, "Users"), Err(VendorError::WrongShape(_))));
        assert!(matches!(listed(Some(null), Some(3), "Users"), Err(VendorError::WrongShape(_))));
        assert!(matches!(listed(None, Some(0), "Users"), Err(VendorError::WrongShape(_))));
    }
}
