//! `status`, `runs` and `changes`: what the tables say.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use super::{
    aligned::{self, Record},
    exit::{Exit, Failure},
    out::{self, say},
    sync::{chosen, fields_of},
    table::table,
};
use crate::{
    app::App,
    clock,
    config::Source,
    schedule,
    store::{
        figures::{self, BudgetRow},
        report::{self, ChangeRow, Health},
    },
    text::{ago, seconds, time, window_note},
};

/// `status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// `runs`.
#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    /// Of this source only
    source: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(0..))]
    limit: i64,
    /// As JSON, one a line
    #[arg(long)]
    json: bool,
}

/// `changes`.
#[derive(Debug, clap::Args)]
pub struct ChangesArgs {
    /// Of this source only
    source: Option<String>,
    /// Of this run only
    #[arg(long)]
    run: Option<i64>,
    /// Of this node or link only
    #[arg(long)]
    key: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(0..))]
    limit: i64,
    /// As JSON, one a line
    #[arg(long)]
    json: bool,
}

/// Tells how each source and each budget stands.
pub async fn status(args: &StatusArgs, app: App) -> Result<Exit, Failure> {
    let health = report::health(&mut app.begin_to_read().await?.conn()).await?;
    let budgets = figures::budgets(&mut app.begin_to_read().await?.conn()).await?;
    let is_read_only = app.is_read_only;
    let due = |name: &str| app.source(name).and_then(next_due);
    let due: Vec<Option<DateTime<Utc>>> = health.iter().map(|row| due(&row.name)).collect();
    app.close().await;
    if args.json {
        let mut health = json!(health);
        for (row, due) in health.as_array_mut().into_iter().flatten().zip(due) {
            row["next_due"] = json!(due);
        }
        out::json(&json!({ "sources": health, "budgets": budgets, "database_is_read_only": is_read_only }));
        return Ok(Exit::Complete);
    }
    if is_read_only {
        say!("the database is a hot standby, or this role's sessions are read-only: it can be read here; syncs need the primary\n");
    }
    tell_sources(&health, &due);
    tell_budgets(&budgets);
    Ok(Exit::Complete)
}

fn tell_sources(health: &[Health], due: &[Option<DateTime<Utc>>]) {
    let mut sources = table(&["source", "vendor", "live nodes", "complete", "last run", "outcome", "next due", "findings", "note"]);
    for (row, due) in health.iter().zip(due) {
        let running = if row.last_started_at.is_some() { "running" } else { "-" };
        let note = match (&row.last_error, row.resume_at) {
            (Some(error), Some(resume)) => format!("{error}; goes on from {}", time(Some(resume))),
            (Some(error), None) => error.clone(),
            (None, None) if row.paused_at.is_some() => {
                format!("paused since {}: `hiersync resume {}` goes on", time(row.paused_at), row.name)
            }
            _ if !row.is_configured => "no longer in the config; its tables are kept".into(),
            _ => String::new(),
        };
        sources.add_row(vec![
            row.name.clone(),
            row.vendor.clone(),
            row.live_nodes.to_string(),
            row.staleness_s.map_or_else(|| "never".into(), |age| format!("{} ago", ago(Some(age)))),
            time(row.last_started_at),
            row.last_outcome.clone().unwrap_or_else(|| running.into()),
            due_of(row, *due),
            row.open_findings.to_string(),
            note,
        ]);
    }
    say!("{sources}");
    if health.is_empty() {
        say!("nothing was synced yet: run `hiersync sync`");
    }
}

/// When it is next due.
fn due_of(row: &Health, due: Option<DateTime<Utc>>) -> String {
    match due {
        Some(_) if row.paused_at.is_some() => "paused".into(),
        Some(due) => time(Some(due)),
        None => "by hand".into(),
    }
}

fn tell_budgets(budgets: &[BudgetRow]) {
    let mut table = table(&["budget", "window", "used", "free", "note"]);
    for row in budgets {
        for (place, window) in row.windows.iter().enumerate() {
            let note = window_note(place, row.pause(), window.full_until(), row.pace, window.is_learned);
            table.add_row(vec![row.name.clone(), window.limit.clone(), window.used.to_string(), window.free.to_string(), note]);
        }
    }
    say!("\n{table}");
}

/// Lists the latest runs.
pub async fn runs(args: &RunsArgs, app: App) -> Result<Exit, Failure> {
    let rows = report::runs(&mut app.begin_to_read().await?.conn(), args.source.as_deref(), None, args.limit).await?;
    is_known(args.source.as_ref(), rows.is_empty(), &app)?;
    app.close().await;
    if args.json {
        return Ok(lines(&rows));
    }
    let mut table = table(&[
        "run", "source", "trigger", "started", "outcome", "calls", "rows", "new", "changed", "same", "gone", "back", "waited", "note",
    ]);
    for row in &rows {
        table.add_row(vec![
            row.run_id.to_string(),
            row.source.clone(),
            row.trigger.clone(),
            time(Some(row.started_at)),
            row.outcome.clone().unwrap_or_else(|| "running".into()),
            row.requests.to_string(),
            row.rows_seen.to_string(),
            row.inserted.to_string(),
            row.updated.to_string(),
            row.unchanged.to_string(),
            row.retired.to_string(),
            row.restored.to_string(),
            seconds(row.wait_ms),
            row.error.clone().unwrap_or_default(),
        ]);
    }
    say!("{table}");
    Ok(Exit::Complete)
}

/// Lists the latest changes.
pub async fn changes(args: &ChangesArgs, app: App) -> Result<Exit, Failure> {
    let mut step = app.begin_to_read().await?;
    let rows = report::changes(&mut step.conn(), args.source.as_deref(), args.run, args.key.as_deref(), args.limit).await?;
    drop(step);
    is_known(args.source.as_ref(), rows.is_empty(), &app)?;
    app.close().await;
    if args.json {
        return Ok(lines(&rows));
    }
    let record = |row: &ChangeRow| Record {
        columns: [&time(Some(row.seen_at)), &format!("run {}", row.run_id), &row.source, &row.op, &row.entity, &row.key]
            .map(ToString::to_string)
            .to_vec(),
        more: fields_of(row),
    };
    aligned::print(&rows.iter().map(record).collect::<Vec<_>>());
    if rows.is_empty() {
        say!("no changes");
    }
    Ok(Exit::Complete)
}

/// When the daemon reads it next; `None`: by hand only.
pub fn next_due(source: &Source) -> Option<DateTime<Utc>> {
    let schedule = source.schedule.as_ref().filter(|_| source.enabled)?;
    schedule::next(schedule, clock::now())
}

/// A name of which nothing is told may be misspelt.
pub(super) fn is_known(source: Option<&String>, is_empty: bool, app: &App) -> Result<(), Failure> {
    if let (Some(source), true) = (source, is_empty) {
        chosen(std::slice::from_ref(source), app)?;
    }
    Ok(())
}

pub(super) fn lines<R: Serialize>(rows: &[R]) -> Exit {
    for row in rows {
        out::json(row);
    }
    Exit::Complete
}
