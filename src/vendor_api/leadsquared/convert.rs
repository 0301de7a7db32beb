//! From LeadSquared's rows to our users: total, and nothing that the vendor sends is lost: what has no column lands in `extra`.
//! The hierarchy call and the search name the same things differently; one conversion reads both.

use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use super::wire;
use crate::{
    model::user::{Manager, User},
    vendor_api::{
        json::Text,
        rows::{self, Notes, RowText, Rows},
        times,
    },
};

/// The column that names a user's manager.
pub(super) const MANAGER: &str = "ManagerUserId";

/// The column that says when a user was last changed.
pub(super) const STAMP: &str = "ModifiedOn";

/// Columns whose values have columns of ours, or lines, and may be without one.
pub(super) const MAPPED: [&str; 12] = [
    MANAGER,
    "UserId",
    "Name",
    "FirstName",
    "LastName",
    "Email",
    "EmailAddress",
    "Mobile",
    "PhoneMain",
    "IsActive",
    "StatusCode",
    "CheckedIn",
];

/// All rows of an answer that could be read, and remarks on these and the others. `before` of the list stand before them;
/// `asked` are the columns that were asked for.
pub(super) fn users(texts: &[&RawValue], before: u32, asked: &[String]) -> Rows<User> {
    let texts: Vec<RowText<'_>> = texts.iter().map(RowText::from).collect();
    rows::read(&texts, before, |row, notes| user(row, asked, notes))
}

/// The zero GUID is how .NET says none.
fn valid_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text.trim()).ok().filter(|id| !id.is_nil())
}

fn user(row: wire::User, asked: &[String], notes: &mut Notes) -> Result<User, &'static str> {
    let id = row.user_id.read().and_then(|Text(text)| valid_id(&text)).ok_or("its UserId is missing or no GUID")?;
    let mut extra = row.rest;
    drop_unasked(&mut extra, asked);
    let name = row.name.text("Name", &mut extra);
    let (first, last) = (row.first_name.text("FirstName", &mut extra), row.last_name.text("LastName", &mut extra));
    let email = row.email.text("Email", &mut extra);
    let address = row.email_address.text("EmailAddress", &mut extra);
    let phone = row.phone_main.text("PhoneMain", &mut extra);
    let is_active = notes.flag(row.is_active, "IsActive", &mut extra);
    let status = row.status_code.number("StatusCode", &mut extra);
    Ok(User {
        id,
        name: either(name, [("FirstName", first), ("LastName", last)], &mut extra),
        email: either(email, [("EmailAddress", address)], &mut extra),
        mobile: either(row.mobile.text("Mobile", &mut extra), [("PhoneMain", phone)], &mut extra),
        is_active: is_active_by(is_active, status, &mut extra),
        checked_in: notes.flag(row.checked_in, "CheckedIn", &mut extra),
        auto_update_time: notes.time(row.modified_on, STAMP, times::plain_utc, &mut extra),
        manager: manager(extra.get(MANAGER), notes),
        extra,
    })
}

/// With columns named, the vendor sends all others too, as null: "attributes you omit … won't display any values"
/// (vendor documentation, "User Advanced Search"). Such a null says nothing.
fn drop_unasked(extra: &mut Map<String, Value>, asked: &[String]) {
    if !asked.is_empty() {
        extra.retain(|key, value| !value.is_null() || asked.iter().any(|column| column.eq_ignore_ascii_case(key)));
    }
}

