//! `GET /v2/customers/bulk` and `GET /v2/customers/lookup`: checks the query, answers with a page.

use serde_json::json;

use super::{
    list, refusals,
    settings::{CapillarySettings, ErrorsIn, Lookup, Order, OverLimit, SortBy, UnknownParent},
    wire,
    world::CapillaryWorld,
};
use crate::simulator::{answer::Answer, request::Request};

const SOURCES: [&str; 11] =
    ["FACEBOOK", "WEB_ENGAGE", "WECHAT", "INSTORE", "MARTJACK", "TMALL", "TAOBAO", "JD", "ECOMMERCE", "WEBSITE", "LINE"];
const ENTITY_TYPES: [&str; 3] = ["parentCustomer", "company", "parentChildCustomer"];

/// The query of `customers/bulk`, checked.
pub(super) struct Query<'a> {
    pub(super) entity_type: &'a str,
    pub(super) kind: &'a str,
    pub(super) value: &'a str,
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) order: Order,
    pub(super) sort_by: Option<&'a str>,
    pub(super) with_no_of_children: bool,
    pub(super) with_details: bool,
}

pub(super) fn answer(world: &CapillaryWorld, settings: &CapillarySettings, request: &Request) -> Answer {
    let query = match Query::read(settings, request) {
        Ok(query) => query,
        Err(refusal) => return refusal,
    };
    if let Some(body) = &settings.fixed_body {
        return Answer::raw(200, "application/json;charset=utf-8", body.as_str());
    }
    match (list::find(world, settings, &query), settings.unknown_parent) {
        (Some(ids), _) => Answer::json(200, &wire::body(world, settings, &query, &ids)),
        (None, UnknownParent::EmptyList) => Answer::json(200, &wire::body(world, settings, &query, &[])),
        (None, UnknownParent::Error(status)) => nobody(settings, status),
    }
}

pub(super) fn lookup(world: &CapillaryWorld, settings: &CapillarySettings, request: &Request) -> Answer {
    if settings.lookup == Lookup::Missing {
        return Answer::html(404);
    }
    let (Some(kind), Some(value)) = (request.param("identifierName"), request.param("identifierValue")) else {
        return refusals::bad_request();
    };
    if let Err(refusal) = check_source(settings, request, true) {
        return refusal;
    }
    let found = world.find(kind, value).filter(|_| settings.lookup == Lookup::On);
    let status = if let UnknownParent::Error(status) = settings.unknown_parent { status } else { 404 };
    found.map_or_else(|| nobody(settings, status), |id| Answer::json(200, &json!({"entity": id, "warnings": []})))
}

/// One customer by its id, as a row of a list.
pub(super) fn customer(world: &CapillaryWorld, settings: &CapillarySettings, request: &Request, id: Option<i64>) -> Answer {
    if !settings.own_row {
        return Answer::html(404);
    }
    if let Err(refusal) = check_source(settings, request, true) {
        return refusal;
    }
    let found = id.and_then(|id| world.customer(id));
    found.map_or_else(
        || nobody(settings, 404),
        |customer| Answer::json(200, &json!({"entity": wire::alone(settings, customer), "warnings": []})),
    )
}

fn nobody(settings: &CapillarySettings, status: u16) -> Answer {
    refusals::item(status, settings.errors_in, 8015, "Customer not found for the given identifiers")
}

impl<'a> Query<'a> {
    fn read(settings: &CapillarySettings, request: &'a Request) -> Result<Self, Answer> {
        check_source(settings, request, settings.source_required)?;
        let kind = mandatory(request, "associationEntityIdentifierType")?;
        if !settings.identifier_types.iter().any(|known| known == kind) {
            return Err(refusals::item(400, ErrorsIn::Top, 8013, "Identifier is invalid"));
        }
        let entity_type = mandatory(request, "associationEntityType")?;
        if !ENTITY_TYPES.contains(&entity_type) {
            return Err(refusals::bad_request());
        }
        Ok(Self {
            entity_type,
            kind,
            value: mandatory(request, "associationEntityIdentifierValue")?,
            limit: limit(settings, request)?,
            offset: number(request, "offset")?.unwrap_or(0),
            order: order(settings, request)?,
            sort_by: sort_by(settings, request)?,
            with_no_of_children: request.flag("includeNoOfChildren"),
            with_details: request.flag("includeCustomerAssociateDetail"),
        })
    }
}

fn mandatory<'a>(request: &'a Request, name: &str) -> Result<&'a str, Answer> {
    match request.param(name) {
        None => Err(refusals::bad_request()),
        Some("") => Err(refusals::item(400, ErrorsIn::Top, 11013, &format!("Query parameter {name} is mandatory"))),
        Some(value) => Ok(value),
    }
}

fn check_source(settings: &CapillarySettings, request: &Request, required: bool) -> Result<(), Answer> {
    let Some(source) = request.param("source") else {
        return if required { Err(refusals::bad_request()) } else { Ok(()) };
    };
    let known = |known: &&str| if settings.source_in_capitals { source == *known } else { source.eq_ignore_ascii_case(known) };
    if !SOURCES.iter().chain(&["ALL"]).any(known) {
        return Err(refusals::item(400, ErrorsIn::Top, 8003, "Invalid source"));
    }
    let several_accounts = ["WECHAT", "FACEBOOK"].iter().any(|several| source.eq_ignore_ascii_case(several));
    if settings.account_required && several_accounts && request.param("accountId").is_none_or(str::is_empty) {
        return Err(refusals::item(400, ErrorsIn::Top, 8045, "Account id is not passed"));
    }
    Ok(())
}

/// A limit that is not positive falls back, as on a sibling endpoint.
fn limit(settings: &CapillarySettings, request: &Request) -> Result<usize, Answer> {
    let wanted = number(request, "limit")?.filter(|&limit| limit > 0).unwrap_or(settings.default_limit);
    match settings.over_limit {
        OverLimit::Refuse if wanted > settings.max_limit => Err(refusals::bad_request()),
        _ => Ok(wanted.min(settings.max_limit)),
    }
}

fn number(request: &Request, name: &str) -> Result<Option<usize>, Answer> {
    request.param(name).map(|text| text.parse().map_err(|_| refusals::bad_request())).transpose()
}

fn order(settings: &CapillarySettings, request: &Request) -> Result<Order, Answer> {
    match request.param("sortOrder") {
        None => Ok(settings.default_order),
        Some("ASC") => Ok(Order::Asc),
        Some("DESC") => Ok(Order::Desc),
        Some(_) => Err(refusals::bad_request()),
    }
}

fn sort_by<'a>(settings: &CapillarySettings, request: &'a Request) -> Result<Option<&'a str>, Answer> {
    match (request.param("sortBy"), settings.sort_by) {
        (None, _) | (Some(_), SortBy::Ignored) => Ok(None),
        (Some(key @ ("createdon" | "lastUpdatedOn")), SortBy::Accepted) => Ok(Some(key)),
        (Some(_), SortBy::Accepted | SortBy::Refused) => Err(refusals::bad_request()),
    }
}
