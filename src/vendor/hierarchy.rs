//! What is to be read of a vendor: its roots, its lists, and what follows from a row. Plain questions, no calls.

use super::{List, Vendor};
use crate::{
    config::Identifier,
    model::{node::NodeKey, reading::Reading},
};

/// A vendor's tree, as its account and its config make it.
pub trait Hierarchy: Vendor {
    /// The roots, as configured.
    fn roots(&self) -> Vec<Root>;

    /// How its lists are read; `None`: to be found out from the answers.
    fn reading(&self) -> Option<Reading>;

    /// The list of a node. `by`: what [`Descent::List`] gave for it.
    ///
    /// # Errors
    /// A sentence for a finding, when the node cannot be asked for.
    fn list(&self, node: &NodeKey, by: Option<&Identifier>) -> Result<List, String>;

    /// Whether a row has a list of its own.
    fn descend(&self, row: &Self::Row) -> Descent;

    /// Rows wanted in one call.
    fn page_size(&self) -> u32;

    /// Whether a node that stands in its own list is its own parent, rather than merely included.
    fn own_row_is_a_link(&self) -> bool;

    /// Everything that decides what is read, as one text: a walk that was begun with another is not gone on with.
    fn shape(&self) -> String;
}

/// A node below which a source is mirrored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// As configured, in one text.
    pub asked_by: String,
    /// Its key, or what stands for it until it is learned.
    pub key: NodeKey,
    /// By what its key is looked up, and its children are asked for; `None`: the key itself.
    pub identifier: Option<Identifier>,
}

/// Whether a row has a list of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Descent {
    /// The vendor says that nobody is below it. By what it could be asked, should we know better.
    Leaf(Option<Identifier>),
    /// It may have one.
    List {
        /// By what it is asked for; `None`: by its key.
        by: Option<Identifier>,
        /// How long the vendor says it is.
        expected: Option<i64>,
    },
    /// It has one, but nothing by which it could be asked for.
    Unaskable,
}
