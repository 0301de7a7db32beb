//! A page of children as the vendor documents it, read in one go over its text. What is otherwise is read with care, part by part, and told
//! by its name: `api.rs`.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::wire::Fault;
use crate::vendor_api::json::{Field, Flag, Listed, Number};

/// The page's rows, unread, and the vendor's count beside them.
pub(super) struct Plain<'a> {
    pub(super) customers: Vec<&'a RawValue>,
    pub(super) count: Field<Number>,
}

/// The page in this text. `None`: it is otherwise.
pub(super) fn read(text: &str) -> Option<Plain<'_>> {
    serde_json::from_str(text).ok().map(|Envelope(plain)| plain)
}

struct Envelope<'a>(Plain<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, told: &mut fmt::Formatter<'_>) -> fmt::Result {
        told.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entity: Option<Plain<'de>> = None;
        each(&mut map, |key, map| {
            match key {
                "entity" => entity = Some(map.next_value::<Entity<'de>>()?.0),
                "errors" => no_errors(&map.next_value()?)?,
                "success" if map.next_value::<Field<Flag>>()? == Field::Read(Flag(false)) => return Err(A::Error::custom("no success")),
                "success" => {}
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
            Ok(())
        })?;
        entity.map(Envelope).ok_or_else(|| A::Error::custom("no entity"))
    }
}

struct Entity<'a>(Plain<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Entity<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntityVisitor)
    }
}

struct EntityVisitor;

impl<'de> Visitor<'de> for EntityVisitor {
    type Value = Entity<'de>;

    fn expecting(&self, told: &mut fmt::Formatter<'_>) -> fmt::Result {
        told.write_str("an entity")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut customers, mut count): (Option<Vec<&'de RawValue>>, Field<Number>) = (None, Field::Empty);
        each(&mut map, |key, map| {
            match key {
                "customers" => customers = Some(map.next_value()?),
                "count" => count = map.next_value()?,
                "errors" => no_errors(&map.next_value()?)?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
            Ok(())
        })?;
        customers.map(|customers| Entity(Plain { customers, count })).ok_or_else(|| A::Error::custom("no customers"))
    }
}

/// Reads each field by its key, of which none stands twice.
fn each<'de, A: MapAccess<'de>>(map: &mut A, mut read: impl FnMut(&str, &mut A) -> Result<(), A::Error>) -> Result<(), A::Error> {
    let mut keys = HashSet::new();
    while let Some(key) = map.next_key::<String>()? {
        read(&key, map)?;
        if !keys.insert(key) {
            return Err(A::Error::custom("a key stands twice"));
        }
    }
    Ok(())
}

fn no_errors<E: Error>(errors: &Listed<Fault>) -> Result<(), E> {
    if errors.read.is_empty() && errors.odd.is_empty() { Ok(()) } else { Err(E::custom("errors")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::customer::Customer,
        vendor_api::{
            answer::Answer,
            capillary::api::{read_children, read_with_care},
            error::VendorError,
            sheet::Sheet,
        },
    };

    const EXAMPLE: &str = include_str!("example.json");

    fn told(sheet: Result<Sheet<Customer>, VendorError>) -> String {
        let page = sheet.map(Sheet::all);
        page.map_or_else(|error| error.to_string(), |page| format!("{:?}", (page.keys, page.rows, page.stated_count, page.remarks)))
    }

    #[test]
    fn a_page_as_documented_is_plain_whatever_its_rows_hold() {
        assert_eq!(read(EXAMPLE).map(|page| page.customers.len()), Some(2));
        let deep = format!(
            r#"{{"entity": {{"customers": [{}{}, 5, null], "count": 1e2, "x": 1}}, "success": true}}"#,
            "[".repeat(9999),
            "]".repeat(9999)
        );
        assert_eq!(read(&deep).map(|page| page.customers.len()), Some(3));
    }

    #[test]
    fn what_is_otherwise_is_read_with_care_and_either_way_says_the_same() {
        let row = r#"{"profiles": [{"userId": 7}], "noOfChildren": 0}"#;
        let page = |entity: &str, beside: &str| format!(r#"{{"entity": {entity}{beside}}}"#);
        let list = format!(r#"{{"customers": [{row}], "count": 1}}"#);
        let entity = |fields: &str| format!(r#"{{"customers": [{row}]{fields}}}"#);
        for (is_plain, body) in [
            (true, page(&list, "")),
            (true, page(&list, r#", "errors": null, "success": "yes", "message": "welcome", "warnings": [{"code": 5}]"#)),
            (true, page(&entity(r#", "count": "many", "errors": [null]"#), "")),
            (false, page(&list, r#", "success": false"#)),
            (false, page(&list, r#", "errors": [{"status": true, "code": 8015}]"#)),
            (false, page(&list, r#", "errors": [{"status": false, "code": 429, "message": "too many calls"}]"#)),
            (false, page(&entity(r#", "errors": "fault""#), "")),
            (false, page(&entity(r#", "count": 1, "count": 2"#), "")),
            (false, page(&list, r#", "entity": {}"#)),
            (false, page(&list, r#", "x": 1, "x": 2"#)),
            (false, page(&list, r#", "\ud800": 1"#)),
            (false, page(r#"{"customers": null, "count": 0}"#, "")),
            (false, page(r#"{"customers": {}}"#, "")),
            (false, page("{}", "")),
            (false, page("[]", "")),
            (false, "{}".into()),
            (false, format!("[{}]", page(&list, ""))),
            (false, page(&list, "").replace("7}", "7, \"firstName\": \"a\nb\"}")),
            (false, page(&list, "").replace("7}", "NaN}")),
            (false, page(&list, "") + "}"),
        ] {
            let answer = Answer::of("customers/bulk", 200, body.clone());
            assert_eq!(read(&answer.text()).is_some(), is_plain, "{body}");
            assert_eq!(told(read_children(&answer, 3)), told(read_with_care(&answer, 3)), "{body}");
            let refused = Answer::of("customers/bulk", 500, body.clone());
            assert_eq!(told(read_children(&refused, 3)), told(read_with_care(&refused, 3)), "{body}");
        }
    }
}
