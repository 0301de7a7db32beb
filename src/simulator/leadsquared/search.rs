//! User Advanced Search: all users that fit some conditions, page by page.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    columns, refusals,
    settings::{LeadSquaredSettings, UserOrder},
    world::{LeadSquaredWorld, User},
};
use crate::simulator::answer::Answer;

const LARGEST_PAGE: u64 = 1000;
/// Every row has these; those not asked for are null.
const ATTRIBUTES: [&str; 19] = [
    "UserId",
    "FirstName",
    "LastName",
    "EmailAddress",
    "PhoneMobile",
    "PhoneMain",
    "TeamId",
    "Groups",
    "Role",
    "StatusCode",
    "IsCheckedIn",
    "ManagerUserId",
    "CreatedOn",
    "ModifiedOn",
    "Designation",
    "Department",
    "EmployeeId",
    "TimeZone",
    "mx_Custom_1",
];

/// Get User By Id: one user with all attributes, or none.
pub(super) fn user(world: &LeadSquaredWorld, settings: &LeadSquaredSettings, id: Option<&str>) -> Answer {
    let id = id.and_then(|id| id.parse().ok()).filter(|id| settings.own_row && !settings.hidden.contains(id));
    let found = id.and_then(|id| world.user(id));
    let value = |user: &User, name: &str| columns::value(world, settings, user, name);
    let asked: Vec<&str> = ATTRIBUTES.into_iter().chain(["ManagerName"]).collect();
    let rows: Vec<Map<String, Value>> = found.map(|user| row(user, &asked, &value)).into_iter().collect();
    Answer::json(200, &json!(rows))
}

pub(super) fn answer(world: &mut LeadSquaredWorld, settings: &LeadSquaredSettings, body: &Value) -> Answer {
    if !settings.may_search {
        return refusals::logical("MXInvalidInputException", "User does not have access to search users.");
    }
    let mut ids: Vec<Uuid> = world.roster.iter().copied().filter(|id| !settings.hidden.contains(id)).collect();
    if settings.order == UserOrder::Shuffled {
        world.rng.shuffle(&mut ids);
    }
    match find(world, settings, body, &ids) {
        Ok(rows) => Answer::json(200, &json!({"Users": rows})),
        Err(message) => refusals::logical("MXInvalidInputException", &message),
    }
}

fn find(world: &LeadSquaredWorld, settings: &LeadSquaredSettings, body: &Value, ids: &[Uuid]) -> Result<Vec<Map<String, Value>>, String> {
    let asked = columns::asked(body);
    let mut users: Vec<&User> = ids.iter().filter_map(|&id| world.user(id)).collect();
    let is_unsaid = |user: &User, name: &str| name.starts_with("Manager") && settings.unmanaged.contains(&user.id);
    let value = |user: &User, name: &str| {
        if is_unsaid(user, name) { Some(Value::Null) } else { columns::value(world, settings, user, name) }
    };
    let is_refused = |name: &str| settings.refused_columns.iter().any(|refused| refused == name);
    let known = |name: &str| !is_refused(name) && users.first().is_none_or(|user| value(user, name).is_some());
    check(settings, &asked, &used(body).collect::<Vec<_>>(), known)?;
    let (skip, take) = paging(body)?;
    let take = take.min(settings.search_cap);
    let text = |user: &User, name: &str| as_text(value(user, name).unwrap_or_default());
    users.retain(|user| fits(body, |name| text(user, name)));
    sort(body, &mut users, &text);
    Ok(users.into_iter().skip(skip).take(take).map(|user| row(user, &asked, &value)).collect())
}

fn row(user: &User, asked: &[&str], value: &impl Fn(&User, &str) -> Option<Value>) -> Map<String, Value> {
    let mut row: Map<String, Value> = ATTRIBUTES.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    // Asking for the manager brings the manager's name too, which must not be asked for.
    let brought = asked.contains(&"ManagerUserId").then_some("ManagerName");
    for name in asked.iter().copied().chain(brought).chain(["UserId"]) {
        row.insert(name.to_owned(), value(user, name).unwrap_or_default());
    }
    row
}

