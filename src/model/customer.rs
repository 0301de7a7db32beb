//! A Capillary customer as we keep it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    difference,
    digest::Digest,
    node::{Node, NodeId},
    object::Object,
    reach::Stated,
};

/// One customer with all its profiles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Customer {
    /// The vendor's `userId`; negative for a root whose id could not be learned.
    pub id: i64,
    /// Whom the row states as its parent (`parentCustomer`), if it does. Not stored.
    pub parent: Option<i64>,
    /// One per source or account, in an order of ours. Never empty for a customer that was read.
    pub profiles: Vec<Profile>,
    /// `extendedFields`.
    pub extended_fields: Object,
    /// `roleCode`.
    pub role_code: Option<String>,
    /// `noOfChildren`; `None` when the vendor does not give it.
    pub no_of_children: Option<i64>,
    /// `defaultChild`.
    pub default_child: Option<bool>,
    /// `createdDate`.
    pub created_at: Option<DateTime<Utc>>,
    /// What has no column: unknown fields of the item, and under `profiles` those of its profiles by number.
    pub extra: Map<String, Value>,
    /// See [`Node::text_digest`].
    pub text_digest: Option<Digest>,
}

/// One entry of `profiles[]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Profile {
    /// `source`, such as `INSTORE`.
    pub profile_source: Option<String>,
    /// `accountId`.
    pub account_id: Option<String>,
    /// `firstName`.
    pub first_name: Option<String>,
    /// `lastName`.
    pub last_name: Option<String>,
    /// `autoUpdateTime`: a stamp, so not part of the content.
    #[serde(skip)]
    pub auto_update_time: Option<DateTime<Utc>>,
    /// `fields`.
    pub fields: Object,
    /// `identifiers[]`, by type and value.
    pub identifiers: Vec<Identifier>,
    /// `commChannels[]`, by type and value.
    pub channels: Vec<Channel>,
}

/// One entry of `identifiers[]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Identifier {
    /// `mobile`, `email`, `externalId`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its value, as sent.
    pub value: Option<String>,
}

/// One entry of `commChannels[]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Channel {
    /// `mobile`, `email`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its value, as sent.
    pub value: Option<String>,
    /// `primary`.
    pub is_primary: Option<bool>,
    /// `verified`.
    pub is_verified: Option<bool>,
    /// `meta`, such as `{"residence": false, "office": false}`.
    pub meta: Object,
    /// `attributes`.
    pub attributes: Object,
}

impl Customer {
    /// The profile whose values are the customer's single columns: the latest stamp, the first of equals.
    pub fn lead(&self) -> Option<&Profile> {
        // `max_by_key` gives the last of equals, hence the reversed order.
        self.profiles.iter().rev().max_by_key(|profile| profile.auto_update_time)
    }

    /// The lead profile's `mobile`, `email` or `externalId`: an identifier, else a channel of that type.
    pub fn contact(&self, kind: &str) -> Option<&str> {
        let lead = self.lead()?;
        lead.identifier(kind).or_else(|| lead.channel(kind))
    }

    /// An identifier of that type in any profile, the lead profile's first: by it the node's children are asked for.
    pub fn identifier(&self, kind: &str) -> Option<&str> {
        self.lead()?.identifier(kind).or_else(|| self.profiles.iter().find_map(|profile| profile.identifier(kind)))
    }
}

/// Identifier types that have a column.
const COLUMNS: [&str; 3] = ["email", "mobile", "externalId"];

impl Customer {
    /// What the profiles hold beside the single columns, as `profiles[1].channels` and the like.
    fn beside_columns(&self) -> Map<String, Value> {
        let lead = self.lead().map(std::ptr::from_ref);
        let mut fields = Map::new();
        for (place, profile) in self.profiles.iter().enumerate() {
            let Value::Object(mut parts) = json!(profile) else { continue };
            if lead == Some(std::ptr::from_ref(profile)) {
                for column in ["first_name", "last_name", "account_id", "profile_source"] {
                    parts.remove(column);
                }
                parts.insert("identifiers".into(), json!(profile.identifiers_without_column()));
            }
            fields.extend(parts.into_iter().map(|(name, value)| (format!("profiles[{}].{name}", place + 1), value)));
        }
        fields
    }
}

impl Profile {
    /// Those whose value is not that of a column.
    fn identifiers_without_column(&self) -> Vec<&Identifier> {
        let has_column = |entry: &&Identifier| {
            let kind = COLUMNS.iter().find(|column| is_kind(entry.kind.as_deref(), column));
            kind.is_some_and(|column| self.identifier(column) == entry.value.as_deref())
        };
        self.identifiers.iter().filter(|entry| !has_column(entry)).collect()
    }

