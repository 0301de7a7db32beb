//! What is printed. A reader that has seen enough ends it quietly, a full disk is one message; neither changes how a sync has ended.

use std::{
    fmt,
    io::{self, Write},
    sync::OnceLock,
};

use serde::Serialize;

use super::exit::{Exit, Failure};
use crate::text::{shown, shown_in_json};

/// Why no more is printed.
static ENDED: OnceLock<io::Error> = OnceLock::new();

/// Prints a line for people: what would move the cursor or turn the writing round is shown as an escape.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::out::line(format_args!($($words)*)) };
}

/// The same to stderr.
macro_rules! note {
    ($($words:tt)*) => { $crate::cli::out::complain(format_args!($($words)*)) };
}

/// The same for what has gone wrong: the journal takes it for an error.
macro_rules! fail {
    ($($words:tt)*) => { $crate::cli::out::complain(format_args!("{}", $crate::telemetry::as_error(&format!($($words)*)))) };
}

pub(crate) use {fail, note, say};

/// Behind `say!`.
pub fn line(words: fmt::Arguments<'_>) {
    print(&shown(&words.to_string()));
}

/// Behind `note!`. A stderr that cannot be written leaves nobody to tell.
pub fn complain(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{}", shown(&words.to_string()));
}

/// Prints a value as JSON, in one line.
pub fn json(value: &impl Serialize) {
    print(&in_json(value));
}

/// A value as JSON, as it may be shown.
pub fn in_json(value: &impl Serialize) -> String {
    shown_in_json(&serde_json::json!(value).to_string()).into_owned()
}

fn print(line: &str) {
    text(&format!("{line}\n"));
}

/// Prints a text of ours as it is.
pub fn text(text: &str) {
    if ENDED.get().is_none()
        && let Err(error) = io::stdout().write_all(text.as_bytes())
    {
        let _ = ENDED.set(error);
    }
}

/// How the program ends, given how its verb has: what could not be printed counts where nothing else was done.
pub fn end(ended: Result<Exit, Failure>, is_about_output: bool) -> Result<Exit, Failure> {
    if let Err(error) = io::stdout().flush() {
        let _ = ENDED.set(error);
    }
    match ENDED.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        None => ended,
        Some(error) => {
            complain(format_args!("hiersync: what it has to say cannot be written: {error}"));
            if is_about_output && matches!(ended, Ok(Exit::Complete)) { Ok(Exit::Fault) } else { ended }
        }
    }
}
