//! A quota that is smaller than a walk: said before the first call, spent to its last, gone on with when it opens.

use hiersync::simulator::{capillary::CapillarySim, shape::Shape};
use sqlx::{PgPool, Row};

use crate::harness::{
    case::Case,
    program::{Ended, Program},
    tables::{assert_customers, count, customers_now, findings},
    vendors::capillary_of,
};

/// What one walk of the tree takes: the root is looked up, its list asked for once more at its end, and 72 lists read.
const CALLS: usize = 76;

const SAYS: &str = "the budget does not last for this walk";

/// A root with 8 children, who have 8 each, who have 8 each.
async fn vendor() -> CapillarySim {
    capillary_of(&[Shape::even(8, 3)]).await
}

/// With 30 calls an hour.
fn short(case: &Case) -> Program {
    Program::edited(case, |config| config.replace("limits = [\"100000/1s\"]", "limits = [\"1000/1s\", \"40/1h\"]\nheadroom = 0.25"))
}

/// The window opens.
async fn open_the_window(pool: &PgPool) {
    sqlx::query("delete from hiersync_internal.budget_ledger").execute(pool).await.unwrap();
}

/// Syncs, and gives how many calls came to the door.
async fn sync(program: &Program, vendor: &CapillarySim) -> (Ended, usize) {
    let before = vendor.door().calls();
    let ended = program.run(&["sync"]).await;
    (ended, vendor.door().calls() - before)
}

/// The latest run: outcome, walk, calls, and minutes until it goes on.
async fn latest(pool: &PgPool) -> (String, i64, i64, Option<f64>) {
    let run = "select coalesce(outcome, 'open'), walk_id, requests, extract(epoch from resume_at - clock_timestamp())::float8 / 60
               from hiersync.sync_run order by run_id desc limit 1";
    let row = sqlx::query(run).fetch_one(pool).await.unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

async fn about_an_hour_ahead(pool: &PgPool, calls: i64) {
    let (outcome, _, requests, resumes_in) = latest(pool).await;
    assert_eq!((outcome.as_str(), requests), ("throttled", calls));
    let resumes_in = resumes_in.expect("it says when it goes on");
    assert!((50.0..=60.1).contains(&resumes_in), "{resumes_in}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_the_quota_cannot_pay_says_so_and_goes_on_window_by_window() {
    let vendor = vendor().await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    let (whole, calls) = sync(&Program::of(&case), &vendor).await;
    assert_eq!((whole.code, calls), (0, CALLS), "{whole:?}");
    assert!(!whole.err.contains(SAYS), "{whole:?}");
    open_the_window(&pool).await;

    let program = short(&case);
    let (ended, calls) = sync(&program, &vendor).await;
    assert_eq!((ended.code, calls), (75, 30), "{ended:?}");
    for words in [SAYS, "needed=76", "free=30", "window=30/1h", "goes_on_at="] {
        assert!(ended.err.contains(words), "{words} is not in {ended:?}");
    }
    assert!(ended.out.contains("customers: throttled (budget customers is spent), goes on from "), "{ended:?}");
    about_an_hour_ahead(&pool, 30).await;
    let walk = latest(&pool).await.1;
    assert_eq!(findings(&pool).await, [("quota_short".to_owned(), "customers".to_owned())]);
    let said_first = "select count(*) from hiersync.finding where seen_at < (select min(bought_at) from hiersync_internal.budget_ledger)";
    assert_eq!(count(&pool, said_first).await, 1, "it was said before the first call");
    let told = program.run(&["findings"]).await.out;
    for words in ["quota_short  customers  the walk needs 76 more calls", "lets 30 go before 30/1h is spent", "headroom", "hiersync plan"] {
        assert!(told.contains(words), "{words} is not in {told}");
    }

    // Nothing is free: it says so, and ends without a call.
    let (ended, calls) = sync(&program, &vendor).await;
    assert_eq!((ended.code, calls), (75, 0), "{ended:?}");
    assert!(ended.err.contains("needed=46") && ended.err.contains("free=0"), "{ended:?}");
    about_an_hour_ahead(&pool, 0).await;

    // The window opens, and opens again: the same walk goes on, and no page is read twice.
    open_the_window(&pool).await;
    let (ended, calls) = sync(&program, &vendor).await;
    assert_eq!((ended.code, calls, latest(&pool).await.1), (75, 30, walk), "{ended:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync.finding").await, 1, "it is one finding");
    open_the_window(&pool).await;
    let (ended, calls) = sync(&program, &vendor).await;
    assert_eq!((ended.code, ended.err.as_str(), latest(&pool).await.1), (0, "", walk), "{ended:?}");
    assert_eq!(calls, CALLS - 60);
    assert!(findings(&pool).await.is_empty());
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run where outcome is null or finished_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_nobody_knows_yet_says_so_when_its_lists_are_too_many() {
    let vendor = vendor().await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    let program = short(&case);
    // How large the tree is comes out on the way.
    let (ended, calls) = sync(&program, &vendor).await;
    assert_eq!((ended.code, calls, ended.err.as_str()), (75, 30, ""), "{ended:?}");
    assert!(findings(&pool).await.is_empty());
    let (ended, calls) = sync(&program, &vendor).await;
    assert_eq!((ended.code, calls), (75, 0), "{ended:?}");
    assert!(ended.err.contains(SAYS), "{ended:?}");
    let told = program.run(&["findings"]).await.out;
    assert!(told.contains("the walk needs at least "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_it_and_leaves_no_finding() {
    let vendor = vendor().await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    case.complete().await;
    open_the_window(&pool).await;
    let ended = short(&case).run(&["sync", "--dry-run"]).await;
    assert_eq!(ended.code, 75, "{ended:?}");
    assert!(ended.err.contains(SAYS) && ended.err.contains("free=30"), "{ended:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync.finding").await, 0);
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_are_waited_for_within_a_run_are_no_short_quota() {
    let vendor = vendor().await;
    let case = Case::new().await.customers(&vendor, "limits = [\"40/1s\"]");
    let pool = case.pool().await;
    case.complete().await;
    let (ended, _) = sync(&Program::of(&case), &vendor).await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync.finding").await, 0);
}
