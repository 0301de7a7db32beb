//! Where the vendor counts: every arrival is logged, and refused beyond the limits. Knows no vendor and no HTTP.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::{Duration, Instant},
};

use fastrand::Rng;

use super::lock::open;
use crate::{clock, model::limit::Limit};

/// Kind under which the log keeps calls of others on the same account.
const FOREIGN: &str = "foreign";

/// Counts as a vendor would. Without limits it lets everything in.
#[derive(Debug)]
pub struct Door {
    started: Instant,
    book: Mutex<Book>,
}

/// How a window lies in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// Any span of the window's length.
    Rolling,
    /// Spans side by side from the start on, each starting at nought.
    Fixed,
}

/// How long answers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// Always so long.
    Fixed(Duration),
    /// Random between the two.
    Between(Duration, Duration),
}

/// One call at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Since the simulator started.
    pub at: Duration,
    /// Which endpoint: `bulk`, `token`, `lookup`, `hierarchy`, `search`, `unknown`, `foreign`.
    pub kind: &'static str,
    /// Whether it was refused for the budget's sake, by a limit or by a fault that says so.
    pub refused: bool,
}

/// Why a call was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The limit that is used up.
    pub limit: Limit,
    /// How long until it lets one in.
    pub wait: Duration,
}

/// One call, from its arrival to its answer.
pub(super) struct Entry {
    pub(super) admitted: Result<(), Refusal>,
    pub(super) delay: Duration,
    place: usize,
}

#[derive(Debug)]
struct Book {
    counts_refused: bool,
    windows: Windows,
    latency: Latency,
    counts: Vec<Count>,
    log: Vec<Arrival>,
    rng: Rng,
}

#[derive(Debug)]
struct Count {
    limit: Limit,
    counted: VecDeque<Duration>,
}

impl Door {
    pub(super) fn new() -> Self {
        let book = Book {
            counts_refused: false,
            windows: Windows::Rolling,
            latency: Latency::Fixed(Duration::ZERO),
            counts: Vec::new(),
            log: Vec::new(),
            rng: Rng::with_seed(1),
        };
        Self { started: clock::instant(), book: Mutex::new(book) }
    }

    /// From now on these limits hold, all at once, counting from nought.
    pub fn set_limits(&self, limits: &[Limit]) {
        open(&self.book).counts = limits.iter().map(|&limit| Count { limit, counted: VecDeque::new() }).collect();
    }

    /// Whether refused calls fill the windows too. Vendors do not say; they do not at first.
    pub fn count_refused(&self, counts: bool) {
        open(&self.book).counts_refused = counts;
    }

    /// How windows lie. Vendors do not say; rolling at first.
    pub fn set_windows(&self, windows: Windows) {
        open(&self.book).windows = windows;
    }

    /// How long answers take; no time at first.
    pub fn set_latency(&self, latency: Latency) {
        open(&self.book).latency = latency;
    }

    /// Others on the same account make so many calls at this instant.
    pub fn foreign_calls(&self, calls: usize) {
        let mut book = open(&self.book);
        for _ in 0..calls {
            // Whether these are let in is their worry.
            let _: Result<(), Refusal> = book.count(self.started.elapsed(), FOREIGN);
        }
    }

    /// Every arrival so far, in order.
    pub fn log(&self) -> Vec<Arrival> {
        open(&self.book).log.clone()
    }

    /// Forgets all arrivals so far, but not what fills the windows.
    pub fn clear_log(&self) {
        open(&self.book).log.clear();
    }

    /// Our calls, the refused ones too.
    pub fn calls(&self) -> usize {
        self.ours().len()
    }

    /// Our calls that were refused for the budget's sake.
    pub fn refused(&self) -> usize {
        self.ours().iter().filter(|arrival| arrival.refused).count()
    }

    /// Our calls to one endpoint.
    pub fn calls_of(&self, kind: &str) -> usize {
        self.ours().iter().filter(|arrival| arrival.kind == kind).count()
    }

    /// Our calls by endpoint.
    pub fn calls_by_kind(&self) -> BTreeMap<&'static str, usize> {
        self.ours().iter().fold(BTreeMap::new(), |mut counts, arrival| {
            *counts.entry(arrival.kind).or_default() += 1;
            counts
        })
    }

    /// The most of our calls, refused ones too, in any span of the window's length (its last instant belongs to the next span).
    pub fn most_in_any(&self, window: Duration) -> usize {
        let instants: Vec<Duration> = self.ours().iter().map(|arrival| arrival.at).collect();
        let mut first = 0;
        let spans = instants.iter().enumerate().map(|(last, &at)| {
            while at - instants[first] >= window {
                first += 1;
            }
            last + 1 - first
        });
        spans.max().unwrap_or(0)
    }

    /// Logs a call now, and lets it in or not.
    pub(super) fn arrive(&self, kind: &'static str) -> Entry {
        let mut book = open(&self.book);
        // Asked under the lock, so that the log's instants are in order.
        let admitted = book.count(self.started.elapsed(), kind);
        Entry { admitted, delay: book.delay(), place: book.log.len() - 1 }
    }

    /// The call was refused by a fault, not by a limit.
    pub(super) fn mark_refused(&self, entry: &Entry) {
        if let Some(arrival) = open(&self.book).log.get_mut(entry.place) {
            arrival.refused = true;
        }
    }

    fn ours(&self) -> Vec<Arrival> {
        self.log().into_iter().filter(|arrival| arrival.kind != FOREIGN).collect()
    }
}

