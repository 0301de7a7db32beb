//! Processes that die, freeze or share: what the next one finds, and what the vendor counts meanwhile.

use std::time::Duration;

use hiersync::{
    simulator::{
        capillary::CapillarySim,
        door::{Door, Latency},
        forest::Place,
        shape::{Shape, Tree},
    },
    store::{
        lease,
        process::{self, Identity},
        session, source,
    },
};
use serde_json::Value;
use sqlx::PgPool;

use crate::harness::{
    case::Case,
    program::{Ended, Program},
    running::Running,
    tables::{assert_customers, count, customers_now, everything},
    until::{millis, seconds, until},
    vendors::{capillary, capillary_of, leadsquared},
};

/// Of every source here: what a crash may cost, in calls.
const CONCURRENCY: usize = 4;

/// What an undisturbed sync leaves, and its calls at the door.
async fn undisturbed(case: &Case, door: &Door) -> (Value, usize) {
    let ended = Program::of(case).run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let calls = door.calls();
    door.clear_log();
    (everything(&case.pool().await).await, calls)
}

/// Kills a sync each time the door has seen so many calls in all, then syncs to the end.
async fn killed_at(program: &Program, door: &Door, moments: &[usize]) -> Ended {
    for &moment in moments {
        let before = door.calls();
        assert!(before < moment, "{before} calls already at the kill after {moment}");
        let running = Running::start(program, &["sync"]);
        // A lease that had to run out would take 10 s.
        until("a sync goes on at once", seconds(6), async || door.calls() > before).await;
        until(&format!("call {moment}"), seconds(20), async || door.calls() >= moment).await;
        running.kill().await;
    }
    program.run(&["sync"]).await
}

async fn runs_that(pool: &PgPool, outcome: &'static str) -> i64 {
    let runs = "select count(*) from hiersync.sync_run where coalesce(outcome, 'open') = $1";
    sqlx::query_scalar(runs).bind(outcome).fetch_one(pool).await.unwrap()
}

