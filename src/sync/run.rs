//! One run, from the lease to the closed row.

use std::sync::{Arc, Mutex, atomic::Ordering};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, error_span, info, warn};

use super::{
    Interrupted,
    asked::Asked,
    caller::Caller,
    cap::Cap,
    context::{Context, Synced},
    directory, finish,
    gauges::Gauges,
    keep, managers,
    open::{self, Shared},
    queue::Queue,
    quota, reader,
    refresh::{self, When},
    report::{NoRun, Report, verdict, worst},
    roots, settle,
    terms::Terms,
    told::{Told, told},
    wanted::Wanted,
};
use crate::{
    budget::purse::Purse,
    config::{Keep, Source},
    model::{
        reach::Reach,
        run::{Counters, Outcome},
    },
    store::{
        lease,
        ledger::PgLedger,
        refresh::{Levers, levers},
        run::{Reads, Unclosed},
        session::Session,
    },
    text::chain,
};

/// Runs a source once.
///
/// # Errors
/// When there was no run; a run that failed is a [`Report`].
pub async fn run<V: Synced>(
    shared: &Shared,
    source: &Source,
    vendor: V,
    purse: Arc<Purse<PgLedger>>,
    wanted: Wanted,
    stop: &CancellationToken,
    gauges: Arc<Gauges>,
) -> Result<Report, NoRun> {
    let session = if wanted.dry_run { Session::dry(&shared.pool).await? } else { Session::Lasting(shared.pool.clone()) };
    let open = open::open(shared, source, &session, (&vendor.shape(), vendor.reach()), wanted, stop).await?;
    gauges.has_lease.store(true, Ordering::Relaxed);
    // Of the highest level, so that whatever is logged says whose it is.
    let span = error_span!("run", source = source.name, run = open.run_id, walk = open.walk_id);
    let inner = stop.child_token();
    let terms = Terms::of(source, wanted.max_calls, open.refused_before);
    let context = Context {
        caller: Caller::new(vendor, purse, inner.clone(), Arc::clone(&gauges), &terms),
        session,
        open,
        queue: Queue::default(),
        source: source.clone(),
        writing: tokio::sync::Mutex::default(),
        is_page_lost: false.into(),
        accept_retire: wanted.accept_retire,
        gauges,
        walk: Mutex::default(),
        unanswered: Mutex::default(),
        slots: Semaphore::new(usize::try_from(source.concurrency).unwrap_or(1)),
        early: Semaphore::new(1),
        cap: Cap::of(source.max_nodes),
        asked: Asked::default(),
    };
    let run = async {
        info!(trigger = wanted.trigger.as_ref(), "run begins");
        let ended = context.work_under_lease(source.concurrency, shared.keep, &inner).await;
        context.report(shared, ended, wanted).await
    };
    Ok(run.instrument(span).await)
}

impl<V: Synced> Context<V> {
    /// Works while the lease is renewed. When either ends, so does the other.
    async fn work_under_lease(&self, concurrency: u32, kept: Keep, inner: &CancellationToken) -> Result<Outcome, Interrupted> {
        let work = async {
            let ended = async {
                keep::remove_old(self, kept).await?;
                // A future inside a future is moved with it, and each level would have it on its stack once more.
                Box::pin(self.work_on(concurrency)).await
            };
            let ended = ended.await;
            inner.cancel();
            ended
        };
        let beside = async {
            tokio::select! {
                kept = self.keep_lease(inner) => kept,
                never = self.take_up() => match never {},
            }
        };
        let (ended, kept) = tokio::join!(work, beside);
        // Work that is done has closed its run under the fence: a renewal that came too late says nothing then.
        ended.or_else(|why| kept.and(Err(why)))
    }

