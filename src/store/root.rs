//! The roots, as a walk has resolved them.

use std::collections::HashMap;

use super::{conn::Conn, run::OpenRun};
use crate::model::node::NodeId;

/// A root that this walk has resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its key.
    pub key: NodeId,
    /// Its own row was read, and its list is queued.
    pub is_taken_in: bool,
}

/// The roots that this walk has resolved, by how they are configured.
pub async fn resolved(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<HashMap<String, Resolved>> {
    let rows = sqlx::query!(
        r#"select asked_by, node_key, row_walk_id is not distinct from walk_id as "is_taken_in!"
           from hiersync_internal.root where source_id = $1 and walk_id = $2"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_all(conn)
    .await?;
    let resolved = |key: &str, is_taken_in| Resolved { key: NodeId::parse(key), is_taken_in };
    Ok(rows.into_iter().map(|row| (row.asked_by, resolved(&row.node_key, row.is_taken_in))).collect())
}

/// The key that an earlier walk has learned for this root.
pub async fn learned(conn: &mut Conn<'_>, run: &OpenRun, asked_by: &str) -> sqlx::Result<Option<NodeId>> {
    let key = sqlx::query_scalar!(
        "select node_key from hiersync_internal.root where source_id = $1 and asked_by = $2",
        run.lease.source_id,
        asked_by
    )
    .fetch_optional(conn)
    .await?;
    Ok(key.map(|text| NodeId::parse(&text)))
}

/// How roots of this node are configured.
pub async fn named(conn: &mut Conn<'_>, source: &str, node: NodeId) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "select r.asked_by from hiersync_internal.root r join hiersync.source s using (source_id) where s.name = $1 and r.node_key = $2",
        source,
        node.to_string()
    )
    .fetch_all(conn)
    .await
}

/// Writes a root's key down; another one that it had is kept in the history.
pub async fn write(conn: &mut Conn<'_>, run: &OpenRun, asked_by: &str, key: NodeId) -> sqlx::Result<()> {
    sqlx::query!(
        "with kept as (
             insert into hiersync_internal.root_history (source_id, node_key, valid_from, valid_to)
             select source_id, node_key, valid_from, greatest(clock_timestamp(), valid_from + interval '1 microsecond')
             from hiersync_internal.root where source_id = $1 and asked_by = $2 and node_key <> $3
             on conflict (source_id, node_key, valid_from) do update set valid_to = excluded.valid_to
         )
         insert into hiersync_internal.root as r (source_id, asked_by, node_key, walk_id, valid_from)
         values ($1, $2, $3, $4, clock_timestamp())
         on conflict (source_id, asked_by) do update set node_key = excluded.node_key, walk_id = excluded.walk_id,
             valid_from = case when r.node_key = excluded.node_key then r.valid_from else excluded.valid_from end",
        run.lease.source_id,
        asked_by,
        key.to_string(),
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down that a root's own row was read. `false`: another root of this walk has the same key and was taken in before.
pub async fn taken_in(conn: &mut Conn<'_>, run: &OpenRun, asked_by: &str, key: NodeId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"with before as (
               select count(*) as many from hiersync_internal.root where source_id = $1 and row_walk_id = $2 and node_key = $4
           ), written as (
               update hiersync_internal.root set row_walk_id = $2 where source_id = $1 and asked_by = $3
           )
           select many = 0 as "is_first!" from before"#,
        run.lease.source_id,
        run.walk_id,
        asked_by,
        key.to_string()
    )
    .fetch_one(conn)
    .await
}

/// The own rows of those of these nodes that are roots are to be read once more.
pub async fn ask_again(conn: &mut Conn<'_>, run: &OpenRun, keys: &[String]) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.root set row_walk_id = null where source_id = $1 and walk_id = $2 and node_key = any($3)",
        run.lease.source_id,
        run.walk_id,
        keys
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes roots that the config no longer names, into the history.
pub async fn forget_unmet(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!(
        "with gone as (
             delete from hiersync_internal.root where source_id = $1 and walk_id <> $2 returning node_key, valid_from
         )
         insert into hiersync_internal.root_history (source_id, node_key, valid_from, valid_to)
         select distinct $1, node_key, valid_from, greatest(clock_timestamp(), valid_from + interval '1 microsecond') from gone
         on conflict (source_id, node_key, valid_from) do update set valid_to = excluded.valid_to",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}
