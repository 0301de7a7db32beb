//! When the next call may go: exact windows over a shared ledger. Knows no vendor and no SQL.

pub mod book;
pub mod forecast;
pub mod ledger;
pub mod pace;
pub mod purse;
pub mod window;
