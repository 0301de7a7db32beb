//! What a walk, now at its end, has shown to be gone: links first, then nodes that no live link holds; and what is odd about what is left.
//! One transaction for all of it, so that a node that moved has a parent at every moment.

use uuid::Uuid;

use super::{
    conn::Conn,
    customer::Customers,
    facts::{At, Edge, Oddity, ids},
    links::edges,
    user::Users,
};
use crate::model::{node::NodeId, reach::Reach};

/// The end of a walk over one vendor's nodes.
pub trait Retire: Send + Sync + 'static {
    /// Where lists hold children: retires the links whose parent's list was proven without the child, and, after a complete walk, links
    /// of parents that the walk did not meet. After another walk a child keeps its last link: who holds it now may stand in a list that
    /// was not read. A link that the child's own row states stays.
    fn retire_unlisted(conn: &mut Conn<'_>, at: At, is_complete: bool) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Where the roots' lists or the directory hold everybody below: retires the links of whom they do not show, after a complete walk.
    /// Whoever is above somebody shown stays, listed or not: rows name parents whom the vendor hides. `directory`: it shows those outside
    /// the roots, too, and where it states another parent, or none, the known link is no more.
    fn retire_unshown(conn: &mut Conn<'_>, at: At, directory: bool) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Retires the links below these nodes, which were retired.
    fn retire_below(conn: &mut Conn<'_>, at: At, nodes: &[NodeId]) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Retires the nodes that no live link holds, roots excepted. Where lists hold more than children, nobody whom a live link names as a
    /// parent; where the roots' lists hold everybody below, nobody whom they show.
    fn retire_nodes(conn: &mut Conn<'_>, at: At, reach: Reach) -> impl Future<Output = sqlx::Result<Vec<NodeId>>> + Send;

    /// What is odd about the links as they stand: nodes that are their own parent, nodes with several parents, and cycles. `by_list`: a
    /// parent counts only where the walk has proven its list.
    fn oddities(conn: &mut Conn<'_>, at: At, by_list: bool) -> impl Future<Output = sqlx::Result<Vec<Oddity>>> + Send;
}

/// `$what`: the views' name; `$id`, `$sql_id`: what an id is, here and in Postgres.
macro_rules! retire {
    ($tables:ty, $what:literal, $id:ty, $sql_id:literal) => {
        impl Retire for $tables {
            async fn retire_unlisted(conn: &mut Conn<'_>, at: At, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
                let retired = sqlx::query!(
                    "update hiersync_internal." + $what + "_edge l set retired_at = $3
                     from (
                         select k.parent_id, k.child_id
                         from hiersync_internal." + $what + "_edge k
                         join hiersync_internal." + $what + "_node c on c.source_id = $1 and c.id = k.child_id
                         left join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = k.parent_id::text and f.walk_id = $2
                         where k.source_id = $1 and k.retired_at is null
                           and case when f.parent_key is null then $4 else f.state = 'read' and not f.seen @> c.node_no end
                           and ($4 or exists (
                               select 1
                               from hiersync_internal." + $what + "_edge o
                               join hiersync_internal.frontier g
                                   on g.source_id = $1 and g.parent_key = o.parent_id::text and g.walk_id = $2
                               where o.source_id = $1 and o.child_id = k.child_id and o.parent_id <> k.parent_id and o.retired_at is null
                                 and g.seen @> c.node_no
                           ))
                           and not exists (
                               select 1 from hiersync_internal." + $what + "_told($1, $2) s
                               where s.child_id = k.child_id and s.parent_id = k.parent_id
                           )
                     ) gone
                     where l.source_id = $1 and l.parent_id = gone.parent_id and l.child_id = gone.child_id"
                    + r#" returning l.parent_id as "parent!", l.child_id as "child!""#,
                    at.source_id,
                    at.walk_id,
                    at.now,
                    is_complete
                );
                edges!(retired, conn)
            }

            async fn retire_unshown(conn: &mut Conn<'_>, at: At, directory: bool) -> sqlx::Result<Vec<Edge>> {
                let retired = sqlx::query!(
                    "with recursive shown as materialized (
                         select n.id
                         from hiersync_internal.shown s
                         join hiersync_internal." + $what + "_node n on n.source_id = $1 and n.node_no = s.node_no
                         where s.source_id = $1 and s.walk_id = $2 and s.depth = 0
                     ), line as materialized (
                         select l.parent_id, l.child_id
                         from hiersync_internal." + $what + "_edge l
                         where l.source_id = $1 and l.retired_at is null
                           and not ($4 and exists (
                               select 1 from hiersync_internal." + $what + "_told($1, $2) s
                               where s.child_id = l.child_id
                                 and s.parent_id is distinct from l.parent_id
                           ))
                     ), kept as (
                         select s.id from shown s
                         union
                         select l.parent_id from kept k join line l on l.child_id = k.id
                     ), reached as (
                         select r.node_key::" + $sql_id + " as id from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
                         union
                         select l.child_id from reached d join line l on l.parent_id = d.id
                     )
                     update hiersync_internal." + $what + "_edge l set retired_at = $3
                     where l.source_id = $1 and l.retired_at is null
                       and not exists (
                           select 1 from line k
                           where k.parent_id = l.parent_id and k.child_id = l.child_id
                             and exists (select 1 from kept where kept.id = l.child_id)
                             and (not $4 or exists (select 1 from reached d where d.id = l.parent_id))
                       )"
                    + r#" returning l.parent_id as "parent!", l.child_id as "child!""#,
                    at.source_id,
                    at.walk_id,
                    at.now,
                    directory
                );
                edges!(retired, conn)
            }

            async fn retire_below(conn: &mut Conn<'_>, at: At, nodes: &[NodeId]) -> sqlx::Result<Vec<Edge>> {
                let retired = sqlx::query!(
                    "update hiersync_internal." + $what + "_edge l set retired_at = $2
                     where l.source_id = $1 and l.parent_id = any($3) and l.retired_at is null"
                    + r#" returning l.parent_id as "parent!", l.child_id as "child!""#,
                    at.source_id,
                    at.now,
                    &ids::<$id>(nodes)
                );
                edges!(retired, conn)
            }

            async fn retire_nodes(conn: &mut Conn<'_>, at: At, reach: Reach) -> sqlx::Result<Vec<NodeId>> {
                let rows = sqlx::query_scalar!(
                    "update hiersync_internal." + $what + "_node n set retired_at = $3, changed_at = $3, retired_walk_id = $2
                     where n.source_id = $1 and n.retired_at is null
                       and not exists (
                           select 1 from hiersync_internal." + $what + "_edge l
                           where l.source_id = $1 and l.child_id = n.id and l.retired_at is null
                       )
                       and not exists (
                           select 1 from hiersync_internal.root r
                           where r.source_id = $1 and r.walk_id = $2 and r.node_key = n.id::text
                       )
                       and not ($4 and exists (
                           select 1 from hiersync_internal." + $what + "_edge l
                           where l.source_id = $1 and l.parent_id = n.id and l.retired_at is null
                       ))
                       and not ($5 and exists (
                           select 1 from hiersync_internal.frontier f
                           where f.source_id = $1 and f.walk_id = $2 and f.depth = 0 and f.seen @> n.node_no
                       ))"
                    + r#" returning n.id as "id!""#,
                    at.source_id,
                    at.walk_id,
                    at.now,
                    reach != Reach::Direct,
                    !matches!(reach, Reach::Direct | Reach::Directory)
                );
                Ok(rows.fetch_all(conn).await?.into_iter().map(NodeId::from).collect())
            }

            // Whoever is reached from a root and lies in a cycle was entered twice or is a root: only those are looked into.
            async fn oddities(conn: &mut Conn<'_>, at: At, by_list: bool) -> sqlx::Result<Vec<Oddity>> {
                let rows = sqlx::query!(
                    "with recursive live as (
                         select l.parent_id as parent, l.child_id as child
                         from hiersync_internal." + $what + "_edge l where l.source_id = $1 and l.retired_at is null
                     ), several as (
                         select l.child from live l where l.parent <> l.child group by l.child having count(*) > 1
                     ), suspect as (
                         select s.child as id from several s
                         union
                         select r.node_key::" + $sql_id + " from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2
                     ), above as (
                         select s.id, l.parent from suspect s join live l on l.child = s.id where l.parent <> s.id
                         union
                         select a.id, l.parent from above a join live l on l.child = a.parent where l.parent <> l.child and a.parent <> a.id
                     )"
                    + r#"select 'self_parent' as "kind!", l.child as "id!", 1::bigint as "parents!" from live l where l.parent = l.child
                     union all
                     select 'second_parent', s.child, (
                         select count(*) from live l
                         where l.child = s.child and l.parent <> l.child and (not $3 or exists (
                             select from hiersync_internal.frontier f
                             where f.source_id = $1 and f.parent_key = l.parent::text and f.walk_id = $2 and f.state = 'read'
                         ))
                     ) from several s
                     union all
                     select 'cycle', a.id, 1 from above a where a.parent = a.id"#,
                    at.source_id,
                    at.walk_id,
                    by_list
                );
                let oddity = rows.fetch_all(conn).await?.into_iter();
                Ok(oddity.map(|row| Oddity { kind: row.kind, key: row.id.into(), parents: row.parents }).collect())
            }
        }
    };
}

retire!(Customers, "customer", i64, "bigint");
retire!(Users, "user", Uuid, "uuid");
