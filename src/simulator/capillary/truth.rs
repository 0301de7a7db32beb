//! What a mirror of a Capillary organisation must hold, by the names of the published columns.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::world::{CapillaryWorld, Customer, Profile};
use crate::simulator::truth::{Truth, storable};

impl CapillaryWorld {
    /// Everything below these roots. `no_of_children` is that of the world, whether the vendor gives it or not;
    /// single values come from the profile with the latest stamp, of equals the first by source and account.
    pub fn truth(&self, roots: &[i64]) -> Truth {
        let nodes = self.forest.below(roots).into_iter().filter_map(|id| Some((id.to_string(), self.row(id)?)));
        let links = self.forest.links_below(roots).into_iter();
        Truth {
            roots: roots.iter().map(i64::to_string).collect(),
            nodes: nodes.collect(),
            links: links.map(|(parent, child)| (parent.to_string(), child.to_string())).collect(),
        }
    }

    fn row(&self, id: i64) -> Option<Map<String, Value>> {
        let customer = self.customers.get(&id)?;
        let lead = lead(customer)?;
        let mut row = Map::new();
        let mut put = |column: &str, value: Value| row.insert(column.to_owned(), storable(value));
        put("first_name", json!(lead.first_name));
        put("last_name", json!(lead.last_name));
        put("email", json!(contact(lead, "email")));
        put("mobile", json!(contact(lead, "mobile")));
        put("external_id", json!(contact(lead, "externalId")));
        put("account_id", json!(lead.account_id));
        put("profile_source", json!(lead.source));
        put("role_code", json!(customer.role_code));
        put("no_of_children", json!(self.children(id).len()));
        put("default_child", json!(customer.default_child));
        put("created_at", time(customer.created_date));
        put("auto_update_time", time(lead.auto_update_time));
        put("extended_fields", json!(customer.extended_fields));
        put("profiles", json!(customer.profiles.len()));
        put("identifiers", json!(customer.profiles.iter().flat_map(|profile| &profile.identifiers).collect::<Vec<_>>()));
        put("channels", json!(customer.profiles.iter().map(|profile| profile.channels.len()).sum::<usize>()));
        Some(row)
    }
}

fn lead(customer: &Customer) -> Option<&Profile> {
    let latest = customer.profiles.iter().map(|profile| profile.auto_update_time).max()?;
    let late = customer.profiles.iter().filter(|profile| profile.auto_update_time == latest);
    late.min_by_key(|profile| (&profile.source, &profile.account_id))
}

/// An identifier, else a channel of that type, a primary one first; of equals the least.
fn contact<'a>(profile: &'a Profile, kind: &str) -> Option<&'a str> {
    let identifier = profile.identifiers.iter().filter(|(given, value)| given == kind && !value.is_empty()).min();
    let mut channels: Vec<_> = profile.channels.iter().filter(|channel| channel.kind == kind && !channel.value.is_empty()).collect();
    channels.sort_by_key(|channel| (!channel.primary, &channel.value));
    identifier.map(|(_, value)| value.as_str()).or_else(|| channels.first().map(|channel| channel.value.as_str()))
}

fn time(time: DateTime<Utc>) -> Value {
    json!(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
