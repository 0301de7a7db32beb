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
        gauges::Gauges,
        report::{NoRun, Report},
        run::Wanted,
    },
};

/// While somebody else runs the source: how often we look whether it died.
const LOOK_AFTER_OTHERS: Duration = Duration::from_secs(5);

/// The wall clock may be set: never sleep longer than this before looking at it again.
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);

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
    Running(Arc<Gauges>),
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
        Doing::Running(progress) => format!("{} pages, {} rows", Gauges::read(&progress.pages), Gauges::read(&progress.rows)),
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
                // A trigger that waits does not begin a run that is stopped at once.
                biased;
                () = self.stop.cancelled() => None,
                trigger = triggers.recv() => trigger,
                () = sleep_until(resume_at) => Some(Trigger::Schedule),
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
            let progress = Arc::new(Gauges::default());
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
        let last = async { report::runs(&mut self.app.begin().await?.conn(), Some(&self.source.name), None, 1).await };
        match last.await {
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
    while let Some(wait) = until(time, clock::now()) {
        tokio::time::sleep(wait).await;
    }
}

/// How long to sleep before looking at the clock again; `None`: the time has come.
fn until(time: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    (time - now).to_std().ok().filter(|wait| !wait.is_zero()).map(|wait| wait.min(LOOK_AT_LEAST))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::store::report::RunRow;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("a time")
    }

    fn ended(outcome: Outcome, resume_at: Option<DateTime<Utc>>) -> Report {
        let row = RunRow {
            run_id: 1,
            source_id: 1,
            source: "customers".into(),
            walk_id: 1,
            trigger: "schedule".into(),
            started_at: at(0),
            finished_at: Some(at(1)),
            outcome: Some(outcome.as_ref().into()),
            requests: 0,
            throttled: 0,
            retried: 0,
            pages: 0,
            rows_seen: 0,
            inserted: 0,
            updated: 0,
            unchanged: 0,
            retired: 0,
            restored: 0,
            wait_ms: 0,
            fetch_ms: 0,
            write_ms: 0,
            error: None,
            resume_at,
        };
        Report { outcome, cause: None, row: Some(row), changes: Vec::new() }
    }

    #[test]
    fn only_a_throttled_walk_goes_on_before_its_schedule() {
        assert_eq!(resume_time(&ended(Outcome::Throttled, Some(at(3600)))), Some(at(3600)));
        assert_eq!(resume_time(&ended(Outcome::Throttled, None)), None);
        for outcome in [Outcome::Complete, Outcome::Partial, Outcome::Stopped, Outcome::Failed] {
            assert_eq!(resume_time(&ended(outcome, Some(at(3600)))), None, "{outcome}");
        }
        let lost = Report { row: None, ..ended(Outcome::Throttled, Some(at(3600))) };
        assert_eq!(resume_time(&lost), None);
    }

    #[test]
    fn a_window_of_a_month_is_waited_for_by_the_wall_clock() {
        let opens = at(0) + TimeDelta::days(30);
        assert_eq!(until(opens, at(0)), Some(LOOK_AT_LEAST));
        assert_eq!(until(opens, opens - TimeDelta::seconds(7)), Some(Duration::from_secs(7)));
        assert_eq!(until(opens, opens), None);
        assert_eq!(until(opens, opens + TimeDelta::days(1)), None);
    }
}
