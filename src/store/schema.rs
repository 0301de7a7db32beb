//! Brings the schema up to date, where it can be.

use std::{borrow::Cow, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Row,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};
use tracing::warn;

use super::{
    conn::{Conn, Patience},
    connect_error::{ConnectError, OLDEST},
    rights::{self, Found},
    session::BEGIN,
};

/// Guards the migrations between processes; transaction-level, so that a pooling proxy in front works.
const MIGRATION_LOCK: i64 = 0x6869_6572_0001;

/// A migration waits so long for a table that others use, and lets them go on before it tries again: everybody else would wait behind it.
const LOCKED: &str = "set local lock_timeout = '2s'";

/// The migrations that were run.
const APPLIED: &str = "select version, checksum, success from hiersync._sqlx_migrations order by version";

/// A migration that meets the same tables in use so often is given up.
const MIGRATION_TRIES: u32 = 60;

/// Frees the names that sqlx has given on the server's connection: a pooler that gives its own knows of them.
const FREE_NAMES: &str = "do $$ declare named text; begin
    for named in select name from pg_prepared_statements where name like 'sqlx\\_s\\_%' loop execute format('deallocate %I', named); end loop;
end $$";

/// Runs the migrations that are missing.
pub(super) async fn migrate(pool: &PgPool, options: &PgConnectOptions, place: &str) -> Result<(), ConnectError> {
    let mut migrator = sqlx::migrate!();
    // The migrator's own lock is a session lock, which a transaction-pooling proxy breaks.
    migrator.set_locking(false);
    // A schema that is there is not made: even that would ask for the right to make one.
    migrator.create_schemas = Cow::Borrowed(&[]);
    if is_current(pool, &migrator).await {
        return Ok(());
    }
    let of_place = |source: MigrateError| match source {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => other_version(place, source),
        _ => ConnectError::Migrate { place: place.to_owned(), source },
    };
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
        Ok(Found { version_no, version, .. }) if version_no < OLDEST => Err(ConnectError::TooOld { place, version }),
        Ok(Found { encoding, .. }) if encoding != "UTF8" => Err(ConnectError::Encoding { place, encoding }),
        Ok(Found { is_foreign: true, .. }) => Err(ConnectError::ForeignSchema { place }),
        Ok(Found { user, missing: Some(missing), .. }) => Err(ConnectError::Rights { place, user, missing }),
        Ok(_) => Ok(()),
    }
}

/// Whether the schema could be brought up to date, as far as that can be seen without changing anything.
pub(super) async fn look(mut connection: PgConnection, place: &str) -> Result<(), ConnectError> {
    check(&mut connection, place).await?;
    let ours = sqlx::migrate!();
    // Where there is none it is made.
    let applied = sqlx::raw_sql(APPLIED).fetch_all(&mut connection).await.unwrap_or_default();
    let newer = applied.iter().filter_map(|row| row.try_get(0).ok()).find(|version| !ours.version_exists(*version));
    newer.map_or(Ok(()), |version| Err(other_version(place, MigrateError::VersionMissing(version))))
}

fn other_version(place: &str, source: MigrateError) -> ConnectError {
    ConnectError::OtherVersion { place: place.to_owned(), source }
}

async fn bring_up(mut connection: PgConnection, migrator: &Migrator) -> Result<(), MigrateError> {
    // The migrator gives names to its statements. They must not outlive its transaction, nor meet others there: behind a proxy
    // the server's connection is shared. Ours is not used again; where it ends early, the server's ends with it.
    // Whoever waits for another's migration waits as long as that takes, and then sees what it has made.
    let mut transaction = connection.begin_with(BEGIN).await?;
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
pub(super) async fn is_current(pool: &PgPool, migrator: &Migrator) -> bool {
    let Ok(rows) = sqlx::raw_sql(APPLIED).fetch_all(pool).await else { return false };
    let found = rows.iter().map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?)));
    found.eq(migrator.iter().map(|migration| Some((migration.version, migration.checksum.to_vec(), true))))
}
