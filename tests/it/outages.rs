//! The database or the vendor is away for a while: the daemon comes back by itself, and says why it was away.

use std::{fs, net::TcpListener};

use hiersync::{
    clock,
    simulator::{
        capillary::{CapillarySim, refusals},
        door::Latency,
    },
};
use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::harness::{
    case::Case,
    gate::Gate,
    postgres::{fresh_database, url_for},
    program::Program,
    running::Running,
    tables::{assert_customers, count, customers_now, everything},
    until::{millis, seconds, until},
    vendors::capillary,
};

/// Once a year: within a test it has always fired and never fires.
const RARELY: &str = "schedule = \"0 0 1 1 *\"";

/// How runs have ended, and why.
async fn told(pool: &PgPool) -> Vec<(String, Option<String>)> {
    sqlx::query_as("select coalesce(outcome, 'open'), error from hiersync.sync_run order by run_id").fetch_all(pool).await.unwrap()
}

async fn get(port: u16, path: &str) -> (u16, String) {
    let response = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn is_complete(pool: &PgPool) -> bool {
    told(pool).await.iter().any(|(outcome, _)| outcome == "complete")
}

/// A page waits for its statement's answer, which then comes no more.
async fn freeze_in_mid_statement(gate: &Gate, pool: &PgPool) {
    let mut held = pool.begin().await.unwrap();
    sqlx::query("lock table hiersync.change in exclusive mode").execute(&mut *held).await.unwrap();
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    until("a statement waits", seconds(10), async || count(pool, waits).await > 0).await;
    gate.freeze();
    held.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_answer_never_comes_costs_a_minute_and_no_row() {
    let vendor = capillary(60).await;
    vendor.door().set_latency(Latency::Fixed(millis(40)));
    let direct = fresh_database().await;
    let gate = Gate::before(&direct).await;
    let case = Case::at(&gate.url).customers(&vendor, &format!("page_size = 3\n{RARELY}"));
    let pool = PgPool::connect(&direct).await.unwrap();
    let program = Program::of(&case);
    let daemon = Running::start(&program, &["daemon"]);
    until("the walk is under way", seconds(20), async || vendor.door().calls() > 8).await;
    freeze_in_mid_statement(&gate, &pool).await;
    until("it has come back", seconds(110), async || is_complete(&pool).await).await;
    let told = told(&pool).await;
    assert!(told.iter().all(|(outcome, _)| outcome != "open"), "{told:?}");
    assert_customers(&pool, &customers_now(&vendor)).await;
    let (ended, took) = daemon.stop("-TERM", seconds(15)).await;
    assert!(ended.code == 0 && took < seconds(10), "{ended:?} after {took:?}");
    assert!(ended.err.contains("gave no answer within 60 s"), "{told:?}: {}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_lost_while_they_were_idle_cost_seconds_and_no_run() {
    let vendor = capillary(20).await;
    let direct = fresh_database().await;
    let gate = Gate::before(&direct).await;
    let case = Case::at(&gate.url).customers(&vendor, "schedule = \"*/4 * * * * *\"");
    let pool = PgPool::connect(&direct).await.unwrap();
    let program = Program::of(&case);
    let daemon = Running::start(&program, &["daemon"]);
    let completed = "select count(*) from hiersync.sync_run where outcome = 'complete'";
    until("two walks are over", seconds(30), async || count(&pool, completed).await >= 2).await;
    // Its bookkeeping after the run is over, too.
    tokio::time::sleep(seconds(1)).await;
    gate.freeze();
    until("two more are over", seconds(25), async || count(&pool, completed).await >= 4).await;
    assert!(told(&pool).await.iter().all(|(outcome, _)| outcome != "failed"), "{:?}", told(&pool).await);
    let (ended, took) = daemon.stop("-TERM", seconds(15)).await;
    assert!(ended.code == 0 && took < seconds(10), "{ended:?} after {took:?}");
}

/// What a sync that nothing disturbs leaves, and its calls.
async fn undisturbed(vendor: &CapillarySim, keys: &str) -> (Value, usize) {
    let case = Case::new().await.customers(vendor, keys);
    case.complete().await;
    let calls = vendor.door().calls();
    vendor.door().clear_log();
    (everything(&case.pool().await).await, calls)
}

/// One run that is as if nothing had happened, and counts each call once. Gives its extra calls.
async fn is_one_run(pool: &PgPool, vendor: &CapillarySim, truth: &(Value, usize)) -> usize {
    let found = everything(pool).await;
    for (part, value) in truth.0.as_object().unwrap() {
        assert_eq!(&found[part], value, "{part}");
    }
    assert_eq!(told(pool).await, [("complete".to_owned(), None)]);
    let calls = vendor.door().calls();
    // One that was let go of before it had left is counted, and did not arrive.
    let counted = count(pool, "select sum(requests)::bigint from hiersync.sync_run").await;
    let counted = usize::try_from(counted).unwrap();
    assert!((calls..=calls + 2).contains(&counted), "{counted} calls are counted, and {calls} have arrived");
    calls - truth.1
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_lost_cost_their_step_and_not_the_run() {
    let vendor = capillary(150).await;
    let keys = "page_size = 4\nconcurrency = 2";
    let truth = undisturbed(&vendor, keys).await;
    vendor.door().set_latency(Latency::Fixed(millis(15)));
    let case = Case::new().await.customers(&vendor, keys);
    let pool = case.pool().await;
    let program = Program::of(&case);
    let sync = Running::start(&program, &["sync"]);
    // One that is idle costs nothing.
    let ours = "select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and application_name = 'hiersync' and backend_xid is not null) ended";
    for calls in [2, 9, 20, 34] {
        until("it has gone on", seconds(20), async || vendor.door().calls() >= calls).await;
        until("it is in mid-step", seconds(20), async || count(&pool, ours).await > 0).await;
    }
    let ended = sync.end(seconds(30)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("the run goes on with another"), "{ended:?}");
    let extra = is_one_run(&pool, &vendor, &truth).await;
    assert!(extra <= 4 * 2, "{extra} extra calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_that_are_meant_for_people_end_no_run() {
    let vendor = capillary(60).await;
    vendor.door().set_latency(Latency::Fixed(millis(20)));
    let case = Case::new().await.customers(&vendor, "page_size = 4");
    let pool = case.pool().await;
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    for default in ["statement_timeout = '300ms'", "lock_timeout = '300ms'", "default_transaction_isolation = 'serializable'"] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter database {name} set {default}"))).execute(&pool).await.unwrap();
    }
    let program = Program::of(&case);
    let sync = Running::start(&program, &["sync"]);
    until("the walk is under way", seconds(20), async || vendor.door().calls() > 8).await;
    let mut lock = pool.begin().await.unwrap();
    sqlx::raw_sql("lock table hiersync.customer in share row exclusive mode").execute(&mut *lock).await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    lock.commit().await.unwrap();
    let ended = sync.end(seconds(30)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    // A dry run is silent in its transaction while the vendor takes its time.
    let silent = format!("alter database {name} set idle_in_transaction_session_timeout = '300ms'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(silent)).execute(&pool).await.unwrap();
    vendor.door().set_latency(Latency::Fixed(seconds(1)));
    let ended = program.run(&["sync", "--dry-run", "--max-calls", "3"]).await;
    assert_eq!(ended.code, 75, "{ended:?}");
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_counts_once_whether_it_has_happened_or_not() {
    let vendor = capillary(150).await;
    let keys = "page_size = 4\nconcurrency = 2";
    let truth = undisturbed(&vendor, keys).await;
    let direct = fresh_database().await;
    let gate = Gate::before(&direct).await;
    let case = Case::at(&gate.url).customers(&vendor, keys);
    let pool = PgPool::connect(&direct).await.unwrap();
    gate.lose_commits(11);
    let ended = Program::of(&case).run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let lost = gate.commits() / 11;
    assert!(lost >= 6, "only {lost} commits were lost");
    let extra = is_one_run(&pool, &vendor, &truth).await;
    assert!(extra <= usize::try_from(lost).unwrap() * 2, "{extra} extra calls for {lost} commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_ends_within_ten_seconds_of_its_signal_though_the_database_does_not_answer() {
    let vendor = capillary(60).await;
    vendor.door().set_latency(Latency::Fixed(millis(40)));
    let direct = fresh_database().await;
    let gate = Gate::before(&direct).await;
    let case = Case::at(&gate.url).customers(&vendor, "page_size = 3");
    let program = Program::of(&case);
    let sync = Running::start(&program, &["sync"]);
    until("the walk is under way", seconds(20), async || vendor.door().calls() > 8).await;
    freeze_in_mid_statement(&gate, &PgPool::connect(&direct).await.unwrap()).await;
    let (ended, took) = sync.stop("-TERM", seconds(20)).await;
    assert!(took < seconds(10) && ended.code == 75, "{ended:?} after {took:?}");
    assert!(ended.err.contains("stopped while the database does not answer"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_for_a_while_is_come_back_to() {
    let vendor = capillary(60).await;
    vendor.door().set_latency(Latency::Fixed(millis(40)));
    let direct = fresh_database().await;
    let gate = Gate::before(&direct).await;
    let case = Case::at(&gate.url).customers(&vendor, &format!("page_size = 3\n{RARELY}"));
    let pool = PgPool::connect(&direct).await.unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::edited(&case, |config| config.replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\"")));
    let daemon = Running::start(&program, &["daemon"]);
    until("the walk is under way", seconds(20), async || vendor.door().calls() > 8).await;
    gate.close();
    tokio::time::sleep(seconds(3)).await;
    let asked = clock::instant();
    let (status, why) = get(port, "/healthz").await;
    assert!(status == 503 && why.contains("the database cannot be used"), "{status}: {why}");
    let (status, text) = get(port, "/metrics").await;
    assert!(status == 200 && text.contains("hiersync_up 1\n") && text.contains("hiersync_database_up 0\n"), "{text}");
    assert_eq!(get(port, "/livez").await.0, 200);
    assert!(asked.elapsed() < seconds(5), "three answers within {:?}", asked.elapsed());
    let is_retrying = "hiersync_source_state{source=\"customers\",state=\"retrying\"} 1\n";
    until("the run has failed", seconds(30), async || get(port, "/metrics").await.1.contains(is_retrying)).await;
    let calls = vendor.door().calls();
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(vendor.door().calls(), calls, "no call is made while the database takes no write");
    gate.open();
    until("it has come back", seconds(20), async || is_complete(&pool).await).await;
    assert_eq!(get(port, "/healthz").await, (200, "ok\n".to_owned()));
    let told = told(&pool).await;
    // Its own row, which it could not close while the database was away, says how it has ended; nobody has died.
    let (outcome, why) = &told[0];
    assert!(outcome == "failed" && why.as_ref().is_some_and(|why| why.starts_with("the database failed: ")), "{told:?}");
    assert!(told.iter().all(|(outcome, _)| !["open", "abandoned"].contains(&outcome.as_str())), "{told:?}");
    assert_customers(&pool, &customers_now(&vendor)).await;
    let (ended, _) = daemon.stop("-TERM", seconds(15)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.err.contains("pool timed out"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_fails_for_longer_than_a_run_waits_is_come_back_to() {
    let vendor = capillary(40).await;
    let case = Case::new().await.customers(&vendor, &format!("page_size = 5\n{RARELY}"));
    let pool = case.pool().await;
    vendor.faults().after(3, usize::MAX, refusals::failed());
    let program = Program::of(&case);
    let daemon = Running::start(&program, &["daemon"]);
    let failed = "select count(*) from hiersync.sync_run where outcome = 'failed'";
    until("the run has failed", seconds(70), async || count(&pool, failed).await > 0).await;
    vendor.faults().clear();
    until("it has come back", seconds(20), async || is_complete(&pool).await).await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    let (ended, _) = daemon.stop("-TERM", seconds(15)).await;
    assert!(ended.code == 0 && ended.err.contains("it is tried again, and its walk goes on"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_gives_no_more_connections_is_quoted() {
    let vendor = capillary(5).await;
    let direct = fresh_database().await;
    let pool = PgPool::connect(&direct).await.unwrap();
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    // A role that may connect once only, and owns what the program writes.
    let role = format!("limited_{name}");
    let script = format!(
        "create role {role} login connection limit 2; grant all on database {name} to {role};
         grant all on schema hiersync, hiersync_internal to {role};
         grant all on all tables in schema hiersync, hiersync_internal to {role};
         grant all on all sequences in schema hiersync, hiersync_internal to {role}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&pool).await.unwrap();
    let url = url_for(&direct, &role);
    let case = Case::at(&url).customers(&vendor, "");
    let program = Program::of(&case);
    let held = PgPool::connect(&url).await.unwrap();
    let (_one, _two) = (held.acquire().await.unwrap(), held.acquire().await.unwrap());
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    assert!(ended.err.contains("too many connections for role"), "{ended:?}");
    assert!(!ended.err.contains("pool timed out") && !ended.err.contains(" at line "), "{ended:?}");
    assert_eq!(ended.err.matches("too many connections for role").count(), 1, "each thing once: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_tried_again_when_a_secret_has_changed() {
    let vendor = capillary(10).await;
    let case = Case::new().await.customers(&vendor, "schedule = \"* * * * * *\"");
    let pool = case.pool().await;
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("customers.password");
    fs::write(&secret, "wrong").unwrap();
    let program = Program::of(&case).with("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
    let daemon = Running::start(&program, &["daemon"]);
    daemon.says("the credentials are refused: renew the secret", seconds(20)).await;
    tokio::time::sleep(seconds(4)).await;
    let told = told(&pool).await;
    assert!(told.len() == 1 && told[0].0 == "failed" && vendor.door().calls() == 1, "{told:?}, {} calls", vendor.door().calls());
    fs::write(&secret, "till-pass").unwrap();
    until("it has been tried again", seconds(10), async || is_complete(&pool).await).await;
    let (ended, _) = daemon.stop("-TERM", seconds(15)).await;
    assert_eq!((ended.code, ended.err.matches("else it is tried again then").count()), (0, 1), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_begun_is_a_row_and_a_metric() {
    let vendor = capillary(10).await;
    let case = Case::new().await.customers(&vendor, "schedule = \"* * * * * *\"");
    let pool = case.pool().await;
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("customers.password");
    fs::write(&secret, "till-pass").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::edited(&case, |config| config.replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\"")));
    let program = program.with("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap()).without("HIERSYNC_CUSTOMERS_PASSWORD");
    let daemon = Running::start(&program, &["daemon"]);
    until("a run", seconds(20), async || is_complete(&pool).await).await;
    fs::remove_file(&secret).unwrap();
    let refused = "select count(*) from hiersync.sync_run where outcome = 'failed' and walk_id = 0 and requests = 0
                   and error like '%customers.password%' and finished_at is not null";
    until("a row says why there was no run", seconds(10), async || count(&pool, refused).await > 0).await;
    let is_refused = "hiersync_source_state{source=\"customers\",state=\"refused\"} 1\n";
    until("a metric does, too", seconds(10), async || get(port, "/metrics").await.1.contains(is_refused)).await;
    let (status, why) = get(port, "/healthz").await;
    assert!(status == 503 && why.contains("source customers cannot run before a secret"), "{status}: {why}");
    let ended = program.run(&["runs", "customers"]).await;
    assert!(ended.code == 0 && ended.out.contains("customers.password"), "{ended:?}");

    fs::write(&secret, "till-pass").unwrap();
    let later = "select count(*) from hiersync.sync_run where outcome = 'complete' and run_id > (select max(run_id) from hiersync.sync_run where walk_id = 0)";
    until("there are runs again", seconds(10), async || count(&pool, later).await > 0).await;
    until("all is well", seconds(10), async || get(port, "/healthz").await.0 == 200).await;
    let (ended, _) = daemon.stop("-TERM", seconds(15)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_cannot_be_begun_writes_nothing() {
    let vendor = capillary(10).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case).without("HIERSYNC_CUSTOMERS_PASSWORD");
    assert_eq!(program.run(&["sync", "--dry-run"]).await.code, 78);
    let pool = case.pool().await;
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 0);
    assert_eq!(program.run(&["sync"]).await.code, 78);
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 1);
}
