//! What is known of a source's runs from one to the next.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tracing::{error, info};

use super::{
    after::{After, Missing, back_off},
    doing::Doing,
};
use crate::clock;

/// Credentials that were refused are tried again after this, though no secret has changed: the vendor may have mended it. Less than a day,
/// so that a daily schedule tries again at its next firing.
const BARRED_FOR: TimeDelta = TimeDelta::hours(20);

/// What is known from one run to the next.
pub(super) struct Past {
    /// What is told meanwhile.
    pub(super) doing: Doing,
    /// Failures in a row of what may pass.
    pub(super) failures: u32,
    /// When to go on without being asked.
    pub(super) again: Option<(DateTime<Utc>, Option<Missing>)>,
    /// Credentials that were refused, and when.
    pub(super) barred: Option<(Option<u64>, DateTime<Utc>)>,
    /// When what a person has asked for is tried again.
    pub(super) wish: Option<DateTime<Utc>>,
    /// A pause has stopped a run, or kept one from being begun.
    pub(super) is_held: bool,
}

impl Default for Past {
    fn default() -> Self {
        Self { doing: Doing::Idle, failures: 0, again: None, barred: None, wish: None, is_held: false }
    }
}

impl Past {
    /// Its credentials were refused, and have not changed since.
    pub(super) fn is_barred(&self, secrets: Option<u64>) -> bool {
        self.barred.is_some_and(|(refused, since)| refused == secrets && clock::now() - since < BARRED_FOR)
    }

    /// After one more run of the source, with these secrets.
    pub(super) fn then(self, after: After, source: &str, secrets: Option<u64>) -> Self {
        match after {
            After::Nothing => Self::default(),
            After::Held => Self { is_held: true, ..Self::default() },
            After::Barred => {
                let todo =
                    "the credentials are refused: it is not tried again until a secret changes, the daemon is restarted, or a day is over";
                error!(source, "{todo}");
                let barred = Some((secrets, clock::now()));
                Self { doing: Doing::Refused("the credentials are refused"), barred, ..Self::default() }
            }
            After::Refused => Self { doing: Doing::Refused("it could not be begun: the log says why"), ..Self::default() },
            After::Resume(at) => Self { doing: Doing::Resting(at), again: Some((at, None)), ..Self::default() },
            After::Retry(missing) => {
                let failures = self.failures + 1;
                let at = (clock::now() + back_off(failures, fastrand::f64())).trunc_subsecs(0);
                info!(source, at = %at, "it is tried again, and its walk goes on");
                Self { doing: Doing::Retrying(at), failures, again: Some((at, Some(missing))), ..Self::default() }
            }
        }
    }
}
