//! One source's runs in this daemon.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Asked, Why,
    after::{After, Missing, after, sleep_until},
    doing::Doing,
    past::Past,
    turns::Turns,
};
use crate::{
    app::{App, error::SourceError},
    clock,
    config::Source,
    model::run::{Outcome, Trigger},
    store::{
        lease::{self, Watched},
        process::Identity,
        refresh, report,
    },
    sync::{
        gauges::Gauges,
        report::NoRun,
        wanted::{Unless, Wanted},
    },
    text::chain,
};

/// While somebody on this machine runs the source: how often we look whether it died.
const LOOK_HERE: Duration = Duration::from_secs(2);

/// The same while somebody elsewhere does, where we would be the first to go on with it. A lease outlives its holder by 10 s.
const LOOK_FIRST: Duration = Duration::from_secs(4);

/// The same where others would be.
const LOOK_LATER: Duration = Duration::from_secs(15);

/// Clocks of two machines differ by no more, where they are set by the network: a run that began so long before our firing is of that firing.
const CLOCKS_DIFFER: Duration = Duration::from_millis(500);

/// A run may know of a pause before its daemon does, and the pause may be over before it knows.
const PAUSE_KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// How often a database that is away is looked for.
const LOOK_FOR_DATABASE: Duration = Duration::from_secs(5);

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
    pub(super) async fn serve(self, mut asked: mpsc::Receiver<Asked>) {
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
                asked = asked.recv() => asked,
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
                self.refresh(asked).await;
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
        let is_again = past.again.is_some();
        let waits = is_again || asked.why.is_personal();
        let after = if self.waits_its_turn(waits).await { self.run(asked, is_again, past.failures > 0).await } else { After::Nothing };
        past.then(after, &self.source.name, secrets)
    }

    /// Reads what a person has asked for, unless another run has done so. What is to follow from an earlier run still is.
    async fn refresh(&self, asked: Asked) {
        let is_asked = async { refresh::is_asked(&mut self.app.begin_to_read().await?.conn(), &self.source.name).await };
        if !is_asked.await.unwrap_or(true) {
            return;
        }
        let progress = Arc::new(Gauges::default());
        self.tell(Doing::Running(Arc::clone(&progress)));
        let wanted = Wanted { is_refresh: true, ..Wanted::by(asked.trigger) };
        match self.app.run(&self.source, wanted, &self.stop, progress).await {
            // Whoever runs it reads them next.
            Ok(_) | Err(SourceError::NoRun(NoRun::Busy { .. })) => {}
            Err(why) => error!(source = self.source.name, error = chain(&why), "no refresh"),
        }
    }

    /// Waits for the time to go on; for ever without one. A database that was seen to be away and is there again is reason enough.
    async fn time_for(&self, again: Option<(DateTime<Utc>, Option<Missing>)>) {
        let (at, missing) = again.unzip();
        let come_back = async {
            if missing.flatten() != Some(Missing::Database) {
                return std::future::pending().await;
            }
            let mut was_away = false;
            loop {
                tokio::time::sleep(LOOK_FOR_DATABASE).await;
                let is_there = self.database_is_there().await;
                if is_there && was_away {
                    return;
                }
                was_away |= !is_there;
            }
        };
        tokio::select! {
            () = sleep_until(at) => {}
            () = come_back => {}
        }
    }

    async fn database_is_there(&self) -> bool {
        let written = async {
            let mut step = self.app.begin().await?;
            report::write(&mut step.conn()).await?;
            step.commit().await
        };
        written.await.is_ok()
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
            match self.app.run(&self.source, wanted, &self.stop, progress).await {
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
            // Whose run is orphaned is gone on with, though it began within this firing.
            why = Why::Orphaned;
            if !self.is_orphaned().await {
                return if is_retry { After::Retry(Missing::Database) } else { After::Nothing };
            }
        }
    }

    /// Waits for the end of somebody else's run. `true`: it died, and left its walk to us; `false`: its run has ended, or we are to stop.
    async fn is_orphaned(&self) -> bool {
        self.tell(Doing::Standby);
        info!(source = self.source.name, "another process is syncing it");
        let mut wait = LOOK_HERE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => return false,
            }
            let look = async { lease::watch(&mut self.app.begin().await?.conn(), &self.source.name, &Identity::own()).await };
            wait = match look.await {
                Ok(Watched::Ended) => return false,
                Ok(Watched::Orphaned) => return true,
                Ok(Watched::Held { is_here: true }) => LOOK_HERE,
                Ok(Watched::Held { is_here: false }) if self.turns.of_source(&self.source.name, 0.0).is_first => LOOK_FIRST,
                Ok(Watched::Held { is_here: false }) => LOOK_LATER,
                Err(error) => {
                    warn!(source = self.source.name, error = %error, "cannot see who is syncing it");
                    LOOK_FIRST
                }
            };
        }
    }

    fn tell(&self, doing: Doing) {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).insert(self.source.name.clone(), doing);
    }
}
