//! Why there is no database to work with, for who has to mend it.

use sqlx::migrate::MigrateError;

/// The oldest server that has what the schema is made of (multiranges), as `server_version_num`.
pub(super) const OLDEST: i32 = 140_000;

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
    /// It can only be read.
    #[error(
        "the database at {place} can only be read: it is a hot standby, or this role's sessions are read-only; name the primary in \
         [database].url, or promote this server"
    )]
    ReadOnly {
        /// Host and database, without credentials.
        place: String,
    },
    /// A standby holds another schema.
    #[error(
        "the database at {place} can only be read, as a hot standby or by this role, and does not hold the schema of this version: let this \
         version write to it, or to its primary, first"
    )]
    OtherSchema {
        /// Host and database, without credentials.
        place: String,
    },
    /// The role may not do what must be done.
    #[error("the role {user} lacks rights in the database at {place}: let an administrator run `{missing}`")]
    Rights {
        /// Host and database, without credentials.
        place: String,
        /// The role.
        user: String,
        /// What to run.
        missing: String,
    },
    /// Somebody else's schema has the name of ours.
    #[error(
        "the database at {place} has a schema of somebody else's by the name of hiersync, hiersync_bi or hiersync_internal: name another database in [database].url"
    )]
    ForeignSchema {
        /// Host and database, without credentials.
        place: String,
    },
    /// It cannot hold what vendors send.
    #[error(
        "the database at {place} has the encoding {encoding}, and cannot hold what the vendors send: run `create database hiersync \
         encoding 'UTF8' template template0`, and name it in [database].url"
    )]
    Encoding {
        /// Host and database, without credentials.
        place: String,
        /// Its encoding.
        encoding: String,
    },
    /// The server lacks what the schema is made of.
    #[error(
        "the database at {place} is of PostgreSQL {version}, and hiersync needs {} or newer: bring the server up to date, or name another in \
         [database].url", OLDEST / 10_000
    )]
    TooOld {
        /// Host and database, without credentials.
        place: String,
        /// What the server says of itself.
        version: String,
    },
    /// Another version of this program has made the schema.
    #[error("the schema in the database at {place} is not of this version of hiersync, but of a newer or another one: run that one")]
    OtherVersion {
        /// Host and database, without credentials.
        place: String,
        /// What the migrator says.
        #[source]
        source: MigrateError,
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

impl ConnectError {
    /// The server refuses the role or its password: waiting does not help. SQLSTATE class 28.
    pub fn is_refused(&self) -> bool {
        let (Self::Unreachable { source, .. } | Self::Migrate { source: MigrateError::Execute(source), .. }) = self else { return false };
        source.as_database_error().and_then(|error| error.code()).is_some_and(|code| code.starts_with("28"))
    }
}
