//! The time ahead of a budget: when so many further calls can go, and which window makes them wait. Decides as
//! `window::grant` would at each moment, but for all calls that can go at once, and skips from one opening to the next.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{budget::window::Spent, model::limit::Limit};

/// One budget from a moment on. Calls that are made in it stay in it.
#[derive(Debug, Clone)]
pub struct Ahead {
    now: DateTime<Utc>,
    /// Calls that some window still counts, by their end.
    held: VecDeque<Spent>,
    windows: Vec<Window>,
}

#[derive(Debug, Clone)]
struct Window {
    limit: Limit,
    /// Calls that it counts: those in `held` but for the first `passed`.
    counted: u64,
    passed: usize,
}

/// Calls that are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// None goes before this time.
    pub from: DateTime<Utc>,
    /// How many.
    pub calls: u64,
    /// How long one lasts: it counts until a window after its end.
    pub took: Duration,
}

/// How wanted calls can go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Course {
    /// When the last of them can go.
    pub last_at: DateTime<Utc>,
    /// The window that makes them wait longest, all waits added up; `None`: no call has to wait.
    pub binding: Option<Limit>,
    /// The first wait that is longer than the patience.
    pub pause: Option<Pause>,
}

/// A wait that is longer than the patience: whoever makes the calls comes back after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pause {
    /// Calls that go before it.
    pub calls_before: u64,
    /// The window that is spent.
    pub limit: Limit,
    /// When it is spent.
    pub from: DateTime<Utc>,
    /// When it opens.
    pub until: DateTime<Utc>,
}

/// One window as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its limit.
    pub limit: Limit,
    /// Calls that it counts.
    pub used: u64,
    /// Calls that it lets go now.
    pub free: u64,
}

/// One source's part of a budget: a walk at each firing of its schedule.
#[derive(Debug, Clone)]
pub struct Demand {
    /// When its walks are due, in order.
    pub firings: Vec<DateTime<Utc>>,
    /// Calls of the first of them, which may go on with a walk that has begun.
    pub first: u64,
    /// Calls of each other.
    pub calls: u64,
    /// How long one call lasts.
    pub took: Duration,
    /// How long a walk lasts at least, whatever the budget allows.
    pub work: Duration,
}

impl Ahead {
    /// The budget from `now` on, with the calls that its ledger still holds.
    pub fn new(now: DateTime<Utc>, limits: &[Limit], spent: &[Spent]) -> Self {
        let mut held: Vec<Spent> = spent.to_vec();
        held.sort_by_key(|batch| batch.ended_at);
        let counted = held.iter().map(|batch| u64::from(batch.calls)).sum();
        let windows = limits.iter().map(|limit| Window { limit: *limit, counted, passed: 0 });
        let mut ahead = Self { now, held: held.into(), windows: windows.collect() };
        ahead.pass();
        ahead
    }

    /// Each window as it stands.
    pub fn standing(&self) -> Vec<Standing> {
        let standing = |window: &Window| Standing { limit: window.limit, used: window.counted, free: window.free() };
        self.windows.iter().map(standing).collect()
    }

    /// Makes the wanted calls, each as soon as it may go.
    pub fn make(&mut self, wish: Wish, patience: Duration) -> Course {
        self.now = self.now.max(wish.from);
        let mut waited = vec![TimeDelta::zero(); self.windows.len()];
        let (mut pause, mut left) = (None, wish.calls);
        while left > 0 {
            self.pass();
            let Some((until, place)) = self.opening() else {
                let calls = self.windows.iter().map(Window::free).min().unwrap_or(left).min(left);
                left -= self.hold(calls, wish.took);
                continue;
            };
            let wait = until - self.now;
            waited[place] += wait;
            if pause.is_none() && wait.to_std().is_ok_and(|wait| wait > patience) {
                let limit = self.windows[place].limit;
                pause = Some(Pause { calls_before: wish.calls - left, limit, from: self.now, until });
            }
            self.now = until;
        }
        let longest = (0..waited.len()).max_by_key(|place| waited[*place]).filter(|place| !waited[*place].is_zero());
        Course { last_at: self.now, binding: longest.map(|place| self.windows[place].limit), pause }
    }

