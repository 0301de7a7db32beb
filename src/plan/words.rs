//! A plan in words, for the command line and the page.

use chrono::{DateTime, Utc};

use super::{BudgetPlan, PausePlan, Share, SourcePlan, WindowPlan};
use crate::text::{ago, share, span, time};

/// What is not known.
const NOT_KNOWN: &str = "not known";

impl SourcePlan {
    /// Calls of its next walk.
    pub fn calls_told(&self) -> String {
        at_least(self.is_at_least, &self.calls.to_string())
    }

    /// How long it takes.
    pub fn time_told(&self) -> String {
        self.minutes.map_or_else(|| NOT_KNOWN.into(), |minutes| at_least(self.is_at_least, &span(minutes * 60.0)))
    }

    /// The walk that the numbers are from, the walk that goes on, and where the budget interrupts it.
    pub fn known_from(&self, now: DateTime<Utc>) -> String {
        let last = self.last_walk.as_ref().map_or_else(
            || "never walked to its end: the first walk will tell".to_owned(),
            |last| {
                let age = ago(Some((now - last.ended_at).as_seconds_f64().max(0.0)));
                format!("walk {}, {} {age} ago: {} calls, {} nodes", last.walk_id, last.verdict, last.calls, last.nodes)
            },
        );
        let open = self.open_walk.as_ref().map(|open| format!("; goes on with walk {}, {} calls made", open.walk_id, open.calls));
        let pause = self.pause.as_ref().map(|pause| format!("; {}", pause.told()));
        [Some(last), open, pause].into_iter().flatten().collect()
    }

    /// What the account's search would spare.
    pub fn search_told(&self) -> Option<String> {
        let (calls, last) = self.advanced_search_calls.zip(self.last_walk.as_ref())?;
        let (took, users) = (last.calls, last.nodes);
        Some(format!(
            "edges = \"advanced_search\" would take about {calls} calls instead of {took}, if the key may use User Advanced Search: it pages \
             through all users of the account, of whom {users} were met here"
        ))
    }
}

impl PausePlan {
    fn told(&self) -> String {
        let until = time(Some(self.until));
        match self.calls_before {
            0 => format!("nothing is free of {}: waits until {until}", self.limit),
            calls => format!("{} is spent after {calls} calls: waits until {until}", self.limit),
        }
    }
}

impl Share {
    /// As a share.
    pub fn told(&self) -> String {
        self.share.map_or_else(|| NOT_KNOWN.into(), share)
    }
}

impl BudgetPlan {
    /// Calls in the next day.
    pub fn calls_told(&self) -> String {
        at_least(self.is_at_least, &self.calls_per_day.to_string())
    }

    /// What they are of all calls that a day allows.
    pub fn share_told(&self) -> String {
        match self.is_at_least && self.share_of_day < 1.0 {
            true => NOT_KNOWN.into(),
            false => at_least(self.is_at_least, &share(self.share_of_day)),
        }
    }

    /// How long it lasts, and who waits then.
    pub fn lasts(&self) -> String {
        let paused = self.paused_until.map(|until| format!("paused by the vendor until {}; then ", time(Some(until)))).unwrap_or_default();
        let lasts = match &self.spent {
            Some(pause) => {
                let is_full = |window: &WindowPlan| window.limit == pause.limit && window.free == 0;
                let (when, who) = match self.windows.iter().any(is_full) {
                    true => ("already spent".to_owned(), format!("the next walk of {}", pause.source)),
                    false => (format!("spent after {}", span(pause.minutes * 60.0)), format!("a walk of {} then", pause.source)),
                };
                format!("{when} ({}): {who} waits until {}", pause.limit, time(Some(pause.until)))
            }
            None if self.share_of_day > 1.0 => "all day, but walks come later than their schedules say".into(),
            None if self.is_at_least => "all day, as far as is known".into(),
            None => "all day".into(),
        };
        paused + &lasts
    }
}

fn at_least(is_so: bool, what: &str) -> String {
    if is_so { format!("at least {what}") } else { what.to_owned() }
}
