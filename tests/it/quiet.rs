//! Promise 5: a walk that finds nothing changed writes at most 5 bytes of WAL per row seen and 500 per call, all bookkeeping counted.

use hiersync::simulator::{
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    change::Stamp,
    forest::Place,
    leadsquared::{
        LeadSquaredSim,
        make::Flavour as UserFlavour,
        settings::{LeadSquaredSettings, Reach},
        world::LeadSquaredWorld,
    },
    shape::{Shape, Tree},
};
use sqlx::PgPool;

use crate::harness::{case::Case, server::Server, tables::count};

/// WAL written so far.
const WRITTEN: &str = "select (pg_current_wal_insert_lsn() - '0/0')::bigint";

/// WAL of the third walk, which finds nothing changed: what the promise leaves of it. On a server of its own, where nobody else writes.
async fn is_quiet(what: &str, case: &Case, pool: &PgPool) {
    // What it does after a first load would be counted.
    for sql in ["alter system set autovacuum = off", "select pg_reload_conf()"] {
        sqlx::raw_sql(sql).execute(pool).await.unwrap();
    }
    for _ in 0..2 {
        case.complete().await;
    }
    let before = count(pool, WRITTEN).await;
    let run = case.quiet(pool).await;
    let written = count(pool, WRITTEN).await - before;
    println!("{what}: {} calls, {} rows, {written} bytes, {} per call", run.requests, run.rows_seen, written / run.requests);
    assert!(written <= 5 * run.rows_seen + 500 * run.requests, "{what}: {written} bytes");
}

