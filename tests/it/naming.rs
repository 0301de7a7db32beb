//! Whether statements have names: where nobody, or somebody who keeps account of them, stands before the server.

use hiersync::{
    config::Prepared,
    store::{
        connect::{self, Connections},
        session,
    },
};
use sqlx::{ConnectOptions, Connection, PgPool, postgres::PgConnectOptions};

use crate::harness::{
    case::Case,
    gate::Gate,
    pooler::Pooler,
    postgres::fresh_database,
    program::Program,
    tables::{assert_customers, customers_now, places},
    vendors::capillary,
};

async fn pool_by(url: &str, prepared: Prepared) -> PgPool {
    connect::open(url, None, Connections { most: 2, prepared }).await.unwrap()
}

/// Whether a statement that is run as all are leaves a name at the server.
async fn leaves_names(pool: &PgPool) -> bool {
    let mut step = session::begin(pool).await.unwrap();
    let names = "select count(*) from pg_prepared_statements where statement like 'select count(*) from pg_prepared_statements%'";
    let names: i64 = sqlx::query_scalar(names).fetch_one(&mut step.conn()).await.unwrap();
    step.commit().await.unwrap();
    names > 0
}

async fn are_named(url: &str, prepared: Prepared) -> bool {
    let pool = pool_by(url, prepared).await;
    let named = leaves_names(&pool).await;
    pool.close().await;
    named
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_have_names_where_nobody_stands_in_between_and_as_the_config_says() {
    let database = fresh_database().await;
    assert!(are_named(&database, Prepared::Auto).await);
    assert!(are_named(&database, Prepared::On).await);
    assert!(!are_named(&database, Prepared::Off).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_that_pools_by_transaction_and_keeps_no_account_they_have_none() {
    let pooler = Pooler::before(&fresh_database().await).await;
    assert!(!are_named(&pooler.url, Prepared::Auto).await);
    // The connections that there were are in use: who asks gets a new one.
    let options: PgConnectOptions = pooler.url.parse().unwrap();
    let mut other = options.extra_float_digits(None).connect().await.unwrap();
    sqlx::raw_sql("begin; select 1").execute(&mut other).await.unwrap();
    assert!(!are_named(&pooler.url, Prepared::Auto).await);
    other.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_that_gives_statements_its_own_names_they_have_names() {
    let database = fresh_database().await;
    let gate = Gate::before(&database).await;
    gate.rename_statements();
    assert!(are_named(&gate.url, Prepared::Auto).await);
    let pool = pool_by(&gate.url, Prepared::Auto).await;
    let ours = "select count(*) from pg_prepared_statements where name like 'sqlx%'";
    let mut step = session::begin(&pool).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(ours).fetch_one(&mut step.conn()).await.unwrap(), 0, "nobody renames");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_has_lost_its_names_is_replaced() {
    let pool = pool_by(&fresh_database().await, Prepared::On).await;
    let lost = "do $$ begin execute 'deallocate all'; end $$";
    for _ in 0..4 {
        assert!(leaves_names(&pool).await);
        sqlx::raw_sql(lost).execute(&pool).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_the_same_with_names_and_without() {
    let vendor = capillary(60).await;
    // Directly, whatever pooler other tests go through.
    let case = Case::at(&fresh_database().await).customers(&vendor, "page_size = 7");
    let pool = case.pool().await;
    for word in ["on", "off", "on"] {
        let head = format!("[database]\nprepared = \"{word}\"\n");
        let program = Program::edited(&case, |config| config.replacen("[database]\n", &head, 1));
        for what in ["what has changed", "what is the same"] {
            let before = places(&pool).await;
            let ended = program.run(&["sync", "--accept-retire"]).await;
            assert_eq!(ended.code, 0, "{word}: {ended:?}");
            assert_customers(&pool, &customers_now(&vendor)).await;
            assert_eq!(places(&pool).await == before, what == "what is the same", "{word}: {what}");
        }
        vendor.world().mutate(0.2, 5);
    }
}
