//! Lists that somebody asked for, of both vendors.

use super::{
    conn::Conn,
    customer::Customers,
    facts::{At, Edge},
    links::edges,
    user::Users,
};

/// Lists that somebody asked for.
pub trait Want: Send + Sync + 'static {
    /// Queues the lists that show these nodes, and their own, before all others; those of a node that was asked for with everything below
    /// also these. A list that is still to be read is only put first. `of_kinds`: findings about these lists, which their reading tells
    /// anew. `how`: in a walk that is open (`.0`) each node is still counted once; lists of which a part was read are begun anew
    /// (`.1`), which only who has none of them in hand may ask for.
    fn want(conn: &mut Conn<'_>, at: At, of_kinds: &[&str], how: (bool, bool)) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Retires the links that lists show no more which were asked for, and those of children whom they show instead of another list.
    fn retire_unshown_by_wanted(conn: &mut Conn<'_>, at: At) -> impl Future<Output = sqlx::Result<Vec<Edge>>> + Send;
}

/// `$what`: the views' name; `$sql_id`: what an id is in Postgres.
macro_rules! want {
    ($tables:ty, $what:literal, $sql_id:literal) => {
        impl Want for $tables {
            async fn want(conn: &mut Conn<'_>, at: At, of_kinds: &[&str], (is_open, anew): (bool, bool)) -> sqlx::Result<()> {
                sqlx::query!(
                    "with list as materialized (
                         select w.key, w.is_below from hiersync_internal.wanted_of_" + $what + "($1, $3) w
                     ), told_anew as (
                         update hiersync.finding g set walk_id = 0
                         from list l where g.source_id = $1 and g.resolved_at is null and g.kind = any($4) and split_part(g.key, ' ', 1) = l.key
                     )
                     update hiersync_internal.frontier f
                     set (wanted, walk_id, state, attempts, recounts, is_recounted, refusal, pass, last_page, seen, seen_earlier) = (
                         select coalesce(f.wanted, false) or l.is_below, $2, 'queued', coalesce(k.attempts, 0), coalesce(k.recounts, 0),
                             coalesce(k.is_recounted, false), k.refusal, coalesce(k.pass, '{}'), k.last_page, coalesce(k.seen, '{}'),
                             coalesce(k.seen_earlier, case when f.walk_id = $2 and $5 then f.seen_earlier + f.seen end, '{}')
                         from (values (1)) one
                         left join lateral (
                             select f.attempts, f.recounts, f.is_recounted, f.refusal, f.pass, f.last_page, f.seen, f.seen_earlier
                             where f.walk_id = $2 and f.state = 'queued' and (f.pass = '{}' or not $6)
                         ) k on true
                     )
                     from list l
                     where f.source_id = $1 and f.parent_key = l.key",
                    at.source_id,
                    at.walk_id,
                    at.run_id,
                    of_kinds as &[&str],
                    is_open,
                    anew
                )
                .execute(conn)
                .await
                .map(|_| ())
            }

            async fn retire_unshown_by_wanted(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
                let retired = sqlx::query!(
                    "with wanted as materialized (
                         select f.parent_key::" + $sql_id + " as id
                         from hiersync_internal.frontier f
                         where f.source_id = $1 and f.walk_id = $2 and f.wanted is not null and f.state = 'read'
                     ), candidate as (
                         select k.parent_id, k.child_id
                         from wanted w
                         join hiersync_internal." + $what + "_edge k on k.source_id = $1 and k.parent_id = w.id and k.retired_at is null
                         union
                         select k.parent_id, k.child_id
                         from wanted w
                         join hiersync_internal." + $what + "_edge o on o.source_id = $1 and o.parent_id = w.id and o.retired_at is null
                         join hiersync_internal." + $what + "_edge k
                             on k.source_id = $1 and k.child_id = o.child_id and k.parent_id <> o.parent_id and k.retired_at is null
                     )
                     update hiersync_internal." + $what + "_edge l set retired_at = $3
                     from candidate k
                     join hiersync_internal." + $what + "_node c on c.source_id = $1 and c.id = k.child_id
                     join hiersync_internal.frontier f
                         on f.source_id = $1 and f.parent_key = k.parent_id::text and f.walk_id = $2 and f.state = 'read'
                     where l.source_id = $1 and l.parent_id = k.parent_id and l.child_id = k.child_id and not f.seen @> c.node_no
                       and not exists (
                           select 1 from hiersync_internal." + $what + "_told($1, $2) s
                           where s.child_id = k.child_id and s.parent_id = k.parent_id
                       )"
                    + r#" returning l.parent_id as "parent!", l.child_id as "child!""#,
                    at.source_id,
                    at.walk_id,
                    at.now
                );
                edges!(retired, conn)
            }
        }
    };
}

want!(Customers, "customer", "bigint");
want!(Users, "user", "uuid");
