//! A session with the database that is lost in mid-run costs that step alone: a step is one transaction, of one page or some, and the next one
//! begins with what the store holds. The same as a new run would do, but for its row.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use tracing::warn;

use super::{
    Interrupted,
    context::{Context, Synced},
    gauges::Gauges,
    writing::Writing,
};
use crate::{
    clock,
    model::run::Outcome,
    store::{
        run::{self, Unanswered},
        session::{self, Session},
    },
    text::chain,
};

/// A database that gives no other session within this time is away: the run ends, and is tried again later.
const ANOTHER_WITHIN: Duration = Duration::from_secs(8);

/// Between two tries.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Sessions that are lost in a row, with nothing taken in between.
const IN_A_ROW: u32 = 3;

impl<V: Synced> Context<V> {
    /// Works to the end of the walk, whatever sessions are lost.
    pub(super) async fn work_on(&self, concurrency: u32) -> Result<Outcome, Interrupted> {
        let mut in_a_row = 0;
        loop {
            let taken_in = Gauges::read(&self.gauges.pages);
            let lost = match Box::pin(self.work(concurrency)).await {
                Err(interrupted) if self.is_lost(&interrupted) => interrupted,
                ended => return ended,
            };
            in_a_row = if Gauges::read(&self.gauges.pages) > taken_in { 1 } else { in_a_row + 1 };
            if in_a_row > IN_A_ROW {
                return Err(lost);
            }
            match self.another_session().await {
                Some(None) => warn!(error = chain(&lost), "a session with the database was lost: the run goes on with another"),
                // The commit that ended the run has had no answer.
                Some(Some(outcome)) => return outcome.parse().map_err(|_| Interrupted::LeaseLost),
                None => return Err(lost),
            }
            self.queue.clear().await;
            self.caller.halt.begin_round();
        }
    }

    fn is_lost(&self, interrupted: &Interrupted) -> bool {
        let is_lost = match interrupted {
            Interrupted::Database(error) => session::is_lost(error),
            Interrupted::Ledger(error) => error.is_lost,
            _ => false,
        };
        // A dry run's work is in the one transaction that went with its session.
        is_lost && matches!(self.session, Session::Lasting(_)) && !self.caller.halt.is_final()
    }

    /// Waits for another session, and asks it how the run has ended. `None`: the database is away.
    async fn another_session(&self) -> Option<Option<String>> {
        let began = clock::instant();
        while began.elapsed() < ANOTHER_WITHIN && !self.caller.halt.is_final() {
            let ended = async {
                let mut step = self.session.begin().await?;
                let standing = run::standing(&mut step.conn(), &self.open).await?;
                step.commit().await.map(|()| standing.outcome)
            };
            match ended.await {
                Ok(ended) => return Some(ended),
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
        None
    }

    /// A commit is to come: whether it happens is open.
    pub(super) fn is_unanswered(&self, commit: Unanswered) {
        *self.unanswered() = Some(commit);
    }

    /// It has happened.
    pub(super) fn is_answered(&self) {
        *self.unanswered() = None;
    }

    fn unanswered(&self) -> MutexGuard<'_, Option<Unanswered>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Synced> Writing<'_, V> {
    /// What the last commit was to count is counted once, whether it has happened or not.
    pub(super) async fn answer(&mut self) -> sqlx::Result<()> {
        let context = self.context;
        let Some(Unanswered { steps, calls }) = *context.unanswered() else { return Ok(()) };
        if run::standing(&mut self.step.conn(), &context.open).await?.steps == steps {
            context.caller.put_back(calls);
        }
        context.is_answered();
        Ok(())
    }
}
