//! How a run is asked for.

use std::time::Duration;

use crate::model::run::Trigger;

/// How a run is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Who asked.
    pub trigger: Trigger,
    /// `--max-calls`.
    pub max_calls: Option<u32>,
    /// `--dry-run`.
    pub dry_run: bool,
    /// Only what `hiersync refresh` asks for.
    pub is_refresh: bool,
    /// `--accept-retire`.
    pub accept_retire: bool,
    /// No run is wanted if another one has served it.
    pub unless: Option<Unless>,
}

/// What leaves nothing to a run.
#[derive(Debug, Clone, Copy)]
pub enum Unless {
    /// One that has begun within this time.
    Begun(Duration),
    /// One that has come to its walk's end within this time.
    Ended(Duration),
    /// One that was orphaned, and is closed by now: somebody else has gone on with it, or its process lived after all.
    Closed,
}

impl Wanted {
    /// A whole run, without conditions.
    pub const fn by(trigger: Trigger) -> Self {
        Self { trigger, max_calls: None, dry_run: false, is_refresh: false, accept_retire: false, unless: None }
    }
}
