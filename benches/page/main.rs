//! The status page over a large mirror: `cargo bench --bench page`, or with how many customers: `cargo bench --bench page -- 200000`. One source
//! has a random tree of so many, 999 others have never been synced. Each page is asked for in turn, over loopback, by a client that
//! keeps its connection; on a server of its own with stock settings.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement that cannot go on fails")]

#[path = "../trees/fill.rs"]
mod fill;

use std::{
    collections::HashMap,
    fmt::Write,
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use hiersync::{
    app::App,
    clock,
    config::{read, secrets::Secrets},
};
use reqwest::Client;
use sqlx::PgPool;

use self::fill::{FILL, SETTLE, SOURCE, script};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hiersync");

/// Sources beside the large one.
const OTHERS: u32 = 999;

/// How often each page is asked for.
const TIMES: usize = 41;

#[tokio::main]
async fn main() {
    let many = std::env::args().filter_map(|word| word.parse().ok()).next_back().unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = folder.path().join("hiersync.toml");
    let text = config(&folder.path().join("db").display().to_string(), port);
    fs::write(&file, &text).unwrap();
    let config = read::read(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let app = App::open(config, Secrets::new(None, HashMap::new()), PathBuf::from(PROGRAM)).await.unwrap();
    fill(&app.pool, many).await;
    let mut daemon = Command::new(PROGRAM)
        .arg("--config")
        .arg(&file)
        .arg("daemon")
        .env("HIERSYNC_DAEMON_TOKEN", "token")
        .stdin(Stdio::null())
        .stderr(File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let client = Client::builder().timeout(Duration::from_secs(60)).redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let at = format!("http://127.0.0.1:{port}");
    // It lives before it can read its database.
    while client.get(&at).header("authorization", "Bearer token").send().await.map_or(true, |answer| answer.status().as_u16() >= 500) {
        assert!(daemon.try_wait().unwrap().is_none(), "the daemon has ended: {}", fs::read_to_string(folder.path().join("log")).unwrap());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("\n{many} customers in one source, {OTHERS} other sources; medians and maxima of {TIMES}\n");
    println!("| page | ms | at most | kB |");
    println!("| --- | ---: | ---: | ---: |");
    for (name, path) in pages(&app.pool).await {
        let (median, most, size) = timed(&client, &format!("{at}{path}")).await;
        println!("| {name} | {median:.1} | {most:.1} | {} |", size / 1000);
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    app.close().await;
}

fn config(dir: &str, port: u16) -> String {
    let mut text = format!("[database]\ndir = \"{dir}\"\n[daemon]\nlisten = \"127.0.0.1:{port}\"\n{SOURCE}\n");
    for number in 0..OTHERS {
        let other = SOURCE.replace("\"crm\"", &format!("\"other{number}\""));
        write!(text, "{other}\nschedule = \"0 0 1 1 *\"\nenabled = false\n").unwrap();
    }
    text
}

async fn fill(pool: &PgPool, many: u64) {
    script(pool, FILL, many).await;
    script(pool, SETTLE, many).await;
    let others =
        format!("insert into hiersync.source (name, vendor) select 'other' || n, 'capillary' from generate_series(0, {}) n", OTHERS - 1);
    // Each has walked a hundred times.
    let walks = "insert into hiersync_internal.walk (source_id, shape, finished_at, verdict, live_nodes)
                 select source_id, 's', clock_timestamp(), 'complete', 100 from hiersync.source, generate_series(1, 100)";
    let runs = "insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger, finished_at, outcome)
                select source_id, walk_id, 1, 1, 'schedule', clock_timestamp(), 'complete' from hiersync_internal.walk";
    script(pool, &format!("{others};{walks};{runs};vacuum analyze"), many).await;
}

/// The pages, and where they are.
async fn pages(pool: &PgPool) -> Vec<(&'static str, String)> {
    let wide: i64 =
        sqlx::query_scalar("select customer_id from hiersync.customer_place order by children desc limit 1").fetch_one(pool).await.unwrap();
    let deep: i64 =
        sqlx::query_scalar("select customer_id from hiersync.customer_place order by depth desc limit 1").fetch_one(pool).await.unwrap();
    vec![
        ("overview of 1,000 sources", "/".into()),
        ("a source", "/source/crm".into()),
        ("tree: its first level", "/source/crm/tree".into()),
        ("tree: who hangs on the root", "/source/crm/below?node=1".into()),
        ("tree: who hangs on the widest node", format!("/source/crm/below?node={wide}")),
        ("a node, deep below", format!("/source/crm/node/{deep}")),
        ("search by id", "/source/crm/search?q=77".into()),
        ("search by mobile", "/source/crm/search?q=%2B977".into()),
        ("search by name", "/source/crm/search?q=Nobody".into()),
        ("changes", "/changes".into()),
        ("/metrics", "/metrics".into()),
        ("/healthz", "/healthz".into()),
    ]
}

/// Median and maximum in milliseconds, and the length.
async fn timed(client: &Client, url: &str) -> (f64, f64, usize) {
    let mut times = Vec::with_capacity(TIMES);
    let mut size = 0;
    for _ in 0..=TIMES {
        let begun = clock::instant();
        let answer = client.get(url).header("authorization", "Bearer token").send().await.unwrap();
        assert!(answer.status().as_u16() < 400, "{url}: {}", answer.status());
        size = answer.bytes().await.unwrap().len();
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    // The first one opens the connection.
    times.remove(0);
    times.sort_by(f64::total_cmp);
    (times[TIMES / 2], times[TIMES - 1], size)
}
