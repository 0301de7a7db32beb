//! What a run is doing right now, for whoever looks: a progress bar, systemd's status line and its watchdog, `/metrics`.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
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
    waits: Mutex<Waits>,
    progressed_at: Mutex<Instant>,
}

/// Calls that wait for the budget. Those that wait at once are one wait of the run.
#[derive(Debug)]
struct Waits {
    now: u32,
    /// Up to here it is in the sum, if a call waits.
    summed_to: Instant,
    sum: Duration,
    told_ms: u64,
}

/// A call that waits for the budget, until this is dropped.
pub struct Waiting<'g>(&'g Gauges);

impl Waiting<'_> {
    /// Milliseconds in which the run waited, as far as they were not told before.
    pub fn counts(&self) -> u64 {
        let mut waits = self.0.waits();
        let now = clock::instant();
        let since = now - waits.summed_to;
        waits.sum += since;
        waits.summed_to = now;
        let all = u64::try_from(waits.sum.as_millis()).unwrap_or(u64::MAX);
        let news = all - waits.told_ms;
        waits.told_ms = all;
        news
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waits().now -= 1;
        self.0.progress();
    }
}

impl Default for Gauges {
    fn default() -> Self {
        Self {
            calls: AtomicU64::default(),
            pages: AtomicU64::default(),
            rows: AtomicU64::default(),
            waited_ms: AtomicU64::default(),
            waits: Mutex::new(Waits { now: 0, summed_to: clock::instant(), sum: Duration::ZERO, told_ms: 0 }),
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
        let mut waits = self.waits();
        if waits.now == 0 {
            waits.summed_to = clock::instant();
        }
        waits.now += 1;
        Waiting(self)
    }

    /// Does a call wait for the budget?
    pub fn is_waiting(&self) -> bool {
        self.waits().now > 0
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_wait_one_after_the_other_and_at_once_are_one_wait() {
        let gauges = Gauges::default();
        let step = Duration::from_millis(20);
        let began = clock::instant();
        let mut told = 0;
        let mut last = gauges.wait();
        for _ in 0..10 {
            std::thread::sleep(step);
            let next = gauges.wait();
            told += last.counts();
            last = next;
        }
        drop(last);
        let (least, most) = (Duration::from_millis(200), began.elapsed());
        assert!((least..=most).contains(&Duration::from_millis(told)), "{told} ms");
        // Nobody waits: it is not counted.
        std::thread::sleep(step);
        let began = clock::instant();
        let wait = gauges.wait();
        let told = Duration::from_millis(wait.counts());
        assert!(told <= began.elapsed() + Duration::from_millis(1), "a time in which nobody waited counts");
    }
}