    /// The first time that a walk has to wait longer than the patience, and whose walk that is. A firing that comes while
    /// a walk of the same source waits to begin is no further walk.
    pub fn first_pause(mut self, demands: &[Demand], patience: Duration) -> Option<(usize, Pause)> {
        let due = |(place, demand): (usize, &Demand)| demand.firings.iter().map(|at| (*at, place)).collect::<Vec<_>>();
        let mut firings: Vec<(DateTime<Utc>, usize)> = demands.iter().enumerate().flat_map(due).collect();
        firings.sort();
        let mut last: Vec<Option<(DateTime<Utc>, DateTime<Utc>)>> = vec![None; demands.len()];
        for (at, place) in firings {
            let demand = &demands[place];
            let (calls, from) = match last[place] {
                None => (demand.first, at),
                Some((begins, _)) if at <= begins => continue,
                Some((_, ends)) => (demand.calls, at.max(ends)),
            };
            let course = self.make(Wish { from, calls, took: demand.took }, patience);
            if let Some(pause) = course.pause {
                return Some((place, pause));
            }
            last[place] = Some((from, (course.last_at + demand.took).max(from + demand.work)));
        }
        None
    }

    /// Lets go of what no longer counts.
    fn pass(&mut self) {
        for window in &mut self.windows {
            while let Some(batch) = self.held.get(window.passed).filter(|batch| window.opens_after(batch) <= self.now) {
                window.counted -= u64::from(batch.calls);
                window.passed += 1;
            }
        }
        let gone = self.windows.iter().map(|window| window.passed).min().unwrap_or(0);
        self.held.drain(..gone);
        self.windows.iter_mut().for_each(|window| window.passed -= gone);
    }

    /// When the last of the full windows opens, and which it is; `None`: all are open.
    fn opening(&self) -> Option<(DateTime<Utc>, usize)> {
        let full = self.windows.iter().enumerate().filter(|(_, window)| window.free() == 0);
        full.filter_map(|(place, window)| Some((window.opens(&self.held)?, place))).max()
    }

    /// Counts calls that go now, and gives how many.
    fn hold(&mut self, calls: u64, took: Duration) -> u64 {
        let batch = Spent { calls: u32::try_from(calls).unwrap_or(u32::MAX), ended_at: self.now + took };
        // What has passed has ended before now: the place lies behind it in every window.
        let place = self.held.partition_point(|held| held.ended_at <= batch.ended_at);
        self.held.insert(place, batch);
        self.windows.iter_mut().for_each(|window| window.counted += u64::from(batch.calls));
        batch.calls.into()
    }
}

impl Window {
    fn free(&self) -> u64 {
        u64::from(self.limit.calls).saturating_sub(self.counted)
    }

    /// When it no longer counts a batch: two calls exactly one window apart share a closed span.
    fn opens_after(&self, batch: &Spent) -> DateTime<Utc> {
        batch.ended_at + self.limit.window + TimeDelta::microseconds(1)
    }

    /// When it has room again; `None`: it counts nothing.
    fn opens(&self, held: &VecDeque<Spent>) -> Option<DateTime<Utc>> {
        let mut counted = self.counted;
        let frees = held.range(self.passed..).find(|batch| {
            counted -= u64::from(batch.calls);
            counted < self.limit.calls.into()
        });
        frees.map(|batch| self.opens_after(batch))
    }
}

/// Calls that the limits allow in a day at most, in the long run.
pub fn per_day(limits: &[Limit]) -> u64 {
    const DAY: u128 = 86_400_000_000_000;
    let allowed = |limit: &Limit| u128::from(limit.calls) * DAY / limit.window.as_nanos().max(1);
    limits.iter().map(allowed).min().map_or(u64::MAX, |calls| u64::try_from(calls).unwrap_or(u64::MAX))
}

/// The share of a window that a walk takes while it is at it, 1 at most. `work`: how long the walk would last if no
/// budget held it back.
#[expect(clippy::cast_precision_loss, reason = "a share of call counts far below 2^52")]
pub fn share(limit: Limit, calls: u64, work: Duration) -> f64 {
    let (window, work) = (limit.window.as_secs_f64(), work.as_secs_f64());
    let at_once = if work > window { calls as f64 * window / work } else { calls as f64 };
    (at_once / f64::from(limit.calls)).min(1.0)
}

