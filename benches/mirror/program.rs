//! Runs `hiersync sync` as a process of its own, with a config file, and says what it took.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use hiersync::{
    app::App,
    clock,
    config::{read, secrets::Secrets},
};
use nix::sys::resource::UsageWho;
use tokio::process::{Child, Command};

use super::{account, server::Server, table::Line, used};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hiersync");

/// Between two looks at the process' memory: the kernel keeps the peak, so only what comes last is missed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The program with a config.
pub struct Program<'a> {
    server: &'a Server,
    config: PathBuf,
}

/// What a run says of itself.
#[derive(Debug, sqlx::FromRow)]
pub struct Counted {
    pub outcome: String,
    pub requests: i64,
    pub rows_seen: i64,
    pub inserted: i64,
    pub updated: i64,
    pub unchanged: i64,
}

/// A run, measured.
pub struct Run {
    pub counted: Counted,
    pub line: Line,
}

impl<'a> Program<'a> {
    /// Brings the schema up to date as well: no run pays for that.
    pub async fn new(server: &'a Server, vendor: &str) -> Self {
        let text = format!(
            "[database]\nurl = \"{}\"\n[daemon]\nlisten = \"\"\n[[source]]\nname = \"customers\"\nvendor = \"capillary\"\n\
             base_url = \"{vendor}\"\nauth = \"basic\"\ntill = \"bench.till\"\nroots = [{{ type = \"externalId\", value = \"{}\" }}]\n\
             page_size = 1000\nlimits = [\"1000000/1s\"]\nconcurrency = 4\nretire_guard = 1.0\n",
            server.url,
            account::root_identifier()
        );
        let config = server.folder().join("hiersync.toml");
        fs::write(&config, &text).unwrap();
        let settings = read::read(&text).unwrap_or_else(|faults| panic!("{faults}"));
        App::open(settings, Secrets::new(None, HashMap::new()), PathBuf::from(PROGRAM)).await.unwrap().close().await;
        Self { server, config }
    }

    /// One run, on a server at rest.
    pub async fn sync(&self) -> Run {
        self.server.settle().await;
        let before = used::up_to_now(self.server, UsageWho::RUSAGE_CHILDREN).await;
        let (wall, peak) = self.ended().await;
        let used = used::up_to_now(self.server, UsageWho::RUSAGE_CHILDREN).await - before;
        let counted: Counted = sqlx::query_as(
            "select coalesce(outcome, 'open') as outcome, requests, rows_seen, inserted, updated, unchanged
             from hiersync.sync_run order by run_id desc limit 1",
        )
        .fetch_one(&self.server.pool)
        .await
        .unwrap();
        let line = Line { calls: Some(counted.requests), peak: Some(peak), ..Line::of(wall, used) };
        Run { counted, line }
    }

    /// How many seconds the program runs, and the most memory that it holds, in MiB.
    async fn ended(&self) -> (f64, f64) {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&self.config).arg("sync").env("HIERSYNC_CUSTOMERS_PASSWORD", "secret");
        // As in our unit.
        command.env("MALLOC_ARENA_MAX", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        measured(command, &self.server.folder().join("hiersync.log")).await
    }
}

/// How many seconds a program runs, and the most memory that it holds, in MiB. What it says on stderr goes to the log.
pub async fn measured(mut command: Command, log: &Path) -> (f64, f64) {
    command.stderr(File::create(log).unwrap());
    let begun = clock::instant();
    let mut child = command.spawn().unwrap();
    let mut peak = 0.0;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.unwrap(),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        peak = f64::max(peak, peak_of(&child).unwrap_or(0.0));
    };
    let wall = begun.elapsed().as_secs_f64();
    assert!(status.success(), "{status}: {}", fs::read_to_string(log).unwrap());
    (wall, peak)
}

fn peak_of(child: &Child) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()?)).ok()?;
    let kib: f64 = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}
