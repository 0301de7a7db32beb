//! Runs and walks: opened, counted, closed. The open run's row is the fence: who finds it closed has lost the lease.

use std::time::Duration;

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
pub async fn clock(conn: &mut Conn<'_>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(conn).await
}

/// Closes the run that a former holder left open, as abandoned.
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

/// Whether a run of the source has begun within this time.
pub async fn has_begun(conn: &mut Conn<'_>, source_id: i32, within: Duration) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.sync_run
               where source_id = $1 and trigger <> 'manual' and started_at > clock_timestamp() - make_interval(secs => $2)
           ) as "has_begun!""#,
        source_id,
        within.as_secs_f64()
    )
    .fetch_one(conn)
    .await
}

/// The open walk to go on with; one that was begun with other settings is closed as superseded.
pub async fn open_walk(conn: &mut Conn<'_>, source_id: i32, shape: &str) -> sqlx::Result<i64> {
    sqlx::query!(
        "update hiersync_internal.walk set finished_at = clock_timestamp(), verdict = 'superseded'
         where source_id = $1 and finished_at is null and shape <> $2",
        source_id,
        shape
    )
    .execute(&mut *conn)
    .await?;
    let open = sqlx::query_scalar!("select walk_id from hiersync_internal.walk where source_id = $1 and finished_at is null", source_id);
    if let Some(walk_id) = open.fetch_optional(&mut *conn).await? {
        return Ok(walk_id);
    }
    sqlx::query_scalar!("insert into hiersync_internal.walk (source_id, shape) values ($1, $2) returning walk_id", source_id, shape)
        .fetch_one(conn)
        .await
}

/// Opens a run.
pub async fn open(conn: &mut Conn<'_>, lease: Lease, walk_id: i64, trigger: Trigger) -> sqlx::Result<OpenRun> {
    let run_id = sqlx::query_scalar!(
        "insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger) values ($1, $2, $3, $4, $5) returning run_id",
        lease.source_id,
        walk_id,
        lease.process_id,
        lease.epoch,
        trigger.as_ref()
    )
    .fetch_one(conn)
    .await?;
    Ok(OpenRun { lease, run_id, walk_id })
}

/// Adds to the run's counters, and gives its steps with this one. `None`: the run is closed, the lease is lost, and the transaction must
/// not be committed.
pub async fn count(conn: &mut Conn<'_>, run: &OpenRun, by: &Counters) -> sqlx::Result<Option<i64>> {
    sqlx::query_file_scalar!(
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
    .fetch_optional(conn)
    .await
}

/// What a transaction is to add to the run's row, while its commit has no answer.
#[derive(Debug, Clone, Copy)]
pub struct Unanswered {
    /// The run's steps before.
    pub steps: i64,
    /// What is to be added.
    pub calls: Counters,
}

/// How a run stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Steps that it has made.
    pub steps: i64,
    /// How it has ended, if it has.
    pub outcome: Option<String>,
}

/// How the run stands.
pub async fn standing(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Standing> {
    sqlx::query_as!(
        Standing,
        "select steps, outcome from hiersync.sync_run where source_id = $1 and run_id = $2",
        run.lease.source_id,
        run.run_id
    )
    .fetch_one(conn)
    .await
}

/// Closes the run. `false`: somebody else has closed it.
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
        outcome.as_ref(),
        error,
        resume_at
    )
    .execute(conn)
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// Closes the walk.
pub async fn close_walk(conn: &mut Conn<'_>, run: &OpenRun, is_complete: bool) -> sqlx::Result<()> {
    let verdict = if is_complete { "complete" } else { "partial" };
    sqlx::query!(
        "update hiersync_internal.walk set finished_at = clock_timestamp(), verdict = $3 where source_id = $1 and walk_id = $2",
        run.lease.source_id,
        run.walk_id,
        verdict
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What is known of a walk that goes on.
#[derive(Debug, Clone, Default)]
pub struct Recalled {
    /// What its lists hold, once that is known.
    pub reach: Option<String>,
    /// What those of the last complete walk of the same settings held.
    pub last_reach: Option<String>,
    /// Something was seen to move.
    pub has_moved: bool,
    /// Rows of its longest page.
    pub longest_page: i32,
    /// An earlier walk of this source has ended: the mirror knows who was there.
    pub knows: bool,
}

/// What is known of a walk that goes on.
pub async fn recall(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Recalled> {
    sqlx::query_as!(
        Recalled,
        r#"select this.reach, this.has_moved, this.longest_page,
               (
                   select last.reach from hiersync_internal.walk last
                   where last.source_id = $1 and last.shape = this.shape and last.verdict = 'complete' and last.reach is not null
                   order by last.walk_id desc limit 1
               ) as last_reach,
               exists (
                   select 1 from hiersync_internal.walk w where w.source_id = $1 and w.verdict in ('complete', 'partial')
               ) as "knows!"
           from hiersync_internal.walk this where this.source_id = $1 and this.walk_id = $2"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_one(conn)
    .await
}

/// Remembers what this walk has shown of itself: something has moved, and how long its longest page is.
pub async fn remember(conn: &mut Conn<'_>, run: &OpenRun, has_moved: bool, longest_page: u32) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.walk set has_moved = has_moved or $3, longest_page = greatest(longest_page, $4)
         where source_id = $1 and walk_id = $2",
        run.lease.source_id,
        run.walk_id,
        has_moved,
        longest_page.cast_signed()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Remembers what the lists of this walk hold.
pub async fn set_reach(conn: &mut Conn<'_>, run: &OpenRun, reach: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.walk set reach = $3 where source_id = $1 and walk_id = $2",
        run.lease.source_id,
        run.walk_id,
        reach
    )
    .execute(conn)
    .await?;
    Ok(())
}
