//! The roots, as a walk has resolved them.

use std::collections::HashSet;

use super::{conn::Conn, run::OpenRun};
use crate::model::node::NodeKey;

/// The roots that this walk has resolved, as configured.
///
/// # Errors
/// When the database fails.
pub async fn resolved(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<HashSet<String>> {
    let rows =
        sqlx::query_scalar!("select asked_by from hiersync.root where source_id = $1 and walk_id = $2", run.lease.source_id, run.walk_id)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().collect())
}

/// Writes a root down. `false`: another root of this walk has the same key.
///
/// # Errors
/// When the database fails.
pub async fn write(conn: &mut Conn<'_>, run: &OpenRun, asked_by: &str, key: &NodeKey) -> sqlx::Result<bool> {
    let is_known = sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.root where source_id = $1 and walk_id = $2 and node_key = $3
           ) as "known!""#,
        run.lease.source_id,
        run.walk_id,
        key.0
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into hiersync.root (source_id, asked_by, node_key, walk_id) values ($1, $2, $3, $4)
         on conflict (source_id, asked_by) do update set node_key = excluded.node_key, walk_id = excluded.walk_id",
        run.lease.source_id,
        asked_by,
        key.0,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(!is_known)
}

/// Removes roots that the config no longer names.
///
/// # Errors
/// When the database fails.
pub async fn forget_unmet(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!("delete from hiersync.root where source_id = $1 and walk_id <> $2", run.lease.source_id, run.walk_id)
        .execute(conn)
        .await?;
    Ok(())
}