/// Minutes from one time until another; none if that is over.
pub fn minutes(from: DateTime<Utc>, until: DateTime<Utc>) -> f64 {
    (until - from).to_std().unwrap_or(Duration::ZERO).as_secs_f64() / 60.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        budget::window::{self, Grant},
        clock,
    };

    const PATIENCE: Duration = Duration::from_secs(600);

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000 + millis).expect("a time")
    }

    fn limits(texts: &[&str]) -> Vec<Limit> {
        texts.iter().map(|text| text.parse().expect("a limit")).collect()
    }

    fn spent(calls: u32, ended: i64) -> Spent {
        Spent { calls, ended_at: at(ended) }
    }

    fn course(texts: &[&str], spent: &[Spent], calls: u64) -> Course {
        Ahead::new(at(0), &limits(texts), spent).make(Wish { from: at(0), calls, took: Duration::ZERO }, PATIENCE)
    }

    /// Whole seconds until the last call.
    fn lasts(course: Course) -> i64 {
        (course.last_at - at(0)).num_seconds()
    }

    #[test]
    fn calls_go_in_windows() {
        for (texts, calls, seconds, binding) in [
            (&["25/5s"][..], 0, 0, None),
            (&["25/5s"], 25, 0, None),
            (&["25/5s"], 26, 5, Some("25/5s")),
            (&["25/5s"], 1000, 39 * 5, Some("25/5s")),
            (&["25/5s", "100/1h"], 100, 15, Some("25/5s")),
            (&["25/5s", "100/1h"], 101, 3600, Some("100/1h")),
            (&["25/5s", "100/1h"], 126, 3605, Some("100/1h")),
            (&["100/1h", "25/5s"], 201, 7200, Some("100/1h")),
        ] {
            let course = course(texts, &[], calls);
            assert_eq!((lasts(course), course.binding), (seconds, binding.map(|text| limits(&[text])[0])), "{texts:?} {calls}");
        }
    }

    #[test]
    fn what_the_ledger_holds_is_waited_for() {
        let held = [spent(20, -4000), spent(5, -1000)];
        assert_eq!(lasts(course(&["25/5s"], &held, 1)), 1);
        assert_eq!(lasts(course(&["25/5s"], &held, 21)), 4);
        // Passed long ago, and still under way.
        assert_eq!(lasts(course(&["25/5s"], &[spent(25, -6000)], 25)), 0);
        assert_eq!(lasts(course(&["25/5s"], &[spent(25, 30_000)], 1)), 35);
        // More than a limit that was lowered.
        assert_eq!(lasts(course(&["1/5s"], &[spent(1, -3000), spent(1, -2000), spent(1, -1000)], 1)), 4);
    }

    #[test]
    fn a_wait_beyond_the_patience_is_told_with_what_goes_before_it() {
        let quota = course(&["25/5s", "40/1h"], &[spent(10, -600_000)], 100);
        let pause = quota.pause.expect("the hour is spent");
        assert_eq!((pause.calls_before, pause.limit), (30, limits(&["40/1h"])[0]));
        assert_eq!(((pause.from - at(0)).num_seconds(), (pause.until - at(0)).num_seconds()), (5, 3000));
        assert_eq!(course(&["25/5s", "40/1h"], &[], 40).pause, None);
        assert_eq!(course(&["25/5s"], &[], 100_000).pause, None);
        let nothing = course(&["40/1h"], &[spent(40, -1000)], 1).pause.expect("nothing is free");
        assert_eq!((nothing.calls_before, nothing.from), (0, at(0)));
    }

    #[test]
    fn a_call_counts_until_a_window_after_its_end() {
        let mut ahead = Ahead::new(at(0), &limits(&["10/5s"]), &[]);
        let course = ahead.make(Wish { from: at(1000), calls: 30, took: Duration::from_millis(250) }, PATIENCE);
        assert_eq!((course.last_at - at(1000)).num_milliseconds(), 2 * 5250);
    }

    #[test]
    fn windows_stand_as_the_ledger_says() {
        let ahead = Ahead::new(at(0), &limits(&["25/5s", "40/1h"]), &[spent(10, -1000), spent(25, -10_000)]);
        let told: Vec<(u64, u64)> = ahead.standing().iter().map(|window| (window.used, window.free)).collect();
        assert_eq!(told, [(10, 15), (35, 5)]);
    }

    #[test]
    fn a_million_calls_are_foreseen_window_by_window() {
        let began = clock::instant();
        let course = course(&["25/5s", "10000/1d"], &[], 1_000_000);
        assert_eq!((course.last_at - at(0)).num_days(), 99);
        assert_eq!(course.binding, Some(limits(&["10000/1d"])[0]));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[test]
    fn a_day_allows_what_its_tightest_window_allows() {
        for (texts, calls) in
            [(&["25/5s"][..], 432_000), (&["25/5s", "10000/1d"], 10_000), (&["100/1m"], 144_000), (&["70000/7d"], 10_000), (&["1/2d"], 0)]
        {
            assert_eq!(per_day(&limits(texts)), calls, "{texts:?}");
        }
    }

    #[test]
    fn a_walk_takes_its_share_of_each_window() {
        let share = |text: &str, calls, work| share(limits(&[text])[0], calls, Duration::from_secs(work));
        assert!((share("10000/1d", 1000, 60) - 0.1).abs() < 1e-9);
        assert!((share("25/5s", 1000, 100) - 1.0).abs() < 1e-9);
        // Slower than the budget allows: a call a second.
        assert!((share("25/5s", 1000, 1000) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn the_first_walk_that_the_day_cannot_pay_is_found() {
        let hourly = |from: i64| (0..24).map(|hour| at((from + hour * 3600) * 1000)).collect::<Vec<_>>();
        let demand = |from, calls| Demand { firings: hourly(from), first: calls, calls, took: Duration::ZERO, work: Duration::ZERO };
        let ahead = || Ahead::new(at(0), &limits(&["100/1s", "1000/1d"]), &[]);
        assert_eq!(ahead().first_pause(&[demand(0, 41)], PATIENCE), None);
        let both = [demand(0, 41), demand(1800, 40)];
        let (who, pause) = ahead().first_pause(&both, PATIENCE).expect("the day is spent");
        // After twelve hours 12 × 81 calls are made; 28 of the thirteenth walk's can still go.
        assert_eq!((who, pause.calls_before, (pause.from - at(0)).num_hours()), (0, 28, 12));
        assert_eq!((pause.until - at(0)).num_seconds(), 86_400);
    }

    #[test]
    fn firings_while_a_walk_waits_to_begin_are_one_walk() {
        let every_second = Demand {
            firings: (0..20).map(|second| at(second * 1000)).collect(),
            first: 1,
            calls: 1,
            took: Duration::ZERO,
            work: Duration::from_secs(5),
        };
        // Of twenty firings five become walks: at 0, 5, 10, 15 and 20.
        let demands = [every_second];
        assert_eq!(Ahead::new(at(0), &limits(&["5/1h"]), &[]).first_pause(&demands, PATIENCE), None);
        assert!(Ahead::new(at(0), &limits(&["4/1h"]), &[]).first_pause(&demands, PATIENCE).is_some());
    }

    /// One call after the other, as the ledger grants them.
    fn one_by_one(limits: &[Limit], mut ledger: Vec<Spent>, calls: u64, took: Duration) -> DateTime<Utc> {
        let mut now = at(0);
        for _ in 0..calls {
            while let Grant::At { time, .. } = window::grant(now, limits, &ledger, 0, 1) {
                now = time;
            }
            ledger.push(Spent { calls: 1, ended_at: now + took });
        }
        now
    }

    proptest! {
        #[test]
        fn calls_go_when_the_ledger_would_let_them(
            ledger in proptest::collection::vec((1u32..5, -6000i64..3000), 0..8),
            first in (1u32..6, 50u64..1500),
            second in (1u32..12, 500u64..5000),
            calls in 0u64..60,
            took in 0u64..400,
        ) {
            let limits = [first, second].map(|(calls, millis)| Limit { calls, window: Duration::from_millis(millis) });
            let ledger: Vec<Spent> = ledger.into_iter().map(|(calls, ended)| spent(calls, ended)).collect();
            let took = Duration::from_millis(took);
            let course = Ahead::new(at(0), &limits, &ledger).make(Wish { from: at(0), calls, took }, PATIENCE);
            prop_assert_eq!(course.last_at, one_by_one(&limits, ledger, calls, took));
        }
    }
}
