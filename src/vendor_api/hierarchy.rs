//! What is to be read of a vendor: its roots, its lists, and what follows from a row. Plain questions, no calls.

use super::{List, Vendor};
use crate::{
    config::Identifier,
    model::{node::NodeId, reach::Reach},
};

/// A vendor's tree, as its account and its config make it.
pub trait Hierarchy: Vendor {
    /// The roots, as configured.
    fn roots(&self) -> Vec<Root>;

    /// What its lists hold; `None`: to be found out.
    fn reach(&self) -> Option<Reach>;

    /// The list of a node. `by`: one of its identifiers, where such are needed.
    ///
    /// # Errors
    /// A sentence for a finding, when the node cannot be asked for.
    fn list(&self, node: NodeId, by: Option<&Identifier>) -> Result<List, String>;

    /// Whether a row has a list of its own.
    fn descend(&self, row: &Self::Row) -> Descent;

    /// By what the list of a row's node can be asked for, the best first. `None`: by its key.
    fn identifiers(&self, row: &Self::Row) -> Option<Vec<Identifier>>;

    /// Types of its identifiers that are too long to be asked by.
    fn too_long(&self, _row: &Self::Row) -> Vec<String> {
        Vec::new()
    }

    /// Whether a node's list is asked for by one of its identifiers.
    fn identifiers_needed(&self) -> bool;

    /// Rows wanted in one call.
    fn page_size(&self) -> u32;

    /// Whether lists alone say whose child somebody is: who stands in their own list is their own parent, rather than merely included, and who
    /// states another parent than the one whose list it is has two.
    fn lists_decide(&self) -> bool;

    /// Columns that are asked for by name and that some row must have a value in.
    fn asked_columns(&self) -> Vec<String> {
        Vec::new()
    }

    /// Those of them in which none of these rows has a value. Nothing is known where there are no rows.
    fn absent_columns(&self, _rows: &[Self::Row]) -> Vec<String> {
        Vec::new()
    }

    /// Everything that decides what is read, as one text: a walk that was begun with another is not gone on with.
    fn shape(&self) -> String;
}

/// A node below which a source is mirrored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// As configured, in one text.
    pub asked_by: String,
    /// Its key, or what stands for it until it is learned.
    pub key: NodeId,
    /// By what its key is looked up, and its children are asked for; `None`: the key itself.
    pub identifier: Option<Identifier>,
}

/// Whether a row has a list of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    /// The vendor says that nobody is below it.
    Leaf,
    /// It may have one.
    List {
        /// How long the vendor says it is.
        expected: Option<i64>,
    },
}

impl Descent {
    /// How many the vendor says are below it.
    pub fn expected(self) -> Option<i64> {
        match self {
            Self::Leaf => Some(0),
            Self::List { expected } => expected,
        }
    }
}
