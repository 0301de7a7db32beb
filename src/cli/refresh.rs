//! `hiersync refresh`: reads some nodes and their lists now.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    exit::{Exit, Failure},
    open_unless_stopped,
    out::{self, fail, note, say},
    sync::{change_line, chosen, run_line},
};
use crate::{
    app::{App, error::SourceError},
    config::{Config, Source},
    lifecycle::{self, Crew},
    model::{
        node::NodeId,
        run::{Outcome, Trigger},
    },
    store::{
        refresh::{self, Served},
        report::{self, ChangeRow, RunRow},
    },
    sync::{
        report::{NoRun, Report},
        wanted::Wanted,
    },
    text::chain,
};

/// How often it is looked whether another process's run has served us.
const LOOKED_EVERY: Duration = Duration::from_millis(500);

/// Changes that are told at most.
const TOLD: i64 = 10_000;

/// `refresh`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source
    source: String,
    /// Ids of customers or users
    #[arg(required = true, value_name = "NODE", allow_negative_numbers = true)]
    nodes: Vec<String>,
    /// Everything below them, too
    #[arg(long)]
    below: bool,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// What has come of it.
#[derive(Default)]
struct Told {
    is_proven: bool,
    runs: Vec<RunRow>,
    changes: Vec<ChangeRow>,
}

/// Refreshes, and tells what has changed.
pub async fn run(args: &Args, config: Config) -> Result<Exit, Failure> {
    let mut crew = Crew::default();
    let stop = lifecycle::stop_on_signals_and_hangup(&mut crew).map_err(|error| Failure::new(Exit::Fault, error))?;
    let Some(app) = open_unless_stopped(config, &stop).await? else { return Ok(Exit::Later) };
    let ended = refresh(args, &app, &stop).await;
    app.close().await;
    stop.cancel();
    crew.dismiss(Duration::from_secs(1)).await;
    ended
}

async fn refresh(args: &Args, app: &App, stop: &CancellationToken) -> Result<Exit, Failure> {
    let source = chosen(std::slice::from_ref(&args.source), app)?.remove(0);
    let nodes: Vec<String> = args.nodes.iter().map(|node| NodeId::parse(node).to_string()).collect();
    let mut step = app.begin().await?;
    let unknown = refresh::unknown(&mut step.conn(), &source.name, &nodes).await?;
    if !unknown.is_empty() {
        let typed: Vec<&str> =
            args.nodes.iter().zip(&nodes).filter(|(_, node)| unknown.contains(node)).map(|(typed, _)| typed.as_str()).collect();
        let say = format!(
            "{} has no live node {}; NODE is the id of a customer or user that an earlier sync has read: `hiersync sync {0}` finds new ones",
            source.name,
            typed.join(", ")
        );
        return Err(Failure::new(Exit::Usage, anyhow::anyhow!(say)));
    }
    let asked = refresh::ask(&mut step.conn(), &source.name, &nodes, args.below).await?;
    step.commit().await?;
    let exit = serve(app, source, &asked, stop).await?;
    let Some(served) = served(app, source, &asked).await? else {
        note!("{}: it was not read yet: whichever run comes next reads it first", source.name);
        return Ok(exit.unwrap_or(Exit::Later));
    };
    let told = told(app, &served).await?;
    tell(args, source, &told);
    Ok(exit.unwrap_or(if told.is_proven { Exit::Complete } else { Exit::Partial }))
}

/// Runs the source until it was served, or waits while another process does. `None`: how it was served tells.
async fn serve(app: &App, source: &Source, asked: &[i64], stop: &CancellationToken) -> Result<Option<Exit>, Failure> {
    let wanted = Wanted { is_refresh: true, ..Wanted::by(Trigger::Manual) };
    let mut is_told = false;
    loop {
        match app.run(source, wanted, stop, Arc::default()).await {
            Ok(report) => return Ok(ended(source, &report)),
            Err(SourceError::NoRun(NoRun::Busy { .. })) => {}
            Err(error) => {
                let exit = Exit::of_source(&error);
                fail!("{}: {}", source.name, chain(&error));
                return Ok(Some(exit));
            }
        }
        if !std::mem::replace(&mut is_told, true) {
            note!("{}: a run is going on: its walk reads them next", source.name);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOKED_EVERY) => {}
            () = stop.cancelled() => return Ok(Some(Exit::Later)),
        }
        if served(app, source, asked).await?.is_some() {
            return Ok(None);
        }
    }
}

/// How our own run has ended, where that decides.
fn ended(source: &Source, report: &Report) -> Option<Exit> {
    if matches!(report.outcome, Outcome::Complete | Outcome::Partial) {
        return None;
    }
    let why = report.row.as_ref().and_then(|row| row.error.as_deref()).unwrap_or("it was stopped");
    fail!("{}: {}: {why}", source.name, report.outcome);
    Some(Exit::of_report(report))
}

async fn served(app: &App, source: &Source, asked: &[i64]) -> sqlx::Result<Option<Vec<Served>>> {
    refresh::served(&mut app.begin_to_read().await?.conn(), &source.name, asked).await
}

async fn told(app: &App, served: &[Served]) -> sqlx::Result<Told> {
    let mut told = Told { is_proven: served.iter().all(|served| served.is_proven), ..Told::default() };
    for served in served {
        let mut step = app.begin_to_read().await?;
        told.runs.extend(report::runs(&mut step.conn(), None, Some(served.run_id), 1).await?);
        let changes = report::changes(&mut step.conn(), None, Some(served.run_id), None, TOLD).await?;
        told.changes
            .extend(changes.into_iter().rev().filter(|change| change.seen_at >= served.taken_at && change.seen_at <= served.done_at));
    }
    Ok(told)
}

fn tell(args: &Args, source: &Source, told: &Told) {
    if args.json {
        let whole = json!({
            "source": source.name, "nodes": args.nodes, "below": args.below, "is_proven": told.is_proven, "runs": told.runs,
            "changes": told.changes,
        });
        return out::json(&whole);
    }
    for change in &told.changes {
        say!("{}", change_line(change));
    }
    if told.changes.is_empty() {
        say!("{}: nothing has changed", source.name);
    }
    if !told.is_proven {
        say!("{}: not all of it could be proven: `hiersync findings {0}` says why; the next walk reads it again", source.name);
    }
    for run in told.runs.iter().filter(|run| run.outcome.is_some()) {
        say!("{}", run_line(run, false));
    }
}
