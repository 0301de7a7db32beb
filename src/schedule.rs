//! The timetable: when each source is due. The only one that knows tokio-cron-scheduler, which only ever gets
//! one-shot jobs: its own cron jobs freeze a zone's offset and are an hour off after a change to or from DST.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use crate::{clock, config::Schedule, instants::Instants};

/// The wall clock may be set: never sleep longer than this before looking at it again.
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);

/// A firing that is noticed within this time is on time. A machine that slept notices later.
const ON_TIME: Duration = Duration::from_secs(2);

/// When each source is due next.
#[derive(Debug, Default)]
pub struct Timetable {
    entries: Vec<Entry>,
    /// When it was looked at last.
    looked: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct Entry {
    source: String,
    instants: Instants,
    next: Option<DateTime<Utc>>,
    /// From one firing to the next, as long as `next` is this; worked out when somebody asks.
    period: Option<(DateTime<Utc>, TimeDelta)>,
}

impl Entry {
    /// It is due at its first instant after `now`.
    fn follow(&mut self, now: DateTime<Utc>) {
        self.next = self.instants.after(now);
    }

    /// How late it is noticed that it was due at `next`, and maybe again since.
    fn late(&self, next: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
        let after = |instant: DateTime<Utc>| (now - instant).to_std().unwrap_or_default();
        if after(next) < ON_TIME { Duration::ZERO } else { after(self.instants.not_after(now).unwrap_or(next)) }
    }

    /// Two firings without a complete walk are late, and at night or over a weekend nothing is: the longer of the last two gaps, of which one is
    /// not over.
    fn period(&mut self) -> Option<TimeDelta> {
        let next = self.next?;
        if let Some((_, period)) = self.period.filter(|(then, _)| *then == next) {
            return Some(period);
        }
        let before = |at: DateTime<Utc>| self.instants.not_after(at - TimeDelta::seconds(1));
        let period = match before(next) {
            Some(last) => (next - last).max(before(last).map_or(TimeDelta::zero(), |first| last - first)),
            None => self.instants.after(next)? - next,
        };
        self.period = Some((next, period));
        Some(period)
    }
}

impl Timetable {
    /// Adds a source; it is due at its first instant after `now`. Gives the last instant before it, if there was one:
    /// a firing that may have been missed.
    pub fn add(&mut self, source: &str, schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let instants = Instants::of(schedule)?;
        let previous = instants.not_after(now);
        let mut entry = Entry { source: source.to_owned(), instants, next: None, period: None };
        entry.follow(now);
        self.entries.push(entry);
        previous
    }

    /// The sources that are due at `now`, each once however many instants have passed, and how late that is noticed after
    /// the last of them, where that is no matter of a moment; they are due again later. Where the clock was set
    /// back by more than a look takes, they are due as if they had just been added: else they would be silent for as long.
    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<(String, Duration)> {
        if self.looked.replace(now).is_some_and(|before| before - now > TimeDelta::from_std(LOOK_AT_LEAST).unwrap_or_default()) {
            self.entries.iter_mut().for_each(|entry| entry.follow(now));
        }
        let mut due = Vec::new();
        for entry in &mut self.entries {
            if let Some(next) = entry.next.filter(|next| *next <= now) {
                due.push((entry.source.clone(), entry.late(next, now)));
                entry.follow(now);
            }
        }
        due
    }

    /// The next instant at which any source is due.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.entries.iter().filter_map(|entry| entry.next).min()
    }

    /// The source that has been due for longer than that, though each firing sets the next one.
    pub fn overdue(&self, now: DateTime<Utc>, for_longer_than: TimeDelta) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.next.is_some_and(|next| now - next > for_longer_than))?;
        Some(&entry.source)
    }

    /// When a source is due next.
    pub fn next_of(&self, source: &str) -> Option<DateTime<Utc>> {
        self.entries.iter().find(|entry| entry.source == source)?.next
    }

    /// From one firing of a source to the next, as it is at this time of the day and the week.
    pub fn period_of(&mut self, source: &str) -> Option<TimeDelta> {
        self.entries.iter_mut().find(|entry| entry.source == source)?.period()
    }
}

