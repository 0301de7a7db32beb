//! `hiersync sync`: brings sources forward once.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    bars::Bars,
    exit::{Exit, Failure},
    open_unless_stopped,
    out::{self, fail, note, say},
};
use crate::{
    app::{App, error::SourceError},
    config::{Config, Source},
    lifecycle::{self, Crew},
    model::run::{Outcome, Trigger},
    store::{
        finding::FindingRow,
        report::{ChangeRow, RunRow},
    },
    sync::{report::Report, wanted::Wanted},
    text,
    text::chain,
};

/// What people type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sources; all enabled ones if none is named
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// Stops after so many calls per source; the next sync goes on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_calls: Option<u32>,
    /// Reads, writes nothing, prints what would change
    #[arg(long)]
    dry_run: bool,
    /// Lets a walk retire more nodes than retire_guard allows
    #[arg(long)]
    accept_retire: bool,
    /// Prints the closed run rows as JSON, one a line
    #[arg(long)]
    json: bool,
}

/// Runs get so long to close when a stop is asked for.
const CLOSE_WITHIN: Duration = Duration::from_secs(6);

/// Findings that are printed before how a run has ended.
const FINDINGS: usize = 10;

/// And the database so long after that: with both, a stop takes less than 10 s.
const LEFT_AFTER: Duration = Duration::from_secs(2);

/// Syncs, and tells how it went.
pub async fn run(args: &Args, config: Config) -> Result<Exit, Failure> {
    let mut crew = Crew::default();
    let stop = lifecycle::stop_on_signals_and_hangup(&mut crew).map_err(|error| Failure::new(Exit::Fault, error))?;
    let Some(app) = open_unless_stopped(config, &stop).await? else { return Ok(Exit::Later) };
    let ended = sync(args, &app, &stop).await;
    let patience = if matches!(ended, Ok(None)) { LEFT_AFTER } else { Duration::MAX };
    let _ = tokio::time::timeout(patience, app.close()).await;
    stop.cancel();
    crew.dismiss(Duration::from_secs(1)).await;
    Ok(ended?.unwrap_or_else(|| {
        note!("hiersync: stopped while the database does not answer: the next run closes this one, and goes on with its walk");
        Exit::Later
    }))
}

/// `None`: a stop was asked for, and something does not end.
async fn sync(args: &Args, app: &App, stop: &CancellationToken) -> Result<Option<Exit>, Failure> {
    let sources = chosen(&args.sources, app)?;
    if sources.is_empty() {
        note!("hiersync: no source is enabled: there is nothing to sync");
    }
    let wanted =
        Wanted { max_calls: args.max_calls, dry_run: args.dry_run, accept_retire: args.accept_retire, ..Wanted::by(Trigger::Manual) };
    let mut bars = Bars::default();
    let runs: Vec<_> = sources.iter().map(|source| (*source, bars.add(&source.name))).collect();
    let runs = runs.into_iter().map(|(source, progress)| lifecycle::unless_faulty(app.run(source, wanted, stop, progress)));
    let ended = tokio::select! {
        ended = futures::future::join_all(runs) => Some(ended),
        () = too_late(stop) => None,
        never = bars.draw() => match never {},
    };
    bars.clear();
    Ok(ended.map(|ended| Exit::worst(sources.iter().zip(ended).map(|(source, ended)| tell(args, source, ended)))))
}

async fn too_late(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(CLOSE_WITHIN).await;
}

/// The sources of these names, or all enabled ones.
pub fn chosen<'a>(names: &[String], app: &'a App) -> Result<Vec<&'a Source>, Failure> {
    if names.is_empty() {
        return Ok(app.config.sources.iter().filter(|source| source.enabled).collect());
    }
    let named: BTreeSet<&String> = names.iter().collect();
    let find = |name: &String| {
        app.source(name).ok_or_else(|| {
            let known: Vec<&str> = app.config.sources.iter().map(|source| source.name.as_str()).collect();
            Failure::new(Exit::Usage, anyhow::anyhow!("no source is called {name}; the config has {}", known.join(", ")))
        })
    };
    named.into_iter().map(find).collect()
}

