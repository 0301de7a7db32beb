//! What a run's calls need to know of their source.

use std::time::Duration;

use crate::config::Source;

/// What a caller needs to know of its source.
pub struct Terms {
    /// One request's time.
    pub timeout: Duration,
    /// The shortest window of the budget.
    pub shortest_window: Duration,
    /// `--max-calls`.
    pub max_calls: Option<u32>,
    /// Runs right before that the vendor has refused from the first call to the last.
    pub refused_before: u32,
}

impl Terms {
    /// Those of a source.
    pub fn of(source: &Source, max_calls: Option<u32>, refused_before: u32) -> Self {
        // A budget has a window; a config without one would have been refused.
        let shortest_window = source.limits.iter().map(|limit| limit.window).min().unwrap_or(Duration::from_secs(60));
        Self { timeout: source.timeout, shortest_window, max_calls, refused_before }
    }
}
