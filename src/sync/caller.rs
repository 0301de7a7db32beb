//! Paid calls: a permit before, its end after, the waits and repetitions between.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, FutureExt};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Interrupted,
    call_error::CallError,
    gauges::Gauges,
    halt::Halt,
    retry::{self, ATTEMPTS, Next, PATIENCE, Tried},
    terms::Terms,
};
use crate::{
    budget::{
        self,
        ledger::Pause,
        purse::{NoPermit, Permit, Purse},
    },
    clock,
    failpoint::{self, Moment},
    model::run::Counters,
    store::ledger::PgLedger,
    vendor_api::{Vendor, error::VendorError},
};

/// Time that a call gets by which it is only found out whether the vendor answers at all: a sync whose vendor has gone down still
/// ends within a minute.
const LIGHT: Duration = Duration::from_secs(6);

/// Tokens that end before their call gets its permit: after so many the call goes with what is left of the last.
const OUTWAITED: u32 = 3;

/// Makes one run's calls.
pub struct Caller<V> {
    /// The vendor.
    pub vendor: V,
    purse: Arc<Purse<PgLedger>>,
    /// What ends them before.
    pub halt: Halt,
    gauges: Arc<Gauges>,
    timeout: Duration,
    shortest_window: Duration,
    refused_before: u32,
    calls_left: Option<AtomicU32>,
    signing_in: tokio::sync::Mutex<()>,
    refusals: AtomicU32,
    paused_at: Mutex<Option<Instant>>,
    successes: AtomicU64,
    counters: Mutex<Counters>,
}

/// A request that can be sent again: given its time, the call.
pub type Request<'r, T> = dyn Fn(Duration) -> BoxFuture<'r, Result<T, VendorError>> + Send + Sync + 'r;

impl<V: Vendor> Caller<V> {
    /// A caller for one run.
    pub fn new(vendor: V, purse: Arc<Purse<PgLedger>>, stop: CancellationToken, gauges: Arc<Gauges>, terms: &Terms) -> Self {
        Self {
            vendor,
            purse,
            halt: Halt::of(stop),
            gauges,
            timeout: terms.timeout,
            shortest_window: terms.shortest_window,
            refused_before: terms.refused_before,
            calls_left: terms.max_calls.map(AtomicU32::new),
            signing_in: tokio::sync::Mutex::new(()),
            refusals: AtomicU32::new(0),
            paused_at: Mutex::new(None),
            successes: AtomicU64::new(0),
            counters: Mutex::new(Counters::default()),
        }
    }

