//! All SQL. Never sees HTTP. One function is one statement; the caller owns the transaction. That a statement fails when the database
//! does is said here, once.

pub mod book;
pub mod change;
pub mod conn;
pub mod connect;
pub mod connect_error;
pub mod customer;
mod customer_columns;
pub mod doubt;
pub mod facts;
pub mod figures;
pub mod finding;
pub mod forget;
pub mod frontier;
pub mod keep;
mod known_page;
pub mod lease;
pub mod ledger;
pub mod links;
pub mod look;

pub mod mirror;
mod naming;
pub mod nodes;
pub mod place;
pub mod plan;
pub mod process;
mod profile;
pub mod queued;
pub mod refresh;
pub mod report;
pub mod reporting;
pub mod retire;
pub mod rights;
pub mod root;
pub mod run;
mod schema;
pub mod session;
pub mod source;
mod staged;
pub mod tree;
mod tree_links;
mod tree_settled;
pub mod user;
mod user_columns;
pub mod walk;
pub mod wanted;
