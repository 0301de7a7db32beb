//! What a plan is made from: what the last walks came to, how far the open ones are, what a budget's ledger holds.
//! Reads only.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{conn::Conn, ledger};
use crate::model::limit::Limit;

/// The walks of one source: the last whole one, and the one that is open.
#[derive(Debug, Clone, Default)]
pub struct Walks {
    /// The source's name.
    pub source: String,
    /// The last complete walk, else the last partial one.
    pub last_walk_id: Option<i64>,
    /// How it ended.
    pub verdict: Option<String>,
    /// When.
    pub ended_at: Option<DateTime<Utc>>,
    /// Calls that it took, over all its runs.
    pub calls: i64,
    /// Nodes that it met.
    pub nodes: i64,
    /// Milliseconds of its requests.
    pub fetch_ms: i64,
    /// Milliseconds of its runs in which they did not wait for the budget.
    pub work_ms: i64,
    /// The walk that is to be gone on with.
    pub open_walk_id: Option<i64>,
    /// Calls that were made for it.
    pub made: i64,
    /// Its lists that are still to be read.
    pub queued: i64,
    /// Its roots that are known.
    pub resolved: i64,
    /// Its schedule is stopped.
    pub is_paused: bool,
}

/// What a budget's ledger holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// By the database's clock.
    pub now: DateTime<Utc>,
    /// No call before this time: the vendor refused.
    pub paused_until: Option<DateTime<Utc>>,
    /// Limits that the vendor stated and that are lower than configured, before headroom.
    pub stated: Vec<Limit>,
    /// Calls, and when the last of them ends.
    pub batches: Vec<(i32, DateTime<Utc>)>,
}

/// The walks of each source, or of those that are named. A source that never ran is not there.
pub async fn walks(conn: &mut Conn<'_>, sources: Option<&[&str]>) -> sqlx::Result<Vec<Walks>> {
    sqlx::query_file_as!(Walks, "src/store/sql/plan_walks.sql", sources as _).fetch_all(conn).await
}

/// What is known of these sources, each with its budget, in their order.
pub async fn known(conn: &mut Conn<'_>, sources: &[(&str, &str)]) -> sqlx::Result<Vec<(Walks, Held)>> {
    let names: Vec<&str> = sources.iter().map(|(source, _)| *source).collect();
    let mut walks: HashMap<String, Walks> =
        walks(conn, Some(&names)).await?.into_iter().map(|walks| (walks.source.clone(), walks)).collect();
    // Many may share one.
    let mut budgets: HashMap<&str, Held> = HashMap::new();
    let mut known = Vec::with_capacity(sources.len());
    for (source, budget) in sources {
        if !budgets.contains_key(budget) {
            budgets.insert(budget, held(conn, budget).await?);
        }
        known.push((walks.remove(*source).unwrap_or_default(), budgets[budget].clone()));
    }
    Ok(known)
}

/// What the ledger of the budget called `name` holds; of one that was never used, nothing.
pub async fn held(conn: &mut Conn<'_>, name: &str) -> sqlx::Result<Held> {
    let rows = sqlx::query!(
        r#"select c.now as "now!", b.paused_until as "paused_until?", l.calls as "calls?", l.ended_at as "ended_at?"
           from (select clock_timestamp() as now) c
           left join hiersync_internal.budget b on b.name = $1
           left join hiersync_internal.budget_ledger l on l.budget_id = b.budget_id"#,
        name
    )
    .fetch_all(&mut *conn)
    .await?;
    let stated = ledger::stated_limits(conn, name).await?;
    // There is always one row: the clock's.
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let (now, paused_until) = (first.now, first.paused_until.filter(|until| *until > first.now));
    let batches = rows.into_iter().filter_map(|row| row.calls.zip(row.ended_at)).collect();
    Ok(Held { now, paused_until, stated, batches })
}
