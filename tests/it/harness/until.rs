//! Waiting, the one way there is: for a condition, with a limit of time.

use std::time::Duration;

use hiersync::clock;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// Looks until `condition` holds; it must within this time.
pub async fn until(what: &str, within: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let began = clock::instant();
    while !condition().await {
        assert!(began.elapsed() < within, "waited {within:?} in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whole seconds.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds.
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
