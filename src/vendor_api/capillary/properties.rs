//! What holds of whatever Capillary sends.

use proptest::prelude::*;
use serde_json::json;

use super::api::{read_children, read_with_care};
use crate::{
    model::customer::Customer,
    vendor_api::{
        Page,
        answer::Answer,
        arbitrary::{check, digests, json, spoilt, unknown_fields},
        error::VendorError,
        sheet::Sheet,
    },
};

const EXAMPLE: &str = include_str!("example.json");
const KEYS: &[&str] = &[
    "profiles",
    "userId",
    "firstName",
    "lastName",
    "fields",
    "identifiers",
    "commChannels",
    "identifiersAll",
    "conflictingProfileList",
    "source",
    "accountId",
    "autoUpdateTime",
    "type",
    "value",
    "primary",
    "meta",
    "attributes",
    "extendedFields",
    "roleCode",
    "createdDate",
    "noOfChildren",
    "defaultChild",
    "entity",
    "customers",
    "count",
    "errors",
    "status",
    "code",
    "message",
];

/// In whatever way it is read, a body says the same.
fn read(body: &[u8]) -> Result<Page<Customer>, VendorError> {
    let answer = Answer::of("customers/bulk", 200, body);
    let page = read_children(&answer, 0).map(Sheet::all);
    assert_eq!(format!("{page:?}"), format!("{:?}", read_with_care(&answer, 0).map(Sheet::all)));
    page
}

fn list(rows: &[String]) -> String {
    format!(r#"{{"entity": {{"customers": [{}]}}}}"#, rows.join(","))
}

fn customer(more: &str, profile: &str) -> String {
    format!(r#"{{"profiles": [{{"userId": 7{profile}}}]{more}}}"#)
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in json(KEYS)) {
        check(read(body.text().as_bytes()))?;
    }

    #[test]
    fn a_spoilt_answer_is_read_or_refused(body in spoilt(EXAMPLE)) {
        check(read(&body))?;
    }

    #[test]
    fn any_rows_are_read_or_remarked(rows in prop::collection::vec(json(KEYS), 0..4), field in json(KEYS), profile in json(KEYS)) {
        let own = customer(&format!(",\"extendedFields\":{},\"y\":{}", field.text(), profile.text()), &format!(",\"fields\":{},\"y\":{}", profile.text(), field.text()));
        let texts: Vec<String> = rows.iter().map(|row| row.text()).chain([own]).collect();
        let page = read(list(&texts).as_bytes());
        prop_assert!(page.as_ref().is_ok_and(|page| page.received() as usize == texts.len() && page.rows.iter().any(|row| row.id == 7)));
        check(page)?;
    }

    #[test]
    fn the_order_of_keys_is_no_content(field in json(&["a", "b", "c", "d", "e", "f", "g"])) {
        let of = |field: &str| read(list(&[customer(&format!(",\"y\":{field}"), "")]).as_bytes()).map(|page| (digests(&page), page.remarks));
        let (text, turned) = (of(&field.text()).expect("a page"), of(&field.turned()).expect("a page"));
        prop_assert_eq!(&text, &of(&field.text()).expect("a page"));
        // Of a key that stands twice the last value counts, and which is last is a matter of order; what is too deep is kept as it was written.
        let is_told = |kind: &str| text.1.iter().any(|remark| remark.kind == kind);
        if !is_told("key_twice") && !is_told("kept_as_text") {
            prop_assert_eq!(text.0, turned.0);
        }
    }

    #[test]
    fn what_was_sent_is_found_again(row in unknown_fields(), profile in unknown_fields(), fields in unknown_fields(), name in "[^\0]{0,20}") {
        let mut sent = json!({"profiles": [{"userId": 7, "firstName": name, "fields": fields}], "extendedFields": fields});
        sent.as_object_mut().expect("an object").extend(row.clone());
        sent["profiles"][0].as_object_mut().expect("an object").extend(profile.clone());
        let page = read(list(&[sent.to_string()]).as_bytes()).expect("a page");
        prop_assert_eq!(&page.remarks, &[]);
        let customer = &page.rows[0];
        let lead = &customer.profiles[0];
        prop_assert_eq!((lead.first_name.as_deref(), &json!(lead.fields), &json!(customer.extended_fields)), (Some(name.as_str()), &json!(fields), &json!(fields)));
        let mut extra = customer.extra.clone();
        let below = extra.remove("profiles").map_or(json!({}), |profiles| profiles["1"].clone());
        prop_assert_eq!((extra, below), (row, profile.into()));
    }
}
