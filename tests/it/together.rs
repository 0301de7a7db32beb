//! Pages that wait for each other share a transaction: it is committed once, or not at all.

use hiersync::simulator::{
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    change::Stamp,
    shape::Shape,
};
use sqlx::{PgPool, Postgres, Transaction};

use crate::harness::{
    case::Case,
    program::Program,
    running::Running,
    tables::{assert_customers, count, customers_now},
    until::{seconds, until},
};

/// Lists below the root's, all in flight at once.
const LISTS: usize = 4;

/// A mirror that is up to date but for one child of each list, and whom.
async fn changed() -> (CapillarySim, Case, PgPool, Vec<i64>) {
    let mut world = CapillaryWorld::new(61, Flavour::PLAIN);
    let root = world.plant(&Shape::even(LISTS, 2));
    let children: Vec<i64> = world.children(root).iter().map(|&parent| world.children(parent)[1]).collect();
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, &format!("concurrency = {LISTS}"));
    case.complete().await;
    children.iter().for_each(|&child| vendor.world().rename(child, "Zebulon", Stamp::Bump));
    let pool = case.pool().await;
    (vendor, case, pool, children)
}

/// Somebody holds a customer's row: the page that changes it waits.
struct Held(i32, Transaction<'static, Postgres>);

async fn hold(pool: &PgPool, customer: i64) -> Held {
    let mut held = pool.begin().await.unwrap();
    let sql = "select pg_backend_pid() from hiersync.customer where customer_id = $1 for update";
    let holder = sqlx::query_scalar(sql).bind(customer).fetch_one(&mut *held).await.unwrap();
    Held(holder, held)
}

/// The session that waits for one of those who hold rows, its transaction, and for whom.
async fn waiting(pool: &PgPool) -> Option<(i32, String, i32)> {
    let sql = "select pid, backend_xid::text, (pg_blocking_pids(pid))[1] from pg_stat_activity
               where datname = current_database() and application_name = 'hiersync' and cardinality(pg_blocking_pids(pid)) > 0";
    sqlx::query_as(sql).fetch_optional(pool).await.unwrap()
}

/// A sync of which a page waits, and others for it; the rows that are held yet.
async fn begun(vendor: &CapillarySim, program: &Program, pool: &PgPool, children: &[i64]) -> (Running, Vec<Held>) {
    let mut held = Vec::new();
    for &child in children {
        held.push(hold(pool, child).await);
    }
    let before = vendor.door().calls_of("bulk");
    let sync = Running::start(program, &["sync"]);
    // The root's list ends with its last row once more. The page of that may wait as well, for whichever goes on in its transaction: then the
    // last of the lists is asked for when they are done.
    until("all lists but one have come", seconds(20), async || vendor.door().calls_of("bulk") > before + LISTS).await;
    until("a page waits", seconds(10), async || waiting(pool).await.is_some()).await;
    // What has come is read, and its pages queue, which nothing shows.
    tokio::time::sleep(seconds(1)).await;
    (sync, held)
}

/// Lets the page go on that waits, and gives the next one's session and transaction.
async fn go_on(pool: &PgPool, held: &mut Vec<Held>) -> (i32, String) {
    let (_, _, holder) = waiting(pool).await.expect("a page waits");
    let place = held.iter().position(|held| held.0 == holder).expect("for one of these");
    held.swap_remove(place).1.rollback().await.unwrap();
    until("the next page waits", seconds(10), async || waiting(pool).await.is_some_and(|(_, _, next)| next != holder)).await;
    let (pid, transaction, _) = waiting(pool).await.unwrap();
    (pid, transaction)
}

const UPDATES: &str = "select count(*) from hiersync.change where op = 'update' and entity = 'customer'";

/// Pages queue where nobody sees them: on a busy machine one may come late, and is then written in the next transaction. So it is tried.
const TRIES: u32 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_wait_for_each_other_are_committed_at_once() {
    for _ in 0..TRIES {
        let (vendor, case, pool, children) = changed().await;
        let program = Program::of(&case);
        let (sync, mut held) = begun(&vendor, &program, &pool, &children).await;
        let (_, first, _) = waiting(&pool).await.unwrap();
        let mut shared = 1;
        while held.len() > 2 && go_on(&pool, &mut held).await.1 == first {
            assert_eq!(count(&pool, UPDATES).await, 0, "committed in the middle");
            shared += 1;
        }
        held.clear();
        let ended = sync.end(seconds(20)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(count(&pool, UPDATES).await, i64::try_from(LISTS).unwrap());
        assert_customers(&pool, &customers_now(&vendor)).await;
        let pages = "select pages from hiersync.sync_run order by run_id desc limit 1";
        assert_eq!(count(&pool, pages).await, 2 + i64::try_from(LISTS).unwrap());
        if shared == LISTS - 1 {
            return;
        }
    }
    panic!("they never shared a transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_lost_takes_all_pages_along_that_share_its_transaction_and_no_row() {
    for _ in 0..TRIES {
        let (vendor, case, pool, children) = changed().await;
        let program = Program::of(&case);
        let (sync, mut held) = begun(&vendor, &program, &pool, &children).await;
        let (_, first, _) = waiting(&pool).await.unwrap();
        let (session, next) = go_on(&pool, &mut held).await;
        sqlx::query("select pg_terminate_backend($1)").bind(session).execute(&pool).await.unwrap();
        held.clear();
        let ended = sync.end(seconds(30)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.err.contains("the run goes on with another"), "{ended:?}");
        assert_eq!(count(&pool, UPDATES).await, i64::try_from(LISTS).unwrap());
        assert_customers(&pool, &customers_now(&vendor)).await;
        let counted = "select updated + unchanged from hiersync.sync_run order by run_id desc limit 1";
        assert_eq!(count(&pool, counted).await, count(&pool, "select count(*) from hiersync.customer").await, "each once");
        if next == first {
            return;
        }
    }
    panic!("they never shared a transaction");
}
