//! What the parts of one run share: its calls, its transactions, its rows.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use futures::FutureExt;

use super::{
    Interrupted,
    caller::{CallError, Caller},
    gauges::Gauges,
    queue::Queue,
};
use crate::{
    config::Source,
    model::{
        reach::Reach,
        run::{Counters, Outcome},
    },
    store::{
        facts::At,
        lease,
        mirror::Mirrored,
        run::{self, OpenRun},
        session::{Session, Step},
        source::{self, Paging},
    },
    vendor_api::{
        Ask, Page,
        hierarchy::{Hierarchy, Root},
    },
};

/// The tables of a vendor's rows.
pub(super) type Tables<V> = <<V as crate::vendor_api::Vendor>::Row as Mirrored>::Tables;

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
    pub gauges: Arc<Gauges>,
    /// What the walk has shown of itself.
    pub walk: WalkSeen,
    /// One for each request that may be in flight, held until its page is written: so much a crash may cost.
    pub slots: tokio::sync::Semaphore,
}

/// What a walk has shown of itself. Kept in the store, too.
#[derive(Debug, Default)]
pub struct WalkSeen {
    reach: Mutex<Option<Reach>>,
    paging: Mutex<Paging>,
    /// An earlier walk of the source has ended: the mirror knows who was there.
    knows: AtomicBool,
    has_moved: AtomicBool,
    longest_page: AtomicU32,
    /// Rounds of this run in which lists in doubt were settled.
    rounds: AtomicU32,
}

impl WalkSeen {
    /// What the lists hold, as far as it is known.
    pub fn reach(&self) -> Option<Reach> {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the vendor's pages have taught.
    pub fn paging(&self) -> Paging {
        *self.paging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They taught more.
    pub fn set_paging(&self, paging: Paging) {
        *self.paging.lock().unwrap_or_else(PoisonError::into_inner) = paging;
    }

    /// An earlier walk of the source has ended: the mirror knows who was there.
    pub fn knows(&self) -> bool {
        self.knows.load(Ordering::Relaxed)
    }

    /// Something was seen to move.
    pub fn has_moved(&self) -> bool {
        self.has_moved.load(Ordering::Relaxed)
    }

    /// One more round of settling begins: its number.
    pub fn next_round(&self) -> u32 {
        self.rounds.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Rows of the longest page.
    pub fn longest_page(&self) -> u32 {
        self.longest_page.load(Ordering::Relaxed)
    }
}

impl<V: Hierarchy> Context<V> {
    /// A walk that goes on reads its lists as it began to, with what earlier ones have learned.
    pub async fn recall(&self) -> Result<(), Interrupted> {
        let mut step = self.session.begin().await?;
        let recalled = run::recall(&mut step.conn(), &self.open).await?;
        self.walk.set_paging(source::paging(&mut step.conn(), self.open.lease.source_id).await?);
        self.walk.knows.store(recalled.knows, Ordering::Relaxed);
        self.walk.has_moved.fetch_or(recalled.has_moved, Ordering::Relaxed);
        self.walk.longest_page.fetch_max(recalled.longest_page.unsigned_abs(), Ordering::Relaxed);
        let word = |word: Option<&str>| word.and_then(Reach::from_word);
        let known = word(recalled.reach.as_deref()).or_else(|| self.caller.vendor.reach());
        // What the last walk's lists held is only a guess, where rows tell or comparing does.
        let last = word(recalled.last_reach.as_deref()).filter(|last| matches!(last, Reach::Direct | Reach::Subtree));
        match (known, last) {
            (None, Some(last)) => self.set_reach(&mut step, last).await?,
            _ => *self.walk.reach.lock().unwrap_or_else(PoisonError::into_inner) = known,
        }
        Ok(step.commit().await?)
    }

    /// Writes down what the lists hold, now that it is known.
    pub async fn set_reach(&self, step: &mut Step, reach: Reach) -> sqlx::Result<()> {
        if self.walk.reach() != Some(reach) {
            run::set_reach(&mut step.conn(), &self.open, reach.word()).await?;
        }
        *self.walk.reach.lock().unwrap_or_else(PoisonError::into_inner) = Some(reach);
        Ok(())
    }

    /// Writes down that something has moved, and how long a page is. Nothing is written that is known.
    pub async fn remember(&self, step: &mut Step, has_moved: bool, page: u32) -> sqlx::Result<()> {
        let was_moved = has_moved && self.walk.has_moved.swap(true, Ordering::Relaxed);
        let longest = self.walk.longest_page.fetch_max(page, Ordering::Relaxed);
        if (has_moved && !was_moved) || page > longest {
            run::remember(&mut step.conn(), &self.open, has_moved, page).await?;
        }
        Ok(())
    }

    /// The list's length by the count beside its page, where that is known to mean it. It tells where to read ahead and ends nothing:
    /// an answer that is cut short is cut short with it.
    pub fn total(&self, stated: Option<u64>) -> Option<i64> {
        stated.filter(|_| self.walk.paging().count_is_total == Some(true)).and_then(|count| i64::try_from(count).ok())
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
        match self.caller.call_lightly(&|within| vendor.page(&light, within).boxed()).await {
            Ok(_) | Err(CallError::ThisOnly(_)) => Err(CallError::ThisOnly(error)),
            Err(CallError::Run(Interrupted::Vendor(_))) => Err(CallError::Run(Interrupted::Vendor(error))),
            Err(CallError::Run(interrupted)) => Err(CallError::Run(interrupted)),
        }
    }

    /// A place for a request in flight.
    pub async fn slot(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Interrupted> {
        self.slots.acquire().await.map_err(|_| Interrupted::Stopped)
    }

    /// Levels below a root.
    pub fn max_depth(&self) -> i32 {
        i32::try_from(self.source.max_depth).unwrap_or(i32::MAX)
    }

    /// Where and when a step writes.
    pub async fn at(&self, step: &mut Step) -> sqlx::Result<At> {
        let now = run::clock(&mut step.conn()).await?;
        Ok(At { source_id: self.open.lease.source_id, walk_id: self.open.walk_id, run_id: self.open.run_id, now })
    }

    /// Adds the counters and commits; the run's row is the fence.
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
        Gauges::add(&self.gauges.pages, 1);
        Gauges::add(&self.gauges.rows, rows.into());
    }
}
