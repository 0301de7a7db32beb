//! How a source stands, in one word and one sentence: pure, from what the tables and the daemon say.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    model::run::{Live, State},
    store::report::Health,
    text::time,
};

/// A firing that is late by so much is no matter of a busy moment.
const LATE_AFTER: TimeDelta = TimeDelta::minutes(3);

/// How a source stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// In a word or two.
    pub word: &'static str,
    /// `fine`, `running`, `wait` or `bad`: its colour, and its sign.
    pub class: &'static str,
    /// Why, and until when; empty where there is nothing to say.
    pub why: String,
}

fn verdict(word: &'static str, class: &'static str, why: impl Into<String>) -> Verdict {
    Verdict { word, class, why: why.into() }
}

/// How this source stands at this moment. What asks most of a person comes first.
pub fn of(health: &Health, live: Option<&Live>, now: DateTime<Utc>) -> Verdict {
    let state = live.map_or(State::Idle, |live| live.state);
    let error = || health.last_error.clone().unwrap_or_default();
    let is_running = health.last_started_at.is_some() && health.last_outcome.is_none();
    let period = live.and_then(|live| live.period);
    let due = live.and_then(|live| live.next_due);
    let is_old = period.is_some_and(|period| health.last_complete_at.is_some_and(|last| now - last > period * 2));
    match (state, health.last_outcome.as_deref()) {
        _ if !health.is_configured => verdict("left", "wait", "the config names it no more; its tables are kept"),
        _ if health.paused_at.is_some() => verdict("paused", "wait", format!("since {}, until it is resumed", time(health.paused_at))),
        (State::Refused, _) => {
            verdict("failed", "bad", format!("{}: change the config or the secret; else it is tried again ever later", error()))
        }
        (State::Running | State::Standby, _) | (_, None) if is_running => verdict("running", "running", ""),
        (State::Retrying, _) => verdict("failed", "bad", format!("{}: it is tried again soon", error())),
        (_, Some("failed")) => verdict("failed", "bad", error()),
        (_, Some("abandoned")) => verdict("failed", "bad", "its process died; the next run goes on with its walk"),
        _ if health.resume_at.is_some_and(|resume| resume > now) => {
            verdict("waiting", "wait", format!("for the budget until {}", time(health.resume_at)))
        }
        _ if due.is_some_and(|due| now - due > LATE_AFTER) => verdict("late", "bad", format!("due since {}, and not begun", time(due))),
        _ if health.last_complete_at.is_none() => verdict("never complete", "bad", "no walk was complete yet"),
        _ if is_old => verdict("late", "bad", "the last complete walk is older than two of its periods"),
        _ if due.is_some_and(|due| due <= now) => verdict("due", "running", "it begins in a moment"),
        (_, Some("partial")) => verdict("partial", "wait", "the last walk could not prove all of it: see its findings"),
        _ => verdict("fine", "fine", ""),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(60 * minute, 0).unwrap()
    }

    fn health() -> Health {
        Health {
            name: "sales".into(),
            vendor: "a vendor".into(),
            last_complete_at: Some(at(90)),
            staleness_s: Some(600.0),
            last_outcome: Some("complete".into()),
            last_started_at: Some(at(89)),
            last_error: None,
            resume_at: None,
            open_findings: 0,
            is_configured: true,
            paused_at: None,
            live_nodes: 7,
        }
    }

    fn live(state: State) -> Live {
        let period = Some(TimeDelta::minutes(30));
        Live { source: "sales".into(), state, has_lease: false, standstill: None, next_due: Some(at(120)), period, lag: Duration::ZERO }
    }

    #[test]
    fn each_state_has_its_word() {
        let now = at(100);
        let failed = || Health { last_outcome: Some("failed".into()), last_error: Some("no such user".into()), ..health() };
        let throttled = Health { last_outcome: Some("throttled".into()), resume_at: Some(at(130)), ..health() };
        let table = [
            (health(), Some(live(State::Idle)), "fine"),
            (health(), None, "fine"),
            (Health { last_outcome: None, ..health() }, Some(live(State::Running)), "running"),
            (Health { last_outcome: None, ..health() }, None, "running"),
            (throttled, Some(live(State::Resting)), "waiting"),
            (Health { paused_at: Some(at(95)), ..failed() }, Some(live(State::Paused)), "paused"),
            (failed(), Some(live(State::Idle)), "failed"),
            (failed(), Some(live(State::Retrying)), "failed"),
            (failed(), Some(live(State::Refused)), "failed"),
            (
                Health { last_complete_at: None, last_outcome: Some("partial".into()), ..health() },
                Some(live(State::Idle)),
                "never complete",
            ),
            (
                Health { last_complete_at: None, last_outcome: None, last_started_at: None, ..health() },
                Some(live(State::Idle)),
                "never complete",
            ),
            (Health { last_complete_at: Some(at(39)), ..health() }, Some(live(State::Idle)), "late"),
            (health(), Some(Live { next_due: Some(at(96)), ..live(State::Idle) }), "late"),
            (health(), Some(Live { next_due: Some(at(99)), ..live(State::Idle) }), "due"),
            (Health { last_outcome: Some("partial".into()), ..health() }, Some(live(State::Idle)), "partial"),
            (Health { is_configured: false, ..health() }, None, "left"),
        ];
        for (health, live, word) in table {
            assert_eq!(of(&health, live.as_ref(), now).word, word, "{health:?} {live:?}");
        }
        assert!(of(&failed(), Some(&live(State::Retrying)), now).why.contains("no such user: it is tried again soon"));
    }
}
