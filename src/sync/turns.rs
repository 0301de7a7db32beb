//! Whose turn it is to write: one at a time, in the order of asking. A page may go on in the transaction of the one before.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::MutexGuard;

use super::{
    Interrupted,
    context::{Context, Synced},
    left_open::LeftOpen,
    writing::Writing,
};
use crate::{
    clock,
    failpoint::{self, Moment},
    model::{node::NodeId, run::Counters},
    store::{change::Told, facts::At, run},
};

impl<V: Synced> Context<V> {
    /// Begins a transaction when no other is under way.
    pub async fn write(&self) -> Result<Writing<'_, V>, Interrupted> {
        self.turn(None).await
    }

    /// The same for a page of this list, which goes on in a transaction that another page has left open.
    ///
    /// # Errors
    /// When another page's transaction was lost: what it has taught is not in the store, with which the run goes on.
    pub async fn write_page(&self, list: NodeId) -> Result<Writing<'_, V>, Interrupted> {
        let mut w = self.turn(Some(list)).await?;
        w.page_of = Some(list);
        if self.is_page_lost.swap(true, Ordering::Relaxed) {
            return Err(Interrupted::Stopped);
        }
        if w.is_shared() {
            w.at.now += w.timed.elapsed();
            w.timed = clock::instant();
        }
        Ok(w)
    }

    /// A page of this list goes on in a transaction that was left open; whoever else waits until that is committed.
    async fn turn(&self, page_of: Option<NodeId>) -> Result<Writing<'_, V>, Interrupted> {
        loop {
            let mut one = self.writing.lock().await;
            // What becomes of a list that is asked for in another way by now concerns no other page.
            let goes_on = match page_of.filter(|_| one.is_some()) {
                Some(list) => !self.queue.is_in_doubt(list).await,
                None => false,
            };
            match one.take() {
                None => return self.begin(one).await,
                Some(shared) if goes_on => return Ok(Writing::go_on(self, shared, one)),
                // In a queue: those whose pages it holds come before, and one of them commits it.
                Some(shared) if Arc::strong_count(&shared.is_done) > 1 => {
                    *one = Some(shared);
                    drop(one);
                    tokio::task::yield_now().await;
                }
                // They are no more.
                Some(_) => {}
            }
        }
    }

    async fn begin<'c>(&'c self, one: MutexGuard<'c, Option<LeftOpen>>) -> Result<Writing<'c, V>, Interrupted> {
        let begun = clock::instant();
        let mut step = self.session.begin().await?;
        let now = run::clock(&mut step.conn()).await?;
        let began = clock::instant();
        failpoint::pass(Moment::WriteBegun);
        failpoint::hang().await;
        let at = At { source_id: self.open.lease.source_id, walk_id: self.open.walk_id, run_id: self.open.run_id, now };
        let (counters, is_done) = (Counters::default(), Arc::default());
        let mut w = Writing {
            context: self,
            step,
            at,
            queued: Vec::new(),
            is_frontier_changed: false,
            told: Told::default(),
            counters,
            page_of: None,
            begun,
            timed: began,
            is_done,
            one,
        };
        w.answer().await?;
        Ok(w)
    }
}
