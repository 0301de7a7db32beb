//! What the parts of one run share: its calls, its transactions, its rows.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use futures::FutureExt;

use super::{
    Interrupted,
    asked::Asked,
    call_error::CallError,
    caller::Caller,
    cap::{self, Cap},
    gauges::Gauges,
    left_open::LeftOpen,
    plainly,
    queue::Queue,
};
use crate::{
    config::Source,
    model::reach::Reach,
    store::{
        finding,
        mirror::Mirrored,
        run::{OpenRun, Unanswered},
        session::Session,
        source, walk,
    },
    vendor_api::{
        Ask,
        hierarchy::{Hierarchy, Root},
        sheet::Sheet,
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
    /// One transaction at a time: the run's row would order them anyhow. With the one that pages share, between two of them.
    pub writing: tokio::sync::Mutex<Option<LeftOpen>>,
    /// Whatever `retire_guard` says.
    pub accept_retire: bool,
    /// A page is being written, or was not to its end: what it has taught is not in the store.
    pub(super) is_page_lost: AtomicBool,
    /// For whoever looks.
    pub gauges: Arc<Gauges>,
    /// What the walk has shown of itself.
    pub(super) walk: Mutex<WalkSeen>,
    /// A commit that has no answer yet.
    pub(super) unanswered: Mutex<Option<Unanswered>>,
    /// One for each request that may be in flight, held until its page is written: so much a crash may cost.
    pub slots: tokio::sync::Semaphore,
    /// The rows of one page may be read while another's are written.
    pub early: tokio::sync::Semaphore,
    /// How many nodes it may find.
    pub(super) cap: Cap,
    /// What is asked of it meanwhile.
    pub asked: Asked,
}

/// A vendor whose rows have mirror tables.
pub trait Synced: Hierarchy<Row: Mirrored> {}

impl<V: Hierarchy<Row: Mirrored>> Synced for V {}

/// What a walk has shown of itself. Kept in the store, too.
#[derive(Debug, Clone, Copy, Default)]
pub struct WalkSeen {
    /// What the lists hold, as far as it is known.
    pub reach: Option<Reach>,
    /// Whether the count beside a page is that of the whole list, as far as pages have taught it.
    pub count_is_total: Option<bool>,
    /// An earlier walk of the source has ended: the mirror knows who was there.
    pub knows: bool,
    /// Something was seen to move.
    pub has_moved: bool,
    /// A list has shown somebody whose link did not live.
    pub has_newcomers: bool,
    /// Rows of the longest page.
    pub longest_page: u32,
    /// Rounds of this run in which lists in doubt were settled.
    pub rounds: u32,
}

impl<V: Synced> Context<V> {
    /// What the walk has shown of itself so far.
    pub fn walk(&self) -> WalkSeen {
        *self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has shown more.
    pub fn learn(&self, more: impl FnOnce(&mut WalkSeen)) {
        more(&mut self.walk.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A walk that goes on reads its lists as it began to, with what earlier ones have learned.
    pub async fn recall(&self) -> Result<(), Interrupted> {
        let mut w = self.write().await?;
        self.is_page_lost.store(false, Ordering::Relaxed);
        let recalled = walk::recall(&mut w.step.conn(), &self.open).await?;
        let count_is_total = source::count_is_total(&mut w.step.conn(), self.open.lease.source_id).await?;
        let is_full = finding::any_of(&mut w.step.conn(), &self.open, &[cap::KIND]).await?;
        self.cap.recall(walk::found(&mut w.step.conn(), &self.open).await?, is_full);
        let word = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        let known = word(recalled.reach.as_deref()).or_else(|| self.caller.vendor.reach());
        let longest_page = recalled.longest_page.unsigned_abs();
        let (knows, has_moved, has_newcomers) = (recalled.knows, recalled.has_moved, recalled.has_newcomers);
        self.learn(|walk| *walk = WalkSeen { reach: known, count_is_total, knows, has_moved, has_newcomers, longest_page, rounds: 0 });
        // What the last walk's lists held is only a guess, where rows tell or comparing does.
        let last = word(recalled.last_reach.as_deref()).filter(|last| matches!(last, Reach::Direct | Reach::Subtree));
        if let (None, Some(last)) = (known, last) {
            w.set_reach(last).await?;
        }
        Ok(w.step.commit().await?)
    }

    /// The list's length by the count beside its page, where that is known to mean it. It tells where to read ahead and ends nothing:
    /// an answer that is cut short is cut short with it.
    pub fn total(&self, stated: Option<u64>) -> Option<i64> {
        stated.filter(|_| self.walk().count_is_total == Some(true)).and_then(|count| i64::try_from(count).ok())
    }

    /// A page of a list. Where the vendor fails for good for this list, but answers for a root's, that is about this list only.
    pub async fn page(&self, ask: &Ask) -> Result<Sheet<V::Row>, CallError> {
        let vendor = &self.caller.vendor;
        let error = match plainly::page(&self.caller, ask).await {
            Err(CallError::Run(Interrupted::Vendor(error))) => error,
            other => return other,
        };
        let of_root = |root: Root| vendor.list(root.key, root.identifier.as_ref()).ok();
        let Some(list) = vendor.roots().into_iter().filter_map(of_root).find(|list| *list != ask.list) else {
            return Err(CallError::Run(Interrupted::Vendor(error)));
        };
        let light = Ask { list, offset: 0, limit: 2, is_plain: false };
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

    /// For whoever looks.
    pub fn tell_page(&self, rows: u32) {
        Gauges::add(&self.gauges.pages, 1);
        Gauges::add(&self.gauges.rows, rows.into());
    }
}
