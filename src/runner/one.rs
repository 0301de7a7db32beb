//! One source's runs in this daemon.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{
    Asked, Calls, Why,
    after::{After, Missing, after, sleep_until},
    doing::Doing,
    past::Past,
    turns::Turns,
    watch::Left,
};
use crate::{
    app::{App, error::SourceError},
    clock,
    config::Source,
    lifecycle,
    model::run::{Outcome, Trigger},
    store::refresh,
    sync::{
        gauges::Gauges,
        report::NoRun,
        wanted::{Unless, Wanted},
    },
    text::chain,
};

/// Clocks of two machines differ by no more, where they are set by the network: a run that began so long before our firing is of that firing.
const CLOCKS_DIFFER: Duration = Duration::from_millis(500);

/// A run may know of a pause before its daemon does, and the pause may be over before it knows.
const PAUSE_KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// What a person has asked for and could not be read is tried again.
const WISH_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(15);

/// One source's runner.
pub(super) struct One {
    pub(super) app: Arc<App>,
    pub(super) source: Source,
    pub(super) stop: CancellationToken,
    pub(super) doing: Arc<Mutex<HashMap<String, Doing>>>,
    pub(super) turns: Arc<Turns>,
}

impl One {
    /// Runs whenever it is asked for, until the stop.
    pub(super) async fn serve(self, mut calls: Calls) {
        let mut past = Past::default();
        let mut pauses = self.turns.paused();
        loop {
            let paused = pauses.borrow_and_update().get(&self.source.name).copied();
            self.tell(paused.map_or_else(|| past.doing.clone(), Doing::Paused));
            let by_itself = |why| Asked { trigger: Trigger::Schedule, at: clock::instant(), why };
            let asked = tokio::select! {
                // One that waits does not begin a run that is stopped at once.
                biased;
                () = self.stop.cancelled() => return,
                asked = calls.triggers.recv() => asked,
                () = calls.person.notified() => Some(Asked { trigger: Trigger::Manual, at: clock::instant(), why: Why::Person }),
                () = calls.refresh.notified() => Some(Asked { trigger: Trigger::Manual, at: clock::instant(), why: Why::Refresh }),
                () = sleep_until(past.wish) => Some(Asked { trigger: Trigger::Manual, at: clock::instant(), why: Why::Refresh }),
                is_over = self.turn_of(&mut pauses, paused.is_some()) => match is_over && past.is_held {
                    true => Some(by_itself(Why::CutShort(clock::instant()))),
                    false => continue,
                },
                () = self.time_for(past.again), if paused.is_none() => Some(by_itself(Why::Again)),
                () = tokio::time::sleep(PAUSE_KNOWN_WITHIN), if past.is_held && paused.is_none() => {
                    Some(by_itself(Why::CutShort(clock::instant())))
                }
            };
            let Some(asked) = asked else { return };
            if paused.is_some() && pauses.borrow().contains_key(&self.source.name) && !asked.why.is_personal() {
                info!(source = self.source.name, "it is due, and paused: it is made up for when that is over");
                past.is_held = true;
                continue;
            }
            if asked.why == Why::Refresh {
                past = self.refresh(asked, past).await;
                continue;
            }
            past = self.run_once(asked, past).await;
        }
    }

    /// Waits until a pause begins or ends. `true`: it has ended.
    async fn turn_of(&self, pauses: &mut watch::Receiver<HashMap<String, DateTime<Utc>>>, was_paused: bool) -> bool {
        let turned = pauses.wait_for(|paused| paused.contains_key(&self.source.name) != was_paused).await.is_ok();
        if !turned {
            return std::future::pending().await;
        }
        was_paused
    }

    /// One run, and what follows from it.
    async fn run_once(&self, asked: Asked, past: Past) -> Past {
        let secrets = self.app.secrets.digest_of(&self.source);
        if past.is_barred(secrets) && !asked.why.is_personal() {
            return past;
        }
        // Whose credentials are refused waits for a firing, or for its time.
        let is_again = past.again.is_some() && past.barred.is_none();
        let waits = is_again || asked.why.is_personal();
        let after = if self.waits_its_turn(waits).await { self.run(asked, is_again, past.failures > 0).await } else { After::Nothing };
        past.then(after, &self.source.name, secrets)
    }

