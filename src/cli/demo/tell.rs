//! What the demo tells a newcomer.

use futures::{StreamExt, TryStreamExt};

use super::stage::{CAPILLARY_LIMIT, LEADSQUARED_LIMIT, Stage};
use crate::{
    app::App,
    cli::{exit::Failure, out::say, sync::change_line, table::table, tree::label},
    embedded,
    store::{
        figures, report,
        tree::{TreeLine, Trees, Wanted, Which},
    },
    sync::report::Report,
};

/// Changes shown in full; the rest is counted.
const SHOWN: usize = 14;

/// What is read of each tree.
const TOP: Wanted = Wanted { depth: 3, children: Some(8), which: Which::Settled, is_by_name: true };

/// Lines of each tree.
const LINES: usize = 8;

/// What is simulated.
pub fn setting(stage: &Stage) {
    say!("  customers: Capillary, 400 customers in 4 levels, limit {CAPILLARY_LIMIT}, at {}", stage.customers.base_url());
    say!("  sales: LeadSquared, 60 users in 3 levels, limit {LEADSQUARED_LIMIT}, at {}", stage.users.base_url());
}

/// What was mirrored: live nodes, and the top of each tree.
pub async fn mirrored(app: &App) -> Result<(), Failure> {
    let mut step = app.begin_to_read().await?;
    for row in report::health(&mut step.conn()).await? {
        say!("\n{} ({}): {} live nodes", row.name, row.vendor, row.live_nodes);
        let Some(trees) = Trees::of(&mut step.conn(), &row.name).await? else { continue };
        let top: Vec<TreeLine> = trees.lines(&mut step.conn(), TOP).take(LINES).try_collect().await?;
        for line in &top {
            say!("  {}{}", "   ".repeat(usize::try_from(line.depth).unwrap_or(0)), label(line));
        }
        say!("  …");
    }
    Ok(())
}

/// What the second sync has changed.
pub async fn changed(app: &App, reports: &[Report]) -> Result<(), Failure> {
    say!("\nEvery difference is a row in hiersync.change:");
    let mut step = app.begin_to_read().await?;
    for run_id in reports.iter().filter_map(|report| report.row.as_ref()).map(|row| row.run_id) {
        let rows = report::changes(&mut step.conn(), None, Some(run_id), None, 1000).await?;
        for row in rows.iter().rev().take(SHOWN) {
            say!("  {}: {}", row.source, change_line(row));
        }
        if rows.len() > SHOWN {
            say!("  … and {} more in run {run_id}", rows.len() - SHOWN);
        }
    }
    Ok(())
}

/// What the vendors' doors counted.
pub fn doors(stage: &Stage) {
    let mut table = table(&["at the vendor's door", "calls", "refused", "most in any window"]);
    let (customers, users) = (stage.customers.door(), stage.users.door());
    for (name, limit, door) in [("customers", CAPILLARY_LIMIT, customers), ("sales", LEADSQUARED_LIMIT, users)] {
        let most = limit.parse::<crate::model::limit::Limit>().map(|limit| door.most_in_any(limit.window)).unwrap_or_default();
        table.add_row(vec![name.to_owned(), door.calls().to_string(), door.refused().to_string(), format!("{most} (limit {limit})")]);
    }
    say!("\n{table}");
}

/// How to query what was mirrored.
pub async fn how_to_query(app: &App, keep: bool) -> Result<(), Failure> {
    say!("\n== How to query ==");
    for example in EXAMPLES {
        say!("\n-- {}\n{}", example.what, example.sql.trim());
    }
    let url = embedded::url(&app.config.database.dir);
    if keep {
        say!("\nWith psql: psql '{url}'");
    } else {
        say!("\nThe demo's Postgres ends now. To look around with psql and the status page: hiersync demo --keep");
        say!("For your own accounts: hiersync init, then hiersync check, then hiersync sync; hiersync url tells BI tools where to look.");
    }
    let mut table = table(&["table", "rows"]);
    let mut step = app.begin_to_read().await?;
    for (name, rows) in figures::sizes(&mut step.conn()).await? {
        table.add_row(vec![name, rows.to_string()]);
    }
    say!("\n{table}");
    Ok(())
}

struct Example {
    what: &'static str,
    sql: &'static str,
}

const EXAMPLES: [Example; 3] = [
    Example {
        what: "the parents with the most children",
        sql: "
select p.customer_id, p.first_name, p.last_name, count(*) as children
from hiersync.customer_link l
join hiersync.customer p on p.source_id = l.source_id and p.customer_id = l.parent_id
where l.retired_at is null
group by 1, 2, 3 order by children desc limit 5;",
    },
    Example {
        what: "who reports to whom",
        sql: "
select m.name as manager, u.name as report, u.is_active
from hiersync.reporting_line l
join hiersync.reporting_user m on m.source_id = l.source_id and m.user_id = l.manager_id
join hiersync.reporting_user u on u.source_id = l.source_id and u.user_id = l.user_id
where l.retired_at is null order by 1, 2;",
    },
    Example {
        what: "what changed last",
        sql: "select seen_at, entity, key, op, fields from hiersync.change order by change_id desc limit 20;",
    },
];
