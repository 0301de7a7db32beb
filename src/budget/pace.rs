//! How much of its limits a budget uses while the vendor refuses calls that the limits allow: somebody else spends the
//! same account. The pace falls with every refusal and comes back by itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::limit::Limit;

/// What a refusal leaves of the pace.
const AFTER_REFUSAL: f64 = 0.75;

/// Slower than this helps nobody.
const SLOWEST: f64 = 0.1;

/// Windows in which a pace of nearly nothing comes back whole.
const COMES_BACK_IN: f64 = 60.0;

/// Windows longer than this count as one of this length: a day's quota would take two months to come back.
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// A limit that the vendor stated is believed for this long after it was last stated.
pub const BELIEVED_FOR: TimeDelta = TimeDelta::days(7);

/// The share of the shortest window that was in use at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// From just above 0 to 1.
    pub share: f64,
    /// When.
    pub at: DateTime<Utc>,
}

impl Pace {
    /// The share at `now`, having come back a little with each of the shortest windows since.
    #[must_use]
    pub fn share_at(self, now: DateTime<Utc>, shortest: Duration) -> f64 {
        let step = shortest.min(LONGEST_STEP).as_secs_f64().max(f64::MIN_POSITIVE);
        let windows = (now - self.at).to_std().unwrap_or_default().as_secs_f64() / step;
        (self.share + windows / COMES_BACK_IN).min(1.0)
    }

    /// After a refusal at `now` that the limits do not explain.
    #[must_use]
    pub fn refused(self, now: DateTime<Utc>, shortest: Duration) -> Self {
        Self { share: (self.share_at(now, shortest) * AFTER_REFUSAL).max(SLOWEST), at: now }
    }
}

/// The limits to keep at `now`: those configured and those that the vendor stated, what `headroom` leaves of each, and
/// of the shortest what the pace leaves.
#[must_use]
pub fn in_force(now: DateTime<Utc>, limits: &[Limit], headroom: f64, pace: Pace) -> Vec<Limit> {
    let Some(shortest) = shortest(limits) else { return Vec::new() };
    let kept = limits.iter().map(|limit| {
        let left = limit.with_headroom(headroom);
        if limit.window == shortest { left.with_headroom(1.0 - pace.share_at(now, shortest)) } else { left }
    });
    kept.collect()
}

/// The shortest window: what the pace is about.
#[must_use]
pub fn shortest(limits: &[Limit]) -> Option<Duration> {
    limits.iter().map(|limit| limit.window).min()
}

/// Whether a limit that the vendor states says more than those configured.
#[must_use]
pub fn is_news(stated: Limit, configured: &[Limit]) -> bool {
    configured.iter().all(|limit| limit.window != stated.window || limit.calls > stated.calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a time")
    }

    fn limit(text: &str) -> Limit {
        text.parse().expect("a limit")
    }

    fn force(limits: &[&str], headroom: f64, pace: Pace, now: i64) -> Vec<String> {
        let limits: Vec<Limit> = limits.iter().map(|text| limit(text)).collect();
        in_force(at(now), &limits, headroom, pace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_pace_falls_with_refusals_and_comes_back() {
        let five = Duration::from_secs(5);
        let full = Pace { share: 1.0, at: at(0) };
        let once = full.refused(at(10), five);
        let twice = once.refused(at(10), five);
        assert_eq!((once.share, twice.share), (0.75, 0.5625));
        assert!((twice.share_at(at(15), five) - (0.5625 + 1.0 / 60.0)).abs() < 1e-9);
        assert_eq!(twice.share_at(at(10 + 300), five), 1.0);
        let many = (0..50).fold(full, |pace, _| pace.refused(at(0), five));
        assert_eq!(many.share, SLOWEST);
    }

    #[test]
    fn a_day_long_window_comes_back_by_the_minute() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Pace { share: 0.5, at: at(0) }.share_at(at(1800), day), 1.0);
    }

    #[test]
    fn only_the_shortest_window_is_paced_and_never_to_nothing() {
        let half = Pace { share: 0.5, at: at(0) };
        assert_eq!(force(&["25/5s", "100/1m"], 0.2, half, 0), ["10/5s", "80/1m"]);
        assert_eq!(force(&["1/5s"], 0.0, half, 0), ["1/5s"]);
        assert_eq!(force(&["25/5s"], 0.0, half, 150), ["25/5s"]);
    }

    #[test]
    fn what_the_vendor_states_is_news_if_it_is_lower_or_about_another_window() {
        let configured = [limit("25/5s"), limit("1000/1d")];
        assert!(is_news(limit("10/5s"), &configured));
        assert!(is_news(limit("100/1m"), &configured));
        assert!(!is_news(limit("25/5s"), &configured));
        assert!(!is_news(limit("30/5s"), &configured));
    }
}