/// When a schedule is due next.
pub fn next(schedule: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Instants::of(schedule)?.after(now)
}

/// The instants after `from` and not after `until` at which a schedule is due.
pub fn firings(schedule: &Schedule, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let Some(instants) = Instants::of(schedule) else { return Vec::new() };
    std::iter::successors(instants.after(from), |at| instants.after(*at)).take_while(|at| *at <= until).collect()
}

/// Fires until the stop: calls `fire` with each source that is due, and how late it is.
pub async fn run(
    timetable: &Mutex<Timetable>,
    stop: CancellationToken,
    mut fire: impl FnMut(&str, Duration),
) -> Result<(), JobSchedulerError> {
    let open = || timetable.lock().unwrap_or_else(PoisonError::into_inner);
    let (tick, mut ticks) = mpsc::channel::<()>(1);
    let mut scheduler = JobScheduler::new().await?;
    scheduler.start().await?;
    loop {
        let Some(next) = open().next() else { break };
        let tick = tick.clone();
        let alarm = Job::new_one_shot_async(until(next), move |_, _| {
            let tick = tick.clone();
            Box::pin(async move {
                // A tick that is already waiting says as much.
                let _ = tick.try_send(());
            })
        })?;
        scheduler.add(alarm).await?;
        tokio::select! {
            _ = ticks.recv() => {}
            () = stop.cancelled() => break,
        }
        let due = open().due(clock::now());
        for (source, late) in due {
            fire(&source, late);
        }
    }
    stop.cancelled().await;
    scheduler.shutdown().await
}

