//! The instants of a schedule, across changes of its zone's offset. Pure.
//!
//! Most days have one answer. On the two days of change there are two kinds of schedules, as in Vixie cron: one that fires at a time of
//! day fires once a day, and one with `*` or a step in its seconds, minutes or hours goes on by absolute time.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use crate::config::Schedule;

/// Zones change their offset at whole quarters of an hour; none does so twice in one.
const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// How far back an earlier instant is looked for, from near to far: what fires rarely has few instants in a long span.
const BACK: [TimeDelta; 5] = [TimeDelta::hours(1), TimeDelta::days(2), TimeDelta::days(32), TimeDelta::days(367), TimeDelta::days(5 * 366)];

/// When a schedule is due.
#[derive(Debug)]
pub struct Instants {
    cron: Cron,
    timezone: Tz,
    /// It goes by absolute time: an hour that is repeated is two hours, and one that is skipped is none.
    is_absolute: bool,
}

impl Instants {
    /// Those of a schedule; `None` for an expression that is none, which the config would have refused.
    pub fn of(schedule: &Schedule) -> Option<Self> {
        let cron = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(&schedule.cron).ok()?;
        let fields: Vec<&str> = schedule.cron.split_whitespace().collect();
        // Day, month and weekday stand last.
        let times = &fields[..fields.len().saturating_sub(3)];
        let is_absolute = times.iter().any(|field| field.contains(['*', '/']));
        Some(Self { cron, timezone: schedule.timezone, is_absolute })
    }

    /// The first instant after `now`, in whole seconds.
    pub fn after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let now = now.trunc_subsecs(0);
        if self.is_absolute { self.after_by_offset(now) } else { self.after_by_day(now) }
    }

    /// The last instant that is not after `now`; `None` if there was none in the last years.
    pub fn not_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        BACK.into_iter().find_map(|back| {
            let next = |from: &DateTime<Utc>| self.after(*from).filter(|next| *next <= now);
            std::iter::successors(next(&(now - back)), next).last()
        })
    }

    /// By times of day: the first pass of an hour that is repeated, and the moment after an hour that is skipped.
    fn after_by_day(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut wall = now.with_timezone(&self.timezone).naive_local();
        loop {
            wall = self.next_on_clock(wall, false)?;
            let instant = self.first_at_or_after(wall);
            if instant > now {
                return Some(instant);
            }
        }
    }

    /// The first instant at which the zone's clocks show this time, or have just skipped it.
    fn first_at_or_after(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        if let Some(instant) = self.timezone.from_local_datetime(&wall).earliest() {
            return instant.to_utc();
        }
        // Skipped: the clocks show the time before until the change.
        let is_before = |instant: &DateTime<Utc>| instant.with_timezone(&self.timezone).naive_local() < wall;
        let start = (wall.and_utc() - TimeDelta::days(1)).duration_trunc_to_quarter();
        std::iter::successors(Some(start), |instant| Some(*instant + QUARTER)).find(|instant| !is_before(instant)).unwrap_or(start)
    }

    /// By absolute time: as if each offset held for ever, until it changes.
    fn after_by_offset(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut from, mut is_included) = (now, false);
        loop {
            let offset = self.offset(from);
            let wall = self.next_on_clock(from.with_timezone(&offset).naive_local(), is_included)?;
            let instant = offset.from_local_datetime(&wall).earliest()?.to_utc();
            let Some(change) = self.change_between(from, instant) else { return Some(instant) };
            (from, is_included) = (change, true);
        }
    }

    /// The first change of the offset after `from` and not after `until`. Looks a day at a time: two changes lie further apart.
    fn change_between(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let before = self.offset(from);
        let days = std::iter::successors(Some(from), |day| (*day < until).then(|| (*day + TimeDelta::days(1)).min(until)));
        let changed = days.into_iter().find(|day| self.offset(*day) != before)?;
        let start = (changed - TimeDelta::days(1)).max(from);
        let quarters = std::iter::successors(Some(start.duration_trunc_to_quarter() + QUARTER), |quarter| Some(*quarter + QUARTER));
        quarters.take_while(|quarter| *quarter <= changed).find(|quarter| self.offset(*quarter) != before)
    }

    fn offset(&self, instant: DateTime<Utc>) -> FixedOffset {
        instant.with_timezone(&self.timezone).offset().fix()
    }

    /// The next time that the expression names on a clock that knows no zone.
    fn next_on_clock(&self, wall: NaiveDateTime, is_included: bool) -> Option<NaiveDateTime> {
        self.cron.find_next_occurrence(&wall.and_utc(), is_included).ok().map(|next| next.naive_utc())
    }
}

/// A quarter of an hour's beginning.
trait Quarter {
    fn duration_trunc_to_quarter(self) -> Self;
}

