//! From Capillary's rows to our customers: total, and nothing that the vendor sends is lost.
//! What has no column lands in `extra`: the item's own fields by name, those of its profiles under `profiles`, by number from 1.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::wire;
use crate::{
    model::{
        customer::{Channel, Customer, Identifier, Profile},
        node::NodeId,
        object::Object,
    },
    vendor_api::{
        json::{Field, Listed, Number, Sent},
        rows::{self, Notes, RowText, Rows},
        times,
    },
};

/// All rows of an answer that could be read, and remarks on these and the others. `before` of the list stand before them.
pub(super) fn customers(texts: &[RowText<'_>], before: u32) -> Rows<Customer> {
    rows::read(texts, before, customer)
}

/// Ids count from 1: ours below zero stand for roots that are not known yet.
fn valid_id(field: &Field<Number>) -> Option<i64> {
    match field {
        Field::Read(Number(id)) if *id > 0 => Some(*id),
        _ => None,
    }
}

fn customer(row: wire::Customer, notes: &mut Notes) -> Result<Customer, &'static str> {
    let id = id_of(&row.profiles.read).ok_or("none of its profiles has a userId that is a whole number above 0 and below 2^63")?;
    let mut extra = row.rest;
    // Said of another node: nothing of it is kept but who that is.
    let parent = extra.remove("parentCustomer").as_ref().and_then(parent_id);
    let (profiles, odd) = profiles(row.profiles, id, notes);
    if !odd.is_empty() {
        extra.insert("profiles".into(), odd.into());
    }
    Ok(Customer {
        id,
        parent,
        profiles,
        extended_fields: row.extended_fields.take("extendedFields", &mut extra).map(Object::from).unwrap_or_default(),
        role_code: row.role_code.text("roleCode", &mut extra),
        no_of_children: row.no_of_children.number("noOfChildren", &mut extra),
        text_digest: None,
        default_child: notes.flag(row.default_child, "defaultChild", &mut extra),
        created_at: notes.time(row.created_date, "createdDate", times::iso, &mut extra),
        extra,
    })
}

/// Whom a row's text seems to be about: the first `userId` in it, or the last where a parent stands before it, as with sorted keys.
pub(super) fn id_in(text: &str) -> Option<NodeId> {
    let (before, first) = text.split_once("\"userId\"")?;
    let after = if before.contains("\"parentCustomer\"") { text.rsplit_once("\"userId\"")?.1 } else { first };
    let after = after.trim_start().strip_prefix(':')?.trim_start();
    let digits = after.strip_prefix('"').unwrap_or(after);
    let end = digits.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().map(NodeId::Customer)
}

/// The id that most profiles name, of equals the least: in which order they come says nothing.
fn id_of(profiles: &[wire::Profile]) -> Option<i64> {
    most_named(profiles.iter().filter_map(|profile| valid_id(&profile.user_id)))
}

fn most_named(ids: impl Iterator<Item = i64>) -> Option<i64> {
    let mut named: BTreeMap<i64, usize> = BTreeMap::new();
    for id in ids {
        *named.entry(id).or_default() += 1;
    }
    // The last of equals is taken, hence the reversed order.
    named.into_iter().rev().max_by_key(|(_, times)| *times).map(|(id, _)| id)
}

/// The id in `parentCustomer`: of the same shape as a customer in the association API (vendor documentation); elsewhere not shown.
fn parent_id(parent: &Value) -> Option<i64> {
    let id = |part: &Value| {
        let id = part.get("userId").or_else(|| part.get("id"))?;
        id.as_i64().or_else(|| id.as_str()?.parse().ok()).filter(|id| *id > 0)
    };
    let profiles = parent.get("profiles").and_then(Value::as_array).into_iter().flatten();
    // By the rule that gives its own row its id: the two are compared.
    most_named(profiles.filter_map(id)).or_else(|| id(parent))
}

/// The profiles, and by number what of them has no column.
fn profiles(listed: Listed<wire::Profile>, id: i64, notes: &mut Notes) -> (Vec<Profile>, Map<String, Value>) {
    let mut odd = Map::new();
    let mut entries: Vec<_> = listed.take("odd", &mut odd).into_iter().map(|entry| profile(entry, id, notes)).collect();
    // Of two that are alike but for their stamps, the older.
    entries.sort_by_key(|(profile, _)| profile.auto_update_time);
    (in_order(entries, &mut odd), odd)
}

