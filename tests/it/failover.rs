//! Two servers, of which one becomes the other's successor: real ones, that stream.

use std::net::TcpListener;

use hiersync::simulator::door::Latency;
use sqlx::PgPool;

use crate::harness::{
    case::Case,
    gate::Gate,
    program::Program,
    running::Running,
    server::Server,
    tables::{assert_customers, count, customers_now},
    until::{millis, seconds, until},
    vendors::capillary,
};

/// Once a year: within a test it has always fired and never fires.
const RARELY: &str = "schedule = \"0 0 1 1 *\"";

const COMPLETED: &str = "select count(*) from hiersync.sync_run where outcome = 'complete'";

/// Whether the standby has all that the primary has.
async fn is_up_to_date(primary: &PgPool, standby: &Server) -> bool {
    let at: String = sqlx::query_scalar("select pg_current_wal_lsn()::text").fetch_one(primary).await.unwrap();
    let standby = PgPool::connect(&standby.url.replace("/hiersync?", "/postgres?")).await.unwrap();
    let has = "select pg_last_wal_replay_lsn() >= $1::pg_lsn";
    sqlx::query_scalar(has).bind(at).fetch_one(&standby).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_dies_in_mid_walk_is_replaced_by_its_standby() {
    let vendor = capillary(100).await;
    vendor.door().set_latency(Latency::Fixed(millis(40)));
    let mut primary = Server::start().await;
    let gate = Gate::before(&primary.url).await;
    let case = Case::at(&gate.url).customers(&vendor, &format!("page_size = 3\n{RARELY}"));
    let program = Program::of(&case);
    // The schema is there before the standby is made, so that it holds what it must.
    // A run that was stopped goes on when the daemon starts.
    assert_eq!(program.run(&["sync", "--max-calls", "1"]).await.code, 75);
    let standby = primary.standby().await;
    let daemon = Running::start(&program, &["daemon"]);
    until("the walk is under way", seconds(20), async || vendor.door().calls() > 12).await;
    primary.kill().await;
    tokio::time::sleep(seconds(3)).await;
    let pool = standby.promote().await;
    gate.lead_to(&standby.url);
    until("it has gone on to the end", seconds(20), async || count(&pool, COMPLETED).await > 0).await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run where outcome is null").await, 0);
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
    let (ended, _) = daemon.stop("-TERM", seconds(15)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_were_kept_through_a_failover_are_thrown_away() {
    let vendor = capillary(20).await;
    let primary = Server::start().await;
    let gate = Gate::before(&primary.url).await;
    let case = Case::at(&gate.url).customers(&vendor, "schedule = \"*/3 * * * * *\"");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::edited(&case, |config| config.replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\"")));
    let daemon = Running::start(&program, &["daemon"]);
    let old = PgPool::connect(&primary.url).await.unwrap();
    until("a walk is complete", seconds(30), async || {
        sqlx::query_scalar::<_, i64>(COMPLETED).fetch_one(&old).await.is_ok_and(|completed| completed > 0)
    })
    .await;
    let standby = primary.standby().await;
    until("the standby is up to date", seconds(20), async || is_up_to_date(&old, &standby).await).await;
    // The old primary lives on and can only be read; whoever is connected to it stays so.
    sqlx::raw_sql("alter system set default_transaction_read_only = on").execute(&old).await.unwrap();
    sqlx::raw_sql("select pg_reload_conf()").execute(&old).await.unwrap();
    let healthz = async || reqwest::get(format!("http://127.0.0.1:{port}/healthz")).await.unwrap().text().await.unwrap();
    until("it says why it cannot work", seconds(20), async || healthz().await.contains("can only be read")).await;
    let pool = standby.promote().await;
    let before = count(&pool, COMPLETED).await;
    gate.lead_to(&standby.url);
    until("it goes on with the new primary", seconds(20), async || count(&pool, COMPLETED).await > before).await;
    until("it is well again", seconds(5), async || healthz().await == "ok\n").await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    let (ended, _) = daemon.stop("-TERM", seconds(15)).await;
    assert!(ended.code == 0 && !ended.err.contains("pool timed out"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_standby_can_be_read_and_says_what_it_is() {
    let vendor = capillary(20).await;
    let primary = Server::start().await;
    let of = |server: &Server| Program::of(&Case::at(&server.url).customers(&vendor, ""));
    assert_eq!(of(&primary).run(&["sync"]).await.code, 0);
    let standby = primary.standby().await;
    let program = of(&standby);
    let status = program.run(&["status"]).await;
    assert!(status.code == 0 && status.out.contains("hot standby") && status.out.contains("complete"), "{status:?}");
    let told = program.run(&["status", "--json"]).await;
    assert!(told.code == 0 && told.out.contains("\"database_is_read_only\":true"), "{told:?}");
    for verb in [&["runs"][..], &["changes"], &["findings"], &["tree", "customers"], &["plan"]] {
        let ended = program.run(verb).await;
        assert!(ended.code == 0 && ended.err.is_empty(), "{verb:?}: {ended:?}");
    }
    let calls = vendor.door().calls();
    for verb in ["sync", "daemon"] {
        let ended = program.run(&[verb]).await;
        assert!(ended.code == 69 && ended.err.contains("can only be read") && ended.err.contains("primary"), "{verb}: {ended:?}");
    }
    assert_eq!(vendor.door().calls(), calls);
    standby.promote().await;
    assert_eq!(program.run(&["sync"]).await.code, 0);
}
