//! What the walk needs to know of a node, whichever vendor it comes from.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::{difference, digest::Digest, reach::Stated};

/// A node's id as text: as it stands in `change.key`, `finding.key` and the frontier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeKey(pub String);

impl NodeKey {
    /// Stands for a row of this text, which could not be read, so that it keeps its place among the others. No vendor's id begins so.
    pub fn unreadable(text: &str) -> Self {
        Self(format!("?{:016x}", xxh3_64(text.as_bytes())))
    }

    /// Whether it stands for a row that could not be read.
    pub fn is_unreadable(&self) -> bool {
        self.0.starts_with('?')
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One customer or one user, as read from a page.
pub trait Node {
    /// The id as text.
    fn key(&self) -> NodeKey;

    /// Everything that is mirrored, without the vendor's change stamps; names are those of the columns.
    fn content(&self) -> Map<String, Value>;

    /// The vendor's change stamp (`autoUpdateTime`), the latest where there are several.
    fn stamp(&self) -> Option<DateTime<Utc>>;

    /// What the row says of its own parent.
    fn stated_parent(&self) -> Stated {
        Stated::Nothing
    }

    /// What differs from an older state of the same node: each field with its old and its new value.
    fn differences(&self, old: &Self) -> Map<String, Value> {
        difference::between(&old.content(), &self.content())
    }

    /// The digest over [`Node::content`].
    fn digest(&self) -> Digest {
        Digest::of(&self.content())
    }
}
