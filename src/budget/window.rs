//! Exact windows: for `N/W`, at most N calls whose [bought, ended + W] overlap.
//!
//! A vendor counts a call somewhere between its sending and its answer. Counting it from before the sending until a
//! whole window after the answer therefore never undercounts, whatever the latency. A token bucket lets twice the
//! burst into one span; a fixed window lets twice the limit across its edge.

use chrono::{DateTime, TimeDelta, Utc};

use super::ledger::Wants;
use crate::model::limit::Limit;

/// Calls in the ledger. After `ended_at` none of them reaches the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// How many.
    pub calls: u32,
    /// The end of the last of them; in the future while they are under way.
    pub ended_at: DateTime<Utc>,
}

/// May calls go?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// So many may, at least one.
    Now(u32),
    /// None before this time.
    At {
        /// The time at which one may, if calls under way last as long as they can. In the past when only those who
        /// asked before stand in the way.
        time: DateTime<Utc>,
        /// The time before which none may even if the calls under way had never been.
        earliest: DateTime<Utc>,
    },
}

/// How many of `wants` calls may go at `now`, given everything that the ledger still holds, once `ahead` calls that
/// were asked for before are let through.
pub fn grant(now: DateTime<Utc>, limits: &[Limit], spent: &[Spent], ahead: u32, wants: u32) -> Grant {
    let now = now.timestamp_micros();
    let mut by_end: Vec<Held> = spent.iter().map(|batch| (batch.ended_at.timestamp_micros(), u64::from(batch.calls))).collect();
    by_end.sort_unstable();
    let free = limits.iter().map(|limit| free_in(now, *limit, &by_end)).min().unwrap_or(u32::MAX);
    if free > ahead {
        return Grant::Now(wants.min(free - ahead));
    }
    let time = opens_at(now, limits, &by_end, ahead);
    let over = by_end.partition_point(|(end, _)| *end <= now);
    Grant::At { time: at(time), earliest: at(opens_at(now, limits, &by_end[..over], ahead)) }
}

/// The same, and of what will be used soon as much as leaves every window half empty.
pub fn grant_ahead(now: DateTime<Utc>, limits: &[Limit], spent: &[Spent], ahead: u32, wants: Wants) -> Grant {
    let granted = grant(now, limits, spent, ahead, wants.now);
    let Grant::Now(calls) = granted else { return granted };
    if wants.soon <= wants.now {
        return granted;
    }
    let halves: Vec<Limit> = limits.iter().map(|limit| Limit { calls: limit.calls / 2, ..*limit }).collect();
    match grant(now, &halves, spent, ahead, wants.soon) {
        Grant::Now(more) => Grant::Now(calls.max(more)),
        Grant::At { .. } => granted,
    }
}

/// Calls with their end, in microseconds: arithmetic is done in whole numbers, for speed.
type Held = (i64, u64);

/// Free calls of one limit.
fn free_in(now: i64, limit: Limit, by_end: &[Held]) -> u32 {
    let counted: u64 = held(now, limit, by_end).iter().map(|(_, calls)| calls).sum();
    u32::try_from(u64::from(limit.calls).saturating_sub(counted)).unwrap_or(u32::MAX)
}

/// What one limit's window holds. A call that ended exactly one window ago is held: both share a closed span.
fn held(now: i64, limit: Limit, by_end: &[Held]) -> &[Held] {
    let since = now - micros(limit);
    &by_end[by_end.partition_point(|(end, _)| *end < since)..]
}

/// When one call more than `ahead` is free in all windows. `by_end` is in the order of ends.
fn opens_at(now: i64, limits: &[Limit], by_end: &[Held], ahead: u32) -> i64 {
    let opens = limits.iter().map(|limit| {
        // More than a whole window is never free at once.
        let needed = u64::from(ahead.min(limit.calls - 1)) + 1;
        let held = held(now, *limit, by_end);
        let mut counted: u64 = held.iter().map(|(_, calls)| calls).sum();
        let mut time = now;
        for (end, calls) in held {
            if counted + needed <= u64::from(limit.calls) {
                break;
            }
            counted -= calls;
            time = end + micros(*limit) + 1;
        }
        time
    });
    opens.max().unwrap_or(now)
}

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A limit's window in microseconds.
pub fn micros(limit: Limit) -> i64 {
    i64::try_from(limit.window.as_micros()).unwrap_or(i64::MAX / 4)
}

