//! The vendors' ways to write an instant, one parser each: they do not mix. `None` is a text that is no instant.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};

/// ISO 8601 with any offset, with or without parts of a second: `2023-07-21T05:54:37Z`, `2021-07-30T16:43:25+05:30`, `+0530`.
///
/// Capillary answers in its cluster's offset, whatever was sent (vendor documentation, "Timezone Management", 2025).
pub fn iso(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"));
    storable(time.ok()?.to_utc())
}

/// LeadSquared's UTC without an offset: `2022-05-31 12:00:21`, or with `.000`.
///
/// Some lead answers carry the fraction, users were seen without (public client code, 2026).
pub fn plain_utc(text: &str) -> Option<DateTime<Utc>> {
    let time = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S%.f").ok()?;
    storable(time.and_utc())
}

/// The date in an HTTP header: `Wed, 21 Oct 2015 07:28:00 GMT`.
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|time| time.to_utc())
}

/// Cut to what Postgres keeps: microseconds (a finer stamp would look newer than its stored self for ever), and no leap second.
/// Years outside of 1 to 9999 are no vendor's times, and those far outside no `timestamptz`.
fn storable(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let time = DateTime::from_timestamp_micros(time.timestamp_micros())?;
    (1..=9999).contains(&time.year()).then_some(time)
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;

    fn written(time: Option<DateTime<Utc>>) -> Option<String> {
        time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    #[test]
    fn iso_is_read_with_any_offset() {
        for (text, utc) in [
            ("2023-07-21T05:54:37Z", "2023-07-21T05:54:37Z"),
            ("2021-07-30T16:43:25+05:30", "2021-07-30T11:13:25Z"),
            ("2021-07-30T16:43:25+0530", "2021-07-30T11:13:25Z"),
            ("2021-07-30T16:43:25+05", "2021-07-30T11:43:25Z"),
            ("2021-07-30T16:43:25.5-03:00", "2021-07-30T19:43:25.500Z"),
            (" 2021-07-30T16:43:25.123456789Z ", "2021-07-30T16:43:25.123456Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ] {
            assert_eq!(written(iso(text)).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn plain_utc_is_read_with_and_without_a_fraction() {
        for (text, utc) in [
            ("2022-05-31 12:00:21", "2022-05-31T12:00:21Z"),
            ("2022-05-31 12:00:21.000", "2022-05-31T12:00:21Z"),
            ("2022-05-31 12:00:21.25", "2022-05-31T12:00:21.250Z"),
            ("0001-01-01 00:00:00", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(written(plain_utc(text)).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in ["", "yesterday", "2023-07-21", "1689918877000", "2023-02-30T00:00:00Z", "2023-07-21T05:54:37", "2023-07-21T25:00:00Z"]
        {
            assert_eq!(iso(text), None, "{text}");
        }
        for text in ["+99999-01-01T00:00:00Z", "-0044-03-15T00:00:00Z", "0000-01-01T00:00:00Z", "262142-01-01T00:00:00Z"] {
            assert_eq!(iso(text), None, "{text}");
        }
        for text in ["", "2022-05-31T12:00:21Z", "2022-05-31", "31/05/2022 12:00:21", "+120000-01-01 00:00:00"] {
            assert_eq!(plain_utc(text), None, "{text}");
        }
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(written(http_date("Wed, 21 Oct 2015 07:28:00 GMT")).as_deref(), Some("2015-10-21T07:28:00Z"));
        assert_eq!(http_date("120"), None);
    }
}
