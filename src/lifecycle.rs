//! Signals, spawning and systemd. Knows no domain.

use std::{
    future::Future,
    io::{self, Write},
    panic::AssertUnwindSafe,
    time::Duration,
};

use futures::FutureExt;
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// DECTCEM (ECMA-48 private mode 25), as every terminal knows it.
const SHOW_CURSOR: &[u8] = b"\x1b[?25h\n";

/// Work that runs beside the main path, and is waited for at the end.
#[derive(Default)]
pub struct Crew {
    tasks: JoinSet<()>,
}

impl Crew {
    /// Spawns a task. It must end soon after the stop is asked for. A process that has lost a part of itself through a fault of ours ends, so
    /// that whoever watches over it begins it anew.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async {
            if unless_faulty(task).await.is_none() {
                std::process::exit(FAULT);
            }
        });
    }

    /// Waits for the last one, so long at most; then ends the others. Gives how many had to be ended.
    pub async fn dismiss(mut self, within: Duration) -> usize {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            warn!("some work did not stop in time and is ended");
        }
        let left = self.tasks.len();
        self.tasks.shutdown().await;
        left
    }
}

/// `EX_SOFTWARE`.
const FAULT: i32 = 70;

/// What has come of this work; `None`: it has met a fault of ours, which is told.
pub async fn unless_faulty<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// From now on a fault of ours is told in one line: where it is, and nothing of what it was met with, which may be personal.
pub fn tell_faults() {
    std::panic::set_hook(Box::new(|fault| {
        let at = fault.location().map(ToString::to_string).unwrap_or_default();
        let what = fault.payload().downcast_ref::<&'static str>().copied().unwrap_or("no more is told, as it may be personal");
        error!(at, what, "a fault of ours: please report it");
    }));
}

/// A token that SIGTERM and SIGINT cancel.
pub fn stop_on_signals(crew: &mut Crew) -> io::Result<CancellationToken> {
    stop_on(crew, &[(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT")])
}

/// The same, and SIGHUP, as when the terminal is closed; not where somebody has said that it is ignored, as `nohup` does.
pub fn stop_on_signals_and_hangup(crew: &mut Crew) -> io::Result<CancellationToken> {
    let all = [(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT"), (SignalKind::hangup(), "SIGHUP")];
    stop_on(crew, if is_ignored(SignalKind::hangup()) { &all[..2] } else { &all })
}

fn stop_on(crew: &mut Crew, signals: &[(SignalKind, &'static str)]) -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for (kind, name) in signals {
        let (mut received, name, asked) = (signal(*kind)?, *name, stop.clone());
        crew.spawn(async move {
            tokio::select! {
                _ = received.recv() => info!("{name}: stopping"),
                () = asked.cancelled() => {}
            }
            asked.cancel();
        });
    }
    Ok(stop)
}

/// By what the kernel tells (`proc(5)`); elsewhere none is.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|ignored| ignored >> (signal.as_raw_value() - 1) & 1 == 1)
}

/// What a shell says of a program that was ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT ends the program with the terminal as it is now: a prompt may have hidden the cursor, or what is typed.
pub fn give_the_terminal_back(crew: &mut Crew) {
    let Ok(mut interrupt) = signal(SignalKind::interrupt()) else { return };
    let before = tcgetattr(io::stdin()).ok();
    crew.spawn(async move {
        interrupt.recv().await;
        let _ = before.map(|before| tcsetattr(io::stdin(), SetArg::TCSANOW, &before));
        let _ = io::stderr().write_all(SHOW_CURSOR);
        std::process::exit(INTERRUPTED);
    });
}

/// The SIGHUPs of this process, which would end it otherwise.
pub struct Hangups(Signal);

impl Hangups {
    /// Takes them from now on.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// What is told to systemd. Without systemd nothing happens.
#[derive(Debug, Clone, Copy)]
pub struct Systemd;

impl Systemd {
    /// The service is up.
    pub fn ready() {
        tell(&[NotifyState::Ready]);
    }

    /// One line for `systemctl status`.
    pub fn status(line: &str) {
        tell(&[NotifyState::Status(line)]);
    }

    /// It is alive.
    pub fn alive() {
        tell(&[NotifyState::Watchdog]);
    }

    /// It reads its config anew, until it is ready again.
    pub fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => warn!(error = %error, "systemd could not be told"),
        }
    }

    /// It goes down.
    pub fn stopping() {
        tell(&[NotifyState::Stopping]);
    }

    /// How often it must say that it is alive: twice in the time that the unit gives.
    pub fn alive_every() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|within| within / 2)
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(error = %error, "systemd could not be told");
    }
}
