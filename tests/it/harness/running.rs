//! A program that was started and not yet waited for. It does not outlive its test.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, ExitStatus},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use hiersync::clock;
use tokio::process::Child;

use super::{
    program::{Ended, Program},
    until::until,
};

/// A running program, whose output goes to files: nobody has to read it for the program to go on.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Starts it.
    pub fn start(program: &Program, args: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = program.config_file().parent().unwrap().to_owned();
        let (out, err) = (folder.join(format!("{number}.out")), folder.join(format!("{number}.err")));
        let mut command = program.command(args);
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        Self { child, out, err }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("nobody has waited for it")
    }

    /// What it has complained so far.
    pub fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        send(signal, self.pid());
    }

    /// Waits until it has complained so.
    pub async fn says(&self, words: &str, within: Duration) {
        until(&format!("the program says {words:?}; so far: {}", self.err()), within, async || self.err().contains(words)).await;
    }

    /// Waits for its end, which must come within this time. A code of -1 is that of a program that was killed.
    pub async fn end(mut self, within: Duration) -> Ended {
        let waited = tokio::time::timeout(within, self.child.wait()).await;
        let status: ExitStatus = waited.unwrap_or_else(|_| panic!("still there after {within:?}: {}", self.err())).unwrap();
        Ended { code: status.code().unwrap_or(-1), out: fs::read_to_string(&self.out).unwrap(), err: self.err() }
    }

    /// Asks it to stop and waits; gives how long that took, too.
    pub async fn stop(self, signal: &str, within: Duration) -> (Ended, Duration) {
        let began = clock::instant();
        self.signal(signal);
        (self.end(within).await, began.elapsed())
    }

    /// Ends it as a crash does. Whoever watches over its machine collects it at once.
    pub async fn kill(self) {
        self.killed().await;
    }

    /// The same. It may have ended by itself before.
    pub async fn killed(mut self) -> Ended {
        let _ = self.child.start_kill();
        self.end(Duration::from_secs(5)).await
    }
}

/// Sends a signal to a process.
pub fn send(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success(), "kill {signal} {pid}");
}

/// A test that fails tells what the program had to say.
impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the program said: {}", fs::read_to_string(&self.err).unwrap_or_default());
        }
    }
}
