//! What the sync asks of a vendor's mirror tables: one implementation for customers, one for users.

use chrono::{DateTime, Utc};

use super::conn::Conn;
use crate::model::{
    digest::Digest,
    node::{Node, NodeKey},
    reading::Reading,
};

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

/// What the store knows of a row that came in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Its number; `None`: a new node.
    pub node_no: Option<i32>,
    /// Digest of its content; `None` for a placeholder.
    pub digest: Option<Digest>,
    /// The vendor's stamp.
    pub stamp: Option<DateTime<Utc>>,
    /// It was retired.
    pub retired: bool,
    /// It is linked to the list's parent, live.
    pub linked: bool,
    /// The list has shown it in this walk already.
    pub shown: bool,
    /// A root's own list has shown it in this walk already.
    pub in_roots_list: bool,
    /// It was counted in this walk already.
    pub counted: bool,
    /// It has live children or reports.
    pub has_children: bool,
}

/// A parent and a child by their ids as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Parent or manager.
    pub parent: NodeKey,
    /// Child or report.
    pub child: NodeKey,
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

/// A node that does not hang in the tree as a tree's nodes do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// `self_parent`, `second_parent` or `cycle`.
    pub kind: String,
    /// Which node.
    pub key: NodeKey,
    /// How many live parents it has.
    pub parents: i64,
}

/// What the store knows of a roster's row.
#[derive(Debug, Clone, PartialEq)]
pub struct RosterKnown {
    /// Its number; `None`: not in the mirror.
    pub node_no: Option<i32>,
    /// Digest of its content.
    pub digest: Option<Digest>,
    /// The vendor's stamp.
    pub stamp: Option<DateTime<Utc>>,
    /// It is live.
    pub live: bool,
    /// It is a root of this walk.
    pub is_root: bool,
    /// The roster has shown it in this walk already.
    pub shown: bool,
    /// Its live parents.
    pub parents: Vec<NodeKey>,
}

/// One vendor's mirror tables.
pub trait Mirror: Send + Sync + 'static {
    /// A node.
    type Row: Node + Clone + Send + Sync + 'static;
    /// `change.entity` of a node.
    const NODE: &'static str;
    /// `change.entity` of a link.
    const LINK: &'static str;

    /// What is known of these rows, in their order. `parent` is the list they came in.
    fn ask(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[Self::Row]) -> impl Future<Output = sqlx::Result<Vec<Known>>> + Send;

    /// The nodes as they stand, for those of the ids that are there, in any order.
    fn load(conn: &mut Conn<'_>, source_id: i32, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Writes new nodes; the first gets the number `first_no`.
    fn insert(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row], first_no: i32) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Writes nodes over what stands there, which is kept as history, and makes them live.
    fn update(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Writes the stamps of live nodes only; one that could not be read may have stood in `extra`.
    fn touch(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Makes retired nodes live that are otherwise as known.
    fn restore(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Makes sure that a root has a live row; a new one is a placeholder.
    fn root(conn: &mut Conn<'_>, at: At, root: &NodeKey) -> impl Future<Output = sqlx::Result<RootRow>> + Send;

    /// Makes sure that these links live.
    fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> impl Future<Output = sqlx::Result<Linked>> + Send;

    /// Whether the list's parent has live links that neither this pass nor these rows of its page have shown; of a root's list
    /// that `holds_all` below, whether anybody has.
    fn would_lose(
        conn: &mut Conn<'_>,
        at: At,
        parent: &NodeKey,
        rows: &[Self::Row],
        holds_all: bool,
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Queues once more the lists, shorter than `rows`, that were read in this walk and hold one of these new links' children
    /// too: it has moved, or it has two parents. Gives how many lists there are.
    fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Retires every other live link to these links' children: their rows state who their parent is. `spare_roots`: but for those of
    /// the roots, each of which may say so of its own.
    fn unlink_others(
        conn: &mut Conn<'_>,
        at: At,
        edges: &[Edge],
        spare_roots: bool,
    ) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// The links that the walk's lists, read in this way, lead to and that may not be written yet. `is_complete`: all are proven.
    fn shown_links(
        conn: &mut Conn<'_>,
        at: At,
        reading: Reading,
        is_complete: bool,
    ) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Retires the links that the walk, now at its end, has shown to be gone.
    fn retire_links(
        conn: &mut Conn<'_>,
        at: At,
        reading: Reading,
        is_complete: bool,
    ) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Retires the nodes that no live link holds, roots excepted.
    fn retire_nodes(conn: &mut Conn<'_>, at: At) -> impl Future<Output = sqlx::Result<Vec<NodeKey>>> + Send;

    /// What is known of a roster's rows, in their order.
    fn ask_roster(conn: &mut Conn<'_>, at: At, rows: &[Self::Row]) -> impl Future<Output = sqlx::Result<Vec<RosterKnown>>> + Send;

    /// Whether a live link leads to a node that the roster has not shown in this walk.
    fn roster_loses(conn: &mut Conn<'_>, at: At) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Holds rows back until the whole roster is read.
    fn hold(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The rows held back that lie below the roots.
    fn held(conn: &mut Conn<'_>, at: At) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Forgets the rows held back.
    fn release(conn: &mut Conn<'_>, source_id: i32) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// What is odd about the tree as it stands.
    fn oddities(conn: &mut Conn<'_>, at: At) -> impl Future<Output = sqlx::Result<Vec<Oddity>>> + Send;

    /// Nodes so many levels below a root that have others below them, where one list holds everybody and shows no levels.
    fn too_deep(_: &mut Conn<'_>, _: At, _max_depth: i32) -> impl Future<Output = sqlx::Result<Vec<NodeKey>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Live nodes of the source.
    fn live(conn: &mut Conn<'_>, source_id: i32) -> impl Future<Output = sqlx::Result<i64>> + Send;
}

/// A row that has mirror tables.
pub trait Mirrored: Node + Clone + Send + Sync + Sized + 'static {
    /// Its tables.
    type Tables: Mirror<Row = Self>;
}

/// What became of a root's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootRow {
    /// It is new.
    Inserted,
    /// It was retired and lives again.
    Restored,
    /// It was there.
    Known,
}
