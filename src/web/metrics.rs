//! Prometheus' text format, 0.0.4. Labels are sources, budgets, windows, and words of ours: never anything that a vendor sent. What has not
//! happened yet is 0, so that what happens first is seen as a change.

use std::{collections::HashMap, fmt::Write};

use chrono::{DateTime, Utc};
use strum::VariantArray;

use crate::{
    model::run::{Live, Outcome, State},
    store::{
        conn::Held,
        figures::{BudgetRow, OpenFindings, Standing, Totals},
        report::Health,
    },
};

/// The text's type, as scrapers want it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const SEVERITIES: [&str; 3] = ["act", "look", "told"];

/// What is known of the process.
pub struct Process {
    /// The database takes writes.
    pub database_is_up: bool,
    /// Errors of the database so far.
    pub database_errors: u64,
    /// Its connections.
    pub pool: Held,
    /// When it began to serve.
    pub started_at: DateTime<Utc>,
    /// Bytes that it holds in memory, where the system tells.
    pub memory: Option<u64>,
}

/// What the database holds.
pub struct Stored {
    /// Every source.
    pub health: Vec<Health>,
    /// What all ended runs come to.
    pub totals: Vec<Totals>,
    /// Every budget.
    pub budgets: Vec<BudgetRow>,
    /// Open findings.
    pub findings: Vec<OpenFindings>,
    /// How each source's latest runs went.
    pub standing: Vec<Standing>,
}

/// All numbers; `stored`: `None` where the database gives none. A source that has never run is among the `live`.
pub fn render(live: &[Live], process: &Process, stored: Option<&Stored>) -> String {
    let mut text = Text::default();
    of_process(&mut text, process, stored.is_some());
    of_daemon(&mut text, live);
    if let Some(stored) = stored {
        let mut sources: Vec<&str> =
            live.iter().map(|live| live.source.as_str()).chain(stored.health.iter().map(|row| row.name.as_str())).collect();
        sources.sort_unstable();
        sources.dedup();
        of_runs(&mut text, &sources, &stored.totals);
        of_sources(&mut text, &sources, stored);
        of_budgets(&mut text, &stored.budgets);
    }
    text.all
}