    /// Reads what a person has asked for, unless another run has done so. What is to follow from an earlier run still is.
    async fn refresh(&self, asked: Asked, past: Past) -> Past {
        let past = Past { wish: None, ..past };
        if !self.is_asked().await {
            return past;
        }
        let progress = Arc::new(Gauges::default());
        self.tell(Doing::Running(Arc::clone(&progress)));
        let wanted = Wanted { is_refresh: true, ..Wanted::by(asked.trigger) };
        let Some(ended) = lifecycle::unless_faulty(self.app.run(&self.source, wanted, &self.stop, progress)).await else {
            error!(source = self.source.name, "the refresh was ended by a fault of ours");
            return past;
        };
        if let Ok(report) = &ended
            && report.row.as_ref().is_some_and(|row| !row.is_refresh)
        {
            // It was a walk, as any other.
            return past.then(after(report), &self.source.name, self.app.secrets.digest_of(&self.source));
        }
        if !self.is_asked().await {
            return past;
        }
        // Whoever runs it may have served it no more, or it could not be read yet.
        let resume_at = match &ended {
            Ok(report) => match after(report) {
                After::Resume(at) => Some(at),
                After::Barred => return past,
                _ => None,
            },
            Err(SourceError::NoRun(NoRun::Busy { .. })) => None,
            Err(why) => {
                error!(source = self.source.name, error = chain(why), "no refresh");
                return past;
            }
        };
        Past { wish: Some(resume_at.unwrap_or_else(|| clock::now() + WISH_AGAIN_AFTER)), ..past }
    }

    async fn is_asked(&self) -> bool {
        let is_asked = async { refresh::is_asked(&mut self.app.begin_to_read().await?.conn(), &self.source.name).await };
        is_asked.await.unwrap_or(true)
    }

    /// Lets the daemon come first that this source is first for. `false`: the stop was asked for.
    async fn waits_its_turn(&self, is_again: bool) -> bool {
        let wait = if is_again { Duration::ZERO } else { self.turns.of_source(&self.source.name, fastrand::f64()).wait };
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Runs the source; while somebody else does, looks after them. What was to be tried again still is then.
    async fn run(&self, asked: Asked, is_again: bool, is_retry: bool) -> After {
        let mut why = if is_again { Why::Again } else { asked.why };
        loop {
            let progress = Arc::new(Gauges::default());
            self.tell(Doing::Running(Arc::clone(&progress)));
            // Another daemon may have served this firing, and be done with it. One that starts with others may not know of them yet.
            let is_alone = self.turns.of_source(&self.source.name, 0.0).is_alone;
            let since = asked.at.elapsed() + CLOCKS_DIFFER;
            let unless = match why {
                Why::Firing(late) if is_alone && late.is_zero() => None,
                Why::Firing(late) => Some(Unless::Begun(late + since)),
                Why::CutShort(looked_at) => Some(Unless::Ended(looked_at.elapsed() + CLOCKS_DIFFER)),
                Why::Orphaned => Some(Unless::Closed),
                Why::Again | Why::Person | Why::Refresh => None,
            };
            let wanted = Wanted { unless, ..Wanted::by(asked.trigger) };
            let run = lifecycle::unless_faulty(self.app.run(&self.source, wanted, &self.stop, progress));
            let Some(ended) = run.await else {
                error!(source = self.source.name, "the run was ended by a fault of ours: the next one takes its walk over");
                return After::Retry(Missing::Vendor);
            };
            match ended {
                Ok(report) if report.outcome == Outcome::Stopped && !self.stop.is_cancelled() => return After::Held,
                Ok(report) => return after(&report),
                Err(SourceError::NoRun(NoRun::Begun { .. })) => return After::Nothing,
                Err(SourceError::NoRun(NoRun::Paused { .. })) => return After::Held,
                Err(SourceError::NoRun(NoRun::Busy { .. })) => {}
                Err(why) => {
                    error!(source = self.source.name, error = chain(&why), "no run");
                    return if why.may_pass() { After::Retry(Missing::Database) } else { After::Refused };
                }
            }
            match self.watch().await {
                // Whose run is orphaned is gone on with, though it began within this firing.
                Left::Orphaned => why = Why::Orphaned,
                // It has brought no walk forward: what was asked for still is.
                Left::Refreshed => {}
                Left::Ended => return if is_retry { After::Retry(Missing::Database) } else { After::Nothing },
            }
        }
    }

    pub(super) fn tell(&self, doing: Doing) {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).insert(self.source.name.clone(), doing);
    }
}
