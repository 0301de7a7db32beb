//! A source's tree, line by line: settled, as the mirror has it now, or as it stood at a time. Reads only, and holds no more than a line.

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use serde::Serialize;
use uuid::Uuid;

use super::{conn::Conn, tree_links, tree_settled};

/// Both vendors' trees by one statement, a macro that takes: how it is asked; nodes, their id and its type; links, parent and child; a node's
/// name, whether it is active, and places.
macro_rules! of_both {
    ($statement:ident) => {
        /// Of customers.
        pub(super) fn customers<'c>(
            conn: &'c mut Conn<'_>,
            source: i32,
            top: Option<i64>,
            wanted: Wanted,
        ) -> BoxStream<'c, sqlx::Result<TreeLine>> {
            $statement!(
                (conn, source, top, wanted),
                "customer",
                "customer_id",
                "bigint",
                "customer_link",
                "parent_id",
                "child_id",
                "nullif(concat_ws(' ', nullif(k.first_name, ''), nullif(k.last_name, '')), '')",
                "null::bool",
                "customer_place"
            )
        }

        /// Of users.
        pub(super) fn users<'c>(
            conn: &'c mut Conn<'_>,
            source: i32,
            top: Option<Uuid>,
            wanted: Wanted,
        ) -> BoxStream<'c, sqlx::Result<TreeLine>> {
            $statement!(
                (conn, source, top, wanted),
                "reporting_user",
                "user_id",
                "uuid",
                "reporting_line",
                "manager_id",
                "user_id",
                "k.name",
                "k.is_active",
                "reporting_place"
            )
        }
    };
}
pub(super) use of_both;

/// One node where it hangs in a tree.
#[derive(Debug, Clone, Serialize)]
pub struct TreeLine {
    /// Its id.
    pub key: String,
    /// Levels below the top.
    pub depth: i32,
    /// It is the last one below its parent.
    #[serde(skip)]
    pub is_last: bool,
    /// How many that come after it below its parent are not shown.
    pub more: i64,
    /// It is among those above itself: a cycle, which is not followed.
    pub is_again: bool,
    /// How people call it.
    pub name: Option<String>,
    /// Whether the user is active; customers do not say.
    pub is_active: Option<bool>,
    /// Only its id is known.
    pub is_placeholder: bool,
    /// Since when it is gone.
    pub retired_at: Option<DateTime<Utc>>,
    /// How many nodes lie below it that are too deep to be shown.
    pub below: i64,
}

/// Which tree is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// As the last closed walk has left it: one parent per node.
    Settled,
    /// All links of the mirror, as it stands.
    Live,
    /// The same, as it stood at a time.
    At(DateTime<Utc>),
}

/// How much of a tree is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Levels below its top.
    pub depth: i32,
    /// Children of each node; `None`: all.
    pub children: Option<i64>,
    /// Which one.
    pub which: Which,
    /// Siblings stand in the order of their names, which tells of them; else of their ids.
    pub is_by_name: bool,
}

impl Wanted {
    /// At which time.
    pub(super) fn at(self) -> Option<DateTime<Utc>> {
        if let Which::At(at) = self.which { Some(at) } else { None }
    }
}

/// A node by which a tree may begin, in either vendor's kind of id.
#[derive(Debug, Clone, Copy)]
enum Tree {
    Customers(i32, Option<i64>),
    Users(i32, Option<Uuid>),
}

/// The trees of one source.
#[derive(Debug, Clone, Copy)]
pub struct Trees(Tree);

impl Trees {
    /// Those of a source by its name. `None`: it has never been synced.
    pub async fn of(conn: &mut Conn<'_>, source: &str) -> sqlx::Result<Option<Self>> {
        let row = sqlx::query!("select source_id, vendor from hiersync.source where name = $1", source).fetch_optional(conn).await?;
        Ok(row.map(|row| match row.vendor.as_str() {
            "capillary" => Self(Tree::Customers(row.source_id, None)),
            _ => Self(Tree::Users(row.source_id, None)),
        }))
    }

    /// The tree below a node. `None`: no node of this source can have such an id.
    pub fn below(self, node: &str) -> Option<Self> {
        match self.0 {
            Tree::Customers(source_id, _) => node.parse().ok().map(|id| Self(Tree::Customers(source_id, Some(id)))),
            Tree::Users(source_id, _) => node.parse().ok().map(|id| Self(Tree::Users(source_id, Some(id)))),
        }
    }

    /// Their lines, depth first; none if the node was not there. Who lies deeper is counted at the node where the tree is cut.
    pub fn lines<'c>(self, conn: &'c mut Conn<'_>, wanted: Wanted) -> BoxStream<'c, sqlx::Result<TreeLine>> {
        match (self.0, wanted.which) {
            (Tree::Customers(source, top), Which::Settled) => tree_settled::customers(conn, source, top, wanted),
            (Tree::Customers(source, top), _) => tree_links::customers(conn, source, top, wanted),
            (Tree::Users(source, top), Which::Settled) => tree_settled::users(conn, source, top, wanted),
            (Tree::Users(source, top), _) => tree_links::users(conn, source, top, wanted),
        }
    }
}
