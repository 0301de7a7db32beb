//! How runs end, or why there was none, for whoever asked for them.

use super::Interrupted;
use crate::{
    model::run::Outcome,
    store::{
        finding::FindingRow,
        lease::Holder,
        report::{ChangeRow, RunRow},
    },
    vendor_api::error::VendorError,
};

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it failed, for the exit code.
    pub cause: Option<Cause>,
    /// Why it ended before its walk, in words.
    pub why: Option<String>,
    /// Its closed row; `None` when it cannot be read, as where the database was lost.
    pub row: Option<RunRow>,
    /// For a dry run: what would change, newest first.
    pub changes: Vec<ChangeRow>,
    /// What explains that it was not complete, in the order in which it was met.
    pub findings: Vec<FindingRow>,
}

/// What a failed run failed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The vendor is not available: waiting may help.
    Unavailable,
    /// The database is not: waiting may help, too.
    Database,
    /// The vendor answers, and not with what the walk needs: waiting does not help.
    Refused,
    /// The vendor refuses the credentials.
    Credentials,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum NoRun {
    /// Somebody else runs it.
    #[error("source {name} is being synced by someone else{}", whom(.holder))]
    Busy {
        /// The source.
        name: String,
        /// Who, where known.
        holder: Option<Holder>,
    },
    /// A run of this firing has begun elsewhere, and may be over.
    #[error("source {name} is synced by another daemon at this firing")]
    Begun {
        /// The source.
        name: String,
    },
    /// Its schedule is stopped.
    #[error("source {name} is paused: `hiersync resume {name}` goes on")]
    Paused {
        /// The source.
        name: String,
    },
    /// The name belonged to another vendor.
    #[error("source {name} was mirrored from another vendor before: give the new source a new name")]
    OtherVendor {
        /// The source.
        name: String,
    },
    /// The database fails.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

fn whom(holder: &Option<Holder>) -> String {
    match holder {
        Some(holder) if holder.is_here => format!(" (process {} on this machine)", holder.pid),
        Some(holder) => format!(" (process {} on another machine)", holder.pid),
        None => String::new(),
    }
}

/// The one of several workers' ends that tells most: a worker that was stopped only followed another.
pub(super) fn worst(ended: Vec<Result<(), Interrupted>>) -> Result<(), Interrupted> {
    let mut stopped = Ok(());
    for end in ended {
        match end {
            Ok(()) => {}
            Err(Interrupted::Stopped) => stopped = Err(Interrupted::Stopped),
            Err(other) => return Err(other),
        }
    }
    stopped
}

/// How a run ends that ends before its walk.
pub(super) fn verdict(interrupted: &Interrupted) -> (Outcome, Option<Cause>) {
    match interrupted {
        Interrupted::Stopped => (Outcome::Stopped, None),
        Interrupted::Throttled { .. } => (Outcome::Throttled, None),
        Interrupted::Vendor(VendorError::Unauthorised(_)) => (Outcome::Failed, Some(Cause::Credentials)),
        Interrupted::Vendor(
            VendorError::Rejected(_) | VendorError::TooLarge(_) | VendorError::WrongShape(_) | VendorError::Untrusted(_),
        ) => (Outcome::Failed, Some(Cause::Refused)),
        Interrupted::Vendor(_) => (Outcome::Failed, Some(Cause::Unavailable)),
        Interrupted::Database(_) | Interrupted::Ledger(_) => (Outcome::Failed, Some(Cause::Database)),
        // Whoever took over has closed the run so.
        Interrupted::LeaseLost => (Outcome::Abandoned, None),
    }
}
