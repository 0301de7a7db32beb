//! Figures for the status page, `/metrics`, `status` and the demo: budgets, totals, sizes. Reads only.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::conn::Conn;
use crate::model::limit::Limit;

/// One budget, as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct BudgetRow {
    /// Its name.
    pub name: String,
    /// Its windows, the shortest first.
    pub windows: Vec<WindowRow>,
    /// Share left to others.
    pub headroom: f64,
    /// Share of the shortest window in use: below 1 after refusals that the limits do not explain.
    pub pace: f64,
    /// No call before this time.
    pub paused_until: Option<DateTime<Utc>>,
    /// Why.
    pub paused_why: Option<String>,
}

impl BudgetRow {
    /// Until when it is paused, and why.
    pub fn pause(&self) -> Option<(DateTime<Utc>, &str)> {
        self.paused_until.map(|until| (until, self.paused_why.as_deref().unwrap_or("the vendor refused a call")))
    }
}

/// One window of a budget.
#[derive(Debug, Clone, Serialize)]
pub struct WindowRow {
    /// Calls and window as we keep them, after headroom and pace, such as `25/5s`.
    pub limit: String,
    /// The same as configured, or as the vendor has stated it.
    #[serde(skip)]
    pub stated: String,
    /// Calls that it holds now.
    pub used: i64,
    /// Calls that could go now.
    pub free: i64,
    /// Calls that it may hold.
    pub allowed: i64,
    /// When the oldest of them leave it.
    pub next_free_at: Option<DateTime<Utc>>,
    /// The vendor stated it in a refusal, and it is lower than configured.
    pub is_learned: bool,
}

impl WindowRow {
    /// Whether the limit is `configured` or `learned`.
    pub fn origin(&self) -> &'static str {
        if self.is_learned { "learned" } else { "configured" }
    }

    /// When something is free again at the latest, where nothing is now. Of a window that holds more than it may, since the limit was lowered,
    /// it is not known.
    pub fn full_until(&self) -> Option<DateTime<Utc>> {
        self.next_free_at.filter(|_| self.used == self.allowed)
    }
}

/// Every budget.
pub async fn budgets(conn: &mut Conn<'_>) -> sqlx::Result<Vec<BudgetRow>> {
    let rows = sqlx::query!(
        r#"select budget as "name!", (extract(epoch from span) * 1000)::bigint as "window_ms!", origin = 'learned' as "is_learned!",
               calls as "calls!", headroom as "headroom!", pace as "pace!", allowed as "allowed!", used as "used!", free as "free!", next_free_at,
               paused_until, paused_why
           from hiersync.budget_use order by budget, span"#
    )
    .fetch_all(conn)
    .await?;
    let mut budgets: Vec<BudgetRow> = Vec::new();
    for row in rows {
        let limit =
            Limit { calls: u32::try_from(row.allowed).unwrap_or(u32::MAX), window: Duration::from_millis(row.window_ms.unsigned_abs()) };
        let stated = Limit { calls: u32::try_from(row.calls).unwrap_or(u32::MAX), ..limit };
        let window = WindowRow {
            limit: limit.to_string(),
            stated: stated.to_string(),
            used: row.used,
            free: row.free,
            allowed: row.allowed,
            next_free_at: row.next_free_at,
            is_learned: row.is_learned,
        };
        match budgets.last_mut() {
            Some(budget) if budget.name == row.name => budget.windows.push(window),
            _ => budgets.push(BudgetRow {
                name: row.name,
                windows: vec![window],
                headroom: row.headroom,
                pace: row.pace,
                paused_until: row.paused_until,
                paused_why: row.paused_why,
            }),
        }
    }
    Ok(budgets)
}

/// What all ended runs of a source with one outcome come to.
#[derive(Debug, Clone)]
pub struct Totals {
    /// The source.
    pub source: String,
    /// The outcome.
    pub outcome: String,
    /// How many runs.
    pub runs: i64,
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
    /// Milliseconds from their beginnings to their ends.
    pub run_ms: i64,
}

/// Totals by source and outcome.
pub async fn totals(conn: &mut Conn<'_>) -> sqlx::Result<Vec<Totals>> {
    sqlx::query_as!(
        Totals,
        "select s.name as source, t.outcome, t.runs, t.requests, t.throttled, t.retried, t.pages, t.rows_seen, t.inserted, t.updated, t.unchanged,
             t.retired, t.restored, t.wait_ms, t.fetch_ms, t.write_ms, t.run_ms
         from hiersync_internal.run_total t join hiersync.source s using (source_id)
         order by s.name, t.outcome"
    )
    .fetch_all(conn)
    .await
}

/// Open findings of one source and severity.
#[derive(Debug, Clone)]
pub struct OpenFindings {
    /// The source.
    pub source: String,
    /// `act`, `look` or `told`.
    pub severity: String,
    /// How many.
    pub many: i64,
}

/// Open findings by source and severity.
pub async fn open_findings(conn: &mut Conn<'_>) -> sqlx::Result<Vec<OpenFindings>> {
    sqlx::query_as!(
        OpenFindings,
        r#"select s.name as source, f.severity, count(*) as "many!"
           from hiersync.finding f join hiersync.source s using (source_id) where f.resolved_at is null group by s.name, f.severity"#
    )
    .fetch_all(conn)
    .await
}

/// How the latest runs of a source went.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The source.
    pub source: String,
    /// Seconds that its last run took, if one has ended.
    pub last_run_s: Option<f64>,
    /// Runs that have failed since one has not, of the last twenty.
    pub failures: i64,
    /// A walk would retire more than it may.
    pub is_guarded: bool,
}

/// How the latest runs of each source went.
pub async fn standing(conn: &mut Conn<'_>) -> sqlx::Result<Vec<Standing>> {
    sqlx::query_file_as!(Standing, "src/store/sql/figures_standing.sql").fetch_all(conn).await
}

/// How many rows the published tables hold.
pub async fn sizes(conn: &mut Conn<'_>) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query_file!("src/store/sql/report_sizes.sql").fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.name, row.rows)).collect())
}
