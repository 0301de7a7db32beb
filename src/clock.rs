//! The one owner of time. Order between processes comes from the database's clock, not from here.
#![expect(clippy::disallowed_methods, reason = "everybody else must ask this file")]

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime},
};

/// The wall clock.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A clock that only goes forward, for spans inside this process.
pub fn instant() -> Instant {
    Instant::now()
}

/// Time since this machine was started, asleep or awake. Two processes of one machine see the same.
pub fn uptime() -> TimeDelta {
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or(TimeSpec::new(0, 0));
    TimeDelta::seconds(uptime.tv_sec()) + TimeDelta::nanoseconds(uptime.tv_nsec())
}
