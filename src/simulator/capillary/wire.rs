//! Customers as the vendor writes them, keys in the example's order.

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    bulk::Query,
    settings::{CapillarySettings, CountMeans, Ids, Offset, ParentCustomer},
    world::{CapillaryWorld, Channel, Customer, Profile},
};

const INDIA_SECONDS_EAST: i32 = 19_800;

#[derive(Serialize)]
pub(super) struct Body<'a> {
    entity: Entity<'a>,
    warnings: [(); 0],
    errors: [(); 0],
    success: bool,
}

#[derive(Serialize)]
struct Entity<'a> {
    customers: Vec<Row<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    errors: [(); 0],
    warnings: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(flatten)]
    person: Person<'a>,
    /// The inner `None` is a role that is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    role_code: Option<&'a Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_of_children: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_child: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_customer: Option<Person<'a>>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Person<'a> {
    profiles: Vec<ProfileRow<'a>>,
    extended_fields: &'a Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileRow<'a> {
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    fields: &'a Map<String, Value>,
    identifiers: Vec<Identifier<'a>>,
    comm_channels: Vec<ChannelRow<'a>>,
    source: &'a str,
    user_id: UserId,
    account_id: &'a str,
    conflicting_profile_list: [(); 0],
    auto_update_time: String,
    identifiers_all: Vec<Identifier<'a>>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct Identifier<'a> {
    r#type: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct ChannelRow<'a> {
    r#type: &'a str,
    value: &'a str,
    primary: bool,
    verified: bool,
    meta: &'a Map<String, Value>,
    attributes: &'a Map<String, Value>,
}

struct UserId(i64, Ids);

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Ids::Number => serializer.serialize_i64(self.0),
            Ids::Text => serializer.collect_str(&self.0),
        }
    }
}

/// The page of this list that the query asks for.
pub(super) fn body<'a>(world: &'a CapillaryWorld, settings: &CapillarySettings, query: &Query<'_>, ids: &[i64]) -> Body<'a> {
    let rows = ids.iter().skip(query.offset).take(query.limit).filter_map(|&id| world.customer(id));
    let customers: Vec<Row<'a>> = rows.map(|customer| row(world, settings, query, customer)).collect();
    let count = match settings.count {
        CountMeans::Page => Some(customers.len()),
        CountMeans::Total => Some(ids.len()),
        CountMeans::Absent => None,
    };
    Body { entity: Entity { customers, count, errors: [], warnings: [] }, warnings: [], errors: [], success: true }
}

/// A customer by itself, with what stands beside it in a list.
pub(super) fn alone<'a>(settings: &CapillarySettings, customer: &'a Customer) -> impl Serialize + use<'a> {
    Row {
        person: person(settings, customer),
        role_code: Some(&customer.role_code),
        created_date: Some(time(settings, customer.created_date)),
        no_of_children: None,
        default_child: None,
        parent_customer: None,
        extra: &customer.extra,
    }
}

fn row<'a>(world: &'a CapillaryWorld, settings: &CapillarySettings, query: &Query<'_>, customer: &'a Customer) -> Row<'a> {
    let details = query.with_details || !settings.details_need_flag;
    let counted = query.with_no_of_children && settings.gives_no_of_children;
    let parent = || world.parents(customer.id).first().and_then(|&parent| world.customer(parent));
    let shown_parent = if settings.parent_customer == ParentCustomer::Beside && details { parent() } else { None };
    Row {
        person: person(settings, customer),
        role_code: details.then_some(&customer.role_code),
        created_date: details.then(|| time(settings, customer.created_date)),
        no_of_children: counted.then(|| world.children(customer.id).len()),
        default_child: details.then_some(customer.default_child),
        parent_customer: shown_parent.map(|parent| person(settings, parent)),
        extra: &customer.extra,
    }
}

fn person<'a>(settings: &CapillarySettings, customer: &'a Customer) -> Person<'a> {
    let profiles = customer.profiles.iter().map(|profile| profile_row(settings, customer.id, profile)).collect();
    Person { profiles, extended_fields: &customer.extended_fields }
}

fn profile_row<'a>(settings: &CapillarySettings, id: i64, profile: &'a Profile) -> ProfileRow<'a> {
    let identifiers = || profile.identifiers.iter().map(|(kind, value)| Identifier { r#type: kind, value }).collect();
    ProfileRow {
        first_name: profile.first_name.as_deref(),
        last_name: profile.last_name.as_deref(),
        fields: &profile.fields,
        identifiers: identifiers(),
        comm_channels: profile.channels.iter().map(channel_row).collect(),
        source: &profile.source,
        user_id: UserId(id, settings.ids),
        account_id: &profile.account_id,
        conflicting_profile_list: [],
        auto_update_time: time(settings, profile.auto_update_time),
        identifiers_all: identifiers(),
        extra: &profile.extra,
    }
}

fn channel_row(channel: &Channel) -> ChannelRow<'_> {
    let Channel { kind, value, primary, verified, meta, attributes } = channel;
    ChannelRow { r#type: kind, value, primary: *primary, verified: *verified, meta, attributes }
}

fn time(settings: &CapillarySettings, time: DateTime<Utc>) -> String {
    let east = FixedOffset::east_opt(INDIA_SECONDS_EAST).filter(|_| settings.offset == Offset::India);
    match east {
        Some(east) => time.with_timezone(&east).to_rfc3339_opts(SecondsFormat::Secs, false),
        None => time.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}
