//! What a run is doing right now, for whoever looks: a progress bar, systemd's status line.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Live numbers of one run.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Calls sent.
    pub calls: AtomicU64,
    /// Answers taken in.
    pub pages: AtomicU64,
    /// Rows as received.
    pub rows: AtomicU64,
    /// Milliseconds of waiting for the budget.
    pub waited_ms: AtomicU64,
    /// It waits for the budget now.
    pub is_waiting: AtomicBool,
}

impl Gauges {
    /// Adds to one of the numbers.
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Reads one of the numbers.
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
