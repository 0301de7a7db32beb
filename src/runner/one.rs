//! One source's runs in this daemon.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Asked, Why,
    after::{After, Missing, after, back_off, sleep_until},
    doing::Doing,
    turns::Turns,
};
use crate::{
    app::{App, error::SourceError},
    clock,
    config::Source,
    model::run::Trigger,
    store::{
        lease::{self, Watched},
        process::Identity,
        report,
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

/// How often a database that is away is looked for.
const LOOK_FOR_DATABASE: Duration = Duration::from_secs(5);

/// Credentials that were refused are tried again after this, though no secret has changed: the vendor may have mended it. Less than a day,
/// so that a daily schedule tries again at its next firing.
const BARRED_FOR: TimeDelta = TimeDelta::hours(20);

/// One source's runner.
pub(super) struct One {
    pub(super) app: Arc<App>,
    pub(super) source: Source,
    pub(super) stop: CancellationToken,
    pub(super) doing: Arc<Mutex<HashMap<String, Doing>>>,
    pub(super) turns: Arc<Turns>,
}

/// What is known from one run to the next.
#[derive(Default)]
struct Past {
    /// Failures in a row of what may pass.
    failures: u32,
    /// When to go on without being asked.
    again: Option<(DateTime<Utc>, Option<Missing>)>,
    /// Credentials that were refused, and when.
    barred: Option<(Option<u64>, DateTime<Utc>)>,
}

impl One {
    /// Runs whenever it is asked for, until the stop.
    pub(super) async fn serve(self, mut asked: mpsc::Receiver<Asked>) {
        self.tell(Doing::Idle);
        let mut past = Past::default();
        loop {
            let asked = tokio::select! {
                // One that waits does not begin a run that is stopped at once.
                biased;
                () = self.stop.cancelled() => return,
                asked = asked.recv() => asked,
                () = self.time_for(past.again) => Some(Asked { trigger: Trigger::Schedule, at: clock::instant(), why: Why::Again }),
            };
            let Some(asked) = asked else { return };
            let secrets = self.app.secrets.digest_of(&self.source);
            if past.barred.is_some_and(|(refused, since)| refused == secrets && clock::now() - since < BARRED_FOR) {
                continue;
            }
            let is_again = past.again.is_some();
            let after =
                if self.waits_its_turn(is_again).await { self.run(asked, is_again, past.failures > 0).await } else { After::Nothing };
            past = self.follow(after, past.failures, secrets);
        }
    }

    /// Tells what follows, and keeps it.
    fn follow(&self, after: After, failures: u32, secrets: Option<u64>) -> Past {
        let (doing, past) = match after {
            After::Nothing => (Doing::Idle, Past::default()),
            After::Barred => {
                let todo =
                    "the credentials are refused: it is not tried again until a secret changes, the daemon is restarted, or a day is over";
                error!(source = self.source.name, "{todo}");
                let barred = Some((secrets, clock::now()));
                (Doing::Refused("the credentials are refused"), Past { barred, ..Past::default() })
            }
            After::Refused => (Doing::Refused("it could not be begun: the log says why"), Past::default()),
            After::Resume(at) => (Doing::Resting(at), Past { again: Some((at, None)), ..Past::default() }),
            After::Retry(missing) => {
                let failures = failures + 1;
                let at = (clock::now() + back_off(failures, fastrand::f64())).trunc_subsecs(0);
                info!(source = self.source.name, at = %at, "it is tried again, and its walk goes on");
                (Doing::Retrying(at), Past { failures, again: Some((at, Some(missing))), ..Past::default() })
            }
        };
        self.tell(doing);
        past
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
                Why::Again => None,
            };
            let wanted = Wanted { unless, ..Wanted::by(asked.trigger) };
            match self.app.run(&self.source, wanted, &self.stop, progress).await {
                Ok(report) => return after(&report),
                Err(SourceError::NoRun(NoRun::Begun { .. })) => return After::Nothing,
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
