//! Times and spans as people read them, at the command line and on the status page.

use chrono::{DateTime, Utc};

/// A time to the second, or a dash.
pub fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "-".into(), |time| time.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Milliseconds as seconds.
pub fn seconds(millis: i64) -> String {
    format!("{}.{:01} s", millis / 1000, millis % 1000 / 100)
}

/// Seconds as the largest unit that fits.
pub fn ago(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "never".into() };
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}
