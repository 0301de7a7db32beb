//! The process that starts the server, keeps it up while it has users, and stops it when the last has gone.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use nix::{
    sys::{
        prctl::set_child_subreaper,
        signal::{SigSet, Signal},
    },
    unistd::setsid,
};

use super::{
    cluster,
    error::EmbeddedError,
    home::Home,
    lock::{self, Lock},
    postmaster,
    server::{self, Server},
};
use crate::clock;

/// Users that look whether the lock is free hold it for an instant.
const LOOKERS: Duration = Duration::from_secs(1);
/// Starts in a row before we give up, each after a longer pause; a server that ran for a while begins a new row.
const MOST_STARTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const A_WHILE: Duration = Duration::from_secs(60);
/// `EX_UNAVAILABLE`: the exit code of one that gave up and has said why.
pub(super) const UNAVAILABLE: u8 = 69;
/// How often the log is looked at.
const LOOK_AT_LOG: Duration = Duration::from_secs(60 * 60);
const PREFIX: &str = "hiersync: ";

/// What the hidden verb is told.
#[derive(Debug, Clone)]
pub struct SuperviseArgs {
    /// Home of the cluster.
    pub dir: PathBuf,
    /// Folder with `initdb` and `postgres`.
    pub pg_bin: PathBuf,
}

enum Event {
    /// Nobody uses the server; while the lock is held, nobody can begin to.
    Unused(#[expect(dead_code, reason = "held until the server has stopped")] Lock),
    /// A child has ended, perhaps the server.
    ChildEnded,
    /// SIGTERM.
    Terminate,
}

/// Runs the server of `args.dir` until nobody uses it. Must be called from the main thread before any other thread
/// is started: they would take the signals, and the server ends with the thread that started it.
pub fn supervise(args: &SuperviseArgs) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(deeper) = cause {
                text = format!("{text}: {deeper}");
                cause = deeper.source();
            }
            note(&text);
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// Why the supervisor of this log gave up: the last it wrote.
pub(super) fn last_words(log: &Path) -> Option<String> {
    let log = fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&log);
    text.lines().rev().find_map(|line| Some(line.strip_prefix(PREFIX)?.split_once(' ')?.1.to_owned()))
}

fn run(args: &SuperviseArgs) -> Result<(), EmbeddedError> {
    // Refused to the leader of a group: then a shell started us, and its signals are ours.
    let _ = setsid();
    let home = Home::open(&args.dir)?;
    let Some(_alone) = lock::exclusive_within(&home.server_lock(), LOOKERS)? else {
        return Ok(());
    };
    set_child_subreaper(true).map_err(|errno| EmbeddedError::io("become subreaper in", home.dir())(errno.into()))?;
    let events = listen(&home).map_err(EmbeddedError::io("wait for signals in", home.dir()))?;
    cluster::prepare(&home, &args.pg_bin)?;
    keep_up(&home, &args.pg_bin, &events)
}

fn keep_up(home: &Home, bin: &Path, events: &Receiver<Event>) -> Result<(), EmbeddedError> {
    let mut starts = 0;
    loop {
        let began = clock::instant();
        let Some(fault) = serve(home, bin, events)? else {
            return Ok(());
        };
        starts = if began.elapsed() > A_WHILE { 1 } else { starts + 1 };
        if starts == MOST_STARTS {
            let log = fs::read(home.log()).unwrap_or_default();
            let reason = cluster::reason(&String::from_utf8_lossy(&log)).map_or(fault, str::to_owned);
            return Err(EmbeddedError::Program { program: "postgres", reason });
        }
        note(&format!("postgres ended by itself ({fault}), starting it again"));
        thread::sleep(FIRST_PAUSE * 2_u32.pow(starts - 1));
    }
}

/// Runs one server to its end: `None` when it was time, else how it ended.
fn serve(home: &Home, bin: &Path, events: &Receiver<Event>) -> Result<Option<String>, EmbeddedError> {
    postmaster::outlive(&home.pgdata())?;
    let mut server = Server::start(home, bin)?;
    loop {
        // Kept until the server has stopped: it may hold the lock that keeps new users out.
        let event = next(home, events, LOOK_AT_LOG);
        match event {
            Event::ChildEnded => {
                if let Some(status) = server.ended().map_err(EmbeddedError::io("wait for the server of", home.dir()))? {
                    server::clear_orphans();
                    return Ok(Some(status.to_string()));
                }
            }
            Event::Unused(_) | Event::Terminate => {
                server.stop(&home.pgdata());
                server::clear_orphans();
                return Ok(None);
            }
        }
    }
}

/// Waits for an event, and keeps the log short meanwhile.
fn next(home: &Home, events: &Receiver<Event>, look_at_log: Duration) -> Event {
    loop {
        match events.recv_timeout(look_at_log) {
            Ok(event) => return event,
            Err(RecvTimeoutError::Disconnected) => return Event::Terminate,
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = home.rotate_log() {
                    note(&error.to_string());
                }
            }
        }
    }
}

fn listen(home: &Home) -> std::io::Result<Receiver<Event>> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    // Before any thread starts: each inherits it.
    signals.thread_block()?;
    let (sender, receiver) = channel();
    let users_lock = home.users_lock();
    let for_signals = sender.clone();
    thread::Builder::new().spawn(move || pass_on(&signals, &for_signals))?;
    thread::Builder::new().spawn(move || await_last_user(&users_lock, &sender))?;
    Ok(receiver)
}

fn pass_on(signals: &SigSet, events: &Sender<Event>) {
    loop {
        let event = match signals.wait() {
            Ok(Signal::SIGCHLD) => Event::ChildEnded,
            Ok(Signal::SIGTERM) => Event::Terminate,
            // An interrupt or a closed terminal is meant for one of the users.
            _ => continue,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

fn await_last_user(users_lock: &Path, events: &Sender<Event>) {
    let event = match lock::exclusive(users_lock) {
        Ok(lock) => Event::Unused(lock),
        Err(error) => {
            note(&error.to_string());
            Event::Terminate
        }
    };
    let _ = events.send(event);
}

fn note(text: &str) {
    eprintln!("{PREFIX}{} {text}", clock::now().format("%FT%TZ"));
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_that_grows_for_years_stays_short_under_who_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let mut writer = home.open_log().unwrap();
        let (sender, events) = channel();
        let (log, earlier) = (home.log(), dir.path().join("server.log.1"));
        let long = |log: &Path| fs::metadata(log).is_ok_and(|meta| meta.len() > 4 << 20);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    writer.write_all(&vec![b'x'; 5 << 20]).unwrap();
                    while long(&log) {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
                writer.write_all(b"short").unwrap();
                sender.send(Event::Terminate).unwrap();
            });
            assert!(matches!(next(&home, &events, Duration::from_millis(5)), Event::Terminate));
        });
        assert!(fs::read(&log).unwrap().ends_with(b"short") && !long(&log));
        assert!(long(&earlier));
    }

    #[test]
    fn the_last_words_are_ours_and_not_the_servers() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("server.log");
        assert_eq!(last_words(&log), None);
        fs::write(&log, "hiersync: 2026-01-01T00:00:00Z one\nhiersync: 2026-01-01T00:00:00Z two words\nLOG:  x\n").unwrap();
        assert_eq!(last_words(&log).as_deref(), Some("two words"));
    }
}
