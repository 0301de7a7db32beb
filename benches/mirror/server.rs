//! A PostgreSQL server of its own with stock settings, fsync and all, in the folder for temporary files: on that disk commits are paid for.

use std::{
    fs::File,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use hiersync::{clock, embedded::binaries};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tempfile::TempDir;
use tokio::process::Child;

/// Until a server serves, or somebody has left it.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running server with an empty database `hiersync`.
pub struct Server {
    pub url: String,
    /// One connection, by which it is asked.
    pub pool: PgPool,
    folder: TempDir,
    child: Child,
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(user) = stand_in() {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let data = folder.path().join("data");
        let made =
            program("initdb").arg("-D").arg(&data).args(["--username=hiersync", "--auth=trust", "--encoding=UTF8"]).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut command = program("postgres");
        command.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c"]);
        command.arg(format!("unix_socket_directories={}", folder.path().display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(folder.path().join("postgres.log")).unwrap());
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let url = format!("postgres://hiersync@localhost/hiersync?host={}", folder.path().display());
        let admin = connected(&url.replace("/hiersync?", "/postgres?")).await;
        sqlx::raw_sql("create database hiersync").execute(&admin).await.unwrap();
        admin.close().await;
        Self { pool: connected(&url).await, url, folder, child }
    }

    /// The postmaster's process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts it at rest, so that a run pays for nothing that was left by the one before.
    pub async fn settle(&self) {
        for statement in ["vacuum analyze", "checkpoint"] {
            sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
        }
    }

    /// How much hiersync keeps, in bytes.
    pub async fn mirrored(&self) -> i64 {
        let bytes = "select sum(pg_total_relation_size(oid))::bigint from pg_class
                     where relkind = 'r' and relnamespace in ('hiersync'::regnamespace, 'hiersync_internal'::regnamespace)";
        sqlx::query_scalar(bytes).fetch_one(&self.pool).await.unwrap()
    }

    /// Waits until nobody else is connected: what a backend has counted is told at its end.
    pub async fn until_alone(&self) {
        let others = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
        let begun = clock::instant();
        while sqlx::query_scalar::<_, i64>(others).fetch_one(&self.pool).await.unwrap() > 0 {
            assert!(begun.elapsed() < PATIENCE, "somebody stays connected");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // It leaves the view before its process ends, and a process that ends while it is looked for is counted nowhere.
        tokio::time::sleep(LOOK_EVERY * 20).await;
    }

    pub async fn stop(mut self) {
        self.pool.close().await;
        kill(Pid::from_raw(self.pid().try_into().unwrap()), Signal::SIGQUIT).unwrap();
        self.child.wait().await.unwrap();
    }
}

async fn connected(url: &str) -> PgPool {
    let begun = clock::instant();
    loop {
        match PgPoolOptions::new().max_connections(1).connect(url).await {
            Ok(pool) => return pool,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "the server does not serve: {error}"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Who runs servers, which refuse root.
fn stand_in() -> Option<User> {
    let first = || ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).unwrap()).expect("a user to stand in for root");
    geteuid().is_root().then(first)
}

fn program(name: &str) -> Command {
    let mut command = Command::new(binaries::find(None, Path::new("/nowhere")).unwrap().join(name));
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
    if let Some(user) = stand_in() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}
