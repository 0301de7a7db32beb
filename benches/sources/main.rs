//! Many sources in one daemon, each with a budget of its own that is the slowest thing there is: `cargo bench --bench sources`, or with how
//! many: `cargo bench --bench sources -- 100`. Two walks of each, all due at the same moment; the first takes all in, the second
//! finds nothing changed. What a source would take alone is what its budget asks for.
#![allow(clippy::unwrap_used, dead_code, missing_docs, reason = "a measurement that cannot go on fails, and uses parts of another")]

#[path = "../mirror/account.rs"]
mod account;
#[path = "../mirror/door.rs"]
mod door;
#[path = "../mirror/server.rs"]
mod server;
#[path = "../mirror/used.rs"]
mod used;

use std::{
    fmt::Write,
    fs::{self, File},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use hiersync::clock;
use nix::sys::{
    resource::UsageWho,
    signal::{Signal, kill},
};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use self::{account::Account, door::Door, server::Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hiersync");

/// Unless the command line says so.
const SOURCES: u32 = 1000;

/// Children below each source's root; a page shows one more of them than the page before.
const CHILDREN: u32 = 8;

/// Each source's budget: one call in so many seconds.
const SECONDS_A_CALL: u32 = 5;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A measurement that takes longer measures nothing.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// What the walks of one kind came to.
#[derive(sqlx::FromRow)]
struct Walks {
    runs: i64,
    calls: i64,
    /// A run's time by what its budget asks for.
    median: f64,
    most: f64,
    /// From when a source was due until its run began, in seconds.
    begun_after: f64,
}

#[tokio::main]
async fn main() {
    let sources = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(SOURCES);
    let door = Door::open(Arc::new(Account::new(CHILDREN, 0))).await;
    let server = Server::start().await;
    let config = server.folder().join("hiersync.toml");
    fs::write(&config, config_of(&server.url, &door.url, sources)).unwrap();
    let before = used::up_to_now(&server, UsageWho::RUSAGE_CHILDREN).await;
    let mut daemon = daemon(&config, &server);
    let (peak, connections) = watch(&server, &daemon, sources).await;
    kill(Pid::from_raw(daemon.id().unwrap().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert!(daemon.wait().await.unwrap().success());
    let used = used::up_to_now(&server, UsageWho::RUSAGE_CHILDREN).await - before;
    println!("\n{sources} sources of {CHILDREN} customers, each one call in {SECONDS_A_CALL} s, one daemon\n");
    println!("| walk | runs | calls | took, by what its budget asks for: median | most | begun after, s: most |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut calls = 0;
    for (walk, says) in [(1, "first"), (2, "nothing changed")] {
        let walks = walks(&server, walk).await;
        calls += walks.calls;
        println!("| {says} | {} | {} | {:.2} | {:.2} | {:.1} |", walks.runs, walks.calls, walks.median, walks.most, walks.begun_after);
    }
    let a_call = |seconds: f64| seconds * 1e3 / f64::from(u32::try_from(calls).unwrap());
    println!(
        "\npeak {peak:.1} MiB, {connections} connections to the database at most; a call took {:.2} ms of the daemon and {:.2} ms of the server",
        a_call(used.client),
        a_call(used.server)
    );
    server.stop().await;
}

fn config_of(database: &str, vendor: &str, sources: u32) -> String {
    let mut text = format!("[database]\nurl = \"{database}\"\n[daemon]\nlisten = \"\"\n");
    for source in 1..=sources {
        write!(
            text,
            "[[source]]\nname = \"s{source}\"\nvendor = \"capillary\"\nbase_url = \"{vendor}\"\nauth = \"basic\"\ntill = \"bench.till\"\n\
             roots = [{{ type = \"externalId\", value = \"{}\" }}]\npage_size = 2\nlimits = [\"1/{SECONDS_A_CALL}s\"]\n\
             schedule = \"0 * * * * *\"\n",
            account::root_identifier()
        )
        .unwrap();
    }
    text
}

fn daemon(config: &std::path::Path, server: &Server) -> Child {
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(config).arg("daemon");
    // All have the same password, by their own names.
    let secrets = fs::read_to_string(config).unwrap();
    let names = secrets.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    command.envs(names.map(|name| (format!("HIERSYNC_{}_PASSWORD", name.to_uppercase()), "secret")));
    let log = File::create(server.folder().join("hiersync.log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn().unwrap()
}

/// Until each source has been walked twice: the most memory that the daemon held, in MiB, and the most connections.
async fn watch(server: &Server, daemon: &Child, sources: u32) -> (f64, i64) {
    let begun = clock::instant();
    let (mut peak, mut most) = (0.0, 0);
    let done = "select count(*) from (select from hiersync.sync_run where outcome = 'complete' group by source_id having count(*) > 1) s";
    let others = "select count(*) from pg_stat_activity where application_name = 'hiersync'";
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        peak = f64::max(peak, peak_of(daemon));
        most = most.max(sqlx::query_scalar(others).fetch_one(&server.pool).await.unwrap());
        // Until the schema is there, nobody is done.
        if sqlx::query_scalar::<_, i64>(done).fetch_one(&server.pool).await.is_ok_and(|done| done == i64::from(sources)) {
            return (peak, most);
        }
        assert!(begun.elapsed() < PATIENCE, "they are not done");
    }
}

fn peak_of(daemon: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id().unwrap())).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|text| text.trim().strip_suffix(" kB"));
    kib.unwrap().trim().parse::<f64>().unwrap() / 1024.0
}

/// The runs of each source in their order; the first call of all needs no wait.
async fn walks(server: &Server, number: i64) -> Walks {
    sqlx::query_as(
        "with run as (
             select r.*, row_number() over (partition by source_id order by run_id) as number from hiersync.sync_run r
         ), share as (
             select requests, extract(epoch from finished_at - started_at) / ((requests - 1) * $2) as took,
                 extract(epoch from started_at - date_trunc('minute', min(started_at) over ())) as begun_after
             from run where number = $1 and outcome = 'complete'
         )
         select count(*) as runs, sum(requests)::bigint as calls, percentile_cont(0.5) within group (order by took)::float8 as median,
             max(took)::float8 as most, max(begun_after)::float8 as begun_after from share",
    )
    .bind(number)
    .bind(f64::from(SECONDS_A_CALL))
    .fetch_one(&server.pool)
    .await
    .unwrap()
}
