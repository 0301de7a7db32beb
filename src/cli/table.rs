//! Tables and times as people read them.

use chrono::{DateTime, Utc};
use comfy_table::{ContentArrangement, Table, presets};

/// A table with a heading, without frames: readable, and easy to cut with awk.
pub fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(heading.to_vec());
    table
}

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
