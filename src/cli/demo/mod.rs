//! `hiersync demo`: all of it in one command, nothing configured.

mod stage;
mod tell;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use self::stage::Stage;
use super::{
    daemon,
    exit::{Exit, Failure},
    out::say,
    own_program,
    sync::run_line,
};
use crate::{
    app::App,
    config::read,
    lifecycle::{self, Crew},
    model::run::Trigger,
    sync::{gauges::Gauges, report::Report, wanted::Wanted},
};

/// With `--keep`, the simulated data changes this often.
const LIVES_EVERY: Duration = Duration::from_secs(15);

/// What people type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stays up with the daemon and the status page, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// Shows everything: simulated vendors, embedded Postgres, two syncs with changes in between, and the tables.
pub async fn run(args: Args) -> Result<Exit, Failure> {
    let mut crew = Crew::default();
    let stop = lifecycle::stop_on_signals_and_hangup(&mut crew).map_err(|error| Failure::new(Exit::Fault, error))?;
    let folder = Folder::new()?;
    let shown = show(&args, &folder, &stop).await;
    stop.cancel();
    crew.dismiss(Duration::from_secs(1)).await;
    shown
}

async fn show(args: &Args, folder: &Folder, stop: &CancellationToken) -> Result<Exit, Failure> {
    say!("Starting two simulated vendors on loopback, and a private Postgres in {} …", folder.0.display());
    let stage = Stage::set().await.map_err(|error| Failure::new(Exit::Fault, error))?;
    let config = read::read(&stage.config(&folder.0))
        .map_err(|faults| Failure::new(Exit::Fault, anyhow::anyhow!("the demo's own config is wrong:\n{faults}")))?;
    let app = App::open(config, Stage::secrets(), own_program()?).await?;
    tell::setting(&stage);

    say!("\n== First sync: everything is new ==");
    let first = sync(&app, stop).await?;
    tell::mirrored(&app).await?;

    if stop.is_cancelled() {
        app.close().await;
        return Ok(Exit::Later);
    }
    say!("\n== The vendors' data changes ==");
    for change in stage.change() {
        say!("  {change}");
    }
    say!("\n== Second sync: only the differences are written ==");
    let second = sync(&app, stop).await?;
    tell::changed(&app, &second).await?;
    tell::doors(&stage);
    tell::how_to_query(&app, args.keep).await?;
    let exit = Exit::worst(first.iter().chain(&second).map(Exit::of_report));
    if !args.keep {
        app.close().await;
        return Ok(exit);
    }
    keep(app, stage, stop).await
}

async fn sync(app: &App, stop: &CancellationToken) -> Result<Vec<Report>, Failure> {
    let wanted = Wanted::by(Trigger::Manual);
    let runs = app.config.sources.iter().map(|source| app.run(source, wanted, stop, Arc::new(Gauges::default())));
    let mut reports = Vec::new();
    for ended in futures::future::join_all(runs).await {
        let report = ended.map_err(|error| Failure::new(Exit::of_source(&error), error))?;
        if let Some(row) = &report.row {
            say!("  {}", run_line(row, false));
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Stays up: the daemon follows its schedules while the data goes on changing.
async fn keep(app: App, stage: Stage, stop: &CancellationToken) -> Result<Exit, Failure> {
    if let Some(listen) = &app.config.daemon.listen {
        say!("\nThe daemon runs; the status page is at http://{listen}/ . Ctrl-C ends it.");
    }
    let app = Arc::new(app);
    let mut crew = Crew::default();
    let living = stop.clone();
    crew.spawn(async move {
        while living.run_until_cancelled(tokio::time::sleep(LIVES_EVERY)).await.is_some() {
            stage.live();
        }
    });
    daemon::until_stopped(app, stop, crew).await
}

/// The demo's own folder; it goes with the demo.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("hiersync-demo-{}", std::process::id()));
        let made = std::fs::create_dir(&path);
        made.map_err(|error| {
            let what = format!("cannot make the demo's folder {}", path.display());
            Failure::new(Exit::Fault, anyhow::Error::new(error).context(what))
        })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for temporary things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
