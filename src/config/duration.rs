//! Spans of time and sizes as people write them: `30s`, `5m`, `1d`; `64MiB`, `10MB`, `512KiB`. Pure.

use std::time::Duration;

/// Longest text taken for a duration. humantime adds without a check near its end, where no duration of ours is.
const LONGEST_TEXT: usize = 24;

/// Units of size in lower case, the longer before those that they end with.
const UNITS: [(&str, u64); 7] =
    [("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("kb", 1_000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("b", 1)];

/// A span of time; `None`: the text is none.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    humantime::parse_duration(text.trim()).ok()
}

/// A size in bytes, with a unit or without; `None`: the text is none.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (digits, unit) = UNITS.iter().find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes))).unwrap_or((&text, 1));
    let digits = digits.trim_end();
    // `parse` would take a sign.
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1d", 86_400), ("1h 30m", 5_400), (" 2s ", 2)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_no_duration_is_none_and_never_a_panic() {
        for text in ["", "30", "s", "-1s", "1 fortnight", "18446744073709551615s1000ms", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_read_with_decimal_and_binary_units() {
        let cases = [
            ("64MiB", 64 << 20),
            ("10MB", 10_000_000),
            ("512KiB", 512 << 10),
            ("3 gib", 3 << 30),
            ("7kB", 7_000),
            ("9B", 9),
            ("65536", 65_536),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "MiB", "-1MiB", "+1MiB", "1.5MiB", "1TiB", "64 M iB", "99999999999GiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
