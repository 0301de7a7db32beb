//! What is to be read of a LeadSquared account: the users who report to its roots, or all of its users.

use super::{LeadSquared, convert};
use crate::{
    config::{self, Edges, Identifier},
    model::{
        node::NodeId,
        reach::{DIRECTORY_PAGE, Reach},
        user::User,
    },
    vendor_api::{
        List,
        hierarchy::{Descent, Hierarchy, Root},
    },
};

/// What decides which lists are asked for.
pub(super) struct Tree {
    roots: Vec<uuid::Uuid>,
    reach: Option<Reach>,
    asked: Vec<String>,
    shape: String,
}

impl Tree {
    pub(super) fn new(settings: &config::LeadSquared) -> Self {
        let reach = match (settings.edges, settings.reach) {
            (Edges::AdvancedSearch, _) => Some(Reach::Directory),
            (Edges::Hierarchy, config::Reach::Direct) => Some(Reach::Direct),
            (Edges::Hierarchy, config::Reach::Subtree) => Some(Reach::Subtree),
            (Edges::Hierarchy, config::Reach::Auto) => None,
        };
        let shape = format!("{:?} {:?} {:?} {:?} {}", settings.roots, settings.include, settings.columns, reach, settings.hierarchy_path);
        // Of what has a column of ours, only the stamp cannot be without a value.
        let is_mapped = |column: &str| convert::MAPPED.iter().any(|mapped| column.eq_ignore_ascii_case(mapped));
        let asked = settings.columns.iter().filter(|column| !is_mapped(column)).cloned().collect();
        Self { roots: settings.roots.clone(), reach, asked, shape: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(shape.as_bytes())) }
    }
}

impl Hierarchy for LeadSquared {
    fn roots(&self) -> Vec<Root> {
        let root = |id: &uuid::Uuid| Root { asked_by: id.to_string(), key: NodeId::User(*id), identifier: None };
        self.tree.roots.iter().map(root).collect()
    }

    fn reach(&self) -> Option<Reach> {
        self.tree.reach
    }

    fn list(&self, node: NodeId, _by: Option<&Identifier>) -> Result<List, String> {
        match node {
            NodeId::User(id) => Ok(List::ReportsOf(id)),
            _ => Err("this node's id is no UserId".into()),
        }
    }

    fn descend(&self, _row: &User) -> Descent {
        // No row tells how many report to its user.
        Descent::List { expected: None }
    }

    fn identifiers(&self, _row: &User) -> Option<Vec<Identifier>> {
        None
    }

    fn identifiers_needed(&self) -> bool {
        false
    }

    fn page_size(&self) -> u32 {
        DIRECTORY_PAGE
    }

    fn lists_decide(&self) -> bool {
        // Whether the queried user is in its own list is not documented; if so, it is included, not its own manager.
        false
    }

    fn asked_columns(&self) -> Vec<String> {
        self.tree.asked.clone()
    }

    fn absent_columns(&self, rows: &[User]) -> Vec<String> {
        let has = |column: &str, row: &User| {
            row.extra.iter().any(|(key, value)| key.eq_ignore_ascii_case(column) && !value.is_null())
                || (column.eq_ignore_ascii_case(convert::STAMP) && row.auto_update_time.is_some())
        };
        let is_absent = |column: &String| !rows.is_empty() && !rows.iter().any(|row| has(column, row));
        self.asked_columns().into_iter().filter(is_absent).collect()
    }

    fn shape(&self) -> String {
        self.tree.shape.clone()
    }
}
