//! After a failed call: wait and call again, or end. One pure function.

use std::time::{Duration, Instant};

use crate::vendor_api::error::VendorError;

/// Calls for one thing at most, the first one included.
pub const ATTEMPTS: u32 = 5;

/// Time that failing calls and the waits between them may take together: a vendor that fails for good ends a sync
/// within a minute.
pub const PATIENCE: Duration = Duration::from_secs(50);

/// Refusals in a row after which the run ends as throttled.
const REFUSALS: u32 = 3;

/// What a pause grows to.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What to do after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait so long, then call again.
    Again(Duration),
    /// Pause the whole budget for so long, then call again.
    Pause(Duration),
    /// Pause the whole budget for so long, and end the run: the vendor keeps refusing.
    PauseAndEnd(Duration),
    /// A new token may help.
    SignIn,
    /// It will not get better now.
    End,
}

/// What has happened to this call so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    /// Calls that failed, this one included.
    pub attempts: u32,
    /// Time that they and the waits between them took.
    pub took: Duration,
    /// Refusals in a row, over all calls of the run, this one included.
    pub refusals: u32,
    /// Runs right before that were refused from the first call to the last.
    pub runs: u32,
    /// When the last of the calls was sent.
    pub sent_at: Option<Instant>,
    /// The next call repeats one that failed.
    pub is_repeat: bool,
    /// A new token was had for this call already, or none can be had.
    pub token_is_new: bool,
    /// The shortest window of the budget: what a refusal without a time is explained by.
    pub shortest_window: Duration,
}

/// Decides. `jitter` is from 0 to 1.
pub fn next(error: &VendorError, tried: Tried, jitter: f64) -> Next {
    match error {
        VendorError::Throttled { retry_after, stated, .. } => {
            let explained = stated.map_or(tried.shortest_window, |limit| limit.window);
            let pause = retry_after.unwrap_or(explained);
            if tried.refusals > REFUSALS { Next::PauseAndEnd(longer(pause, tried)) } else { Next::Pause(pause) }
        }
        VendorError::Unauthorised(_) if !tried.token_is_new => Next::SignIn,
        VendorError::Transient(_) | VendorError::Unreadable(_) => again(tried, ATTEMPTS, jitter),
        // A shape that is not understood may be a passing fault of the vendor's; twice is none.
        VendorError::WrongShape(_) => again(tried, 2, jitter),
        VendorError::Unauthorised(_) | VendorError::Untrusted(_) | VendorError::Rejected(_) | VendorError::TooLarge(_) => Next::End,
    }
}

/// Who is refused run after run, after each wait that the vendor has asked for, comes back ever more rarely: others may have spent the day's
/// calls, and each refused call counts.
fn longer(pause: Duration, tried: Tried) -> Duration {
    let doubled = pause.max(tried.shortest_window).saturating_mul(2u32.saturating_pow(tried.runs));
    if tried.runs == 0 { pause } else { pause.max(doubled.min(LONGEST_PAUSE)) }
}

fn again(tried: Tried, attempts: u32, jitter: f64) -> Next {
    if tried.attempts >= attempts || tried.took >= PATIENCE {
        return Next::End;
    }
    let doubled = FIRST_WAIT * 2u32.saturating_pow(tried.attempts.saturating_sub(1));
    // Full jitter: callers that failed together do not come back together.
    Next::Again(doubled.min(LONGEST_WAIT).mul_f64(jitter.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttled(retry_after: Option<u64>, stated: Option<&str>) -> VendorError {
        VendorError::Throttled {
            retry_after: retry_after.map(Duration::from_secs),
            stated: stated.map(|text| text.parse().expect("a limit")),
            form: "429",
        }
    }

    fn tried(attempts: u32) -> Tried {
        Tried { attempts, refusals: attempts, shortest_window: Duration::from_secs(60), ..Tried::default() }
    }

    #[test]
    fn passing_faults_are_tried_again_a_bounded_number_of_times() {
        let fault = VendorError::Transient("x".into());
        let waits: Vec<Next> = (1..=5).map(|attempt| next(&fault, tried(attempt), 1.0)).collect();
        let again = |millis| Next::Again(Duration::from_millis(millis));
        assert_eq!(waits, [again(500), again(1000), again(2000), again(4000), Next::End]);
        let late = Tried { took: PATIENCE, ..tried(1) };
        assert_eq!(next(&fault, late, 1.0), Next::End);
    }

    #[test]
    fn a_refusal_pauses_for_the_time_that_explains_it() {
        assert_eq!(next(&throttled(Some(7), Some("10/5s")), tried(1), 0.5), Next::Pause(Duration::from_secs(7)));
        assert_eq!(next(&throttled(None, Some("10/5s")), tried(1), 0.5), Next::Pause(Duration::from_secs(5)));
        assert_eq!(next(&throttled(None, None), tried(1), 0.5), Next::Pause(Duration::from_secs(60)));
        assert_eq!(next(&throttled(None, None), tried(4), 0.5), Next::PauseAndEnd(Duration::from_secs(60)));
    }

    #[test]
    fn whoever_is_refused_run_after_run_comes_back_ever_more_rarely() {
        let paused = |runs, retry_after| next(&throttled(retry_after, None), Tried { runs, ..tried(4) }, 0.5);
        let seconds = |number| Next::PauseAndEnd(Duration::from_secs(number));
        assert_eq!([0, 1, 2, 5, 6, 30].map(|runs| paused(runs, None)), [60, 120, 240, 1920, 3600, 3600].map(seconds));
        assert_eq!([0, 1, 2].map(|runs| paused(runs, Some(0))), [0, 120, 240].map(seconds));
        assert_eq!([0, 6].map(|runs| paused(runs, Some(9000))), [9000, 9000].map(seconds));
    }

    #[test]
    fn a_refused_token_is_renewed_once() {
        let fault = VendorError::Unauthorised("x".into());
        assert_eq!(next(&fault, tried(1), 0.5), Next::SignIn);
        assert_eq!(next(&fault, Tried { token_is_new: true, ..tried(2) }, 0.5), Next::End);
    }

    #[test]
    fn what_the_vendor_refuses_for_good_is_not_asked_again() {
        assert_eq!(next(&VendorError::Rejected("x".into()), tried(1), 0.5), Next::End);
        assert_eq!(next(&VendorError::TooLarge(9), tried(1), 0.5), Next::End);
        assert_eq!(next(&VendorError::Untrusted("x".into()), tried(1), 0.5), Next::End);
    }
}
