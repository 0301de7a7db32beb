//! One write transaction of a run: what its parts write into, and how it ends. Pages that come faster than commits share one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::MutexGuard;

use super::{
    Interrupted,
    caller::millis,
    context::{Context, Synced, Tables},
    left_open::LeftOpen,
};
use crate::{
    failpoint::{self, Moment},
    model::{
        node::NodeId,
        reach::Reach,
        run::{Counters, Outcome},
    },
    store::{
        change::{self, Change, Told},
        facts::{At, Edge, Linked},
        frontier::Work,
        lease,
        links::Links,
        run::{self, Reads, Unanswered},
        session::Step,
        walk,
    },
};

/// Rows of pages that share a transaction, at most: what a lost session costs, and how long others wait for what it has locked.
const SHARED_ROWS: i64 = 2000;

/// For how long pages may go on in a transaction, which others may wait for.
const SHARED_FOR: Duration = Duration::from_secs(2);

/// One transaction of a run, begun when no other was under way.
pub struct Writing<'c, V> {
    /// The run.
    pub context: &'c Context<V>,
    /// The transaction.
    pub step: Step,
    /// Where and when it writes.
    pub at: At,
    /// Lists that were queued in it.
    pub queued: Vec<Work>,
    /// The frontier has changed beside them.
    pub is_frontier_changed: bool,
    /// What its pages have still to tell, which none of them reads.
    pub(super) told: Told,
    /// Of the pages that were written in it before.
    pub(super) counters: Counters,
    /// It is a page of this list's.
    pub(super) page_of: Option<NodeId>,
    pub(super) begun: Instant,
    /// When it was `at.now`.
    pub(super) timed: Instant,
    /// It was committed: those whose pages share it look here.
    pub(super) is_done: Arc<AtomicBool>,
    pub(super) one: MutexGuard<'c, Option<LeftOpen>>,
}

impl<'c, V: Synced> Writing<'c, V> {
    /// Adds the counters and commits; the run's row is the fence. Then what was queued is handed out.
    pub async fn commit(mut self, counters: Counters) -> Result<(), Interrupted> {
        self.counters += counters;
        self.end().await
    }

    /// The same for a page, when no other waits to be written: whichever does goes on in this transaction, and each is over when it is
    /// committed. What has changed the frontier is committed at once: the next page's list may be another one by then.
    pub async fn commit_with_others(mut self, counters: Counters) -> Result<(), Interrupted> {
        self.counters += counters;
        if self.is_frontier_changed || self.counters.rows_seen >= SHARED_ROWS || self.begun.elapsed() >= SHARED_FOR {
            return self.end().await;
        }
        let Self { context, step, at, queued, told, counters, page_of, begun, timed, is_done, mut one, .. } = self;
        *one = Some(LeftOpen { step, at, counters, queued, told, begun, timed, is_done: Arc::clone(&is_done) });
        context.is_page_lost.store(false, Ordering::Relaxed);
        drop(one);
        // In a queue: behind those that wait already.
        let mut one = context.writing.lock().await;
        match one.take_if(|shared| Arc::ptr_eq(&shared.is_done, &is_done)) {
            Some(shared) => {
                let mut w = Writing::go_on(context, shared, one);
                w.page_of = page_of;
                context.is_page_lost.store(true, Ordering::Relaxed);
                w.end().await
            }
            None if is_done.load(Ordering::Relaxed) => Ok(()),
            // It went with another page's error, which that page tells.
            None => Err(Interrupted::Stopped),
        }
    }

    /// Other pages were written in it.
    pub fn is_shared(&self) -> bool {
        self.counters.pages > 0
    }

    /// Undoes what a page has written. Others must not share the transaction.
    pub fn undo(self) {
        self.context.is_page_lost.store(false, Ordering::Relaxed);
    }

    /// How many more nodes may be taken.
    pub fn room(&self) -> Option<i64> {
        self.context.cap.room().map(|room| (room - self.taken()).max(0))
    }

    /// Nodes that were taken. What a refresh meets again is counted already.
    fn taken(&self) -> i64 {
        if self.context.open.reads == Reads::Walk { self.counters.nodes() } else { self.counters.inserted }
    }

    /// What was left open goes on.
    pub(super) fn go_on(context: &'c Context<V>, shared: LeftOpen, one: MutexGuard<'c, Option<LeftOpen>>) -> Self {
        let LeftOpen { step, at, counters, queued, told, begun, timed, is_done } = shared;
        Self { context, step, at, queued, is_frontier_changed: false, told, counters, page_of: None, begun, timed, is_done, one }
    }

