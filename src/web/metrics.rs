//! Prometheus' text format. Labels are sources and outcomes, never anything that a vendor sent.

use std::fmt::Write;

use crate::{
    model::run::{Live, State},
    store::{figures::Totals, report::Health},
};

/// The numbers that the database holds. A source that has never run stands there, too: `sources` are those of the config.
pub fn render(sources: &[Live], health: &[Health], totals: &[Totals]) -> String {
    let mut text = String::new();
    gauge(&mut text, "hiersync_live_nodes", "Live customers or users.", health, |row| Some(float(row.live_nodes)));
    gauge(&mut text, "hiersync_staleness_seconds", "Seconds since the last complete walk.", health, |row| row.staleness_s);
    let name = "hiersync_last_complete_timestamp_seconds";
    gauge(&mut text, name, "When a walk was last completed; 0: never.", health, |row| {
        Some(row.last_complete_at.map_or(0.0, |at| float(at.timestamp())))
    });
    for live in sources.iter().filter(|live| health.iter().all(|row| row.name != live.source)) {
        let _ = writeln!(text, "{name}{{source=\"{}\"}} 0", live.source);
    }
    gauge(&mut text, "hiersync_open_findings", "Open findings on which somebody is to act.", health, |row| Some(float(row.open_findings)));
    counter(&mut text, "hiersync_requests_total", "Calls made.", totals, |row| row.requests);
    counter(&mut text, "hiersync_throttled_total", "Calls refused for the budget's sake.", totals, |row| row.throttled);
    counter(&mut text, "hiersync_rows_seen_total", "Rows as received.", totals, |row| row.rows_seen);
    counter(&mut text, "hiersync_nodes_changed_total", "Nodes inserted, updated, retired or restored.", totals, |row| row.changed);
    counter(&mut text, "hiersync_runs_total", "Runs that have ended.", totals, |row| row.runs);
    text
}

/// The numbers that are known without the database.
pub fn live(sources: &[Live], database: bool, errors: u64) -> String {
    let mut text = String::new();
    one(&mut text, "hiersync_up", "gauge", "The daemon answers.", 1);
    one(&mut text, "hiersync_database_up", "gauge", "The database takes writes.", database.into());
    one(&mut text, "hiersync_database_errors_total", "counter", "Errors of the database, and answers that did not come in time.", errors);
    let is = |state: State| move |live: &Live| Some(f64::from(u8::from(live.state == state)));
    gauge(&mut text, "hiersync_running", "A run is in progress.", sources, is(State::Running));
    gauge(&mut text, "hiersync_standby", "Another process has a run in progress.", sources, is(State::Standby));
    gauge(&mut text, "hiersync_resting", "The budget is spent, and the walk goes on later.", sources, is(State::Resting));
    let help = "The last run failed because something was not available, and is tried again.";
    gauge(&mut text, "hiersync_retrying", help, sources, is(State::Retrying));
    gauge(&mut text, "hiersync_refused", "It cannot run before a secret or the config is changed.", sources, is(State::Refused));
    gauge(&mut text, "hiersync_lease_held", "This process holds the lease.", sources, |live| Some(f64::from(u8::from(live.has_lease))));
    let help = "Seconds for which the run has done nothing, but for waiting for the budget.";
    gauge(&mut text, "hiersync_standstill_seconds", help, sources, |live| live.standstill.map(|standstill| standstill.as_secs_f64()));
    let help = "When its schedule fires next.";
    gauge(&mut text, "hiersync_next_due_timestamp_seconds", help, sources, |live| live.next_due.map(|due| float(due.timestamp())));
    text
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(number: i64) -> f64 {
    number as f64
}

/// A row that is about one source.
trait OfSource {
    fn source(&self) -> &str;
}

impl OfSource for Health {
    fn source(&self) -> &str {
        &self.name
    }
}

impl OfSource for Live {
    fn source(&self) -> &str {
        &self.source
    }
}

fn gauge<R: OfSource>(text: &mut String, name: &str, help: &str, rows: &[R], value: impl Fn(&R) -> Option<f64>) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for row in rows {
        if let Some(value) = value(row) {
            let _ = writeln!(text, "{name}{{source=\"{}\"}} {value}", row.source());
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
        let text = render(&[], &[], &[totals]);
        assert!(
            text.contains("# TYPE hiersync_requests_total counter\nhiersync_requests_total{source=\"sales\",outcome=\"complete\"} 7\n")
        );
        assert_eq!(text.matches("# HELP").count(), text.matches("# TYPE").count());
    }
}
