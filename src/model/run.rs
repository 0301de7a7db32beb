//! A run and how it ended, in the words of the tables.

use std::{fmt, str::FromStr};

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The timetable.
    Schedule,
    /// A person at the command line.
    Manual,
    /// The daemon, for a firing missed while it was down.
    Startup,
}

impl Trigger {
    /// The word in `sync_run.trigger`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Startup => "startup",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

impl Outcome {
    const ALL: [Self; 6] = [Self::Complete, Self::Partial, Self::Throttled, Self::Stopped, Self::Failed, Self::Abandoned];

    /// The word in `sync_run.outcome`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Throttled => "throttled",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word).ok_or_else(|| format!("no outcome is called `{word}`"))
    }
}

/// What one step of a run did, and by addition what the run did: the counters of `sync_run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.throttled += other.throttled;
        self.retried += other.retried;
        self.pages += other.pages;
        self.rows_seen += other.rows_seen;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.retired += other.retired;
        self.restored += other.restored;
        self.wait_ms += other.wait_ms;
        self.fetch_ms += other.fetch_ms;
        self.write_ms += other.write_ms;
    }
}