    async fn end(mut self) -> Result<(), Interrupted> {
        let context = self.context;
        self.tell_now().await?;
        self.count(self.counters).await?;
        context.cap.add(self.taken());
        failpoint::pass(Moment::Counted);
        self.step.commit().await?;
        failpoint::pass(Moment::Committed);
        self.is_done.store(true, Ordering::Relaxed);
        context.is_answered();
        context.gauges.progress();
        // What was queued may have changed since: then the store is asked.
        match self.is_frontier_changed {
            true => context.queue.forget().await,
            false => context.queue.add(self.queued).await,
        }
        if self.page_of.is_some() {
            context.is_page_lost.store(false, Ordering::Relaxed);
        }
        drop(self.one);
        Ok(())
    }

    /// Adds the counters, and those of the calls. Until the commit has its answer, whether they are added is open.
    async fn count(&mut self, counters: Counters) -> Result<(), Interrupted> {
        let calls = self.context.caller.take_counters();
        let mut all = Counters { write_ms: millis(self.begun.elapsed()), ..counters };
        all += calls;
        let counted = run::count(&mut self.step.conn(), &self.context.open, &all).await;
        if let Ok(Some(steps)) = counted {
            self.context.is_unanswered(Unanswered { steps: steps - 1, calls });
            return Ok(());
        }
        self.context.caller.put_back(calls);
        Err(counted.err().map_or(Interrupted::LeaseLost, Interrupted::from))
    }

    /// The same, and closes the run. `why`: what a person must see, and when it may go on.
    pub async fn close(
        mut self,
        counters: Counters,
        outcome: Outcome,
        why: (Option<&str>, Option<DateTime<Utc>>),
    ) -> Result<(), Interrupted> {
        let open = &self.context.open;
        self.count(counters).await?;
        if !run::close(&mut self.step.conn(), open, outcome, why.0, why.1).await? {
            return Err(Interrupted::LeaseLost);
        }
        lease::release(&mut self.step.conn(), open.lease).await?;
        failpoint::pass(Moment::Closing);
        self.step.commit().await?;
        failpoint::pass(Moment::Closed);
        self.context.is_answered();
        Ok(())
    }

    /// Writes changes down: a page those of new nodes at its transaction's end, with the other pages'. `touched`: known nodes of which
    /// something was written. Of the one whose list it is, what is told later comes as if the other pages had been written before.
    pub async fn tell(&mut self, changes: impl IntoIterator<Item = Change>, touched: &[NodeId]) -> sqlx::Result<()> {
        let seen = self.at.now;
        self.told.changes.extend(changes.into_iter().map(|change| (seen, change)));
        self.told.touched.extend(touched);
        if self.page_of.is_some() && touched.iter().all(|node| Some(*node) == self.page_of) { Ok(()) } else { self.tell_now().await }
    }

    async fn tell_now(&mut self) -> sqlx::Result<()> {
        change::write(&mut self.step.conn(), self.at, &std::mem::take(&mut self.told)).await
    }

    /// Writes into `change` what became of links.
    pub async fn tell_links(&mut self, linked: &Linked) -> sqlx::Result<()> {
        self.tell_links_of(linked, &linked.ends().collect::<Vec<_>>()).await
    }

    /// The same, where these of their ends were known before.
    pub async fn tell_links_of(&mut self, linked: &Linked, known: &[NodeId]) -> sqlx::Result<()> {
        let of = |op: &'static str| move |edge: &Edge| Change::of_link(Tables::<V>::LINK, op, edge);
        let (inserted, restored) = (linked.inserted.iter().map(of("insert")), linked.restored.iter().map(of("restore")));
        self.tell(inserted.chain(restored).chain(linked.retired.iter().map(of("retire"))), known).await
    }

    /// Writes down what the lists hold, now that it is known.
    pub async fn set_reach(&mut self, reach: Reach) -> sqlx::Result<()> {
        if self.context.walk().reach != Some(reach) {
            walk::set_reach(&mut self.step.conn(), &self.context.open, reach.as_ref()).await?;
            self.context.learn(|walk| walk.reach = Some(reach));
        }
        Ok(())
    }

    /// Writes down that something has moved, that there are newcomers, and how long a page is. Nothing is written that is known.
    pub async fn remember(&mut self, has_moved: bool, has_newcomers: bool, page: u32) -> sqlx::Result<()> {
        let walk = self.context.walk();
        if (has_moved && !walk.has_moved) || (has_newcomers && !walk.has_newcomers) || page > walk.longest_page {
            walk::remember(&mut self.step.conn(), &self.context.open, has_moved, has_newcomers, page).await?;
            self.context.learn(|walk| {
                walk.has_moved |= has_moved;
                walk.has_newcomers |= has_newcomers;
                walk.longest_page = walk.longest_page.max(page);
            });
        }
        Ok(())
    }
}
