//! Several daemons with one config: they share the sources evenly, serve each firing once, and stand in for one that dies.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use hiersync::{
    simulator::{door::Latency, shape::Shape},
    store::{
        lease,
        process::{self, Identity},
        session, source,
    },
};
use sqlx::PgPool;

use crate::harness::{
    case::Case,
    program::Program,
    running::Running,
    tables::count,
    until::{millis, seconds, until},
    vendors::{capillary, capillary_of},
};

const SOURCES: usize = 24;

/// Runs by process that have begun since then and ended, and how many they are.
async fn shares(pool: &PgPool, since: DateTime<Utc>) -> (BTreeMap<i64, i64>, i64) {
    let runs = "select process_id, count(*) from hiersync.sync_run where started_at >= $1 and outcome is not null group by 1";
    let rows: Vec<(i64, i64)> = sqlx::query_as(runs).bind(since).fetch_all(pool).await.unwrap();
    let all = rows.iter().map(|(_, runs)| runs).sum();
    (rows.into_iter().collect(), all)
}

/// Waits for a moment between two firings, for the next one, and until it is served. Gives the shares of the daemons.
async fn next_firing(pool: &PgPool) -> Vec<i64> {
    let second = "select (extract(epoch from clock_timestamp())::bigint % 12)::bigint";
    until("a firing is over", seconds(30), async || count(pool, second).await == 8).await;
    // On a busy machine some of the firing before may begin only now.
    let next = "select to_timestamp((floor(extract(epoch from clock_timestamp()) / 12) + 1) * 12)";
    let since: DateTime<Utc> = sqlx::query_scalar(next).fetch_one(pool).await.unwrap();
    let wanted = i64::try_from(SOURCES).unwrap();
    until("the next firing is served", seconds(20), async || shares(pool, since).await.1 >= wanted).await;
    // Who came later has had its time to do it again.
    until("nobody comes later", seconds(20), async || count(pool, second).await == 8).await;
    let (shares, all) = shares(pool, since).await;
    assert_eq!(all, wanted, "each firing is served once: {shares:?}");
    let mut shares: Vec<i64> = shares.into_values().collect();
    shares.sort_unstable();
    shares
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_share_the_sources_evenly_and_serve_each_firing_once_as_they_come_and_go() {
    let vendor = capillary_of(&[Shape::list(2)]).await;
    let keys = "schedule = \"*/12 * * * * *\"";
    let case = (0..SOURCES).fold(Case::new().await, |case, number| case.customers_of_root(&format!("s{number}"), &vendor, 0, keys));
    let (program, pool) = (Program::of(&case), case.pool().await);
    let mut daemons: Vec<Running> = (0..3).map(|_| Running::start(&program, &["daemon"])).collect();
    let living = "select count(*) from hiersync_internal.daemon where until > clock_timestamp()";
    until("three are there", seconds(20), async || count(&pool, living).await == 3).await;
    until("all know of all", seconds(20), async || daemons.iter().all(|daemon| daemon.err().contains("daemons=3 sources=8"))).await;
    assert_eq!(next_firing(&pool).await, [8, 8, 8]);
    daemons.pop().unwrap().kill().await;
    until("its time is over", seconds(20), async || count(&pool, living).await == 2).await;
    until("all know", seconds(10), async || daemons.iter().all(|daemon| daemon.err().contains("daemons=2 sources=12"))).await;
    assert_eq!(next_firing(&pool).await, [12, 12]);
    for daemon in daemons {
        assert_eq!(daemon.stop("-TERM", seconds(15)).await.0.code, 0);
    }
    assert_eq!(count(&pool, living).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_while_none_was_up_is_made_up_by_one_of_those_that_start_together() {
    let vendor = capillary_of(&[Shape::list(2)]).await;
    // Once a year: within a test it has always fired and never fires.
    let keys = "schedule = \"0 0 1 1 *\"";
    let case = (0..SOURCES).fold(Case::new().await, |case, number| case.customers_of_root(&format!("s{number}"), &vendor, 0, keys));
    let (program, pool) = (Program::of(&case), case.pool().await);
    let daemons: Vec<Running> = (0..3).map(|_| Running::start(&program, &["daemon"])).collect();
    for daemon in &daemons {
        daemon.says("INFO ready", seconds(30)).await;
    }
    let wanted = i64::try_from(SOURCES).unwrap();
    until("each is made up", seconds(60), async || shares(&pool, DateTime::UNIX_EPOCH).await.1 >= wanted).await;
    // The others wait 2 s, and would begin then.
    tokio::time::sleep(seconds(4)).await;
    let (shares, all) = shares(&pool, DateTime::UNIX_EPOCH).await;
    assert_eq!(all, wanted, "each is made up once: {shares:?}");
    for daemon in daemons {
        daemon.stop("-TERM", seconds(15)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_only_stood_by_for_a_month_can_take_a_lease() {
    let pool = Case::new().await.pool().await;
    let mut step = session::begin(&pool).await.unwrap();
    let conn = &mut step.conn();
    let own = Identity::own();
    let daemon = process::register(conn, &own).await.unwrap();
    sqlx::query("update hiersync_internal.process set started_at = started_at - interval '31 days'").execute(&mut *conn).await.unwrap();
    process::serve(conn, daemon).await.unwrap();
    // Whoever registers forgets processes of which nothing has been heard for so long.
    process::register(conn, &own).await.unwrap();
    let source = source::id_of(conn, "customers", "capillary").await.unwrap().unwrap();
    assert!(lease::take(conn, source, daemon, &own).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_freezes_is_replaced_by_another_within_fifteen_seconds() {
    let vendor = capillary(150).await;
    vendor.door().set_latency(Latency::Fixed(millis(60)));
    // Once a year: within a test it has always fired and never fires.
    let case = Case::new().await.customers(&vendor, "page_size = 3\nconcurrency = 1\nschedule = \"0 0 1 1 *\"");
    let (program, pool) = (Program::of(&case), case.pool().await);
    let first = Running::start(&program, &["daemon"]);
    until("the walk is under way", seconds(20), async || vendor.door().calls() > 8).await;
    let second = Running::start(&program, &["daemon"]);
    second.says("another process is syncing it", seconds(20)).await;
    first.signal("-STOP");
    until("another run goes on", seconds(15), async || count(&pool, "select count(*) from hiersync.sync_run").await == 2).await;
    until("it is complete", seconds(60), async || {
        count(&pool, "select count(*) from hiersync.sync_run where outcome = 'complete'").await == 1
    })
    .await;
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
    first.kill().await;
    assert_eq!(second.stop("-TERM", seconds(15)).await.0.code, 0);
}