/// The first value, else the others joined; an empty one says nothing where another says something. Where the first is there, or the others cannot be told from what they make together,
/// they are kept.
fn either<const N: usize>(first: Option<String>, others: [(&str, Option<String>); N], extra: &mut Map<String, Value>) -> Option<String> {
    if first.as_ref().is_some_and(|first| !first.is_empty()) {
        extra.extend(others.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
        return first;
    }
    let sent: Vec<(&str, String)> = others.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    // Where one begins and the other ends is told by the blank between them only.
    if sent.len() > 1 && sent.iter().any(|(_, word)| word.is_empty() || word.contains(' ')) {
        extra.extend(sent.iter().map(|(key, word)| ((*key).to_owned(), word.clone().into())));
    }
    let words: Vec<String> = sent.into_iter().map(|(_, word)| word).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { first } else { Some(words.join(" ")) }
}

/// `IsActive`, else `StatusCode`: 0 is active and 1 inactive; a code that has no column's meaning is kept.
fn is_active_by(is_active: Option<bool>, status: Option<i64>, extra: &mut Map<String, Value>) -> Option<bool> {
    match (is_active, status) {
        (None, Some(0)) => Some(true),
        (None, Some(1)) => Some(false),
        (is_active, status) => {
            extra.extend(status.map(|code| ("StatusCode".to_owned(), code.into())));
            is_active
        }
    }
}

fn manager(sent: Option<&Value>, notes: &mut Notes) -> Manager {
    match sent {
        None => Manager::Unstated,
        Some(Value::Null) => Manager::Nobody,
        Some(Value::String(text)) if text.trim().is_empty() || Uuid::parse_str(text.trim()).is_ok_and(|id| id.is_nil()) => Manager::Nobody,
        Some(value) => match value.as_str().and_then(valid_id) {
            Some(id) => Manager::Is(id),
            None => {
                notes.add("bad_manager", format!("`{MANAGER}` is no GUID"));
                Manager::Unstated
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::vendor_api::Remark;

    const MEERA: &str = "5f0c1a10-0000-4000-8000-000000000011";

    fn read(rows: &[Value], asked: &[&str]) -> (Vec<User>, Vec<Remark>) {
        let text = Value::from(rows.to_vec()).to_string();
        let asked: Vec<String> = asked.iter().map(|&column| column.to_owned()).collect();
        let Rows { rows, remarks, .. } = users(&serde_json::from_str::<Vec<&RawValue>>(&text).expect("rows"), 0, &asked);
        (rows, remarks)
    }

    fn one(mut row: Value, asked: &[&str]) -> User {
        row["UserId"] = json!(MEERA);
        let (mut users, remarks) = read(&[row], asked);
        assert!(remarks.iter().all(|remark| remark.kind == "odd_value"), "{remarks:?}");
        users.remove(0)
    }

    fn id(text: &str) -> Uuid {
        text.parse().expect("a GUID")
    }

    #[test]
    fn the_documented_example_is_read_field_by_field() {
        let body: Value = serde_json::from_str(include_str!("example.json")).expect("json");
        let (users, remarks) = read(body["Users"].as_array().expect("users"), &[]);
        assert_eq!(remarks, []);
        let meera = User {
            id: id(MEERA),
            name: Some("Meera Valdez".into()),
            email: Some("meera.valdez@example.com".into()),
            mobile: Some("+91-9000000011".into()),
            is_active: Some(true),
            checked_in: Some(true),
            auto_update_time: None,
            manager: Manager::Unstated,
            extra: Map::new(),
        };
        assert_eq!(users[0], meera);
        assert_eq!((users[1].mobile.as_deref(), users[1].checked_in), (None, Some(false)));
        assert_eq!((users[2].name.as_deref(), users[2].is_active), (Some("Lucia Pham"), Some(false)));
    }

    #[test]
    fn a_row_of_the_search_is_read_too() {
        let row = json!({
            "FirstName": "Meera", "LastName": "Valdez", "EmailAddress": "meera@example.com", "StatusCode": "0", "Role": null,
            "ManagerUserId": "5F0C1A10-0000-4000-8000-000000000001", "ManagerName": "Ravi", "ModifiedOn": "2022-05-31 12:00:21", "Team": null,
        });
        let user = one(row, &["UserId", "ManagerUserId", "Role"]);
        assert_eq!(
            (user.name.as_deref(), user.email.as_deref(), user.is_active),
            (Some("Meera Valdez"), Some("meera@example.com"), Some(true))
        );
        assert_eq!(user.manager, Manager::Is(id("5f0c1a10-0000-4000-8000-000000000001")));
        assert_eq!(user.auto_update_time, Some("2022-05-31T12:00:21Z".parse().expect("a time")));
        let extra = json!({"ManagerUserId": "5F0C1A10-0000-4000-8000-000000000001", "ManagerName": "Ravi", "Role": null});
        assert_eq!(Value::from(user.extra), extra, "an asked-for null stays, another says nothing");
    }

    #[test]
    fn names_that_say_more_than_the_columns_are_kept() {
        let user = one(json!({"Name": "Meera V.", "FirstName": "Meera", "Email": "a@example.com", "EmailAddress": "b@example.com"}), &[]);
        assert_eq!((user.name.as_deref(), user.email.as_deref()), (Some("Meera V."), Some("a@example.com")));
        assert_eq!(Value::from(user.extra), json!({"FirstName": "Meera", "EmailAddress": "b@example.com"}));
        assert_eq!(one(json!({"FirstName": "Meera", "LastName": ""}), &[]).name.as_deref(), Some("Meera"));
        assert_eq!(one(json!({"FirstName": null, "LastName": ""}), &[]).name, None);
        let (left, right) = (json!({"FirstName": "Ana Maria", "LastName": "Cruz"}), json!({"FirstName": "Ana", "LastName": "Maria Cruz"}));
        let (left, right) = (one(left, &[]), one(right, &[]));
        assert_eq!(left.name, right.name);
        assert_eq!(Value::from(left.extra), json!({"FirstName": "Ana Maria", "LastName": "Cruz"}));
        assert_eq!(Value::from(right.extra), json!({"FirstName": "Ana", "LastName": "Maria Cruz"}));
    }

    #[test]
    fn activity_is_read_from_either_field() {
        let activity = |row| {
            let user = one(row, &[]);
            (user.is_active, Value::from(user.extra))
        };
        assert_eq!(activity(json!({"StatusCode": 1})), (Some(false), json!({})));
        assert_eq!(activity(json!({"StatusCode": "7"})), (None, json!({"StatusCode": 7})));
        assert_eq!(activity(json!({"StatusCode": "on leave"})), (None, json!({"StatusCode": "on leave"})));
        assert_eq!(activity(json!({"IsActive": "TRUE", "StatusCode": 1})), (Some(true), json!({"StatusCode": 1})));
        assert_eq!(activity(json!({"IsActive": "maybe"})), (None, json!({"IsActive": "maybe"})));
        for (word, is_active) in [("1", true), ("Yes", true), ("Active", true), ("No", false), ("inactive", false)] {
            assert_eq!(activity(json!({"IsActive": word})), (Some(is_active), json!({})));
        }
        let other = "5f0c1a10-0000-4000-8000-000000000012";
        let rows = [json!({"UserId": MEERA, "IsActive": "maybe"}), json!({"UserId": other, "IsActive": "perhaps"})];
        let (_, remarks) = read(&rows, &[]);
        let told: Vec<_> = remarks.iter().map(|remark| (remark.kind, remark.about.as_str())).collect();
        assert_eq!(told, [("odd_value", "IsActive")], "once for the field, not for each row");
    }

    #[test]
    fn nobody_is_told_from_not_stated() {
        let manager = |value: Value| one(json!({ MANAGER: value }), &[]).manager;
        for value in [json!(null), json!(""), json!(" "), json!("00000000-0000-0000-0000-000000000000")] {
            assert_eq!(manager(value), Manager::Nobody);
        }
        assert_eq!(one(json!({}), &[]).manager, Manager::Unstated);
        assert_eq!(one(json!({ MANAGER: null }), &["Designation"]).manager, Manager::Unstated, "not asked for");
        let (users, remarks) = read(&[json!({"UserId": MEERA, MANAGER: "Ravi"})], &[]);
        assert_eq!((users[0].manager, &users[0].extra[MANAGER]), (Manager::Unstated, &json!("Ravi")));
        assert_eq!((remarks[0].kind, remarks[0].about.as_str()), ("bad_manager", MEERA));
        assert!(!remarks[0].detail.contains("Ravi"));
    }

    #[test]
    fn a_row_without_an_id_is_a_remark_and_costs_no_other() {
        let zero = "00000000-0000-0000-0000-000000000000";
        let bad = [json!({}), json!({"UserId": null}), json!({"UserId": 7}), json!({"UserId": zero}), json!(null), json!("x")];
        let (users, remarks) = read(&[&bad[..], &[json!({"UserId": MEERA.to_uppercase()})]].concat(), &[]);
        assert_eq!((users.len(), users[0].id, remarks.len()), (1, id(MEERA), bad.len()));
        assert!(remarks[5].kind == "bad_row" && remarks[5].detail.starts_with("row 6 of the list"), "{:?}", remarks[5]);
    }

    #[test]
    fn a_malformed_time_is_none_and_kept() {
        let (users, remarks) = read(&[json!({"UserId": MEERA, "ModifiedOn": "31.5.2022"})], &[]);
        assert_eq!((users[0].auto_update_time, &users[0].extra["ModifiedOn"]), (None, &json!("31.5.2022")));
        assert_eq!((remarks[0].kind, remarks[0].about.as_str()), ("bad_time", "ModifiedOn"));
    }
}
