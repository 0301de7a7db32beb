//! The roots, as a walk has resolved them.

use std::collections::HashSet;

use sqlx::types::Uuid;

use super::{conn::Conn, mirror::At, run::OpenRun, source};
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

/// The key that an earlier walk has learned for this root.
///
/// # Errors
/// When the database fails.
pub async fn learned(conn: &mut Conn<'_>, run: &OpenRun, asked_by: &str) -> sqlx::Result<Option<NodeKey>> {
    let key =
        sqlx::query_scalar!("select node_key from hiersync.root where source_id = $1 and asked_by = $2", run.lease.source_id, asked_by)
            .fetch_optional(conn)
            .await?;
    Ok(key.map(NodeKey))
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

/// A root's row, until a list shows it: only its id is known.
pub(super) async fn insert_customer(conn: &mut Conn<'_>, at: At, id: i64) -> sqlx::Result<()> {
    let node_no = source::take_numbers(&mut *conn, at.source_id, 1).await?;
    sqlx::query!(
        "insert into hiersync.customer (source_id, customer_id, node_no, is_placeholder, first_seen_at, changed_at, valid_from)
         values ($1, $2, $3, true, $4, $4, $4)",
        at.source_id,
        id,
        node_no,
        at.now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A root's row, until a list shows it: only its id is known.
pub(super) async fn insert_user(conn: &mut Conn<'_>, at: At, id: Uuid) -> sqlx::Result<()> {
    let node_no = source::take_numbers(&mut *conn, at.source_id, 1).await?;
    sqlx::query!(
        "insert into hiersync.reporting_user (source_id, user_id, node_no, is_placeholder, first_seen_at, changed_at, valid_from)
         values ($1, $2, $3, true, $4, $4, $4)",
        at.source_id,
        id,
        node_no,
        at.now
    )
    .execute(conn)
    .await?;
    Ok(())
}
