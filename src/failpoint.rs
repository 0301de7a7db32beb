//! Moments between a permit and its commit at which a test kills the process. Only a build for tests has them: there the crate
//! `fail` has its feature `failpoints`; without it every moment compiles to nothing.

use std::time::Duration;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A moment at which nothing may be lost if the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::AsRefStr, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Moment {
    /// The lease is taken and the run's row is written, and neither is committed.
    RunOpening,
    /// Both are committed.
    RunOpened,
    /// A trade with the budget's ledger is written and not committed.
    Trading,
    /// A permit is bought, and its call is not sent.
    PermitBought,
    /// The vendor has answered, and the ledger does not know that the call has ended.
    Answered,
    /// The call has ended, and nothing of its answer is written.
    CallEnded,
    /// A write transaction has begun.
    WriteBegun,
    /// Rows and changes of a page are written.
    RowsWritten,
    /// The place of the list is written, too.
    ListSaved,
    /// The links, too.
    LinksWritten,
    /// The lists that follow, too.
    ListsQueued,
    /// The counters, too: only the commit is missing.
    Counted,
    /// A transaction is committed, and memory does not know it.
    Committed,
    /// What is gone is retired, and the walk is not closed.
    Retired,
    /// The trees are settled, too.
    Settled,
    /// Walk and run are closed, and it is not committed.
    Closing,
    /// Walk and run are closed.
    Closed,
}

/// Passes a moment, unless a test has asked for the process to die there.
pub fn pass(moment: Moment) {
    fail::fail_point!(moment.as_ref(), |_| die());
    let _ = moment;
}

/// Never goes on, where a test has asked for that.
pub async fn hang() {
    if is_armed("hang") {
        std::future::pending::<()>().await;
    }
}

fn is_armed(point: &str) -> bool {
    fail::fail_point!(point, |_| true);
    let _ = point;
    false
}

/// How long something is waited for: as usual, but where a test has less time.
pub fn patience(usual: Duration) -> Duration {
    fail::fail_point!("patience", |seconds| seconds.and_then(|text| text.parse().ok()).map_or(usual, Duration::from_secs));
    usual
}

/// Arms the moments that the variable `FAILPOINTS` names, as long as the value lives.
pub fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// As a crash does: no destructor runs, no buffer is written.
#[allow(dead_code, reason = "without failpoints nobody dies")]
fn die() {
    let _ = kill(Pid::this(), Signal::SIGKILL);
}
