//! What follows a run before its schedule says so, and when.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::{
    clock,
    model::run::Outcome,
    sync::report::{Cause, Report},
};

/// How soon a run that failed because something was not available is tried again, at first and at last.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(5 * 60)];

/// The wall clock may be set: never sleep longer than this before looking at it again.
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);

/// What follows a run before its schedule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing.
    Nothing,
    /// The walk goes on when the budget lets it.
    Resume(DateTime<Utc>),
    /// It was stopped by a pause: it goes on when that is over.
    Held,
    /// It is tried again soon: something was not available.
    Retry(Missing),
    /// It is not tried again with these credentials.
    Barred,
    /// It could not be begun, and waiting does not help.
    Refused,
}

/// What was not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The database, which may be looked at as often as one likes.
    Database,
    /// The vendor, of which each look is a call.
    Vendor,
}

/// What follows this run.
pub(super) fn after(report: &Report) -> After {
    // A commit whose answer came too late may have ended the walk.
    if report.row.as_ref().is_some_and(|row| matches!(row.outcome.as_deref(), Some("complete" | "partial"))) {
        return After::Nothing;
    }
    match (report.outcome, report.cause) {
        (Outcome::Throttled, _) => report.row.as_ref().and_then(|row| row.resume_at).map_or(After::Nothing, After::Resume),
        (Outcome::Failed, Some(Cause::Unavailable)) => After::Retry(Missing::Vendor),
        (Outcome::Failed, Some(Cause::Database)) => After::Retry(Missing::Database),
        (Outcome::Failed, Some(Cause::Credentials)) => After::Barred,
        _ => After::Nothing,
    }
}

/// How long to wait after so many failures in a row. `jitter` is from 0 to 1: what failed together does not come back together.
pub(super) fn back_off(failures: u32, jitter: f64) -> Duration {
    let [first, longest] = AGAIN_AFTER;
    let doubled = first.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(longest).mul_f64(0.5 + jitter / 2.0)
}

/// Sleeps until a time of the wall clock; for ever without one.
pub(super) async fn sleep_until(time: Option<DateTime<Utc>>) {
    let Some(time) = time else { return std::future::pending().await };
    while let Some(wait) = until(time, clock::now()) {
        tokio::time::sleep(wait).await;
    }
}

/// How long to sleep before looking at the clock again; `None`: the time has come.
fn until(time: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    (time - now).to_std().ok().filter(|wait| !wait.is_zero()).map(|wait| wait.min(LOOK_AT_LEAST))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::store::report::RunRow;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("a time")
    }

    fn ended(outcome: Outcome, resume_at: Option<DateTime<Utc>>) -> Report {
        let row = RunRow {
            run_id: 1,
            source_id: 1,
            source: "customers".into(),
            walk_id: 1,
            trigger: "schedule".into(),
            is_refresh: false,
            started_at: at(0),
            finished_at: Some(at(1)),
            outcome: Some(outcome.as_ref().into()),
            requests: 0,
            throttled: 0,
            retried: 0,
            pages: 0,
            rows_seen: 0,
            inserted: 0,
            updated: 0,
            unchanged: 0,
            retired: 0,
            restored: 0,
            wait_ms: 0,
            fetch_ms: 0,
            write_ms: 0,
            error: None,
            resume_at,
        };
        Report { outcome, cause: None, why: None, row: Some(row), changes: Vec::new(), findings: Vec::new() }
    }

    #[test]
    fn a_walk_that_the_budget_or_an_outage_has_interrupted_goes_on_before_its_schedule() {
        assert_eq!(after(&ended(Outcome::Throttled, Some(at(3600)))), After::Resume(at(3600)));
        assert_eq!(after(&ended(Outcome::Throttled, None)), After::Nothing);
        for outcome in [Outcome::Complete, Outcome::Partial, Outcome::Stopped, Outcome::Failed] {
            assert_eq!(after(&ended(outcome, Some(at(3600)))), After::Nothing, "{outcome}");
        }
        let lost = Report { row: None, ..ended(Outcome::Throttled, Some(at(3600))) };
        assert_eq!(after(&lost), After::Nothing);
        let retry = After::Retry;
        for (cause, then) in [
            (Cause::Unavailable, retry(Missing::Vendor)),
            (Cause::Database, retry(Missing::Database)),
            (Cause::Refused, After::Nothing),
            (Cause::Credentials, After::Barred),
        ] {
            assert_eq!(after(&Report { cause: Some(cause), ..ended(Outcome::Failed, None) }), then, "{cause:?}");
        }
    }

    #[test]
    fn what_fails_is_tried_again_ever_later() {
        let waits: Vec<u64> = (1..=8).map(|failures| back_off(failures, 1.0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(back_off(1, 0.0), Duration::from_millis(2500));
        assert_eq!(back_off(u32::MAX, 1.0).as_secs(), 300);
    }

    #[test]
    fn a_window_of_a_month_is_waited_for_by_the_wall_clock() {
        let opens = at(0) + TimeDelta::days(30);
        assert_eq!(until(opens, at(0)), Some(LOOK_AT_LEAST));
        assert_eq!(until(opens, opens - TimeDelta::seconds(7)), Some(Duration::from_secs(7)));
        assert_eq!(until(opens, opens), None);
        assert_eq!(until(opens, opens + TimeDelta::days(1)), None);
    }
}
