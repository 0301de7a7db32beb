//! Prometheus' text format. Labels are sources and outcomes, never anything that a vendor sent.

use std::fmt::Write;

use crate::{
    model::run::Live,
    store::{figures::Totals, report::Health},
};

/// The numbers as `/metrics` shows them.
pub fn render(health: &[Health], totals: &[Totals]) -> String {
    let mut text = String::new();
    gauge(&mut text, "hiersync_live_nodes", "Live customers or users.", health, |row| Some(float(row.live_nodes)));
    gauge(&mut text, "hiersync_staleness_seconds", "Seconds since the last complete walk.", health, |row| row.staleness_s);
    gauge(&mut text, "hiersync_open_findings", "Findings that nobody has resolved.", health, |row| Some(float(row.open_findings)));
    counter(&mut text, "hiersync_requests_total", "Calls made.", totals, |row| row.requests);
    counter(&mut text, "hiersync_throttled_total", "Calls refused for the budget's sake.", totals, |row| row.throttled);
    counter(&mut text, "hiersync_rows_seen_total", "Rows as received.", totals, |row| row.rows_seen);
    counter(&mut text, "hiersync_nodes_changed_total", "Nodes inserted, updated, retired or restored.", totals, |row| row.changed);
    counter(&mut text, "hiersync_runs_total", "Runs that have ended.", totals, |row| row.runs);
    text
}

/// The numbers that are known without the database.
pub fn live(sources: &[Live], database: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "# HELP hiersync_up The daemon answers.\n# TYPE hiersync_up gauge\nhiersync_up 1");
    let _ = writeln!(text, "# HELP hiersync_database_up The database answers.\n# TYPE hiersync_database_up gauge");
    let _ = writeln!(text, "hiersync_database_up {}", u8::from(database));
    let _ = writeln!(text, "# HELP hiersync_running A run is in progress.\n# TYPE hiersync_running gauge");
    for live in sources {
        let _ = writeln!(text, "hiersync_running{{source=\"{}\"}} {}", live.source, u8::from(live.is_running));
    }
    let help = "The last run failed because something was not available, and is tried again.";
    let _ = writeln!(text, "# HELP hiersync_retrying {help}\n# TYPE hiersync_retrying gauge");
    for live in sources {
        let _ = writeln!(text, "hiersync_retrying{{source=\"{}\"}} {}", live.source, u8::from(live.is_retrying));
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(number: i64) -> f64 {
    number as f64
}

fn gauge(text: &mut String, name: &str, help: &str, rows: &[Health], value: impl Fn(&Health) -> Option<f64>) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for row in rows {
        if let Some(value) = value(row) {
            let _ = writeln!(text, "{name}{{source=\"{}\"}} {value}", row.name);
        }
    }
}

fn counter(text: &mut String, name: &str, help: &str, rows: &[Totals], value: impl Fn(&Totals) -> i64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
    for row in rows {
        let _ = writeln!(text, "{name}{{source=\"{}\",outcome=\"{}\"}} {}", row.source, row.outcome, value(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_help_and_type() {
        let totals =
            Totals { source: "sales".into(), outcome: "complete".into(), runs: 2, requests: 7, throttled: 1, rows_seen: 600, changed: 5 };
        let text = render(&[], &[totals]);
        assert!(
            text.contains("# TYPE hiersync_requests_total counter\nhiersync_requests_total{source=\"sales\",outcome=\"complete\"} 7\n")
        );
        assert_eq!(text.matches("# HELP").count(), text.matches("# TYPE").count());
    }
}
