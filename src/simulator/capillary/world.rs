//! A Capillary organisation's customers and their order: plain data and the index by identifier.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use fastrand::Rng;
use serde_json::{Map, Value};

use super::make::Flavour;
use crate::simulator::{
    forest::{Forest, Place},
    shape::{Shape, Tree},
};

/// The world's first instant, in seconds of Unix time: 2025-03-02T08:00:00Z.
const FIRST_INSTANT: i64 = 1_740_902_400;

/// All customers. Read freely; change through its methods, which keep the index and the stamps.
#[derive(Debug, Clone)]
pub struct CapillaryWorld {
    pub(super) customers: BTreeMap<i64, Customer>,
    pub(super) forest: Forest<i64>,
    pub(super) roots: Vec<i64>,
    pub(super) flavour: Flavour,
    pub(super) rng: Rng,
    pub(super) now: i64,
    pub(super) serial: u64,
    index: HashMap<(String, String), Vec<i64>>,
}

/// One customer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Customer {
    /// `userId`, the same in all profiles.
    pub id: i64,
    /// At least one.
    pub profiles: Vec<Profile>,
    /// `extendedFields`.
    pub extended_fields: Map<String, Value>,
    /// `roleCode`.
    pub role_code: Option<String>,
    /// `createdDate`.
    pub created_date: DateTime<Utc>,
    /// `defaultChild`.
    pub default_child: bool,
    /// Further fields of the row, which no page documents.
    pub extra: Map<String, Value>,
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// `firstName`.
    pub first_name: Option<String>,
    /// `lastName`.
    pub last_name: Option<String>,
    /// `fields`.
    pub fields: Map<String, Value>,
    /// `identifiers`: type and value.
    pub identifiers: Vec<(String, String)>,
    /// `commChannels`.
    pub channels: Vec<Channel>,
    /// `source`.
    pub source: String,
    /// `accountId`.
    pub account_id: String,
    /// `autoUpdateTime`.
    pub auto_update_time: DateTime<Utc>,
    /// Further fields of the profile, which no page documents.
    pub extra: Map<String, Value>,
}

/// One entry of `commChannels`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Channel {
    /// `type`.
    pub kind: String,
    /// `value`.
    pub value: String,
    /// `primary`.
    pub primary: bool,
    /// `verified`.
    pub verified: bool,
    /// `meta`.
    pub meta: Map<String, Value>,
    /// `attributes`.
    pub attributes: Map<String, Value>,
}

impl CapillaryWorld {
    /// Nobody yet. The seed decides all data that will be made.
    pub fn new(seed: u64, flavour: Flavour) -> Self {
        Self {
            customers: BTreeMap::new(),
            forest: Forest::default(),
            roots: Vec::new(),
            flavour,
            rng: Rng::with_seed(seed),
            now: FIRST_INSTANT,
            serial: 0,
            index: HashMap::new(),
        }
    }

    /// One root with this tree below it, and data with some of everything odd.
    pub fn grow(tree: Tree) -> Self {
        let mut world = Self::new(tree.seed, Flavour::default());
        world.plant(&tree.shape());
        world
    }

    /// A further root with a tree of this shape below it. Children stand in the order of their numbers.
    pub fn plant(&mut self, shape: &Shape) -> i64 {
        let root = self.make(0);
        let mut ids = Vec::with_capacity(shape.parents().len());
        for (parent, level) in shape.parents().iter().zip(shape.levels()) {
            let id = self.make(level);
            self.forest.link(parent.map_or(root, |parent| ids[parent]), id, Place::Last);
            ids.push(id);
        }
        self.roots.push(root);
        root
    }

    /// The planted roots.
    pub fn roots(&self) -> &[i64] {
        &self.roots
    }

    /// One customer.
    pub fn customer(&self, id: i64) -> Option<&Customer> {
        self.customers.get(&id)
    }

    /// All customers, by id.
    pub fn customers(&self) -> impl Iterator<Item = &Customer> {
        self.customers.values()
    }

    /// The children of a customer, in their order.
    pub fn children(&self, parent: i64) -> &[i64] {
        self.forest.children(parent)
    }

    /// The parents of a customer, the oldest first.
    pub fn parents(&self, child: i64) -> &[i64] {
        self.forest.parents(child)
    }

    /// Everybody below a customer, breadth first.
    pub fn below(&self, ancestor: i64) -> Vec<i64> {
        self.forest.below(&[ancestor])
    }

    /// Who has this identifier: the first of several.
    pub fn find(&self, kind: &str, value: &str) -> Option<i64> {
        if kind == "id" {
            return value.parse().ok().filter(|id| self.customers.contains_key(id));
        }
        self.index.get(&(kind.to_owned(), value.to_owned()))?.first().copied()
    }

    /// An identifier of this customer, of the first type that it has and that leads back to it.
    pub fn identifier(&self, id: i64, kinds: &[&str]) -> Option<(String, String)> {
        let customer = self.customers.get(&id)?;
        let all = || customer.profiles.iter().flat_map(|profile| &profile.identifiers);
        let mut wanted = kinds.iter().filter_map(|kind| all().find(|(given, _)| given == kind));
        wanted.find(|(kind, value)| self.find(kind, value) == Some(id)).cloned()
    }

    /// The time of the next change; each change is one second later.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.now, 0).unwrap_or_default()
    }

    pub(super) fn add(&mut self, customer: Customer) -> i64 {
        let id = customer.id;
        for key in customer.identifiers() {
            self.index.entry(key).or_default().push(id);
        }
        self.customers.insert(id, customer);
        id
    }

    pub(super) fn take(&mut self, id: i64) -> Option<Customer> {
        let customer = self.customers.remove(&id)?;
        for key in customer.identifiers() {
            if let Some(holders) = self.index.get_mut(&key) {
                holders.retain(|&holder| holder != id);
            }
        }
        Some(customer)
    }
}

impl Customer {
    fn identifiers(&self) -> impl Iterator<Item = (String, String)> {
        self.profiles.iter().flat_map(|profile| profile.identifiers.iter().cloned())
    }
}
