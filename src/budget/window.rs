//! Exact windows: for `N/W`, at most N calls whose [bought, ended + W] overlap.
//!
//! A vendor counts a call somewhere between its sending and its answer. Counting it from before the sending until a
//! whole window after the answer therefore never undercounts, whatever the latency. A token bucket lets twice the
//! burst into one span; a fixed window lets twice the limit across its edge.

use chrono::{DateTime, TimeDelta, Utc};

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
        /// The earliest time at which one may.
        time: DateTime<Utc>,
        /// False when that time hangs on calls still under way, which may end sooner.
        firm: bool,
    },
}

/// How many of `wants` calls may go at `now`, given everything that the ledger still holds.
pub fn grant(now: DateTime<Utc>, limits: &[Limit], spent: &[Spent], wants: u32) -> Grant {
    let mut free = wants;
    let mut wait = None;
    for limit in limits {
        match free_in(now, *limit, spent) {
            Ok(calls) => free = free.min(calls),
            Err(time) => wait = wait.max(Some(time)),
        }
    }
    match wait {
        None => Grant::Now(free),
        Some(time) => Grant::At { time, firm: spent.iter().all(|batch| batch.ended_at <= now) },
    }
}

/// Free calls of one limit, or the time at which the first one is free.
fn free_in(now: DateTime<Utc>, limit: Limit, spent: &[Spent]) -> Result<u32, DateTime<Utc>> {
    let window = span(limit);
    // `>=`: two calls exactly one window apart share a closed span.
    let mut held: Vec<Spent> = spent.iter().copied().filter(|batch| batch.ended_at + window >= now).collect();
    let mut counted: u64 = held.iter().map(|batch| u64::from(batch.calls)).sum();
    let allowed = u64::from(limit.calls);
    if counted < allowed {
        return Ok(u32::try_from(allowed - counted).unwrap_or(u32::MAX));
    }
    held.sort_by_key(|batch| batch.ended_at);
    let mut free_at = now;
    for batch in held {
        counted -= u64::from(batch.calls);
        free_at = batch.ended_at + window + TimeDelta::microseconds(1);
        if counted < allowed {
            break;
        }
    }
    Err(free_at)
}

/// How long the ledger must remember calls that have ended.
pub fn memory(limits: &[Limit]) -> TimeDelta {
    limits.iter().map(|limit| span(*limit)).max().unwrap_or_default()
}

fn span(limit: Limit) -> TimeDelta {
    TimeDelta::from_std(limit.window).expect("a limit's window is at most a year")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000 + millis).expect("a time")
    }

    fn limit(text: &str) -> Limit {
        text.parse().expect("a limit")
    }

    fn spent(calls: u32, ended: i64) -> Spent {
        Spent { calls, ended_at: at(ended) }
    }

    #[test]
    fn calls_count_until_a_window_after_their_end() {
        let limits = [limit("3/5s")];
        assert_eq!(grant(at(0), &limits, &[], 9), Grant::Now(3));
        assert_eq!(grant(at(10), &limits, &[spent(2, 0)], 9), Grant::Now(1));
        let full = grant(at(10), &limits, &[spent(2, 0), spent(1, 5)], 9);
        assert_eq!(full, Grant::At { time: at(5000) + TimeDelta::microseconds(1), firm: true });
        assert_eq!(grant(at(5000), &limits, &[spent(3, 0)], 1), full);
        assert_eq!(grant(at(5001), &limits, &[spent(3, 0)], 1), Grant::Now(1));
    }

    #[test]
    fn all_windows_hold_at_once_and_the_last_to_open_decides() {
        let limits = [limit("2/1s"), limit("3/1d")];
        assert_eq!(grant(at(2000), &limits, &[spent(2, 0)], 9), Grant::Now(1));
        let Grant::At { time, .. } = grant(at(2000), &limits, &[spent(3, 0)], 1) else { panic!("the day is spent") };
        assert_eq!(time, at(86_400_000) + TimeDelta::microseconds(1));
    }

    #[test]
    fn a_wait_on_calls_under_way_is_not_firm() {
        let Grant::At { firm, .. } = grant(at(0), &[limit("1/5s")], &[spent(1, 30_000)], 1) else { panic!("spent") };
        assert!(!firm);
    }

    #[test]
    fn a_lowered_limit_waits_until_enough_has_passed() {
        let Grant::At { time, .. } = grant(at(10), &[limit("1/5s")], &[spent(1, 0), spent(1, 3), spent(1, 7)], 1) else { panic!("over") };
        assert_eq!(time, at(5007) + TimeDelta::microseconds(1));
    }

    /// The vendor's door: the most arrivals in any closed span of one window.
    fn most_in_any(window: i64, arrivals: &[i64]) -> usize {
        let count = |from: &i64| arrivals.iter().filter(|time| (*from..=from + window).contains(time)).count();
        arrivals.iter().map(count).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_span_at_the_door_holds_more_than_its_limit(
            calls in proptest::collection::vec((0i64..400, 0i64..900, 0i64..=100), 1..60),
            first in (1u32..6, 50i64..1500),
            second in (1u32..12, 500i64..5000),
        ) {
            let window = |millis: i64| std::time::Duration::from_millis(millis.unsigned_abs());
            let limits = [first, second].map(|(calls, millis)| Limit { calls, window: window(millis) });
            let (mut now, mut ledger, mut arrivals) = (0i64, Vec::<(i64, i64)>::new(), Vec::new());
            for (pause, latency, arrival_percent) in calls {
                now += pause;
                loop {
                    // What is under way looks as in the ledger: it may last long.
                    let entries: Vec<_> = ledger.iter().map(|(_, end)| spent(1, if *end > now { now + 40_000 } else { *end })).collect();
                    match grant(at(now), &limits, &entries, 1) {
                        Grant::Now(_) => break,
                        Grant::At { time, firm: true } => now = (time - at(0)).num_milliseconds() + 1,
                        Grant::At { firm: false, .. } => now += 20,
                    }
                }
                ledger.push((now, now + latency));
                arrivals.push(now + latency * arrival_percent / 100);
            }
            for (calls, millis) in [first, second] {
                prop_assert!(most_in_any(millis, &arrivals) <= calls as usize);
            }
        }
    }
}
