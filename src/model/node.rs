//! What the walk needs to know of a node, whichever vendor it comes from.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::{difference, digest::Digest, reach::Stated};

/// Names a node, or what stands in its place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, derive_more::From)]
#[serde(into = "String", from = "String")]
pub enum NodeId {
    /// A customer's id; negative for a root whose id could not be learned.
    Customer(i64),
    /// A user's id.
    User(Uuid),
    /// A row that could not be read, by a digest of its text, so that it keeps its place among the others.
    #[from(ignore)]
    Unreadable(u64),
    /// In place of a parent: the directory of all users.
    #[from(ignore)]
    Everybody,
}

impl NodeId {
    /// Stands for a row of this text, which could not be read.
    pub fn unreadable(text: &str) -> Self {
        Self::Unreadable(xxh3_64(text.as_bytes()))
    }

    /// From the text that [`fmt::Display`] gives, as it stands in the frontier, in `change.key` and `finding.key`.
    pub fn parse(text: &str) -> Self {
        let unreadable = || text.strip_prefix('?').and_then(|digest| u64::from_str_radix(digest, 16).ok()).map(Self::Unreadable);
        let user = || Uuid::try_parse(text).ok().map(Self::User);
        let everybody = || (text == "*").then_some(Self::Everybody);
        let customer = text.parse().ok().map(Self::Customer);
        customer.or_else(user).or_else(everybody).or_else(unreadable).unwrap_or_else(|| Self::unreadable(text))
    }

    /// Whether it stands for a row that could not be read.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }

    /// Stands for a customer whose id was not asked for yet.
    pub const UNASKED: Self = Self::Customer(-1);

    /// A new id for a root whose own cannot be learned: negative, and by chance. From one that followed from the identifier anybody could guess
    /// a mobile number back.
    pub fn unknown() -> Self {
        Self::Customer(-fastrand::i64(1 << 32..1 << 62))
    }

    /// Whether it stands for a root whose id could not be learned.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Customer(id) if *id < 0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::Unreadable(digest) => write!(f, "?{digest:016x}"),
            Self::Everybody => f.write_str("*"),
        }
    }
}

impl From<String> for NodeId {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.to_string()
    }
}

/// A customer's id; that of anything else would be a fault of ours, and matches nobody.
impl From<NodeId> for i64 {
    fn from(id: NodeId) -> Self {
        if let NodeId::Customer(id) = id { id } else { 0 }
    }
}

/// A user's id, likewise.
impl From<NodeId> for Uuid {
    fn from(id: NodeId) -> Self {
        if let NodeId::User(id) = id { id } else { Self::nil() }
    }
}

/// The ids of rows, in their order.
pub fn ids<R: Node>(rows: &[R]) -> Vec<NodeId> {
    rows.iter().map(Node::key).collect()
}

/// One customer or one user, as read from a page.
pub trait Node {
    /// Its id.
    fn key(&self) -> NodeId;

    /// Everything that is mirrored, without the vendor's change stamps; names are those of the columns.
    fn content(&self) -> Map<String, Value>;

    /// The vendor's change stamp (`autoUpdateTime`), the latest where there are several.
    fn stamp(&self) -> Option<DateTime<Utc>>;

    /// The same node with nothing of the person: what the tree needs of it.
    #[must_use]
    fn nameless(&self) -> Self
    where
        Self: Sized;

    /// The digest of the text that it was read from, if that text says nothing else and may be passed over when it comes again.
    fn text_digest(&self) -> Option<Digest> {
        None
    }

    /// Sets [`Node::text_digest`], where it is kept.
    fn set_text_digest(&mut self, _: Option<Digest>) {}

    /// How many children the vendor says it has: said of others, and no content of its own.
    fn children(&self) -> Option<i64> {
        None
    }

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
