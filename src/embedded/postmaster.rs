//! What a running server says about itself in `postmaster.pid`, and what a dead one left there.

use std::{fs, io, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{error::EmbeddedError, server::OURS};
use crate::clock;

const FILE: &str = "postmaster.pid";
const POLL: Duration = Duration::from_millis(20);
/// A server that lost its supervisor was told to stop and writes a last checkpoint.
const PATIENCE: Duration = Duration::from_secs(10);
const LEAVING_LIMIT: Duration = Duration::from_secs(20);

/// The two lines of the file that matter here.
#[derive(Debug, PartialEq, Eq)]
pub struct Postmaster {
    /// Line 1; negative for a server that runs without connections.
    pub pid: i32,
    /// Line 8.
    pub ready: bool,
}

impl Postmaster {
    /// What stands in the data directory; `None` when no server runs or it has only begun.
    pub(super) fn read(pgdata: &Path) -> Option<Self> {
        parse(&fs::read_to_string(pgdata.join(FILE)).ok()?)
    }
}

fn parse(text: &str) -> Option<Postmaster> {
    let pid = text.lines().next()?.trim().parse().ok()?;
    Some(Postmaster { pid, ready: text.lines().nth(7).is_some_and(|line| line.trim() == "ready") })
}

/// Waits until the server of a supervisor that was killed has gone, and makes what it left harmless.
pub(super) fn outlive(pgdata: &Path) -> Result<(), EmbeddedError> {
    let began = clock::instant();
    while let Some(postmaster) = Postmaster::read(pgdata) {
        let command = command_line(postmaster.pid);
        if !has(&command, pgdata.as_os_str().as_encoded_bytes()) {
            return adopt(pgdata).map_err(EmbeddedError::io("renew", &pgdata.join(FILE)));
        }
        if began.elapsed() > PATIENCE && has(&command, OURS.as_bytes()) {
            let _ = kill(Pid::from_raw(postmaster.pid.abs()), Signal::SIGQUIT);
        }
        if began.elapsed() > LEAVING_LIMIT {
            return Err(EmbeddedError::StillRunning { pid: postmaster.pid.abs(), pgdata: pgdata.to_owned() });
        }
        std::thread::sleep(POLL);
    }
    // A disk that was full leaves it empty, and Postgres then wants a person to remove it.
    let file = pgdata.join(FILE);
    match fs::read_to_string(&file) {
        Ok(text) if text.trim().is_empty() => fs::remove_file(&file).map_err(EmbeddedError::io("remove the empty", &file)),
        _ => Ok(()),
    }
}

/// Empty for a zombie that nobody collects; somebody else's, when the number was given away again.
fn command_line(pid: i32) -> Vec<u8> {
    fs::read(Path::new("/proc").join(pid.abs().to_string()).join("cmdline")).unwrap_or_default()
}

fn has(command: &[u8], argument: &[u8]) -> bool {
    command.split(|byte| *byte == 0).any(|part| part == argument)
}

/// Postgres refuses to start while the process in the file exists, unless that is its own parent. Writing ourselves
/// there, instead of removing the file, leaves its other check in force: that no backend of the dead server lives.
fn adopt(pgdata: &Path) -> io::Result<()> {
    let path = pgdata.join(FILE);
    let text = fs::read_to_string(&path)?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    fs::write(&path, format!("{}\n{rest}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = "4711\n/d/pgdata\n1700000000\n5432\n/d/run\n\n  5432001   98304\nready   \n";

    #[test]
    fn a_server_is_ready_when_its_eighth_line_says_so() {
        assert_eq!(parse(READY), Some(Postmaster { pid: 4711, ready: true }));
        assert_eq!(parse(&READY.replace("ready   ", "stopping")), Some(Postmaster { pid: 4711, ready: false }));
        assert_eq!(parse("4711\n/d/pgdata\n"), Some(Postmaster { pid: 4711, ready: false }));
        assert_eq!(parse("-4711\n").map(|postmaster| postmaster.pid), Some(-4711));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn what_a_dead_server_left_is_kept_but_for_its_process() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), READY.replace("4711", &std::process::id().to_string())).unwrap();
        outlive(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), READY.replace("4711", &std::process::id().to_string()));
    }

    #[test]
    fn nothing_left_is_nothing_to_wait_for() {
        outlive(tempfile::tempdir().unwrap().path()).unwrap();
    }
}
