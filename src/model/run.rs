//! A run and how it ended, in the words of the tables.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum Trigger {
    /// The timetable.
    Schedule,
    /// A person at the command line.
    Manual,
    /// The daemon, for a firing missed while it was down.
    Startup,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::AsRefStr, strum::Display, strum::EnumString, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Every list was read to its end and proven whole, and what is gone was retired.
    Complete,
    /// It ended by itself, but something could not be proven or reached; findings say what.
    Partial,
    /// The budget is spent or the vendor keeps refusing; the next run goes on from there.
    Throttled,
    /// A signal or `--max-calls`; the next run goes on from there.
    Stopped,
    /// An error a person must see.
    Failed,
    /// Its process died; written by whoever takes over.
    Abandoned,
}

/// What one step of a run did, and by addition what the run did: the counters of `sync_run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, derive_more::AddAssign)]
pub struct Counters {
    /// Every call, token and lookup calls too.
    pub requests: i64,
    /// The vendor's refusals for the budget's sake.
    pub throttled: i64,
    /// Calls that repeat one that failed.
    pub retried: i64,
    /// Vendor answers that were taken in.
    pub pages: i64,
    /// Rows as received.
    pub rows_seen: i64,
    /// Nodes, once each per walk.
    pub inserted: i64,
    /// Nodes, once each per walk.
    pub updated: i64,
    /// Nodes, once each per walk.
    pub unchanged: i64,
    /// Nodes.
    pub retired: i64,
    /// Nodes, once each per walk.
    pub restored: i64,
    /// Milliseconds in which a call waited for the budget.
    pub wait_ms: i64,
    /// Milliseconds of requests, summed over requests that ran at once.
    pub fetch_ms: i64,
    /// Milliseconds of transactions, summed likewise.
    pub write_ms: i64,
}

impl Counters {
    /// Nodes that were met.
    pub fn nodes(&self) -> i64 {
        self.inserted + self.updated + self.unchanged + self.restored
    }
}

/// What the daemon does for a source at this moment, which is known without the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The source.
    pub source: String,
    /// In one word.
    pub state: State,
    /// A run of this process holds its lease.
    pub has_lease: bool,
    /// How long its run has done nothing; none while it has no run.
    pub standstill: Option<Duration>,
    /// When its schedule fires next.
    pub next_due: Option<DateTime<Utc>>,
    /// From then to the firing after.
    pub period: Option<TimeDelta>,
    /// For how long it has been due without being begun with.
    pub lag: Duration,
}

/// What the daemon does for a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::AsRefStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Nothing, until it is due.
    Idle,
    /// A run is in progress.
    Running,
    /// Another process has a run in progress, and is looked after.
    Standby,
    /// The budget is spent: its walk goes on later.
    Resting,
    /// The last run failed because something was not available, and is tried again soon.
    Retrying,
    /// Its schedule is stopped.
    Paused,
    /// It cannot run before something is changed: a secret, the config.
    Refused,
}

/// What a daemon knows of itself.
#[derive(Debug, Clone, Default)]
pub struct Daemon {
    /// Its sources.
    pub sources: Vec<Live>,
    /// Why it cannot do its work, though it lives: another start may help.
    pub ails: Option<String>,
    /// Why it cannot do all of it, whatever is started: a person must change something.
    pub lacks: Option<String>,
}
