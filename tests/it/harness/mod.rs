//! What the tests stand on.

pub mod browser;
pub mod case;
pub mod gate;
pub mod page;
pub mod pooler;
pub mod postgres;
pub mod program;
pub mod running;
pub mod server;
pub mod settled;
pub mod tables;
pub mod terminal;
pub mod until;
pub mod vendors;
