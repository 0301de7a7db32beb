//! The beginning of a run: the lease, the walk to go on with, the run's row.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    report::NoRun,
    wanted::{Unless, Wanted},
};
use crate::{
    clock,
    config::{Keep, Source},
    failpoint::{self, Moment},
    model::{reach::Reach, run::Trigger},
    store::{
        conn::Conn,
        lease::{self, Holder},
        process::Identity,
        run::{self, OpenRun, Reads, Unclosed},
        session::Session,
        source, walk,
    },
};

/// Who takes a lease has it within this time, or is dead.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// What all runs of a process share.
#[derive(Clone)]
pub struct Shared {
    /// The database.
    pub pool: PgPool,
    /// This process there.
    pub process_id: i64,
    /// This process on its machine.
    pub identity: Identity,
    /// What is not kept for ever.
    pub keep: Keep,
    /// Of each source the last run of this process whose end could not be written down.
    pub unclosed: Arc<Mutex<HashMap<String, Unclosed>>>,
}

impl Shared {
    /// A run has ended, and the database does not know it.
    pub(super) fn is_unclosed(&self, source: &Source, run: Unclosed) {
        self.unclosed.lock().unwrap_or_else(PoisonError::into_inner).insert(source.name.clone(), run);
    }

    fn unclosed_of(&self, source: &Source) -> Option<Unclosed> {
        self.unclosed.lock().unwrap_or_else(PoisonError::into_inner).get(&source.name).cloned()
    }
}

/// Takes the lease and opens the run, waiting for a holder elsewhere that may be dead.
///
/// # Errors
/// When somebody else runs the source, or the database fails.
pub async fn open(
    shared: &Shared,
    source: &Source,
    session: &Session,
    shape: (&str, Option<Reach>),
    wanted: Wanted,
    stop: &CancellationToken,
) -> Result<OpenRun, NoRun> {
    let begun = clock::instant();
    let mut seen: Option<Holder> = None;
    loop {
        let busy = match try_open(shared, source, session, shape, wanted).await? {
            Ok(open) => return Ok(open),
            Err(holder) => holder,
        };
        let name = source.name.clone();
        let Some(holder) = busy else {
            // Somebody takes it in this moment, or has died while doing so, which the server notices a moment later. A dry run keeps it.
            if begun.elapsed() < TAKEN_WITHIN && !stop.is_cancelled() {
                tokio::time::sleep(TAKEN_WITHIN / 10).await;
                continue;
            }
            return Err(NoRun::Busy { name, holder: None });
        };
        // On this machine its death would be known. Elsewhere a renewal shows that it lives.
        let lives = holder.is_here || seen.as_ref().is_some_and(|seen| seen.until != holder.until || seen.pid != holder.pid);
        if lives || stop.is_cancelled() {
            return Err(NoRun::Busy { name, holder: Some(holder) });
        }
        tokio::time::sleep(holder.remaining.clamp(Duration::from_millis(50), Duration::from_secs(1))).await;
        seen = Some(holder);
    }
}

async fn try_open(
    shared: &Shared,
    source: &Source,
    session: &Session,
    shape: (&str, Option<Reach>),
    wanted: Wanted,
) -> Result<Result<OpenRun, Option<Holder>>, NoRun> {
    let mut step = session.begin().await?;
    let Some(source_id) = source::id_of(&mut step.conn(), &source.name, source.vendor.word()).await? else {
        return Err(NoRun::OtherVendor { name: source.name.clone() });
    };
    if wanted.trigger != Trigger::Manual && source::is_paused(&mut step.conn(), source_id).await? {
        return Err(NoRun::Paused { name: source.name.clone() });
    }
    if !lease::try_lock(&mut step.conn(), source_id).await? {
        return Ok(Err(None));
    }
    let lease = match lease::take(&mut step.conn(), source_id, shared.process_id, &shared.identity).await? {
        Ok(lease) => lease,
        Err(holder) => return Ok(Err(Some(holder))),
    };
    let is_served = match wanted.unless {
        None => false,
        Some(Unless::Begun(within)) => run::has_begun(&mut step.conn(), source_id, within).await?,
        Some(Unless::Ended(within)) => run::has_ended(&mut step.conn(), source_id, within).await?,
        Some(Unless::Closed) => !run::is_open(&mut step.conn(), source_id).await?,
    };
    if is_served {
        return Err(NoRun::Begun { name: source.name.clone() });
    }
    let ours = shared.unclosed_of(source);
    match run::close_left(&mut step.conn(), source_id, ours.as_ref()).await? {
        Some(run_id) if ours.is_some_and(|ours| ours.run_id == run_id) => {}
        Some(run_id) => warn!(source = source.name, run = run_id, "the process of an earlier run died; its walk goes on"),
        None => {}
    }
    let walk = walk_of(&mut step.conn(), source_id, shape, wanted).await?;
    let open = run::open(&mut step.conn(), lease, walk, wanted.trigger).await?;
    failpoint::pass(Moment::RunOpening);
    step.commit().await?;
    failpoint::pass(Moment::RunOpened);
    Ok(Ok(open))
}

/// The walk that the run brings forward, and how much of it. What is asked for is read by itself where a list holds children and settings have
/// not changed: elsewhere a list alone tells little, and the walk is short or lost anyhow.
async fn walk_of(conn: &mut Conn<'_>, source_id: i32, (shape, reach): (&str, Option<Reach>), wanted: Wanted) -> sqlx::Result<(i64, Reads)> {
    if wanted.is_refresh
        && let Some(latest) = walk::latest(conn, source_id).await?
        && latest.shape == shape
        && latest.reach.as_deref().and_then(|word| word.parse().ok()).or(reach) == Some(Reach::Direct)
    {
        return Ok((latest.walk_id, if latest.is_open { Reads::WantedOfOpen } else { Reads::WantedOfClosed }));
    }
    Ok((walk::open(conn, source_id, shape).await?, Reads::Walk))
}
