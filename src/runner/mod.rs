//! The daemon's runs: one at a time per source, a trigger that comes meanwhile is kept once, a walk that the budget
//! interrupted goes on when the budget allows.

mod doing;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::doing::Doing;
use crate::{
    app::{App, SourceError},
    clock,
    config::Source,
    lifecycle::Crew,
    model::run::{Live, Outcome, Trigger},
    store::report,
    sync::{
        gauges::Gauges,
        report::{Cause, NoRun, Report},
        run::Wanted,
    },
    text::chain,
};

/// While somebody else runs the source: how often we look whether it died.
const LOOK_AFTER_OTHERS: Duration = Duration::from_secs(5);

/// How soon a run that failed because something was not available is tried again, at first and at last.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(5 * 60)];

/// Credentials that were refused are tried again after this, though no secret has changed: the vendor may have mended it. Less than a day,
/// so that a daily schedule tries again at its next firing.
const BARRED_FOR: TimeDelta = TimeDelta::hours(20);

/// The wall clock may be set: never sleep longer than this before looking at it again.
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);

/// Takes triggers for all sources.
#[derive(Clone)]
pub struct Runner {
    doors: HashMap<String, mpsc::Sender<Trigger>>,
    doing: Arc<Mutex<HashMap<String, Doing>>>,
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
        let mut lines: Vec<String> = doing.iter().map(|(source, doing)| format!("{source}: {}", doing.told())).collect();
        lines.sort();
        if lines.is_empty() { "idle".into() } else { lines.join("; ") }
    }

    /// What it does for each source at this moment.
    pub fn live(&self) -> Vec<Live> {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Live> = doing.iter().map(|(source, doing)| doing.live(source)).collect();
        all.sort_by(|a, b| a.source.cmp(&b.source));
        all
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
        let mut failures = 0;
        let mut barred = None;
        loop {
            let trigger = tokio::select! {
                // A trigger that waits does not begin a run that is stopped at once.
                biased;
                () = self.stop.cancelled() => None,
                trigger = triggers.recv() => trigger,
                () = sleep_until(resume_at) => Some(Trigger::Schedule),
            };
            let Some(trigger) = trigger else { return };
            let secrets = self.app.secrets.digest_of(&self.source);
            if barred.is_some_and(|(refused, since)| refused == secrets && clock::now() - since < BARRED_FOR) {
                continue;
            }
            let after = self.run(trigger, failures > 0).await;
            barred = (after == After::Barred).then(|| (secrets, clock::now()));
            failures = if after == After::Retry { failures + 1 } else { 0 };
            let (doing, time) = match after {
                After::Nothing => (Doing::Idle, None),
                After::Barred => {
                    let todo = "the credentials are refused: it is not tried again until a secret changes, the daemon is restarted, or a day is over";
                    error!(source = self.source.name, "{todo}");
                    (Doing::Refused("the credentials are refused"), None)
                }
                After::Refused => (Doing::Refused("it could not be begun: the log says why"), None),
                After::Resume(at) => (Doing::Resting(at), Some(at)),
                After::Retry => {
                    let at = (clock::now() + back_off(failures, fastrand::f64())).trunc_subsecs(0);
                    info!(source = self.source.name, at = %at, "it is tried again, and its walk goes on");
                    (Doing::Retrying(at), Some(at))
                }
            };
            self.tell(doing);
            resume_at = time;
        }
    }

    /// Runs the source; while somebody else does, looks after them. What was to be tried again still is then.
    async fn run(&self, trigger: Trigger, is_retry: bool) -> After {
        loop {
            let progress = Arc::new(Gauges::default());
            self.tell(Doing::Running(Arc::clone(&progress)));
            let wanted = Wanted { trigger, max_calls: None, dry_run: false, accept_retire: false };
            let no_run = match self.app.run(&self.source, wanted, &self.stop, progress).await {
                Ok(report) => return after(&report),
                Err(SourceError::NoRun(NoRun::Busy { .. })) => None,
                Err(other) => Some(other),
            };
            if let Some(why) = no_run {
                let may_pass = matches!(why, SourceError::NoRun(NoRun::Database(_)) | SourceError::Database(_) | SourceError::Embedded(_));
                error!(source = self.source.name, error = chain(&why), "no run");
                return if may_pass { After::Retry } else { After::Refused };
            }
            if !self.others_still_run().await {
                return if is_retry { After::Retry } else { After::Nothing };
            }
        }
    }

    /// Waits a while. `false`: whoever had the source has brought its run to an end, or we are to stop.
    async fn others_still_run(&self) -> bool {
        self.tell(Doing::Standby);
        info!(source = self.source.name, "another process is syncing it");
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

/// What follows a run before its schedule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Nothing.
    Nothing,
    /// The walk goes on when the budget lets it.
    Resume(DateTime<Utc>),
    /// It is tried again soon: something was not available.
    Retry,
    /// It is not tried again with these credentials.
    Barred,
    /// It could not be begun, and waiting does not help.
    Refused,
}

fn after(report: &Report) -> After {
    // A commit whose answer came too late may have ended the walk.
    if report.row.as_ref().is_some_and(|row| matches!(row.outcome.as_deref(), Some("complete" | "partial"))) {
        return After::Nothing;
    }
    match (report.outcome, report.cause) {
        (Outcome::Throttled, _) => report.row.as_ref().and_then(|row| row.resume_at).map_or(After::Nothing, After::Resume),
        (Outcome::Failed, Some(Cause::Unavailable)) => After::Retry,
        (Outcome::Failed, Some(Cause::Credentials)) => After::Barred,
        _ => After::Nothing,
    }
}

/// How long to wait after so many failures in a row. `jitter` is from 0 to 1: what failed together does not come back together.
fn back_off(failures: u32, jitter: f64) -> Duration {
    let [first, longest] = AGAIN_AFTER;
    let doubled = first.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(longest).mul_f64(0.5 + jitter / 2.0)
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
    fn a_walk_that_the_budget_or_an_outage_has_interrupted_goes_on_before_its_schedule() {
        assert_eq!(after(&ended(Outcome::Throttled, Some(at(3600)))), After::Resume(at(3600)));
        assert_eq!(after(&ended(Outcome::Throttled, None)), After::Nothing);
        for outcome in [Outcome::Complete, Outcome::Partial, Outcome::Stopped, Outcome::Failed] {
            assert_eq!(after(&ended(outcome, Some(at(3600)))), After::Nothing, "{outcome}");
        }
        let lost = Report { row: None, ..ended(Outcome::Throttled, Some(at(3600))) };
        assert_eq!(after(&lost), After::Nothing);
        for (cause, then) in [(Cause::Unavailable, After::Retry), (Cause::Refused, After::Nothing), (Cause::Credentials, After::Barred)] {
            assert_eq!(after(&Report { cause: Some(cause), ..ended(Outcome::Failed, None) }), then, "{cause:?}");
        }
    }

    #[test]
    fn what_fails_is_tried_again_ever_later() {
        let waits: Vec<u64> = (1..=8).map(|failures| back_off(failures, 1.0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(back_off(1, 0.0), Duration::from_millis(2500));
        assert_eq!(back_off(u32::MAX, 1.0).as_secs(), 300);
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