fn of_process(text: &mut Text, process: &Process, are_read: bool) {
    text.family("hiersync_build_info", "gauge", "The version that runs.").number(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("hiersync_up", "gauge", "The daemon answers.").number(&[], 1);
    text.family("hiersync_database_up", "gauge", "The database takes writes.").number(&[], process.database_is_up.into());
    text.family("hiersync_database_numbers_read", "gauge", "What follows from the database could be read in time.")
        .number(&[], are_read.into());
    let help = "Errors of the database, and answers that did not come in time.";
    text.family("hiersync_database_errors_total", "counter", help).number(&[], i64::try_from(process.database_errors).unwrap_or(i64::MAX));
    let help = "Connections to the database that are held.";
    let pool = text.family("hiersync_database_connections", "gauge", help);
    pool.number(&[("state", "idle")], process.pool.idle.into());
    pool.number(&[("state", "used")], process.pool.used.into());
    text.family("process_start_time_seconds", "gauge", "When the daemon began to serve, since 1970.")
        .number(&[], process.started_at.timestamp());
    let memory = text.family("process_resident_memory_bytes", "gauge", "Memory that the process holds.");
    if let Some(bytes) = process.memory {
        memory.number(&[], i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// What is known without the database.
fn of_daemon(text: &mut Text, live: &[Live]) {
    text.family("hiersync_source_state", "gauge", "What the daemon does for a source: 1 in the state that it is in.");
    for one in live {
        for state in State::VARIANTS {
            text.number(&[("source", &one.source), ("state", state.as_ref())], i64::from(one.state == *state));
        }
    }
    text.family("hiersync_lease_held", "gauge", "This process holds the lease of a source.");
    live.iter().for_each(|one| text.number(&[("source", &one.source)], one.has_lease.into()));
    let help = "For how long the run under way has done nothing, but for waiting for its budget; 0 where there is no run.";
    text.family("hiersync_standstill_seconds", "gauge", help);
    live.iter().for_each(|one| text.float(&[("source", &one.source)], one.standstill.map_or(0.0, |time| time.as_secs_f64())));
    text.family("hiersync_next_due_timestamp_seconds", "gauge", "When the schedule of a source fires next; 0: it has none.");
    live.iter().for_each(|one| text.number(&[("source", &one.source)], stamp(one.next_due)));
    text.family(
        "hiersync_schedule_period_seconds",
        "gauge",
        "From one firing to the next, as it is at this time of the day and the week; 0: it has no schedule.",
    );
    live.iter().for_each(|one| text.number(&[("source", &one.source)], one.period.map_or(0, |period| period.num_seconds())));
    text.family("hiersync_schedule_lag_seconds", "gauge", "For how long a source has been due without being begun with; 0: it is not due.");
    live.iter().for_each(|one| text.float(&[("source", &one.source)], one.lag.as_secs_f64()));
}

/// One number of the totals.
type OfTotals = fn(&Totals) -> i64;

fn of_runs(text: &mut Text, sources: &[&str], totals: &[Totals]) {
    // With many sources it must not be looked through all of them for each.
    let mut by_source: HashMap<&str, Vec<&Totals>> = HashMap::new();
    totals.iter().for_each(|row| by_source.entry(&row.source).or_default().push(row));
    let sum = |source: &str, of: &dyn Fn(&Totals) -> i64| by_source.get(source).into_iter().flatten().map(|row| of(row)).sum::<i64>();
    text.family("hiersync_runs_total", "counter", "Runs that have ended, by outcome.");
    for source in sources {
        for outcome in Outcome::VARIANTS {
            let runs = sum(source, &|row| if row.outcome == outcome.as_ref() { row.runs } else { 0 });
            text.number(&[("source", source), ("outcome", outcome.as_ref())], runs);
        }
    }
    text.family("hiersync_nodes_total", "counter", "Nodes by what became of them, once each per walk.");
    for source in sources {
        let kinds: [(&str, OfTotals); 5] = [
            ("inserted", |row| row.inserted),
            ("updated", |row| row.updated),
            ("unchanged", |row| row.unchanged),
            ("retired", |row| row.retired),
            ("restored", |row| row.restored),
        ];
        kinds.iter().for_each(|(kind, of)| text.number(&[("source", source), ("kind", kind)], sum(source, of)));
    }
    let counters: [(&str, &str, OfTotals); 5] = [
        ("hiersync_requests_total", "Calls made.", |row| row.requests),
        ("hiersync_requests_refused_total", "Calls that the vendor refused for the budget's sake.", |row| row.throttled),
        ("hiersync_requests_retried_total", "Calls that repeated a failed one.", |row| row.retried),
        ("hiersync_pages_total", "Answers taken in.", |row| row.pages),
        ("hiersync_rows_seen_total", "Rows as received.", |row| row.rows_seen),
    ];
    for (name, help, of) in counters {
        text.family(name, "counter", help);
        sources.iter().for_each(|source| text.number(&[("source", source)], sum(source, &of)));
    }
    let times: [(&str, &str, OfTotals); 4] = [
        ("hiersync_run_seconds_total", "Time that runs took.", |row| row.run_ms),
        ("hiersync_wait_seconds_total", "Time in which runs waited for their budget.", |row| row.wait_ms),
        ("hiersync_fetch_seconds_total", "Time of requests, summed over those that ran at once.", |row| row.fetch_ms),
        ("hiersync_write_seconds_total", "Time of write transactions, summed likewise.", |row| row.write_ms),
    ];
    for (name, help, of) in times {
        text.family(name, "counter", help);
        sources.iter().for_each(|source| text.float(&[("source", source)], seconds(sum(source, &of))));
    }
}

fn of_sources(text: &mut Text, sources: &[&str], stored: &Stored) {
    let all: HashMap<&str, &Health> = stored.health.iter().map(|row| (row.name.as_str(), row)).collect();
    let health = |source: &str| all.get(source).copied();
    let all: HashMap<&str, &Standing> = stored.standing.iter().map(|row| (row.source.as_str(), row)).collect();
    let standing = |source: &str| all.get(source).copied();
    text.family("hiersync_last_complete_timestamp_seconds", "gauge", "When a walk was last completed; 0: never.");
    sources.iter().for_each(|source| text.number(&[("source", source)], stamp(health(source).and_then(|row| row.last_complete_at))));
    text.family("hiersync_last_run_duration_seconds", "gauge", "How long the last run took; 0: none has ended.");
    sources.iter().for_each(|source| text.float(&[("source", source)], standing(source).and_then(|row| row.last_run_s).unwrap_or(0.0)));
    text.family("hiersync_failed_runs_in_a_row", "gauge", "Runs that have failed since one has not.");
    sources.iter().for_each(|source| text.number(&[("source", source)], standing(source).map_or(0, |row| row.failures)));
    text.family("hiersync_paused", "gauge", "The schedule is stopped by a person.");
    sources.iter().for_each(|source| text.number(&[("source", source)], health(source).is_some_and(|row| row.paused_at.is_some()).into()));
    text.family("hiersync_configured", "gauge", "The configuration names the source.");
    sources.iter().for_each(|source| text.number(&[("source", source)], health(source).is_none_or(|row| row.is_configured).into()));
    text.family("hiersync_retire_guard_open", "gauge", "A walk would retire more than it may, and a person is to look.");
    sources.iter().for_each(|source| text.number(&[("source", source)], standing(source).is_some_and(|row| row.is_guarded).into()));
    text.family("hiersync_live_nodes", "gauge", "Live customers or users.");
    sources.iter().for_each(|source| text.number(&[("source", source)], health(source).map_or(0, |row| row.live_nodes)));
    text.family("hiersync_open_findings", "gauge", "Open findings, by severity.");
    for source in sources {
        for severity in SEVERITIES {
            let of_both = |row: &&OpenFindings| row.source == *source && row.severity == severity;
            text.number(&[("source", source), ("severity", severity)], stored.findings.iter().find(of_both).map_or(0, |row| row.many));
        }
    }
}

fn of_budgets(text: &mut Text, budgets: &[BudgetRow]) {
    let windows = || budgets.iter().flat_map(|row| row.windows.iter().map(move |window| (row, window)));
    text.family("hiersync_budget_used", "gauge", "Calls that a window of a budget holds.");
    windows().for_each(|(row, window)| {
        text.number(&[("budget", &row.name), ("window", &window.stated), ("origin", window.origin())], window.used)
    });
    text.family("hiersync_budget_free", "gauge", "Calls that could go now, as far as this window is concerned.");
    windows().for_each(|(row, window)| {
        text.number(&[("budget", &row.name), ("window", &window.stated), ("origin", window.origin())], window.free)
    });
    text.family("hiersync_budget_paused_until_timestamp_seconds", "gauge", "No call of this budget before; 0: it is not paused.");
    budgets.iter().for_each(|row| text.number(&[("budget", &row.name)], stamp(row.paused_until)));
    text.family(
        "hiersync_budget_pace_ratio",
        "gauge",
        "Share of the shortest window in use: below 1 after refusals that the limits do not explain.",
    );
    budgets.iter().for_each(|row| text.float(&[("budget", &row.name)], row.pace));
}

fn stamp(at: Option<DateTime<Utc>>) -> i64 {
    at.map_or(0, |at| at.timestamp())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds far below 2^52")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// The text, family by family.
#[derive(Default)]
struct Text {
    all: String,
    /// The family whose samples follow.
    family: String,
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) -> &mut Self {
        let _ = writeln!(self.all, "# HELP {name} {help}\n# TYPE {name} {kind}");
        name.clone_into(&mut self.family);
        self
    }

    fn number(&mut self, labels: &[(&str, &str)], value: i64) {
        self.sample(labels, &value.to_string());
    }

    fn float(&mut self, labels: &[(&str, &str)], value: f64) {
        self.sample(labels, &value.to_string());
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: &str) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.all, "{}{labels} {value}", self.family);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> Process {
        let started_at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Process { database_is_up: false, database_errors: 3, pool: Held { idle: 1, used: 2 }, started_at, memory: Some(1 << 20) }
    }

    fn live() -> Live {
        Live {
            source: "sales".into(),
            state: State::Idle,
            has_lease: false,
            standstill: None,
            next_due: None,
            period: None,
            lag: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn what_has_not_happened_is_told_as_zero() {
        let stored = Stored { health: vec![], totals: vec![], budgets: vec![], findings: vec![], standing: vec![] };
        let text = render(&[live()], &process(), Some(&stored));
        for line in [
            "hiersync_runs_total{source=\"sales\",outcome=\"failed\"} 0\n",
            "hiersync_nodes_total{source=\"sales\",kind=\"inserted\"} 0\n",
            "hiersync_last_complete_timestamp_seconds{source=\"sales\"} 0\n",
            "hiersync_open_findings{source=\"sales\",severity=\"act\"} 0\n",
            "hiersync_source_state{source=\"sales\",state=\"refused\"} 0\n",
            "hiersync_database_up 0\n",
            "hiersync_database_connections{state=\"used\"} 2\n",
            "process_start_time_seconds 1700000000\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert_eq!(text.matches("# HELP").count(), text.matches("# TYPE").count());
        assert!(!render(&[live()], &process(), None).contains("hiersync_runs_total"), "what is not known is not told");
    }

    #[test]
    fn any_name_of_a_budget_is_a_label() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
