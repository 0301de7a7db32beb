//! How the embedded server fails. Texts say what, where, and what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why there is no embedded server to use.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The system refuses something about a file or a process.
    #[error("embedded postgres: cannot {act} {}", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No server is installed at all.
    #[error(
        "no PostgreSQL server is installed that is of version 14 or newer: apt-get install postgresql, or name its folder in [database].pg_bin, or set [database].url to a server you have"
    )]
    NoBinaries,
    /// Servers are installed, none of which can read the data.
    #[error("the data in {} needs PostgreSQL {wanted}, installed is {found}: apt-get install postgresql-{wanted}, or name its folder in [database].pg_bin, or set [database].url to a server you have", pgdata.display())]
    NoFittingBinaries {
        /// The data directory.
        pgdata: PathBuf,
        /// Its major version.
        wanted: u32,
        /// The major versions that are there.
        found: String,
    },
    /// `pg_bin` is not a folder of a server's programs.
    #[error("[database].pg_bin {} has no {program} that runs: name the folder with initdb and postgres, or leave it out, or set [database].url to a server you have", folder.display())]
    NotBinaries {
        /// What was configured.
        folder: PathBuf,
        /// What is missing in it.
        program: &'static str,
    },
    /// Started as root on a system without a user to run the server as.
    #[error(
        "as root, the embedded postgres runs as user postgres or nobody, and neither exists: run hiersync as another user, or set [database].url"
    )]
    NoAccount,
    /// Started as root, and the server's user cannot reach the folder.
    #[error("the embedded postgres runs as user {user}, who may not enter {}: set [database].dir to a folder outside of it, or set [database].url", blocked_by.display())]
    Unreachable {
        /// Who the server runs as.
        user: String,
        /// The first folder on the way that refuses.
        blocked_by: PathBuf,
    },
    /// `[database].dir` holds other things.
    #[error("[database].dir {} holds other things, and no database of hiersync's: name an empty folder, or one that is not there yet", .0.display())]
    ForeignHome(PathBuf),
    /// Somebody else's folder stands where the socket must go.
    #[error("the socket folder {} belongs to somebody else: remove it, or choose a shorter [database].dir", .0.display())]
    ForeignSocketDir(PathBuf),
    /// The server is on its way out and does not get there.
    #[error("the embedded postgres in {} has been stopping for {seconds} s: see {}, then try again", dir.display(), log.display())]
    Stopping {
        /// Home of the cluster.
        dir: PathBuf,
        /// How long we waited.
        seconds: u64,
        /// Where the server writes.
        log: PathBuf,
    },
    /// A server that nobody supervises keeps running on the data.
    #[error("process {pid} still runs on {}: stop it (kill -INT {pid}), then try again", pgdata.display())]
    StillRunning {
        /// The postmaster.
        pid: i32,
        /// The data directory.
        pgdata: PathBuf,
    },
    /// It is supervised, and still takes no connections.
    #[error("the embedded postgres is not ready after {seconds} s: see {}, or set [database].url", log.display())]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// Where the server writes.
        log: PathBuf,
    },
    /// One of the server's programs refused.
    #[error("{program} failed: {reason}")]
    Program {
        /// `initdb` or `postgres`.
        program: &'static str,
        /// The last it said.
        reason: String,
    },
    /// The supervisor gave up.
    #[error("the embedded postgres does not start: {reason} (see {}, or set [database].url)", log.display())]
    Failed {
        /// The last it said.
        reason: String,
        /// Where the server writes.
        log: PathBuf,
    },
}

impl EmbeddedError {
    /// Says what was being done to `path`.
    pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { act, path, source }
    }
}
