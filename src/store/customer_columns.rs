//! Customers column by column, as arrays for `unnest`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;

use crate::model::{
    customer::{Customer, Profile},
    node::Node,
    object::Object,
};

/// Customers column by column, as arrays for `unnest`.
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<i64>,
    pub(super) digests: Vec<sqlx::types::Uuid>,
    pub(super) first_names: Vec<Option<&'a str>>,
    pub(super) last_names: Vec<Option<&'a str>>,
    pub(super) emails: Vec<Option<&'a str>>,
    pub(super) mobiles: Vec<Option<&'a str>>,
    pub(super) external_ids: Vec<Option<&'a str>>,
    pub(super) account_ids: Vec<Option<&'a str>>,
    pub(super) profile_sources: Vec<Option<&'a str>>,
    pub(super) role_codes: Vec<Option<&'a str>>,
    pub(super) nos_of_children: Vec<Option<i64>>,
    pub(super) default_children: Vec<Option<bool>>,
    pub(super) created: Vec<Option<DateTime<Utc>>>,
    pub(super) stamps: Vec<Option<DateTime<Utc>>>,
    pub(super) extended_fields: Vec<Json<&'a Object>>,
    pub(super) extras: Vec<Json<&'a Map<String, Value>>>,
    pub(super) text_digests: Vec<Option<sqlx::types::Uuid>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(rows: &[&'a Customer]) -> Self {
        let lead = |text: fn(&Profile) -> Option<&str>| rows.iter().map(|row| row.lead().and_then(text)).collect();
        Self {
            ids: rows.iter().map(|row| row.id).collect(),
            digests: rows.iter().map(|row| row.digest().0).collect(),
            first_names: lead(|profile| profile.first_name.as_deref()),
            last_names: lead(|profile| profile.last_name.as_deref()),
            emails: rows.iter().map(|row| row.contact("email")).collect(),
            mobiles: rows.iter().map(|row| row.contact("mobile")).collect(),
            external_ids: rows.iter().map(|row| row.contact("externalId")).collect(),
            account_ids: lead(|profile| profile.account_id.as_deref()),
            profile_sources: lead(|profile| profile.profile_source.as_deref()),
            role_codes: rows.iter().map(|row| row.role_code.as_deref()).collect(),
            nos_of_children: rows.iter().map(|row| row.no_of_children).collect(),
            default_children: rows.iter().map(|row| row.default_child).collect(),
            created: rows.iter().map(|row| row.created_at).collect(),
            stamps: rows.iter().map(|row| row.stamp()).collect(),
            extended_fields: rows.iter().map(|row| Json(&row.extended_fields)).collect(),
            extras: rows.iter().map(|row| Json(&row.extra)).collect(),
            text_digests: rows.iter().map(|row| row.text_digest.map(|digest| digest.0)).collect(),
        }
    }
}
