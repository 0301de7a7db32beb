//! Transactions for a run. A dry run lives in one transaction that is never committed; its steps are savepoints.

use std::sync::Arc;

use sqlx::{PgConnection, PgPool, Postgres, Transaction, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::connect::BEGIN;

/// Where a run's transactions come from.
#[derive(Clone)]
pub enum Session {
    /// Each transaction by itself.
    Lasting(PgPool),
    /// All of them inside one that is rolled back at the end.
    Dry(Arc<Mutex<DryConnection>>),
}

/// The one connection of a dry run.
pub struct DryConnection {
    connection: PoolConnection<Postgres>,
    /// A step was begun and not finished: its work must be undone first.
    dirty: bool,
}

/// A transaction under way. Dropped, it undoes what was done in it.
pub enum Step {
    /// A transaction.
    Lasting(Transaction<'static, Postgres>),
    /// A savepoint.
    Dry(OwnedMutexGuard<DryConnection>),
}

impl Session {
    /// A dry session: writes that nobody else ever sees.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dry(pool: &PgPool) -> sqlx::Result<Self> {
        let mut connection = pool.acquire().await?;
        sqlx::raw_sql("begin").execute(&mut *connection).await?;
        Ok(Self::Dry(Arc::new(Mutex::new(DryConnection { connection, dirty: false }))))
    }

    /// Begins a step.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self) -> sqlx::Result<Step> {
        match self {
            Self::Lasting(pool) => Ok(Step::Lasting(pool.begin_with(BEGIN).await?)),
            Self::Dry(connection) => {
                let mut dry = Arc::clone(connection).lock_owned().await;
                if dry.dirty {
                    sqlx::raw_sql("rollback to savepoint step").execute(&mut *dry.connection).await?;
                }
                sqlx::raw_sql("savepoint step").execute(&mut *dry.connection).await?;
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
        let Self::Dry(connection) = self else { return Ok(()) };
        let mut dry = connection.lock().await;
        sqlx::raw_sql("rollback").execute(&mut *dry.connection).await?;
        dry.connection.close_on_drop();
        Ok(())
    }
}

impl Step {
    /// The connection to work on.
    pub fn conn(&mut self) -> &mut PgConnection {
        match self {
            Self::Lasting(transaction) => transaction,
            Self::Dry(dry) => &mut dry.connection,
        }
    }

    /// Makes the step's work last.
    ///
    /// # Errors
    /// When the database fails; the work is undone then.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Lasting(transaction) => transaction.commit().await,
            Self::Dry(mut dry) => {
                sqlx::raw_sql("release savepoint step").execute(&mut *dry.connection).await?;
                dry.dirty = false;
                Ok(())
            }
        }
    }
}

impl Drop for DryConnection {
    fn drop(&mut self) {
        // A connection with an open transaction must not go back to the pool.
        self.connection.close_on_drop();
    }
}
