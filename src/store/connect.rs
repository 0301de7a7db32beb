//! The way into the database: the pool and the schema.

use std::{borrow::Cow, str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Row,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::net::TcpStream;
use tracing::warn;
use url::Url;

use super::{
    conn::{Conn, Patience, within},
    connect_error::ConnectError,
    naming,
    rights::{self, Found},
};
use crate::config::Prepared;

/// Guards the migrations between processes; transaction-level, so that a pooling proxy in front works.
const MIGRATION_LOCK: i64 = 0x6869_6572_0001;

/// A migration waits so long for a table that others use, and lets them go on before it tries again: everybody else would wait behind it.
const LOCKED: &str = "set local lock_timeout = '2s'";

/// A migration that meets the same tables in use so often is given up.
const MIGRATION_TRIES: u32 = 60;

/// Frees the names that sqlx has given on the server's connection: a pooler that gives its own knows of them.
const FREE_NAMES: &str = "do $$ declare named text; begin
    for named in select name from pg_prepared_statements where name like 'sqlx\\_s\\_%' loop execute format('deallocate %I', named); end loop;
end $$";

/// A connection that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that does not answer within this time is broken.
const USABLE_WITHIN: Duration = Duration::from_secs(2);

/// Keys of a database's URL that sqlx 0.9 knows.
const KNOWN: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The connections to hold.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// So many at most.
    pub most: u32,
    /// Whether their statements have names.
    pub prepared: Prepared,
}

/// Connects and brings the schema up to date.
///
/// # Errors
/// See [`ConnectError`].
pub async fn open(url: &str, password: Option<&SecretString>, connections: Connections) -> Result<PgPool, ConnectError> {
    let options = options(url, password)?;
    let place = place(&options);
    if reach(&options, &place).await? {
        return Err(ConnectError::ReadOnly { place });
    }
    writing(&options, place, connections).await
}

/// The same for who only reads: a hot standby will do. `true`: it can only be read. Who asks once has nothing from names.
///
/// # Errors
/// See [`ConnectError`].
pub async fn open_to_read(url: &str, password: Option<&SecretString>, most: u32) -> Result<(PgPool, bool), ConnectError> {
    let options = options(url, password)?;
    let place = place(&options);
    if !reach(&options, &place).await? {
        return Ok((writing(&options, place, Connections { most, prepared: Prepared::Off }).await?, false));
    }
    let pool = sized(most).connect_lazy_with(options);
    if is_current(&pool, &sqlx::migrate!()).await { Ok((pool, true)) } else { Err(ConnectError::OtherSchema { place }) }
}

async fn writing(options: &PgConnectOptions, place: String, connections: Connections) -> Result<PgPool, ConnectError> {
    let are_named = naming::wanted(connections.prepared, options).await;
    let all = sized(connections.most).before_acquire(|connection, _| Box::pin(is_worth_keeping(connection)));
    let all = all.after_release(|connection, _| Box::pin(is_worth_keeping(connection)));
    let all = all.after_connect(move |connection, _| {
        Box::pin(async move {
            if are_named {
                naming::is_read_only_by_name(connection).await?;
            }
            Ok(())
        })
    });
    let pool = all.connect_lazy_with(naming::with_room(options.clone()));
    migrate(&pool, options, &place).await?;
    Ok(pool)
}

fn options(url: &str, password: Option<&SecretString>) -> Result<PgConnectOptions, ConnectError> {
    // sqlx would set `extra_float_digits`, which pgbouncer refuses; since Postgres 12 a float reads back exactly without it.
    let url = without_unknown(url);
    let options = PgConnectOptions::from_str(&url).map_err(ConnectError::Url)?.application_name("hiersync").extra_float_digits(None);
    Ok(match password {
        Some(password) => options.password(password.expose_secret()),
        None => options,
    })
}

/// The URL without the keys that sqlx does not know: it would print them with their values, which may be secret.
fn without_unknown(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    let pairs: Vec<(String, String)> = parsed.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    let (known, unknown): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|(key, _)| KNOWN.contains(&key.as_str()) || key.starts_with("options["));
    if unknown.is_empty() {
        return url.to_owned();
    }
    let names: Vec<String> = unknown.into_iter().map(|(key, _)| key).collect();
    warn!(keys = names.join(", "), "keys of the database's URL are not known, and ignored");
    parsed.query_pairs_mut().clear().extend_pairs(known);
    parsed.into()
}

/// Connects once, and says whether it can only be read. A pool tries again until its time is up, and then does not say why: one
/// connection by itself does.
async fn reach(options: &PgConnectOptions, place: &str) -> Result<bool, ConnectError> {
    reached(options).await.map_err(|source| ConnectError::Unreachable { place: place.to_owned(), source })
}

