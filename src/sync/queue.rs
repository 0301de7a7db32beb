//! Hands lists out to the readers: each once, deepest first, oldest of equals, from what the store holds.

use std::collections::{BTreeMap, HashSet};

use tokio::sync::{Mutex, MutexGuard, Notify};

use crate::model::node::NodeId;
use crate::store::{
    conn::Conn,
    frontier::{self, Work},
    run::OpenRun,
};

/// Lists held in memory, at most. They are small; the frontier may not be.
const HELD: usize = 4096;

/// The lists that are to be read.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    /// One looks into the store for all.
    looking: Mutex<()>,
    news: Notify,
}

/// The order in which lists are read: what somebody asked for, then the others; begun anew last, else deepest first, so that a node's row is
/// seconds old when its list is read. What was asked for is read from above: rows tell what is new of the lists below.
type Order = (bool, i32, i32, i64);

fn order(list: &Work) -> Order {
    let depth = if list.wanted.is_none() { -list.depth } else { list.depth };
    (list.wanted.is_none(), list.attempts, depth, list.list_no)
}

#[derive(Default)]
struct State {
    held: BTreeMap<Order, Work>,
    /// All lists that are queued and not in hand are held.
    is_whole: bool,
    in_hand: HashSet<NodeId>,
    /// Lists in hand whose rows in the store may have changed since they were taken.
    in_doubt: HashSet<NodeId>,
}

/// What a reader is given.
pub enum Given {
    /// This list.
    List(Work),
    /// Nothing that is held: the store may hold more.
    Unread,
    /// None is left, and none can follow.
    None,
}

/// What there is to take.
enum Taken {
    /// This list.
    One(Work),
    /// What is next waits for a list in hand.
    Later,
    /// Nothing is held.
    None,
}

impl State {
    fn hold(&mut self, lists: Vec<Work>) {
        for list in lists {
            if !self.in_hand.contains(&list.parent) {
                self.held.insert(order(&list), list);
            }
        }
        while self.held.len() > HELD {
            self.held.pop_last();
            self.is_whole = false;
        }
    }

    fn take(&mut self) -> Taken {
        // The rows of the list above tell how long a list is by now: what was asked for waits for them.
        let Some(first) = self.held.values().next() else { return Taken::None };
        let mut wanted = self.held.iter().take_while(|(_, list)| list.wanted.is_some());
        let held: HashSet<NodeId> = wanted.clone().map(|(_, list)| list.parent).collect();
        let waits = |list: &Work| list.shown_by.is_some_and(|above| held.contains(&above) || self.in_hand.contains(&above));
        let order = match (first.wanted.is_some(), wanted.find(|(_, list)| !waits(list))) {
            (true, None) if !self.in_hand.is_empty() => return Taken::Later,
            (true, Some((order, _))) => *order,
            // Lists that show each other, as in a cycle, would wait for ever.
            (true, None) | (false, _) => order(first),
        };
        let Some(work) = self.held.remove(&order) else { return Taken::None };
        self.in_hand.insert(work.parent);
        Taken::One(work)
    }

    fn put_down(&mut self, parent: NodeId, again: Option<Work>) {
        self.in_hand.remove(&parent);
        if self.in_doubt.remove(&parent) {
            self.is_whole = false;
        } else {
            self.hold(again.into_iter().collect());
        }
    }

    fn forget(&mut self) {
        self.in_doubt.extend(self.in_hand.iter().copied());
        self.held.clear();
        self.is_whole = false;
    }
}

impl Queue {
    /// What is to be read next, when there is something or nothing can follow.
    pub async fn next(&self) -> Given {
        loop {
            // Made before looking: what is put down after the look wakes it.
            let news = self.news.notified();
            let mut state = self.state.lock().await;
            match state.take() {
                Taken::One(work) => return Given::List(work),
                Taken::Later => {
                    drop(state);
                    news.await;
                    continue;
                }
                Taken::None => {}
            }
            if !state.is_whole {
                return Given::Unread;
            }
            if state.in_hand.is_empty() {
                self.news.notify_waiters();
                return Given::None;
            }
            drop(state);
            news.await;
        }
    }

