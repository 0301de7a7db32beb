//! What is to be read of a LeadSquared account: the users who report to its roots, or its whole roster.

use super::LeadSquared;
use crate::{
    config::{self, Edges, Identifier, Reach},
    model::{node::NodeKey, reading::Reading, user::User},
    vendor::{
        List,
        hierarchy::{Descent, Hierarchy, Root},
    },
};

/// User Advanced Search gives at most so many users in one call: more fails (seen on a live account).
const ROSTER_PAGE: u32 = 1000;

/// What decides which lists are asked for.
pub(super) struct Tree {
    roots: Vec<uuid::Uuid>,
    reading: Option<Reading>,
    shape: String,
}

impl Tree {
    pub(super) fn new(settings: &config::LeadSquared) -> Self {
        let reading = match (settings.edges, settings.reach) {
            (Edges::AdvancedSearch, _) => Some(Reading::Roster),
            (Edges::Hierarchy, Reach::Direct) => Some(Reading::Direct),
            (Edges::Hierarchy, Reach::Subtree) => Some(Reading::Subtree),
            (Edges::Hierarchy, Reach::Auto) => None,
        };
        let shape = format!("{:?} {:?} {:?} {:?} {}", settings.roots, settings.include, settings.columns, reading, settings.hierarchy_path);
        Self { roots: settings.roots.clone(), reading, shape: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(shape.as_bytes())) }
    }
}

impl Hierarchy for LeadSquared {
    fn roots(&self) -> Vec<Root> {
        let root = |id: &uuid::Uuid| Root { asked_by: id.to_string(), key: NodeKey(id.to_string()), identifier: None };
        self.tree.roots.iter().map(root).collect()
    }

    fn reading(&self) -> Option<Reading> {
        self.tree.reading
    }

    fn list(&self, node: &NodeKey, _by: Option<&Identifier>) -> Result<List, String> {
        node.0.parse().map(List::ReportsOf).map_err(|_| "this node's id is no UserId".into())
    }

    fn descend(&self, _row: &User) -> Descent {
        // No row tells how many report to its user.
        Descent::List { by: None, expected: None }
    }

    fn page_size(&self) -> u32 {
        ROSTER_PAGE
    }

    fn own_row_is_a_link(&self) -> bool {
        // Whether the queried user is in its own list is not documented; if so, it is included, not its own manager.
        false
    }

    fn shape(&self) -> String {
        self.tree.shape.clone()
    }
}
