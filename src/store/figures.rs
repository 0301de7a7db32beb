//! Figures for the status page, `/metrics`, `status` and the demo: budgets, totals, sizes, the top of a tree. Reads only.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::model::limit::Limit;

/// One budget, as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct BudgetRow {
    /// Its name.
    pub name: String,
    /// Its windows.
    pub windows: Vec<WindowRow>,
    /// Share left to others.
    pub headroom: f64,
    /// No call before this time.
    pub paused_until: Option<DateTime<Utc>>,
    /// Why.
    pub paused_why: Option<String>,
    /// A lower limit that the vendor stated.
    pub learned_limit: Option<String>,
}

/// One window of a budget.
#[derive(Debug, Clone, Serialize)]
pub struct WindowRow {
    /// Calls and window, such as `25/5s`.
    pub limit: String,
    /// Calls that it holds now.
    pub used: i64,
    /// Calls that could go now.
    pub free: i64,
}

/// Every budget.
///
/// # Errors
/// When the database fails.
pub async fn budgets(pool: &PgPool) -> sqlx::Result<Vec<BudgetRow>> {
    let spent = sqlx::query!(
        r#"select budget_id, calls::bigint as "calls!", extract(epoch from clock_timestamp() - ended_at)::float8 as "ago!"
           from hiersync.budget_ledger"#
    )
    .fetch_all(pool)
    .await?;
    let budgets = sqlx::query!(
        r#"select budget_id, name, limits, headroom,
               case when paused_until > clock_timestamp() then paused_until end as paused_until,
               case when paused_until > clock_timestamp() then paused_why end as paused_why, learned_limit
           from hiersync.budget order by name"#
    )
    .fetch_all(pool)
    .await?;
    let row = budgets.into_iter().map(|budget| {
        let own = || spent.iter().filter(|batch| batch.budget_id == budget.budget_id);
        let used = |limit: Limit| own().filter(|batch| batch.ago <= limit.window.as_secs_f64()).map(|batch| batch.calls).sum();
        let texts = budget.limits.iter().chain(&budget.learned_limit);
        let configured: Vec<Limit> = texts.filter_map(|text| text.parse().ok()).collect();
        let windows = configured.into_iter().map(|limit| {
            let limit = limit.with_headroom(budget.headroom);
            let used: i64 = used(limit);
            WindowRow { limit: limit.to_string(), used, free: (i64::from(limit.calls) - used).max(0) }
        });
        BudgetRow {
            name: budget.name,
            windows: windows.collect(),
            headroom: budget.headroom,
            paused_until: budget.paused_until,
            paused_why: budget.paused_why,
            learned_limit: budget.learned_limit,
        }
    });
    Ok(row.collect())
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
    /// Rows as received.
    pub rows_seen: i64,
    /// Nodes inserted, updated, retired or restored.
    pub changed: i64,
}

/// Totals by source and outcome.
///
/// # Errors
/// When the database fails.
pub async fn totals(pool: &PgPool) -> sqlx::Result<Vec<Totals>> {
    sqlx::query_as!(
        Totals,
        r#"select s.name as source, r.outcome as "outcome!", count(*) as "runs!", sum(r.requests)::bigint as "requests!",
               sum(r.throttled)::bigint as "throttled!", sum(r.rows_seen)::bigint as "rows_seen!",
               sum(r.inserted + r.updated + r.retired + r.restored)::bigint as "changed!"
           from hiersync.sync_run r join hiersync.source s using (source_id)
           where r.outcome is not null group by s.name, r.outcome order by s.name, r.outcome"#
    )
    .fetch_all(pool)
    .await
}

/// One node of a tree.
#[derive(Debug, Clone)]
pub struct TreeLine {
    /// Its id.
    pub key: String,
    /// Levels below the root.
    pub depth: i32,
    /// How people call it.
    pub name: Option<String>,
}

/// The first lines of a source's tree, drawn from the top.
///
/// # Errors
/// When the database fails.
pub async fn top_of_tree(pool: &PgPool, source: &str, limit: i64) -> sqlx::Result<Vec<TreeLine>> {
    sqlx::query_file_as!(TreeLine, "src/store/sql/report_tree.sql", source, limit).fetch_all(pool).await
}

/// How many rows the published tables hold.
///
/// # Errors
/// When the database fails.
pub async fn sizes(pool: &PgPool) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query_file!("src/store/sql/report_sizes.sql").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| (row.name, row.rows)).collect())
}
