//! The daemon's runs: one at a time per source, a trigger that comes meanwhile is kept once, a walk that the budget
//! interrupted goes on when the budget allows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    app::{App, SourceError},
    clock,
    config::Source,
    lifecycle::Crew,
    model::run::{Outcome, Trigger},
    store::report,
    sync::{
        progress::Progress,
        run::{NoRun, Report, Wanted},
    },
};

/// While somebody else runs the source: how often we look whether it died.
const LOOK_AFTER_OTHERS: Duration = Duration::from_secs(5);

/// A walk that cannot go on sooner waits for its schedule instead.
const LONGEST_RESUME: Duration = Duration::from_secs(2 * 86_400);

/// Takes triggers for all sources.
#[derive(Clone)]
pub struct Runner {
    doors: HashMap<String, mpsc::Sender<Trigger>>,
    doing: Arc<Mutex<HashMap<String, Doing>>>,
}

/// What a source's runner is doing.
#[derive(Debug, Clone)]
pub enum Doing {
    /// Nothing.
    Idle,
    /// A run.
    Running(Arc<Progress>),
    /// Waiting for the budget to go on with a walk.
    Resting(DateTime<Utc>),
}

impl Runner {
    /// A runner with a task for each source.
    pub fn start(app: &Arc<App>, sources: &[Source], stop: &CancellationToken, crew: &mut Crew) -> Self {
        let mut runner = Self { doors: HashMap::new(), doing: Arc::default() };
        for source in sources {
            // One place: a trigger that comes while another waits says as much.
            let (door, triggers) = mpsc::channel(1);
            runner.doors.insert(source.name.clone(), door);
            let one = One { app: Arc::clone(app), source: source.clone(), stop: stop.clone(), doing: Arc::clone(&runner.doing) };
            crew.spawn(one.serve(triggers));
        }
        runner
    }

    /// Asks for a run; coalesced with one that is asked for already.
    pub fn trigger(&self, source: &str, trigger: Trigger) {
        let Some(door) = self.doors.get(source) else { return };
        if door.try_send(trigger).is_err() {
            info!(source, "a run is already asked for: coalesced");
        }
    }

    /// One line of what everybody does.
    pub fn status(&self) -> String {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = doing.iter().map(|(source, doing)| format!("{source}: {}", told(doing))).collect();
        lines.sort();
        if lines.is_empty() { "idle".into() } else { lines.join("; ") }
    }
}

fn told(doing: &Doing) -> String {
    match doing {
        Doing::Idle => "idle".into(),
        Doing::Running(progress) => format!("{} pages, {} rows", Progress::read(&progress.pages), Progress::read(&progress.rows)),
        Doing::Resting(until) => format!("budget spent, goes on at {}", until.format("%H:%M:%S UTC")),
    }
}

/// One source's runner.
struct One {
    app: Arc<App>,
    source: Source,
    stop: CancellationToken,
    doing: Arc<Mutex<HashMap<String, Doing>>>,
}

impl One {
    async fn serve(self, mut triggers: mpsc::Receiver<Trigger>) {
        self.tell(Doing::Idle);
        let mut resume_at = None;
        loop {
            let trigger = tokio::select! {
                trigger = triggers.recv() => trigger,
                () = sleep_until(resume_at) => Some(Trigger::Schedule),
                () = self.stop.cancelled() => None,
            };
            let Some(trigger) = trigger else { return };
            let report = self.run(trigger).await;
            resume_at = report.and_then(|report| resume_time(&report));
            self.tell(resume_at.map_or(Doing::Idle, Doing::Resting));
        }
    }

    /// Runs the source; while somebody else does, looks after them.
    async fn run(&self, trigger: Trigger) -> Option<Report> {
        loop {
            let progress = Arc::new(Progress::default());
            self.tell(Doing::Running(Arc::clone(&progress)));
            let wanted = Wanted { trigger, max_calls: None, dry_run: false, accept_retire: false };
            let busy = match self.app.run(&self.source, wanted, &self.stop, progress).await {
                Ok(report) => return Some(report),
                Err(SourceError::NoRun(NoRun::Busy { .. })) => true,
                Err(other) => {
                    error!(source = self.source.name, error = %anyhow::Error::from(other).root_cause(), "no run");
                    false
                }
            };
            if !busy || !self.others_still_run().await {
                return None;
            }
        }
    }

    /// Waits a while. `false`: whoever had the source has brought its run to an end, or we are to stop.
    async fn others_still_run(&self) -> bool {
        info!(source = self.source.name, "somebody else is syncing it");
        tokio::select! {
            () = tokio::time::sleep(LOOK_AFTER_OTHERS) => {}
            () = self.stop.cancelled() => return false,
        }
        match report::runs(&self.app.pool, Some(&self.source.name), 1).await {
            Ok(runs) => runs.first().is_some_and(|run| run.outcome.is_none()),
            Err(error) => {
                warn!(source = self.source.name, error = %error, "cannot see who is syncing it");
                true
            }
        }
    }

    fn tell(&self, doing: Doing) {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).insert(self.source.name.clone(), doing);
    }
}

/// When an interrupted walk may go on before its schedule says so.
fn resume_time(report: &Report) -> Option<DateTime<Utc>> {
    if report.outcome != Outcome::Throttled {
        return None;
    }
    report.row.as_ref()?.resume_at
}

async fn sleep_until(time: Option<DateTime<Utc>>) {
    let Some(time) = time else { return std::future::pending().await };
    let wait = (time - clock::now()).to_std().unwrap_or_default();
    tokio::time::sleep(wait.min(LONGEST_RESUME)).await;
}
