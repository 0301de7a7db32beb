//! The way into the database: the pool.

use std::{io, str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::net::TcpStream;
use tracing::warn;
use url::Url;

use super::{
    conn::within,
    connect_error::ConnectError,
    naming,
    schema::{self, is_current, migrate},
};
use crate::config::Prepared;

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

/// Whether it could be opened: it answers, lets the role in, can be written, and holds no schema of another version.
///
/// # Errors
/// See [`ConnectError`].
pub async fn look(url: &str, password: Option<&SecretString>) -> Result<(), ConnectError> {
    let options = options(url, password)?;
    let place = place(&options);
    if reach(&options, &place).await? {
        return Err(ConnectError::ReadOnly { place });
    }
    let connection = options.connect().await.map_err(|source| ConnectError::Unreachable { place: place.clone(), source })?;
    schema::look(connection, &place).await
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
    // A URL has an IPv6 address in brackets, of which the resolver knows nothing.
    let host = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    let options = host.into_iter().fold(options, |options, host| options.host(&host));
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
    let place = place.to_owned();
    reached(options).await.map_err(|source| {
        let user = options.get_username().to_owned();
        match connect_right(&source, options) {
            Some(missing) => ConnectError::Rights { place, user, missing },
            None => ConnectError::Unreachable { place, source },
        }
    })
}

/// What grants the right to connect, if that is what is missing. SQLSTATE `42501`: nothing else is asked for there.
fn connect_right(error: &sqlx::Error, options: &PgConnectOptions) -> Option<String> {
    let is_missing = error.as_database_error().is_some_and(|told| told.code().as_deref() == Some("42501"));
    let (user, database) = (options.get_username(), options.get_database().unwrap_or_else(|| options.get_username()));
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    is_missing.then(|| format!("grant connect on database {} to {}", quoted(database), quoted(user)))
}

async fn reached(options: &PgConnectOptions) -> sqlx::Result<bool> {
    if options.get_socket().is_none() {
        // sqlx tries a refused connection again and again: this one tells at once.
        let address = (options.get_host().to_owned(), options.get_port());
        tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| no_answer())??;
    }
    let connected = tokio::time::timeout(PATIENCE, options.connect()).await.map_err(|_| no_answer())?;
    let mut connection = connected?;
    let is_read_only = !is_usable(&mut connection).await?;
    connection.close().await?;
    Ok(is_read_only)
}

fn no_answer() -> sqlx::Error {
    let say = format!("no answer within {} s: the address is wrong, or a firewall drops what is sent there", PATIENCE.as_secs());
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, say))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_loses_the_brackets_of_its_url() {
        for (url, host) in [("postgres://u@[::1]:5433/d", "::1"), ("postgres://u@127.0.0.1/d", "127.0.0.1"), ("postgres://u@db/d", "db")] {
            assert_eq!(options(url, None).expect("a URL").get_host(), host, "{url}");
        }
    }

    #[test]
    fn keys_that_nobody_knows_stay_out_of_the_way_of_who_would_print_them() {
        let url = "postgres://u@h/d?sslmode=require&sslpassword=hush&connect_timeout=3&options[search_path]=x";
        assert_eq!(without_unknown(url), "postgres://u@h/d?sslmode=require&options%5Bsearch_path%5D=x");
        for url in ["postgres://u@h/d?host=%2Ftmp%2Fx&user=y", "postgres:///d", "not a url"] {
            assert_eq!(without_unknown(url), url);
        }
    }
}
