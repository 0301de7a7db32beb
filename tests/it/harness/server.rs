//! A PostgreSQL server of one test, which may be killed, and standbys of it. It ends with its test.

use std::{
    fs::{self, File},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hiersync::embedded::binaries;
use nix::unistd::{User, geteuid};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use tokio::process::Child;

use super::until::{seconds, until};

/// A running server.
pub struct Server {
    /// Its database `hiersync`.
    pub url: String,
    folder: TempDir,
    child: Child,
}

impl Server {
    /// A new one, with an empty database.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with settings.
    pub async fn start_with(settings: &[&str]) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        run(program("initdb").arg("-D").arg(&data).args(["--username=hiersync", "--auth=trust", "--encoding=UTF8", "--no-sync"]));
        let server = Self::serve(folder, settings).await;
        let admin = PgPool::connect(&server.url.replace("/hiersync?", "/postgres?")).await.unwrap();
        sqlx::raw_sql("create database hiersync").execute(&admin).await.unwrap();
        admin.close().await;
        server
    }

    /// A hot standby of it.
    pub async fn standby(&self) -> Self {
        let folder = folder();
        let socket = self.folder.path().display().to_string();
        let data = folder.path().join("data");
        run(program("pg_basebackup").args(["-h", &socket, "-U", "hiersync", "-X", "stream", "-R", "-c", "fast", "-D"]).arg(&data));
        Self::serve(folder, &[]).await
    }

    async fn serve(folder: TempDir, settings: &[&str]) -> Self {
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = program("postgres");
        command.arg("-D").arg(folder.path().join("data")).args(["-c", "listen_addresses=", "-c", "fsync=off", "-c"]);
        command.arg(format!("unix_socket_directories={}", folder.path().display()));
        settings.iter().for_each(|setting| _ = command.args(["-c", setting]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let url = format!("postgres://hiersync@localhost/hiersync?host={}", folder.path().display());
        let server = Self { url, folder, child };
        let admin = server.url.replace("/hiersync?", "/postgres?");
        until("the server serves", seconds(20), async || PgPoolOptions::new().max_connections(1).connect(&admin).await.is_ok()).await;
        server
    }

    /// Ends it as the failure of its machine does.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Makes a primary of a standby.
    pub async fn promote(&self) -> PgPool {
        let pool = PgPool::connect(&self.url).await.unwrap();
        sqlx::raw_sql("select pg_promote()").execute(&pool).await.unwrap();
        pool
    }
}

/// A folder that the server's user may use.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    if let Some(user) = stand_in() {
        chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    folder
}

/// Who runs servers, which refuse root.
pub fn stand_in() -> Option<User> {
    let first = || ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).unwrap()).expect("a user to stand in for root");
    geteuid().is_root().then(first)
}

fn program(name: &str) -> Command {
    let folder: PathBuf = binaries::find(None, Path::new("/nowhere")).unwrap();
    let mut command = Command::new(folder.join(name));
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
    if let Some(user) = stand_in() {
        use std::os::unix::process::CommandExt;
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A test that fails tells what the server had to say.
impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server said: {}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
    }
}
