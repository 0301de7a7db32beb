//! The daemon: schedules, signals, systemd and the status page.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    os::unix::{fs::MetadataExt, net::UnixDatagram},
    process::Stdio,
    sync::{Arc, Mutex},
};

use hiersync::simulator::{
    capillary::{CapillarySim, refusals},
    door::Latency,
};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::harness::{
    case::Case,
    postgres::{fresh_database, newer_database, url_for},
    program::Program,
    running::Running,
    tables::{assert_customers, count, customers_now},
    until::{millis, seconds, until},
    vendors::{capillary, leadsquared},
};

/// Every second.
const ALWAYS: &str = "schedule = \"* * * * * *\"";
/// Once a year: within a test it has always fired and never fires.
const RARELY: &str = "schedule = \"0 0 1 1 *\"";

async fn customers(vendor: &CapillarySim, keys: &str) -> (Case, Program, PgPool) {
    let case = Case::new().await.customers(vendor, keys);
    let (program, pool) = (Program::of(&case), case.pool().await);
    (case, program, pool)
}

async fn ended_runs(pool: &PgPool) -> i64 {
    count(pool, "select count(*) from hiersync.sync_run where outcome is not null").await
}

async fn no_two_runs_at_once(pool: &PgPool) {
    let pairs = "select count(*) from hiersync.sync_run a join hiersync.sync_run b
                 on a.source_id = b.source_id and a.run_id < b.run_id and (a.finished_at is null or b.started_at < a.finished_at)";
    assert_eq!(count(pool, pairs).await, 0);
}

async fn told(pool: &PgPool) -> Vec<(String, String)> {
    let runs = "select trigger, coalesce(outcome, 'open') from hiersync.sync_run order by run_id";
    sqlx::query_as(runs).fetch_all(pool).await.unwrap()
}

fn are(told: &[(String, String)], expected: &[(&str, &str)]) {
    let told: Vec<(&str, &str)> = told.iter().map(|(trigger, outcome)| (trigger.as_str(), outcome.as_str())).collect();
    assert_eq!(told, expected);
}

