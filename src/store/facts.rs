//! What the store knows of nodes and links, as plain data: what mirror tables are asked and answer.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::model::{digest::Digest, node::NodeId};

/// Where and when something is written.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// The source.
    pub source_id: i32,
    /// The walk.
    pub walk_id: i64,
    /// The run.
    pub run_id: i64,
    /// The page's time, by the database's clock.
    pub now: DateTime<Utc>,
}

/// Ids as the tables have them.
pub(super) fn ids<I: From<NodeId>>(nodes: &[NodeId]) -> Vec<I> {
    nodes.iter().map(|node| I::from(*node)).collect()
}

/// When versions begin, in the nodes' order; who was not there begins now.
pub(super) fn in_order<I: Into<NodeId>>(at: At, nodes: &[NodeId], since: impl Iterator<Item = (I, DateTime<Utc>)>) -> Vec<DateTime<Utc>> {
    let since: HashMap<NodeId, DateTime<Utc>> = since.map(|(id, since)| (id.into(), since)).collect();
    nodes.iter().map(|node| since.get(node).copied().unwrap_or(at.now)).collect()
}

/// A row of which the mirror has the very text, as a live leaf of this list and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unchanged {
    /// The node.
    pub key: NodeId,
    /// Its number.
    pub node_no: i32,
    /// The pass has shown it already.
    pub shown: bool,
    /// An earlier pass over the list has shown it in this walk.
    pub shown_earlier: bool,
}

/// What need not be read of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its rows.
    pub rows: Vec<Unchanged>,
    /// How many of them were known by the page itself.
    pub by_page: usize,
}

/// What the store knows of a row that came in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Existing {
    /// Its number; `None`: a new node.
    pub node_no: Option<i32>,
    /// Digest of its content; `None` for a placeholder.
    pub digest: Option<Uuid>,
    /// The vendor's stamp.
    pub stamp: Option<DateTime<Utc>>,
    /// How many children the vendor last said it has.
    pub children: Option<i64>,
    /// The person was forgotten, and stays so.
    pub forgotten: bool,
    /// It was retired.
    pub retired: bool,
    /// It is linked to the list's parent, live.
    pub linked: bool,
    /// The pass has shown it already.
    pub shown: bool,
    /// An earlier pass over the list has shown it in this walk.
    pub shown_earlier: bool,
    /// It was counted in this walk already.
    pub counted: bool,
    /// It has live children or reports.
    pub has_children: bool,
}

/// A parent and a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Parent or manager.
    pub parent: NodeId,
    /// Child or report.
    pub child: NodeId,
}

impl Edge {
    /// From ids as the tables have them.
    pub fn of<I: Into<NodeId>>(parent: I, child: I) -> Self {
        Self { parent: parent.into(), child: child.into() }
    }
}

/// The links that a statement has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Linked {
    /// New ones.
    pub inserted: Vec<Edge>,
    /// Retired ones that are back.
    pub restored: Vec<Edge>,
    /// Ones that are gone.
    pub retired: Vec<Edge>,
}

impl Linked {
    /// The nodes at both ends.
    pub fn ends(&self) -> impl Iterator<Item = NodeId> {
        let edges = self.inserted.iter().chain(&self.restored).chain(&self.retired);
        edges.flat_map(|edge| [edge.parent, edge.child])
    }
}

/// A node that does not hang in the tree as a tree's nodes do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// `self_parent`, `second_parent` or `cycle`.
    pub kind: String,
    /// Which node.
    pub key: NodeId,
    /// How many live parents it has; of a second parent only those that are proven.
    pub parents: i64,
}

/// What the store knows of a row of the directory.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryExisting {
    /// Its number; `None`: not in the mirror.
    pub node_no: Option<i32>,
    /// Digest of its content.
    pub digest: Option<Digest>,
    /// The vendor's stamp.
    pub stamp: Option<DateTime<Utc>>,
    /// It is live.
    pub live: bool,
    /// The person was forgotten, and stays so.
    pub forgotten: bool,
    /// It is a root of this walk.
    pub is_root: bool,
    /// It is a root, and the parent that its row states is live in the mirror.
    pub is_below_another: bool,
    /// The directory has shown it in this walk already.
    pub shown: bool,
    /// It waits beside the mirror, as the directory has shown it.
    pub is_staged: bool,
    /// Its live parents.
    pub parents: Vec<NodeId>,
    /// How it was known at the end of an earlier walk, if it lay outside the roots.
    pub outside: Option<Outside>,
}

/// A node outside the roots, as the directory has shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// Its number.
    pub node_no: i32,
    /// Digest of its content; `None`: it is to be read once more.
    pub digest: Option<Digest>,
    /// Its parent.
    pub parent: Option<NodeId>,
}

/// Who is named as whose manager, for a node that this walk's lists have shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The node, below the manager.
    pub edge: Edge,
    /// The manager is a root, or was shown too.
    pub is_listed: bool,
    /// The manager is none of the tree's, but the directory shows them.
    pub is_elsewhere: bool,
}

/// What the search tells of the roots' lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachTold {
    /// Nodes whose parent is in a root's list.
    pub below: i64,
    /// Those of them who are in it, too.
    pub below_shown: i64,
    /// Nodes in a root's list whose parent is known.
    pub named: i64,
    /// Nodes in a root's list.
    pub shown: i64,
}

/// By what it is known who is whose parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum Naming {
    /// The search over all users.
    Search,
    /// Comparing lists.
    Compared,
    /// Any live line.
    Lines,
}

/// A manager whom rows name and whom the vendor does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// The manager.
    pub key: NodeId,
    /// How many name them.
    pub reports: i64,
    /// One of those.
    pub example: String,
    /// They have a line to them.
    pub is_placed: bool,
}

/// What became of a row of which only the id is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It is new.
    Inserted,
    /// It was retired and lives again.
    Restored,
    /// It was there.
    Known,
}

/// Where each run of numbers that follow each other begins, and how long it is; 0 follows 0.
pub fn runs(numbers: &[i32]) -> (Vec<i32>, Vec<i32>) {
    let (mut starts, mut lengths): (Vec<i32>, Vec<i32>) = (Vec::new(), Vec::new());
    for &number in numbers {
        match (starts.last(), lengths.last_mut()) {
            (Some(start), Some(length)) if number == if *start == 0 { 0 } else { start + *length } => *length += 1,
            _ => {
                starts.push(number);
                lengths.push(1);
            }
        }
    }
    (starts, lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_one_run_and_so_are_rows_to_look_up() {
        assert_eq!(runs(&[7, 8, 9, 0, 0, 3, 11, 12, 2]), (vec![7, 0, 3, 11, 2], vec![3, 2, 1, 2, 1]));
        assert_eq!(runs(&[0, 1, 2]), (vec![0, 1], vec![1, 2]));
    }
}
