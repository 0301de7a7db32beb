//! What the tests stand on.

pub mod case;
pub mod postgres;
pub mod program;
pub mod tables;
