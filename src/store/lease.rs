//! One run per source at a time, in all processes and on all machines: a row with an epoch and an end.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{conn::Conn, process::Identity};

/// How long a lease lasts without a renewal: a holder on another machine that died is replaced after this.
pub const LASTS: Duration = Duration::from_secs(10);

/// How often a holder renews it.
pub const RENEWED_EVERY: Duration = Duration::from_secs(3);

/// A lease that was taken: writes carry its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The source.
    pub source_id: i32,
    /// Who holds it.
    pub process_id: i64,
    /// Higher than that of any earlier holder.
    pub epoch: i64,
}

/// Somebody else holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Until when, unless it is renewed.
    pub until: DateTime<Utc>,
    /// How long that is.
    pub remaining: Duration,
    /// Its process id there.
    pub pid: i32,
    /// Whether it runs where we could see its death: then it is alive.
    pub is_here: bool,
}

/// First half of the advisory lock's key; the second is the source's id.
const LEASE_LOCK: i32 = 0x6869_6c65;

/// Keeps others from taking the lease until this transaction ends: a dry run's transaction is as long as the run.
pub async fn try_lock(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1, $2) as "locked!""#, LEASE_LOCK, source_id).fetch_one(conn).await
}

/// Takes the lease, if nobody holds it or its holder is dead.
pub async fn take(conn: &mut Conn<'_>, source_id: i32, process_id: i64, own: &Identity) -> sqlx::Result<Result<Lease, Holder>> {
    first(conn, source_id, process_id).await?;
    if let Some(holder) = holder(conn, source_id, own).await? {
        return Ok(Err(holder));
    }
    let epoch = sqlx::query_scalar!(
        "update hiersync_internal.lease
         set process_id = $2, epoch = epoch + 1, until = clock_timestamp() + make_interval(secs => $3)
         where source_id = $1 returning epoch",
        source_id,
        process_id,
        LASTS.as_secs_f64()
    )
    .fetch_one(&mut *conn)
    .await?;
    Ok(Ok(Lease { source_id, process_id, epoch }))
}

/// The first lease of a source: there is always a row to lock.
async fn first(conn: &mut Conn<'_>, source_id: i32, process_id: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into hiersync_internal.lease (source_id, process_id, epoch, until) values ($1, $2, 0, '-infinity')
         on conflict (source_id) do nothing",
        source_id,
        process_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What becomes of a source that another process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Its run has ended.
    Ended {
        /// It has read only nodes that were asked for.
        was_refresh: bool,
    },
    /// Its run is open, and its process is dead or has lost its lease.
    Orphaned,
    /// It is held.
    Held {
        /// Where its death would be seen at once.
        is_here: bool,
    },
}

/// Looks after a run of another process.
pub async fn watch(conn: &mut Conn<'_>, source: &str, own: &Identity) -> sqlx::Result<Watched> {
    let open = sqlx::query_scalar!(
        "select r.source_id from hiersync.sync_run r join hiersync.source s using (source_id) where s.name = $1 and r.outcome is null",
        source
    );
    let Some(source_id) = open.fetch_optional(&mut *conn).await? else {
        let last = sqlx::query_scalar!(
            "select r.is_refresh from hiersync.sync_run r join hiersync.source s using (source_id)
             where s.name = $1 order by r.run_id desc limit 1",
            source
        );
        return Ok(Watched::Ended { was_refresh: last.fetch_optional(conn).await?.unwrap_or(false) });
    };
    Ok(holder(conn, source_id, own).await?.map_or(Watched::Orphaned, |holder| Watched::Held { is_here: holder.is_here }))
}

/// Locks the row, and says who holds the lease for good.
async fn holder(conn: &mut Conn<'_>, source_id: i32, own: &Identity) -> sqlx::Result<Option<Holder>> {
    let row = sqlx::query!(
        r#"select p.machine, p.pid, p.start_ticks, l.until as "until!",
               extract(epoch from l.until - clock_timestamp())::float8 as "remaining!"
           from hiersync_internal.lease l join hiersync_internal.process p using (process_id)
           where l.source_id = $1 and l.until > clock_timestamp()
           for update of l"#,
        source_id
    )
    .fetch_optional(conn)
    .await?;
    let held = row.map(|row| {
        let identity = Identity { machine: row.machine, pid: row.pid, start_ticks: row.start_ticks };
        let remaining = Duration::try_from_secs_f64(row.remaining).unwrap_or_default();
        (identity.is_dead(), Holder { until: row.until, remaining, pid: identity.pid, is_here: identity.machine == own.machine })
    });
    Ok(held.and_then(|(dead, holder)| (!dead).then_some(holder)))
}

/// Renews the lease. `false`: somebody else has it, or it was given back while this was under way.
pub async fn renew(conn: &mut Conn<'_>, lease: Lease) -> sqlx::Result<bool> {
    let renewed = sqlx::query!(
        "update hiersync_internal.lease set until = clock_timestamp() + make_interval(secs => $3)
         where source_id = $1 and epoch = $2 and until > '-infinity'",
        lease.source_id,
        lease.epoch,
        LASTS.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Gives the lease back.
pub async fn release(conn: &mut Conn<'_>, lease: Lease) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.lease set until = '-infinity' where source_id = $1 and epoch = $2",
        lease.source_id,
        lease.epoch
    )
    .execute(conn)
    .await?;
    Ok(())
}
