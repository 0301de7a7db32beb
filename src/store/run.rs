//! Runs: opened, counted, closed. The open run's row is the fence: who finds it closed has lost the lease.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{conn::Conn, lease::Lease, source};
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
    /// What it reads.
    pub reads: Reads,
    /// Runs right before it that the vendor has refused from the first call to the last.
    pub refused_before: u32,
}

/// What a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Its walk, to the end.
    Walk,
    /// Only what somebody asked for, into a walk that goes on after it.
    WantedOfOpen,
    /// Only what somebody asked for, into the last walk that was closed.
    WantedOfClosed,
}

/// The database's clock, for a transaction that is going to write. From here on it has a number by which others can wait for its end,
/// whatever it reads before it writes.
pub async fn clock(conn: &mut Conn<'_>) -> sqlx::Result<DateTime<Utc>> {
    let row = sqlx::query!(r#"select clock_timestamp() as "now!", pg_current_xact_id()::text as "number!""#);
    Ok(row.fetch_one(conn).await?.now)
}

/// A run whose end could not be written down, as the database was away.
#[derive(Debug, Clone)]
pub struct Unclosed {
    /// The run.
    pub run_id: i64,
    /// How it has ended.
    pub outcome: Outcome,
    /// Why.
    pub error: Option<String>,
}

/// Closes the run that was left open: by a former holder, as abandoned; by us, as it has ended.
pub async fn close_left(conn: &mut Conn<'_>, source_id: i32, ours: Option<&Unclosed>) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "update hiersync.sync_run set finished_at = clock_timestamp(),
             outcome = case when run_id = $2 then $3 else 'abandoned' end,
             error = case when run_id = $2 then $4 else 'its process died or lost its lease' end
         where source_id = $1 and outcome is null returning run_id",
        source_id,
        ours.map(|ours| ours.run_id),
        ours.map(|ours| ours.outcome.as_ref()),
        ours.and_then(|ours| ours.error.as_deref())
    )
    .fetch_optional(conn)
    .await
}

/// Writes down that there was no run of a source, by its name and vendor: it brings no walk forward and holds no lease. Not while somebody
/// else runs it: that run is the latest.
pub async fn refuse(conn: &mut Conn<'_>, (name, vendor): (&str, &str), process_id: i64, trigger: Trigger, why: &str) -> sqlx::Result<()> {
    source::id_of(conn, name, vendor).await?;
    sqlx::query!(
        "insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger, finished_at, outcome, error)
         select source_id, 0, $2, 0, $3, clock_timestamp(), 'failed', $4 from hiersync.source s
         where name = $1 and not exists (select from hiersync.sync_run o where o.source_id = s.source_id and o.outcome is null)",
        name,
        process_id,
        trigger.as_ref(),
        why
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a run of the source has begun within this time that leaves nothing to us. Asked by who holds the lease: one that is still open is
/// a dead process's.
pub async fn has_begun(conn: &mut Conn<'_>, source_id: i32, within: Duration) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.sync_run
               where source_id = $1 and epoch > 0 and trigger <> 'manual' and outcome not in ('stopped', 'abandoned')
                 and started_at > clock_timestamp() - make_interval(secs => $2)
           ) as "has_begun!""#,
        source_id,
        within.as_secs_f64()
    )
    .fetch_one(conn)
    .await
}

/// Whether a run of the source has come to its walk's end within this time.
pub async fn has_ended(conn: &mut Conn<'_>, source_id: i32, within: Duration) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.sync_run
               where source_id = $1 and outcome in ('complete', 'partial') and not is_refresh and finished_at > clock_timestamp() - make_interval(secs => $2)
           ) as "has_ended!""#,
        source_id,
        within.as_secs_f64()
    )
    .fetch_one(conn)
    .await
}

/// Whether a run of the source is open.
pub async fn is_open(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select 1 from hiersync.sync_run where source_id = $1 and outcome is null) as "is_open!""#,
        source_id
    )
    .fetch_one(conn)
    .await
}

/// Of the runs right before, so many are looked at: how long to pause after more than that makes no difference.
const LOOKED_BACK: i64 = 16;

/// Opens a run.
pub async fn open(conn: &mut Conn<'_>, lease: Lease, (walk_id, reads): (i64, Reads), trigger: Trigger) -> sqlx::Result<OpenRun> {
    let run = sqlx::query!(
        r#"insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger, is_refresh) values ($1, $2, $3, $4, $5, $6)
           returning run_id, (
               select count(*) from (
                   select bool_and(r.outcome = 'throttled' and r.throttled > 0 and r.pages = 0) over (order by r.run_id desc) as is_refused
                   from (select * from hiersync.sync_run where source_id = $1 and requests > 0 order by run_id desc limit $7) r
               ) b where b.is_refused
           ) as "refused!""#,
        lease.source_id,
        walk_id,
        lease.process_id,
        lease.epoch,
        trigger.as_ref(),
        reads != Reads::Walk,
        LOOKED_BACK
    )
    .fetch_one(conn)
    .await?;
    Ok(OpenRun { lease, run_id: run.run_id, walk_id, reads, refused_before: run.refused.try_into().unwrap_or(0) })
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
