//! All SQL. Never sees HTTP. One function is one statement; the caller owns the transaction.

pub mod book;
pub mod change;
pub mod conn;
pub mod connect;
pub mod customer;
pub mod figures;
pub mod finding;
pub mod frontier;
mod history;
pub mod lease;
pub mod ledger;
pub mod mirror;
pub mod parent;
pub mod plan;
pub mod process;
mod profile;
pub mod report;
pub mod reread;
pub mod retire;
pub mod root;
pub mod roster;
pub mod run;
pub mod session;
pub mod source;
pub mod tree;
pub mod user;
