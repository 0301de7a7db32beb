//! Lists that are settled when no list is left to read: those in doubt, and those that ended by a count that may have been wrong.

use serde_json::Value;

use super::{conn::Conn, frontier::DIRECTORY, run::OpenRun};
use crate::{config::Identifier, model::node::NodeId};

/// A list in doubt, with the list that showed its parent.
#[derive(Debug, Clone)]
pub struct Doubtful {
    /// Whose list.
    pub parent: NodeId,
    /// By what a customer's children are asked for.
    pub ask: Option<Identifier>,
    /// How many children the vendor says there are.
    pub expected: Option<i64>,
    /// How far its last pass has come.
    pub pass: Value,
    /// Why the vendor refuses it.
    pub refusal: Option<String>,
    /// How often the list above was read again for it.
    pub recounts: i32,
    /// That was since the doubt arose.
    pub is_recounted: bool,
    /// How many different nodes all its passes have shown.
    pub together: i64,
    /// The list above; `None` for a root's.
    pub above: Option<NodeId>,
    /// What has become of that list.
    pub above_state: Option<String>,
    /// That list shows the parent.
    pub above_shows: bool,
}

/// The lists in doubt, upper ones first.
pub async fn all(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Vec<Doubtful>> {
    let rows = sqlx::query_file!("src/store/sql/doubtful.sql", run.lease.source_id, run.walk_id).fetch_all(conn).await?;
    let doubtful = rows.into_iter().map(|row| Doubtful {
        parent: NodeId::parse(&row.parent_key),
        ask: row.ask_kind.zip(row.ask_value).map(|(kind, value)| Identifier { kind, value }),
        expected: row.expected,
        pass: row.pass,
        refusal: row.refusal,
        recounts: row.recounts,
        is_recounted: row.is_recounted,
        together: row.together,
        above: row.shown_by.map(|text| NodeId::parse(&text)),
        above_state: row.above_state,
        above_shows: row.above_shows,
    });
    Ok(doubtful.collect())
}

/// Counts that the list above is read again for a list in doubt.
pub async fn recount(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.frontier set recounts = recounts + 1, is_recounted = true
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.to_string()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Queues a list that was read to be read again, with this pass. Whom it has shown is kept beside.
pub async fn read_again(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId, pass: &Value) -> sqlx::Result<u64> {
    let queued = sqlx::query!(
        "update hiersync_internal.frontier
         set state = 'queued', attempts = attempts + 1, pass = $4, last_page = null, refusal = null,
             seen_earlier = seen_earlier + seen, seen = '{}'
         where source_id = $1 and walk_id = $2 and parent_key = $3 and state in ('read', 'doubtful')",
        run.lease.source_id,
        run.walk_id,
        parent.to_string(),
        pass
    )
    .execute(conn)
    .await?;
    Ok(queued.rows_affected())
}

/// Queues the lists that a count alone has ended and whose last page may have been cut off, to be asked what follows: something has
/// moved since; of all lists, or of those that somebody asked for. Gives how many there are.
pub async fn queue_tight(conn: &mut Conn<'_>, run: &OpenRun, only_wanted: bool) -> sqlx::Result<u64> {
    let queued = sqlx::query!(
        "update hiersync_internal.frontier f set state = 'queued', last_page = null
         from hiersync_internal.walk w
         where w.source_id = $1 and w.walk_id = $2 and w.has_moved
           and f.source_id = $1 and f.walk_id = $2 and f.state = 'read' and f.last_page >= w.longest_page
           and (f.wanted is not null or not $3)",
        run.lease.source_id,
        run.walk_id,
        only_wanted
    )
    .execute(conn)
    .await?;
    Ok(queued.rows_affected())
}

/// Writes that the vendor refuses a list, and why, in our words.
pub async fn refuse(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId, why: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.frontier set state = 'doubtful', refusal = $4, is_recounted = false
         where source_id = $1 and walk_id = $2 and parent_key = $3 and state = 'queued'",
        run.lease.source_id,
        run.walk_id,
        parent.to_string(),
        why
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes that the directory says nothing in this walk, as the vendor was unwell, and why, in our words.
pub async fn leave_directory(conn: &mut Conn<'_>, run: &OpenRun, why: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.frontier set state = 'unproven', refusal = $4, seen = seen + seen_earlier
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        DIRECTORY,
        why
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether that was written.
pub async fn is_directory_left(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from hiersync_internal.frontier
               where source_id = $1 and walk_id = $2 and parent_key = $3 and state = 'unproven' and refusal is not null
           ) as "is!""#,
        run.lease.source_id,
        run.walk_id,
        DIRECTORY
    )
    .fetch_one(conn)
    .await
}
