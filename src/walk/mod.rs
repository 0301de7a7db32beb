//! What the answers mean: lists, seams, decisions. Pure: knows neither SQL nor HTTP.

pub mod decide;
pub mod list;
pub mod progress;
pub mod reach;
pub mod roster;
pub mod verdict;
