//! The way into the database: the pool and the schema.

use std::{str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, PgPool,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::net::TcpStream;

/// Guards the migrations between processes; transaction-level, so that a pooling proxy in front works.
const MIGRATION_LOCK: i64 = 0x6869_6572_0001;

/// A connection that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Begins a transaction that the server ends when we fall silent in it: a process that froze, or whose machine has gone
/// without a word, would keep its locks for hours. Set anew each time, so that a transaction-pooling proxy works.
pub const BEGIN: &str = "begin; set local idle_in_transaction_session_timeout = '8s'";

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one.
    #[error("the database URL is malformed")]
    Url(#[source] sqlx::Error),
    /// Nobody answers, or with a refusal.
    #[error("cannot connect to the database at {place}")]
    Unreachable {
        /// Host and database, without credentials.
        place: String,
        /// What the server or the network said.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema `hiersync` up to date in the database at {place}")]
    Migrate {
        /// Host and database, without credentials.
        place: String,
        /// What failed.
        #[source]
        source: MigrateError,
    },
}

/// Connects and brings the schema up to date.
///
/// # Errors
/// See [`ConnectError`].
pub async fn open(url: &str, password: Option<&SecretString>, max_connections: u32) -> Result<PgPool, ConnectError> {
    let options = options(url, password)?;
    let place = place(&options);
    // A pool tries again until its time is up, and then does not say why: one connection by itself does.
    reach(&options).await.map_err(|source| ConnectError::Unreachable { place: place.clone(), source })?;
    let pool = pool(max_connections).connect_lazy_with(options);
    migrate(&pool).await.map_err(|source| ConnectError::Migrate { place, source })?;
    Ok(pool)
}

fn options(url: &str, password: Option<&SecretString>) -> Result<PgConnectOptions, ConnectError> {
    let options = PgConnectOptions::from_str(url).map_err(ConnectError::Url)?.application_name("hiersync");
    Ok(match password {
        Some(password) => options.password(password.expose_secret()),
        None => options,
    })
}

async fn reach(options: &PgConnectOptions) -> sqlx::Result<()> {
    if options.get_socket().is_none() {
        // sqlx tries a refused connection again and again: this one tells at once.
        let address = (options.get_host().to_owned(), options.get_port());
        tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    }
    match tokio::time::timeout(PATIENCE, options.connect()).await {
        Ok(connected) => connected?.close().await,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

fn pool(max_connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(max_connections.max(2)).acquire_timeout(PATIENCE)
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or("(default)");
    match options.get_socket() {
        Some(socket) => format!("{}, database {database}", socket.display()),
        None => format!("{}:{}, database {database}", options.get_host(), options.get_port()),
    }
}

async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    let mut guard = pool.begin().await?;
    sqlx::query!("select pg_advisory_xact_lock($1)", MIGRATION_LOCK).execute(&mut *guard).await?;
    // The migrator's own lock is a session lock, which a transaction-pooling proxy breaks.
    sqlx::migrate!().set_locking(false).run(pool).await?;
    guard.commit().await?;
    Ok(())
}
