//! The `postgres` process: how it is started, stopped, and outlived by nothing.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        prctl::set_pdeathsig,
        signal::{SigSet, Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid, getppid},
};

use super::{error::EmbeddedError, home::Home, postmaster::Postmaster, socket};
use crate::clock;

const POLL: Duration = Duration::from_millis(10);
/// How long the last checkpoint may take before the server is stopped without one; the last user waits 10 s. Postgres 15
/// that is asked to stop in mid-recovery waits a minute for a checkpointer that it does not start any more.
const FAST_LIMIT: Duration = Duration::from_secs(7);
/// After 5 s Postgres itself kills what is left.
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(7);

/// What the command line of a server of ours contains.
pub(super) const OURS: &str = "cluster_name=hiersync";

/// Small, safe, quiet. Messages of statements stay out of the log, since they quote rows; `log` is above `error` there.
const SETTINGS: [&str; 14] = [
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    OURS,
    "max_connections=100",
    "shared_buffers=64MB",
    "fsync=on",
    "full_page_writes=on",
    "wal_compression=on",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=log",
    "log_checkpoints=off",
    // To compile an analyst's question can take as long as to answer it: docs/performance.md.
    "jit=off",
];

/// A child that listens on the socket; dropping it leaves it running.
#[derive(Debug)]
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts it; whether it gets ready is for its users to see.
    pub(super) fn start(home: &Home, bin: &Path) -> Result<Self, EmbeddedError> {
        socket::prepare(home.socket_dir(), home.account())?;
        let program = bin.join("postgres");
        let mut command = program_of(home, &program, Signal::SIGINT);
        command.arg("-D").arg(home.pgdata()).arg("-c").arg(format!("unix_socket_directories={}", socket::quote(home.socket_dir())));
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let child = command.stdin(Stdio::null()).spawn().map_err(EmbeddedError::io("run", &program))?;
        Ok(Self { child })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends it: at first with a checkpoint, if that takes too long without, at last by force. One that has not begun to
    /// serve has nothing to write.
    pub(super) fn stop(&mut self, pgdata: &Path) {
        let serves = Postmaster::read(pgdata).is_some_and(|postmaster| postmaster.ready);
        let ways = [(Signal::SIGINT, FAST_LIMIT), (Signal::SIGQUIT, IMMEDIATE_LIMIT), (Signal::SIGKILL, IMMEDIATE_LIMIT)];
        for (signal, limit) in ways.into_iter().skip(usize::from(!serves)) {
            if self.ends_within(signal, limit) {
                return;
            }
        }
    }

    fn ends_within(&mut self, signal: Signal, limit: Duration) -> bool {
        if !matches!(self.ended(), Ok(None)) {
            return true;
        }
        // Not collected yet, so the number is still its own.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), signal);
        let began = clock::instant();
        while began.elapsed() < limit {
            if !matches!(self.ended(), Ok(None)) {
                return true;
            }
            std::thread::sleep(POLL);
        }
        false
    }
}

/// One of the server's programs as the server's user, which gets `signal` when this process dies. The calling thread
/// must live as long as the process. The environment stays behind: it may hold secrets.
pub(super) fn program_of(home: &Home, program: &Path, signal: Signal) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir(home.dir());
    home.account().run(&mut command);
    let parent = getpid();
    let in_child = move || {
        set_pdeathsig(signal)?;
        // The supervisor's threads block the signals that it waits for.
        SigSet::empty().thread_set_mask()?;
        if getppid() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    #[expect(unsafe_code, reason = "the parent-death signal can only be set between fork and exec; three plain system calls")]
    unsafe {
        command.pre_exec(in_child);
    }
    command
}

/// Kills and collects what a server left that was killed: its backends would go on writing to the shared memory, and
/// none can start while they do. They are our children since we are their subreaper.
pub(super) fn clear_orphans() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {
                for pid in children() {
                    let _ = kill(pid, Signal::SIGKILL);
                }
                std::thread::sleep(POLL);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

fn children() -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter_map(|stat| parse_stat(&stat)).filter(|(_, parent)| *parent == getpid()).map(|(pid, _)| pid).collect()
}

/// A process and its parent, from `/proc/<pid>/stat`: the name between them may hold spaces and brackets.
fn parse_stat(stat: &str) -> Option<(Pid, Pid)> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
    Some((Pid::from_raw(pid), Pid::from_raw(parent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_does_not_hide_its_parent() {
        assert_eq!(parse_stat("12 (a) b (c) S 7 12 12 0"), Some((Pid::from_raw(12), Pid::from_raw(7))));
        assert_eq!(parse_stat("12"), None);
    }

    #[test]
    fn a_child_of_ours_is_among_our_children() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children().contains(&Pid::from_raw(child.id().cast_signed())));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
