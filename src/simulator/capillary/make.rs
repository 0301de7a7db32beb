//! Makes customers: mostly plain, some with everything that vendors' data has of oddities.

use chrono::DateTime;
use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::world::{CapillaryWorld, Channel, Customer, Profile};
use crate::simulator::names;

/// The role of each level; a hierarchy has eight at most.
const ROLES: [&str; 8] = ["Head", "Director", "RegionManager", "AreaManager", "Manager", "Supervisor", "Seller", "Helper"];
const SOURCES: [&str; 4] = ["INSTORE", "ECOMMERCE", "WECHAT", "WEBSITE"];

/// Which share of all customers has which oddity, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flavour {
    /// Two or three profiles.
    pub several_profiles: f64,
    /// Names that break text handling.
    pub odd_names: f64,
    /// No first or no last name.
    pub null_names: f64,
    /// U+0000 in a name and in an extended field.
    pub nul_characters: f64,
    /// No mobile.
    pub no_mobile: f64,
    /// No e-mail.
    pub no_email: f64,
    /// No external id.
    pub no_external_id: f64,
    /// No identifier at all: its children cannot be asked for.
    pub no_identifier: f64,
    /// The e-mail of another customer.
    pub shared_email: f64,
    /// An external id full of characters that a URL must escape.
    pub odd_external_id: f64,
    /// Fields that no page documents, in the row and in its first profile.
    pub unknown_fields: f64,
    /// The very stamp of the customer made before.
    pub equal_stamps: f64,
    /// An id beyond what a double holds.
    pub wide_ids: f64,
}

impl Flavour {
    /// Nothing odd at all; everybody has all four identifiers.
    pub const PLAIN: Self = Self {
        several_profiles: 0.0,
        odd_names: 0.0,
        null_names: 0.0,
        nul_characters: 0.0,
        no_mobile: 0.0,
        no_email: 0.0,
        no_external_id: 0.0,
        no_identifier: 0.0,
        shared_email: 0.0,
        odd_external_id: 0.0,
        unknown_fields: 0.0,
        equal_stamps: 0.0,
        wide_ids: 0.0,
    };
}

impl Default for Flavour {
    /// Some of everything but U+0000 and customers without identifiers, which a mirror reports.
    fn default() -> Self {
        Self {
            several_profiles: 0.15,
            odd_names: 0.1,
            null_names: 0.03,
            no_mobile: 0.1,
            no_email: 0.2,
            no_external_id: 0.2,
            shared_email: 0.05,
            odd_external_id: 0.05,
            unknown_fields: 0.05,
            equal_stamps: 0.5,
            wide_ids: 0.02,
            ..Self::PLAIN
        }
    }
}

impl CapillaryWorld {
    /// A new customer that stands nowhere yet; `level` decides the role.
    pub(super) fn make(&mut self, level: usize) -> i64 {
        self.serial += 1;
        let id = self.new_id();
        if !self.chance(self.flavour.equal_stamps) {
            self.now += 1;
        }
        let customer = Customer {
            id,
            profiles: self.profiles(),
            extended_fields: self.extended_fields(),
            role_code: Some(ROLES[level.min(ROLES.len() - 1)].to_owned()),
            created_date: DateTime::from_timestamp(self.now - self.rng.i64(3_600..40_000_000), 0).unwrap_or_default(),
            default_child: self.serial % 9 == 2,
            extra: self.unknown(),
        };
        self.add(customer)
    }

    /// Ids are spread, so that a place in a list is never mistaken for one.
    fn new_id(&mut self) -> i64 {
        let wide = self.chance(self.flavour.wide_ids);
        loop {
            let id = if wide { (1 << 53) + self.rng.i64(1..1_000_000_000) * 2 + 1 } else { self.rng.i64(500_000_000..4_000_000_000) };
            if !self.customers.contains_key(&id) {
                return id;
            }
        }
    }

    fn profiles(&mut self) -> Vec<Profile> {
        let count = if self.chance(self.flavour.several_profiles) { self.rng.usize(2..=3) } else { 1 };
        (0..count).map(|place| self.profile(place)).collect()
    }