/// Asserts that the kills left nothing behind but closed rows and a few calls.
async fn is_as_if_nothing_had_happened(case: &Case, ended: &Ended, truth: &(Value, usize), door: &Door, kills: usize) {
    assert_eq!(ended.code, 0, "{ended:?}");
    let pool = case.pool().await;
    let found = everything(&pool).await;
    for (part, value) in truth.0.as_object().unwrap() {
        assert_eq!(&found[part], value, "{part}");
    }
    let dead = i64::try_from(kills).unwrap();
    assert_eq!((runs_that(&pool, "abandoned").await, runs_that(&pool, "complete").await), (dead, 1));
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, dead + 1);
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
    let extra = door.calls() - truth.1;
    assert!(extra <= kills * CONCURRENCY, "{extra} extra calls for {kills} kills");
    // What is known is known: the next walk changes nothing.
    let next = Program::of(case).run(&["sync"]).await;
    assert!(next.code == 0 && next.out.contains(" 0 new, 0 changed,") && next.out.contains(" 0 gone, 0 back"), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_of_customers_that_is_killed_again_and_again_ends_as_if_it_had_not_been() {
    let vendor = capillary(400).await;
    let truth = undisturbed(&Case::new().await.customers(&vendor, "page_size = 6"), vendor.door()).await;
    assert!(truth.1 > 75, "too few calls to kill at: {}", truth.1);
    vendor.door().set_latency(Latency::Between(millis(10), millis(30)));
    let case = Case::new().await.customers(&vendor, "page_size = 6");
    let ended = killed_at(&Program::of(&case), vendor.door(), &[1, 2, 9, 20, 38, 63]).await;
    is_as_if_nothing_had_happened(&case, &ended, &truth, vendor.door(), 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_of_users_that_is_killed_again_and_again_ends_as_if_it_had_not_been() {
    let vendor = leadsquared(120).await;
    let truth = undisturbed(&Case::new().await.users(&vendor, ""), vendor.door()).await;
    assert!(truth.1 > 75, "too few calls to kill at: {}", truth.1);
    vendor.door().set_latency(Latency::Between(millis(10), millis(30)));
    let case = Case::new().await.users(&vendor, "");
    let ended = killed_at(&Program::of(&case), vendor.door(), &[1, 2, 7, 21, 40, 66]).await;
    is_as_if_nothing_had_happened(&case, &ended, &truth, vendor.door(), 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_walk_that_is_killed_retires_and_updates_once() {
    let vendor = capillary(200).await;
    let keys = "page_size = 8\nretire_guard = 1.0";
    let (case, other) = (Case::new().await.customers(&vendor, keys), Case::new().await.customers(&vendor, keys));
    undisturbed(&case, vendor.door()).await;
    undisturbed(&other, vendor.door()).await;
    vendor.world().mutate(0.2, 3);
    let truth = undisturbed(&other, vendor.door()).await;
    vendor.door().set_latency(Latency::Between(millis(10), millis(30)));
    let ended = killed_at(&Program::of(&case), vendor.door(), &[1, 6, 15, 28]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let found = everything(&case.pool().await).await;
    for (part, value) in truth.0.as_object().unwrap() {
        assert_eq!(&found[part], value, "{part}");
    }
    assert!(found["counters"][3].as_i64().unwrap() > 0, "nothing was retired: the test shows nothing");
}

/// A vendor whose lists below the root grow while they are read: their counts, as their parents' rows gave them, disagree.
async fn growing() -> CapillarySim {
    let vendor = capillary_of(&[Shape::even(8, 2)]).await;
    vendor.before_request(3, |world| {
        let root = world.roots()[0];
        for parent in world.children(root).to_vec() {
            world.insert(parent, Place::Last);
        }
    });
    vendor
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_is_killed_while_lists_are_in_doubt_ends_as_if_it_had_not_been() {
    let (quiet, vendor) = (growing().await, growing().await);
    let (_, calls) = undisturbed(&Case::new().await.customers(&quiet, ""), quiet.door()).await;
    vendor.door().set_latency(Latency::Between(millis(60), millis(90)));
    let case = Case::new().await.customers(&vendor, "");
    let (program, pool) = (Program::of(&case), case.pool().await);
    let moments = [
        "select count(*) from hiersync_internal.frontier where state = 'doubtful'",
        "select count(*) from hiersync_internal.frontier where state = 'doubtful' and is_recounted",
        "select count(*) from hiersync_internal.frontier where depth = 0 and attempts > 0 and state = 'queued'",
    ];
    for moment in moments {
        let before = vendor.door().calls();
        let running = Running::start(&program, &["sync"]);
        until("it goes on", seconds(6), async || vendor.door().calls() > before).await;
        until(moment, seconds(20), async || count(&pool, moment).await > 0).await;
        running.kill().await;
    }
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!((runs_that(&pool, "abandoned").await, runs_that(&pool, "complete").await), (3, 1));
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
    let extra = vendor.door().calls() - calls;
    assert!(extra <= 3 * CONCURRENCY, "{extra} extra calls for three kills");
    let next = program.run(&["sync"]).await;
    assert!(next.code == 0 && next.out.contains(" 0 new, 0 changed,") && next.out.contains(" 0 gone, 0 back"), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendor_counts_no_call_too_many_however_often_a_process_dies() {
    let vendor = capillary(400).await;
    vendor.door().set_limits(&["25/1s".parse().unwrap()]);
    vendor.door().set_latency(Latency::Between(millis(10), millis(30)));
    let case = Case::new().await.customers(&vendor, "page_size = 8\nlimits = [\"25/1s\"]");
    let ended = killed_at(&Program::of(&case), vendor.door(), &[3, 22, 32, 45, 60]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    within_limit(vendor.door());
}

/// Nothing was refused, and the limit of 25/1s was held.
fn within_limit(door: &Door) {
    assert_eq!(door.refused(), 0);
    let most = door.most_in_any(seconds(1));
    assert!(most <= 25, "{most} calls in one second");
    assert!(door.calls() > 50, "too few calls to show anything: {}", door.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_with_sources_of_their_own_share_one_budget() {
    let tree = |seed| Tree { nodes: 80, levels: 3, seed }.shape();
    let vendor = capillary_of(&[tree(1), tree(2), tree(3)]).await;
    vendor.door().set_limits(&["25/1s".parse().unwrap()]);
    vendor.door().set_latency(Latency::Between(millis(10), millis(30)));
    let keys = "page_size = 5\nlimits = [\"25/1s\"]\nbudget = \"account\"";
    let case = (0..3).fold(Case::new().await, |case, root| case.customers_of_root(["north", "south", "west"][root], &vendor, root, keys));
    let program = Program::of(&case);
    let [north, south, west] = ["north", "south", "west"].map(|source| Running::start(&program, &["sync", source]));
    until("all are at work", seconds(20), async || vendor.door().calls() > 30).await;
    // One of them dies with calls under way.
    south.kill().await;
    let again = Running::start(&program, &["sync", "south"]);
    for running in [north, again, west] {
        let ended = running.end(seconds(40)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    within_limit(vendor.door());
    assert_eq!(count(&case.pool().await, "select count(*) from hiersync.customer where retired_at is null").await, 3 * 81);
}

/// Freezes a process at a moment when it has written in a transaction that is still open, or at one when it has none.
async fn freeze(running: &Running, pool: &PgPool, in_transaction: bool) {
    let ours = "from pg_stat_activity where datname = current_database() and application_name = 'hiersync'";
    let written = if in_transaction { "and backend_xid is not null" } else { "" };
    let (busy, waiting) =
        (format!("select count(*) {ours} and state = 'active'"), format!("select count(*) {ours} and state like 'idle in%' {written}"));
    let counted = async |sql: &str| sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await.unwrap();
    until("it is frozen at the right moment", seconds(20), async || {
        running.signal("-STOP");
        until("the server has done what it was told", seconds(5), async || counted(&busy).await == 0).await;
        let is_right = (counted(&waiting).await > 0) == in_transaction;
        if !is_right {
            running.signal("-CONT");
        }
        is_right
    })
    .await;
}

/// Waits until the frozen process has lost its lease.
async fn lease_is_over(pool: &PgPool) {
    let free = "select count(*) from hiersync_internal.lease where until < clock_timestamp()";
    until("the lease is over", seconds(12), async || count(pool, free).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_process_is_not_dead_until_its_lease_is_over_and_then_writes_nothing_more() {
    let vendor = capillary_of(&[Shape::even(5, 3)]).await;
    let truth = undisturbed(&Case::new().await.customers(&vendor, ""), vendor.door()).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case);
    let pool = case.pool().await;
    vendor.door().set_latency(Latency::Fixed(millis(150)));
    let frozen = Running::start(&program, &["sync"]);
    until("the walk is under way", seconds(10), async || vendor.door().calls() > 9).await;
    freeze(&frozen, &pool, false).await;
    let refused = program.run(&["sync"]).await;
    assert_eq!(refused.code, 75, "{refused:?}");
    assert!(refused.err.contains(&frozen.pid().to_string()), "{refused:?}");

    vendor.door().set_latency(Latency::Fixed(Duration::ZERO));
    lease_is_over(&pool).await;
    let other = Running::start(&program, &["sync"]).end(seconds(20)).await;
    assert_eq!(other.code, 0, "{other:?}");
    let all = "select coalesce(sum(requests + pages + rows_seen), 0)::bigint from hiersync.sync_run";
    let (before, counted) = (everything(&pool).await, count(&pool, all).await);

    frozen.signal("-CONT");
    let ended = frozen.end(seconds(20)).await;
    assert_eq!(ended.code, 75, "{ended:?}");
    assert_eq!((everything(&pool).await, count(&pool, all).await), (before.clone(), counted));
    assert_eq!((runs_that(&pool, "abandoned").await, runs_that(&pool, "complete").await, runs_that(&pool, "open").await), (1, 1, 0));
    for (part, value) in truth.0.as_object().unwrap() {
        assert_eq!(&before[part], value, "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_froze_inside_a_transaction_keeps_nobody_out() {
    let vendor = capillary(300).await;
    let keys = "page_size = 5";
    let truth = undisturbed(&Case::new().await.customers(&vendor, keys), vendor.door()).await;
    let case = Case::new().await.customers(&vendor, keys);
    let program = Program::of(&case);
    let pool = case.pool().await;
    vendor.door().set_latency(Latency::Fixed(millis(5)));
    let frozen = Running::start(&program, &["sync"]);
    until("the walk is under way", seconds(10), async || vendor.door().calls() > 9).await;
    freeze(&frozen, &pool, true).await;
    assert!(vendor.door().calls() < truth.1, "the walk is over already");
    lease_is_over(&pool).await;
    let other = Running::start(&program, &["sync"]).end(seconds(25)).await;
    assert_eq!(other.code, 0, "{other:?}");
    frozen.signal("-CONT");
    let ended = frozen.end(seconds(20)).await;
    // It finds its connection closed, or its lease gone.
    assert!([69, 75].contains(&ended.code), "{ended:?}");
    let found = everything(&pool).await;
    for (part, value) in truth.0.as_object().unwrap() {
        assert_eq!(&found[part], value, "{part}");
    }
    assert_eq!((runs_that(&pool, "abandoned").await, runs_that(&pool, "complete").await, runs_that(&pool, "open").await), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_was_given_back_is_free_whatever_renewal_was_under_way() {
    let pool = Case::new().await.pool().await;
    let mut step = session::begin(&pool).await.unwrap();
    let conn = &mut step.conn();
    let own = Identity::own();
    let process = process::register(conn, &own).await.unwrap();
    let source = source::id_of(conn, "customers", "capillary").await.unwrap().unwrap();
    let lease = lease::take(conn, source, process, &own).await.unwrap().unwrap();
    assert!(lease::renew(conn, lease).await.unwrap());
    assert!(lease::take(conn, source, process, &own).await.unwrap().is_err());
    lease::release(conn, lease).await.unwrap();
    assert!(!lease::renew(conn, lease).await.unwrap());
    assert!(lease::take(conn, source, process, &own).await.unwrap().is_ok());
}
