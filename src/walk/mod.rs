//! What the answers mean: passes over lists, what settles them, decisions. Pure: knows neither SQL nor HTTP.

pub mod decide;
pub mod directory;
pub mod page_seen;
pub mod pass;
pub mod settle;
pub mod verdict;
