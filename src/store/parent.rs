//! Where the frontier says that the parent of a list is to be looked for.

use super::{conn::Conn, frontier::Found, run::OpenRun};
use crate::{config::Identifier, model::node::NodeKey};

/// By what a list of this walk is asked for. The outer `None`: the walk has not met it.
///
/// # Errors
/// When the database fails.
pub async fn asked_by(conn: &mut Conn<'_>, run: &OpenRun, parent: &NodeKey) -> sqlx::Result<Option<Option<Identifier>>> {
    let row = sqlx::query!(
        "select ask_kind, ask_value from hiersync.frontier where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.ask_kind.zip(row.ask_value).map(|(kind, value)| Identifier { kind, value })))
}

/// Counts a look at the row of a list's parent, and gives how many were begun since the list's last page: all but this one were
/// broken off.
///
/// # Errors
/// When the database fails.
pub async fn begin_look(conn: &mut Conn<'_>, run: &OpenRun, parent: &NodeKey) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"update hiersync.frontier
           set progress = progress || jsonb_build_object('j', coalesce((progress ->> 'j')::int, 0) + 1)
           where source_id = $1 and walk_id = $2 and parent_key = $3
           returning (progress ->> 'j')::int as "looks!""#,
        run.lease.source_id,
        run.walk_id,
        parent.0
    )
    .fetch_one(conn)
    .await
}

/// Where a list's parent was found in this walk; `None`: it is a root, or the walk has not met it.
///
/// # Errors
/// When the database fails.
pub async fn found(conn: &mut Conn<'_>, run: &OpenRun, parent: &NodeKey) -> sqlx::Result<Option<Found>> {
    let row = sqlx::query!(
        "select found_in, found_at from hiersync.frontier where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| Found::from_row(row.found_in, row.found_at)))
}
