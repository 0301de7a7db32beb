//! What the parts of one run share: its calls, its transactions, its rows.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use futures::FutureExt;

use super::{
    Interrupted,
    caller::{CallError, Caller},
    progress::Progress,
    queue::Queue,
};
use crate::{
    config::Source,
    model::{
        reading::Reading,
        run::{Counters, Outcome},
    },
    store::{
        lease,
        mirror::At,
        run::{self, OpenRun},
        session::{Session, Step},
        source::Paging,
    },
    vendor::{
        Ask, Page,
        hierarchy::{Hierarchy, Root},
    },
};

/// Everything that the parts of one run share.
pub struct Context<V> {
    /// Makes its calls.
    pub caller: Caller<V>,
    /// Its transactions.
    pub session: Session,
    /// Its rows.
    pub open: OpenRun,
    /// The lists to be read.
    pub queue: Queue,
    /// What it brings forward, as configured.
    pub source: Source,
    /// One transaction at a time: the run's row would order them anyhow.
    pub writing: tokio::sync::Mutex<()>,
    /// Whatever `retire_guard` says.
    pub accept_retire: bool,
    /// For whoever looks.
    pub progress: Arc<Progress>,
    /// How this walk's lists are read, as far as it is known.
    pub reading: Mutex<Option<Reading>>,
    /// How those of the last complete walk were, where that had to be found out.
    pub last_reading: OnceLock<Reading>,
    /// A walk of this source was complete before: the mirror knows who was there.
    pub complete_before: AtomicBool,
    /// What the vendor's pages have taught.
    pub paging: Mutex<Paging>,
    /// Something was seen to move since the walk began.
    pub moved: AtomicBool,
    /// A row has said that its list holds more than children, though it was found that lists hold those.
    pub misread: AtomicBool,
    /// One for each request that may be in flight, held until its page is written: so much a crash may cost.
    pub slots: tokio::sync::Semaphore,
}

impl<V: Hierarchy> Context<V> {
    /// How this walk's lists are read, as far as it is known.
    pub fn reading(&self) -> Option<Reading> {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now it is known.
    pub fn set_reading(&self, reading: Option<Reading>) {
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// What the vendor's pages have taught.
    pub fn paging(&self) -> Paging {
        *self.paging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They taught more.
    pub fn set_paging(&self, paging: Paging) {
        *self.paging.lock().unwrap_or_else(PoisonError::into_inner) = paging;
    }

    /// A page of a list. Where the vendor fails for good for this list, but answers for a root's, that is about this list only.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn page(&self, ask: &Ask) -> Result<Page<V::Row>, CallError> {
        let vendor = &self.caller.vendor;
        let error = match self.caller.call(&|within| vendor.page(ask, within).boxed()).await {
            Err(CallError::Run(Interrupted::Vendor(error))) => error,
            other => return other,
        };
        let of_root = |root: Root| vendor.list(&root.key, root.identifier.as_ref()).ok();
        let Some(list) = vendor.roots().into_iter().filter_map(of_root).find(|list| *list != ask.list) else {
            return Err(CallError::Run(Interrupted::Vendor(error)));
        };
        let light = Ask { list, offset: 0, limit: 2 };
        match self.caller.call_once(&|within| vendor.page(&light, within).boxed()).await {
            Ok(_) | Err(CallError::ThisOnly(_)) => Err(CallError::ThisOnly(error)),
            Err(CallError::Run(Interrupted::Vendor(_))) => Err(CallError::Run(Interrupted::Vendor(error))),
            Err(CallError::Run(interrupted)) => Err(CallError::Run(interrupted)),
        }
    }

    /// A place for a request in flight.
    ///
    /// # Errors
    /// Never: the places are not closed.
    pub async fn slot(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Interrupted> {
        self.slots.acquire().await.map_err(|_| Interrupted::Stopped)
    }

    /// Levels below a root.
    pub fn max_depth(&self) -> i32 {
        i32::try_from(self.source.max_depth).unwrap_or(i32::MAX)
    }

    /// Whether a walk of this source was complete before: the mirror knows who was there.
    pub fn any_complete(&self) -> bool {
        self.complete_before.load(Ordering::Relaxed)
    }

    /// Something was seen to move.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_moved(&self, step: &mut Step) -> sqlx::Result<()> {
        if self.moved.swap(true, Ordering::Relaxed) { Ok(()) } else { run::set_moved(&mut step.conn(), &self.open).await }
    }

    /// Where and when a step writes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn at(&self, step: &mut Step) -> sqlx::Result<At> {
        let now = run::clock(&mut step.conn()).await?;
        Ok(At { source_id: self.open.lease.source_id, walk_id: self.open.walk_id, run_id: self.open.run_id, now })
    }

    /// Adds the counters and commits; the run's row is the fence.
    ///
    /// # Errors
    /// When the database fails or the lease is lost.
    pub async fn commit(&self, mut step: Step, counters: Counters) -> Result<(), Interrupted> {
        let calls = self.caller.take_counters();
        let mut all = calls;
        all += counters;
        let result = async {
            if !run::count(&mut step.conn(), &self.open, &all).await? {
                return Err(Interrupted::LeaseLost);
            }
            Ok(step.commit().await?)
        }
        .await;
        if result.is_err() {
            self.caller.put_back(calls);
        }
        result
    }

    /// The same, and closes the run.
    ///
    /// # Errors
    /// When the database fails or the lease is lost.
    pub async fn commit_closed(&self, mut step: Step, counters: Counters, outcome: Outcome) -> Result<(), Interrupted> {
        let mut all = self.caller.take_counters();
        all += counters;
        let fenced =
            run::count(&mut step.conn(), &self.open, &all).await? && run::close(&mut step.conn(), &self.open, outcome, None, None).await?;
        if !fenced {
            return Err(Interrupted::LeaseLost);
        }
        lease::release(&mut step.conn(), self.open.lease).await?;
        Ok(step.commit().await?)
    }

    /// For whoever looks.
    pub fn tell_page(&self, rows: u32) {
        Progress::add(&self.progress.pages, 1);
        Progress::add(&self.progress.rows, rows.into());
    }
}
