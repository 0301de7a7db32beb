//! One run, from the lease to the closed row.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Interrupted,
    caller::{Caller, Terms},
    context::Context,
    finish, open,
    progress::Progress,
    queue::Queue,
    quota::{self, Quota},
    roots, roster, walker,
};
use crate::{
    budget::purse::Purse,
    config::Source,
    model::{
        reading::Reading,
        run::{Outcome, Trigger},
    },
    store::{
        lease::{self, Holder},
        ledger::PgLedger,
        mirror::Mirrored,
        process::Identity,
        report::{self, ChangeRow, RunRow},
        run,
        session::Session,
        source,
    },
    vendor::{error::VendorError, hierarchy::Hierarchy},
};

/// Changes that a dry run tells of at most.
const TOLD: i64 = 1000;

/// What all runs of a process share.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub pool: PgPool,
    /// This process there.
    pub process_id: i64,
    /// This process on its machine.
    pub identity: Identity,
}

/// How a run is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Who asked.
    pub trigger: Trigger,
    /// `--max-calls`.
    pub max_calls: Option<u32>,
    /// `--dry-run`.
    pub dry_run: bool,
    /// `--accept-retire`.
    pub accept_retire: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it failed, for the exit code.
    pub cause: Option<Cause>,
    /// Its closed row; `None` when the database was lost.
    pub row: Option<RunRow>,
    /// For a dry run: what would change, newest first.
    pub changes: Vec<ChangeRow>,
}

/// What a failed run failed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The vendor or the database is not available.
    Unavailable,
    /// The vendor refuses the credentials.
    Credentials,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum NoRun {
    /// Somebody else runs it.
    #[error("source {name} is being synced by someone else{}", whom(.holder))]
    Busy {
        /// The source.
        name: String,
        /// Who, where known.
        holder: Option<Holder>,
    },
    /// The name belonged to another vendor.
    #[error("source {name} was mirrored from another vendor before: give the new source a new name")]
    OtherVendor {
        /// The source.
        name: String,
    },
    /// The database fails.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

fn whom(holder: &Option<Holder>) -> String {
    match holder {
        Some(holder) if holder.is_here => format!(" (process {} on this machine)", holder.pid),
        Some(holder) => format!(" (process {} on another machine)", holder.pid),
        None => String::new(),
    }
}

/// Runs a source once.
///
/// # Errors
/// When there was no run; a run that failed is a [`Report`].
pub async fn run<V>(
    shared: &Shared,
    source: &Source,
    vendor: V,
    purse: Arc<Purse<PgLedger>>,
    wanted: Wanted,
    stop: &CancellationToken,
    progress: Arc<Progress>,
) -> Result<Report, NoRun>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let session = if wanted.dry_run { Session::dry(&shared.pool).await? } else { Session::Lasting(shared.pool.clone()) };
    let open = open::open(shared, source, &session, &vendor.shape(), wanted.trigger, stop).await?;
    info!(source = source.name, run = open.run_id, walk = open.walk_id, trigger = wanted.trigger.word(), "run begins");
    let inner = stop.child_token();
    let context = Context {
        reading: Mutex::new(vendor.reading()),
        paging: Mutex::default(),
        caller: Caller::new(vendor, purse, inner.clone(), Arc::clone(&progress), &terms(source, wanted)),
        session,
        open,
        queue: Queue::default(),
        quota: Quota::of(source),
        writing: tokio::sync::Mutex::new(()),
        max_depth: i32::try_from(source.max_depth).unwrap_or(i32::MAX),
        retire_guard: source.retire_guard,
        accept_retire: wanted.accept_retire,
        source_name: source.name.clone(),
        progress,
    };
    let ended = context.work_under_lease(source.concurrency, &inner).await;
    Ok(context.report(ended, wanted).await)
}

fn terms(source: &Source, wanted: Wanted) -> Terms {
    let shortest_window = source.limits.iter().map(|limit| limit.window).min().unwrap_or(Duration::from_secs(60));
    Terms { timeout: source.timeout, shortest_window, max_calls: wanted.max_calls }
}

impl<V> Context<V>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    /// Works while the lease is renewed. When either ends, so does the other.
    async fn work_under_lease(&self, concurrency: u32, inner: &CancellationToken) -> Result<Outcome, Interrupted> {
        let work = async {
            let ended = self.work(concurrency).await;
            inner.cancel();
            ended
        };
        let (ended, kept) = tokio::join!(work, self.keep_lease(inner));
        // Work that is done has closed its run under the fence: a renewal that came too late says nothing then.
        ended.or_else(|why| kept.and(Err(why)))
    }

    async fn work(&self, concurrency: u32) -> Result<Outcome, Interrupted> {
        quota::foresee(self).await?;
        self.recall_reading().await?;
        roots::resolve(self).await?;
        if self.reading() == Some(Reading::Roster) {
            roster::queue(self).await?;
        }
        let workers = (0..concurrency).map(|_| async {
            let ended = walker::work(self).await;
            if ended.is_err() {
                // The others end at their next page.
                self.caller.stop();
                self.queue.wake();
            }
            ended
        });
        let ended = futures::future::join_all(workers).await;
        worst(ended)?;
        finish::finish(self).await
    }
}

