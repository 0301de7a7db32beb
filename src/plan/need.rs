//! What a walk still needs, from what the last one came to, and the time ahead of the budget that pays for it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::forecast::{Ahead, Course, Wish};
use crate::{
    budget::{PATIENCE, window::Spent},
    config::{Edges, Source, Vendor},
    model::{limit::Limit, reach::DIRECTORY_PAGE},
    store::plan::{Held, Walks},
};

/// A way that takes so many times fewer calls is told.
const WORTH_TELLING: u64 = 10;

/// The calls of one walk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// How many.
    pub calls: u64,
    /// They are a lower bound: no walk has told yet how many it takes, or the tree has grown beyond what it told.
    pub is_at_least: bool,
    /// How long one call lasts.
    pub took: Duration,
    /// How long all of them last when no budget holds them back.
    pub work: Duration,
}

impl Need {
    /// Calls until the walk that is open, else the next one, is at its end.
    pub fn left(walks: &Walks, roots: usize) -> Self {
        // A list that is queued costs a call, and so does a root that leads to one.
        let unresolved = count(roots).saturating_sub(natural(walks.resolved));
        let floor = if walks.open_walk_id.is_some() { natural(walks.queued) + unresolved } else { count(roots) };
        let told = walks.last_walk_id.map(|_| natural(walks.calls - walks.made));
        Self::of(walks, told.unwrap_or(0).max(floor), told.is_none_or(|told| told < floor))
    }

    /// Calls of a walk from its beginning to its end.
    pub fn whole(walks: &Walks, roots: usize) -> Self {
        match walks.last_walk_id {
            Some(_) => Self::of(walks, natural(walks.calls), false),
            None => Self::of(walks, natural(walks.made) + Self::left(walks, roots).calls, true),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of call counts far below 2^52")]
    fn of(walks: &Walks, calls: u64, is_at_least: bool) -> Self {
        let all_calls = natural(walks.calls).max(1) as f64;
        let took = Duration::from_millis(natural(walks.fetch_ms)).div_f64(all_calls);
        let work = Duration::from_millis(natural(walks.work_ms)).mul_f64(calls as f64 / all_calls);
        Self { calls, is_at_least, took, work }
    }

    /// How its calls can go from now on; a wait that ends a run is a pause.
    pub fn course(&self, ahead: &mut Ahead, from: DateTime<Utc>) -> Course {
        ahead.make(Wish { from, calls: self.calls, took: self.took }, PATIENCE)
    }
}

/// A budget's time ahead.
pub fn ahead(held: &Held, limits: &[Limit]) -> Ahead {
    let spent = |(calls, ended_at): &(i32, DateTime<Utc>)| Spent { calls: calls.unsigned_abs(), ended_at: *ended_at };
    Ahead::new(held.now, limits, &held.batches.iter().map(spent).collect::<Vec<_>>())
}

/// The first moment at which a call could go: a vendor that refuses is left alone until the pause is over.
pub fn begins(held: &Held) -> DateTime<Utc> {
    held.paused_until.unwrap_or(held.now)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What the search over all users would take for those of the last walk: its pages, and one without a row. `None`: it is not worth telling,
/// or the source is read so already.
pub fn by_search(walks: &Walks, source: &Source) -> Option<u64> {
    let is_by_lists = matches!(&source.vendor, Vendor::LeadSquared(settings) if settings.edges == Edges::Hierarchy);
    let (took, users) = (u64::try_from(walks.calls).ok()?, u64::try_from(walks.nodes).ok()?);
    let calls = users.div_ceil(DIRECTORY_PAGE.into()) + 1;
    (is_by_lists && calls * WORTH_TELLING <= took).then_some(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls left, whether that is a lower bound, and calls of a whole walk.
    fn calls(walks: &Walks, roots: usize) -> (u64, bool, u64) {
        let (left, whole) = (Need::left(walks, roots), Need::whole(walks, roots));
        (left.calls, left.is_at_least, whole.calls)
    }

    #[test]
    fn a_walk_needs_what_the_last_one_took() {
        let walked = Walks { last_walk_id: Some(1), calls: 70, ..Walks::default() };
        assert_eq!(calls(&walked, 2), (70, false, 70));
        let open = Walks { open_walk_id: Some(2), made: 30, queued: 12, resolved: 2, ..walked };
        assert_eq!(calls(&open, 2), (40, false, 70));
        // More is queued than was left the last time.
        assert_eq!(calls(&Walks { made: 65, ..open.clone() }, 2), (12, true, 70));
        assert_eq!(calls(&Walks { made: 80, queued: 0, ..open }, 2), (0, false, 70));
    }

    #[test]
    fn before_the_first_walk_only_a_lower_bound_is_known() {
        assert_eq!(calls(&Walks::default(), 3), (3, true, 3));
        let open = Walks { open_walk_id: Some(1), made: 3, queued: 5, resolved: 2, ..Walks::default() };
        assert_eq!(calls(&open, 3), (6, true, 9));
    }

    #[test]
    fn what_is_left_lasts_its_share_of_the_last_walk() {
        let walks = Walks { last_walk_id: Some(1), calls: 100, fetch_ms: 20_000, work_ms: 8000, made: 75, ..Walks::default() };
        let left = Need::left(&Walks { open_walk_id: Some(2), ..walks }, 0);
        assert_eq!((left.took, left.work), (Duration::from_millis(200), Duration::from_secs(2)));
    }
}