/// How long the ledger must remember calls that have ended.
pub fn memory(limits: &[Limit]) -> TimeDelta {
    TimeDelta::microseconds(limits.iter().map(|limit| micros(*limit)).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000 + millis).expect("a time")
    }

    fn limit(text: &str) -> Limit {
        text.parse().expect("a limit")
    }

    fn spent(calls: u32, ended: i64) -> Spent {
        Spent { calls, ended_at: after(ended) }
    }

    #[test]
    fn calls_count_until_a_window_after_their_end() {
        let limits = [limit("3/5s")];
        assert_eq!(grant(after(0), &limits, &[], 0, 9), Grant::Now(3));
        assert_eq!(grant(after(10), &limits, &[spent(2, 0)], 0, 9), Grant::Now(1));
        let full = grant(after(10), &limits, &[spent(2, 0), spent(1, 5)], 0, 9);
        assert_eq!(full, Grant::At { time: after(5000) + TimeDelta::microseconds(1), earliest: after(5000) + TimeDelta::microseconds(1) });
        assert_eq!(grant(after(5000), &limits, &[spent(3, 0)], 0, 1), full);
        assert_eq!(grant(after(5001), &limits, &[spent(3, 0)], 0, 1), Grant::Now(1));
    }

    #[test]
    fn all_windows_hold_at_once_and_the_last_to_open_decides() {
        let limits = [limit("2/1s"), limit("3/1d")];
        assert_eq!(grant(after(2000), &limits, &[spent(2, 0)], 0, 9), Grant::Now(1));
        let Grant::At { time, .. } = grant(after(2000), &limits, &[spent(3, 0)], 0, 1) else { panic!("the day is spent") };
        assert_eq!(time, after(86_400_000) + TimeDelta::microseconds(1));
    }

    #[test]
    fn a_wait_on_calls_under_way_may_end_at_any_time() {
        let Grant::At { time, earliest } = grant(after(0), &[limit("1/5s")], &[spent(1, 30_000)], 0, 1) else { panic!("spent") };
        assert_eq!((time, earliest), (after(35_000) + TimeDelta::microseconds(1), after(0)));
    }

    #[test]
    fn a_lowered_limit_waits_until_enough_has_passed() {
        let Grant::At { time, .. } = grant(after(10), &[limit("1/5s")], &[spent(1, 0), spent(1, 3), spent(1, 7)], 0, 1) else {
            panic!("over")
        };
        assert_eq!(time, after(5007) + TimeDelta::microseconds(1));
    }

    #[test]
    fn those_who_asked_before_come_first() {
        let limits = [limit("5/5s")];
        assert_eq!(grant(after(0), &limits, &[], 3, 9), Grant::Now(2));
        assert_eq!(grant(after(0), &limits, &[], 5, 1), Grant::At { time: after(0), earliest: after(0) });
        let later = after(5002) + TimeDelta::microseconds(1);
        let entries = [spent(2, 0), spent(1, 1), spent(2, 2)];
        assert_eq!(grant(after(10), &limits, &entries, 3, 1), Grant::At { time: later, earliest: later });
        // Whoever wants more than a window holds cannot keep others out for longer than until it is empty.
        assert_eq!(grant(after(10), &limits, &entries, 99, 1), Grant::At { time: later, earliest: later });
    }

    /// The vendor's door: the most arrivals in any closed span of one window.
    fn most_in_any(window: i64, arrivals: &[i64]) -> usize {
        let count = |from: &i64| arrivals.iter().filter(|time| (*from..=from + window).contains(time)).count();
        arrivals.iter().map(count).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_span_at_the_door_holds_more_than_its_limit(
            rounds in proptest::collection::vec((0i64..400, 0i64..900, proptest::collection::vec(0i64..=100, 1..6)), 1..60),
            windows in proptest::collection::vec((1u32..12, 50i64..5000), 1..5),
        ) {
            let window = |millis: i64| std::time::Duration::from_millis(millis.unsigned_abs());
            let limits: Vec<Limit> = windows.iter().map(|(calls, millis)| Limit { calls: *calls, window: window(*millis) }).collect();
            let (mut now, mut ledger, mut arrivals) = (0i64, Vec::<(u32, i64)>::new(), Vec::new());
            for (pause, latency, arrive_at_percent) in rounds {
                now += pause;
                let wants = u32::try_from(arrive_at_percent.len()).expect("a few");
                let calls = loop {
                    // What is under way looks as in the ledger: it may last long.
                    let end = |end: i64| if end > now { now + 40_000 } else { end };
                    let entries: Vec<_> = ledger.iter().map(|(calls, ended)| spent(*calls, end(*ended))).collect();
                    match grant(after(now), &limits, &entries, 0, wants) {
                        Grant::Now(calls) => break calls,
                        Grant::At { time, earliest } if time == earliest => now = (time - after(0)).num_milliseconds() + 1,
                        Grant::At { .. } => now += 20,
                    }
                };
                ledger.push((calls, now + latency));
                arrivals.extend(arrive_at_percent.iter().take(calls as usize).map(|percent| now + latency * percent / 100));
            }
            for (calls, millis) in windows {
                prop_assert!(most_in_any(millis, &arrivals) <= calls as usize);
            }
        }
    }
}