    fn profile(&mut self, place: usize) -> Profile {
        let (first, last) = (self.name(names::first), self.name(names::last));
        // The latest profile is not always the first, and two can be equally late.
        let age = if place == 0 { self.rng.i64(0..2) } else { self.rng.i64(0..3) };
        let source = SOURCES[place % SOURCES.len()];
        let identifiers = if place == 0 { self.identifiers() } else { vec![(source.to_lowercase(), format!("{source}-{}", self.serial))] };
        Profile {
            first_name: first,
            last_name: last,
            fields: if self.chance(0.2) { map(json!({"shirt_size": "M", "opt_in": true, "score": 7.25})) } else { Map::new() },
            channels: self.channels(&identifiers),
            identifiers,
            source: source.to_owned(),
            account_id: if source == "WECHAT" { format!("wx{:08x}", self.serial) } else { String::new() },
            auto_update_time: DateTime::from_timestamp(self.now - 60 * age, 0).unwrap_or_default(),
            extra: if place == 0 { self.unknown() } else { Map::new() },
        }
    }

    fn name(&mut self, plain: fn(&mut Rng) -> String) -> Option<String> {
        if self.chance(self.flavour.null_names) {
            return None;
        }
        let name = if self.chance(self.flavour.odd_names) { names::odd(&mut self.rng) } else { plain(&mut self.rng) };
        Some(if self.chance(self.flavour.nul_characters) { format!("{name}\0end") } else { name })
    }

    /// Everybody keeps the card number, unless nothing at all is wanted.
    fn identifiers(&mut self) -> Vec<(String, String)> {
        let (flavour, serial) = (self.flavour, self.serial);
        if self.chance(flavour.no_identifier) {
            return Vec::new();
        }
        let shared = self.chance(flavour.shared_email);
        let email = if shared { 1 } else { serial };
        let external = if self.chance(flavour.odd_external_id) { format!("E/{serial} ä&=+%23?#") } else { format!("EMP-{serial:06}") };
        // Who has no e-mail of its own keeps the mobile, else asking by e-mail would lead to somebody else's children.
        let no_mobile = if shared { 0.0 } else { flavour.no_mobile };
        let all = [
            ("mobile", no_mobile, format!("91{:010}", 5_000_000_000 + serial * 37)),
            ("email", flavour.no_email, format!("person{email}@example.com")),
            ("externalId", flavour.no_external_id, external),
            ("cardnumber", 0.0, format!("C{:012}", 770_000 + serial * 11)),
        ];
        all.into_iter().filter(|(_, share, _)| !self.chance(*share)).map(|(kind, _, value)| (kind.to_owned(), value)).collect()
    }

    fn channels(&mut self, identifiers: &[(String, String)]) -> Vec<Channel> {
        let reachable = identifiers.iter().filter(|(kind, _)| kind == "mobile" || kind == "email");
        let channel = |(kind, value): &(String, String)| Channel {
            kind: kind.clone(),
            value: value.clone(),
            primary: kind == "mobile",
            verified: self.rng.bool(),
            meta: map(json!({"residence": false, "office": self.rng.bool()})),
            attributes: if self.rng.u8(..4) == 0 { map(json!({"subscribed": true})) } else { Map::new() },
        };
        reachable.map(channel).collect()
    }

    fn extended_fields(&mut self) -> Map<String, Value> {
        let mut fields = Map::new();
        if self.chance(0.7) {
            fields.insert("city".into(), names::city(&mut self.rng).into());
            fields.insert("gender".into(), if self.rng.bool() { "Female" } else { "Male" }.into());
        }
        if self.chance(self.flavour.nul_characters) {
            fields.insert("note".into(), "a\0b".into());
        }
        fields
    }

    fn unknown(&mut self) -> Map<String, Value> {
        if !self.chance(self.flavour.unknown_fields) {
            return Map::new();
        }
        map(json!({"loyaltyTier": "gold", "scores": [1, 2.5, null], "nested": {"deep": {"deeper": "\u{1f9ed}"}}}))
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
