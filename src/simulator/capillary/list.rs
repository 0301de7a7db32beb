//! Which customers a query means, in which order.

use super::{
    bulk::Query,
    settings::{CapillarySettings, Order, SortBy},
    world::{CapillaryWorld, Customer},
};

/// The whole list; `None`: nobody has the identifier.
pub(super) fn find(world: &CapillaryWorld, settings: &CapillarySettings, query: &Query<'_>) -> Option<Vec<i64>> {
    let mut ids = meant(world, settings, query)?;
    let sort: fn(&Customer) -> i64 = match query.sort_by {
        Some("lastUpdatedOn") => last_update,
        _ => |customer| customer.created_date.timestamp(),
    };
    if query.sort_by.is_some() && settings.sort_by == SortBy::Accepted {
        ids.sort_by_key(|&id| world.customer(id).map(sort));
    }
    if query.order == Order::Desc {
        ids.reverse();
    }
    Some(ids)
}

/// `parentChildCustomer` gives the customer's parents and children together, as the example's title says.
fn meant(world: &CapillaryWorld, settings: &CapillarySettings, query: &Query<'_>) -> Option<Vec<i64>> {
    let named = || world.find(query.kind, query.value);
    match query.entity_type {
        "company" => (query.value == settings.company).then(|| world.customers().map(|customer| customer.id).collect()),
        "parentChildCustomer" => named().map(|id| [world.parents(id), world.children(id)].concat()),
        _ => named().map(|id| world.children(id).to_vec()),
    }
}

fn last_update(customer: &Customer) -> i64 {
    let stamps = customer.profiles.iter().map(|profile| profile.auto_update_time.timestamp());
    stamps.max().unwrap_or_default()
}
