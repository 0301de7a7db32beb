//! Nodes of both vendors, apart from their content: each statement once, on views that give their tables the same names.

use uuid::Uuid;

use super::{
    conn::Conn,
    customer::Customers,
    facts::{At, Ensured, Existing, ids},
    mirror::Mirror,
    source,
    user::Users,
};
use crate::model::node::NodeId;

/// The nodes of one vendor, apart from their content.
pub trait Nodes: Send + Sync + 'static {
    /// `change.entity` of a node.
    const NODE: &'static str;

    /// What is known of a page's rows, in their order. `parent`: whose list they came in.
    fn existing(conn: &mut Conn<'_>, at: At, parent: NodeId, page: &[NodeId]) -> impl Future<Output = sqlx::Result<Vec<Existing>>> + Send;

    /// Makes retired nodes live that are otherwise as known.
    fn restore(conn: &mut Conn<'_>, at: At, nodes: &[NodeId]) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Makes sure that a node of which only the id is known has a live row; a new one is a placeholder. Gives its number, too.
    fn ensure(conn: &mut Conn<'_>, at: At, node: NodeId) -> impl Future<Output = sqlx::Result<(Ensured, i32)>> + Send;

    /// Live nodes of the source.
    fn live(conn: &mut Conn<'_>, source_id: i32) -> impl Future<Output = sqlx::Result<i64>> + Send;
}

/// `$what`: the views' name; `$id`, `$sql_id`: what an id is, here and in Postgres.
macro_rules! nodes {
    ($tables:ty, $entity:literal, $what:literal, $id:ty, $sql_id:literal) => {
        impl Nodes for $tables {
            const NODE: &'static str = $entity;

            // Rows are looked up one by one, which `limit 1` says: the tables grow a thousandfold within one run,
            // and by what the planner knows of them it would rather read a whole table, or the whole of a long list, for every page.
            // How many there are is hidden from it by a subselect: it would plan anew for each page that is shorter than it thinks.
            // Counted once per walk: seen in this list, in a root's list (which may hold everybody below), in the list of another
            // parent, or as a root.
            async fn existing(conn: &mut Conn<'_>, at: At, parent: NodeId, page: &[NodeId]) -> sqlx::Result<Vec<Existing>> {
                let found = sqlx::query_as!(
                    Existing,
                    "with top as materialized (
                         select f.numbers
                         from (select r.node_key from hiersync_internal.root r where r.source_id = $1 union all select '*') k
                         cross join lateral (
                             select f.seen + f.seen_earlier as numbers from hiersync_internal.frontier f
                             where f.source_id = $1 and f.walk_id = $2 and f.depth = 0 and f.parent_key = k.node_key limit 1
                         ) f
                     )
                     select "
                    + r#"c.node_no as "node_no?", c.digest as "digest?", c.auto_update_time as "stamp?", c.no_of_children as "children?",
                         coalesce(c.retired_at is not null, false) as "retired!", coalesce(c.forgotten_at is not null, false) as "forgotten!", coalesce(f.seen @> c.node_no, false) as "shown!",
                         coalesce(f.seen_earlier @> c.node_no, false) as "shown_earlier!",
                         c.node_no is not null and (
                             select true from hiersync_internal."# + $what + r#"_edge l
                             where l.source_id = $1 and l.parent_id = i.id and l.retired_at is null limit 1
                         ) is not null as "has_children!",
                         c.node_no is not null and (
                             select true from hiersync_internal."# + $what + r#"_edge l
                             where l.source_id = $1 and l.parent_id = $3 and l.child_id = i.id and l.retired_at is null limit 1
                         ) is not null as "linked!",
                         c.node_no is not null and (coalesce(f.seen @> c.node_no or f.seen_earlier @> c.node_no, false)
                         or exists (select 1 from top where top.numbers @> c.node_no)
                         or exists (
                             select 1 from hiersync_internal."# + $what + r#"_edge l
                             join hiersync_internal.frontier o on o.source_id = $1 and o.parent_key = l.parent_id::text and o.walk_id = $2
                             where l.source_id = $1 and l.child_id = i.id and l.parent_id <> $3 and l.retired_at is null
                               and (o.seen @> c.node_no or o.seen_earlier @> c.node_no)
                         )
                         or exists (
                             select 1 from hiersync_internal.root r
                             where r.source_id = $1 and r.row_walk_id = $2 and r.node_key = i.id::text
                         )) as "counted!"
                     from unnest((select $4::"# + $sql_id + "[])) with ordinality as i (id, ord)
                     left join lateral (
                         select * from hiersync_internal." + $what + "_node k where k.source_id = $1 and k.id = i.id limit 1
                     ) c on true
                     left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = $3::" + $sql_id + "::text and f.walk_id = $2
                     order by i.ord",
                    at.source_id, at.walk_id, <$id>::from(parent), &ids::<$id>(page)
                );
                found.fetch_all(conn).await
            }

            async fn restore(conn: &mut Conn<'_>, at: At, nodes: &[NodeId]) -> sqlx::Result<()> {
                let since = Self::keep(&mut *conn, at, nodes).await?;
                sqlx::query!(
                    "update hiersync_internal." + $what + "_node c
                     set retired_at = null, retired_walk_id = null, changed_at = $2, valid_from = n.since
                     from unnest($3::" + $sql_id + "[], $4::timestamptz[]) as n (id, since) where c.source_id = $1 and c.id = n.id",
                    at.source_id,
                    at.now,
                    &ids::<$id>(nodes),
                    &since
                )
                .execute(conn)
                .await?;
                Ok(())
            }

            async fn ensure(conn: &mut Conn<'_>, at: At, node: NodeId) -> sqlx::Result<(Ensured, i32)> {
                let before = sqlx::query!(
                    r#"select node_no as "node_no!", retired_at from hiersync_internal."# + $what + "_node where source_id = $1 and id = $2",
                    at.source_id,
                    <$id>::from(node)
                )
                .fetch_optional(&mut *conn)
                .await?;
                let Some(row) = before else {
                    let node_no = source::take_numbers(&mut *conn, at.source_id, 1).await?;
                    sqlx::query!(
                        "insert into hiersync_internal." + $what + "_node
                             (source_id, id, node_no, is_placeholder, first_seen_at, changed_at, valid_from)
                         values ($1, $2, $3, true, $4, $4, $4)",
                        at.source_id,
                        <$id>::from(node),
                        node_no,
                        at.now
                    )
                    .execute(conn)
                    .await?;
                    return Ok((Ensured::Inserted, node_no));
                };
                if row.retired_at.is_some() {
                    Self::restore(conn, at, &[node]).await?;
                    return Ok((Ensured::Restored, row.node_no));
                }
                Ok((Ensured::Known, row.node_no))
            }

            async fn live(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<i64> {
                sqlx::query_scalar!(
                    r#"select count(*) as "count!" from hiersync_internal."# + $what + "_node where source_id = $1 and retired_at is null",
                    source_id
                )
                .fetch_one(conn)
                .await
            }
        }
    };
}

nodes!(Customers, "customer", "customer", i64, "bigint");
nodes!(Users, "reporting_user", "user", Uuid, "uuid");
