//! What a vendor's lists hold, and where links come from.

use super::node::NodeId;

/// LeadSquared's User Advanced Search gives at most so many users in one call: more fails (seen on a live account).
pub const DIRECTORY_PAGE: u32 = 1000;

/// What a list holds, and where the links come from. Its words stand in `walk.reach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::AsRefStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Reach {
    /// A node's list holds its children: every node that may have some is asked.
    Direct,
    /// A root's list holds everybody below. Who reports to whom comes from the search over all users.
    Subtree,
    /// A root's list holds everybody below, each with its parent.
    Stated,
    /// Every node's list holds everybody below, and nobody says who reports to whom: lists are compared.
    Compared,
    /// One directory holds all nodes of the account, each with its parent. No list is read.
    Directory,
}

impl Reach {
    /// Whether the nodes below the roots have lists to be read.
    pub fn reads_below_roots(self) -> bool {
        matches!(self, Self::Direct | Self::Compared)
    }
}

/// What a row says of its own parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated {
    /// Nothing: the vendor gives no such field.
    Nothing,
    /// It has none.
    Nobody,
    /// This node.
    Parent(NodeId),
}