    /// The right to look into the store for more, unless somebody else has done so.
    pub async fn is_to_look(&self) -> Option<MutexGuard<'_, ()>> {
        let looking = self.looking.lock().await;
        let state = self.state.lock().await;
        (!state.is_whole && state.held.is_empty()).then_some(looking)
    }

    /// Looks into the store for more, while nobody queues lists there.
    pub async fn read(&self, conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
        let mut state = self.state.lock().await;
        if state.is_whole || !state.held.is_empty() {
            return Ok(());
        }
        let in_hand: Vec<String> = state.in_hand.iter().map(NodeId::to_string).collect();
        let limit = HELD / 4;
        let lists = frontier::next(conn, run, &in_hand, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
        state.is_whole = lists.len() < limit;
        state.hold(lists);
        Ok(())
    }

    /// Lists were queued, as the store holds them.
    pub async fn add(&self, lists: Vec<Work>) {
        if !lists.is_empty() {
            self.state.lock().await.hold(lists);
            self.news.notify_waiters();
        }
    }

    /// A reader is done with a list for now, or with this run. `again`: it is to be read once more.
    pub async fn put_down(&self, work: &Work, again: Option<Work>) {
        self.state.lock().await.put_down(work.parent, again);
        self.news.notify_waiters();
    }

    /// A list is in hand whose row in the store may have changed since it was taken.
    pub async fn is_in_doubt(&self, parent: NodeId) -> bool {
        self.state.lock().await.in_doubt.contains(&parent)
    }

    /// The readers that wait look again.
    pub fn wake(&self) {
        self.news.notify_waiters();
    }

    /// As at the beginning: nobody has a list in hand any more.
    pub async fn clear(&self) {
        *self.state.lock().await = State::default();
    }

    /// The frontier has changed beside what is held.
    pub async fn forget(&self) {
        self.state.lock().await.forget();
        self.news.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_whose_row_has_changed_while_it_was_in_hand_is_looked_for_in_the_store() {
        let list = Work::new(NodeId::Customer(7), None, 1);
        let mut state = State { is_whole: true, ..State::default() };
        state.hold(vec![list.clone()]);
        let Taken::One(in_hand) = state.take() else { panic!("it is held") };
        state.forget();
        // Another reader has looked: whatever is in hand it was not given.
        state.is_whole = true;
        state.put_down(in_hand.parent, Some(list.clone()));
        assert!(!state.is_whole && state.held.is_empty());

        state.hold(vec![list.clone()]);
        state.is_whole = true;
        let Taken::One(in_hand) = state.take() else { panic!("it is held") };
        state.put_down(in_hand.parent, Some(list));
        assert!(state.is_whole && state.held.len() == 1);
    }

    #[test]
    fn lists_that_show_each_other_or_themselves_do_not_wait_for_ever() {
        let [one, other] = [1, 2].map(|id| Work { wanted: Some(true), ..Work::new(NodeId::Customer(id), None, 1) });
        let one = Work { shown_by: Some(other.parent), ..one };
        let other = Work { shown_by: Some(one.parent), list_no: 1, ..other };
        let mut state = State { is_whole: true, ..State::default() };
        state.hold(vec![one.clone(), other.clone()]);
        let Taken::One(first) = state.take() else { panic!("nobody has anything in hand") };
        assert!(first == one && matches!(state.take(), Taken::Later));
        state.put_down(one.parent, None);
        let Taken::One(second) = state.take() else { panic!("the other is put down") };
        assert_eq!(second, other);
        state.put_down(other.parent, None);
        state.hold(vec![Work { shown_by: Some(one.parent), ..one.clone() }]);
        assert!(matches!(state.take(), Taken::One(_)), "its own parent");
    }

    #[test]
    fn what_was_asked_for_comes_first_and_a_list_waits_for_the_one_that_shows_it() {
        let [above, below, other] = [1, 2, 3].map(|id| Work::new(NodeId::Customer(id), None, i32::try_from(id).unwrap()));
        let above = Work { wanted: Some(false), ..above };
        let below = Work { wanted: Some(false), shown_by: Some(above.parent), ..below };
        let mut state = State { is_whole: true, ..State::default() };
        state.hold(vec![other.clone(), below.clone(), above.clone()]);
        let Taken::One(first) = state.take() else { panic!("it is held") };
        assert_eq!(first, above);
        assert!(matches!(state.take(), Taken::Later));
        state.put_down(above.parent, None);
        let Taken::One(second) = state.take() else { panic!("it is held") };
        let Taken::One(third) = state.take() else { panic!("it is held") };
        assert_eq!((second, third), (below, other));
    }
}
