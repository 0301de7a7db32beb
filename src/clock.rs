//! The one owner of time. Order between processes comes from the database's clock, not from here.
#![expect(clippy::disallowed_methods, reason = "everybody else must ask this file")]

use std::time::Instant;

use chrono::{DateTime, Utc};

/// The wall clock.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A clock that only goes forward, for spans inside this process.
pub fn instant() -> Instant {
    Instant::now()
}
