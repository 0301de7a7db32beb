//! Whether statements have names. A named statement is parsed once per connection, and soon planned once, but hangs on that connection:
//! a pooler that changes connections between transactions loses it, or has another's under the same name, unless it keeps account of them.
//!
//! A connection whose statements have names is known by the one that it was given first.

use std::{sync::LazyLock, time::Duration};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, postgres::PgConnectOptions};

use tracing::debug;

use super::conn::within;
use crate::{clock, config::Prepared};

/// More than there are statements: none makes room for another.
const CAPACITY: usize = 512;

/// What takes longer to find out is not found out.
const PATIENCE: Duration = Duration::from_secs(10);

/// This process, among all that may share a server's connection.
static OWN: LazyLock<String> = LazyLock::new(|| format!("{}.{}", std::process::id(), clock::now().timestamp_micros()));

/// The first statement of a connection whose statements have names.
static ASKED: LazyLock<String> = LazyLock::new(|| format!("select current_setting('transaction_read_only'), '{}'", *OWN));

/// Run by name, to see which name it has on the server.
const CALLING: &str = "select 'hiersync, by name'";

/// What the server calls it. sqlx counts names up after the same beginning.
const CALLED: &str = "select name from pg_prepared_statements where statement like 'select ''hiersync, by name''%'";

/// How sqlx's names begin.
const OURS: &str = "sqlx_s_";

/// Whether the connections to this place are to name their statements.
pub(super) async fn wanted(prepared: Prepared, options: &PgConnectOptions) -> bool {
    match prepared {
        Prepared::On => true,
        Prepared::Off => false,
        Prepared::Auto => within(PATIENCE, is_safe(options)).await.unwrap_or_else(|error| {
            // As from a pooler that refuses what it does not know.
            debug!(%error, "it was not found out whether statements may have names: they have none");
            false
        }),
    }
}

/// The options of connections that can name all their statements.
pub(super) fn with_room(options: PgConnectOptions) -> PgConnectOptions {
    options.statement_cache_capacity(CAPACITY)
}

/// Whether the statements of this connection have names.
pub(super) fn is_named(connection: &PgConnection) -> bool {
    connection.cached_statements_size() > 0
}

/// Asks by name from the first time on. A connection that has lost its names, or has another process's, fails.
pub(super) async fn is_read_only_by_name(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let row = sqlx::query(AssertSqlSafe(ASKED.as_str())).fetch_one(connection).await?;
    if row.get::<&str, _>(1) != OWN.as_str() {
        return Err(sqlx::Error::Protocol("another process's statement has this name".into()));
    }
    Ok(row.get::<&str, _>(0) == "on")
}

/// A pooler that keeps account of names gives its own to the server. Where the server has ours, nobody stands in between, or somebody who
/// does not look.
async fn is_safe(options: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut connection = with_room(options.clone()).connect().await?;
    let names = names_on_server(&mut connection).await?;
    connection.close().await?;
    match names.iter().any(|name| name.starts_with(OURS)) {
        true => is_direct(options).await,
        false => Ok(!names.is_empty()),
    }
}

/// The names that the server has for a statement that we name, of which none is left there. In one transaction: a pooler keeps to one
/// connection for as long.
async fn names_on_server(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    let mut transaction = connection.begin().await?;
    sqlx::query(CALLING).execute(&mut *transaction).await?;
    let names = sqlx::raw_sql(CALLED).fetch_all(&mut *transaction).await?;
    let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    for name in names.iter().filter(|name| name.starts_with(OURS)) {
        sqlx::raw_sql(AssertSqlSafe(format!("deallocate \"{name}\""))).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(names)
}

/// Whether the server knows what a connection has said at its start, in one transaction after the other. A pooler has made its connections
/// before, or for others, and refuses what it cannot pass on.
async fn is_direct(options: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut connection = options.clone().options([("hiersync.started_by", OWN.as_str())]).connect().await?;
    let mut is_direct = true;
    for _ in 0..2 {
        let said = sqlx::raw_sql("select coalesce(current_setting('hiersync.started_by', true), '')").fetch_one(&mut connection).await?;
        is_direct &= said.get::<&str, _>(0) == OWN.as_str();
    }
    connection.close().await?;
    Ok(is_direct)
}
