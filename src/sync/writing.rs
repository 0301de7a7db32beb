//! One write transaction of a run: what its parts write into, and how it ends.

use std::time::Instant;

use chrono::{DateTime, Utc};

use super::{
    Interrupted,
    caller::millis,
    context::{Context, Synced, Tables},
};
use crate::{
    clock,
    failpoint::{self, Moment},
    model::{
        node::NodeId,
        reach::Reach,
        run::{Counters, Outcome},
    },
    store::{
        change::{self, Change},
        facts::{At, Edge, Linked},
        frontier::Work,
        lease,
        links::Links,
        run::{self, Reads, Unanswered},
        session::Step,
        walk,
    },
};

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
    begun: Instant,
    one: tokio::sync::MutexGuard<'c, ()>,
}

impl<V: Synced> Writing<'_, V> {
    /// Adds the counters and commits; the run's row is the fence. Then what was queued is handed out.
    pub async fn commit(mut self, counters: Counters) -> Result<(), Interrupted> {
        let context = self.context;
        self.count(counters).await?;
        // What a refresh meets again is counted already.
        context.cap.add(if context.open.reads == Reads::Walk { counters.nodes() } else { counters.inserted });
        failpoint::pass(Moment::Counted);
        self.step.commit().await?;
        failpoint::pass(Moment::Committed);
        context.is_answered();
        context.gauges.progress();
        if self.is_frontier_changed {
            context.queue.forget().await;
        }
        context.queue.add(self.queued).await;
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

    /// Writes into `change` what became of links.
    pub async fn tell_links(&mut self, linked: &Linked) -> sqlx::Result<()> {
        self.tell_links_of(linked, &linked.ends().collect::<Vec<_>>()).await
    }

    /// The same, where these of their ends were known before.
    pub async fn tell_links_of(&mut self, linked: &Linked, known: &[NodeId]) -> sqlx::Result<()> {
        let of = |op: &'static str| move |edge: &Edge| Change::of_link(Tables::<V>::LINK, op, edge);
        let (inserted, restored) = (linked.inserted.iter().map(of("insert")), linked.restored.iter().map(of("restore")));
        let changes: Vec<Change> = inserted.chain(restored).chain(linked.retired.iter().map(of("retire"))).collect();
        change::write(&mut self.step.conn(), self.at, &changes, known).await
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

impl<V: Synced> Context<V> {
    /// Begins a transaction when no other is under way.
    pub async fn write(&self) -> sqlx::Result<Writing<'_, V>> {
        let begun = clock::instant();
        let one = self.writing.lock().await;
        let mut step = self.session.begin().await?;
        let now = run::clock(&mut step.conn()).await?;
        failpoint::pass(Moment::WriteBegun);
        failpoint::hang().await;
        let at = At { source_id: self.open.lease.source_id, walk_id: self.open.walk_id, run_id: self.open.run_id, now };
        let mut w = Writing { context: self, step, at, queued: Vec::new(), is_frontier_changed: false, begun, one };
        w.answer().await?;
        Ok(w)
    }
}
