//! Logs: to stderr, readable alone. Never bodies, tokens or personal data.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Sets the logs up. `HIERSYNC_LOG` overrides `level`, such as `debug` or `hiersync::sync=trace`.
pub fn start(level: &str) {
    // Others tell no more than warnings.
    let others = if level == "error" { "error" } else { "warn" };
    let plain = || EnvFilter::new(format!("{level},sqlx={others},tokio_cron_scheduler={others}"));
    let filter = EnvFilter::try_from_env("HIERSYNC_LOG").unwrap_or_else(|_| plain());
    let with_colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(with_colour).with_target(false);
    // The journal keeps its own time. A second set-up in one process, as in tests, changes nothing.
    let _ = if under_systemd { logs.without_time().try_init() } else { logs.try_init() };
}