/// Stops the daemon, which must be at once.
async fn stopped(running: Running, signal: &str) {
    let (ended, took) = running.stop(signal, seconds(15)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(took < seconds(10), "{took:?}");
    assert_eq!(ended.out, "");
}

// Schedules.

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_runs_again_and_again() {
    let (vendor, users) = (capillary(10).await, leadsquared(5).await);
    let case = Case::new().await.customers(&vendor, ALWAYS).users(&users, "");
    let (program, pool) = (Program::of(&case), case.pool().await);
    let daemon = Running::start(&program, &["daemon"]);
    let scheduled = "select count(*) from hiersync.sync_run where trigger = 'schedule' and outcome = 'complete'";
    until("three scheduled runs", seconds(15), async || count(&pool, scheduled).await >= 3).await;
    stopped(daemon, "-TERM").await;
    no_two_runs_at_once(&pool).await;
    // The other source has no schedule.
    assert_eq!(users.door().calls(), 0);
    let bad = "select count(*) from hiersync.sync_run where coalesce(outcome, 'open') not in ('complete', 'stopped')";
    assert_eq!(count(&pool, bad).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn firings_during_a_run_are_one_run_after_it() {
    let vendor = capillary(40).await;
    let (case, program, pool) = customers(&vendor, &format!("{ALWAYS}\nconcurrency = 1\npage_size = 5")).await;
    let quick = Program::of(&case).run(&["sync"]).await;
    assert_eq!(quick.code, 0, "{quick:?}");
    let calls = vendor.door().calls();
    // A walk takes about three seconds.
    vendor.door().set_latency(Latency::Fixed(seconds(3) / u32::try_from(calls).unwrap()));
    let daemon = Running::start(&program, &["daemon"]);
    until("two runs of the daemon", seconds(20), async || ended_runs(&pool).await >= 3).await;
    assert!(daemon.err().contains("coalesced"), "{}", daemon.err());
    stopped(daemon, "-TERM").await;
    no_two_runs_at_once(&pool).await;
    // Of at least six firings.
    assert!(told(&pool).await.len() <= 5, "{:?}", told(&pool).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firing_that_was_missed_is_made_up_once() {
    let vendor = capillary(10).await;
    let (_case, program, pool) = customers(&vendor, RARELY).await;
    let daemon = Running::start(&program, &["daemon"]);
    until("the missed run", seconds(15), async || ended_runs(&pool).await == 1).await;
    stopped(daemon, "-TERM").await;
    are(&told(&pool).await, &[("startup", "complete")]);

    // The last run is younger than the last firing.
    let daemon = Running::start(&program, &["daemon"]);
    daemon.says("INFO ready", seconds(10)).await;
    stopped(daemon, "-TERM").await;
    are(&told(&pool).await, &[("startup", "complete")]);

    // Now it is not.
    sqlx::query("update hiersync.sync_run set started_at = '2001-01-01', finished_at = '2001-01-02'").execute(&pool).await.unwrap();
    let daemon = Running::start(&program, &["daemon"]);
    until("the missed run", seconds(15), async || ended_runs(&pool).await == 2).await;
    stopped(daemon, "-TERM").await;
    are(&told(&pool).await, &[("startup", "complete"), ("startup", "complete")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_new_waits_for_its_schedule_and_says_when_it_is_due() {
    let vendor = capillary(10).await;
    let (case, _, pool) = customers(&vendor, RARELY).await;
    sqlx::raw_sql("alter table hiersync_internal.source_state alter first_seen_at set default clock_timestamp()")
        .execute(&pool)
        .await
        .unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = with_page(&case, port);
    let daemon = Running::start(&program, &["daemon"]);
    daemon.says("INFO ready", seconds(15)).await;
    let year = chrono::Datelike::year(&hiersync::clock::now()) + 1;
    let due = format!("{year}-01-01 00:00:00Z");
    let page = get(port, "/").await.unwrap().1;
    assert!(page.contains(&due), "{page}");
    for args in [&["status"][..], &["check"]] {
        let ended = program.run(args).await;
        assert!(ended.code == 0 && ended.out.contains(&due), "{ended:?}");
    }
    let status: serde_json::Value = serde_json::from_str(&program.run(&["status", "--json"]).await.out).unwrap();
    assert_eq!(status["sources"][0]["next_due"], serde_json::json!(format!("{year}-01-01T00:00:00Z")));
    // Once more: it is known now, and has still missed nothing.
    stopped(daemon, "-TERM").await;
    let daemon = Running::start(&program, &["daemon"]);
    daemon.says("INFO ready", seconds(15)).await;
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 0);
    stopped(daemon, "-TERM").await;

    // What it misses from now on is made up.
    sqlx::raw_sql("update hiersync_internal.source_state set first_seen_at = '2000-01-01'").execute(&pool).await.unwrap();
    let daemon = Running::start(&program, &["daemon"]);
    until("the run that was missed", seconds(15), async || ended_runs(&pool).await == 1).await;
    stopped(daemon, "-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_walk_goes_on_by_itself() {
    let vendor = capillary(40).await;
    let (_case, program, pool) = customers(&vendor, &format!("{RARELY}\npage_size = 5\nlimits = [\"1000/1s\"]")).await;
    let form = vendor.settings().throttle;
    vendor.faults().after(5, 12, refusals::throttled(&form, seconds(1)));
    let daemon = Running::start(&program, &["daemon"]);
    let complete = "select count(*) from hiersync.sync_run where outcome = 'complete'";
    until("the walk is complete", seconds(30), async || count(&pool, complete).await == 1).await;
    stopped(daemon, "-TERM").await;
    let runs = told(&pool).await;
    assert_eq!(runs[0], ("startup".to_owned(), "throttled".to_owned()), "{runs:?}");
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
}

// Signals.

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_in_mid_run_stops_the_daemon_and_the_next_one_goes_on() {
    for (signal, schedule) in [("-TERM", ALWAYS), ("-INT", RARELY)] {
        let vendor = capillary(60).await;
        let (_case, program, pool) = customers(&vendor, &format!("{schedule}\npage_size = 5")).await;
        vendor.door().set_latency(Latency::Fixed(millis(20)));
        let daemon = Running::start(&program, &["daemon"]);
        until("some answers", seconds(10), async || vendor.door().calls() > 8).await;
        vendor.door().set_latency(Latency::Fixed(seconds(25)));
        let before = vendor.door().calls();
        until("a slow answer", seconds(10), async || vendor.door().calls() > before).await;
        stopped(daemon, signal).await;
        are(&told(&pool).await, &[("startup", "stopped")]);

        vendor.door().set_latency(Latency::Fixed(millis(0)));
        let daemon = Running::start(&program, &["daemon"]);
        until(&format!("the next daemon goes on ({schedule})"), seconds(8), async || ended_runs(&pool).await >= 2).await;
        stopped(daemon, "-TERM").await;
        let walks = "select count(distinct walk_id) from (select * from hiersync.sync_run order by run_id limit 2) first";
        assert_eq!(count(&pool, walks).await, 1);
        let truth = {
            let world = vendor.world();
            world.truth(world.roots())
        };
        assert_customers(&pool, &truth).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_at_rest_stops_at_once() {
    let vendor = capillary(5).await;
    let (_case, program, _pool) = customers(&vendor, "").await;
    for signal in ["-TERM", "-INT"] {
        let daemon = Running::start(&program, &["daemon"]);
        daemon.says("nothing will run by itself", seconds(10)).await;
        daemon.says("INFO ready", seconds(10)).await;
        let (ended, took) = daemon.stop(signal, seconds(15)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(took < seconds(2), "{took:?}");
    }
    assert_eq!(vendor.door().calls(), 0);
}

// systemd.

/// What systemd hears of a service.
struct Systemd {
    folder: TempDir,
    said: Arc<Mutex<Vec<String>>>,
}

impl Systemd {
    fn listens() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        // All the while: a socket that is full stops who writes to it.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                heard.lock().unwrap().extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
            }
        });
        Self { folder, said }
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// The program as its service, with a watchdog.
    fn of(&self, program: Program) -> Program {
        let place = self.folder.path().join("notify");
        program.with("NOTIFY_SOCKET", place.to_str().unwrap()).with("WATCHDOG_USEC", "400000")
    }

    /// Waits until it was told so, so many times.
    async fn hears(&self, word: &str, times: usize) {
        until(&format!("systemd is told {word}"), seconds(20), async || {
            self.said().iter().filter(|line| line.starts_with(word)).count() >= times
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_readiness_life_and_the_end() {
    let vendor = capillary(10).await;
    let (_case, program, _pool) = customers(&vendor, RARELY).await;
    let systemd = Systemd::listens();
    let program = systemd.of(program);
    let daemon = Running::start(&program, &["daemon"]);
    systemd.hears("READY=1", 1).await;
    systemd.hears("STATUS=customers: ", 2).await;
    systemd.hears("WATCHDOG=1", 4).await;
    stopped(daemon, "-TERM").await;
    systemd.hears("STOPPING=1", 1).await;
    let said = systemd.said();
    let at = |word: &str| said.iter().position(|line| line.starts_with(word));
    assert!(at("READY=1") < at("STOPPING=1"), "{said:?}");
    assert_eq!(said.iter().filter(|line| *line == "READY=1").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stands_still_is_not_told_as_alive() {
    let vendor = capillary(60).await;
    let (case, _, _pool) = customers(&vendor, &format!("{RARELY}\npage_size = 4\nconcurrency = 1")).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let systemd = Systemd::listens();
    // A page's transaction does not go on.
    let points = "hang=9*off->return;patience=return(2)";
    let program = with_page(&case, port).with("FAILPOINTS", points);
    let program = systemd.of(program);
    let daemon = Running::start(&program, &["daemon"]);
    systemd.hears("STATUS=the run of source customers has done nothing for 2 s", 4).await;
    let said = systemd.said();
    let first = said.iter().position(|line| line.contains("has done nothing")).unwrap();
    let alive = |said: &[String]| said.iter().filter(|line| *line == "WATCHDOG=1").count();
    assert!(alive(&said[..first]) > 2 && alive(&said[first..]) == 0, "{said:?}");
    assert!(daemon.err().contains("the watchdog is not told that all is well"), "{}", daemon.err());
    let (status, why) = get(port, "/healthz").await.unwrap();
    assert!(status == 503 && why.contains("the run of source customers has done nothing"), "{status}: {why}");
    assert_eq!(get(port, "/livez").await.unwrap().0, 200);
    let (_, text) = get(port, "/metrics").await.unwrap();
    assert!(parsed(&text)["hiersync_standstill_seconds{source=\"customers\"}"] > 2.0, "{text}");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_ours_costs_one_run_and_is_told_without_what_it_was_met_with() {
    let vendor = capillary(60).await;
    let (case, _, pool) = customers(&vendor, "schedule = \"* * * * * *\"\npage_size = 4\nconcurrency = 1").await;
    let ended = Program::of(&case).with("FAILPOINTS", "rows_written=1*panic(private)").run(&["sync"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (70, ""), "{ended:?}");
    assert!(ended.err.contains("a fault of ours") && ended.err.contains(".rs:") && !ended.err.contains("private"), "{ended:?}");
    // Of several sources the others go on.
    let both =
        Case::at(&fresh_database().await).customers(&vendor, "page_size = 4").customers_of_root("others", &vendor, 0, "page_size = 4");
    let ended = Program::of(&both).with("FAILPOINTS", "rows_written=1*panic(private)->off").run(&["sync"]).await;
    assert_eq!(ended.code, 70, "{ended:?}");
    assert!(ended.out.contains(": complete") && ended.err.contains("a fault of ours has ended its run"), "{ended:?}");
    let program = Program::of(&case).with("FAILPOINTS", "rows_written=3*off->1*panic(private)->off");
    let daemon = Running::start(&program, &["daemon"]);
    until("a whole walk", seconds(60), async || {
        count(&pool, "select count(*) from hiersync.sync_run where outcome = 'complete'").await > 0
    })
    .await;
    assert!(daemon.err().contains("the run was ended by a fault of ours"), "{}", daemon.err());
    assert!(!daemon.err().contains("private"));
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run where outcome = 'abandoned'").await, 2);
    assert_customers(&pool, &customers_now(&vendor)).await;
    daemon.stop("-TERM", seconds(15)).await;
}

// The status page.

fn with_page(case: &Case, port: u16) -> Program {
    Program::edited(case, |config| config.replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\"")))
}

async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let response = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_sources_runs_and_numbers() {
    let vendor = capillary(10).await;
    let (case, _, pool) = customers(&vendor, RARELY).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = with_page(&case, port);
    let daemon = Running::start(&program, &["daemon"]);
    until("the run", seconds(15), async || ended_runs(&pool).await == 1).await;
    // Its row is closed a moment before the daemon is done with it.
    let is_over = "hiersync_source_state{source=\"customers\",state=\"running\"} 0";
    until("the daemon is done with it", seconds(5), async || get(port, "/metrics").await.unwrap().1.contains(is_over)).await;

    let (status, page) = get(port, "/").await.unwrap();
    assert_eq!(status, 200);
    for word in ["<!DOCTYPE html>", "customers", "complete", "100000/1s"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert_eq!(get(port, "/healthz").await.unwrap(), (200, "ok\n".to_owned()));
    let (status, text) = get(port, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    let series = parsed(&text);
    assert_eq!((series["hiersync_up"], series["hiersync_database_up"]), (1.0, 1.0));
    assert_eq!(get(port, "/livez").await.unwrap(), (200, "ok\n".to_owned()));
    for (state, value) in [("idle", 1.0), ("standby", 0.0), ("refused", 0.0), ("paused", 0.0)] {
        assert_eq!(series[&format!("hiersync_source_state{{source=\"customers\",state=\"{state}\"}}")], value, "{state}");
    }
    assert_eq!(series["hiersync_lease_held{source=\"customers\"}"], 0.0);
    assert!(series["hiersync_next_due_timestamp_seconds{source=\"customers\"}"] > 1.7e9);
    assert!(series["hiersync_last_complete_timestamp_seconds{source=\"customers\"}"] > 1.7e9);
    assert_eq!(series["hiersync_database_errors_total"], 0.0);
    assert_eq!(series["hiersync_live_nodes{source=\"customers\"}"], 11.0);
    assert_eq!(series["hiersync_runs_total{source=\"customers\",outcome=\"complete\"}"], 1.0);
    assert_eq!(series["hiersync_requests_total{source=\"customers\"}"] as usize, vendor.door().calls());
    assert_eq!(get(port, "/nothing").await.unwrap().0, 404);
    for secret in case.variables().values().map(String::as_str).chain(["demo.till"]) {
        assert!(!page.contains(secret) && !text.contains(secret), "{secret}");
    }
    stopped(daemon, "-TERM").await;
    assert!(get(port, "/healthz").await.is_none());
}

/// Prometheus' text format, version 0.0.4: every series has a type above it and stands there once.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut types, mut helped, mut series) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) && types.insert(name), "{line}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(helped.insert(rest.split_once(' ').unwrap().0), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (metric, labels) = name.split_once('{').unwrap_or((name, "all=\"\"}"));
            assert!(types.contains(metric) && helped.contains(metric), "{line}");
            let pairs = labels.strip_suffix('}').unwrap().split(',').map(|pair| pair.split_once("=\"").unwrap());
            assert!(pairs.clone().count() > 0 && pairs.clone().all(|(label, value)| !label.is_empty() && value.ends_with('"')), "{line}");
            assert!(series.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    series
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_somebody_has_is_told_and_left_to_systemd() {
    let vendor = capillary(5).await;
    let (case, _, _) = customers(&vendor, RARELY).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ended = Running::start(&with_page(&case, port), &["daemon"]).end(seconds(10)).await;
    // Not 78, after which systemd does not start it again: whoever has the port may be on the way out.
    assert_eq!(ended.code, 69, "{ended:?}");
    for word in [&format!("127.0.0.1:{port}"), "[daemon].listen", "in use"] {
        assert!(ended.err.contains(word), "{word}: {ended:?}");
    }
    assert_eq!(vendor.door().calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_has_the_config_read_anew_and_loses_no_walk() {
    let vendor = capillary(120).await;
    vendor.door().set_latency(Latency::Fixed(millis(30)));
    let (_case, program, pool) = customers(&vendor, &format!("{RARELY}\npage_size = 4")).await;
    let (file, old) = (program.config_file(), fs::read_to_string(program.config_file()).unwrap());
    let systemd = Systemd::listens();
    let program = systemd.of(program);
    let running = Running::start(&program, &["daemon"]);
    until("a walk is under way", seconds(20), async || vendor.door().calls() > 9).await;
    let pid = running.pid();
    systemd.hears("READY=1", 1).await;

    // One with a fault is refused, and nothing else happens.
    fs::write(&file, old.replace("page_size = 4", "page_sise = 4")).unwrap();
    running.signal("-HUP");
    running.says("the new config is refused, and the old one is kept", seconds(5)).await;
    // With `Type=notify-reload` a reload waits for these.
    systemd.hears("RELOADING=1", 1).await;
    systemd.hears("MONOTONIC_USEC=", 1).await;
    systemd.hears("READY=1", 2).await;
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run where outcome is not null").await, 0);

    fs::write(&file, old.replace("page_size = 4", "page_size = 9")).unwrap();
    running.signal("-HUP");
    running.says("config and secrets are read anew", seconds(5)).await;
    systemd.hears("RELOADING=1", 2).await;
    systemd.hears("READY=1", 3).await;
    let complete = "select count(*) from hiersync.sync_run where outcome = 'complete'";
    until("the walk has gone on to its end", seconds(30), async || count(&pool, complete).await > 0).await;
    are(&told(&pool).await, &[("startup", "stopped"), ("startup", "complete")]);
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(running.pid(), pid);
    stopped(running, "-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_that_could_not_be_served_is_refused_while_the_old_one_is_served() {
    let vendor = capillary(120).await;
    vendor.door().set_latency(Latency::Fixed(millis(30)));
    let (case, program, pool) = customers(&vendor, &format!("{RARELY}\npage_size = 4")).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("listen = \"{}\"", taken.local_addr().unwrap());
    let (file, old) = (program.config_file(), fs::read_to_string(program.config_file()).unwrap());
    let running = Running::start(&program, &["daemon"]);
    until("a walk is under way", seconds(20), async || vendor.door().calls() > 9).await;
    let pid = running.pid();
    let nowhere = "url = \"postgres://nobody@127.0.0.1:1/none\" # ";
    let stranger = format!("url = \"{}\" # ", url_for(&case.url, "nobody_at_all"));
    let newer = format!("url = \"{}\" # ", newer_database().await);
    for (before, after, says) in [
        ("url = ", newer.as_str(), "is not of this version"),
        ("listen = \"\"", "listen = \"0.0.0.0:7351\"", "needs a token"),
        ("listen = \"\"", taken.as_str(), "in use"),
        ("url = ", nowhere, "127.0.0.1:1, database none"),
        ("url = ", stranger.as_str(), "nobody_at_all"),
    ] {
        fs::write(&file, old.replacen(before, after, 1)).unwrap();
        running.signal("-HUP");
        running.says(says, seconds(15)).await;
    }
    assert_eq!(running.err().matches("the new config is refused, and the old one is kept").count(), 5, "{}", running.err());
    let complete = "select count(*) from hiersync.sync_run where outcome = 'complete'";
    until("the walk has gone on to its end", seconds(30), async || count(&pool, complete).await > 0).await;
    are(&told(&pool).await, &[("startup", "complete")]);
    assert_eq!(running.pid(), pid);
    stopped(running, "-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_without_a_secret_that_it_needs_does_not_say_that_it_is_ready() {
    let vendor = capillary(5).await;
    let (_case, program, _pool) = customers(&vendor, RARELY).await;
    let program = program.without("HIERSYNC_CUSTOMERS_PASSWORD");
    let ended = Running::start(&program, &["daemon"]).end(seconds(20)).await;
    assert_eq!(ended.code, 78, "{ended:?}");
    assert!(ended.err.contains("customers.password") && !ended.err.contains("ready"), "{ended:?}");
}

/// Runs it with stderr in a file, and gives what stands there.
fn written(program: &Program, args: &[&str], journal: impl Fn(u64, u64) -> String) -> String {
    let folder = TempDir::new().unwrap();
    let stderr = fs::File::create(folder.path().join("stderr")).unwrap();
    let meta = stderr.metadata().unwrap();
    let mut command = program.command(args);
    command.env("JOURNAL_STREAM", journal(meta.dev(), meta.ino())).env("HIERSYNC_LOG", "info").stderr(stderr);
    command.stdout(Stdio::null()).status().unwrap();
    fs::read_to_string(folder.path().join("stderr")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gets_the_priority_of_each_line_and_nobody_else_does() {
    let vendor = capillary(5).await;
    let (case, program, _pool) = customers(&vendor, RARELY).await;
    let (good, bad) = (program, Program::edited(&case, |config| config.replace("vendor", "vendr")));
    let run = |program: &Program, args: &'static [&'static str], is_journal: bool| {
        written(program, args, |device, inode| format!("{device}:{}", if is_journal { inode } else { inode + 1 }))
    };
    tokio::task::block_in_place(|| {
        let journal = run(&good, &["sync"], true);
        assert!(journal.lines().any(|line| line.starts_with("<6>") && line.contains("run ended")), "{journal}");
        assert!(!journal.contains("Z  INFO") && !journal.contains("Z INFO"), "the journal has its own time: {journal}");
        let elsewhere = run(&good, &["sync"], false);
        assert!(elsewhere.contains("run ended") && !elsewhere.contains("<6>") && elsewhere.starts_with("20"), "{elsewhere}");
        let fault = run(&bad, &["sync"], true);
        assert!(fault.lines().count() > 1 && fault.lines().all(|line| line.starts_with("<3>")), "{fault}");
        assert!(run(&bad, &["sync"], false).starts_with("hiersync: config "));
    });
}
