//! A walk over several runs ends as one run would have; a dry run leaves no trace; one run of a source at a time.

use std::{sync::Arc, time::Duration};

use hiersync::{
    app::error::SourceError,
    model::run::Outcome,
    simulator::{
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        door::Latency,
        forest::Place,
        leadsquared::{
            LeadSquaredSim,
            settings::{LeadSquaredSettings, Reach},
            world::LeadSquaredWorld,
        },
        shape::{Shape, Tree},
    },
    store::{report, session},
    sync::{gauges::Gauges, report::NoRun, wanted::Wanted},
};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    case::{self, Case, WANTED, with_calls},
    postgres::fresh_database,
    program::Program,
    tables::{assert_customers, count, customers_now, everything},
};

const TREE: Tree = Tree { nodes: 40, levels: 4, seed: 61 };

async fn capillary(world: CapillaryWorld) -> CapillarySim {
    CapillarySim::start(world, CapillarySettings::default()).await.unwrap()
}

/// Runs with so few calls each until one is complete. How many runs that took.
async fn by_pieces(case: &Case, max_calls: u32) -> usize {
    for runs in 1..200 {
        let report = case.sync_with(with_calls(max_calls)).await;
        let run = report.row.unwrap();
        assert!(run.requests <= i64::from(max_calls), "{run:?}");
        match report.outcome {
            Outcome::Complete => return runs,
            outcome => assert_eq!(outcome, Outcome::Stopped, "{run:?}"),
        }
    }
    panic!("the walk never ended")
}

