//! From Capillary's rows to our customers: total, and nothing that the vendor sends is lost.
//! What has no column lands in `extra`: the item's own fields by name, those of its profiles under `profiles`, by number from 1.

use serde_json::{Map, Value, value::RawValue};

use super::wire;
use crate::{
    model::customer::{Channel, Customer, Identifier, Profile},
    vendor_api::{
        json::{Field, Listed, Number, Sent},
        rows::{self, Notes, Rows},
        times,
    },
};

/// All rows of an answer that could be read, and remarks on these and the others. `before` of the list stand before them.
pub(super) fn customers(texts: &[&RawValue], before: u32) -> Rows<Customer> {
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
    let id = row.profiles.read.iter().find_map(|profile| valid_id(&profile.user_id));
    let id = id.ok_or("none of its profiles has a userId that is a whole number above 0 and below 2^63")?;
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
        extended_fields: row.extended_fields.take("extendedFields", &mut extra).unwrap_or_default(),
        role_code: row.role_code.text("roleCode", &mut extra),
        no_of_children: row.no_of_children.number("noOfChildren", &mut extra),
        default_child: row.default_child.flag("defaultChild", &mut extra),
        created_at: notes.time(row.created_date, "createdDate", times::iso, &mut extra),
        extra,
    })
}

/// The id in `parentCustomer`: of the same shape as a customer in the association API (vendor documentation); elsewhere not shown.
fn parent_id(parent: &Value) -> Option<i64> {
    let profiles = parent.get("profiles").and_then(Value::as_array);
    let ids = profiles.into_iter().flatten().chain([parent]).filter_map(|part| part.get("userId").or_else(|| part.get("id")));
    ids.filter_map(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok())).find(|id| *id > 0)
}

/// The profiles, and by number what of them has no column.
fn profiles(listed: Listed<wire::Profile>, id: i64, notes: &mut Notes) -> (Vec<Profile>, Map<String, Value>) {
    let mut odd = Map::new();
    let entries = listed.take("odd", &mut odd);
    let mut profiles = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let (profile, extra) = profile(entry, id, notes);
        insert_some(&mut odd, (index + 1).to_string(), extra);
        profiles.push(profile);
    }
    (profiles, odd)
}

fn profile(entry: wire::Profile, id: i64, notes: &mut Notes) -> (Profile, Map<String, Value>) {
    let mut extra = entry.rest;
    if keep_other_id(entry.user_id, id, &mut extra) {
        notes.add("mixed_ids", "its profiles name different userIds: the first is taken for the customer's".into());
    }
    keep_other_identifiers(entry.identifiers_all, &entry.identifiers, &mut extra);
    let conflicts = entry.conflicting_profile_list.read().filter(|list| !is_empty_array(list));
    extra.extend(conflicts.map(|list| ("conflictingProfileList".to_owned(), list)));
    let profile = Profile {
        profile_source: entry.source.text("source", &mut extra),
        account_id: entry.account_id.text("accountId", &mut extra),
        first_name: entry.first_name.text("firstName", &mut extra),
        last_name: entry.last_name.text("lastName", &mut extra),
        auto_update_time: notes.time(entry.auto_update_time, "autoUpdateTime", times::iso, &mut extra),
        fields: entry.fields.take("fields", &mut extra).unwrap_or_default(),
        identifiers: numbered(entry.identifiers, "identifiers", identifier, &mut extra),
        channels: numbered(entry.comm_channels, "commChannels", channel, &mut extra),
    };
    (profile, extra)
}

fn identifier(entry: wire::Identifier) -> (Identifier, Map<String, Value>) {
    let mut extra = entry.rest;
    let identifier = Identifier { kind: entry.kind.text("type", &mut extra), value: entry.value.text("value", &mut extra) };
    (identifier, extra)
}

fn channel(entry: wire::Channel) -> (Channel, Map<String, Value>) {
    let mut extra = entry.rest;
    let channel = Channel {
        kind: entry.kind.text("type", &mut extra),
        value: entry.value.text("value", &mut extra),
        is_primary: entry.primary.flag("primary", &mut extra),
        is_verified: entry.verified.flag("verified", &mut extra),
        meta: entry.meta.take("meta", &mut extra).unwrap_or_default(),
        attributes: entry.attributes.take("attributes", &mut extra).unwrap_or_default(),
    };
    (channel, extra)
}

