//! A process's purse for one budget: buys permits for all its runs, in the order in which they ask, and settles
//! them when their calls have ended.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::ledger::{Bought, Ledger, LedgerError, Pause, Settlement, Trade, Wait, Wants};
use crate::clock;

/// A bought permit must be used soon: the ledger takes its call to be over a fixed time after the purchase.
pub const USE_WITHIN: Duration = Duration::from_secs(3);

/// While the wait hangs on calls under way, possibly of other processes, ask again after this time.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Permits bought in one trade at most.
const MOST: u32 = 256;

/// A trade buys for this while ahead, where the windows have room.
const AHEAD: Duration = Duration::from_secs(1);

/// Where so many are wanted in a second, it buys ahead however full the windows are: trades stay few.
const MANY: f64 = 100.0;

/// Then it buys for this while only.
const AHEAD_IF_MANY: Duration = Duration::from_millis(200);

/// Permits for one budget.
pub struct Purse<L> {
    ledger: L,
    turn: tokio::sync::Mutex<()>,
    asking: AtomicU32,
    /// The ledger keeps a place for us among those who wait.
    queues: AtomicBool,
    stock: Mutex<VecDeque<Permit>>,
    demand: Mutex<Demand>,
    desk: Arc<Desk>,
}

/// Permits handed out of late, by the second.
struct Demand {
    per_second: f64,
    at: Instant,
}

impl Demand {
    /// One more. What is a second old counts a third.
    fn count(&mut self) {
        let now = clock::instant();
        self.per_second = self.per_second * (-(now - self.at).as_secs_f64()).exp() + 1.0;
        self.at = now;
    }

    /// What `asking` callers want, and how much more would be used soon.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^32")]
    fn wants(&self, asking: u32) -> Wants {
        let per_second = self.per_second * (-self.at.elapsed().as_secs_f64()).exp();
        let within = |span: Duration| (per_second * span.as_secs_f64()) as u32;
        let now = if per_second < MANY { asking } else { asking.max(within(AHEAD_IF_MANY)) };
        let now = now.clamp(1, MOST);
        Wants { now, soon: within(AHEAD).clamp(now, MOST) }
    }
}

/// Where batches are handed in when their last permit is gone.
#[derive(Default)]
struct Desk {
    ended: Mutex<Vec<Settlement>>,
    news: Notify,
}

/// The right to send one call. Its end, by `drop`, is the end of the call.
pub struct Permit {
    batch: Arc<Batch>,
    bought: Instant,
    used: bool,
}

struct Batch {
    id: i64,
    used: AtomicU32,
    desk: Arc<Desk>,
}

impl Permit {
    /// Says that the call is now sent. A permit that was never used goes back.
    pub fn used(&mut self) {
        self.used = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.used {
            self.batch.used.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let settlement = Settlement { batch_id: self.id, used: self.used.load(Ordering::Relaxed), ended: clock::instant() };
        self.desk.ended.lock().unwrap_or_else(PoisonError::into_inner).push(settlement);
        self.desk.news.notify_one();
    }
}

/// Why there is no permit.
#[derive(Debug, thiserror::Error)]
pub enum NoPermit {
    /// None within the caller's patience.
    #[error("the budget is spent")]
    Spent(Wait),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The caller was asked to stop while it waited.
    #[error("asked to stop")]
    Stopped,
}

impl<L: Ledger> Purse<L> {
    /// An empty purse.
    pub fn new(ledger: L) -> Self {
        Self {
            ledger,
            turn: tokio::sync::Mutex::new(()),
            asking: AtomicU32::new(0),
            queues: AtomicBool::new(false),
            stock: Mutex::new(VecDeque::new()),
            demand: Mutex::new(Demand { per_second: 0.0, at: clock::instant() }),
            desk: Arc::default(),
        }
    }

    /// Waits for a permit, in the order of asking.
    ///
    /// # Errors
    /// When none is to be had within `patience`, when the ledger fails, or when `stop` is asked for.
    pub async fn permit(&self, patience: Duration, stop: &tokio_util::sync::CancellationToken) -> Result<Permit, NoPermit> {
        let _asking = Asking::new(&self.asking);
        let _turn = tokio::select! {
            turn = self.turn.lock() => turn,
            () = stop.cancelled() => return Err(NoPermit::Stopped),
        };
        loop {
            if let Some(permit) = self.next_in_stock() {
                return Ok(permit);
            }
            // Not inside a select: a purchase that is cut off would be paid for and lost.
            let Some(wait) = self.buy().await? else { continue };
            if wait.at_least > patience {
                return Err(NoPermit::Spent(wait));
            }
            let soon = if wait.wait.is_zero() { ASK_AGAIN } else { wait.wait.min(ASK_AGAIN) };
            let nap = wait.at_least.max(soon);
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = self.desk.news.notified() => {}
                () = stop.cancelled() => return Err(NoPermit::Stopped),
            }
        }
    }

    /// Pauses the budget for everybody and gives unused permits back.
    pub async fn pause(&self, pause: &Pause) -> Result<(), LedgerError> {
        self.lock_stock().clear();
        self.ledger.pause(pause).await
    }

    /// Tells the ledger what has ended, gives unused permits back and leaves the queue; for the end of a run. While other
    /// runs of this process ask, that is left to them: their next trade tells it, and they keep the process's place.
    ///
    /// # Errors
    /// When the ledger fails; it then takes the calls to have lasted as long as possible.
    pub async fn settle(&self) -> Result<(), LedgerError> {
        // Whoever asks may hold the turn for as long as it waits for a window.
        let Ok(_turn) = self.turn.try_lock() else { return Ok(()) };
        if self.asking.load(Ordering::Relaxed) > 0 {
            return Ok(());
        }
        self.lock_stock().clear();
        let ended = self.ended();
        if ended.is_empty() && !self.queues.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.ledger.trade(&ended, Wants::default()).await?;
        self.queues.store(false, Ordering::Relaxed);
        self.forget(&ended);
        Ok(())
    }

