//! One table for a group of cases, as markdown.

use super::used::Used;

/// What a case took. What it does not know of is left out.
#[derive(Clone, Copy, Default)]
pub struct Line {
    pub says: &'static str,
    pub rows: u32,
    /// Seconds.
    pub wall: f64,
    /// Seconds of cores.
    pub client: f64,
    pub server: Option<f64>,
    /// Bytes.
    pub wal: Option<f64>,
    pub writes: Option<f64>,
    pub calls: Option<i64>,
    /// MiB.
    pub peak: Option<f64>,
}

impl Line {
    /// Of whom only that much is known yet.
    pub fn of(wall: f64, used: Used) -> Self {
        let Used { client, server, wal, writes } = used;
        Self { wall, client, server: Some(server), wal: Some(wal), writes: Some(writes), ..Self::default() }
    }
}

/// `copied`: seconds of the plain copy.
pub fn print(title: &str, lines: &[Line], copied: f64) {
    println!("\n{title}\n");
    println!(
        "| {:<24} | {:>9} | {:>8} | {:>13} | {:>13} | {:>9} | {:>9} | {:>7} | {:>8} | {:>6} |",
        "case", "rows/s", "wall s", "client µs/row", "server µs/row", "WAL B/row", "writes", "calls", "peak MiB", "× copy"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for line in lines {
        let rows = f64::from(line.rows);
        let micros = |seconds: f64| seconds * 1e6 / rows;
        println!(
            "| {:<24} | {:>9.0} | {:>8.3} | {:>13.2} | {:>13} | {:>9} | {:>9} | {:>7} | {:>8} | {:>6.2} |",
            line.says,
            rows / line.wall,
            line.wall,
            micros(line.client),
            shown(line.server.map(micros), 2),
            shown(line.wal.map(|bytes| bytes / rows), 1),
            shown(line.writes, 0),
            line.calls.map(|calls| calls.to_string()).unwrap_or_default(),
            shown(line.peak, 1),
            line.wall / copied
        );
    }
}

fn shown(number: Option<f64>, digits: usize) -> String {
    number.map(|number| format!("{number:.digits$}")).unwrap_or_default()
}