    /// From what the store holds to the end of the walk.
    pub(super) async fn work(&self, concurrency: u32) -> Result<Outcome, Interrupted> {
        if self.open.reads != Reads::Walk {
            self.recall().await?;
            return Box::pin(refresh::work(self, concurrency)).await;
        }
        quota::foresee(self).await?;
        self.recall().await?;
        refresh::take(self, When::AtStart).await?;
        Box::pin(roots::resolve(self)).await?;
        if self.walk().reach == Some(Reach::Directory) {
            let mut w = self.write().await?;
            directory::queue(&mut w).await?;
            w.is_frontier_changed = true;
            w.commit(Counters::default()).await?;
        }
        loop {
            self.read_lists(concurrency).await?;
            refresh::look(self).await?;
            if self.cap.is_full() {
                return Box::pin(finish::finish(self)).await;
            }
            if !settle::lists(self).await? && !managers::ask(self).await? && self.ends().await {
                return Box::pin(finish::finish(self)).await;
            }
        }
    }

    pub(super) async fn read_lists(&self, concurrency: u32) -> Result<(), Interrupted> {
        let workers = (0..concurrency).map(|_| async {
            let ended = reader::work(self).await;
            if ended.is_err() {
                // The others end at their next page.
                self.caller.stop();
                self.queue.wake();
            }
            ended
        });
        worst(futures::future::join_all(workers).await)
    }

    async fn keep_lease(&self, inner: &CancellationToken) -> Result<(), Interrupted> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(lease::RENEWED_EVERY) => {}
                () = inner.cancelled() => return Ok(()),
            }
            match self.renew_lease().await {
                Ok(Some(levers)) if self.heed(levers) => {
                    info!("the source was paused: the run stops, and its walk goes on later");
                    inner.cancel();
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    inner.cancel();
                    return Err(Interrupted::LeaseLost);
                }
                // Writes will tell whether the database is really gone.
                Err(error) => warn!(error = %error, "the lease could not be renewed"),
            }
        }
    }

    /// Renews it, and looks what is asked for meanwhile. `None`: it is lost.
    async fn renew_lease(&self) -> sqlx::Result<Option<Levers>> {
        let mut step = self.session.begin().await?;
        if !lease::renew(&mut step.conn(), self.open.lease).await? {
            return Ok(None);
        }
        let levers = levers(&mut step.conn(), &self.open).await?;
        step.commit().await?;
        Ok(Some(levers))
    }

    /// Closes what is open and tells how it ended.
    async fn report(self, shared: &Shared, ended: Result<Outcome, Interrupted>, wanted: Wanted) -> Report {
        let (outcome, cause) = match &ended {
            Ok(outcome) => (*outcome, None),
            Err(interrupted) => verdict(interrupted),
        };
        if let Err(interrupted) = &ended
            && let Err(error) = self.close_interrupted(interrupted, outcome).await
        {
            error!(error = %error, "the run could not be closed; the next one will");
            shared.is_unclosed(&self.source, Unclosed { run_id: self.open.run_id, outcome, error: why(interrupted, outcome) });
        }
        if let Err(error) = self.caller.settle().await {
            warn!(error = %error, "the budget's ledger could not be told that the calls have ended");
        }
        let Told { row, changes, findings } = told(&self, outcome, wanted).await;
        if let Some(row) = &row {
            info!(
                outcome = %outcome, why = row.error.as_deref().unwrap_or_default(), requests = row.requests, rows = row.rows_seen,
                inserted = row.inserted, updated = row.updated, retired = row.retired, wait_ms = row.wait_ms, "run ended"
            );
        }
        if let Err(error) = self.session.end().await {
            warn!(error = %error, "the dry run's transaction could not be ended");
        }
        let why = ended.err().map(|interrupted| chain(&interrupted));
        Report { outcome, cause, why, row, changes, findings }
    }

    async fn close_interrupted(&self, interrupted: &Interrupted, outcome: Outcome) -> Result<(), Interrupted> {
        let mut w = self.write().await?;
        let resume_at = match interrupted {
            Interrupted::Throttled { resume_at, .. } => *resume_at,
            _ => None,
        };
        let why = why(interrupted, outcome);
        finish::tell_stated_limits(&mut w).await?;
        match w.close(Counters::default(), outcome, (why.as_deref(), resume_at)).await {
            // Another holder has closed it.
            Err(Interrupted::LeaseLost) => Ok(()),
            closed => closed,
        }
    }
}

/// What a person must see of it.
fn why(interrupted: &Interrupted, outcome: Outcome) -> Option<String> {
    (outcome != Outcome::Stopped).then(|| chain(interrupted))
}
