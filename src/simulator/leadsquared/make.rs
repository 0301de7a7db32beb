//! Makes users: mostly plain, some with everything that vendors' data has of oddities.

use chrono::DateTime;
use serde_json::{Map, Value, json};
use uuid::{Builder, Uuid};

use super::world::{LeadSquaredWorld, User};
use crate::simulator::names;

/// Which share of all users has which oddity, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flavour {
    /// Names that break text handling.
    pub odd_names: f64,
    /// No name.
    pub null_names: f64,
    /// U+0000 in the name.
    pub nul_characters: f64,
    /// No mobile.
    pub no_mobile: f64,
    /// No e-mail.
    pub no_email: f64,
    /// Deactivated, but still in the tree.
    pub inactive: f64,
    /// Keys that no page documents, in the hierarchy call's rows.
    pub unknown_keys: f64,
    /// The very `ModifiedOn` of the user made before.
    pub equal_times: f64,
}

impl Flavour {
    /// Nothing odd at all.
    pub const PLAIN: Self = Self {
        odd_names: 0.0,
        null_names: 0.0,
        nul_characters: 0.0,
        no_mobile: 0.0,
        no_email: 0.0,
        inactive: 0.0,
        unknown_keys: 0.0,
        equal_times: 0.0,
    };
}

impl Default for Flavour {
    /// Some of everything but U+0000.
    fn default() -> Self {
        Self { odd_names: 0.1, null_names: 0.02, no_mobile: 0.5, inactive: 0.08, unknown_keys: 0.05, equal_times: 0.5, ..Self::PLAIN }
    }
}

impl LeadSquaredWorld {
    /// A new user who reports to nobody yet; `level` decides role and designation.
    pub(super) fn make(&mut self, level: usize) -> Uuid {
        self.serial += 1;
        if !self.chance(self.flavour.equal_times) {
            self.now += 1;
        }
        let (flavour, serial) = (self.flavour, self.serial);
        let user = User {
            id: self.new_id(),
            name: self.name(),
            mobile: self.unless(flavour.no_mobile, format!("+91-9{:09}", serial * 37)),
            email: self.unless(flavour.no_email, format!("user{serial}@example.com")),
            checked_in: self.chance(0.4),
            is_active: !self.chance(flavour.inactive),
            manager: None,
            role: ["Administrator", "Sales_Manager", "Sales_Manager", "Sales_User"][level.min(3)].to_owned(),
            created_on: DateTime::from_timestamp(self.now - self.rng.i64(3_600..40_000_000), 0).unwrap_or_default(),
            modified_on: DateTime::from_timestamp(self.now, 0).unwrap_or_default(),
            columns: self.columns(level),
            extra: if self.chance(flavour.unknown_keys) { unknown() } else { Map::new() },
        };
        let id = user.id;
        self.roster.push(id);
        self.users.insert(id, user);
        id
    }

    fn new_id(&mut self) -> Uuid {
        Builder::from_random_bytes(self.rng.u128(..).to_le_bytes()).into_uuid()
    }

    fn name(&mut self) -> Option<String> {
        if self.chance(self.flavour.null_names) {
            return None;
        }
        let plain = format!("{} {}", names::first(&mut self.rng), names::last(&mut self.rng));
        let name = if self.chance(self.flavour.odd_names) { names::odd(&mut self.rng) } else { plain };
        Some(if self.chance(self.flavour.nul_characters) { format!("{name}\0end") } else { name })
    }

    fn columns(&mut self, level: usize) -> Map<String, Value> {
        let designation = ["Head", "Director", "Area Manager", "Team Lead", "Agent"][level.min(4)];
        let columns = [
            ("Designation", json!(designation)),
            ("Department", if self.chance(0.3) { Value::Null } else { json!("Sales") }),
            ("EmployeeId", json!(format!("E-{:05}", self.serial))),
            ("IsEmployee", json!("true")),
            ("DateOfBirth", json!(format!("19{:02}-{:02}-{:02}", self.rng.u8(60..99), self.rng.u8(1..=12), self.rng.u8(1..=28)))),
            ("TimeZone", json!("Asia/Kolkata")),
            ("AutoUserId", json!(self.serial + 400)),
            ("mx_Custom_1", json!(names::city(&mut self.rng))),
        ];
        columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn unless(&mut self, share: f64, value: String) -> Option<String> {
        (!self.chance(share)).then_some(value)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }
}

fn unknown() -> Map<String, Value> {
    [("PhotoUrl".to_owned(), Value::Null), ("Skills".to_owned(), json!({"Names": ["a", "b"], "Score": 2.5}))].into_iter().collect()
}
