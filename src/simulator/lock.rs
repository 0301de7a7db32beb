//! How this room takes its locks. Knows nothing else.

use std::{
    sync::{Mutex, MutexGuard, TryLockError},
    time::Duration,
};

use crate::clock;

/// Far longer than any answer takes to be worked out.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

/// Waits for a lock, but not for good: who holds it already in the same expression is told so.
pub(super) fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    let start = clock::instant();
    loop {
        match lock.try_lock() {
            Ok(guard) => return guard,
            // A test that panicked while it held a lock must not hide its message behind that of a poisoned one.
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                assert!(start.elapsed() < LONGEST_HOLD, "a lock of the simulator is held twice or across an await")
            }
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}