fn check(settings: &LeadSquaredSettings, asked: &[&str], used: &[&str], known: impl Fn(&str) -> bool) -> Result<(), String> {
    let invalid = |name: &&str| matches!(*name, "ManagerName" | "TeamName") || !known(name);
    let by_time = !settings.searches_modified_on && used.contains(&"ModifiedOn");
    let refused = by_time || asked.iter().chain(used).any(invalid);
    if refused { Err("User search has some invalid Attributes".to_owned()) } else { Ok(()) }
}

/// Names that conditions and sortings use.
fn used(body: &Value) -> impl Iterator<Item = &str> {
    let names = conditions(body).map(|condition| &condition["LookupName"]).chain(sortings(body).map(|sorting| &sorting["ColumnName"]));
    names.filter_map(Value::as_str)
}

fn groups(body: &Value) -> impl Iterator<Item = &Value> {
    body["GroupConditions"].as_array().into_iter().flatten()
}

fn conditions(body: &Value) -> impl Iterator<Item = &Value> {
    groups(body).filter_map(|group| group["Condition"].as_array()).flatten()
}

/// A list, or one object.
fn sortings(body: &Value) -> impl Iterator<Item = &Value> {
    let sorting = &body["Sorting"];
    sorting.as_array().into_iter().flatten().chain(sorting.is_object().then_some(sorting))
}

fn paging(body: &Value) -> Result<(usize, usize), String> {
    let paging = &body["Paging"];
    let page = paging.get("PageIndex").map_or(Some(1), Value::as_u64).filter(|&page| page > 0);
    let page = page.ok_or("PageIndex is not valid")?;
    let size = paging.get("PageSize").map_or(Some(100), Value::as_u64).filter(|&size| size > 0);
    let size = size.ok_or("PageSize is not valid")?;
    if size > LARGEST_PAGE {
        return Err(format!("PageSize can't be greater than {LARGEST_PAGE}"));
    }
    Ok(((size * (page - 1)) as usize, size as usize))
}

/// Conditions and groups count from left to right, each joined to those before by the operator that the one before names.
fn fits(body: &Value, text: impl Fn(&str) -> String) -> bool {
    let group = |group: &Value| {
        let conditions = group["Condition"].as_array().into_iter().flatten();
        join(conditions.map(|condition| (holds(condition, &text), condition["ConditionOperator"].as_str())))
    };
    join(groups(body).map(|value| (group(value), value["GroupOperator"].as_str())))
}

fn join<'a>(parts: impl Iterator<Item = (bool, Option<&'a str>)>) -> bool {
    let mut result = None;
    let mut operator = "and";
    for (part, next) in parts {
        result = Some(match result {
            None => part,
            Some(before) if operator.eq_ignore_ascii_case("or") => before || part,
            Some(before) => before && part,
        });
        operator = next.unwrap_or("and");
    }
    result.unwrap_or(true)
}

fn holds(condition: &Value, text: impl Fn(&str) -> String) -> bool {
    let given = text(condition["LookupName"].as_str().unwrap_or_default()).to_lowercase();
    let wanted = as_text(condition["LookupValue"].clone()).to_lowercase();
    match condition["Operator"].as_str().unwrap_or_default() {
        "lik" => given.contains(&wanted),
        "neq" => given != wanted,
        "gt" => given > wanted,
        "gte" => given >= wanted,
        "lt" => given < wanted,
        "lte" => given <= wanted,
        _ => given == wanted,
    }
}

/// By the last key first: the sort is stable, so the first key has the last word.
fn sort(body: &Value, users: &mut [&User], text: &impl Fn(&User, &str) -> String) {
    let keys: Vec<&Value> = sortings(body).collect();
    for key in keys.into_iter().rev() {
        let name = key["ColumnName"].as_str().unwrap_or_default();
        // Turned round before and after, equal users keep their order in a descending sort too.
        let turn = |users: &mut [&User]| {
            if descends(key) {
                users.reverse()
            }
        };
        turn(users);
        users.sort_by_cached_key(|user| text(user, name));
        turn(users);
    }
}

fn descends(sorting: &Value) -> bool {
    let direction = as_text(sorting["Direction"].clone());
    direction.eq_ignore_ascii_case("desc") || direction == "1"
}

fn as_text(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}
