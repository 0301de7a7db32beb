//! What the daemon does for one source, for whoever looks.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::{
    model::run::{Live, State},
    sync::gauges::Gauges,
};

/// What a source's runner is doing.
#[derive(Debug, Clone)]
pub enum Doing {
    /// Nothing.
    Idle,
    /// A run.
    Running(Arc<Gauges>),
    /// Waiting for the budget to go on with a walk.
    Resting(DateTime<Utc>),
    /// Waiting for what was not available.
    Retrying(DateTime<Utc>),
    /// Another process runs it.
    Standby,
    /// Its schedule is stopped, since then.
    Paused(DateTime<Utc>),
    /// Waiting for other credentials; tried again then.
    Barred(DateTime<Utc>),
    /// Waiting for a change, of what the log says.
    Refused,
}

impl Doing {
    fn state(&self) -> State {
        match self {
            Self::Idle => State::Idle,
            Self::Running(_) => State::Running,
            Self::Resting(_) => State::Resting,
            Self::Retrying(_) => State::Retrying,
            Self::Standby => State::Standby,
            Self::Paused(_) => State::Paused,
            Self::Barred(_) | Self::Refused => State::Refused,
        }
    }

    /// For people, in a few words.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Idle => "idle".into(),
            Self::Running(progress) => format!("{} pages, {} rows", Gauges::read(&progress.pages), Gauges::read(&progress.rows)),
            Self::Standby => "another process is syncing it".into(),
            Self::Refused => "it could not be begun: the log says why".into(),
            Self::Barred(until) => format!("the credentials are refused, tried again at {}", until.format("%Y-%m-%d %H:%M:%S UTC")),
            Self::Paused(since) => format!("paused since {}", since.format("%H:%M:%S UTC")),
            Self::Retrying(at) => format!("not available, tried again at {}", at.format("%H:%M:%S UTC")),
            Self::Resting(until) => format!("budget spent, goes on at {}", until.format("%H:%M:%S UTC")),
        }
    }

    /// The same as `/metrics` tells it.
    pub(super) fn live(&self, source: &str) -> Live {
        let run = if let Self::Running(gauges) = self { Some(gauges) } else { None };
        Live {
            source: source.to_owned(),
            state: self.state(),
            has_lease: run.is_some_and(|gauges| gauges.has_lease.load(Ordering::Relaxed)),
            standstill: run.map(|gauges| gauges.standstill()),
            next_due: None,
            period: None,
            lag: Duration::ZERO,
        }
    }
}
