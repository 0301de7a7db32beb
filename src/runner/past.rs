//! What is known of a source's runs from one to the next.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tracing::{error, info};

use super::{
    after::{After, Missing, back_off},
    doing::Doing,
};
use crate::clock;

/// Credentials that were refused are tried again so much later, though no secret has changed: first soon, as a vendor that is unwell refuses
/// good ones too; then ever more rarely, as an account can be locked by many bad ones. At last less than a day, so that a daily schedule
/// tries again at its next firing.
const BARRED_FOR: [TimeDelta; 4] = [TimeDelta::minutes(15), TimeDelta::hours(1), TimeDelta::hours(4), TimeDelta::hours(20)];

/// Credentials that were refused.
#[derive(Clone, Copy)]
pub(super) struct Barred {
    secrets: Option<u64>,
    until: DateTime<Utc>,
    /// Times in a row.
    times: usize,
}

/// What is known from one run to the next.
pub(super) struct Past {
    /// What is told meanwhile.
    pub(super) doing: Doing,
    /// Failures in a row of what may pass.
    pub(super) failures: u32,
    /// When to go on without being asked.
    pub(super) again: Option<(DateTime<Utc>, Option<Missing>)>,
    /// Credentials that were refused.
    pub(super) barred: Option<Barred>,
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
        self.barred.as_ref().is_some_and(|refused| refused.secrets == secrets && clock::now() < refused.until)
    }

    /// After one more run of the source, with these secrets.
    pub(super) fn then(self, after: After, source: &str, secrets: Option<u64>) -> Self {
        match after {
            After::Nothing => Self::default(),
            After::Held => Self { is_held: true, ..Self::default() },
            After::Barred => {
                let before = self.barred.filter(|barred| barred.secrets == secrets);
                if let Some(before) = before.as_ref().filter(|before| clock::now() < before.until) {
                    // A person has tried in between.
                    let again = Some((before.until, None));
                    return Self { doing: Doing::Barred(before.until), barred: Some(*before), again, ..Self::default() };
                }
                let times = before.map_or(0, |before| before.times);
                let until = (clock::now() + BARRED_FOR[times.min(BARRED_FOR.len() - 1)]).trunc_subsecs(0);
                error!(source, at = %until, "the credentials are refused: renew the secret, and reload or restart; else it is tried again then");
                let barred = Some(Barred { secrets, until, times: times + 1 });
                Self { doing: Doing::Barred(until), barred, again: Some((until, None)), ..Self::default() }
            }
            After::Refused => Self { doing: Doing::Refused, ..Self::default() },
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(past: Past, secrets: u64) -> (Past, i64) {
        let past = past.then(After::Barred, "customers", Some(secrets));
        let again = past.again.expect("a time").0;
        (past, (again - clock::now()).num_minutes() + 1)
    }

    fn later(mut past: Past) -> Past {
        if let Some(barred) = &mut past.barred {
            barred.until = clock::now();
        }
        past
    }

    #[test]
    fn refused_credentials_are_tried_again_ever_more_rarely_until_they_change() {
        let mut past = Past::default();
        let mut waits = Vec::new();
        for _ in 0..5 {
            let (before, minutes) = refused(later(past), 1);
            let again;
            // A person who tries in between brings the next time neither nearer nor farther.
            (past, again) = refused(before, 1);
            assert_eq!(again, minutes);
            waits.push(minutes);
        }
        assert_eq!(waits, [15, 60, 240, 1200, 1200]);
        assert!(past.is_barred(Some(1)) && !past.is_barred(Some(2)));
        let (past, first) = refused(past, 2);
        assert_eq!(first, 15, "with another secret");
        assert!(past.then(After::Nothing, "customers", Some(2)).barred.is_none());
    }
}