    fn identifier(&self, kind: &str) -> Option<&str> {
        let found = self.identifiers.iter().find(|entry| is_kind(entry.kind.as_deref(), kind) && has_text(entry.value.as_deref()))?;
        found.value.as_deref()
    }

    fn channel(&self, kind: &str) -> Option<&str> {
        let fitting = || self.channels.iter().filter(|entry| is_kind(entry.kind.as_deref(), kind) && has_text(entry.value.as_deref()));
        fitting().find(|entry| entry.is_primary == Some(true)).or_else(|| fitting().next())?.value.as_deref()
    }
}

fn is_kind(kind: Option<&str>, wanted: &str) -> bool {
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))
}

fn has_text(value: Option<&str>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

impl Node for Customer {
    fn key(&self) -> NodeId {
        NodeId::from(self.id)
    }

    fn content(&self) -> Map<String, Value> {
        match json!(self.as_content()) {
            Value::Object(content) => content,
            _ => Map::new(),
        }
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.as_content())
    }

    fn text_digest(&self) -> Option<Digest> {
        self.text_digest
    }

    fn set_text_digest(&mut self, digest: Option<Digest>) {
        // Of whom it is said that nobody is below, in the text itself: the others' lists are asked each time.
        self.text_digest = digest.filter(|_| self.no_of_children == Some(0));
    }

    fn differences(&self, old: &Self) -> Map<String, Value> {
        let mut told = difference::between(&old.content(), &self.content());
        if told.remove("profiles").is_some() {
            // Profile by profile, and without what the single columns tell already.
            told.extend(difference::between(&old.beside_columns(), &self.beside_columns()));
        }
        told
    }

    fn nameless(&self) -> Self {
        Self { id: self.id, parent: self.parent, no_of_children: self.no_of_children, ..Self::default() }
    }

    fn children(&self) -> Option<i64> {
        self.no_of_children
    }

    fn stated_parent(&self) -> Stated {
        self.parent.map_or(Stated::Nothing, |id| Stated::Parent(NodeId::from(id)))
    }

    fn stamp(&self) -> Option<DateTime<Utc>> {
        self.profiles.iter().filter_map(|profile| profile.auto_update_time).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str, second: Option<u32>) -> Profile {
        let auto_update_time = second.map(|second| DateTime::from_timestamp(second.into(), 0).expect("a time"));
        Profile { first_name: Some(name.into()), auto_update_time, ..Profile::default() }
    }

    #[test]
    fn the_latest_profile_leads_and_the_first_of_equals() {
        let customer = |profiles| Customer { profiles, ..Customer::default() };
        let lead = |customer: Customer| customer.lead().and_then(|profile| profile.first_name.clone());
        assert_eq!(lead(customer(vec![profile("a", Some(1)), profile("b", Some(2))])).as_deref(), Some("b"));
        assert_eq!(lead(customer(vec![profile("a", Some(2)), profile("b", Some(2))])).as_deref(), Some("a"));
        assert_eq!(lead(customer(vec![profile("a", None), profile("b", None)])).as_deref(), Some("a"));
        assert_eq!(lead(customer(vec![])), None);
    }

    #[test]
    fn a_change_is_told_once() {
        let identifier = |kind: &str, value: &str| Identifier { kind: Some(kind.into()), value: Some(value.into()) };
        let customer = |name: &str, email: &str, card: &str, second: &str| Customer {
            profiles: vec![
                Profile { identifiers: vec![identifier("email", email), identifier("cardnumber", card)], ..profile(name, Some(9)) },
                profile(second, Some(1)),
            ],
            ..Customer::default()
        };
        let old = customer("Ana", "a@example.com", "1", "x");
        let told = |new: Customer| Value::Object(new.differences(&old));
        assert_eq!(told(customer("Bea", "a@example.com", "1", "x")), json!({"first_name": ["Ana", "Bea"]}));
        assert_eq!(told(customer("Ana", "b@example.com", "1", "x")), json!({"email": ["a@example.com", "b@example.com"]}));
        assert_eq!(told(customer("Ana", "a@example.com", "1", "y")), json!({"profiles[2].first_name": ["x", "y"]}));
        let card = |value: &str| json!([{"type": "cardnumber", "value": value}]);
        assert_eq!(told(customer("Ana", "a@example.com", "2", "x")), json!({"profiles[1].identifiers": [card("1"), card("2")]}));
    }

    #[test]
    fn the_stamp_is_no_content() {
        let at = |second| Customer { profiles: vec![profile("a", Some(second))], ..Customer::default() };
        assert_eq!(at(1).digest(), at(2).digest());
        assert!(at(1).stamp() < at(2).stamp());
    }
}