impl Book {
    fn delay(&mut self) -> Duration {
        match self.latency {
            Latency::Fixed(delay) => delay,
            Latency::Between(least, most) => least + most.saturating_sub(least).mul_f64(self.rng.f64()),
        }
    }

    fn count(&mut self, at: Duration, kind: &'static str) -> Result<(), Refusal> {
        let windows = self.windows;
        // All counts are asked, so that each forgets what lies behind its window; the longest wait is the true one.
        let refusals = self.counts.iter_mut().filter_map(|count| count.refuses(at, windows));
        let refusal = refusals.max_by_key(|refusal| refusal.wait);
        self.log.push(Arrival { at, kind, refused: refusal.is_some() });
        if refusal.is_none() || self.counts_refused {
            self.counts.iter_mut().for_each(|count| count.counted.push_back(at));
        }
        refusal.map_or(Ok(()), Err)
    }
}

impl Count {
    fn refuses(&mut self, at: Duration, windows: Windows) -> Option<Refusal> {
        let window = self.limit.window;
        let until = |call: Duration| match windows {
            Windows::Rolling => call + window,
            Windows::Fixed => window * ((call.as_nanos() / window.as_nanos()) as u32 + 1),
        };
        while self.counted.front().is_some_and(|&call| until(call) <= at) {
            self.counted.pop_front();
        }
        let over = self.counted.len().checked_sub(self.limit.calls as usize)?;
        Some(Refusal { limit: self.limit, wait: until(self.counted[over]) - at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(door: &Door, instants: &[u64]) -> String {
        let mark = |&ms| if open(&door.book).count(Duration::from_millis(ms), "bulk").is_ok() { '.' } else { 'x' };
        instants.iter().map(mark).collect()
    }

    fn door(limits: &[&str]) -> Door {
        let door = Door::new();
        door.set_limits(&limits.iter().map(|limit| limit.parse().unwrap()).collect::<Vec<_>>());
        door
    }

    #[test]
    fn any_span_of_the_window_holds_at_most_the_limit() {
        assert_eq!(at(&door(&["2/1s"]), &[0, 900, 999, 1000, 1001, 1899, 1900]), "..x.xx.");
        assert_eq!(at(&door(&["2/1s", "3/10s"]), &[0, 1, 2000, 3000, 10_000, 10_001]), "...x..");
    }

    #[test]
    fn a_fixed_window_lets_twice_the_limit_across_its_edge() {
        let door = door(&["2/1s"]);
        door.set_windows(Windows::Fixed);
        assert_eq!(at(&door, &[998, 999, 999, 1000, 1001, 1002, 2000]), "..x..x.");
        assert_eq!(door.most_in_any(Duration::from_secs(1)), 6);
    }

    #[test]
    fn refused_calls_fill_the_window_when_the_vendor_counts_them() {
        let door = door(&["1/1s"]);
        assert_eq!(at(&door, &[0, 500, 1000, 1500]), ".x.x");
        door.set_limits(&["1/1s".parse().unwrap()]);
        door.count_refused(true);
        assert_eq!(at(&door, &[2000, 2500, 3000, 4000]), ".xx.");
    }

    #[test]
    fn the_refusal_says_how_long_to_wait() {
        let door = door(&["1/1s", "2/1m"]);
        assert_eq!(at(&door, &[0, 1000]), "..");
        let refusal = open(&door.book).count(Duration::from_millis(1500), "bulk").unwrap_err();
        assert_eq!((refusal.limit.calls, refusal.wait), (2, Duration::from_millis(58_500)));
    }

    #[test]
    fn foreign_calls_use_the_limit_up_and_are_not_ours() {
        let door = door(&["3/1h"]);
        door.foreign_calls(2);
        assert!(door.arrive("bulk").admitted.is_ok() && door.arrive("token").admitted.is_err());
        assert_eq!((door.calls(), door.refused(), door.log().len()), (2, 1, 4));
        assert_eq!(door.calls_by_kind(), BTreeMap::from([("bulk", 1), ("token", 1)]));
        assert_eq!(door.most_in_any(Duration::from_secs(3600)), 2);
    }
}
