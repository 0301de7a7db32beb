//! One user's columns by name, as both endpoints write them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    settings::LeadSquaredSettings,
    world::{LeadSquaredWorld, User},
};

/// The value of a column that every user has; `None`: there is no such column.
pub(super) fn value(world: &LeadSquaredWorld, settings: &LeadSquaredSettings, user: &User, column: &str) -> Option<Value> {
    let manager = || user.manager.and_then(|manager| world.user(manager));
    Some(match column {
        "UserId" => json!(user.id),
        "FirstName" => json!(split(user).map(|(first, _)| first)),
        "LastName" => json!(split(user).map(|(_, last)| last)),
        "EmailAddress" => json!(user.email),
        "PhoneMobile" | "PhoneMain" => json!(user.mobile),
        "TeamId" | "Groups" => Value::Null,
        "Role" => json!(user.role),
        "StatusCode" => json!(if user.is_active { "0" } else { "1" }),
        "IsCheckedIn" => json!(user.checked_in),
        "ManagerUserId" => json!(user.manager),
        "ManagerName" => json!(manager().and_then(|manager| manager.name.as_ref())),
        "CreatedOn" => json!(time(settings, user.created_on)),
        "ModifiedOn" => json!(time(settings, user.modified_on)),
        other => user.columns.get(other)?.clone(),
    })
}

/// The names that a request asks for.
pub(super) fn asked(body: &Value) -> Vec<&str> {
    let csv = body.pointer("/Columns/Include_CSV").and_then(Value::as_str).unwrap_or_default();
    csv.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

fn split(user: &User) -> Option<(&str, &str)> {
    let name = user.name.as_deref()?;
    Some(name.split_once(' ').unwrap_or((name, "")))
}

fn time(settings: &LeadSquaredSettings, time: DateTime<Utc>) -> String {
    let form = if settings.milliseconds { "%Y-%m-%d %H:%M:%S.000" } else { "%Y-%m-%d %H:%M:%S" };
    time.format(form).to_string()
}
