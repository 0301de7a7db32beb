//! What the sync asks of a vendor's mirror tables beside what is the same of both: nodes with their content.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{
    conn::Conn,
    facts::{At, DirectoryExisting, Known},
    forget::Forget,
    frontier::Work,
    links::Links,
    nodes::Nodes,
    place::Places,
    retire::Retire,
    wanted::Want,
};
use crate::{
    config::Identifier,
    model::{
        digest::Digest,
        node::{Node, NodeId},
    },
};

/// One vendor's mirror tables.
pub trait Mirror: Nodes + Links + Places + Retire + Want + Forget {
    /// A node.
    type Row: Node + Clone + Send + Sync + 'static;

    /// The nodes as they stand, for those of the ids that are there, in any order.
    fn load(conn: &mut Conn<'_>, source_id: i32, nodes: &[NodeId]) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Keeps nodes as they stand, whole, in the history. Each must be written over next: since when its next version stands is given, in
    /// the ids' order. That is after this one began and was retired, wherever the clock has stepped to.
    fn keep(conn: &mut Conn<'_>, at: At, nodes: &[NodeId]) -> impl Future<Output = sqlx::Result<Vec<DateTime<Utc>>>> + Send;

    /// Writes nodes with their numbers. What stands there is kept as history, and is live then.
    fn write(
        conn: &mut Conn<'_>,
        at: At,
        rows: &[&Self::Row],
        numbers: &[i32],
        are_new: bool,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Writes the stamps of live nodes only; one that could not be read may have stood in `extra`.
    fn touch(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Writes how many children the vendor now says that live nodes have, and nothing else: no version, no change.
    fn recount(_: &mut Conn<'_>, _: At, _: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Of texts that came in this node's list, each by whom it seems to be about and its digest, those that need not be read: live leaves
    /// of this list and no other, taken in from this very text. `full`: they are a full page, with its place in the list.
    fn unchanged(
        _: &mut Conn<'_>,
        _: At,
        _list_of: NodeId,
        _full: Option<u32>,
        _: &[(NodeId, Digest)],
    ) -> impl Future<Output = sqlx::Result<Known>> + Send {
        std::future::ready(Ok(Known::default()))
    }

    /// Keeps a full page of this list at this place, so that rows which are known by their numbers are not looked up one by one when it comes
    /// again: live leaves of this list and no other, taken in from these texts.
    fn keep_page(
        _: &mut Conn<'_>,
        _: At,
        _: (NodeId, u32),
        _: &[(NodeId, Digest)],
        _known: &HashMap<NodeId, i32>,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Live children of a node, where no link of its has come, gone or come back since the walk began.
    fn same_children(_: &mut Conn<'_>, _: At, _parent: NodeId) -> impl Future<Output = sqlx::Result<Option<i64>>> + Send {
        std::future::ready(Ok(None))
    }

    /// Live nodes, where this walk, proven whole, leaves the tree as the last complete one did.
    fn as_settled(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<Option<i64>>> + Send {
        std::future::ready(Ok(None))
    }

    /// Lists of live nodes that this walk could not ask for, as each of their identifiers was another's, too.
    fn unasked(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<Vec<Work>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Of these identifiers, each with the node that has it, those that another live node has too, and one that this walk's lists show still.
    fn shared(_: &mut Conn<'_>, _: At, _: &[(NodeId, Identifier)]) -> impl Future<Output = sqlx::Result<HashSet<Identifier>>> + Send {
        std::future::ready(Ok(HashSet::new()))
    }

    /// Lists of this walk that are asked for by an identifier of one of these rows, which are other nodes' and just taken in.
    fn twins(_: &mut Conn<'_>, _: At, _: &[&Self::Row]) -> impl Future<Output = sqlx::Result<Vec<NodeId>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Whether somebody is inactive, and nobody is known below them.
    fn is_idle(_: &mut Conn<'_>, _: At, _: NodeId) -> impl Future<Output = sqlx::Result<bool>> + Send {
        std::future::ready(Ok(false))
    }

    /// What is known of rows of the directory, in their order.
    fn directory_existing(_: &mut Conn<'_>, _: At, _: &[&Self::Row]) -> impl Future<Output = sqlx::Result<Vec<DirectoryExisting>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Keeps rows until the walk's end; of those that are not `whole` only who the parent is.
    fn stage(_: &mut Conn<'_>, _: At, _: &[&Self::Row], _whole: bool) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// In which of these columns, asked for by name, no live row has a value.
    fn absent_columns(_: &mut Conn<'_>, _source_id: i32, _columns: &[String]) -> impl Future<Output = sqlx::Result<Vec<String>>> + Send {
        async { Ok(Vec::new()) }
    }

    /// The staged rows that lie below the roots.
    fn staged(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
}

/// A row that has mirror tables.
pub trait Mirrored: Node + Clone + Send + Sync + Sized + 'static {
    /// Its tables.
    type Tables: Mirror<Row = Self>;
}
