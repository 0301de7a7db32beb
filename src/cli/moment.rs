//! A time as people type it. Knows no clock.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Reads RFC 3339, what psql prints, or a date with or without a time of day in `zone`; a date alone is its first moment. The
/// error says what is expected.
pub fn parse(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    read(text, zone).filter(|time| (1..=9999).contains(&time.year())).ok_or_else(|| {
        format!(
            "{text:?} is not a time of the years 1 to 9999: expected YYYY-MM-DD, YYYY-MM-DD HH:MM or YYYY-MM-DD HH:MM:SS in {zone} \
             (daemon.timezone), or RFC 3339 such as 2026-03-01T08:00:00+01:00"
        )
    })
}

fn read(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    // As psql prints it.
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Some(time.to_utc());
    }
    let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let local = local.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    in_zone(local?, zone)
}

/// The first of two where the clock is put back; where it is put forward, what it then shows.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let later = || local.checked_add_signed(TimeDelta::hours(1)).and_then(|later| zone.from_local_datetime(&later).earliest());
    zone.from_local_datetime(&local).earliest().or_else(later).map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_zone_unless_they_bring_their_own() {
        let berlin = Tz::Europe__Berlin;
        for (text, zone, read) in [
            ("2026-03-01T08:00:00Z", berlin, "2026-03-01T08:00:00Z"),
            ("2026-03-01T08:00:00.5+02:00", berlin, "2026-03-01T06:00:00.500Z"),
            ("2026-10-03 12:34:56.789012+00", berlin, "2026-10-03T12:34:56.789012Z"),
            ("2026-10-03 12:34:56-03:30", berlin, "2026-10-03T16:04:56Z"),
            ("2026-03-01T08:00:00", berlin, "2026-03-01T07:00:00Z"),
            ("2026-03-01 08:00", berlin, "2026-03-01T07:00:00Z"),
            ("2026-07-01 08:00:30", berlin, "2026-07-01T06:00:30Z"),
            (" 2026-03-01 ", berlin, "2026-02-28T23:00:00Z"),
            ("2026-03-01", Tz::UTC, "2026-03-01T00:00:00Z"),
            // The clock is put back: the first of two. It is put forward: what it then shows.
            ("2026-10-25 02:30", berlin, "2026-10-25T00:30:00Z"),
            ("2026-03-29 02:30", berlin, "2026-03-29T01:30:00Z"),
            // Midnight is left out there.
            ("2026-09-06", Tz::America__Santiago, "2026-09-06T04:00:00Z"),
        ] {
            assert_eq!(parse(text, zone), Ok(read.parse().expect("a time")), "{text} in {zone}");
        }
    }

    #[test]
    fn nonsense_is_told_what_is_expected() {
        for text in ["", "yesterday", "2026-13-01", "2026-02-30", "2026-03-01 25:00", "08:00", "1772352000"] {
            let error = parse(text, Tz::Europe__Berlin).expect_err(text);
            assert!(error.contains("YYYY-MM-DD HH:MM") && error.contains("Europe/Berlin") && error.contains("RFC 3339"), "{error}");
        }
    }
}
