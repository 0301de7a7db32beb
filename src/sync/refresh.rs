//! Nodes that somebody asked for with `hiersync refresh`: their lists are read before all others, by a run of their own or by the one that is
//! under way, and what these lists show no more is retired as soon as they are read. Whoever is not below a node any more may be below
//! another, so no node is retired.

use std::sync::{PoisonError, atomic::Ordering};

use tracing::warn;

use super::{
    Interrupted,
    context::{Context, Synced, Tables},
    roots, settle, trees,
    writing::Writing,
};
use crate::{
    model::{
        finding::{About, words},
        node::NodeId,
        reach::Reach,
        run::{Counters, Outcome},
    },
    store::{
        facts::Linked,
        frontier,
        refresh::{self, Levers},
        root,
        run::Reads,
        session::Session,
        wanted::Want,
    },
    text::chain,
};

/// Rounds in which a refresh settles lists in doubt: what is in doubt after that, the next walk settles.
const ROUNDS: u32 = 8;

impl<V: Synced> Context<V> {
    /// The levers were looked at. `true`: the run is to stop.
    pub(super) fn heed(&self, levers: Levers) -> bool {
        if levers.is_asked {
            self.asked.news.notify_one();
        }
        levers.is_paused
    }

    /// Somebody asked for this node's list, or for all that the run reads.
    pub(super) fn wants(&self, node: NodeId) -> bool {
        let asked = || self.asked.nodes.lock().unwrap_or_else(PoisonError::into_inner).contains(&node.to_string());
        self.open.reads == Reads::WantedOfClosed || (self.asked.is_serving() && asked())
    }

    /// Nothing is taken up any more. `false`: something was, and is to be read.
    pub(super) async fn ends(&self) -> bool {
        self.asked.is_ending.store(true, Ordering::Relaxed);
        // Who is taking it up holds this until it is.
        drop(self.writing.lock().await);
        let ends = !self.asked.is_serving();
        self.asked.is_ending.store(ends, Ordering::Relaxed);
        ends
    }

    /// Takes up what is asked for while the run is under way, until it is stopped. What fails here is in the way of its readers, too, or the
    /// next run serves it.
    pub(super) async fn take_up(&self) -> std::convert::Infallible {
        loop {
            self.asked.news.notified().await;
            if let Err(error) = take(self, When::Meanwhile).await {
                warn!(error = chain(&error), "what was asked for could not be taken up yet");
            }
        }
    }
}

/// When a run takes up what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before it reads anything.
    AtStart,
    /// While its readers read.
    Meanwhile,
}

/// Puts the lists that were asked for first.
pub async fn take<V: Synced>(context: &Context<V>, when: When) -> Result<(), Interrupted> {
    if matches!(context.session, Session::Dry(..)) {
        return Ok(());
    }
    // Where one list holds everybody, a walk that begins after it was asked for serves it, at its end.
    let by_list = context.walk().reach == Some(Reach::Direct);
    let mut w = context.write().await?;
    if context.asked.is_ending.load(Ordering::Relaxed) || !(by_list || when == When::AtStart) {
        return Ok(w.step.commit().await?);
    }
    w.step.is_about_all();
    let nodes = refresh::take(&mut w.step.conn(), w.at).await?;
    if nodes.is_empty() {
        return Ok(w.step.commit().await?);
    }
    if by_list {
        // What a reader may have in hand goes on as it is.
        let anew = when == When::AtStart;
        let is_open = context.open.reads != Reads::WantedOfClosed;
        Tables::<V>::want(&mut w.step.conn(), w.at, &words(About::List), (is_open, anew)).await?;
        root::ask_again(&mut w.step.conn(), &context.open, &nodes).await?;
        w.is_frontier_changed = true;
        context.asked.nodes.lock().unwrap_or_else(PoisonError::into_inner).extend(nodes.iter().cloned());
        context.asked.is_serving.store(true, Ordering::Relaxed);
    }
    w.commit(Counters::default()).await?;
    if by_list {
        roots::resolve(context).await?;
    }
    Ok(())
}

/// A reader of a walk is about to read what nobody asked for: what was asked for may be done.
pub async fn look<V: Synced>(context: &Context<V>) -> Result<(), Interrupted> {
    if !context.asked.is_serving() || context.open.reads != Reads::Walk {
        return Ok(());
    }
    let mut w = context.write().await?;
    if refresh::is_reading(&mut w.step.conn(), w.at).await? {
        return Ok(w.step.commit().await?);
    }
    context.asked.is_serving.store(false, Ordering::Relaxed);
    end(&mut w, true).await?;
    w.commit(Counters::default()).await
}

/// What was asked for is read: retires what the lists show no more, and tells who has asked. `true`: all lists were proven.
pub async fn end<V: Synced>(w: &mut Writing<'_, V>, is_whole: bool) -> sqlx::Result<bool> {
    if w.context.walk().reach == Some(Reach::Direct) && !w.context.cap.is_full() {
        let retired = Tables::<V>::retire_unshown_by_wanted(&mut w.step.conn(), w.at).await?;
        w.tell_links(&Linked { retired, ..Linked::default() }).await?;
    }
    refresh::done(&mut w.step.conn(), w.at, is_whole).await
}

/// A run of its own: reads what was asked for, and what follows from it.
pub async fn work<V: Synced>(context: &Context<V>, concurrency: u32) -> Result<Outcome, Interrupted> {
    take(context, When::AtStart).await?;
    let is_closed = context.open.reads == Reads::WantedOfClosed;
    for round in 0.. {
        context.read_lists(concurrency).await?;
        // In a walk that goes on, doubts are settled at its end.
        if is_closed && round < ROUNDS && settle::lists(context).await? {
            continue;
        }
        let mut w = context.write().await?;
        w.step.is_about_all();
        // Somebody else may have asked meanwhile, and nobody may from here on.
        if round < 2 * ROUNDS && refresh::is_reading(&mut w.step.conn(), w.at).await? {
            w.step.commit().await?;
            context.queue.forget().await;
            continue;
        }
        context.asked.is_ending.store(true, Ordering::Relaxed);
        if is_closed {
            frontier::leave_unread(&mut w.step.conn(), &context.open).await?;
        }
        let is_proven = end(&mut w, !context.cap.is_full()).await?;
        if is_closed {
            trees::settle(&mut w, Reach::Direct).await?;
        }
        let outcome = if is_proven { Outcome::Complete } else { Outcome::Partial };
        w.close(Counters::default(), outcome, (None, None)).await?;
        return Ok(outcome);
    }
    Err(Interrupted::Stopped)
}
