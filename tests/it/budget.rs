//! The budget's ledger in the database: clocks that jump, the order of those who wait, long windows, limits that the
//! vendor states, and others who spend the same account.

use std::{process::Stdio, time::Duration};

use hiersync::{
    budget::ledger::{Ledger, Pause, Settlement, Trade, Wait},
    clock,
    model::limit::Limit,
    simulator::{
        capillary::CapillarySim,
        door::Latency,
        leadsquared::{
            LeadSquaredSim,
            make::Flavour,
            refusals,
            settings::{LeadSquaredSettings, Throttle},
            world::LeadSquaredWorld,
        },
        shape::Shape,
    },
    store::{
        connect,
        ledger::PgLedger,
        process::{self, Identity},
        session,
    },
};
use sqlx::{PgPool, Row, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::harness::{
    case::Case,
    gate::Gate,
    postgres,
    program::Program,
    tables::{count, findings},
    until::{seconds, until},
    vendors,
};

fn limits(texts: &[&str]) -> Vec<Limit> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A ledger as another process would open it.
async fn ledger(pool: &PgPool, texts: &[&str]) -> PgLedger {
    let mut step = session::begin(pool).await.unwrap();
    let process_id = process::register(&mut step.conn(), &Identity::own()).await.unwrap();
    step.commit().await.unwrap();
    PgLedger::open(pool, process_id, "shared", &limits(texts), 0.0, Duration::from_secs(1)).await.unwrap()
}

async fn bought(ledger: &PgLedger, wants: u32) -> (i64, u32) {
    match ledger.trade(&[], wants.into()).await.unwrap() {
        Trade::Bought(batches) => (batches[0].batch_id, batches.iter().map(|batch| batch.calls).sum()),
        Trade::Wait(wait) => panic!("{wait:?}"),
    }
}

async fn must_wait(ledger: &PgLedger, wants: u32) -> Wait {
    match ledger.trade(&[], wants.into()).await.unwrap() {
        Trade::Bought(batches) => panic!("{batches:?}"),
        Trade::Wait(wait) => wait,
    }
}

/// All of them were used just now.
async fn ended(ledger: &PgLedger, (batch_id, used): (i64, u32)) {
    ledger.trade(&[Settlement { batch_id, used, ended: clock::instant() }], 0.into()).await.unwrap();
}

/// A database whose clock is wrong by as much as `fake.skew` says: `pg_catalog` comes second on its search path.
async fn with_a_wrong_clock(url: &str) -> PgPool {
    let pool = PgPoolOptions::new()
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql("set search_path = fake, pg_catalog").execute(connection).await?;
                Ok(())
            })
        })
        .connect(url)
        .await
        .unwrap();
    let fake = "create schema fake; create table fake.skew as select interval '0' as by;
        create function fake.clock_timestamp() returns timestamptz language sql volatile
        as 'select pg_catalog.clock_timestamp() + by from fake.skew'";
    sqlx::raw_sql(fake).execute(&pool).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_clock_that_jumps_frees_no_call_and_blocks_none() {
    let url = postgres::fresh_database().await;
    connect::open(&url, None, postgres::at_most(2)).await.unwrap().close().await;
    let pool = with_a_wrong_clock(&url).await;
    let here = ledger(&pool, &["5/20s"]).await;
    let batch = bought(&here, 9).await;
    assert_eq!(batch.1, 5);
    ended(&here, batch).await;
    for skew in ["3 hours", "-5 hours", "400 days", "0"] {
        sqlx::query("update fake.skew set by = $1::interval").bind(skew).execute(&pool).await.unwrap();
        let wait = must_wait(&here, 1).await;
        assert!(wait.wait > Duration::from_secs(10) && wait.wait <= Duration::from_secs(20), "{skew}: {wait:?}");
    }
    // A pause lasts as long as it was meant to, whatever the clock says.
    here.pause(&Pause { wait: Duration::from_secs(60), why: "refused".into(), stated: None }).await.unwrap();
    for skew in ["-2 hours", "2 hours"] {
        sqlx::query("update fake.skew set by = $1::interval").bind(skew).execute(&pool).await.unwrap();
        let wait = must_wait(&here, 1).await;
        assert!(wait.wait > Duration::from_secs(50) && wait.wait <= Duration::from_secs(60), "{skew}: {wait:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_served_in_the_order_in_which_they_asked() {
    let pool = connect::open(&postgres::fresh_database().await, None, postgres::at_most(4)).await.unwrap();
    let (greedy, first, second) = (ledger(&pool, &["4/1s"]).await, ledger(&pool, &["4/1s"]).await, ledger(&pool, &["4/1s"]).await);
    let batch = bought(&greedy, 64).await;
    ended(&greedy, batch).await;
    let opens = must_wait(&first, 3).await;
    must_wait(&second, 1).await;
    must_wait(&greedy, 64).await;
    tokio::time::sleep(opens.wait + Duration::from_millis(5)).await;
    // Four are free: three of them are the first's, and one is the second's, whoever comes when.
    assert_eq!(must_wait(&greedy, 64).await.at_least, Duration::ZERO);
    assert_eq!(bought(&second, 1).await.1, 1);
    must_wait(&greedy, 64).await;
    assert_eq!(bought(&first, 3).await.1, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_and_goes_away_holds_nobody_up() {
    let pool = connect::open(&postgres::fresh_database().await, None, postgres::at_most(4)).await.unwrap();
    let (gone, here) = (ledger(&pool, &["4/1s"]).await, ledger(&pool, &["4/1s"]).await);
    let batch = bought(&here, 4).await;
    ended(&here, batch).await;
    let opens = must_wait(&gone, 4).await;
    must_wait(&here, 4).await;
    tokio::time::sleep(opens.wait + Duration::from_millis(400)).await;
    assert_eq!(bought(&here, 4).await.1, 4);
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.budget_waiter").await, 1);
    gone.trade(&[], 0.into()).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.budget_waiter").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_calls_a_day_are_kept_in_a_few_hundred_rows() {
    let pool = connect::open(&postgres::fresh_database().await, None, postgres::at_most(2)).await.unwrap();
    let ledger = ledger(&pool, &["1000/1s", "1000000/1d"]).await;
    sqlx::raw_sql(
        "insert into hiersync_internal.budget_ledger (budget_id, process_id, calls, bought_at, ended_at)
         select budget_id, 0, 100, t, t from hiersync_internal.budget,
             generate_series(clock_timestamp() - interval '20 hours', clock_timestamp() - interval '2 s', interval '8 s') t",
    )
    .execute(&pool)
    .await
    .unwrap();
    let spent = "select sum(calls)::bigint from hiersync_internal.budget_ledger";
    let before = count(&pool, spent).await;
    assert!(before > 800_000);
    assert_eq!(bought(&ledger, 64).await.1, 64);
    assert_eq!(count(&pool, spent).await, before + 64);
    let rows = count(&pool, "select count(*) from hiersync_internal.budget_ledger").await;
    assert!(rows < 300, "{rows} rows");
    let shown = sqlx::query("select used, free from hiersync.budget_use where span = interval '1 day'").fetch_one(&pool).await.unwrap();
    assert_eq!((shown.get::<i64, _>(0), shown.get::<i64, _>(1)), (before + 64, 1_000_000 - before - 64));
}

async fn users(shape: &Shape, more: &str) -> (LeadSquaredSim, Case, PgPool) {
    let mut world = LeadSquaredWorld::new(7, Flavour::PLAIN);
    world.plant(shape);
    let vendor = LeadSquaredSim::start(world, LeadSquaredSettings::default()).await.unwrap();
    let case = Case::new().await.users(&vendor, more);
    let pool = case.pool().await;
    (vendor, case, pool)
}

/// Three sources of one vendor that share a budget of 25 calls a second.
async fn three_on_one_budget() -> (CapillarySim, Case) {
    let vendor = vendors::capillary_of(&[Shape::even(5, 3), Shape::even(5, 3), Shape::even(5, 3)]).await;
    vendor.door().set_limits(&limits(&["25/1s"]));
    vendor.door().set_latency(Latency::Between(Duration::from_millis(2), Duration::from_millis(60)));
    let more = "budget = \"shared\"\nlimits = [\"25/1s\"]";
    let names = ["one", "two", "three"];
    let case = names.iter().enumerate().fold(Case::new().await, |case, (root, name)| case.customers_of_root(name, &vendor, root, more));
    (vendor, case)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_killed_again_and_again_keep_within_one_budget() {
    let (vendor, case) = three_on_one_budget().await;
    let program = Program::of(&case);
    let start = |name: &str| program.command(&["sync", name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let names = ["one", "two", "three"];
    let mut children = names.map(&start);
    for kill in 0..8 {
        tokio::time::sleep(Duration::from_millis(350 + 50 * (kill % 4))).await;
        let victim = usize::try_from(kill).unwrap() % 3;
        children[victim].kill().unwrap();
        children[victim].wait().unwrap();
        children[victim] = start(names[victim]);
    }
    for child in &mut children {
        until("the walk is at its end", seconds(60), async || child.try_wait().unwrap().is_some()).await;
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let door = vendor.door();
    assert!(door.calls() > 100, "{} calls", door.calls());
    assert_eq!(door.refused(), 0);
    assert!(door.most_in_any(Duration::from_secs(1)) <= 25, "{}", door.most_in_any(Duration::from_secs(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_late_ends_no_call_before_its_time() {
    let gate = Gate::before(&postgres::fresh_database().await).await;
    let pool = connect::open(&gate.url, None, postgres::at_most(2)).await.unwrap();
    let ledger = ledger(&pool, &["1/1s"]).await;
    let batch = bought(&ledger, 1).await;
    sqlx::query("create table before as select clock_timestamp() as time").execute(&pool).await.unwrap();
    gate.delay_answers(Duration::from_millis(200));
    ended(&ledger, batch).await;
    let early = "select count(*) from hiersync_internal.budget_ledger, before where ended_at < time";
    assert_eq!(count(&pool, early).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_limit_that_the_vendor_states_is_kept_to_and_told() {
    let (vendor, case, pool) = users(&Shape::list(45), "reach = \"direct\"\nlimits = [\"1000/1s\"]").await;
    let lower = Limit { calls: 20, window: Duration::from_secs(1) };
    vendor.faults().after(1, 1, refusals::throttled(Throttle::Status429, lower));
    case.complete().await;
    vendor.door().set_limits(&[lower]);
    vendor.door().clear_log();
    let second = case.quiet(&pool).await;
    assert_eq!((second.throttled, vendor.door().refused()), (0, 0), "what was learned is remembered");
    assert!(vendor.door().most_in_any(lower.window) <= 20);
    // The windows in which nothing was free were waited for, by many calls at once.
    assert!(second.wait_ms > 1000, "{second:?}");
    let told = Program::of(&case).run(&["status"]).await.out;
    assert!(told.contains("20/1s") && told.contains("stated by the vendor"), "{told}");
    assert_eq!(findings(&pool).await, [("limit_learned".into(), "sales".into())]);

    // The vendor takes it back, by stating a higher one.
    vendor.door().set_limits(&[]);
    vendor.faults().after(1, 1, refusals::throttled(Throttle::Status429, Limit { calls: 1000, ..lower }));
    case.complete().await;
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.budget_limit where origin = 'learned'").await, 0);
    case.complete().await;
    assert_eq!(findings(&pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_who_spend_the_account_slow_us_down_for_a_while() {
    let (vendor, case, pool) = users(&Shape::list(200), "reach = \"direct\"\nlimits = [\"25/1s\"]").await;
    vendor.door().set_limits(&limits(&["25/1s"]));
    vendor.door().set_latency(Latency::Fixed(Duration::from_millis(5)));
    let done = CancellationToken::new();
    let others = async {
        while !done.is_cancelled() {
            vendor.door().foreign_calls(2);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let ours = async {
        let run = case.complete().await;
        done.cancel();
        run
    };
    let (run, ()) = tokio::join!(ours, others);
    // Two in five calls of the account are others': without slowing down every window would be refused.
    assert!(run.throttled > 0 && run.throttled <= 10, "{run:?}");
    let pace = "select (pace * 100)::bigint from hiersync.budget_use";
    assert!(count(&pool, pace).await < 100);
    sqlx::query("update hiersync_internal.budget set paced_at = paced_at - interval '2 minutes'").execute(&pool).await.unwrap();
    assert_eq!(count(&pool, pace).await, 100);
}
