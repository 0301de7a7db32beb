//! Plain data that every room speaks: nodes, runs, limits. Knows neither SQL nor HTTP.

pub mod customer;
pub mod difference;
pub mod digest;
pub mod finding;
pub mod limit;
pub mod node;
pub mod reach;
pub mod run;
pub mod user;