fn until(next: DateTime<Utc>) -> Duration {
    // The scheduler fires a job of no duration never.
    let shortest = TimeDelta::milliseconds(1);
    (next - clock::now()).max(shortest).to_std().unwrap_or(LOOK_AT_LEAST).min(LOOK_AT_LEAST)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn table(cron: &str, timezone: Tz, now: &str) -> Timetable {
        let mut timetable = Timetable::default();
        timetable.add("x", &Schedule { cron: cron.into(), timezone }, utc(now));
        timetable
    }

    /// The instants at which a schedule fires, `count` of them from `now` on.
    fn instants(cron: &str, timezone: Tz, now: &str, count: usize) -> Vec<String> {
        let mut timetable = table(cron, timezone, now);
        let next = |_| {
            let next = timetable.next().expect("it fires again");
            assert_eq!(timetable.due(next), [("x".to_owned(), Duration::ZERO)]);
            next.format("%Y-%m-%dT%H:%MZ").to_string()
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed() {
        let mut timetable = table("0 * * * *", Tz::UTC, "2026-03-01T10:30:00Z");
        assert_eq!(timetable.due(utc("2026-03-01T11:00:30Z")), [("x".to_owned(), Duration::from_secs(30))]);
        // By some seconds: it is not due once more.
        assert_eq!(timetable.due(utc("2026-03-01T10:59:40Z")), []);
        assert_eq!(timetable.next(), Some(utc("2026-03-01T12:00:00Z")));
        // By a day.
        assert_eq!(timetable.due(utc("2026-02-28T10:59:40Z")), []);
        assert_eq!(timetable.next(), Some(utc("2026-02-28T11:00:00Z")));
    }

    #[test]
    fn the_wall_clock_is_followed_across_dst_in_berlin() {
        let spring = instants("0 9 * * *", Tz::Europe__Berlin, "2026-03-27T12:00:00Z", 3);
        assert_eq!(spring, ["2026-03-28T08:00Z", "2026-03-29T07:00Z", "2026-03-30T07:00Z"]);
        let autumn = instants("0 9 * * *", Tz::Europe__Berlin, "2026-10-23T12:00:00Z", 3);
        assert_eq!(autumn, ["2026-10-24T07:00Z", "2026-10-25T08:00Z", "2026-10-26T08:00Z"]);
    }

    #[test]
    fn the_wall_clock_is_followed_across_dst_in_new_york() {
        let spring = instants("30 6 * * *", Tz::America__New_York, "2026-03-07T00:00:00Z", 3);
        assert_eq!(spring, ["2026-03-07T11:30Z", "2026-03-08T10:30Z", "2026-03-09T10:30Z"]);
        let autumn = instants("30 6 * * *", Tz::America__New_York, "2026-10-31T00:00:00Z", 3);
        assert_eq!(autumn, ["2026-10-31T10:30Z", "2026-11-01T11:30Z", "2026-11-02T11:30Z"]);
    }

    #[test]
    fn half_an_hour_of_dst_in_lord_howe_is_half_an_hour() {
        // +11:00 in summer, +10:30 in winter; it ends on 2026-04-05 at 02:00.
        let autumn = instants("0 9 * * *", Tz::Australia__Lord_Howe, "2026-04-03T12:00:00Z", 3);
        assert_eq!(autumn, ["2026-04-03T22:00Z", "2026-04-04T22:30Z", "2026-04-05T22:30Z"]);
    }

    #[test]
    fn an_hour_that_dst_skips_or_repeats_fires_once_a_day() {
        let spring = instants("30 2 * * *", Tz::Europe__Berlin, "2026-03-28T12:00:00Z", 2);
        assert!(spring[0].starts_with("2026-03-29T0"), "{spring:?}");
        assert_eq!(spring[1], "2026-03-30T00:30Z");
        let autumn = instants("30 2 * * *", Tz::Europe__Berlin, "2026-10-24T12:00:00Z", 2);
        assert!(autumn[0].starts_with("2026-10-25T0"), "{autumn:?}");
        assert_eq!(autumn[1], "2026-10-26T01:30Z");
    }

    #[test]
    fn seconds_come_first_and_many_missed_instants_are_one_firing() {
        let mut timetable = table("*/10 * * * * *", Tz::UTC, "2026-01-01T00:00:01Z");
        assert_eq!(timetable.next(), Some(utc("2026-01-01T00:00:10Z")));
        assert_eq!(timetable.due(utc("2026-01-01T00:05:03Z")), [("x".to_owned(), Duration::from_secs(3))]);
        assert_eq!(timetable.next(), Some(utc("2026-01-01T00:05:10Z")));
        assert!(timetable.due(utc("2026-01-01T00:05:09Z")).is_empty());
    }

    #[test]
    fn a_night_and_a_weekend_are_no_delay() {
        let period = |cron: &str, now: &str| table(cron, Tz::UTC, now).period_of("x").map(|period| period.num_hours());
        let office = "0 8-18 * * MON-FRI";
        // A Friday: in the morning, at noon, in the evening; then Sunday, Monday's first firing, and its second.
        let times = ["06T08:30", "06T12:30", "06T18:30", "08T12:00", "09T08:30", "09T09:30"];
        assert_eq!(times.map(|time| period(office, &format!("2026-03-{time}:00Z"))), [14, 1, 62, 62, 62, 1].map(Some));
        assert_eq!(period("0 2 * * MON-FRI", "2026-03-08T12:00:00Z"), Some(72));
        assert_eq!(period("*/30 * * * *", "2026-03-08T12:10:00Z"), Some(0));
    }

    #[test]
    fn the_firings_of_a_day_are_counted() {
        let count = |cron: &str, timezone, from| {
            let schedule = Schedule { cron: cron.into(), timezone };
            firings(&schedule, utc(from), utc(from) + TimeDelta::days(1)).len()
        };
        assert_eq!(count("*/30 * * * *", Tz::UTC, "2026-01-01T00:00:00Z"), 48);
        assert_eq!(count("0 2 * * *", Tz::Europe__Berlin, "2026-01-01T01:00:00Z"), 1);
        assert_eq!(count("0 2 * * SUN", Tz::UTC, "2026-01-01T00:00:00Z"), 0);
        assert_eq!(count("0 * * * *", Tz::Europe__Berlin, "2026-03-28T12:30:00Z"), 24);
    }

    #[test]
    fn the_firing_before_the_start_is_told() {
        let mut timetable = Timetable::default();
        let schedule = Schedule { cron: "0 2 * * *".into(), timezone: Tz::Europe__Berlin };
        assert_eq!(timetable.add("x", &schedule, utc("2026-07-01T12:00:00Z")), Some(utc("2026-07-01T00:00:00Z")));
        assert_eq!(timetable.next_of("x"), Some(utc("2026-07-02T00:00:00Z")));
    }
}