    /// Calls until there is an answer or none is to be had.
    pub async fn call<'r, T>(&self, request: &Request<'r, T>) -> Result<T, CallError> {
        self.call_after(Tried::default(), request).await
    }

    /// The same, but what fails once, or takes some seconds, has failed; so has what is refused for the credentials.
    pub async fn call_lightly<'r, T>(&self, request: &Request<'r, T>) -> Result<T, CallError> {
        let tried = Tried { attempts: ATTEMPTS - 1, took: PATIENCE - LIGHT, token_is_new: true, ..Tried::default() };
        self.call_after(tried, request).await
    }

    async fn call_after<'r, T>(&self, tried: Tried, request: &Request<'r, T>) -> Result<T, CallError> {
        let mut tried = Tried { shortest_window: self.shortest_window, runs: self.refused_before, ..tried };
        let others = self.successes.load(Ordering::Relaxed);
        let mut outwaited = 0;
        loop {
            if self.vendor.must_sign_in() {
                self.sign_in(&mut tried).await?;
            }
            let permit = self.permit().await?;
            if self.vendor.must_sign_in() && outwaited < OUTWAITED {
                // The token ended while we waited for the permit, which goes back.
                outwaited += 1;
                self.give_call_back();
                continue;
            }
            let error = match self.once(permit, &mut tried, request).await? {
                Ok(answer) => {
                    // A token alone does not show yet that the vendor answers.
                    self.successes.fetch_add(1, Ordering::Relaxed);
                    self.refusals.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            self.after(error, &mut tried, others).await?;
        }
    }

    /// Has a token got, once for all calls that want one.
    async fn sign_in(&self, tried: &mut Tried) -> Result<(), CallError> {
        let _one = self.signing_in.lock().await;
        let others = self.successes.load(Ordering::Relaxed);
        while self.vendor.must_sign_in() {
            let permit = self.permit().await?;
            let result = self.once(permit, tried, &|within| self.vendor.sign_in(within).boxed()).await?;
            tried.token_is_new = true;
            if let Err(error) = result {
                // Whatever is wrong with the token is no fault of the list that it was wanted for.
                self.after(error, tried, others).await.map_err(CallError::for_all)?;
            }
        }
        Ok(())
    }

    /// One call. The outer result is for the run, the inner one for the call.
    async fn once<'r, T>(
        &self,
        mut permit: Permit,
        tried: &mut Tried,
        request: &Request<'r, T>,
    ) -> Result<Result<T, VendorError>, CallError> {
        // The first one has what the config allows; what follows a fault shares the patience.
        let left = PATIENCE.saturating_sub(tried.took).max(Duration::from_secs(1));
        let within = if tried.attempts == 0 { self.timeout } else { self.timeout.min(left) };
        failpoint::pass(Moment::PermitBought);
        permit.used();
        // Before it is sent: one that is let go of on its way was a call, too.
        self.count(|counters| {
            counters.requests += 1;
            counters.retried += i64::from(tried.is_repeat);
        });
        Gauges::add(&self.gauges.calls, 1);
        let begun = clock::instant();
        tried.sent_at = Some(begun);
        let result = self.halt.unless_stopped(request(within)).await;
        failpoint::pass(Moment::Answered);
        drop(permit);
        failpoint::pass(Moment::CallEnded);
        let took = begun.elapsed();
        self.count(|counters| counters.fetch_ms += millis(took));
        tried.took += took;
        self.gauges.progress();
        result.ok_or(CallError::Run(Interrupted::Stopped))
    }

    /// After a failed call: waits for the next try, or gives up.
    async fn after(&self, error: VendorError, tried: &mut Tried, others: u64) -> Result<(), CallError> {
        tried.attempts += 1;
        tried.is_repeat = true;
        if matches!(error, VendorError::Throttled { .. }) {
            self.count(|counters| counters.throttled += 1);
            tried.refusals = self.refusals_in_a_row(tried.sent_at);
            // Refusals cost patience of their own kind, not that for faults.
            tried.attempts -= 1;
        }
        let next = retry::next(&error, *tried, fastrand::f64());
        debug!(attempt = tried.attempts, error = %error, next = ?next, "a call failed");
        match next {
            Next::Again(wait) => {
                tried.took += wait;
                if self.halt.nap(wait).await { Ok(()) } else { Err(CallError::Run(Interrupted::Stopped)) }
            }
            Next::Pause(wait) => self.pause(wait, &error).await,
            Next::PauseAndEnd(wait) => {
                self.pause(wait, &error).await?;
                let resume_at = clock::now() + wait;
                Err(CallError::Run(Interrupted::Throttled { why: error.to_string(), resume_at: Some(resume_at) }))
            }
            Next::SignIn => {
                tried.token_is_new = true;
                if self.vendor.forget_token() { Ok(()) } else { Err(CallError::Run(Interrupted::Vendor(error))) }
            }
            Next::End => Err(self.give_up(error, others)),
        }
    }

    /// Refusals in a row, this one included. Calls that were sent before the last pause and are refused with it are one.
    fn refusals_in_a_row(&self, sent_at: Option<Instant>) -> u32 {
        let mut paused_at = self.paused_at.lock().unwrap_or_else(PoisonError::into_inner);
        if sent_at < *paused_at {
            return self.refusals.load(Ordering::Relaxed);
        }
        *paused_at = Some(clock::instant());
        self.refusals.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ends the run if nobody is answered, and only this call if others are.
    fn give_up(&self, error: VendorError, others: u64) -> CallError {
        let nobody_is_answered = self.successes.load(Ordering::Relaxed) == others;
        match error {
            VendorError::Unauthorised(_) | VendorError::Untrusted(_) => CallError::Run(Interrupted::Vendor(error)),
            VendorError::Transient(_) | VendorError::Unreadable(_) if nobody_is_answered => CallError::Run(Interrupted::Vendor(error)),
            _ => CallError::ThisOnly(error),
        }
    }

    async fn permit(&self) -> Result<Permit, CallError> {
        let stop = self.halt.round();
        if stop.is_cancelled() || !self.may_call() {
            return Err(CallError::Run(Interrupted::Stopped));
        }
        let waiting = self.gauges.wait();
        let permit = self.purse.permit(budget::PATIENCE, &stop).await;
        let waited = waiting.counts();
        self.count(|counters| counters.wait_ms += waited.cast_signed());
        Gauges::add(&self.gauges.waited_ms, waited);
        drop(waiting);
        permit.map_err(|none| {
            CallError::Run(match none {
                NoPermit::Spent(wait) => Interrupted::Throttled { why: wait.why, resume_at: Some(wait.until) },
                NoPermit::Ledger(error) => Interrupted::Ledger(error),
                NoPermit::Stopped => Interrupted::Stopped,
            })
        })
    }

    /// Takes one of the calls that `--max-calls` allows.
    fn may_call(&self) -> bool {
        let Some(left) = &self.calls_left else { return true };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn give_call_back(&self) {
        if let Some(left) = &self.calls_left {
            left.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn pause(&self, wait: Duration, error: &VendorError) -> Result<(), CallError> {
        warn!(seconds = wait.as_secs_f64(), error = %error, "the vendor refuses: the budget pauses");
        let stated = if let VendorError::Throttled { stated, .. } = error { *stated } else { None };
        let pause = Pause { wait, why: error.to_string(), stated };
        self.purse.pause(&pause).await.map_err(|error| CallError::Run(Interrupted::Ledger(error)))
    }

    fn count(&self, by: impl FnOnce(&mut Counters)) {
        by(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was counted since it was last asked: to be written with the next transaction.
    pub fn take_counters(&self) -> Counters {
        std::mem::take(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts counters back that could not be written.
    pub fn put_back(&self, counters: Counters) {
        self.count(|own| *own += counters);
    }

    /// Makes what is under way end at the next page.
    pub fn stop(&self) {
        self.halt.round().cancel();
    }

    /// Is what is under way to end?
    pub fn is_stopped(&self) -> bool {
        self.halt.round().is_cancelled()
    }

    /// Gives unused permits back.
    pub async fn settle(&self) -> Result<(), Interrupted> {
        Ok(self.purse.settle().await?)
    }
}

/// A duration as the tables count it.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
