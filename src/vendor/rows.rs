//! Reads the rows of an answer, each by itself: one that cannot be read becomes a remark and costs no other. Knows no vendor.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};

use super::{
    Remark,
    json::{self, Field, Text},
    mend,
};
use crate::model::node::Node;

/// What there is to say of a row that was taken; whom it is about is added when its id is known.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<(&'static str, String)>);

impl Notes {
    /// One more. The detail is in our words: fields and positions, never the vendor's text.
    pub(super) fn add(&mut self, kind: &'static str, detail: String) {
        self.0.push((kind, detail));
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
        let text = field.text(key, extra).filter(|text| !text.is_empty());
        let time = text.as_deref().and_then(parse);
        if is_odd || (text.is_some() && time.is_none()) {
            self.add("bad_time", format!("`{key}` is not a time as this vendor writes it"));
            extra.extend(text.map(|text| (key.to_owned(), text.into())));
        }
        time
    }
}

/// The rows that could be read, in order, and remarks on these and the others.
///
/// `find_id` looks for an id in a row that cannot be read otherwise; `convert` refuses a row with the reason.
pub(super) fn read<W: DeserializeOwned, R: Node>(
    texts: &[&RawValue],
    find_id: fn(&str) -> Option<String>,
    convert: impl Fn(W, &mut Notes) -> Result<R, &'static str>,
) -> (Vec<R>, Vec<Remark>) {
    let mut rows = Vec::with_capacity(texts.len());
    let mut remarks = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let mut notes = Notes::default();
        match parse(text.get(), &mut notes).and_then(|wire| convert(wire, &mut notes)) {
            Ok(row) => {
                let about = row.key().0;
                remarks.extend(notes.0.into_iter().map(|(kind, detail)| Remark { kind, about: about.clone(), detail }));
                rows.push(row);
            }
            Err(reason) => remarks.push(bad_row(index + 1, find_id(text.get()), reason)),
        }
    }
    (rows, remarks)
}

fn bad_row(place: usize, id: Option<String>, reason: &str) -> Remark {
    let place = format!("row {place}");
    let detail = format!("{place} of the answer could not be read: {reason}");
    Remark { kind: "bad_row", about: id.unwrap_or(place), detail }
}

fn parse<W: DeserializeOwned>(text: &str, notes: &mut Notes) -> Result<W, &'static str> {
    // U+0000 parses well and fails in Postgres only, so it is looked for first.
    if !text.contains(mend::NUL_ESCAPE)
        && let Ok(wire) = json::read(text)
    {
        return Ok(wire);
    }
    let mut value: Value = serde_json::from_str(&mend::replace_lone_surrogates(text)).map_err(|error| reason(&error))?;
    let fields = mend::replace_nul(&mut value);
    if !fields.is_empty() {
        let detail = format!("characters that Postgres cannot hold were replaced by U+FFFD in {}", fields.join(", "));
        notes.add("text_replaced", detail);
    }
    json::read(&value.to_string()).map_err(|_| "it is not an object")
}

fn reason(error: &serde_json::Error) -> &'static str {
    // serde_json tells its recursion limit by text only; another wording costs precision, not correctness.
    if error.to_string().starts_with("recursion limit") { "it is nested too deeply" } else { "it holds a value that is no JSON" }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{model::user::User, vendor::times};

    #[derive(Deserialize)]
    struct Row {
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
        if name.is_none() { Err("it has no name") } else { Ok(User { name, auto_update_time, extra, ..User::default() }) }
    }

    fn read_all(text: &str) -> (Vec<User>, Vec<Remark>) {
        let texts: Vec<&RawValue> = serde_json::from_str(text).expect("a list");
        read(&texts, |text| text.contains("\"id\"").then(|| "7".to_owned()), convert)
    }

    #[test]
    fn one_bad_row_costs_no_other() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let (rows, remarks) = read_all(&format!(r#"[{{"name": "a"}}, 5, {{}}, {{"id": {deep}}}, {{"name": 1, "name": "b"}}]"#));
        let names: Vec<_> = rows.iter().filter_map(|row| row.name.as_deref()).collect();
        assert_eq!(names, ["a", "b"]);
        let about: Vec<_> = remarks.iter().map(|remark| (remark.kind, remark.about.as_str(), remark.detail.as_str())).collect();
        assert_eq!(
            about,
            [
                ("bad_row", "row 2", "row 2 of the answer could not be read: it is not an object"),
                ("bad_row", "row 3", "row 3 of the answer could not be read: it has no name"),
                ("bad_row", "7", "row 4 of the answer could not be read: it is nested too deeply"),
            ]
        );
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
        assert!(remarks.iter().map(|remark| remark.kind).eq(["bad_time", "bad_time"]));
        assert!(!remarks[0].detail.contains("soon"));
    }
}
