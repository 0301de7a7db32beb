//! What holds of whatever LeadSquared sends.

use proptest::prelude::*;
use serde_json::json;

use super::api::read_users;
use crate::{
    model::user::User,
    vendor_api::{
        Page,
        answer::Answer,
        arbitrary::{check, digests, json, spoilt, unknown_fields},
        error::VendorError,
    },
};

const EXAMPLE: &str = include_str!("example.json");
const ID: &str = "5f0c1a10-0000-4000-8000-000000000077";
const KEYS: &[&str] = &[
    "UserId",
    "Name",
    "Mobile",
    "Email",
    "CheckedIn",
    "IsActive",
    "ModifiedOn",
    "FirstName",
    "LastName",
    "EmailAddress",
    "StatusCode",
    "ManagerUserId",
    "Users",
    "SearchInfo",
    "TotalUsers",
    "RecordCount",
    "Status",
    "ExceptionType",
    "ExceptionMessage",
];

fn read(body: &[u8]) -> Result<Page<User>, VendorError> {
    let answer = Answer::of("user hierarchy", 200, body);
    read_users(&answer, &"https://api.leadsquared.com".parse().expect("a URL"), &[], None)
}

fn list(rows: &[String]) -> String {
    format!(r#"{{"Users": [{}]}}"#, rows.join(","))
}

fn user(more: &str) -> String {
    format!(r#"{{"UserId": "{ID}"{more}}}"#)
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
    fn any_rows_are_read_or_remarked(rows in prop::collection::vec(json(KEYS), 0..4), a in json(KEYS), b in json(KEYS)) {
        let own = user(&format!(",\"Role\":{},\"Name\":{},\"ManagerUserId\":{}", a.text(), b.text(), a.text()));
        let texts: Vec<String> = rows.iter().map(|row| row.text()).chain([own]).collect();
        let page = read(list(&texts).as_bytes());
        prop_assert!(page.as_ref().is_ok_and(|page| page.received() as usize == texts.len() && page.rows.iter().any(|row| row.id.to_string() == ID)));
        check(page)?;
    }

    #[test]
    fn the_order_of_keys_is_no_content(field in json(&["a", "b", "c", "d", "e", "f", "g"])) {
        let of = |field: &str| read(list(&[user(&format!(",\"Role\":{field}"))]).as_bytes()).map(|page| (digests(&page), page.remarks));
        let (text, turned) = (of(&field.text()).expect("a page"), of(&field.turned()).expect("a page"));
        prop_assert_eq!(&text, &of(&field.text()).expect("a page"));
        // Of a key that stands twice the last value counts, and which is last is a matter of order; what is too deep is kept as it was written.
        let is_told = |kind: &str| text.1.iter().any(|remark| remark.kind == kind);
        if !is_told("key_twice") && !is_told("kept_as_text") {
            prop_assert_eq!(text.0, turned.0);
        }
    }

    #[test]
    fn what_was_sent_is_found_again(row in unknown_fields(), name in "[^\0]{0,20}", email in "[^\0]{0,20}") {
        let mut sent = json!({"UserId": ID, "Name": name, "Email": email});
        sent.as_object_mut().expect("an object").extend(row.clone());
        let page = read(list(&[sent.to_string()]).as_bytes()).expect("a page");
        prop_assert_eq!(&page.remarks, &[]);
        let user = &page.rows[0];
        prop_assert_eq!((user.name.as_deref(), user.email.as_deref(), &user.extra), (Some(name.as_str()), Some(email.as_str()), &row));
    }
}
