//! What the purse needs of a ledger; the one implementation is in `store`.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::model::limit::Limit;

/// Permits bought together have been used: the ledger may count them to their real end.
#[derive(Debug, Clone, Copy)]
pub struct Settlement {
    /// The batch.
    pub batch_id: i64,
    /// How many of its permits were used for a call.
    pub used: u32,
    /// When the last of the calls ended, by this process's clock.
    pub ended: Instant,
}

/// How many permits are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Now, if it can be. 0: none.
    pub now: u32,
    /// At least as many: those that will be used soon. They are to be had where every window stays half empty with them. Permits that
    /// are bought together count until the last of their calls has ended: where there is room, nobody waits for that.
    pub soon: u32,
}

impl From<u32> for Wants {
    fn from(now: u32) -> Self {
        Self { now, soon: now }
    }
}

/// Permits that are settled together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bought {
    /// To settle them by.
    pub batch_id: i64,
    /// At least one.
    pub calls: u32,
}

/// What came of wanting permits.
#[derive(Debug, Clone)]
pub enum Trade {
    /// Bought: so many calls may be sent, soon.
    Bought(Vec<Bought>),
    /// None now.
    Wait(Wait),
}

/// Why and how long there is no permit.
#[derive(Debug, Clone)]
pub struct Wait {
    /// From now, by the database's clock.
    pub wait: Duration,
    /// The same as a time, for people.
    pub until: DateTime<Utc>,
    /// There is none before this time. Shorter than `wait` when that hangs on calls under way: ask again soon.
    pub at_least: Duration,
    /// For people.
    pub why: String,
}

/// The vendor refused: nobody calls for a while.
#[derive(Debug, Clone)]
pub struct Pause {
    /// How long, from now.
    pub wait: Duration,
    /// For people.
    pub why: String,
    /// A limit that the refusal stated.
    pub stated: Option<Limit>,
}

/// The ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot trade with the budget's ledger")]
pub struct LedgerError {
    /// Only the session with it was lost: with another it may work.
    pub is_lost: bool,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// One budget's ledger, shared by all processes.
pub trait Ledger: Send + Sync {
    /// Settles what has ended, then buys what is wanted, or what there is of it, in one transaction. Who must wait keeps its place;
    /// who wants none gives it up.
    ///
    /// # Errors
    /// When the database does not answer; nothing is bought then.
    fn trade(&self, settle: &[Settlement], wants: Wants) -> impl Future<Output = Result<Trade, LedgerError>> + Send;

    /// Pauses the whole budget, for every process. A limit that the refusal stated is kept if it says more than those
    /// configured; a refusal that the limits do not explain slows the pace.
    fn pause(&self, pause: &Pause) -> impl Future<Output = Result<(), LedgerError>> + Send;
}
