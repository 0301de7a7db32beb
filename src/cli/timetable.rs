//! The daemon's schedules at its start, and what is made up then.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tracing::info;

use super::exit::Failure;
use crate::{
    app::App,
    clock,
    config::Source,
    model::run::Trigger,
    runner::{Runner, Why},
    schedule::Timetable,
    store::{
        report::{self, Before},
        source,
    },
};

/// The schedules. A source whose last firing has no run after it is triggered once: it was missed. So is one whose last
/// run was cut short: its walk goes on.
pub(super) async fn timetable(app: &App, sources: &[Source], runner: &Runner) -> Result<Timetable, Failure> {
    let looked_at = clock::instant();
    let before = before(app, sources).await?;
    let mut timetable = Timetable::default();
    for source in sources {
        let Some(schedule) = &source.schedule else { continue };
        let last_firing = timetable.add(&source.name, schedule, clock::now());
        let known = before.get(&source.name);
        let last_start = known.and_then(|known| known.started_at);
        info!(source = source.name, next = ?timetable.next_of(&source.name), "scheduled");
        if is_missed(last_firing, last_start) {
            info!(source = source.name, "a firing was missed while nobody was up: made up now");
            let late = last_firing.and_then(|firing| (clock::now() - firing).to_std().ok()).unwrap_or_default();
            runner.trigger(&source.name, Trigger::Startup, Why::Firing(late));
        } else if known.is_some_and(|known| known.was_cut_short) {
            info!(source = source.name, "the last run was cut short: its walk goes on now");
            runner.trigger(&source.name, Trigger::Startup, Why::CutShort(looked_at));
        }
    }
    Ok(timetable)
}

/// What was before. A source that was never met is met now: what it would have missed until now is nothing.
async fn before(app: &App, sources: &[Source]) -> sqlx::Result<HashMap<String, Before>> {
    let mut step = app.begin().await?;
    for source in sources {
        source::id_of(&mut step.conn(), &source.name, source.vendor.word()).await?;
    }
    let before = report::before(&mut step.conn()).await?;
    step.commit().await?;
    Ok(before.into_iter().map(|known| (known.name.clone(), known)).collect())
}

/// Whether the last firing has no run after it.
fn is_missed(last_firing: Option<DateTime<Utc>>, last_start: Option<DateTime<Utc>>) -> bool {
    last_firing.is_some() && last_start < last_firing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firing_without_a_run_after_it_was_missed() {
        let at = |second| DateTime::from_timestamp(second, 0);
        assert!(is_missed(at(100), None));
        assert!(is_missed(at(100), at(99)));
        assert!(!is_missed(at(100), at(101)));
        assert!(!is_missed(None, at(1)));
    }
}