/// The entries of a list that is a set, in an order of ours, whatever the vendor's: by source and account, by type and value. What has no
/// column goes to `odd` by number from 1.
fn in_order<M: Serialize>(mut entries: Vec<(M, Map<String, Value>)>, odd: &mut Map<String, Value>) -> Vec<M> {
    // In the order of the fields: a value of ours would sort them by name.
    let text = |entry: &M| serde_json::to_string(entry).unwrap_or_default();
    if entries.len() > 1 {
        entries.sort_by_cached_key(|(entry, extra)| (text(entry), serde_json::to_string(extra).unwrap_or_default()));
    }
    if let Some(Value::Array(unread)) = odd.get_mut("odd") {
        unread.sort_by_cached_key(Value::to_string);
    }
    let numbered = entries.into_iter().enumerate().map(|(index, (entry, extra))| {
        insert_some(odd, (index + 1).to_string(), extra);
        entry
    });
    let mut numbered: Vec<M> = numbered.collect();
    // They stand where the vendor's entries stood, which are several times as large.
    numbered.shrink_to_fit();
    numbered
}

fn profile(entry: wire::Profile, id: i64, notes: &mut Notes) -> (Profile, Map<String, Value>) {
    let mut extra = entry.rest;
    if keep_other_id(entry.user_id, id, &mut extra) {
        notes.add("mixed_ids", "its profiles name different userIds: the one that most of them name is taken, of equals the least".into());
    }
    keep_other_identifiers(entry.identifiers_all, &entry.identifiers, &mut extra);
    let conflicts = entry.conflicting_profile_list.read().filter(|list| !is_empty_array(list));
    extra.extend(conflicts.map(|list| ("conflictingProfileList".to_owned(), as_set(list))));
    let profile = Profile {
        profile_source: entry.source.text("source", &mut extra),
        account_id: entry.account_id.text("accountId", &mut extra),
        first_name: entry.first_name.text("firstName", &mut extra),
        last_name: entry.last_name.text("lastName", &mut extra),
        auto_update_time: notes.time(entry.auto_update_time, "autoUpdateTime", times::iso, &mut extra),
        fields: entry.fields.take("fields", &mut extra).map(Object::from).unwrap_or_default(),
        identifiers: numbered(entry.identifiers, "identifiers", identifier, &mut extra),
        channels: numbered(entry.comm_channels, "commChannels", |entry| channel(entry, notes), &mut extra),
    };
    (profile, extra)
}

fn identifier(entry: wire::Identifier) -> (Identifier, Map<String, Value>) {
    let mut extra = entry.rest;
    let identifier = Identifier { kind: entry.kind.text("type", &mut extra), value: entry.value.text("value", &mut extra) };
    (identifier, extra)
}

fn channel(entry: wire::Channel, notes: &mut Notes) -> (Channel, Map<String, Value>) {
    let mut extra = entry.rest;
    let channel = Channel {
        kind: entry.kind.text("type", &mut extra),
        value: entry.value.text("value", &mut extra),
        is_primary: notes.flag(entry.primary, "primary", &mut extra),
        is_verified: notes.flag(entry.verified, "verified", &mut extra),
        meta: entry.meta.take("meta", &mut extra).map(Object::from).unwrap_or_default(),
        attributes: entry.attributes.take("attributes", &mut extra).map(Object::from).unwrap_or_default(),
    };
    (channel, extra)
}

/// Converts a list; what its entries have beyond columns goes to `extra` by number from 1, unreadable ones as `odd`.
fn numbered<W, M: Serialize>(
    listed: Listed<W>,
    key: &str,
    convert: impl FnMut(W) -> (M, Map<String, Value>),
    extra: &mut Map<String, Value>,
) -> Vec<M> {
    let mut odd = Map::new();
    let entries = listed.take("odd", &mut odd).into_iter().map(convert).collect();
    let converted = in_order(entries, &mut odd);
    insert_some(extra, key.to_owned(), odd);
    converted
}

/// A list in an order of ours.
fn as_set(mut list: Value) -> Value {
    if let Value::Array(entries) = &mut list {
        entries.sort_by_cached_key(Value::to_string);
    }
    list
}

fn insert_some(map: &mut Map<String, Value>, key: String, content: Map<String, Value>) {
    if !content.is_empty() {
        map.insert(key, content.into());
    }
}

/// A profile can name another user, or what is no id at all. Whether it does name another.
fn keep_other_id(field: Field<Number>, id: i64, extra: &mut Map<String, Value>) -> bool {
    let other = field.number("userId", extra).filter(|other| *other != id);
    extra.extend(other.map(|other| ("userId".to_owned(), other.into())));
    other.is_some()
}

