//! What the tables say, for `status`, `runs`, `changes` and the status page. Reads only.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{conn::Conn, session};

/// One row of `source_health`.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// The source.
    pub name: String,
    /// `capillary` or `leadsquared`.
    pub vendor: String,
    /// When a walk was last completed.
    pub last_complete_at: Option<DateTime<Utc>>,
    /// Seconds since then.
    pub staleness_s: Option<f64>,
    /// How the latest run ended; `None` while it runs or before the first.
    pub last_outcome: Option<String>,
    /// When it began.
    pub last_started_at: Option<DateTime<Utc>>,
    /// What a person must see.
    pub last_error: Option<String>,
    /// When the budget lets it go on.
    pub resume_at: Option<DateTime<Utc>>,
    /// Open findings on which somebody is to act.
    pub open_findings: i64,
    /// The configuration still names it.
    pub is_configured: bool,
    /// Since when its schedule is stopped.
    pub paused_at: Option<DateTime<Utc>>,
    /// Live nodes.
    pub live_nodes: i64,
}

/// One row of `sync_run`.
#[derive(Debug, Clone, Serialize)]
pub struct RunRow {
    /// Its number.
    pub run_id: i64,
    /// The source.
    pub source_id: i32,
    /// The source's name.
    pub source: String,
    /// The walk that it brought forward.
    pub walk_id: i64,
    /// `schedule`, `manual` or `startup`.
    pub trigger: String,
    /// It has read only nodes that were asked for.
    pub is_refresh: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Calls made.
    pub requests: i64,
    /// Calls refused for the budget's sake.
    pub throttled: i64,
    /// Calls that repeated a failed one.
    pub retried: i64,
    /// Answers taken in.
    pub pages: i64,
    /// Rows as received.
    pub rows_seen: i64,
    /// New nodes.
    pub inserted: i64,
    /// Changed nodes.
    pub updated: i64,
    /// Nodes as known.
    pub unchanged: i64,
    /// Nodes gone.
    pub retired: i64,
    /// Nodes back.
    pub restored: i64,
    /// Milliseconds of waiting for the budget.
    pub wait_ms: i64,
    /// Milliseconds of requests.
    pub fetch_ms: i64,
    /// Milliseconds of transactions.
    pub write_ms: i64,
    /// What a person must see.
    pub error: Option<String>,
    /// When the budget lets it go on.
    pub resume_at: Option<DateTime<Utc>>,
}

/// One row of `change`.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeRow {
    /// Its number.
    pub change_id: i64,
    /// The source.
    pub source: String,
    /// The run that saw it.
    pub run_id: i64,
    /// `customer`, `customer_link`, `reporting_user` or `reporting_line`.
    pub entity: String,
    /// The node's id, or `parent/child`.
    pub key: String,
    /// `insert`, `update`, `retire` or `restore`.
    pub op: String,
    /// Old and new values, for an update.
    pub fields: Option<Value>,
    /// The vendor's stamp.
    pub vendor_time: Option<DateTime<Utc>>,
    /// When we saw it.
    pub seen_at: DateTime<Utc>,
}

/// Writes as little as can be written.
///
/// # Errors
/// On a hot standby, and in a session that is read-only, too.
pub async fn write(conn: &mut Conn<'_>) -> sqlx::Result<()> {
    let mode = sqlx::query_scalar!(r#"select current_setting('transaction_read_only') as "mode!""#).fetch_one(&mut *conn).await?;
    if mode == "on" {
        return Err(session::read_only());
    }
    sqlx::query_scalar!("select pg_current_xact_id()::text").fetch_one(conn).await.map(drop)
}

/// Every source's health.
pub async fn health(conn: &mut Conn<'_>) -> sqlx::Result<Vec<Health>> {
    sqlx::query_file_as!(Health, "src/store/sql/report_health.sql").fetch_all(conn).await
}

// Each source's are looked up by themselves, so that no more is read than is shown.

/// The latest runs, newest first; of one source if named, or the one of this number.
pub async fn runs(conn: &mut Conn<'_>, source: Option<&str>, run_id: Option<i64>, limit: i64) -> sqlx::Result<Vec<RunRow>> {
    sqlx::query_as!(
        RunRow,
        r#"select r.run_id, r.source_id, s.name as "source!", r.walk_id, r.trigger, r.is_refresh, r.started_at, r.finished_at, r.outcome, r.requests, r.throttled,
               r.retried, r.pages, r.rows_seen, r.inserted, r.updated, r.unchanged, r.retired, r.restored, r.wait_ms, r.fetch_ms,
               r.write_ms, r.error, r.resume_at
           from (
               -- What is among so many latest runs is a run of one of so many sources that ran latest.
               select s.source_id, s.name from hiersync.source s
               cross join lateral (
                   select l.run_id from hiersync.sync_run l
                   where l.source_id = s.source_id and ($2::bigint is null or l.run_id = $2)
                   order by l.run_id desc limit 1
               ) l
               where $1::text is null or s.name = $1
               order by l.run_id desc limit $3
           ) s
           cross join lateral (
               select * from hiersync.sync_run r
               where r.source_id = s.source_id and ($2::bigint is null or r.run_id = $2)
               order by r.run_id desc limit $3
           ) r
           order by r.run_id desc limit $3"#,
        source,
        run_id,
        limit
    )
    .fetch_all(conn)
    .await
}

/// The latest changes, newest first; of one source, one run or one node if named.
pub async fn changes(
    conn: &mut Conn<'_>,
    source: Option<&str>,
    run_id: Option<i64>,
    key: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<ChangeRow>> {
    sqlx::query_as!(
        ChangeRow,
        r#"select c.change_id, s.name as source, c.run_id, c.entity, c.key, c.op, c.fields, c.vendor_time, c.seen_at
           from hiersync.source s
           cross join lateral (
               select * from hiersync.change c
               where c.source_id = s.source_id and ($2::bigint is null or c.run_id = $2)
                 and ($3::text is null or c.key = $3 and c.entity in ('customer', 'customer_link', 'reporting_user', 'reporting_line'))
               order by c.change_id desc limit $4
           ) c
           where $1::text is null or s.name = $1
           order by c.change_id desc limit $4"#,
        source,
        run_id,
        key,
        limit
    )
    .fetch_all(conn)
    .await
}

/// What a timetable must know of a source.
#[derive(Debug, Clone)]
pub struct Before {
    /// The source.
    pub name: String,
    /// When its last run began, or when it was first met, if that is later.
    pub started_at: Option<DateTime<Utc>>,
    /// Its last run left its walk to the next one: it was interrupted, or failed. One that is still open is its process's, or a dead one's.
    pub was_cut_short: bool,
}

/// What a timetable must know of each source. A run that could not be begun is none.
pub async fn before(conn: &mut Conn<'_>) -> sqlx::Result<Vec<Before>> {
    sqlx::query_as!(
        Before,
        r#"select s.name, greatest(r.started_at, t.first_seen_at) as started_at,
               r.run_id is not null and r.outcome is distinct from 'complete' and r.outcome is distinct from 'partial' as "was_cut_short!"
           from hiersync.source s join hiersync_internal.source_state t using (source_id)
           left join lateral (
               select * from hiersync.sync_run r where r.source_id = s.source_id and r.epoch > 0 and not r.is_refresh order by r.run_id desc limit 1
           ) r on true"#
    )
    .fetch_all(conn)
    .await
}