fn tell(args: &Args, source: &Source, ended: Option<Result<Report, SourceError>>) -> Exit {
    let report = match ended {
        None => {
            fail!("{}: a fault of ours has ended its run: the next one goes on with its walk", source.name);
            return Exit::Fault;
        }
        Some(Ok(report)) => report,
        Some(Err(error)) => {
            let exit = Exit::of_source(&error);
            fail!("{}: {}", source.name, chain(&error));
            return exit;
        }
    };
    match &report.row {
        Some(row) if args.json => out::json(&as_json(args, row, &report.changes)),
        Some(row) => {
            for change in &report.changes {
                say!("{}", change_line(change));
            }
            // Those of a dry run are told here or nowhere.
            let most = if args.dry_run { usize::MAX } else { FINDINGS };
            for finding in report.findings.iter().take(most) {
                say!("{}: {}", finding.source, finding_line(finding));
            }
            if report.findings.len() > most {
                say!("{}: … and more: `hiersync findings {0}` tells all", source.name);
            }
            say!("{}", run_line(row, args.dry_run));
        }
        None => note!("{}: {}, and its row cannot be read", source.name, report.outcome),
    }
    // A job's mail has stderr alone, as often as not.
    let why = report.row.as_ref().and_then(|row| row.error.as_ref()).or(report.why.as_ref());
    if let (Outcome::Failed, Some(why)) = (report.outcome, why) {
        fail!("{}: failed: {why}", source.name);
    }
    Exit::of_report(&report)
}

fn as_json(args: &Args, row: &RunRow, changes: &[ChangeRow]) -> Value {
    let mut value = json!(row);
    if args.dry_run {
        value["dry_run"] = json!(true);
        value["changes"] = json!(changes);
    }
    value
}

/// One finding in a line.
pub fn finding_line(finding: &FindingRow) -> String {
    format!("{} {}: {}", finding.kind, about(finding), said(finding).unwrap_or_default())
}

/// What a finding is about: a root under the name that it has in the config.
pub fn about(finding: &FindingRow) -> String {
    let FindingRow { key, root, .. } = finding;
    // What stands for a root whose id is not known tells nobody anything.
    match root {
        Some(root) if key.starts_with('-') => format!("root {root}"),
        Some(root) => format!("root {root} ({key})"),
        None => key.clone(),
    }
}

/// What it says, in plain words.
pub fn said(finding: &FindingRow) -> Option<String> {
    finding.detail["say"].as_str().map(str::to_owned)
}

/// One change in a line.
pub fn change_line(change: &ChangeRow) -> String {
    [format!("{} {} {}", change.op, change.entity, change.key)].into_iter().chain(fields_of(change)).collect::<Vec<_>>().join(" ")
}

/// What an update has changed, field by field.
pub fn fields_of(change: &ChangeRow) -> Vec<String> {
    let fields = change.fields.as_ref().and_then(Value::as_object);
    fields.into_iter().flatten().map(|(name, pair)| format!("{name}: {} → {}", pair[0], pair[1])).collect()
}

/// One run in a line.
pub fn run_line(row: &RunRow, dry_run: bool) -> String {
    let what = if dry_run { " (dry run, nothing written)" } else { "" };
    let why = row.error.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let resume = row.resume_at.map(|time| format!(", goes on from {}", text::time(Some(time)))).unwrap_or_default();
    format!(
        "{}: {}{what}{why}{resume}: {} calls, {} rows; {} new, {} changed, {} unchanged, {} gone, {} back; waited {} for the budget",
        row.source,
        row.outcome.as_deref().unwrap_or("running"),
        row.requests,
        row.rows_seen,
        row.inserted,
        row.updated,
        row.unchanged,
        row.retired,
        row.restored,
        text::seconds(row.wait_ms),
    )
}
