//! The vendors' ways to write an instant, and what else is usual and says its zone. `None` is a text that is no instant.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};

/// ISO 8601 with any offset, with or without parts of a second: `2023-07-21T05:54:37Z`, `2021-07-30T16:43:25+05:30`, `+0530`.
///
/// Capillary answers in its cluster's offset, whatever was sent (vendor documentation, "Timezone Management", 2025).
pub fn iso(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let form = |form| DateTime::parse_from_str(text, form);
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| form("%Y-%m-%dT%H:%M:%S%.f%#z")).or_else(|_| form("%Y-%m-%d %H:%M:%S%.f%#z"));
    storable(time.ok().map(|time| time.to_utc()).or_else(|| since_1970(text))?)
}

/// Milliseconds since 1970 as .NET's JSON writes them, `/Date(1653998421000)/`, or bare, or seconds: of 2001 to 2033 by their digits. Other
/// bare numbers read as a date as well, such as `2023072105`.
fn since_1970(text: &str) -> Option<DateTime<Utc>> {
    let inner = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/"));
    let digits = inner.map_or(text, |inner| inner.get(1..).and_then(|rest| rest.find(['+', '-'])).map_or(inner, |at| &inner[..=at]));
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        _ if inner.is_some() => DateTime::from_timestamp_millis(number),
        10 if digits.starts_with('1') => DateTime::from_timestamp(number, 0),
        13 if digits.starts_with('1') => DateTime::from_timestamp_millis(number),
        _ => None,
    }
}

/// `0001-01-01T00:00:00Z` in seconds since 1970.
const MIN_VALUE: i64 = -62_135_596_800;

/// Whether a text is the time by which .NET says that there is none, `0001-01-01T00:00:00`, in whatever zone, or `MySQL`, `0000-00-00`.
pub fn is_none(text: &str) -> bool {
    let text = text.trim();
    if since_1970(text).is_some_and(|time| time.timestamp() == MIN_VALUE) {
        return true;
    }
    let is_zero = |rest: &str| rest.trim_end_matches(['Z', 'z']).chars().all(|sign| "0:.".contains(sign));
    let Some(rest) = text.strip_prefix("0001-01-01").or_else(|| text.strip_prefix("0000-00-00")) else { return false };
    let rest = rest.trim_start_matches(['T', ' ']);
    is_zero(rest.split_once(['+', '-']).map_or(rest, |(time, _)| time))
}

/// LeadSquared's UTC without an offset: `2022-05-31 12:00:21`, or with `.000`.
///
/// Some lead answers carry the fraction, users were seen without (public client code, 2026).
pub fn plain_utc(text: &str) -> Option<DateTime<Utc>> {
    let form = |form| NaiveDateTime::parse_from_str(text.trim(), form).ok();
    let time = form("%Y-%m-%d %H:%M:%S%.f").or_else(|| form("%Y-%m-%dT%H:%M:%S%.f"));
    time.map_or_else(|| iso(text), |time| storable(time.and_utc()))
}

/// The date in an HTTP header: `Wed, 21 Oct 2015 07:28:00 GMT`.
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|time| time.to_utc())
}

/// Cut to what Postgres keeps: microseconds (a finer stamp would look newer than its stored self for ever), and no leap second.
/// What clients cannot show in every zone, as Python's `datetime` ends with the years 1 and 9999, would cost them the whole table.
fn storable(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let time = DateTime::from_timestamp_micros(time.timestamp_micros())?;
    let (first, end) = (Utc.with_ymd_and_hms(1, 1, 2, 0, 0, 0).single()?, Utc.with_ymd_and_hms(9999, 12, 31, 0, 0, 0).single()?);
    (first <= time && time < end).then_some(time)
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
            ("2021-07-30 16:43:25+05:30", "2021-07-30T11:13:25Z"),
            ("1653998421000", "2022-05-31T12:00:21Z"),
            ("1653998421", "2022-05-31T12:00:21Z"),
            ("/Date(1653998421000)/", "2022-05-31T12:00:21Z"),
            ("/Date(1653998421000+0530)/", "2022-05-31T12:00:21Z"),
            ("/Date(-86400000)/", "1969-12-31T00:00:00Z"),
            ("0001-01-02T00:00:00Z", "0001-01-02T00:00:00Z"),
            ("9999-12-30T23:59:59.999999Z", "9999-12-30T23:59:59.999999Z"),
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
            ("2022-05-31T12:00:21.5", "2022-05-31T12:00:21.500Z"),
            ("2022-05-31T12:00:21Z", "2022-05-31T12:00:21Z"),
        ] {
            assert_eq!(written(plain_utc(text)).as_deref(), Some(utc), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "yesterday",
            "2023-07-21",
            "16899188",
            "202307210554",
            "2023072105",
            "-62135596800",
            "-1234567890",
            "/Date()/",
            "/Date(x)/",
            "2023-02-30T00:00:00Z",
            "2023-07-21T05:54:37",
            "2023-07-21T25:00:00Z",
        ] {
            assert_eq!(iso(text), None, "{text}");
        }
        for text in ["0001-01-01T23:59:59Z", "0001-01-02T00:00:00+01:00", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59.9999999Z"] {
            assert_eq!(iso(text), None, "{text}");
        }
        for text in ["+99999-01-01T00:00:00Z", "-0044-03-15T00:00:00Z", "0000-01-01T00:00:00Z", "262142-01-01T00:00:00Z"] {
            assert_eq!(iso(text), None, "{text}");
        }
        for text in ["", "2022-05-31", "31/05/2022 12:00:21", "+120000-01-01 00:00:00"] {
            assert_eq!(plain_utc(text), None, "{text}");
        }
    }

    #[test]
    fn no_time_is_told_from_a_bad_one() {
        for text in [
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00",
            "0001-01-01 00:00:00.0000000",
            "0001-01-01T00:00:00+05:30",
            "/Date(-62135596800000)/",
            "0001-01-01",
            "0000-00-00 00:00:00",
            "0000-00-00T00:00:00Z",
        ] {
            assert!(is_none(text), "{text}");
        }
        for text in ["0001-01-01T00:00:01Z", "0001-01-02T00:00:00Z", "", "1753-01-01T00:00:00Z"] {
            assert!(!is_none(text), "{text}");
        }
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(written(http_date("Wed, 21 Oct 2015 07:28:00 GMT")).as_deref(), Some("2015-10-21T07:28:00Z"));
        assert_eq!(http_date("120"), None);
    }
}
