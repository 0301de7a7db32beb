//! Runs and walks: opened, counted, closed. The open run's row is the fence: who finds it closed has lost the lease.

use chrono::{DateTime, Utc};

use super::{conn::Conn, lease::Lease};
use crate::model::run::{Counters, Outcome, Trigger};

/// An open run and the walk that it brings forward.
#[derive(Debug, Clone, Copy)]
pub struct OpenRun {
    /// Its lease.
    pub lease: Lease,
    /// Its row in `sync_run`.
    pub run_id: i64,
    /// Its row in `walk`.
    pub walk_id: i64,
}

/// The database's clock.
///
/// # Errors
/// When the database fails.
pub async fn clock(conn: &mut Conn<'_>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(conn).await
}

/// Closes the run that a former holder left open, as abandoned.
///
/// # Errors
/// When the database fails.
pub async fn abandon(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "update hiersync.sync_run
         set outcome = 'abandoned', finished_at = clock_timestamp(), error = 'its process died or lost its lease'
         where source_id = $1 and outcome is null returning run_id",
        source_id
    )
    .fetch_optional(conn)
    .await
}

/// The open walk to go on with; one that was begun with other settings is closed as superseded.
///
/// # Errors
/// When the database fails.
pub async fn open_walk(conn: &mut Conn<'_>, source_id: i32, shape: &str) -> sqlx::Result<i64> {
    sqlx::query!(
        "update hiersync.walk set finished_at = clock_timestamp(), verdict = 'superseded'
         where source_id = $1 and finished_at is null and shape <> $2",
        source_id,
        shape
    )
    .execute(&mut *conn)
    .await?;
    let open = sqlx::query_scalar!("select walk_id from hiersync.walk where source_id = $1 and finished_at is null", source_id);
    if let Some(walk_id) = open.fetch_optional(&mut *conn).await? {
        return Ok(walk_id);
    }
    sqlx::query_scalar!("insert into hiersync.walk (source_id, shape) values ($1, $2) returning walk_id", source_id, shape)
        .fetch_one(conn)
        .await
}

/// Opens a run.
///
/// # Errors
/// When the database fails.
pub async fn open(conn: &mut Conn<'_>, lease: Lease, walk_id: i64, trigger: Trigger) -> sqlx::Result<OpenRun> {
    let run_id = sqlx::query_scalar!(
        "insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger) values ($1, $2, $3, $4, $5) returning run_id",
        lease.source_id,
        walk_id,
        lease.process_id,
        lease.epoch,
        trigger.word()
    )
    .fetch_one(conn)
    .await?;
    Ok(OpenRun { lease, run_id, walk_id })
}

/// Adds to the run's counters. `false`: the run is closed, the lease is lost, and the transaction must not be committed.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &mut Conn<'_>, run: &OpenRun, by: &Counters) -> sqlx::Result<bool> {
    let counted = sqlx::query_file!(
        "src/store/sql/run_count.sql",
        run.lease.source_id,
        run.run_id,
        by.requests,
        by.throttled,
        by.retried,
        by.pages,
        by.rows_seen,
        by.inserted,
        by.updated,
        by.unchanged,
        by.retired,
        by.restored,
        by.wait_ms,
        by.fetch_ms,
        by.write_ms
    )
    .execute(conn)
    .await?;
    Ok(counted.rows_affected() == 1)
}

/// Closes the run. `false`: somebody else has closed it.
///
/// # Errors
/// When the database fails.
pub async fn close(
    conn: &mut Conn<'_>,
    run: &OpenRun,
    outcome: Outcome,
    error: Option<&str>,
    resume_at: Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    let closed = sqlx::query!(
        "update hiersync.sync_run set outcome = $3, error = $4, resume_at = $5, finished_at = clock_timestamp()
         where source_id = $1 and run_id = $2 and outcome is null",
        run.lease.source_id,
        run.run_id,
        outcome.word(),
        error,
        resume_at
    )
    .execute(conn)
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// Closes the walk.
///
/// # Errors
/// When the database fails.
pub async fn close_walk(conn: &mut Conn<'_>, run: &OpenRun, is_complete: bool) -> sqlx::Result<()> {
    let verdict = if is_complete { "complete" } else { "partial" };
    sqlx::query!(
        "update hiersync.walk set finished_at = clock_timestamp(), verdict = $3 where source_id = $1 and walk_id = $2",
        run.lease.source_id,
        run.walk_id,
        verdict
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How LeadSquared's answers are read in this walk, once that is known.
///
/// # Errors
/// When the database fails.
pub async fn reach(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!("select reach from hiersync.walk where source_id = $1 and walk_id = $2", run.lease.source_id, run.walk_id)
        .fetch_one(conn)
        .await
}

/// Whether a walk of this source was complete: the mirror knows who was there before.
///
/// # Errors
/// When the database fails.
pub async fn any_complete(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from hiersync.walk where source_id = $1 and verdict = 'complete') as "any!""#,
        run.lease.source_id
    )
    .fetch_one(conn)
    .await
}

/// Remembers that something was seen to move in this walk.
///
/// # Errors
/// When the database fails.
pub async fn set_moved(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.walk set has_moved = true where source_id = $1 and walk_id = $2 and has_moved is null",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether something was seen to move in an earlier run of this walk.
///
/// # Errors
/// When the database fails.
pub async fn has_moved(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select coalesce(has_moved, false) as "moved!" from hiersync.walk where source_id = $1 and walk_id = $2"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_one(conn)
    .await
}

/// How LeadSquared's answers were read in the last complete walk that read the same as this one and had to know.
///
/// # Errors
/// When the database fails.
pub async fn last_reach(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Option<String>> {
    let last = sqlx::query_scalar!(
        r#"select last.reach as "reach!"
           from hiersync.walk last
           join hiersync.walk this on this.source_id = last.source_id and this.shape = last.shape
           where this.source_id = $1 and this.walk_id = $2 and last.verdict = 'complete' and last.reach is not null
           order by last.walk_id desc limit 1"#,
        run.lease.source_id,
        run.walk_id
    );
    last.fetch_optional(conn).await
}

/// Remembers how LeadSquared's answers are read in this walk; `None`: it is to be found out anew.
///
/// # Errors
/// When the database fails.
pub async fn set_reach(conn: &mut Conn<'_>, run: &OpenRun, reach: Option<&str>) -> sqlx::Result<()> {
    sqlx::query!("update hiersync.walk set reach = $3 where source_id = $1 and walk_id = $2", run.lease.source_id, run.walk_id, reach)
        .execute(conn)
        .await?;
    Ok(())
}
