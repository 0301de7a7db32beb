//! Brings one source's walk forward: work from the store, permit from the budget, page from the vendor, one
//! transaction. Whoever asks for a run comes through here.

mod asked;
pub mod call_error;
pub mod caller;
mod cap;
mod columns;
pub mod context;
mod directory;
pub mod finish;
mod flight;
mod full_page;
pub mod gauges;
pub mod halt;
mod judge;
mod keep;
mod left_open;
mod links;
mod lost;
mod managers;
pub mod open;
pub mod page;
mod page_plan;
pub mod plainly;
pub mod queue;
pub mod quota;
pub mod reader;
pub mod refresh;
mod refused;
mod remark;
pub mod report;
pub mod retry;
pub mod roots;
pub mod rows;
pub mod run;
mod settle;
pub mod terms;
mod told;
mod trees;
mod turns;
pub mod wanted;
pub mod writing;

use chrono::{DateTime, Utc};

use crate::{budget::ledger::LedgerError, vendor_api::error::VendorError};

/// Why a run ends before its walk does.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// A signal, or `--max-calls`.
    #[error("stopped")]
    Stopped,
    /// The budget is spent, or the vendor keeps refusing.
    #[error("{why}")]
    Throttled {
        /// For people.
        why: String,
        /// When it may go on.
        resume_at: Option<DateTime<Utc>>,
    },
    /// The vendor fails for good, or refuses the credentials.
    #[error(transparent)]
    Vendor(VendorError),
    /// The database fails.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The budget's ledger fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Somebody else has taken the source over; nothing more may be written.
    #[error("somebody else has taken the source over")]
    LeaseLost,
}

impl From<sqlx::Error> for Interrupted {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