async fn open_runs(pool: &PgPool) -> i64 {
    count(pool, "select count(*) from hiersync.sync_run where outcome is null or finished_at is null").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_in_pieces_of_three_calls_ends_as_an_undisturbed_one() {
    let world = CapillaryWorld::grow(TREE);
    let (whole, pieces) = (capillary(world.clone()).await, capillary(world).await);
    let (undisturbed, stopped) =
        (Case::new().await.customers(&whole, "page_size = 5"), Case::new().await.customers(&pieces, "page_size = 5"));
    let (one, many) = (undisturbed.pool().await, stopped.pool().await);
    undisturbed.complete().await;
    let runs = by_pieces(&stopped, 3).await;
    assert!(runs > 3, "{runs}");
    assert_eq!(everything(&many).await, everything(&one).await);
    assert_eq!(count(&many, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
    // The answers that were taken in are not asked for again.
    assert_eq!(pieces.door().calls(), whole.door().calls());

    // The same again when something has changed in between, deletions included.
    for vendor in [&whole, &pieces] {
        let mut world = vendor.world();
        let root = world.roots()[0];
        let leaf = *world.below(root).last().unwrap();
        world.delete(leaf);
        let first = world.children(root)[0];
        world.rename(first, "Zoë", Stamp::Bump);
        world.insert(root, Place::Last);
    }
    undisturbed.complete().await;
    by_pieces(&stopped, 3).await;
    assert_eq!(everything(&many).await, everything(&one).await);
    assert_eq!(open_runs(&many).await, 0);
    stopped.quiet(&many).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_in_pieces_end_as_an_undisturbed_walk_however_they_are_read() {
    for (reach, more) in
        [(Reach::Direct, ""), (Reach::Subtree, ""), (Reach::Subtree, "reach = \"subtree\""), (Reach::Direct, "edges = \"advanced_search\"")]
    {
        let world = LeadSquaredWorld::grow(Tree { nodes: 14, levels: 3, seed: 62 });
        let settings = LeadSquaredSettings { reach, ..LeadSquaredSettings::default() };
        let whole = LeadSquaredSim::start(world.clone(), settings.clone()).await.unwrap();
        let pieces = LeadSquaredSim::start(world, settings).await.unwrap();
        let (undisturbed, stopped) = (Case::new().await.users(&whole, more), Case::new().await.users(&pieces, more));
        let (one, many) = (undisturbed.pool().await, stopped.pool().await);
        undisturbed.complete().await;
        by_pieces(&stopped, 4).await;
        assert_eq!(everything(&many).await, everything(&one).await, "{reach:?} {more}");
        assert_eq!(pieces.door().calls(), whole.door().calls(), "{reach:?} {more}");
        stopped.quiet(&many).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_no_calls_is_stopped_and_closed() {
    let vendor = capillary(CapillaryWorld::grow(TREE)).await;
    let case = Case::new().await.customers(&vendor, "");
    let report = case.sync_with(with_calls(0)).await;
    assert_eq!((report.outcome, vendor.door().calls()), (Outcome::Stopped, 0));
    let pool = case.pool().await;
    assert_eq!(open_runs(&pool).await, 0);
    case.complete().await;
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_mid_walk_closes_the_run_and_the_next_goes_on() {
    let vendor = capillary(CapillaryWorld::grow(TREE)).await;
    vendor.door().set_latency(Latency::Fixed(Duration::from_millis(20)));
    let case = Case::new().await.customers(&vendor, "page_size = 5");
    let pool = case.pool().await;
    let app = case.app().await;
    let stop = CancellationToken::new();
    let stopping = async {
        while vendor.door().calls() < 6 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let running = app.run(&app.config.sources[0], WANTED, &stop, Arc::new(Gauges::default()));
    let (report, ()) = tokio::join!(running, stopping);
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::Stopped);
    assert_eq!(open_runs(&pool).await, 0);
    app.close().await;
    let before = vendor.door().calls();
    assert_eq!(usize::try_from(report.row.unwrap().requests).unwrap(), before);
    case.complete().await;
    let total = vendor.door().calls();
    assert_customers(&pool, &customers_now(&vendor)).await;
    vendor.door().clear_log();
    case.quiet(&pool).await;
    assert!(total <= vendor.door().calls() + 4, "at most the calls in flight are made again: {total} of {}", vendor.door().calls());
}

/// Rows of every table but those that a dry run may write.
async fn sizes(pool: &PgPool) -> Vec<(String, i64)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'hiersync' and table_type = 'BASE TABLE'
         and table_name not like 'budget%' and table_name not in ('process', '_sqlx_migrations') order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut sizes = Vec::new();
    for table in tables {
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from hiersync.{table}"))).fetch_one(pool).await.unwrap();
        sizes.push((table, rows));
    }
    sizes
}

const DRY: Wanted = Wanted { dry_run: true, ..WANTED };

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_on_an_empty_mirror_writes_nothing() {
    let vendor = capillary(CapillaryWorld::grow(TREE)).await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    let report = case.sync_with(DRY).await;
    assert_eq!((report.outcome, report.row.unwrap().inserted), (Outcome::Complete, 41));
    let filled: Vec<_> = sizes(&pool).await.into_iter().filter(|(_, rows)| *rows > 0).collect();
    assert_eq!(filled, []);
    assert!(count(&pool, "select count(*) from hiersync_internal.budget_ledger").await > 0, "its calls are paid for");
    assert_eq!(case.complete().await.inserted, 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_the_next_run_will_change_and_writes_nothing() {
    let mut world = CapillaryWorld::new(63, Flavour::PLAIN);
    let root = world.plant(&Shape::even(3, 3));
    let vendor = capillary(world).await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    case.complete().await;
    {
        let mut world = vendor.world();
        let below = world.below(root);
        world.rename(below[5], "Zoë", Stamp::Bump);
        world.delete(below[38]);
        world.move_to(below[20], below[0], Place::Last, Stamp::Bump);
        world.insert(below[1], Place::First);
    }
    let told = |changes: &[report::ChangeRow]| {
        let mut told: Vec<(String, String, String, Option<Value>)> =
            changes.iter().map(|change| (change.entity.clone(), change.key.clone(), change.op.clone(), change.fields.clone())).collect();
        told.sort_by_key(|(entity, key, op, _)| (entity.clone(), key.clone(), op.clone()));
        told
    };
    let (before, rows) = (everything(&pool).await, sizes(&pool).await);
    let dry = case.sync_with(DRY).await;
    assert_eq!(dry.outcome, Outcome::Complete);
    assert_eq!(everything(&pool).await, before);
    assert_eq!(sizes(&pool).await, rows);

    let run = case.complete().await;
    let mut step = session::begin(&pool).await.unwrap();
    let really = report::changes(&mut step.conn(), None, Some(run.run_id), None, 1000).await.unwrap();
    assert!(really.len() > 5);
    assert_eq!(told(&dry.changes), told(&really));
    let counters = |run: &report::RunRow| (run.inserted, run.updated, run.unchanged, run.retired, run.restored, run.requests);
    assert_eq!(counters(&dry.row.unwrap()), counters(&run));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_of_a_source_that_is_being_run_is_busy() {
    let vendor = capillary(CapillaryWorld::grow(TREE)).await;
    vendor.door().set_latency(Latency::Fixed(Duration::from_millis(100)));
    let case = Case::new().await.customers(&vendor, "page_size = 5");
    let pool = case.pool().await;
    let (app, other) = (case.app().await, case.app().await);
    let second = async {
        while vendor.door().calls() < 2 {
            tokio::task::yield_now().await;
        }
        other.run(&other.config.sources[0], WANTED, &CancellationToken::new(), Arc::new(Gauges::default())).await
    };
    let (first, second) = tokio::join!(case::run(&app, 0, WANTED), second);
    assert_eq!(first.outcome, Outcome::Complete);
    assert!(matches!(second, Err(SourceError::NoRun(NoRun::Busy { .. }))), "{second:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 1);
    assert_customers(&pool, &customers_now(&vendor)).await;
    app.close().await;
    other.close().await;
    assert_eq!(case.quiet(&pool).await.inserted, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counters_of_a_run_are_what_happened() {
    let mut world = CapillaryWorld::new(64, Flavour::PLAIN);
    let root = world.plant(&Shape::even(4, 2));
    let vendor = capillary(world).await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    let run = case.complete().await;
    assert_eq!(usize::try_from(run.requests).unwrap(), vendor.door().calls());
    // The lookup and the root's own row are no pages; the root's list, of unknown length, shows its last row twice.
    assert_eq!((run.requests, run.pages, run.rows_seen), (8, 6, 20 + 1));
    assert_eq!((run.inserted, run.updated, run.unchanged, run.retired, run.restored), (21, 0, 0, 0, 0));
    assert_eq!((run.throttled, run.retried, run.trigger.as_str()), (0, 0, "manual"));
    assert!(run.error.is_none() && run.started_at <= run.finished_at.unwrap());
    assert_eq!(count(&pool, "select count(*) from hiersync.change where entity = 'customer'").await, 21);

    let gone = vendor.world().below(root)[19];
    vendor.world().delete(gone);
    let run = case.complete().await;
    assert_eq!((run.inserted, run.updated, run.unchanged, run.retired), (0, 0, 20, 1));
    assert_eq!(open_runs(&pool).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_end_closes_its_run() {
    let vendor = capillary(CapillaryWorld::grow(TREE)).await;
    let mut case = Case::new().await.customers(&vendor, "retire_guard = 0.0");
    let pool = case.pool().await;
    case.sync_with(with_calls(2)).await;
    case.sync_with(WANTED).await;
    let root = vendor.world().roots()[0];
    let leaf = *vendor.world().below(root).last().unwrap();
    vendor.world().delete(leaf);
    case.sync_with(WANTED).await;
    case.secret("HIERSYNC_CUSTOMERS_PASSWORD", "wrong");
    case.sync_with(WANTED).await;
    let outcomes: Vec<String> = sqlx::query_scalar("select outcome from hiersync.sync_run order by run_id").fetch_all(&pool).await.unwrap();
    assert_eq!(outcomes, ["stopped", "complete", "partial", "failed"]);
    assert_eq!(open_runs(&pool).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_read_is_why_a_run_fails_and_not_the_end_of_the_database() {
    let vendor = capillary(CapillaryWorld::grow(TREE)).await;
    let case = Case::at(&fresh_database().await).customers(&vendor, "");
    case.complete().await;
    let pool = case.pool().await;
    sqlx::raw_sql("alter table hiersync.finding rename to found").execute(&pool).await.unwrap();
    let ended = Program::of(&case).run(&["sync", "--json"]).await;
    assert_eq!(ended.code, 69, "{ended:?}");
    let row: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(row["outcome"], "failed", "{ended:?}");
    assert!(ended.err.lines().any(|line| line.contains("customers: failed: ") && line.contains("hiersync.finding")), "{ended:?}");
}
