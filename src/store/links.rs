//! Who is whose child, of both vendors: each statement once, on views that give their tables the same names.

use serde_json::Value;
use uuid::Uuid;

use super::{
    conn::Conn,
    customer::Customers,
    facts::{At, Edge, Linked, ids},
    user::Users,
};
use crate::model::node::NodeId;

/// The links of one vendor.
pub trait Links: Send + Sync + 'static {
    /// `change.entity` of a link.
    const LINK: &'static str;

    /// Whether a row that states its parent states the only one: a customer may hang on two, and its row states one of them.
    const STATES_THE_ONLY_ONE: bool;

    /// Whether a list shows this node: another's by a live link, or its own when it was last read.
    fn is_in_a_list(conn: &mut Conn<'_>, source_id: i32, node: NodeId) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Makes sure that these links live.
    fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> impl Future<Output = sqlx::Result<Linked>> + Send;

    /// Whether a list would lose somebody: a live child of its parent's whom neither a pass of this walk nor this page has shown. Of a
    /// root's list that holds all below (`how.0`): anybody below the root whom no root's list has shown either. Who is known to be hidden by the
    /// vendor is not lost again. `how.1`: whom earlier passes have shown counts as shown.
    fn loses(
        conn: &mut Conn<'_>,
        at: At,
        parent: NodeId,
        page: &[NodeId],
        how: (bool, bool),
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Queues once more, with this pass, the lists shorter than `rows` that were read once in this walk and hold one of these new links'
    /// children too: it stood there before the walk, or the
    /// refresh, and has moved or has two parents. Gives how many lists there are.
    fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32, pass: &Value) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Retires the links that this walk's reading of a node's list has made: it was another node's list.
    fn unlink_new(conn: &mut Conn<'_>, at: At, parent: NodeId) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;

    /// Retires every other live link to these links' children: somebody says who their parent is.
    fn unlink_others(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;
}

fn columns<I: From<NodeId>>(edges: &[Edge]) -> (Vec<I>, Vec<I>) {
    edges.iter().map(|edge| (I::from(edge.parent), I::from(edge.child))).unzip()
}

/// The edges of a statement's rows.
macro_rules! edges {
    ($query:expr, $conn:expr) => {
        Ok($query.fetch_all($conn).await?.into_iter().map(|row| Edge::of(row.parent, row.child)).collect())
    };
}
pub(super) use edges;

/// `$what`: the views' name; `$id`, `$ids`: what an id and an array of ids is, here and in Postgres.
macro_rules! links {
    ($tables:ty, $entity:literal, $only_one:literal, $what:literal, $id:ty, $sql_id:literal) => {
        impl Links for $tables {
            const LINK: &'static str = $entity;
            const STATES_THE_ONLY_ONE: bool = $only_one;

            async fn is_in_a_list(conn: &mut Conn<'_>, source_id: i32, node: NodeId) -> sqlx::Result<bool> {
                sqlx::query_scalar!(
                    "select exists (
                         select 1 from hiersync_internal." + $what + r#"_edge l
                         where l.source_id = $1 and l.child_id = $2 and l.parent_id <> $2 and l.retired_at is null
                     ) or exists (
                         select from hiersync_internal."# + $what + r#"_node k
                         join hiersync_internal.frontier f on f.source_id = $1 and f.parent_key = $3 and f.seen @> k.node_no
                         where k.source_id = $1 and k.id = $2
                     ) as "any!""#,
                    source_id,
                    <$id>::from(node),
                    node.to_string()
                )
                .fetch_one(conn)
                .await
            }

            // What was gone until now goes to the history, looked up link by link; why, says `Nodes::existing`. It ends after it began
            // and was retired, wherever the clock has stepped to.
            async fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> sqlx::Result<Linked> {
                let (parents, children) = columns::<$id>(edges);
                let rows = sqlx::query!(
                    "with shown as (
                         select distinct n.parent_id, n.child_id
                         from unnest($3::" + $sql_id + "[], $4::" + $sql_id + "[]) as n (parent_id, child_id)
                     ), kept as (
                         insert into hiersync_internal." + $what + "_edge_history
                             (source_id, parent_id, child_id, first_seen_at, retired_at, valid_from, valid_to)
                         select
                             l.source_id, l.parent_id, l.child_id, l.first_seen_at, l.retired_at, l.valid_from,
                             greatest($2, l.valid_from + interval '1 microsecond', l.retired_at + interval '1 microsecond')
                         from shown s
                         cross join lateral (
                             select * from hiersync_internal." + $what + "_edge k
                             where k.source_id = $1 and k.parent_id = s.parent_id and k.child_id = s.child_id
                             limit 1
                         ) l
                         where l.retired_at is not null
                         returning parent_id, child_id, valid_to
                     ), back as (
                         update hiersync_internal." + $what + "_edge l set retired_at = null, valid_from = k.valid_to
                         from kept k
                         where l.source_id = $1 and l.parent_id = k.parent_id and l.child_id = k.child_id
                         returning l.parent_id, l.child_id
                     ), fresh as (
                         insert into hiersync_internal." + $what + "_edge (source_id, parent_id, child_id, first_seen_at, valid_from)
                         select $1::int, s.parent_id, s.child_id, $2::timestamptz, $2 from shown s
                         on conflict (source_id, parent_id, child_id) do nothing
                         returning parent_id, child_id
                     )"
                    + r#"select parent_id as "parent!", child_id as "child!", true as "is_new!" from fresh
                     union all
                     select parent_id, child_id, false from back"#,
                    at.source_id,
                    at.now,
                    &parents,
                    &children
                )
                .fetch_all(conn)
                .await?;
                let edges = |is_new| rows.iter().filter(move |row| row.is_new == is_new).map(|row| Edge::of(row.parent, row.child)).collect();
                Ok(Linked { inserted: edges(true), restored: edges(false), retired: Vec::new() })
            }

            async fn loses(conn: &mut Conn<'_>, at: At, parent: NodeId, page: &[NodeId], how: (bool, bool)) -> sqlx::Result<bool> {
                sqlx::query_scalar!(
                    "with recursive below as (
                         select l.child_id as id from hiersync_internal." + $what + "_edge l
                         where $5 and l.source_id = $1 and l.parent_id = $3 and l.retired_at is null
                         union
                         select l.child_id
                         from below b cross join lateral (
                             select l.child_id from hiersync_internal." + $what + "_edge l
                             where l.source_id = $1 and l.parent_id = b.id and l.retired_at is null offset 0
                         ) l
                     ), listed as (
                         select l.child_id as id from hiersync_internal." + $what + "_edge l
                         where not $5 and l.source_id = $1 and l.parent_id = $3 and l.retired_at is null
                         union all
                         select id from below
                     ), shown as materialized (
                         select f.numbers
                         from (select $3::" + $sql_id + "::text union all select node_key from hiersync_internal.root where $5 and source_id = $1) k (key)
                         cross join lateral (
                             select f.seen + case when $6 then f.seen_earlier else '{}' end as numbers from hiersync_internal.frontier f
                             where f.source_id = $1 and f.walk_id = $2 and f.parent_key = k.key limit 1
                         ) f
                     ), missing as materialized (
                         select l.id, l.id::text as key from listed l
                         cross join lateral (
                             select n.node_no from hiersync_internal." + $what + "_node n where n.source_id = $1 and n.id = l.id limit 1
                         ) n
                         where not exists (select from shown s where s.numbers @> n.node_no)
                     )
                     select exists (
                         select from missing m
                         where m.id not in (select unnest($4::" + $sql_id + "[]))
                           and not exists (select from hiersync_internal.root r where (r.source_id, r.walk_id, r.node_key) = ($1, $2, m.key))
                           and not exists (
                               select from hiersync.finding f
                               where (f.source_id, f.kind, f.key) = ($1, 'manager_not_listed', m.key) and f.resolved_at is null
                           )"
                    + r#") as "loses!""#,
                    at.source_id, at.walk_id, <$id>::from(parent), &ids::<$id>(page), how.0, how.1
                )
                .fetch_one(conn)
                .await
            }

            async fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32, pass: &Value) -> sqlx::Result<u64> {
                let (parents, children) = columns::<$id>(edges);
                let lists = sqlx::query!(
                    "update hiersync_internal.frontier f
                     set state = 'queued', attempts = f.attempts + 1, seen_earlier = f.seen_earlier + f.seen, seen = '{}', pass = $6,
                         last_page = null
                     where f.source_id = $1 and f.walk_id = $2 and f.parent_key = any (array(
                         select k.parent_key
                         from unnest($3::" + $sql_id + "[], $4::" + $sql_id + "[]) as n (parent, child)
                         cross join lateral (
                             select l.parent_id as id from hiersync_internal." + $what + "_edge l
                             where l.source_id = $1 and l.child_id = n.child and l.parent_id <> n.parent and l.retired_at is null
                               and l.first_seen_at < coalesce(
                                   (select r.started_at from hiersync.sync_run r where r.source_id = $1 and r.run_id = $7 and r.is_refresh),
                                   (select w.started_at from hiersync_internal.walk w where w.source_id = $1 and w.walk_id = $2)
                               )
                             limit 10
                         ) other
                         cross join lateral (
                             select c.node_no from hiersync_internal." + $what + "_node c where c.source_id = $1 and c.id = n.child limit 1
                         ) child
                         cross join lateral (
                             select o.parent_key from hiersync_internal.frontier o
                             where o.source_id = $1 and o.parent_key = other.id::text and o.walk_id = $2 and o.state = 'read'
                               and o.attempts = 0 and o.seen @> child.node_no
                               and (select sum(upper(r.numbers) - lower(r.numbers)) from unnest(o.seen) as r (numbers)) < $5
                             limit 1
                         ) k
                     ))",
                    at.source_id,
                    at.walk_id,
                    &parents,
                    &children,
                    i64::from(rows),
                    pass,
                    at.run_id
                );
                Ok(lists.execute(conn).await?.rows_affected())
            }

            async fn unlink_new(conn: &mut Conn<'_>, at: At, parent: NodeId) -> sqlx::Result<Vec<Edge>> {
                let retired = sqlx::query!(
                    "update hiersync_internal." + $what + "_edge l set retired_at = greatest($3, l.valid_from)
                     where l.source_id = $1 and l.parent_id = $4 and l.retired_at is null
                       and l.valid_from >= coalesce(
                           (select r.started_at from hiersync.sync_run r where r.source_id = $1 and r.run_id = $5 and r.is_refresh),
                           (select w.started_at from hiersync_internal.walk w where w.source_id = $1 and w.walk_id = $2)
                       )"
                    + r#" returning l.parent_id as "parent!", l.child_id as "child!""#,
                    at.source_id,
                    at.walk_id,
                    at.now,
                    <$id>::from(parent),
                    at.run_id
                );
                edges!(retired, conn)
            }

            async fn unlink_others(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> sqlx::Result<Vec<Edge>> {
                let (parents, children) = columns::<$id>(edges);
                let retired = sqlx::query!(
                    "update hiersync_internal." + $what + "_edge l set retired_at = $2
                     from unnest($3::" + $sql_id + "[], $4::" + $sql_id + "[]) as n (parent_id, child_id)
                     where l.source_id = $1 and l.child_id = n.child_id and l.parent_id <> n.parent_id and l.retired_at is null"
                    + r#" returning l.parent_id as "parent!", l.child_id as "child!""#,
                    at.source_id,
                    at.now,
                    &parents,
                    &children
                );
                edges!(retired, conn)
            }
        }
    };
}

links!(Customers, "customer_link", false, "customer", i64, "bigint");
links!(Users, "reporting_line", true, "user", Uuid, "uuid");