impl<V: Hierarchy> Context<V> {
    /// A walk that goes on reads its lists as it began to, with what earlier ones have learned.
    async fn recall_reading(&self) -> Result<(), Interrupted> {
        let mut step = self.session.begin().await?;
        let word = run::reach(&mut step.conn(), &self.open).await?;
        self.set_paging(source::paging(&mut step.conn(), self.open.lease.source_id).await?);
        step.commit().await?;
        if let Some(reading) = word.as_deref().and_then(Reading::from_word) {
            self.set_reading(Some(reading));
        }
        Ok(())
    }

    async fn keep_lease(&self, inner: &CancellationToken) -> Result<(), Interrupted> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(lease::RENEWED_EVERY) => {}
                () = inner.cancelled() => return Ok(()),
            }
            match self.renew_lease().await {
                Ok(true) => {}
                Ok(false) => {
                    inner.cancel();
                    return Err(Interrupted::LeaseLost);
                }
                // Writes will tell whether the database is really gone.
                Err(error) => warn!(error = %error, "the lease could not be renewed"),
            }
        }
    }

    async fn renew_lease(&self) -> sqlx::Result<bool> {
        let mut step = self.session.begin().await?;
        let renewed = lease::renew(&mut step.conn(), self.open.lease).await?;
        step.commit().await?;
        Ok(renewed)
    }

    /// Closes what is open and tells how it ended.
    async fn report(self, ended: Result<Outcome, Interrupted>, wanted: Wanted) -> Report {
        let (outcome, cause) = match &ended {
            Ok(outcome) => (*outcome, None),
            Err(interrupted) => verdict(interrupted),
        };
        if let Err(interrupted) = &ended
            && let Err(error) = self.close_interrupted(interrupted, outcome).await
        {
            error!(error = %error, run = self.open.run_id, "the run could not be closed; the next one will");
        }
        if let Err(error) = self.caller.settle().await {
            warn!(error = %error, "the budget's ledger could not be told that the calls have ended");
        }
        let (row, changes) = self.told(wanted).await.unwrap_or_default();
        if let Some(row) = &row {
            info!(
                source = row.source, run = row.run_id, outcome = %outcome, requests = row.requests, rows = row.rows_seen,
                inserted = row.inserted, updated = row.updated, retired = row.retired, wait_ms = row.wait_ms, "run ended"
            );
        }
        if let Err(error) = self.session.end().await {
            warn!(error = %error, "the dry run's transaction could not be ended");
        }
        Report { outcome, cause, row, changes }
    }

    async fn close_interrupted(&self, interrupted: &Interrupted, outcome: Outcome) -> Result<(), Interrupted> {
        let mut step = self.session.begin().await?;
        let resume_at = match interrupted {
            Interrupted::Throttled { resume_at, .. } => *resume_at,
            _ => None,
        };
        let why = (outcome != Outcome::Stopped).then(|| chain(interrupted));
        finish::tell_stated_limits(self, &mut step).await?;
        run::count(&mut step.conn(), &self.open, &self.caller.take_counters()).await?;
        run::close(&mut step.conn(), &self.open, outcome, why.as_deref(), resume_at).await?;
        lease::release(&mut step.conn(), self.open.lease).await?;
        Ok(step.commit().await?)
    }

    async fn told(&self, wanted: Wanted) -> sqlx::Result<(Option<RunRow>, Vec<ChangeRow>)> {
        let mut step = self.session.begin().await?;
        let row = report::run(&mut step.conn(), self.open.lease.source_id, self.open.run_id).await?;
        let changes =
            if wanted.dry_run { report::changes(&mut step.conn(), None, Some(self.open.run_id), None, TOLD).await? } else { Vec::new() };
        step.commit().await?;
        Ok((Some(row), changes))
    }
}

/// The one of several workers' ends that tells most: a worker that was stopped only followed another.
fn worst(ended: Vec<Result<(), Interrupted>>) -> Result<(), Interrupted> {
    let mut stopped = Ok(());
    for end in ended {
        match end {
            Ok(()) => {}
            Err(Interrupted::Stopped) => stopped = Err(Interrupted::Stopped),
            Err(other) => return Err(other),
        }
    }
    stopped
}

fn verdict(interrupted: &Interrupted) -> (Outcome, Option<Cause>) {
    match interrupted {
        Interrupted::Stopped => (Outcome::Stopped, None),
        Interrupted::Throttled { .. } => (Outcome::Throttled, None),
        Interrupted::Vendor(VendorError::Unauthorised(_)) => (Outcome::Failed, Some(Cause::Credentials)),
        Interrupted::Vendor(_) | Interrupted::Database(_) | Interrupted::Ledger(_) => (Outcome::Failed, Some(Cause::Unavailable)),
        // Whoever took over has closed the run so.
        Interrupted::LeaseLost => (Outcome::Abandoned, None),
    }
}

/// An error with what lies below it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        text.push_str(": ");
        text.push_str(&below.to_string());
        source = below.source();
    }
    text
}
