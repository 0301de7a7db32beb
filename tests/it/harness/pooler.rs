//! Debian's pgbouncer in front of the tests' Postgres. It pools by transaction, has few connections to the server, refuses
//! what it does not know, and ends with its test.

use std::{
    fs::{self, File},
    os::unix::{fs::chown, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::process::Child;
use url::Url;

use super::{
    server::stand_in,
    until::{seconds, until},
};

/// Connections to the server, for all processes together.
pub const SERVER_CONNECTIONS: u32 = 2;

/// Part of the socket's name.
const PORT: u16 = 6432;

/// A pgbouncer of one test.
pub struct Pooler {
    /// Leads through it to the database.
    pub url: String,
    _child: Child,
    folder: TempDir,
}

impl Pooler {
    /// Starts one in front of the database at this URL.
    pub async fn before(database: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let (config, log) = (folder.path().join("pgbouncer.ini"), folder.path().join("log"));
        fs::write(&config, config_for(database, folder.path())).unwrap();
        let mut command = Command::new(program());
        command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let mut command = tokio::process::Command::from(command);
        // It refuses root. The server runs as the same user, to whom alone its socket is open.
        if let Some(user) = stand_in() {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let started = command.kill_on_drop(true).spawn();
        let child = started.unwrap_or_else(|error| panic!("pgbouncer does not start ({error}): apt-get install pgbouncer"));
        let url = format!("postgres://hiersync@localhost:{PORT}/pooled?host={}", folder.path().display());
        let pooler = Self { url, _child: child, folder };
        let socket = pooler.folder.path().join(format!(".s.PGSQL.{PORT}"));
        until("pgbouncer listens", seconds(10), async || UnixStream::connect(&socket).is_ok()).await;
        pooler
    }
}

/// A test that fails tells what pgbouncer had to say.
impl Drop for Pooler {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("pgbouncer said: {}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
    }
}

/// Debian puts it where only root's `PATH` leads.
fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/pgbouncer");
    if debian.exists() { debian.to_owned() } else { "pgbouncer".into() }
}

fn config_for(database: &str, folder: &Path) -> String {
    let options: PgConnectOptions = database.parse().unwrap();
    let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
    let password = database.parse::<Url>().unwrap().password().map(|password| format!(" password={password}")).unwrap_or_default();
    format!(
        "[databases]\npooled = host={host} port={} dbname={} user={}{password}\n\n[pgbouncer]\npool_mode = transaction\nauth_type = any\n\
         default_pool_size = {SERVER_CONNECTIONS}\nmax_client_conn = 100\nlisten_addr =\nunix_socket_dir = {}\nlisten_port = {PORT}\n",
        options.get_port(),
        options.get_database().unwrap(),
        options.get_username(),
        folder.display()
    )
}
