//! Get User Hierarchy Information: the users reporting to one user, in one piece.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    columns, refusals,
    settings::{Booleans, DefaultKeys, LeadSquaredSettings, ManagerColumn, Reach, Total, UnknownColumn, UnknownUser, UserOrder},
    world::{LeadSquaredWorld, User},
};
use crate::simulator::answer::Answer;

pub(super) fn answer(world: &mut LeadSquaredWorld, settings: &LeadSquaredSettings, body: &Value) -> Answer {
    let Some(text) = body["UserId"].as_str() else {
        return refusals::exception(400, "MXMandatoryAttributeMissingException", "UserId is mandatory.");
    };
    let only_active = match body["Include"].as_str() {
        Some("All") => false,
        Some("Active") => true,
        _ => return refusals::logical("MXInvalidInputException", "Include is not valid."),
    };
    if let Some(fixed) = &settings.fixed_body {
        return Answer::raw(200, "application/json; charset=utf-8", fixed.as_str());
    }
    let known = text.parse().ok().filter(|id| world.user(*id).is_some());
    let ids = match (known, settings.unknown_user) {
        (Some(id), _) => meant(world, settings, id),
        (None, UnknownUser::EmptyList) => Vec::new(),
        (None, UnknownUser::Error) => return refusals::logical("MXInvalidInputException", "User does not exist."),
    };
    if let Some(name) = columns::asked(body).into_iter().find(|name| settings.refused_columns.iter().any(|refused| refused == name)) {
        return refusals::logical("MXInvalidInputException", &format!("Unknown column {name}."));
    }
    let users = ids.iter().filter_map(|&id| world.user(id)).filter(|user| user.is_active || !only_active);
    match users.map(|user| row(world, settings, user, &columns::asked(body))).collect::<Result<Vec<_>, _>>() {
        Ok(rows) => Answer::json(200, &page(settings, rows)),
        Err(refusal) => refusal,
    }
}

fn meant(world: &mut LeadSquaredWorld, settings: &LeadSquaredSettings, id: Uuid) -> Vec<Uuid> {
    let mut ids = match settings.reach {
        Reach::Direct => world.reports(id).to_vec(),
        Reach::Subtree => world.below(id),
    };
    ids.retain(|id| !settings.hidden.contains(id));
    if settings.includes_queried && !ids.contains(&id) {
        ids.insert(0, id);
    }
    if settings.order == UserOrder::Shuffled {
        world.rng.shuffle(&mut ids);
    }
    ids
}

fn page(settings: &LeadSquaredSettings, mut rows: Vec<Map<String, Value>>) -> Value {
    let total = rows.len();
    rows.truncate(settings.row_cap);
    match settings.total {
        Total::Right => json!({"SearchInfo": {"TotalUsers": total}, "Users": rows}),
        Total::Wrong => json!({"SearchInfo": {"TotalUsers": total + 1}, "Users": rows}),
        Total::Absent => json!({"Users": rows}),
    }
}

fn row(world: &LeadSquaredWorld, settings: &LeadSquaredSettings, user: &User, asked: &[&str]) -> Result<Map<String, Value>, Answer> {
    let mut row = default_keys(settings, user);
    match settings.default_keys {
        _ if asked.is_empty() => {}
        DefaultKeys::Stay => {}
        DefaultKeys::OnlyUserId => row.retain(|key, _| key == "UserId"),
        DefaultKeys::Gone => row.clear(),
    }
    for &name in asked {
        add(&mut row, world, settings, user, name)?;
    }
    Ok(row)
}

fn add(
    row: &mut Map<String, Value>,
    world: &LeadSquaredWorld,
    settings: &LeadSquaredSettings,
    user: &User,
    name: &str,
) -> Result<(), Answer> {
    let known = default_keys(settings, user).remove(name).or_else(|| columns::value(world, settings, user, name));
    let value = match (name, known) {
        ("ManagerUserId", known) => match settings.manager_column {
            ManagerColumn::Given => {
                let manager = columns::value(world, settings, user, "ManagerName");
                row.insert("ManagerName".into(), manager.unwrap_or_default());
                known
            }
            ManagerColumn::Null => Some(Value::Null),
            ManagerColumn::Ignored => None,
            ManagerColumn::Fails => return Err(invalid()),
        },
        (_, Some(value)) => Some(value),
        (_, None) => match settings.unknown_column {
            UnknownColumn::Ignored => None,
            UnknownColumn::Null => Some(Value::Null),
            UnknownColumn::Fails => return Err(invalid()),
        },
    };
    row.extend(value.map(|value| (name.to_owned(), value)));
    Ok(())
}

fn invalid() -> Answer {
    refusals::logical("MXUnknownAttributeException", "User search has some invalid Attributes")
}

fn default_keys(settings: &LeadSquaredSettings, user: &User) -> Map<String, Value> {
    let boolean = |value: bool| match settings.booleans {
        Booleans::Strings => json!(value.to_string()),
        Booleans::Plain => json!(value),
    };
    let keys = [
        ("UserId", json!(user.id)),
        ("Name", json!(user.name)),
        ("Mobile", json!(user.mobile)),
        ("Email", json!(user.email)),
        ("CheckedIn", boolean(user.checked_in)),
        ("IsActive", boolean(user.is_active)),
    ];
    let mut row: Map<String, Value> = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    row.extend(user.extra.clone());
    row
}
