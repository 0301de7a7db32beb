//! Logs: to stderr, readable alone. Never bodies, tokens or personal data.

use std::{
    env, fmt,
    fs::File,
    io::{self, IsTerminal},
    os::{fd::AsFd, unix::fs::MetadataExt},
};

use tracing::{Event, Level, Subscriber, warn};
use tracing_subscriber::{
    EnvFilter,
    filter::ParseError,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
    },
    registry::LookupSpan,
};

/// Sets the logs up. `HIERSYNC_LOG` overrides `level`, such as `debug` or `hiersync::sync=trace`: what it does not name stays as it is.
pub fn start(level: &str) {
    let wanted = env::var("HIERSYNC_LOG").unwrap_or_default();
    let (filter, refused) = filter(level, wanted.trim());
    let with_colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(with_colour).with_target(false);
    // A stderr that cannot be written must not end the program.
    let logs = logs.log_internal_errors(false);
    // A second set-up in one process, as in tests, changes nothing.
    let _ = if is_journal() { logs.without_time().map_event_format(ForJournal).try_init() } else { logs.try_init() };
    if let Some(why) = refused {
        warn!("HIERSYNC_LOG is ignored ({why}): write a level, such as debug, or parts with theirs, such as hiersync::sync=trace");
    }
}

/// What is logged, and why `wanted` is not understood.
fn filter(level: &str, wanted: &str) -> (EnvFilter, Option<ParseError>) {
    // What sqlx warns of are statements that wait, with all their text, while the database is away: we say that it is.
    let plain = format!("{level},sqlx=error,tokio_cron_scheduler=error");
    match EnvFilter::try_new(format!("{plain},{wanted}")) {
        Ok(filter) => (filter, None),
        Err(why) => (EnvFilter::new(plain), Some(why)),
    }
}

/// Whether stderr goes to systemd's journal, which says so by the device and inode of its socket (systemd.exec(5), `$JOURNAL_STREAM`).
fn is_journal() -> bool {
    let stderr = || io::stderr().as_fd().try_clone_to_owned().and_then(|stderr| File::from(stderr).metadata());
    env::var("JOURNAL_STREAM").is_ok_and(|journal| stderr().is_ok_and(|stream| journal == format!("{}:{}", stream.dev(), stream.ino())))
}

/// An error for who reads the journal or the terminal: one that spans lines is an error in each of them.
pub fn as_error(text: &str) -> String {
    if is_journal() { text.lines().map(|line| format!("<3>{line}")).collect::<Vec<_>>().join("\n") } else { text.to_owned() }
}

/// A line for the journal: it keeps its own time, and takes the priority from the line's beginning (sd-daemon(3)).
struct ForJournal(Format<Full, ()>);

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for ForJournal {
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let mut told = String::new();
        self.0.format_event(context, Writer::new(&mut told), event)?;
        told.lines().try_for_each(|line| writeln!(writer, "<{priority}>{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_or_not_named_silences_nothing() {
        for (wanted, told, is_refused) in [
            ("", "info", false),
            ("debug", "debug", false),
            ("inof", "info", false),
            ("hiersync::sync=trace", "info", false),
            ("hiersync=no=level", "info", true),
        ] {
            let (filter, refused) = filter("info", wanted);
            let parts: Vec<String> = filter.to_string().split(',').map(str::to_owned).collect();
            assert!(parts.iter().any(|part| part == told), "{wanted}: {parts:?}");
            assert_eq!(refused.is_some(), is_refused, "{wanted}");
        }
    }
}
