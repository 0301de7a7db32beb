//! Pages of one list that are asked for, several at a time, and taken in their order.

use std::collections::VecDeque;

use futures::{StreamExt, stream::FuturesOrdered};

/// Calls under way, and what of them has come.
pub(super) struct Flight<F: Future> {
    calls: FuturesOrdered<F>,
    come: VecDeque<F::Output>,
    /// The furthest place that was asked for.
    furthest: Option<u32>,
    at_once: usize,
}

impl<F: Future> Flight<F> {
    /// None yet; so many at a time.
    pub(super) fn new(at_once: usize) -> Self {
        Self { calls: FuturesOrdered::new(), come: VecDeque::new(), furthest: None, at_once }
    }

    /// Asks for the page at a place beyond those that were asked for, if there is room.
    pub(super) fn ask(&mut self, offset: u32, call: impl FnOnce(u32) -> F) {
        if self.furthest < Some(offset) && self.calls.len() + self.come.len() < self.at_once {
            self.furthest = Some(offset);
            self.calls.push_back(call(offset));
        }
    }

    /// Whether the next page is here.
    pub(super) fn has_come(&self) -> bool {
        !self.come.is_empty()
    }

    /// The next page.
    pub(super) async fn next(&mut self) -> Option<F::Output> {
        match self.come.pop_front() {
            Some(page) => Some(page),
            None => self.calls.next().await,
        }
    }

    /// Does one thing while calls go on: a call that is not polled would hold its permit, and what it has of the database, for as long.
    pub(super) async fn meanwhile<T>(&mut self, one: impl Future<Output = T>) -> T {
        let mut one = std::pin::pin!(one);
        loop {
            tokio::select! {
                result = &mut one => return result,
                Some(page) = self.calls.next(), if !self.calls.is_empty() => self.come.push_back(page),
            }
        }
    }
}
