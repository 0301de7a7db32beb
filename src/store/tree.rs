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

/// Links and nodes are looked up one by one, of each node as many children as are wanted. Tops are the roots,
/// and at another time also those who lived without a parent then: the config may not name them any more. One that was not seen yet is
/// none. Who was cut off counts itself.
macro_rules! lines {
    (
        ($conn:expr, $source:expr, $top:expr, $wanted:expr),
        $nodes:literal, $id:literal, $type:literal, $links:literal, $parent:literal, $child:literal, $name:literal, $active:literal
    ) => {
        sqlx::query_as!(
            TreeLine,
            "with recursive top as (
                    select $2::"
                + $type
                + " as id where $2::"
                + $type
                + " is not null
                    union
                    select r.node_key::"
                + $type
                + " from hiersync_internal.root r where r.source_id = $1 and $2::"
                + $type
                + " is null
                    union
                    select n."
                + $id
                + " from hiersync."
                + $nodes
                + "_at(coalesce($4::timestamptz, 'infinity')) n
                    where n.source_id = $1 and $2::"
                + $type
                + " is null and $4::timestamptz is not null and n.retired_at is null
                      and not exists (
                          select from hiersync."
                + $links
                + "_at(coalesce($4::timestamptz, 'infinity')) l
                          where l.source_id = $1 and l."
                + $child
                + " = n."
                + $id
                + " and l."
                + $parent
                + " <> n."
                + $id
                + " and l.retired_at is null
                      )
                ), tree as (
                    select t.id, 0 as depth, array[t.id] as path, 0::bigint as place, 0::bigint as siblings, false as is_again from top t
                    union all
                    select c.id, t.depth + 1, t.path || c.id, c.place, c.siblings, c.id = any (t.path)
                    from tree t
                    cross join lateral (
                        select l."
                + $child
                + " as id, row_number() over (order by l."
                + $child
                + ") as place, count(*) over () as siblings
                        from hiersync."
                + $links
                + "_at(coalesce($4::timestamptz, 'infinity')) l
                        where l.source_id = $1 and l."
                + $parent
                + " = t.id and l.retired_at is null
                        order by l."
                + $child
                + " limit $5
                    ) c
                    where not t.is_again and t.depth < $3
                ), deeper as (
                    select t.path, t.id from tree t where t.depth = $3 and not t.is_again
                    union
                    select d.path, c.id
                    from deeper d
                    cross join lateral (
                        select l."
                + $child
                + " as id from hiersync."
                + $links
                + "_at(coalesce($4::timestamptz, 'infinity')) l
                        where l.source_id = $1 and l."
                + $parent
                + " = d.id and l.retired_at is null
                        offset 0
                    ) c
                    where not c.id = any (d.path)
                ), cut as (
                    select d.path, count(*) - 1 as below from deeper d group by d.path
                )
                "
                + r#"select
                    t.id::text as "key!", t.depth as "depth!", t.place = t.siblings as "is_last!",
                    case when t.place = $5 then t.siblings - t.place else 0 end as "more!", t.is_again as "is_again!",
                    n.name as "name?", n.is_active as "is_active?", coalesce(n.is_placeholder, false) as "is_placeholder!",
                    n.retired_at as "retired_at?", coalesce(c.below, 0) as "below!"
                from tree t
                left join lateral (
                    select nullif("#
                + $name
                + r#", '') as name, "#
                + $active
                + r#" as is_active, k.is_placeholder, k.retired_at
                    from hiersync."#
                + $nodes
                + r#"_at(coalesce($4::timestamptz, 'infinity')) k
                    where k.source_id = $1 and k."#
                + $id
                + r#" = t.id
                    limit 1
                ) n on true
                left join cut c on c.path = t.path and not t.is_again
                where t.depth > 0 or n.is_placeholder is not null
                order by t.path"#,
            $source,
            $top,
            $wanted.depth,
            $wanted.at,
            $wanted.children
        )
        .fetch($conn)
    };
}

/// How much of a tree is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Levels below its top.
    pub depth: i32,
    /// Children of each node; `None`: all.
    pub children: Option<i64>,
    /// As it stood at this time; `None`: as it stands.
    pub at: Option<DateTime<Utc>>,
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

    /// Their lines, depth first in the order of ids; none if the node was not there at that time. Who lies deeper is counted at the node
    /// where the tree is cut.
    pub fn lines<'c>(self, conn: &'c mut Conn<'_>, wanted: Wanted) -> BoxStream<'c, sqlx::Result<TreeLine>> {
        match self.0 {
            Tree::Customers(source, top) => lines!(
                (conn, source, top, wanted),
                "customer",
                "customer_id",
                "bigint",
                "customer_link",
                "parent_id",
                "child_id",
                "concat_ws(' ', k.first_name, k.last_name)",
                "null::bool"
            ),
            Tree::Users(source, top) => lines!(
                (conn, source, top, wanted),
                "reporting_user",
                "user_id",
                "uuid",
                "reporting_line",
                "manager_id",
                "user_id",
                "k.name",
                "k.is_active"
            ),
        }
    }
}