async fn customers(what: &str, shape: &Shape) {
    let server = Server::start().await;
    let mut world = CapillaryWorld::new(5, Flavour::PLAIN);
    world.plant(shape);
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::at(&server.url).customers(&vendor, "");
    is_quiet(what, &case, &case.pool().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_large_parent() {
    customers("one list", &Shape::list(10_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_parents() {
    let (parents, children) = (400, 5);
    let shape = (0..parents).map(|_| None).chain((0..parents * children).map(|node| Some(node / children)));
    customers("many lists", &Shape::of(shape.collect())).await;
    customers("a tree", &Tree { nodes: 2500, levels: 5, seed: 9 }.shape()).await;
}

/// An account with three roots, each with so many below, of which the first is mirrored; one of its users is shown last of all.
async fn account(reach: Reach, nodes: usize, search_cap: usize, more: &str) -> (Server, LeadSquaredSim, Case, PgPool) {
    let server = Server::start().await;
    let mut world = LeadSquaredWorld::new(91, UserFlavour::PLAIN);
    for seed in 0..3 {
        world.plant(&Tree { nodes, levels: 4, seed }.shape());
    }
    let here = world.roots()[0];
    world.insert(here, Place::Last);
    let settings = LeadSquaredSettings { reach, search_cap, own_row: true, ..LeadSquaredSettings::default() };
    let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
    let case = Case::at(&server.url).users(&vendor, more);
    let pool = case.pool().await;
    (server, vendor, case, pool)
}

#[tokio::test(flavor = "multi_thread")]
async fn users_outside_the_roots() {
    for (reach, more) in [(Reach::Direct, "edges = \"advanced_search\""), (Reach::Subtree, "reach = \"subtree\"")] {
        let (_server, _vendor, case, pool) = account(reach, 1200, 1000, more).await;
        is_quiet(more, &case, &pool).await;
        // Nothing personal is kept of them.
        let kept = "select count(*) from hiersync_internal.staged_user s where s.content is null and s.node_no is not null";
        assert_eq!(count(&pool, kept).await, 2402, "{more}");
        assert_eq!(count(&pool, "select count(*) from hiersync_internal.staged_user").await, 2402, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_from_outside_is_taken_in_whole_with_all_below() {
    for (reach, nodes, search_cap, more) in [
        (Reach::Direct, 1200, 1000, "edges = \"advanced_search\""),
        // The first page is short, and all who come in stand on it; on the last one stands somebody known.
        (Reach::Direct, 300, 844, "edges = \"advanced_search\""),
        (Reach::Subtree, 1200, 1000, "reach = \"subtree\""),
    ] {
        let (_server, vendor, case, pool) = account(reach, nodes, search_cap, &format!("{more}\nretire_guard = 1.0")).await;
        case.complete().await;
        let (head, below, gone) = {
            let mut world = vendor.world();
            let (here, there) = (world.roots()[0], world.roots()[1]);
            // The search sorts by id.
            let mut ids: Vec<_> = world.users().map(|user| user.id).collect();
            ids.sort_unstable();
            let last = if search_cap < 1000 { ids.split_off(search_cap - 1) } else { Vec::new() };
            let is_early = |id: &uuid::Uuid| !world.below(*id).iter().any(|below| last.contains(below));
            let head = world.below(there).into_iter().filter(is_early).max_by_key(|id| world.below(*id).len()).unwrap();
            assert!(last.is_empty() || last.iter().any(|id| world.below(here).contains(id)));
            let gone = *world.below(world.roots()[2]).last().unwrap();
            world.change_manager(head, here, Place::Last, Stamp::Keep);
            let other = world.roots()[2];
            world.rename(other, "Renamed", Stamp::Bump);
            world.delete(gone);
            (head, world.below(head), gone)
        };
        assert!(below.len() > if search_cap < 1000 { 3 } else { 20 });
        let run = case.complete().await;
        assert_eq!(run.inserted, i64::try_from(below.len()).unwrap() + 1, "{more}: {run:?}");
        for id in below.iter().chain([&head]) {
            let found: (Option<String>, uuid::Uuid) = sqlx::query_as(
                "select name, manager_id from hiersync.reporting_user u join hiersync.reporting_line l using (source_id, user_id)
                 where user_id = $1 and u.retired_at is null and l.retired_at is null",
            )
            .bind(id)
            .fetch_one(&pool)
            .await
            .unwrap();
            let world = vendor.world();
            assert_eq!(found, (world.user(*id).unwrap().name.clone(), world.user(*id).unwrap().manager.unwrap()), "{more}");
        }
        let outside: Vec<uuid::Uuid> =
            sqlx::query_scalar("select user_id from hiersync_internal.staged_user").fetch_all(&pool).await.unwrap();
        assert_eq!((outside.len(), outside.contains(&gone), outside.contains(&head)), (2 * nodes - below.len(), false, false), "{more}");
        case.quiet(&pool).await;

        // And out again.
        {
            let mut world = vendor.world();
            let there = world.roots()[1];
            world.change_manager(head, there, Place::Last, Stamp::Keep);
        }
        assert_eq!(case.complete().await.retired, run.inserted, "{more}");
        case.quiet(&pool).await;
    }
}

/// How often the planner was told by us of the table in which customers hang together.
const TOLD: &str = "select analyze_count from pg_stat_user_tables where relid = 'hiersync.customer_link'::regclass";

#[tokio::test(flavor = "multi_thread")]
async fn the_planner_knows_of_what_a_walk_has_taken_in_and_is_not_told_again() {
    let known = "select reltuples::bigint from pg_class where oid = 'hiersync.customer'::regclass";
    for (customers, told, knows) in [(1100, 1, 1101), (300, 0, -1)] {
        let server = Server::start_with(&["autovacuum=off"]).await;
        let mut world = CapillaryWorld::new(5, Flavour::PLAIN);
        world.plant(&Shape::list(customers));
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let case = Case::at(&server.url).customers(&vendor, "");
        let pool = case.pool().await;
        for walk in ["first", "second"] {
            case.complete().await;
            assert_eq!((count(&pool, TOLD).await, count(&pool, known).await), (told, knows), "{customers}: the {walk} walk");
        }
    }
}
