//! The budget's ledger in Postgres: shared by all processes, ordered by the database's clock, kept over restarts.
//!
//! A trade locks the budget, loads its book, lets `budget` decide and writes down what changed, in one transaction.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use super::{
    book::{self, Budget},
    conn::Conn,
    session::{self, Step},
};
use crate::{
    budget::{
        book::{Deal, Ended},
        ledger::{Ledger, LedgerError, Pause, Settlement, Trade, Wait, Wants},
        pace,
        purse::USE_WITHIN,
    },
    clock,
    failpoint::{self, Moment},
    model::limit::Limit,
};

/// First half of the advisory lock's key; the second is the budget's id.
const LEDGER_LOCK: i32 = 0x6869_6572;

/// From a request's time being up until its call is surely over.
const SLACK: Duration = Duration::from_secs(5);

/// One budget's ledger.
pub struct PgLedger {
    pool: PgPool,
    budget: Budget,
}

impl PgLedger {
    /// Opens the ledger of the budget called `name` and writes its limits down, for people.
    ///
    /// `limits` are as configured, `headroom` is the share of them to be left alone, `timeout` one request's time.
    pub async fn open(
        pool: &PgPool,
        process_id: i64,
        name: &str,
        limits: &[Limit],
        headroom: f64,
        timeout: Duration,
    ) -> sqlx::Result<Self> {
        let mut step = session::begin(pool).await?;
        let budget_id = book::write_limits(&mut step.conn(), name, limits, headroom).await?;
        step.commit().await?;
        let longest = TimeDelta::from_std(USE_WITHIN + timeout + SLACK).unwrap_or(TimeDelta::MAX);
        let budget = Budget { budget_id, process_id, name: name.to_owned(), configured: limits.to_vec(), headroom, longest };
        Ok(Self { pool: pool.clone(), budget })
    }

    /// Begins a transaction that holds the budget's lock.
    async fn lock(&self) -> sqlx::Result<Step> {
        session::begin_locked(&self.pool, LEDGER_LOCK, self.budget.budget_id).await
    }

    async fn try_trade(&self, settle: &[Settlement], wants: Wants) -> sqlx::Result<Trade> {
        let mut step = self.lock().await?;
        let here = clock::instant();
        let mut loaded = book::load(&mut step.conn(), &self.budget).await?;
        let now = loaded.book.now;
        let deal = loaded.book.trade(self.budget.process_id, &ended(settle, here, now), wants, &mut loaded.changes);
        let calls = if let Deal::Buy(calls) = deal { calls } else { 0 };
        let bought = book::write(&mut step.conn(), &self.budget, &loaded, calls).await?;
        failpoint::pass(Moment::Trading);
        step.commit().await?;
        Ok(match deal {
            Deal::Buy(_) => Trade::Bought(bought),
            Deal::Wait { until, at_least_until, is_pause } => {
                let why = if is_pause { loaded.paused_why } else { format!("budget {} is spent", self.budget.name) };
                Trade::Wait(wait(now, until, at_least_until, why))
            }
        })
    }

    async fn try_pause(&self, pause: &Pause) -> sqlx::Result<()> {
        let mut step = self.lock().await?;
        let loaded = book::load(&mut step.conn(), &self.budget).await?;
        let now = loaded.book.now;
        let news = pause.stated.filter(|stated| pace::is_news(*stated, &self.budget.configured));
        if let Some(stated) = pause.stated {
            book::learn(&mut step.conn(), &self.budget, stated, news.is_some()).await?;
        }
        // Refusals that meet a pause were sent before it: they say nothing new.
        let is_first = loaded.book.paused_until.is_none_or(|until| until <= now);
        let shortest = pace::shortest(&self.budget.configured).filter(|_| is_first && news.is_none());
        let pace = shortest.map_or(loaded.pace, |shortest| loaded.pace.refused(now, shortest));
        sqlx::query!(
            "update hiersync_internal.budget
             set paused_until = greatest(paused_until, $2), paused_why = $3, pace = $4, paced_at = $5 where budget_id = $1",
            self.budget.budget_id,
            now + TimeDelta::from_std(pause.wait).unwrap_or(TimeDelta::MAX / 2),
            pause.why,
            pace.share,
            pace.at
        )
        .execute(&mut step.conn())
        .await?;
        step.commit().await
    }
}

/// Limits of a budget that the vendor stated and that are lower than configured.
pub async fn stated_limits(conn: &mut Conn<'_>, budget: &str) -> sqlx::Result<Vec<Limit>> {
    let rows = sqlx::query!(
        r#"select (extract(epoch from span) * 1000)::bigint as "window_ms!", calls as "calls!" from hiersync.budget_use
           where budget = $1 and origin = 'learned'"#,
        budget
    )
    .fetch_all(conn)
    .await?;
    let limit = |calls: i32, millis: i64| Limit { calls: calls.unsigned_abs(), window: Duration::from_millis(millis.unsigned_abs()) };
    Ok(rows.into_iter().map(|row| limit(row.calls, row.window_ms)).collect())
}

/// `here` was seen before the ledger's `now`: calls may count for longer than they must, for as long as its answer took, but never for less.
fn ended(settle: &[Settlement], here: Instant, now: DateTime<Utc>) -> Vec<Ended> {
    let ended = settle.iter().map(|settlement| {
        let ago = TimeDelta::from_std(here.saturating_duration_since(settlement.ended)).unwrap_or_default();
        Ended { batch_id: settlement.batch_id, used: settlement.used, ended_at: now - ago }
    });
    ended.collect()
}

fn wait(now: DateTime<Utc>, until: DateTime<Utc>, at_least_until: DateTime<Utc>, why: String) -> Wait {
    let from_now = |time: DateTime<Utc>| (time - now).to_std().unwrap_or_default();
    Wait { wait: from_now(until), until, at_least: from_now(at_least_until), why }
}

fn ledger_error(error: sqlx::Error) -> LedgerError {
    LedgerError { is_lost: session::is_lost(&error), source: Box::new(error) }
}

impl Ledger for PgLedger {
    async fn trade(&self, settle: &[Settlement], wants: Wants) -> Result<Trade, LedgerError> {
        self.try_trade(settle, wants).await.map_err(ledger_error)
    }

    async fn pause(&self, pause: &Pause) -> Result<(), LedgerError> {
        self.try_pause(pause).await.map_err(ledger_error)
    }
}
