//! A source's tree, line by line: as it stands, or as it stood at a time. Reads only, and holds no more than a line.

use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use serde::Serialize;
use uuid::Uuid;

use super::conn::Conn;

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

    /// Their lines, depth first in the order of ids, down to a depth; none if the node was not there at that time.
    pub fn lines<'c>(self, conn: &'c mut Conn<'_>, depth: i32, at: Option<DateTime<Utc>>) -> BoxStream<'c, sqlx::Result<TreeLine>> {
        match self.0 {
            Tree::Customers(source_id, node) => {
                sqlx::query_file_as!(TreeLine, "src/store/sql/customer_tree.sql", source_id, node, depth, at).fetch(conn)
            }
            Tree::Users(source_id, node) => {
                sqlx::query_file_as!(TreeLine, "src/store/sql/user_tree.sql", source_id, node, depth, at).fetch(conn)
            }
        }
    }
}
