//! The one way to run a statement: inside a transaction, and with a name only where names are safe (`naming.rs`).
//!
//! Behind a proxy that pools by transaction (pgbouncer) the next transaction is on another server connection, and this one's
//! is a stranger's: a named statement is missing there and stands in the way here. sqlx names what it prepares unless the
//! query says otherwise, and sends an unnamed one in two message groups, which only a transaction keeps together.
//! Each answer is awaited for a while only: a server that went without a word would be waited for for ever.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr, Transaction,
    error::BoxDynError,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::naming;

/// How long an answer, or its next row, is awaited: what takes longer has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Of a statement about a page. The lease is renewed meanwhile.
    Page,
    /// Of a statement about all that a source has.
    All,
    /// Of whoever only reads. The server itself ends the statement before.
    Reader,
}

impl Patience {
    const fn time(self) -> Duration {
        match self {
            Self::Page => Duration::from_secs(60),
            Self::All => Duration::from_secs(15 * 60),
            Self::Reader => Duration::from_secs(READ_WITHIN_S + 5),
        }
    }

    /// What a reader is told of a statement that the server has ended: SQLSTATE `57014`.
    fn explain(self, error: Error) -> Error {
        let is_ended = error.as_database_error().is_some_and(|told| told.code().as_deref() == Some("57014"));
        if !is_ended || self != Self::Reader {
            return error;
        }
        let say = format!(
            "the server ended the statement: what only reads has {READ_WITHIN_S} s for an answer. Ask for less, or again when the database \
             has less to do"
        );
        Error::Io(io::Error::new(io::ErrorKind::TimedOut, say))
    }
}

/// A statement that only reads has so many seconds.
pub(super) const READ_WITHIN_S: u64 = 30;

/// Gives up on what the database does not answer in time.
pub(super) async fn within<T>(time: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = || {
        let time = if time.as_secs() < 120 { format!("{} s", time.as_secs()) } else { format!("{} min", time.as_secs() / 60) };
        Error::Io(io::Error::new(io::ErrorKind::TimedOut, format!("the database gave no answer within {time}")))
    };
    let answered = tokio::time::timeout(time, answer).await.unwrap_or_else(|_| Err(late()));
    answered.inspect_err(|_| _ = ERRORS.fetch_add(1, Ordering::Relaxed))
}

static ERRORS: AtomicU64 = AtomicU64::new(0);

/// How often the database has failed this process, or given no answer.
pub fn errors() -> u64 {
    ERRORS.load(Ordering::Relaxed)
}

/// Connections that a pool holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Nobody uses them.
    pub idle: u32,
    /// Somebody does.
    pub used: u32,
}

/// Connections that a pool holds.
pub fn held(pool: &PgPool) -> Held {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    Held { idle, used: pool.size().saturating_sub(idle) }
}

/// A connection within a transaction.
#[derive(Debug)]
pub struct Conn<'c>(&'c mut PgConnection, Patience);

impl<'c> Conn<'c> {
    /// The connection of a transaction under way.
    pub(super) fn of(transaction: &'c mut Transaction<'_, Postgres>, patience: Patience) -> Self {
        Self(transaction, patience)
    }
}

impl<'c> Executor<'c> for &'c mut Conn<'_> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let patience = self.1;
        let is_named = naming::is_named(self.0);
        let rows = self.0.fetch_many(Statement { query, is_named });
        let next = move |rows: Option<BoxStream<'e, _>>| async move {
            let mut rows = rows?;
            match within(patience.time(), async { rows.next().await.transpose() }).await.transpose()? {
                Ok(row) => Some((Ok(row), Some(rows))),
                Err(error) => Some((Err(patience.explain(error)), None)),
            }
        };
        futures::stream::unfold(Some(rows), next).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let patience = self.1;
        let is_named = naming::is_named(self.0);
        let row = within(patience.time(), self.0.fetch_optional(Statement { query, is_named }));
        Box::pin(async move { row.await.map_err(|error| patience.explain(error)) })
    }

    fn prepare_with<'e>(self, _: SqlStr, _: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(async { Err(named()) })
    }

    fn describe<'e>(self, _: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        Box::pin(async { Err(named()) })
    }
}

fn named() -> Error {
    Error::Protocol("a statement that is prepared by itself has a name".into())
}

/// A query, and whether it is prepared by name.
struct Statement<E> {
    query: E,
    is_named: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Statement<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.is_named
    }
}
