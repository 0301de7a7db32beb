//! Behind a proxy that pools by transaction: whatever hangs on a connection is gone, or somebody else's.

use hiersync::simulator::{door::Latency, shape::Tree};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, postgres::PgConnectOptions};

use crate::harness::{
    case::Case,
    pooler::{Pooler, SERVER_CONNECTIONS},
    postgres::fresh_database,
    program::Program,
    running::Running,
    tables::{assert_customers, assert_users, count, customers_now, places, users_now},
    until::{millis, seconds, until},
    vendors::{capillary, capillary_of, leadsquared},
};

/// A database seen directly, and a proxy in front of it.
async fn pooled() -> (PgPool, Pooler) {
    let database = fresh_database().await;
    (PgPool::connect(&database).await.unwrap(), Pooler::before(&database).await)
}

/// Looks into every connection that the proxy has to the server: two transactions at once are on two of them.
async fn nothing_has_stayed_behind(pooler: &Pooler) {
    let options: PgConnectOptions = pooler.url.parse().unwrap();
    let mut looking: Vec<PgConnection> = Vec::new();
    for _ in 0..SERVER_CONNECTIONS {
        let mut connection = options.clone().extra_float_digits(None).connect().await.unwrap();
        sqlx::raw_sql("begin").execute(&mut connection).await.unwrap();
        let left = "select name from pg_prepared_statements union all select relname from pg_class where relpersistence = 't'";
        let left = sqlx::raw_sql(left).fetch_all(&mut connection).await.unwrap();
        assert!(left.is_empty(), "{} named statements or temporary tables", left.len());
        looking.push(connection);
    }
    for connection in looking {
        connection.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_behind_a_pooling_proxy() {
    let (customers, users) = (capillary(60).await, leadsquared(20).await);
    let (pool, pooler) = pooled().await;
    let program = Program::of(&Case::at(&pooler.url).customers(&customers, "page_size = 7").users(&users, ""));
    let first = program.run(&["sync"]).await;
    assert_eq!(first.code, 0, "{first:?}");
    assert_customers(&pool, &customers_now(&customers)).await;
    assert_users(&pool, &users_now(&users), &["auto_update_time"]).await;

    let before = places(&pool).await;
    // A dry run keeps one of the proxy's connections to its end: one source of the two.
    for (again, runs) in [(&["sync"][..], 2), (&["sync", "customers", "--dry-run"], 1)] {
        let again = program.run(again).await;
        assert!(again.code == 0 && again.out.matches(" 0 new, 0 changed,").count() == runs, "{again:?}");
    }
    assert_eq!(places(&pool).await, before, "rows were written though nothing had changed");

    customers.world().mutate(0.2, 3);
    let changed = program.run(&["sync", "--accept-retire"]).await;
    assert_eq!(changed.code, 0, "{changed:?}");
    assert_customers(&pool, &customers_now(&customers)).await;
    for (verb, word) in [("status", "complete"), ("runs", "manual"), ("changes", "customer"), ("findings", ""), ("check", "light call")] {
        let told = program.run(&[verb]).await;
        assert!(told.code == 0 && told.out.contains(word), "{verb}: {told:?}");
    }
    nothing_has_stayed_behind(&pooler).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_behind_a_pooling_proxy_start_at_once_on_an_empty_database_and_share_one_budget() {
    let tree = |seed| Tree { nodes: 60, levels: 3, seed }.shape();
    let vendor = capillary_of(&[tree(1), tree(2), tree(3)]).await;
    vendor.door().set_limits(&["25/1s".parse().unwrap()]);
    vendor.door().set_latency(Latency::Between(millis(10), millis(30)));
    let (pool, pooler) = pooled().await;
    sqlx::raw_sql("drop schema hiersync, hiersync_internal, hiersync_bi cascade").execute(&pool).await.unwrap();
    let keys = "page_size = 5\nlimits = [\"25/1s\"]\nbudget = \"account\"";
    let names = ["north", "south", "west"];
    let case = (0..3).fold(Case::at(&pooler.url), |case, root| case.customers_of_root(names[root], &vendor, root, keys));
    let program = Program::of(&case);
    let running = names.map(|source| Running::start(&program, &["sync", source]));
    until("all are at work", seconds(20), async || vendor.door().calls() > 30).await;
    let shared = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'hiersync'";
    assert!((1..=SERVER_CONNECTIONS.into()).contains(&count(&pool, shared).await), "the proxy has more connections than it may");
    for running in running {
        let ended = running.end(seconds(40)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    assert_eq!(vendor.door().refused(), 0);
    let most = vendor.door().most_in_any(seconds(1));
    assert!(most <= 25, "{most} calls in one second");
    assert_customers(&pool, &customers_now(&vendor)).await;
    nothing_has_stayed_behind(&pooler).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_behind_a_pooling_proxy_that_is_killed_completes_its_walk_when_it_is_back() {
    let vendor = capillary(80).await;
    vendor.door().set_latency(Latency::Fixed(millis(30)));
    let (pool, pooler) = pooled().await;
    let keys = "page_size = 5\nschedule = \"0 0 1 1 *\"";
    let program = Program::of(&Case::at(&pooler.url).customers(&vendor, keys));
    let daemon = Running::start(&program, &["daemon"]);
    until("the walk is under way", seconds(15), async || vendor.door().calls() > 8).await;
    daemon.kill().await;
    let daemon = Running::start(&program, &["daemon"]);
    let complete = "select count(*) from hiersync.sync_run where outcome = 'complete'";
    until("the walk is complete", seconds(20), async || count(&pool, complete).await == 1).await;
    let (ended, _) = daemon.stop("-TERM", seconds(15)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run where outcome = 'abandoned'").await, 1);
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
    assert_customers(&pool, &customers_now(&vendor)).await;
    nothing_has_stayed_behind(&pooler).await;
}
