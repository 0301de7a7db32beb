//! When the next call may go: exact windows over a shared ledger. Knows no vendor and no SQL.

pub mod ledger;
pub mod purse;
pub mod window;
