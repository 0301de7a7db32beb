//! What a source's runner waits for: a time to go on, a database that was away, the end of somebody else's run.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{info, warn};

use super::{
    after::{Missing, sleep_until},
    doing::Doing,
    one::One,
};
use crate::store::{
    lease::{self, Watched},
    process::Identity,
    report,
};

/// While somebody on this machine runs the source: how often we look whether it died.
const LOOK_HERE: Duration = Duration::from_secs(2);

/// The same while somebody elsewhere does, where we would be the first to go on with it. A lease outlives its holder by 10 s.
const LOOK_FIRST: Duration = Duration::from_secs(4);

/// The same where others would be.
const LOOK_LATER: Duration = Duration::from_secs(15);

/// How often a database that is away is looked for.
const LOOK_FOR_DATABASE: Duration = Duration::from_secs(5);

/// What somebody else's run has left.
pub(super) enum Left {
    /// Its walk: its process died.
    Orphaned,
    /// What we were asked for: it has read only some nodes.
    Refreshed,
    /// Nothing; or we are to stop.
    Ended,
}

impl One {
    /// Waits for the time to go on; for ever without one. A database that was seen to be away and is there again is reason enough.
    pub(super) async fn time_for(&self, again: Option<(DateTime<Utc>, Option<Missing>)>) {
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

    /// Waits for the end of somebody else's run.
    pub(super) async fn watch(&self) -> Left {
        self.tell(Doing::Standby);
        info!(source = self.source.name, "another process is syncing it");
        let mut wait = LOOK_HERE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => return Left::Ended,
            }
            let look = async { lease::watch(&mut self.app.begin().await?.conn(), &self.source.name, &Identity::own()).await };
            wait = match look.await {
                Ok(Watched::Ended { was_refresh: true }) => return Left::Refreshed,
                Ok(Watched::Ended { was_refresh: false }) => return Left::Ended,
                Ok(Watched::Orphaned) => return Left::Orphaned,
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
}