/// Converts a list; what its entries have beyond columns goes to `extra` by number from 1, unreadable ones as `odd`.
fn numbered<W, M>(listed: Listed<W>, key: &str, convert: fn(W) -> (M, Map<String, Value>), extra: &mut Map<String, Value>) -> Vec<M> {
    let mut odd = Map::new();
    let mut converted = Vec::new();
    for (index, entry) in listed.take("odd", &mut odd).into_iter().enumerate() {
        let (entry, rest) = convert(entry);
        insert_some(&mut odd, (index + 1).to_string(), rest);
        converted.push(entry);
    }
    insert_some(extra, key.to_owned(), odd);
    converted
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
    if let Some(all) = all.take("identifiersAll", extra)
        && all.read != *identifiers
    {
        extra.insert("identifiersAll".into(), all.value);
    }
}

fn is_empty_array(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::vendor_api::Remark;

    fn read(rows: &[Value]) -> (Vec<Customer>, Vec<Remark>) {
        let text = Value::from(rows.to_vec()).to_string();
        let Rows { rows, remarks, .. } = customers(&serde_json::from_str::<Vec<&RawValue>>(&text).expect("rows"), 0);
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
            meta: json!({"residence": false, "office": false}).as_object().expect("a map").clone(),
            attributes: Map::new(),
        };
        let profile = Profile {
            profile_source: Some("INSTORE".into()),
            account_id: Some(String::new()),
            first_name: Some("Ines".into()),
            last_name: Some("Okafor".into()),
            auto_update_time: time("2025-03-02T08:15:40Z"),
            fields: Map::new(),
            identifiers: vec![identifier("mobile", "910000000021"), identifier("externalId", "EMP-0021")],
            channels: vec![channel],
        };
        let first = Customer {
            parent: None,
            id: 700_000_021,
            profiles: vec![profile],
            extended_fields: json!({"city": "Pune", "gender": "Female"}).as_object().expect("a map").clone(),
            role_code: Some("Manager".into()),
            no_of_children: Some(2),
            default_child: Some(false),
            created_at: time("2024-11-18T10:02:11Z"),
            extra: Map::new(),
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
                "identifiersAll": [{"type": "mobile", "value": "910000000021"}, {"type": "externalId", "value": "EMP-0099"}],
                "identifiers": {"2": {"since": "2020"}},
                "commChannels": {"1": {"meta": "home"}},
            }},
        });
        assert_eq!(Value::from(customers[0].extra.clone()), expected);
    }

    #[test]
    fn the_first_user_id_is_the_customers_and_others_are_kept() {
        let row =
            json!({"profiles": [null, {"userId": "abc"}, {"userId": "77", "source": "WECHAT"}, {"userId": 78}, "stray", {"userId": 77}]});
        let (customers, remarks) = read(&[row]);
        assert!(remarks.iter().map(|remark| (remark.kind, remark.about.as_str())).eq([("mixed_ids", "77")]));
        assert_eq!((customers[0].id, customers[0].profiles.len()), (77, 4));
        let expected = json!({"profiles": {"1": {"userId": "abc"}, "3": {"userId": 78}, "odd": ["stray"]}});
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
            let Rows { rows: customers, remarks, .. } = customers(&serde_json::from_str::<Vec<&RawValue>>(&text).expect("rows"), 0);
            assert_eq!((remarks[0].kind, remarks[0].about.as_str()), ("kept_as_text", "5"));
            let extra = Value::from(customers[0].extra.clone());
            assert_eq!(extra.pointer("/profiles/2/fields") == Some(&json!("1e999")), is_kept_in_extra);
            assert_eq!(customers[0].profiles[1].fields.contains_key("x"), !is_kept_in_extra);
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
        rows[0]["profiles"][0]["autoUpdateTime"] = json!(1_740_903_340_000_u64);
        let (customers, remarks) = read(&rows);
        assert_eq!((customers[0].created_at, customers[0].profiles[0].auto_update_time), (None, None));
        let expected = json!({"createdDate": "18/11/2024", "profiles": {"1": {"autoUpdateTime": "1740903340000"}}});
        assert_eq!(Value::from(customers[0].extra.clone()), expected);
        assert_eq!((remarks.len(), remarks[0].kind, remarks[0].about.as_str()), (1, "bad_time", "700000021"));
        assert!(["`createdDate`", "`autoUpdateTime`"].iter().all(|field| remarks[0].detail.contains(field)), "{}", remarks[0].detail);
    }
}