    fn next_in_stock(&self) -> Option<Permit> {
        let mut stock = self.lock_stock();
        stock.retain(|permit| clock::instant().saturating_duration_since(permit.bought) < USE_WITHIN);
        let permit = stock.pop_front()?;
        self.demand.lock().unwrap_or_else(PoisonError::into_inner).count();
        Some(permit)
    }

    /// Buys into the stock, or says why not.
    async fn buy(&self) -> Result<Option<Wait>, LedgerError> {
        let wants = self.demand.lock().unwrap_or_else(PoisonError::into_inner).wants(self.asking.load(Ordering::Relaxed));
        let ended = self.ended();
        let bought = clock::instant();
        let trade = self.ledger.trade(&ended, wants).await?;
        self.forget(&ended);
        self.queues.store(matches!(trade, Trade::Wait(_)), Ordering::Relaxed);
        match trade {
            Trade::Wait(wait) => Ok(Some(wait)),
            Trade::Bought(batches) => {
                for Bought { batch_id, calls } in batches {
                    let batch = Arc::new(Batch { id: batch_id, used: AtomicU32::new(0), desk: Arc::clone(&self.desk) });
                    let permit = || Permit { batch: Arc::clone(&batch), bought, used: false };
                    self.lock_stock().extend((0..calls).map(|_| permit()));
                }
                Ok(None)
            }
        }
    }

    fn ended(&self) -> Vec<Settlement> {
        self.desk.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Only after the ledger has taken them: a settlement that is cut off is made again.
    fn forget(&self, settled: &[Settlement]) {
        let known = |id| settled.iter().any(|settlement| settlement.batch_id == id);
        self.desk.ended.lock().unwrap_or_else(PoisonError::into_inner).retain(|settlement| !known(settlement.batch_id));
    }

    fn lock_stock(&self) -> std::sync::MutexGuard<'_, VecDeque<Permit>> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts who waits, so that one trade buys for all of them.
struct Asking<'a>(&'a AtomicU32);

impl<'a> Asking<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sells whatever is wanted.
    #[derive(Default)]
    struct Open {
        has_room: bool,
        trades: AtomicU32,
        sold: AtomicU32,
    }

    impl Ledger for Open {
        async fn trade(&self, _: &[Settlement], wants: Wants) -> Result<Trade, LedgerError> {
            let calls = if self.has_room { wants.soon } else { wants.now };
            self.trades.fetch_add(1, Ordering::Relaxed);
            self.sold.fetch_add(calls, Ordering::Relaxed);
            Ok(Trade::Bought(vec![Bought { batch_id: 1, calls }]))
        }

        async fn pause(&self, _: &Pause) -> Result<(), LedgerError> {
            Ok(())
        }
    }

    async fn buy(purse: &Purse<Open>, permits: u32) {
        let stop = tokio_util::sync::CancellationToken::new();
        for _ in 0..permits {
            purse.permit(Duration::from_secs(1), &stop).await.unwrap_or_else(|why| panic!("{why}")).used();
        }
    }

    #[tokio::test]
    async fn what_is_wanted_by_the_thousand_is_bought_in_bulk() {
        let purse = Purse::new(Open::default());
        buy(&purse, 3000).await;
        let trades = purse.ledger.trades.load(Ordering::Relaxed);
        assert!(trades < 300, "{trades} trades");
    }

    #[tokio::test]
    async fn where_the_windows_have_room_trades_are_few() {
        let purse = Purse::new(Open { has_room: true, ..Open::default() });
        buy(&purse, 90).await;
        let trades = purse.ledger.trades.load(Ordering::Relaxed);
        assert!(trades < 12, "{trades} trades");
    }

    /// Sells nothing for an hour, and keeps what was wanted.
    #[derive(Default)]
    struct Shut {
        wanted: Mutex<Vec<u32>>,
    }

    impl Ledger for Shut {
        async fn trade(&self, _: &[Settlement], wants: Wants) -> Result<Trade, LedgerError> {
            self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(wants.now);
            let hour = Duration::from_secs(3600);
            Ok(Trade::Wait(Wait { wait: hour, until: clock::now() + hour, at_least: hour, why: "spent".into() }))
        }

        async fn pause(&self, _: &Pause) -> Result<(), LedgerError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_run_that_ends_does_not_wait_for_one_that_asks() {
        let purse = Purse::new(Shut::default());
        let stop = tokio_util::sync::CancellationToken::new();
        let asks = purse.permit(Duration::from_secs(7200), &stop);
        let ends = async {
            while purse.ledger.wanted.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                tokio::task::yield_now().await;
            }
            let settled = tokio::time::timeout(Duration::from_secs(10), purse.settle()).await;
            stop.cancel();
            settled
        };
        let (permit, settled) = tokio::join!(asks, ends);
        assert!(matches!(permit, Err(NoPermit::Stopped)));
        assert!(matches!(settled, Ok(Ok(()))), "the end waited");
        let wanted = || purse.ledger.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(wanted(), [1], "the place in the queue is kept for the one who asks");
        purse.settle().await.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(wanted(), [1, 0], "the last one leaves the queue");
    }

    #[tokio::test]
    async fn of_windows_without_room_nothing_is_bought_ahead() {
        let purse = Purse::new(Open::default());
        buy(&purse, 25).await;
        assert_eq!(purse.ledger.sold.load(Ordering::Relaxed), 25);
        assert!(purse.lock_stock().is_empty());
    }
}
