//! Nodes that somebody wants to be read now: asked for by one process, served by whichever run comes next, as lists that are read before
//! all others.

use chrono::{DateTime, Utc};

use super::{conn::Conn, facts::At, run::OpenRun};

/// What is wanted of a run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levers {
    /// Its source was paused since it began.
    pub is_paused: bool,
    /// Nodes are to be read that no run serves yet.
    pub is_asked: bool,
}

/// What is wanted of this run.
pub async fn levers(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Levers> {
    sqlx::query_as!(
        Levers,
        r#"select
               exists (
                   select from hiersync.source s join hiersync.sync_run r using (source_id)
                   where s.source_id = $1 and r.run_id = $2 and s.paused_at is not null
                     and (r.trigger <> 'manual' or s.paused_at > r.started_at)
               ) as "is_paused!",
               exists (
                   select from hiersync_internal.refresh
                   where source_id = $1 and done_at is null and run_id is distinct from $2
               ) as "is_asked!""#,
        run.lease.source_id,
        run.run_id
    )
    .fetch_one(conn)
    .await
}

/// Asks for nodes of a source, by its name. Gives the numbers under which they are asked for.
pub async fn ask(conn: &mut Conn<'_>, source: &str, nodes: &[String], is_below: bool) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        "insert into hiersync_internal.refresh (source_id, node_key, is_below)
         select s.source_id, n.key, $3 from hiersync.source s cross join unnest($2::text[]) n (key) where s.name = $1
         returning refresh_id",
        source,
        nodes,
        is_below
    )
    .fetch_all(conn)
    .await
}

/// Whether something is asked for that no run serves yet.
pub async fn is_asked(conn: &mut Conn<'_>, source: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from hiersync_internal.refresh r join hiersync.source s using (source_id) where s.name = $1 and r.done_at is null
           ) as "is_asked!""#,
        source
    )
    .fetch_one(conn)
    .await
}

/// Those of these nodes that the source's mirror does not have live, in any spelling.
pub async fn unknown(conn: &mut Conn<'_>, source: &str, nodes: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select n.key as "key!" from unnest($2::text[]) n (key)
           where not exists (
               select from hiersync.source s
               left join hiersync.customer c on c.source_id = s.source_id and c.retired_at is null
                   and c.customer_id = case when n.key ~ '^-?[0-9]{1,18}$' then n.key::bigint end
               left join hiersync.reporting_user u on u.source_id = s.source_id and u.retired_at is null
                   and u.user_id = case when n.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then n.key::uuid end
               where s.name = $1 and (c.customer_id is not null or u.user_id is not null)
           )"#,
        source,
        nodes
    )
    .fetch_all(conn)
    .await
}

/// How one that was asked for was served.
#[derive(Debug, Clone)]
pub struct Served {
    /// The run.
    pub run_id: i64,
    /// When it began to.
    pub taken_at: DateTime<Utc>,
    /// When it was done.
    pub done_at: DateTime<Utc>,
    /// All its lists were proven whole.
    pub is_proven: bool,
}

/// How these were served, each run once; `None`: some are not yet.
pub async fn served(conn: &mut Conn<'_>, source: &str, asked: &[i64]) -> sqlx::Result<Option<Vec<Served>>> {
    let rows = sqlx::query!(
        r#"select a.run_id, min(a.taken_at) as taken_at, max(a.done_at) as done_at, bool_and(a.is_proven) as is_proven,
               bool_and(a.done_at is not null) as "is_done!"
           from hiersync_internal.refresh a join hiersync.source s using (source_id)
           where s.name = $1 and a.refresh_id = any($2) group by a.run_id order by a.run_id"#,
        source,
        asked
    )
    .fetch_all(conn)
    .await?;
    let served = rows.into_iter().map(|row| {
        let (run_id, taken_at, done_at, is_proven) = (row.run_id?, row.taken_at?, row.done_at?, row.is_proven?);
        row.is_done.then_some(Served { run_id, taken_at, done_at, is_proven })
    });
    Ok(served.collect())
}

/// This run serves from now on whatever is asked for. Gives the nodes. What was served long ago is forgotten.
pub async fn take(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "with old as (
             delete from hiersync_internal.refresh where source_id = $1 and done_at < clock_timestamp() - interval '30 days'
         )
         update hiersync_internal.refresh set run_id = $2, taken_at = clock_timestamp()
         where source_id = $1 and done_at is null and run_id is distinct from $2 returning node_key",
        at.source_id,
        at.run_id
    )
    .fetch_all(conn)
    .await
}

/// Lists that were asked for are still to be read.
pub async fn is_reading(conn: &mut Conn<'_>, at: At) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from hiersync_internal.frontier where source_id = $1 and walk_id = $2 and wanted is not null and state = 'queued'
           ) as "any!""#,
        at.source_id,
        at.walk_id
    )
    .fetch_one(conn)
    .await
}

/// What this run was asked for is done, as far as it could be. `is_whole`: what is read beside lists was. Gives whether all was proven.
pub async fn done(conn: &mut Conn<'_>, at: At, is_whole: bool) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"with proven as (
               select $4 and coalesce(bool_and(f.state = 'read'), true) as all_of
               from hiersync_internal.frontier f where f.source_id = $1 and f.walk_id = $3 and f.wanted is not null
           ), resolved as (
               update hiersync.finding g set resolved_at = clock_timestamp()
               from hiersync_internal.frontier f
               where f.source_id = $1 and f.walk_id = $3 and f.wanted is not null and f.state = 'read'
                 and g.source_id = $1 and g.resolved_at is null and g.walk_id = 0 and split_part(g.key, ' ', 1) = f.parent_key
           ), put_back as (
               update hiersync_internal.frontier set wanted = null where source_id = $1 and wanted is not null
           ), told as (
               update hiersync_internal.refresh r set done_at = clock_timestamp(), is_proven = p.all_of
               from proven p where r.source_id = $1 and r.run_id = $2 and r.done_at is null
           )
           select all_of as "all_of!" from proven"#,
        at.source_id,
        at.run_id,
        at.walk_id,
        is_whole
    )
    .fetch_one(conn)
    .await
}
