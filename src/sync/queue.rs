//! Hands lists out to the workers: each once, upper levels first, from what the store holds.

use std::collections::{HashSet, VecDeque};

use tokio::sync::{Mutex, Notify};

use crate::store::{
    frontier::{self, Work},
    run::OpenRun,
    session::Session,
};

/// Lists read ahead from the frontier. They are small; the frontier may not be.
const AHEAD: i64 = 1024;

/// The lists that are to be read.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    ahead: VecDeque<Work>,
    in_hand: HashSet<String>,
}

impl Queue {
    /// The next list, or `None` when there is none and none can follow.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next(&self, session: &Session, run: &OpenRun) -> sqlx::Result<Option<Work>> {
        loop {
            // Made before looking: what is put down after the look wakes it.
            let news = self.news.notified();
            let mut state = self.state.lock().await;
            if state.ahead.is_empty() {
                state.ahead = self.read_ahead(session, run, &state.in_hand).await?;
            }
            if let Some(work) = state.ahead.pop_front() {
                state.in_hand.insert(work.parent.0.clone());
                return Ok(Some(work));
            }
            if state.in_hand.is_empty() {
                self.news.notify_waiters();
                return Ok(None);
            }
            drop(state);
            news.await;
        }
    }

    async fn read_ahead(&self, session: &Session, run: &OpenRun, in_hand: &HashSet<String>) -> sqlx::Result<VecDeque<Work>> {
        let in_hand: Vec<String> = in_hand.iter().cloned().collect();
        let mut step = session.begin().await?;
        let lists = frontier::next(&mut step.conn(), run, &in_hand, AHEAD).await?;
        step.commit().await?;
        Ok(lists.into())
    }

    /// A worker is done with a list, or with this run.
    pub async fn put_down(&self, work: &Work) {
        self.state.lock().await.in_hand.remove(&work.parent.0);
        self.news.notify_waiters();
    }

    /// Lists were queued: workers that wait may look again.
    pub fn wake(&self) {
        self.news.notify_waiters();
    }

    /// The frontier has changed under what was read ahead.
    pub async fn forget_ahead(&self) {
        self.state.lock().await.ahead.clear();
    }
}
