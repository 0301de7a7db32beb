//! What a run is doing right now, for whoever looks: a progress bar, systemd's status line and its watchdog, `/metrics`.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::clock;

/// Live numbers of one run.
#[derive(Debug)]
pub struct Gauges {
    /// Calls sent.
    pub calls: AtomicU64,
    /// Answers taken in.
    pub pages: AtomicU64,
    /// Rows as received.
    pub rows: AtomicU64,
    /// Milliseconds of waiting for the budget.
    pub waited_ms: AtomicU64,
    /// It holds the source's lease.
    pub has_lease: AtomicBool,
    waiting: AtomicU32,
    progressed_at: Mutex<Instant>,
}

/// A call that waits for the budget, until this is dropped.
pub struct Waiting<'g> {
    gauges: &'g Gauges,
    began: Instant,
    /// Of calls that wait at once only one is counted: the run waits once.
    is_first: bool,
}

impl Waiting<'_> {
    /// How long the run has waited with this call.
    pub fn counts(&self) -> Duration {
        if self.is_first { self.began.elapsed() } else { Duration::ZERO }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gauges.waiting.fetch_sub(1, Ordering::Relaxed);
        self.gauges.progress();
    }
}

impl Default for Gauges {
    fn default() -> Self {
        Self {
            calls: AtomicU64::default(),
            pages: AtomicU64::default(),
            rows: AtomicU64::default(),
            waited_ms: AtomicU64::default(),
            waiting: AtomicU32::default(),
            has_lease: AtomicBool::default(),
            progressed_at: Mutex::new(clock::instant()),
        }
    }
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

    /// A call waits for the budget from now on.
    pub fn wait(&self) -> Waiting<'_> {
        let is_first = self.waiting.fetch_add(1, Ordering::Relaxed) == 0;
        Waiting { gauges: self, began: clock::instant(), is_first }
    }

    /// Does a call wait for the budget?
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Something was done: a call has ended, a permit was got, a transaction or a part of a long one was written.
    pub fn progress(&self) {
        *self.progressed_at.lock().unwrap_or_else(PoisonError::into_inner) = clock::instant();
    }

    /// How long nothing was done. Waiting for the budget is no standstill, however long it takes.
    pub fn standstill(&self) -> Duration {
        if self.is_waiting() {
            return Duration::ZERO;
        }
        self.progressed_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
