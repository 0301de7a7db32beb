//! Plain data that every room speaks: nodes, runs, limits. Knows neither SQL nor HTTP.

pub mod customer;
mod customer_content;
pub mod difference;
pub mod digest;
pub mod finding;
pub mod limit;
pub mod node;
pub mod object;
pub mod reach;
pub mod run;
pub mod user;