/// `identifiersAll` repeats `identifiers` in every example; kept where it says something else.
fn keep_other_identifiers(
    all: Field<Sent<Listed<wire::Identifier>>>,
    identifiers: &Listed<wire::Identifier>,
    extra: &mut Map<String, Value>,
) {
    let set = |listed: &Listed<wire::Identifier>| {
        let mut entries: Vec<String> = listed.read.iter().map(|entry| format!("{entry:?}")).collect();
        entries.extend(listed.odd.iter().map(Value::to_string));
        entries.sort_unstable();
        entries
    };
    if let Some(all) = all.take("identifiersAll", extra)
        && set(&all.read) != set(identifiers)
    {
        extra.insert("identifiersAll".into(), as_set(all.value));
    }
}

fn is_empty_array(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::RawValue};

    use super::*;
    use crate::vendor_api::Remark;

    fn read(rows: &[Value]) -> (Vec<Customer>, Vec<Remark>) {
        let text = Value::from(rows.to_vec()).to_string();
        let Rows { rows, remarks, .. } =
            customers(&serde_json::from_str::<Vec<&RawValue>>(&text).expect("rows").iter().map(RowText::from).collect::<Vec<_>>(), 0);
        (rows, remarks)
    }

    fn time(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
        Some(text.parse().expect("a time"))
    }

    /// The body in `vendor-apis.md`, section 1.9.
    fn example() -> Vec<Value> {
        let body: Value = serde_json::from_str(include_str!("example.json")).expect("json");
        body["entity"]["customers"].as_array().expect("customers").clone()
    }

    #[test]
    fn the_documented_example_is_read_field_by_field() {
        let (customers, remarks) = read(&example());
        assert_eq!(remarks, []);
        let identifier = |kind: &str, value: &str| Identifier { kind: Some(kind.into()), value: Some(value.into()) };
        let channel = Channel {
            kind: Some("mobile".into()),
            value: Some("910000000021".into()),
            is_primary: Some(true),
            is_verified: Some(false),
            meta: json!({"residence": false, "office": false}).as_object().expect("a map").clone().into(),
            attributes: Object::default(),
        };
        let profile = Profile {
            profile_source: Some("INSTORE".into()),
            account_id: Some(String::new()),
            first_name: Some("Ines".into()),
            last_name: Some("Okafor".into()),
            auto_update_time: time("2025-03-02T08:15:40Z"),
            fields: Object::default(),
            identifiers: vec![identifier("externalId", "EMP-0021"), identifier("mobile", "910000000021")],
            channels: vec![channel],
        };
        let first = Customer {
            parent: None,
            id: 700_000_021,
            profiles: vec![profile],
            extended_fields: serde_json::from_value(json!({"city": "Pune", "gender": "Female"})).expect("an object"),
            role_code: Some("Manager".into()),
            no_of_children: Some(2),
            default_child: Some(false),
            created_at: time("2024-11-18T10:02:11Z"),
            extra: Map::new(),
            text_digest: None,
        };
        assert_eq!(customers[0], first);
        assert_eq!((customers[1].id, customers[1].no_of_children, customers[1].default_child), (700_000_022, Some(0), Some(true)));
        assert!(customers[1].extra.is_empty() && customers[1].extended_fields.is_empty());
    }

    #[test]
    fn an_unknown_field_anywhere_lands_in_extra() {
        let mut rows = example();
        let row = &mut rows[0];
        row["parentCustomer"] = json!({"profiles": [{"userId": 1}]});
        row["nothing"] = Value::Null;
        let profile = &mut row["profiles"][0];
        profile["mergedFrom"] = json!(12);
        profile["conflictingProfileList"] = json!([{"userId": 9}]);
        profile["identifiersAll"][1]["value"] = json!("EMP-0099");
        profile["identifiers"][1]["since"] = json!("2020");
        profile["commChannels"][0]["meta"] = json!("home");
        let (customers, remarks) = read(&rows);
        assert_eq!(remarks, []);
        let expected = json!({
            "nothing": null,
            "profiles": {"1": {
                "mergedFrom": 12,
                "conflictingProfileList": [{"userId": 9}],
                "identifiersAll": [{"type": "externalId", "value": "EMP-0099"}, {"type": "mobile", "value": "910000000021"}],
                "identifiers": {"1": {"since": "2020"}},
                "commChannels": {"1": {"meta": "home"}},
            }},
        });
        assert_eq!(Value::from(customers[0].extra.clone()), expected);
    }

    #[test]
    fn the_order_of_nested_lists_is_no_content() {
        let channel = |value: &str, primary: bool| json!({"type": "mobile", "value": value, "primary": primary, "seen": value});
        let identifier = |kind: &str, value: &str| json!({"type": kind, "value": value, "since": 3});
        let (first, second) = (identifier("email", "a@example.com"), identifier("email", "b@example.com"));
        let stamp = "2025-03-02T08:15:40Z";
        let profile = |source: &str, name: &str, identifiers: Vec<Value>, channels: Vec<Value>| {
            json!({"userId": 5, "source": source, "firstName": name, "autoUpdateTime": stamp, "identifiers": identifiers.clone(),
                "identifiersAll": identifiers.into_iter().rev().collect::<Vec<_>>(), "commChannels": channels,
                "conflictingProfileList": [{"userId": 9}, {"userId": 8}], "x": name})
        };
        let (one, other) = (channel("1", false), channel("2", false));
        let row = |profiles: Vec<Value>| json!({"profiles": profiles});
        let sent = row(vec![
            profile("WECHAT", "b", vec![first.clone(), second.clone()], vec![one.clone(), other.clone()]),
            profile("INSTORE", "a", vec![json!("stray"), json!("odd")], vec![]),
        ]);
        let mut again = row(vec![
            profile("INSTORE", "a", vec![json!("odd"), json!("stray")], vec![]),
            profile("WECHAT", "b", vec![second, first], vec![other, one]),
        ]);
        again["profiles"][1]["conflictingProfileList"].as_array_mut().expect("a list").reverse();
        let ((left, _), (right, _)) = (read(&[sent]), read(&[again]));
        assert_eq!(left, right);
        assert_eq!(left[0].lead().and_then(|profile| profile.first_name.as_deref()), Some("a"), "of equals the first by source");
        assert_eq!((left[0].contact("email"), left[0].profiles[1].channels.len()), (None, 2));
        assert_eq!(left[0].profiles[1].identifiers[0].value.as_deref(), Some("a@example.com"));
        assert!(left[0].extra["profiles"]["2"].get("identifiersAll").is_none(), "the same in another order is no more");
    }

    #[test]
    fn of_equally_late_profiles_the_first_by_source_leads_whatever_else_they_hold() {
        let channel = json!({"type": "mobile", "value": "1"});
        for channels in [json!([channel]), json!([])] {
            let rich = json!({"userId": 5, "source": "INSTORE", "commChannels": channels});
            let row = json!({"profiles": [{"userId": 5, "source": "WECHAT"}, rich]});
            assert_eq!(read(&[row]).0[0].lead().and_then(|lead| lead.profile_source.as_deref()), Some("INSTORE"));
        }
        let channels = json!([{"type": "b", "value": "1", "primary": true}, {"type": "a", "value": "2", "primary": false}]);
        let (customers, _) = read(&[json!({"profiles": [{"userId": 5, "commChannels": channels}]})]);
        assert_eq!(customers[0].profiles[0].channels[0].kind.as_deref(), Some("a"), "by type");
    }

    #[test]
    fn whom_most_profiles_name_is_the_customer_whatever_their_order() {
        for profiles in [json!([{"userId": 78}, {"userId": 77}, {"userId": 77}]), json!([{"userId": 77}, {"userId": 77}, {"userId": 78}])] {
            assert_eq!(read(&[json!({"profiles": profiles})]).0[0].id, 77);
        }
        for profiles in [json!([{"userId": 78}, {"userId": 77}]), json!([{"userId": 77}, {"userId": 78}])] {
            assert_eq!(read(&[json!({"profiles": profiles})]).0[0].id, 77);
        }
        // A parent is who its own row is.
        for profiles in [json!([{"userId": 78}, {"userId": 77}, {"userId": 77}]), json!([{"userId": 78}, {"userId": "77"}])] {
            let child = json!({"profiles": [{"userId": 5}], "parentCustomer": {"profiles": profiles}});
            assert_eq!(read(&[child]).0[0].parent, Some(77));
        }
    }

    #[test]
    fn other_user_ids_are_kept() {
        let row =
            json!({"profiles": [null, {"userId": "abc"}, {"userId": "77", "source": "WECHAT"}, {"userId": 78}, "stray", {"userId": 77}]});
        let (customers, remarks) = read(&[row]);
        assert!(remarks.iter().map(|remark| (remark.kind, remark.about.as_str())).eq([("mixed_ids", "77")]));
        assert_eq!((customers[0].id, customers[0].profiles.len()), (77, 4));
        let expected = json!({"profiles": {"2": {"userId": "abc"}, "3": {"userId": 78}, "odd": ["stray"]}});
        assert_eq!(Value::from(customers[0].extra.clone()), expected);
    }

    #[test]
    fn a_row_without_an_id_is_a_remark_and_costs_no_other() {
        let good = json!({"profiles": [{"userId": 5}]});
        let bad = [
            json!({}),
            json!({"profiles": null}),
            json!({"profiles": []}),
            json!({"profiles": [{"userId": null}]}),
            json!({"profiles": [{"userId": 0}, {"userId": -3}, {"userId": 1e300}, {"userId": u64::MAX}]}),
            json!(null),
            json!("anna@example.com"),
            json!([]),
        ];
        let (customers, remarks) = read(&[&bad[..], &[good]].concat());
        assert_eq!((customers.len(), customers[0].id, remarks.len()), (1, 5, bad.len()));
        for (index, remark) in remarks.iter().enumerate() {
            assert!(remark.kind == "bad_row" && remark.detail.starts_with(&format!("row {} of the list", index + 1)), "{remark:?}");
            assert!(!remark.detail.contains("anna"));
        }
    }

    #[test]
    fn what_no_column_and_no_json_can_hold_is_kept_as_text() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for (fields, is_kept_in_extra) in [(format!(r#"{{"x": {deep}}}"#), false), ("1e999".into(), true)] {
            let text = format!(r#"[{{"profiles": [{{}}, {{"userId": 5, "fields": {fields}}}]}}]"#);
            let Rows { rows: customers, remarks, .. } =
                customers(&serde_json::from_str::<Vec<&RawValue>>(&text).expect("rows").iter().map(RowText::from).collect::<Vec<_>>(), 0);
            assert_eq!((remarks[0].kind, remarks[0].about.as_str()), ("kept_as_text", "5"));
            let extra = Value::from(customers[0].extra.clone());
            let kept = extra.pointer("/profiles/1/fields").or_else(|| extra.pointer("/profiles/2/fields"));
            assert_eq!(kept == Some(&json!("1e999")), is_kept_in_extra);
            assert_eq!(customers[0].profiles.iter().any(|profile| json!(profile.fields).get("x").is_some()), !is_kept_in_extra);
        }
    }

    #[test]
    fn nulls_are_empty_and_odd_values_are_kept() {
        let row = json!({
            "profiles": [{"userId": 5, "identifiers": null, "commChannels": null, "fields": null, "firstName": 12, "accountId": "",
                "identifiersAll": null, "conflictingProfileList": null, "lastName": ["x"]}],
            "extendedFields": [], "roleCode": 7, "noOfChildren": "3", "defaultChild": "FALSE", "createdDate": null,
        });
        let (customers, remarks) = read(&[row]);
        assert_eq!(remarks, []);
        let customer = &customers[0];
        let profile = &customer.profiles[0];
        assert_eq!(
            (profile.first_name.as_deref(), profile.account_id.as_deref(), profile.last_name.as_deref()),
            (Some("12"), Some(""), None)
        );
        assert_eq!((customer.role_code.as_deref(), customer.no_of_children, customer.default_child), (Some("7"), Some(3), Some(false)));
        assert_eq!(Value::from(customer.extra.clone()), json!({"extendedFields": [], "profiles": {"1": {"lastName": ["x"]}}}));
    }

    #[test]
    fn a_malformed_time_is_none_and_kept() {
        let mut rows = example();
        rows[0]["createdDate"] = json!("18/11/2024");
        rows[0]["profiles"][0]["autoUpdateTime"] = json!(20_250_302_u64);
        let (customers, remarks) = read(&rows);
        assert_eq!((customers[0].created_at, customers[0].profiles[0].auto_update_time), (None, None));
        let expected = json!({"createdDate": "18/11/2024", "profiles": {"1": {"autoUpdateTime": "20250302"}}});
        assert_eq!(Value::from(customers[0].extra.clone()), expected);
        let told: Vec<_> = remarks.iter().map(|remark| (remark.kind, remark.about.as_str())).collect();
        assert_eq!(told, [("bad_time", "autoUpdateTime"), ("bad_time", "createdDate")]);
        assert!(remarks[0].detail.ends_with("such as in 700000021"), "{}", remarks[0].detail);
    }
}
