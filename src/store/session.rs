//! Transactions. A dry run lives in one transaction that is never committed; its steps are savepoints.

use std::{io, sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, ConnectOptions, PgPool, Postgres, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    conn::{Conn, Patience, READ_WITHIN_S, within},
    connect::is_usable,
};

/// Begins a transaction that the server ends when we fall silent in it: a process that froze, or whose machine has gone
/// without a word, would keep its locks for hours.
const SILENT_FOR: &str = "set local idle_in_transaction_session_timeout = '8s'";

/// A role may have defaults that are meant for people. What a snapshot of before the lock shows of the budget is old; a statement that ends
/// early would end each time, as we have a patience of our own; and to compile a statement takes longer than to run any of ours. Set anew
/// each time, so that a transaction-pooling proxy works.
pub(super) const BEGIN: &str =
    "begin isolation level read committed; set local statement_timeout = 0; set local lock_timeout = 0; set local jit = off";

/// A beginning or an end that takes longer has no answer. The pool's own patience for a connection is shorter.
const BOUNDED: Duration = Duration::from_secs(15);

/// A server that would say why there is no connection says it within this time.
const ASKED_WHY: Duration = Duration::from_secs(2);

/// Who waits for a lock waits for others, too.
const LOCKED_WITHIN: Duration = Duration::from_secs(60);

/// Begins a transaction by itself.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Step> {
    begin_with(pool, BOUNDED, AssertSqlSafe(format!("{BEGIN}; {SILENT_FOR}"))).await
}

/// Begins one that only reads, on a hot standby, too. The server ends a statement that takes too long, and one whose client is gone, where
/// it can tell (Postgres 14, most systems): else it would work on for nobody.
pub async fn begin_to_read(pool: &PgPool) -> sqlx::Result<Step> {
    let begin = format!(
        "{BEGIN}; {SILENT_FOR}; set transaction read only; set local statement_timeout = '{READ_WITHIN_S}s';
         do $$ begin set local client_connection_check_interval = '1s'; exception when others then null; end $$"
    );
    let mut step = begin_with(pool, BOUNDED, AssertSqlSafe(begin)).await?;
    step.has_patience(Patience::Reader);
    Ok(step)
}

/// Begins one that holds an advisory lock until its end. The lock is taken by a statement of its own: what is read after it
/// is what the last holder wrote.
pub async fn begin_locked(pool: &PgPool, class: i32, id: i32) -> sqlx::Result<Step> {
    let begin = format!("{BEGIN}; {SILENT_FOR}; select pg_advisory_xact_lock({class}, {id})");
    begin_with(pool, LOCKED_WITHIN, AssertSqlSafe(begin)).await
}

async fn begin_with(pool: &PgPool, time: Duration, begin: AssertSqlSafe<String>) -> sqlx::Result<Step> {
    match within(time, pool.begin_with(begin)).await {
        Ok(transaction) => Ok(Step::Lasting(transaction, Patience::Page)),
        // The pool tries again until its time is up, and does not say why it had to.
        Err(sqlx::Error::PoolTimedOut) => Err(why_none(pool, ASKED_WHY).await),
        Err(error) => Err(error),
    }
}

/// Whether only the session was lost: another one may do what this one could not. By SQLSTATE: connections (08), a server that shuts down
/// or starts (57P), one with too many clients (53300), a standby (25006), one that found us silent (25P03) or at work (25P04) for too long, and who was chosen
/// to end a deadlock (40).
pub fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            ["08", "57P", "53300", "25006", "25P03", "25P04", "40"].iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}

/// Why the pool gives no connection: what the server says to a further one within this time.
pub async fn why_none(pool: &PgPool, time: Duration) -> sqlx::Error {
    let asked = async { is_usable(&mut pool.connect_options().connect().await?).await };
    match within(time, asked).await {
        Ok(true) => sqlx::Error::PoolTimedOut,
        Ok(false) => read_only(),
        Err(error) => error,
    }
}

/// The error of a database that can only be read.
pub(super) fn read_only() -> sqlx::Error {
    let say = "the database can only be read: it has become a hot standby, or this role's sessions are read-only";
    sqlx::Error::Io(io::Error::other(say))
}

/// Where a run's transactions come from.
#[derive(Clone)]
pub enum Session {
    /// Each transaction by itself.
    Lasting(PgPool),
    /// All of them inside one that is rolled back at the end.
    Dry(Arc<Mutex<DryTransaction>>),
}

/// The one transaction of a dry run.
pub struct DryTransaction {
    transaction: Transaction<'static, Postgres>,
    /// A step was begun and not finished: its work must be undone first.
    dirty: bool,
}

/// A transaction under way. Dropped, it undoes what was done in it.
pub enum Step {
    /// A transaction, and how long an answer is awaited in it.
    Lasting(Transaction<'static, Postgres>, Patience),
    /// A savepoint.
    Dry(OwnedMutexGuard<DryTransaction>),
}

impl Session {
    /// A dry session: writes that nobody else ever sees.
    pub async fn dry(pool: &PgPool) -> sqlx::Result<Self> {
        // It is silent while the vendor is waited for.
        let begin = format!("{BEGIN}; set local idle_in_transaction_session_timeout = 0");
        let transaction = pool.begin_with(AssertSqlSafe(begin)).await?;
        Ok(Self::Dry(Arc::new(Mutex::new(DryTransaction { transaction, dirty: false }))))
    }

    /// Begins a step.
    pub async fn begin(&self) -> sqlx::Result<Step> {
        match self {
            Self::Lasting(pool) => begin(pool).await,
            Self::Dry(dry) => {
                let mut dry = Arc::clone(dry).lock_owned().await;
                if dry.dirty {
                    sqlx::raw_sql("rollback to savepoint step").execute(&mut *dry.transaction).await?;
                }
                sqlx::raw_sql("savepoint step").execute(&mut *dry.transaction).await?;
                dry.dirty = true;
                Ok(Step::Dry(dry))
            }
        }
    }

    /// Ends a dry session without a trace; nothing to do for a lasting one.
    ///
    /// # Errors
    /// When the database fails; it then undoes the work by itself.
    pub async fn end(self) -> sqlx::Result<()> {
        let Self::Dry(dry) = self else { return Ok(()) };
        // Where somebody still holds it, letting go undoes the work.
        match Arc::into_inner(dry) {
            Some(dry) => dry.into_inner().transaction.rollback().await,
            None => Ok(()),
        }
    }
}

impl Step {
    /// The connection to work on.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Lasting(transaction, patience) => Conn::of(transaction, *patience),
            Self::Dry(dry) => Conn::of(&mut dry.transaction, Patience::All),
        }
    }

    /// Its statements are about all that a source has: they may take their time.
    pub fn is_about_all(&mut self) {
        self.has_patience(Patience::All);
    }

    fn has_patience(&mut self, wanted: Patience) {
        if let Self::Lasting(_, patience) = self {
            *patience = wanted;
        }
    }

    /// Makes the step's work last.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Lasting(transaction, _) => within(BOUNDED, transaction.commit()).await,
            Self::Dry(mut dry) => {
                sqlx::raw_sql("release savepoint step").execute(&mut *dry.transaction).await?;
                dry.dirty = false;
                Ok(())
            }
        }
    }
}
