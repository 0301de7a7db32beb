//! When the next call may go: exact windows over a shared ledger. Knows no vendor and no SQL.

pub mod book;
pub mod ledger;
pub mod pace;
pub mod purse;
pub mod window;

use std::time::Duration;

/// A wait for a permit longer than this ends the run; the next one goes on.
pub const PATIENCE: Duration = Duration::from_secs(10 * 60);
