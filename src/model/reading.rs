//! How a walk reads a vendor's lists.

use super::node::NodeKey;

/// What a list holds, and where the links come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A node's list holds its children: every node that may have some is asked.
    Direct,
    /// A node's list holds everybody below, and no row says who hangs on whom: everybody is asked.
    Subtree,
    /// A root's list holds everybody below, each with its parent: nobody else is asked.
    Stated,
    /// One roster holds all nodes of the account, each with its parent.
    Roster,
}

impl Reading {
    /// The word in `walk.reach`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Subtree => "subtree",
            Self::Stated => "stated",
            Self::Roster => "roster",
        }
    }

    /// From the word in `walk.reach`.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Direct, Self::Subtree, Self::Stated, Self::Roster].into_iter().find(|reading| reading.word() == word)
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
    Parent(NodeKey),
}
