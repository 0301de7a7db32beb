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

/// Writes a root's key down.
pub async fn write(conn: &mut Conn<'_>, run: &OpenRun, asked_by: &str, key: NodeId) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into hiersync_internal.root (source_id, asked_by, node_key, walk_id) values ($1, $2, $3, $4)
         on conflict (source_id, asked_by) do update set node_key = excluded.node_key, walk_id = excluded.walk_id",
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

/// Removes roots that the config no longer names.
pub async fn forget_unmet(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!("delete from hiersync_internal.root where source_id = $1 and walk_id <> $2", run.lease.source_id, run.walk_id)
        .execute(conn)
        .await?;
    Ok(())
}