impl Quarter for DateTime<Utc> {
    fn duration_trunc_to_quarter(self) -> Self {
        self - TimeDelta::seconds(self.timestamp().rem_euclid(QUARTER.num_seconds()))
    }
}
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Zones with the days around both of their changes.
    const CHANGES: [(Tz, [&str; 2]); 3] = [
        (Tz::Europe__Berlin, ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"]),
        (Tz::America__New_York, ["2026-03-08T06:00:00Z", "2026-11-01T06:00:00Z"]),
        (Tz::Australia__Lord_Howe, ["2026-10-03T15:00:00Z", "2026-04-04T15:00:00Z"]),
    ];

    fn instants(cron: &str, timezone: Tz) -> Instants {
        Instants::of(&Schedule { cron: cron.into(), timezone }).expect("an expression")
    }

    /// Every minute of the days of change, a fraction of a second after it.
    fn minutes() -> impl Iterator<Item = (Tz, DateTime<Utc>)> {
        let around = |day: &str| {
            let middle: DateTime<Utc> = day.parse().expect("a time");
            (0..24 * 60).map(move |minute| middle - TimeDelta::hours(12) + TimeDelta::minutes(minute) + TimeDelta::milliseconds(417))
        };
        CHANGES.into_iter().flat_map(move |(zone, days)| days.into_iter().flat_map(around).map(move |now| (zone, now)))
    }

    #[test]
    fn the_next_instant_is_always_to_come_and_the_last_one_is_not() {
        for cron in ["30 2 * * *", "0 3 * * *", "0,30 1 * * *", "*/15 * * * *", "*/20 2 * * *"] {
            for (zone, now) in minutes() {
                let instants = instants(cron, zone);
                let (last, next) = (instants.not_after(now).expect("it has fired"), instants.after(now).expect("it fires again"));
                assert!(next > now && last <= now, "{cron} in {zone} at {now}: {last} and {next}");
                assert!((next - now) <= TimeDelta::hours(49), "{cron} in {zone} at {now}: not before {next}");
                assert_eq!((next.timestamp_subsec_nanos(), last.timestamp_subsec_nanos()), (0, 0), "{cron} in {zone} at {now}");
                // Whoever asks between two instants is told the same two.
                assert_eq!(instants.after(last), Some(next), "{cron} in {zone} at {now}");
            }
        }
    }

    #[test]
    fn what_fires_at_a_time_of_day_fires_once_a_day() {
        for cron in ["30 2 * * *", "0 2 * * *", "45 1 * * *", "15 2 * * *"] {
            for (zone, days) in CHANGES {
                for day in days {
                    let instants = instants(cron, zone);
                    let from: DateTime<Utc> = day.parse().expect("a time");
                    let (from, until) = (from - TimeDelta::days(3), from + TimeDelta::days(4));
                    let mut of_day = BTreeMap::new();
                    let mut next = instants.after(from);
                    while let Some(instant) = next.filter(|instant| *instant < until) {
                        *of_day.entry(instant.with_timezone(&zone).date_naive()).or_insert(0) += 1;
                        next = instants.after(instant);
                    }
                    assert!(of_day.len() >= 6 && of_day.values().all(|times| *times == 1), "{cron} in {zone}: {of_day:?}");
                }
            }
        }
    }

    #[test]
    fn what_fires_every_quarter_of_an_hour_goes_on_through_the_change() {
        for cron in ["*/15 * * * *", "0,15,30,45 * * * *"] {
            for (zone, now) in minutes() {
                let instants = instants(cron, zone);
                let next = instants.after(now).expect("it fires again");
                assert_eq!(instants.after(next), Some(next + QUARTER), "{cron} in {zone} at {now}");
            }
        }
    }

    #[test]
    fn an_hour_that_is_skipped_is_fired_at_its_end() {
        let berlin =
            |cron: &str, now: &str| instants(cron, Tz::Europe__Berlin).after(now.parse().expect("a time")).expect("it fires").to_string();
        assert_eq!(berlin("30 2 * * *", "2026-03-28T12:00:00Z"), "2026-03-29 01:00:00 UTC");
        assert_eq!(berlin("30 2 * * *", "2026-03-29T01:00:00Z"), "2026-03-30 00:30:00 UTC");
        assert_eq!(berlin("30 2 * * *", "2026-10-24T12:00:00Z"), "2026-10-25 00:30:00 UTC");
        assert_eq!(berlin("30 2 * * *", "2026-10-25T00:30:00Z"), "2026-10-26 01:30:00 UTC");
    }

    #[test]
    fn what_fires_once_in_four_years_is_found_both_ways() {
        let leap = instants("0 12 29 2 *", Tz::UTC);
        let now = "2026-11-28T00:00:00Z".parse().expect("a time");
        assert_eq!(leap.after(now).expect("it fires").to_string(), "2028-02-29 12:00:00 UTC");
        assert_eq!(leap.not_after(now).expect("it fired").to_string(), "2024-02-29 12:00:00 UTC");
    }
}
