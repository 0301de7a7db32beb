//! What the sync asks of a vendor's mirror tables: one implementation for customers, one for users.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    conn::Conn,
    facts::{At, DirectoryExisting, Edge, Ensured, Existing, Hidden, Linked, Named, Naming, Oddity, ReachTold},
};
use crate::{
    config::Identifier,
    model::{
        node::{Node, NodeKey},
        reach::Reach,
    },
};

/// One vendor's mirror tables.
pub trait Mirror: Send + Sync + 'static {
    /// A node.
    type Row: Node + Clone + Send + Sync + 'static;
    /// `change.entity` of a node.
    const NODE: &'static str;
    /// `change.entity` of a link.
    const LINK: &'static str;

    /// What is known of these rows, in their order. `parent` is the list they came in.
    fn existing(
        conn: &mut Conn<'_>,
        at: At,
        parent: &NodeKey,
        rows: &[Self::Row],
    ) -> impl Future<Output = sqlx::Result<Vec<Existing>>> + Send;

    /// The nodes as they stand, for those of the ids that are there, in any order.
    fn load(conn: &mut Conn<'_>, source_id: i32, keys: &[NodeKey]) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Writes new nodes; the first gets the number `first_no`.
    fn insert(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row], first_no: i32) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Writes nodes over what stands there, which is kept as history, and makes them live.
    fn update(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Writes the stamps of live nodes only; one that could not be read may have stood in `extra`.
    fn touch(conn: &mut Conn<'_>, at: At, rows: &[&Self::Row]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Makes retired nodes live that are otherwise as known.
    fn restore(conn: &mut Conn<'_>, at: At, keys: &[NodeKey]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Makes sure that a node of which only the id is known has a live row; a new one is a placeholder. Gives its number, too.
    fn ensure(conn: &mut Conn<'_>, at: At, key: &NodeKey) -> impl Future<Output = sqlx::Result<(Ensured, i32)>> + Send;

    /// Whether a live link leads to this node.
    fn has_parent(conn: &mut Conn<'_>, source_id: i32, key: &NodeKey) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Makes sure that these links live.
    fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> impl Future<Output = sqlx::Result<Linked>> + Send;

    /// Whether the list's parent has live links that neither a pass of this walk nor these rows of its page have shown; of a root's
    /// list that `holds_all` below, whether anybody has.
    fn loses(
        conn: &mut Conn<'_>,
        at: At,
        parent: &NodeKey,
        rows: &[Self::Row],
        holds_all: bool,
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Queues once more, with this pass, the lists shorter than `rows` that were read in this walk and hold one of these new links'
    /// children too: it has moved, or it has two parents. Gives how many lists there are.
    fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32, pass: &Value) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Of these identifiers, each with the node that has it, those that another live node has too.
    fn shared(_: &mut Conn<'_>, _: At, _: &[(NodeKey, Identifier)]) -> impl Future<Output = sqlx::Result<HashSet<Identifier>>> + Send {
        std::future::ready(Ok(HashSet::new()))
    }

    /// Lists of this walk that are asked for by an identifier that one of these nodes, just taken in, has too.
    fn twins(_: &mut Conn<'_>, _: At, _: &[NodeKey]) -> impl Future<Output = sqlx::Result<Vec<NodeKey>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Retires the links that this walk's reading of a node's list has made: it was another node's list.
    fn unlink_new(_: &mut Conn<'_>, _: At, _parent: &NodeKey) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Retires every other live link to these links' children: somebody says who their parent is.
    fn unlink_others(_: &mut Conn<'_>, _: At, _: &[Edge]) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Queues the lists of all whom the roots' lists have shown.
    fn queue_below_roots(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<u64>> + Send {
        std::future::ready(Ok(0))
    }

    /// The links to whom the walk's lists have shown, list by list, that are not live.
    fn shown_links(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// The links that follow from comparing the walk's lists, each of which holds everybody below.
    fn compared_links(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Queues once more, with this pass, the lists that show somebody to whom comparing gives another parent than is known, if they
    /// were read once only. Gives how many there are.
    fn reread_compared(_: &mut Conn<'_>, _: At, _pass: &Value) -> impl Future<Output = sqlx::Result<u64>> + Send {
        std::future::ready(Ok(0))
    }

    /// What the search tells of the roots' lists.
    fn reach_told(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<ReachTold>> + Send {
        std::future::ready(Ok(ReachTold { below: 0, below_shown: 0, named: 0, shown: 0 }))
    }

    /// How many rows of the lists below the roots there are, and how many of them the roots' lists have too.
    fn overlap(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<(i64, i64)>> + Send {
        std::future::ready(Ok((0, 0)))
    }

    /// Retires the links that the walk, now at its end, has shown to be gone.
    fn retire_links(conn: &mut Conn<'_>, at: At, reach: Reach, is_complete: bool) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Retires the links below these nodes, which were retired.
    fn retire_links_below(conn: &mut Conn<'_>, at: At, keys: &[NodeKey]) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Retires the nodes that no live link holds, roots excepted; and whom the vendor shows without a parent.
    fn retire_nodes(conn: &mut Conn<'_>, at: At, reach: Reach) -> impl Future<Output = sqlx::Result<Vec<NodeKey>>> + Send;

    /// What is known of rows of the directory, in their order.
    fn directory_existing(_: &mut Conn<'_>, _: At, _: &[Self::Row]) -> impl Future<Output = sqlx::Result<Vec<DirectoryExisting>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Whether a live link leads to a node that the directory has not shown in this walk.
    fn directory_loses(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<bool>> + Send {
        std::future::ready(Ok(false))
    }

    /// Keeps rows until the walk's end; of those that are not `whole` only who the parent is.
    fn stage(_: &mut Conn<'_>, _: At, _: &[&Self::Row], _whole: bool) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// The staged rows that lie below the roots.
    fn staged(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Who is staged as whose parent.
    fn named(_: &mut Conn<'_>, _: At) -> impl Future<Output = sqlx::Result<Vec<Named>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Parents whom rows name and nobody shows. `of_directory`: also of those who could not be placed for want of them.
    fn hidden(_: &mut Conn<'_>, _: At, _of_directory: bool) -> impl Future<Output = sqlx::Result<Vec<Hidden>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Whom the roots' lists show and nobody names a parent for.
    fn unnamed(_: &mut Conn<'_>, _: At, _: Naming) -> impl Future<Output = sqlx::Result<Vec<NodeKey>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Forgets the staged rows.
    fn unstage(_: &mut Conn<'_>, _source_id: i32) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

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
