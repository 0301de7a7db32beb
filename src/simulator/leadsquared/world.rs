//! A LeadSquared account's users, who reports to whom, and their order: plain data.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use fastrand::Rng;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::make::Flavour;
use crate::simulator::{
    forest::{Forest, Place},
    shape::{Shape, Tree},
};

/// The world's first instant, in seconds of Unix time: 2025-03-02T08:00:00Z.
const FIRST_INSTANT: i64 = 1_740_902_400;

/// All users. Read freely; change through its methods, which keep managers and times.
#[derive(Debug, Clone)]
pub struct LeadSquaredWorld {
    pub(super) users: BTreeMap<Uuid, User>,
    pub(super) forest: Forest<Uuid>,
    pub(super) roots: Vec<Uuid>,
    /// In the order of their making.
    pub(super) roster: Vec<Uuid>,
    pub(super) flavour: Flavour,
    pub(super) rng: Rng,
    pub(super) now: i64,
    pub(super) serial: u64,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct User {
    /// `UserId`.
    pub id: Uuid,
    /// `Name` in the hierarchy call; elsewhere `FirstName` and the rest as `LastName`.
    pub name: Option<String>,
    /// `Mobile`; often null.
    pub mobile: Option<String>,
    /// `Email`; elsewhere `EmailAddress`.
    pub email: Option<String>,
    /// `CheckedIn`.
    pub checked_in: bool,
    /// `IsActive`; elsewhere `StatusCode`.
    pub is_active: bool,
    /// `ManagerUserId`.
    pub manager: Option<Uuid>,
    /// `Role`.
    pub role: String,
    /// `CreatedOn`.
    pub created_on: DateTime<Utc>,
    /// `ModifiedOn`.
    pub modified_on: DateTime<Utc>,
    /// Other columns that can be asked for, such as `Designation`.
    pub columns: Map<String, Value>,
    /// Further keys of the hierarchy call's row, which no page documents.
    pub extra: Map<String, Value>,
}

impl LeadSquaredWorld {
    /// Nobody yet. The seed decides all data that will be made.
    pub fn new(seed: u64, flavour: Flavour) -> Self {
        Self {
            users: BTreeMap::new(),
            forest: Forest::default(),
            roots: Vec::new(),
            roster: Vec::new(),
            flavour,
            rng: Rng::with_seed(seed),
            now: FIRST_INSTANT,
            serial: 0,
        }
    }

    /// One root with this tree below it, and data with some of everything odd.
    pub fn grow(tree: Tree) -> Self {
        let mut world = Self::new(tree.seed, Flavour::default());
        world.plant(&tree.shape());
        world
    }

    /// A further root with a tree of this shape below it. Reports stand in the order of their numbers.
    pub fn plant(&mut self, shape: &Shape) -> Uuid {
        let root = self.make(0);
        let mut ids = Vec::with_capacity(shape.parents().len());
        for (manager, level) in shape.parents().iter().zip(shape.levels()) {
            let id = self.make(level);
            self.put_under(manager.map_or(root, |manager| ids[manager]), id, Place::Last);
            ids.push(id);
        }
        self.roots.push(root);
        root
    }

    /// The planted roots.
    pub fn roots(&self) -> &[Uuid] {
        &self.roots
    }

    /// One user.
    pub fn user(&self, id: Uuid) -> Option<&User> {
        self.users.get(&id)
    }

    /// All users, in the order of their making.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.roster.iter().filter_map(|id| self.users.get(id))
    }

    /// The direct reports of a user, in their order.
    pub fn reports(&self, manager: Uuid) -> &[Uuid] {
        self.forest.children(manager)
    }

    /// Everybody below a user, breadth first.
    pub fn below(&self, manager: Uuid) -> Vec<Uuid> {
        self.forest.below(&[manager])
    }

    /// The time of the next change; each change is one second later.
    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.now, 0).unwrap_or_default()
    }

    /// Reports to this manager and to no other.
    pub(super) fn put_under(&mut self, manager: Uuid, id: Uuid, place: Place) {
        for old in self.forest.parents(id).to_vec() {
            self.forest.unlink(old, id);
        }
        self.forest.link(manager, id, place);
        if let Some(user) = self.users.get_mut(&id) {
            user.manager = Some(manager);
        }
    }
}
