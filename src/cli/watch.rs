//! What a daemon knows of itself: for systemd, for its page and for the levers on it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::plan;
use crate::{
    clock,
    config::Config,
    failpoint,
    lifecycle::Systemd,
    model::run::{Daemon, Live, State, Trigger},
    plan::Planned,
    runner::{Runner, Why},
    schedule::Timetable,
    text::span,
    web::House,
};

/// A run that has done nothing for so long is stuck. The longest statement of a walk's end gets 15 min for its answer.
const STANDSTILL: Duration = Duration::from_secs(20 * 60);

/// A firing that is late by so much shows that the timetable stands still: it looks at the clock every minute.
const OVERDUE: TimeDelta = TimeDelta::minutes(3);

/// Systemd's status line is renewed this often.
pub const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Looks after the daemon itself.
#[derive(Clone)]
pub struct Watch {
    /// What may run.
    pub config: Arc<Config>,
    /// Who runs it.
    pub runner: Runner,
    /// When.
    pub timetable: Arc<Mutex<Timetable>>,
}

impl Watch {
    /// The timetable, for a moment.
    pub fn timetable(&self) -> MutexGuard<'_, Timetable> {
        self.timetable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it knows of itself.
    fn look(&self) -> Daemon {
        let mut timetable = self.timetable();
        let now = clock::now();
        let due = |live: Live| {
            let next_due = timetable.next_of(&live.source);
            let lag = next_due.and_then(|due| (now - due).to_std().ok()).unwrap_or_default();
            Live { next_due, period: timetable.period_of(&live.source), lag, ..live }
        };
        let sources: Vec<Live> = self.runner.live().into_iter().map(due).collect();
        let ails = ails(&sources, timetable.overdue(clock::now(), OVERDUE), failpoint::patience(STANDSTILL));
        let lacks = sources.iter().find(|live| live.state == State::Refused).map(|live| {
            format!("source {} cannot run before a secret or the config is changed: `hiersync runs {0}` says why", live.source)
        });
        Daemon { sources, ails, lacks }
    }
}

impl House for Watch {
    fn look(&self) -> Daemon {
        Self::look(self)
    }

    fn planned(&self, source: &str) -> Vec<Planned<'_>> {
        plan::planned(&self.config, &[source])
    }

    fn sync(&self, source: &str) {
        self.runner.trigger(source, Trigger::Manual, Why::Person);
    }

    fn refresh(&self, source: &str) {
        self.runner.trigger(source, Trigger::Manual, Why::Refresh);
    }
}

/// Why the daemon cannot do its work: a run that stands still, or a timetable that no longer fires.
fn ails(sources: &[Live], overdue: Option<&str>, patience: Duration) -> Option<String> {
    let stuck = sources.iter().find(|live| live.standstill.is_some_and(|standstill| standstill > patience));
    let stuck = stuck.map(|live| format!("the run of source {} has done nothing for {}", live.source, span(patience.as_secs_f64())));
    stuck.or_else(|| overdue.map(|source| format!("the timetable does not fire: source {source} is overdue")))
}

/// Tells systemd that we live, until the stop. A daemon that lives and does not do its work is not fed: systemd starts another.
pub async fn live(stop: &CancellationToken, watch: &Watch) {
    let every = Systemd::alive_every().unwrap_or(TOLD_EVERY).min(TOLD_EVERY);
    let mut told = None;
    loop {
        let ails = watch.look().ails;
        match &ails {
            None => Systemd::alive(),
            Some(why) if told.as_ref() != Some(why) => error!(why, "the watchdog is not told that all is well"),
            Some(_) => {}
        }
        Systemd::status(ails.as_deref().unwrap_or(&watch.runner.status()));
        told = ails;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::gauges::Gauges;

    #[test]
    fn a_run_that_stands_still_ails_and_one_that_waits_for_the_budget_does_not() {
        let gauges = Gauges::default();
        let live = |standstill| Live {
            source: "sales".into(),
            state: State::Running,
            has_lease: true,
            standstill,
            next_due: None,
            period: None,
            lag: Duration::ZERO,
        };
        let patience = Duration::from_secs(60);
        assert_eq!(ails(&[live(None), live(Some(patience))], None, patience), None);
        let stuck = ails(&[live(Some(patience * 2))], None, patience).expect("it is stuck");
        assert!(stuck.contains("source sales has done nothing for 1 min"), "{stuck}");
        assert!(ails(&[], Some("sales"), patience).expect("it is overdue").contains("sales is overdue"));
        std::thread::sleep(Duration::from_millis(5));
        assert!(gauges.standstill() > Duration::ZERO);
        let waiting = gauges.wait();
        assert_eq!(gauges.standstill(), Duration::ZERO);
        drop(waiting);
        assert!(!gauges.is_waiting());
    }
}
