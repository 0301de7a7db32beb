//! The budget's ledger in Postgres: shared by all processes, ordered by the database's clock, kept over restarts.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};

use super::{connect::BEGIN, process::Identity};
use crate::{
    budget::{
        ledger::{Ledger, LedgerError, Pause, Settlement, Trade, Wait},
        purse::USE_WITHIN,
        window::{self, Grant, Spent},
    },
    clock,
    model::limit::Limit,
};

/// First half of the advisory lock's key; the second is the budget's id.
const LEDGER_LOCK: i32 = 0x6869_6572;

/// What a process had sent when it died reaches the vendor within this time.
const STRAGGLING: TimeDelta = TimeDelta::milliseconds(500);

/// One budget's ledger.
pub struct PgLedger {
    pool: PgPool,
    process_id: i64,
    budget_id: i32,
    name: String,
    limits: Vec<Limit>,
    /// The longest that a call can last from its purchase: unused time, the request's own, and some slack.
    longest: TimeDelta,
}

impl PgLedger {
    /// Opens the ledger of the budget called `name` and writes its limits down, for people.
    ///
    /// `limits` are as configured, `headroom` is the share of them to be left alone, `timeout` one request's time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(
        pool: &PgPool,
        process_id: i64,
        name: &str,
        limits: &[Limit],
        headroom: f64,
        timeout: Duration,
    ) -> sqlx::Result<Self> {
        let written: Vec<String> = limits.iter().map(ToString::to_string).collect();
        let budget_id = sqlx::query_scalar!(
            "insert into hiersync.budget as b (name, limits, headroom) values ($1, $2, $3)
             on conflict (name) do update set limits = excluded.limits, headroom = excluded.headroom
             returning budget_id",
            name,
            &written,
            headroom
        )
        .fetch_one(pool)
        .await?;
        let longest = USE_WITHIN + timeout + Duration::from_secs(5);
        Ok(Self {
            pool: pool.clone(),
            process_id,
            budget_id,
            name: name.to_owned(),
            limits: limits.iter().map(|limit| limit.with_headroom(headroom)).collect(),
            longest: TimeDelta::from_std(longest).unwrap_or(TimeDelta::MAX),
        })
    }

    async fn try_trade(&self, settle: &[Settlement], wants: u32) -> sqlx::Result<Trade> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        let conn = &mut *transaction;
        // A lock first and a read after it: one statement would read as of before the wait for the lock.
        sqlx::query!("select pg_advisory_xact_lock($1, $2)", LEDGER_LOCK, self.budget_id).execute(&mut *conn).await?;
        self.settle(conn, settle).await?;
        let state = self.state(conn).await?;
        let trade = match state.pause {
            Some(wait) => Trade::Wait(wait),
            None => self.decide(conn, &state, wants).await?,
        };
        transaction.commit().await?;
        Ok(trade)
    }

    async fn settle(&self, conn: &mut PgConnection, settle: &[Settlement]) -> sqlx::Result<()> {
        if settle.is_empty() {
            return Ok(());
        }
        let now = clock::instant();
        let batches: Vec<i64> = settle.iter().map(|entry| entry.batch_id).collect();
        let used: Vec<i32> = settle.iter().map(|entry| i32::try_from(entry.used).unwrap_or(i32::MAX)).collect();
        let ago: Vec<f64> = settle.iter().map(|entry| now.saturating_duration_since(entry.ended).as_secs_f64()).collect();
        sqlx::query_file!("src/store/sql/ledger_settle.sql", self.budget_id, &batches, &used, &ago).execute(conn).await?;
        Ok(())
    }

    async fn state(&self, conn: &mut PgConnection) -> sqlx::Result<State> {
        let row = sqlx::query!(
            r#"select clock_timestamp() as "now!", paused_until, paused_why, learned_limit from hiersync.budget where budget_id = $1"#,
            self.budget_id
        )
        .fetch_one(&mut *conn)
        .await?;
        let mut limits = self.limits.clone();
        limits.extend(row.learned_limit.and_then(|text| text.parse::<Limit>().ok()));
        let until = row.paused_until.filter(|until| *until > row.now);
        let pause = until.map(|until| wait(row.now, until, true, row.paused_why.unwrap_or_default()));
        let spent = self.spent(conn, row.now, window::memory(&limits)).await?;
        Ok(State { now: row.now, limits, pause, spent })
    }

    /// What the ledger holds; calls of processes that are surely dead end soon: what was on its way may still arrive.
    async fn spent(&self, conn: &mut PgConnection, now: DateTime<Utc>, memory: TimeDelta) -> sqlx::Result<Vec<Spent>> {
        let rows = sqlx::query_file!("src/store/sql/ledger_read.sql", self.budget_id, now - memory, now).fetch_all(&mut *conn).await?;
        let mut spent = Vec::with_capacity(rows.len());
        let mut orphans = Vec::new();
        for row in rows {
            let mut ended_at = row.ended_at;
            if let (Some(machine), Some(pid), Some(start_ticks)) = (row.machine, row.pid, row.start_ticks)
                && row.process_id != self.process_id
                && (Identity { machine, pid, start_ticks }).is_dead()
            {
                orphans.push(row.batch_id);
                ended_at = ended_at.min(now + STRAGGLING);
            }
            spent.push(Spent { calls: row.calls.unsigned_abs(), ended_at });
        }
        if !orphans.is_empty() {
            sqlx::query!(
                "update hiersync.budget_ledger set ended_at = $3 where budget_id = $1 and batch_id = any($2) and ended_at > $3",
                self.budget_id,
                &orphans,
                now + STRAGGLING
            )
            .execute(conn)
            .await?;
        }
        Ok(spent)
    }

    async fn decide(&self, conn: &mut PgConnection, state: &State, wants: u32) -> sqlx::Result<Trade> {
        if wants == 0 {
            return Ok(Trade::Wait(wait(state.now, state.now, true, String::new())));
        }
        match window::grant(state.now, &state.limits, &state.spent, wants) {
            Grant::At { time, firm } => Ok(Trade::Wait(wait(state.now, time, firm, format!("budget {} is spent", self.name)))),
            Grant::Now(calls) => {
                let batch_id = sqlx::query_file_scalar!(
                    "src/store/sql/ledger_buy.sql",
                    self.budget_id,
                    self.process_id,
                    i32::try_from(calls).unwrap_or(i32::MAX),
                    state.now,
                    state.now + self.longest,
                    state.now - window::memory(&state.limits)
                )
                .fetch_one(conn)
                .await?;
                Ok(Trade::Bought { batch_id, calls })
            }
        }
    }

    async fn try_pause(&self, pause: &Pause) -> sqlx::Result<()> {
        let lower = |stated: &Limit| self.limits.iter().all(|limit| limit.window != stated.window || limit.calls > stated.calls);
        sqlx::query!(
            "update hiersync.budget
             set paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs => $2)), paused_why = $3,
                 learned_limit = coalesce($4, learned_limit)
             where budget_id = $1",
            self.budget_id,
            pause.wait.as_secs_f64(),
            pause.why,
            pause.stated.filter(lower).map(|limit| limit.to_string())
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

struct State {
    now: DateTime<Utc>,
    limits: Vec<Limit>,
    pause: Option<Wait>,
    spent: Vec<Spent>,
}

fn wait(now: DateTime<Utc>, until: DateTime<Utc>, firm: bool, why: String) -> Wait {
    Wait { wait: (until - now).to_std().unwrap_or_default(), until, firm, why }
}

fn ledger_error(error: sqlx::Error) -> LedgerError {
    LedgerError(Box::new(error))
}

impl Ledger for PgLedger {
    async fn trade(&self, settle: &[Settlement], wants: u32) -> Result<Trade, LedgerError> {
        self.try_trade(settle, wants).await.map_err(ledger_error)
    }

    async fn pause(&self, pause: &Pause) -> Result<(), LedgerError> {
        self.try_pause(pause).await.map_err(ledger_error)
    }
}