async fn reached(options: &PgConnectOptions) -> sqlx::Result<bool> {
    if options.get_socket().is_none() {
        // sqlx tries a refused connection again and again: this one tells at once.
        let address = (options.get_host().to_owned(), options.get_port());
        tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    }
    let connected = tokio::time::timeout(PATIENCE, options.connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
    let mut connection = connected?;
    let is_read_only = !is_usable(&mut connection).await?;
    connection.close().await?;
    Ok(is_read_only)
}

/// A connection that does not answer, or is to a server that has become a standby, is thrown away: before it is used, and when it is
/// given back, where it may be one whose answer never came.
pub(super) async fn is_usable(connection: &mut PgConnection) -> sqlx::Result<bool> {
    if naming::is_named(connection) {
        return within(USABLE_WITHIN, naming::is_read_only_by_name(connection)).await.map(|is_read_only| !is_read_only);
    }
    let asked = within(USABLE_WITHIN, sqlx::raw_sql("show transaction_read_only").fetch_one(connection)).await?;
    Ok(asked.get::<&str, _>(0) == "off")
}

/// The same for the pool, which would log an error with the line of Postgres' source; another connection tells why there is none.
async fn is_worth_keeping(connection: &mut PgConnection) -> sqlx::Result<bool> {
    Ok(is_usable(connection).await.unwrap_or(false))
}

fn sized(most: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(most.max(2)).acquire_timeout(PATIENCE).test_before_acquire(false)
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or("(default)");
    match options.get_socket() {
        Some(socket) => format!("{}, database {database}", socket.display()),
        None => format!("{}:{}, database {database}", options.get_host(), options.get_port()),
    }
}

/// Runs the migrations that are missing.
async fn migrate(pool: &PgPool, options: &PgConnectOptions, place: &str) -> Result<(), ConnectError> {
    let mut migrator = sqlx::migrate!();
    // The migrator's own lock is a session lock, which a transaction-pooling proxy breaks.
    migrator.set_locking(false);
    // A schema that is there is not made: even that would ask for the right to make one.
    migrator.create_schemas = Cow::Borrowed(&[]);
    if is_current(pool, &migrator).await {
        return Ok(());
    }
    let of_place = |source: MigrateError| ConnectError::Migrate { place: place.to_owned(), source };
    let mut tries = 1;
    loop {
        let mut connection = options.connect().await.map_err(|error| of_place(error.into()))?;
        check(&mut connection, place).await?;
        match bring_up(connection, &migrator).await {
            Err(error) if is_locked(&error) && tries < MIGRATION_TRIES => warn!(tries, "the schema waits for who uses its tables"),
            ended => return ended.map_err(of_place),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        tries += 1;
    }
}

/// Somebody else holds what is to be changed. SQLSTATE `55P03`.
fn is_locked(error: &MigrateError) -> bool {
    let (MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) = error else { return false };
    source.as_database_error().is_some_and(|told| told.code().as_deref() == Some("55P03"))
}

/// Before anything is made: whether it can be.
async fn check(connection: &mut PgConnection, place: &str) -> Result<(), ConnectError> {
    let found = async {
        let mut transaction = connection.begin().await?;
        let found = rights::look(&mut Conn::of(&mut transaction, Patience::All)).await?;
        transaction.commit().await.map(|()| found)
    };
    let place = place.to_owned();
    match found.await {
        Err(source) => Err(ConnectError::Unreachable { place, source }),
        Ok(Found { encoding, .. }) if encoding != "UTF8" => Err(ConnectError::Encoding { place, encoding }),
        Ok(Found { user, missing: Some(missing), .. }) => Err(ConnectError::Rights { place, user, missing }),
        Ok(_) => Ok(()),
    }
}

async fn bring_up(mut connection: PgConnection, migrator: &Migrator) -> Result<(), MigrateError> {
    // The migrator gives names to its statements. They must not outlive its transaction, nor meet others there: behind a proxy
    // the server's connection is shared. Ours is not used again; where it ends early, the server's ends with it.
    let mut transaction = connection.begin().await?;
    sqlx::query!("select pg_advisory_xact_lock($1)", MIGRATION_LOCK).execute(&mut Conn::of(&mut transaction, Patience::All)).await?;
    sqlx::raw_sql(FREE_NAMES).execute(&mut *transaction).await?;
    sqlx::raw_sql(LOCKED).execute(&mut *transaction).await?;
    rights::become_owner(&mut Conn::of(&mut transaction, Patience::All)).await?;
    sqlx::raw_sql("do $$ begin if to_regnamespace('hiersync') is null then create schema hiersync; end if; end $$")
        .execute(&mut *transaction)
        .await?;
    migrator.run(&mut *transaction).await?;
    sqlx::raw_sql(FREE_NAMES).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(connection.close().await?)
}

/// Whether the schema is exactly what this program wants. Where it is not, the migrator says what is the matter.
async fn is_current(pool: &PgPool, migrator: &Migrator) -> bool {
    let applied = "select version, checksum, success from hiersync._sqlx_migrations order by version";
    let Ok(rows) = sqlx::raw_sql(applied).fetch_all(pool).await else { return false };
    let found = rows.iter().map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?)));
    found.eq(migrator.iter().map(|migration| Some((migration.version, migration.checksum.to_vec(), true))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_nobody_knows_stay_out_of_the_way_of_who_would_print_them() {
        let url = "postgres://u@h/d?sslmode=require&sslpassword=hush&connect_timeout=3&options[search_path]=x";
        assert_eq!(without_unknown(url), "postgres://u@h/d?sslmode=require&options%5Bsearch_path%5D=x");
        for url in ["postgres://u@h/d?host=%2Ftmp%2Fx&user=y", "postgres:///d", "not a url"] {
            assert_eq!(without_unknown(url), url);
        }
    }
}
