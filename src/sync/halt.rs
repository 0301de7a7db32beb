//! What ends a run's calls and waits: the run's own stop, or one for what is under way, after which the run may go on.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// Time that a request under way gets when a stop is asked for.
const GRACE: Duration = Duration::from_secs(4);

/// A run's stops.
pub struct Halt {
    run: CancellationToken,
    round: Mutex<CancellationToken>,
}

impl Halt {
    /// Of a run that ends with `run`.
    pub fn of(run: CancellationToken) -> Self {
        Self { round: Mutex::new(run.child_token()), run }
    }

    /// The stop of what is under way.
    pub fn round(&self) -> CancellationToken {
        self.round.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins anew after a stop that was not the run's.
    pub fn begin_round(&self) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = self.run.child_token();
    }

    /// Is the run to end?
    pub fn is_final(&self) -> bool {
        self.run.is_cancelled()
    }

    /// The request's result; `None` when a stop was asked for and it did not end in time.
    pub async fn unless_stopped<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        let round = self.round();
        let stopped = async {
            round.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            result = request => Some(result),
            () = stopped => None,
        }
    }

    /// Waits. `false`: a stop was asked for.
    pub async fn nap(&self, wait: Duration) -> bool {
        let round = self.round();
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = round.cancelled() => false,
        }
    }
}
