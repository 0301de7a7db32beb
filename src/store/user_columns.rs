//! Users column by column, as arrays for `unnest`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use crate::model::{node::Node, user::User};

/// Users column by column, as arrays for `unnest`.
pub(super) struct Columns<'a> {
    pub(super) ids: Vec<Uuid>,
    pub(super) digests: Vec<Uuid>,
    pub(super) names: Vec<Option<&'a str>>,
    pub(super) emails: Vec<Option<&'a str>>,
    pub(super) mobiles: Vec<Option<&'a str>>,
    pub(super) active: Vec<Option<bool>>,
    pub(super) checked_in: Vec<Option<bool>>,
    pub(super) stamps: Vec<Option<DateTime<Utc>>>,
    pub(super) extras: Vec<Json<&'a Map<String, Value>>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(rows: &[&'a User]) -> Self {
        Self {
            ids: rows.iter().map(|row| row.id).collect(),
            digests: rows.iter().map(|row| row.digest().0).collect(),
            names: rows.iter().map(|row| row.name.as_deref()).collect(),
            emails: rows.iter().map(|row| row.email.as_deref()).collect(),
            mobiles: rows.iter().map(|row| row.mobile.as_deref()).collect(),
            active: rows.iter().map(|row| row.is_active).collect(),
            checked_in: rows.iter().map(|row| row.checked_in).collect(),
            stamps: rows.iter().map(|row| row.auto_update_time).collect(),
            extras: rows.iter().map(|row| Json(&row.extra)).collect(),
        }
    }
}
