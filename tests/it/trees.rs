//! Settled trees: where each node hangs, by the contract's rule, as the last closed walk has left it. The model test compares them after
//! every closed walk of thousands; here each rule by itself.

use hiersync::{
    model::run::Outcome,
    simulator::{
        answer::Answer,
        capillary::{CapillarySim, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        forest::Place,
        shape::Shape,
    },
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{
    case::{Case, WANTED, with_calls},
    settled::faults,
    tables::{count, findings, places},
    vendors::{capillary_of, leadsquared},
};

/// Parent and path of a customer in the settled tree.
async fn place(pool: &PgPool, id: i64) -> Option<(Option<i64>, Vec<i64>)> {
    let place = "select parent_id, path from hiersync.customer_place where customer_id = $1";
    sqlx::query_as(place).bind(id).fetch_optional(pool).await.unwrap()
}

async fn is_settled(pool: &PgPool) {
    let faults = faults(pool).await;
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A root with three heads of three each, mirrored once: the heads, and the first one's first child.
async fn org(more: &str) -> (CapillarySim, Case, PgPool, Vec<i64>, i64) {
    let vendor = capillary_of(&[Shape::even(3, 2)]).await;
    let case = Case::new().await.customers(&vendor, more);
    let pool = case.pool().await;
    case.complete().await;
    let (heads, child) = {
        let world = vendor.world();
        let heads = world.children(world.roots()[0]).to_vec();
        (heads.clone(), world.children(heads[0])[0])
    };
    (vendor, case, pool, heads, child)
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_walk_is_not_seen_and_a_closed_one_is_whole() {
    let (vendor, case, pool, heads, child) = org("concurrency = 1").await;
    is_settled(&pool).await;
    let before = place(&pool, child).await;
    let new = {
        let mut world = vendor.world();
        world.move_to(child, heads[2], Place::Last, Stamp::Bump);
        world.insert(heads[1], Place::Last)
    };
    // Call by call; the links are seen long before the walk is closed.
    let mut is_linked = false;
    loop {
        let report = case.sync_with(with_calls(1)).await;
        let both = "select count(*) from hiersync.customer_link where retired_at is null";
        is_linked |= count(&pool, both).await == 14;
        if report.outcome == Outcome::Complete {
            break;
        }
        assert_eq!((place(&pool, child).await, place(&pool, new).await), (before.clone(), None), "in the middle of the walk");
    }
    assert!(is_linked);
    is_settled(&pool).await;
    let moved: (i64, i64, i64, i64) =
        sqlx::query_as("select customer_id, from_id, to_id, walk_id from hiersync.customer_move").fetch_one(&pool).await.unwrap();
    assert_eq!(moved, (child, heads[0], heads[2], 2));
    assert_eq!(count(&pool, "select count(*) from hiersync.change where walk_id = 2 and entity = 'customer_link'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_walk_writes_no_place() {
    let (_vendor, case, pool, ..) = org("").await;
    let before = places(&pool).await;
    assert!(before.contains("customer_place"));
    case.complete().await;
    assert_eq!(places(&pool).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_proven_parents_the_one_that_has_stood_longest_counts_and_it_is_told() {
    let (vendor, case, pool, heads, child) = org("").await;
    vendor.world().link(heads[1], child, Place::Last);
    case.complete().await;
    is_settled(&pool).await;
    assert_eq!(place(&pool, child).await.unwrap().0, Some(heads[0]));
    assert_eq!(findings(&pool).await, [("second_parent".to_owned(), child.to_string())]);
    // The first one goes, and comes back: now the other has stood longest.
    vendor.world().unlink(heads[0], child);
    case.complete().await;
    assert_eq!(place(&pool, child).await.unwrap().0, Some(heads[1]));
    assert!(findings(&pool).await.is_empty());
    vendor.world().link(heads[0], child, Place::First);
    case.complete().await;
    is_settled(&pool).await;
    assert_eq!(place(&pool, child).await.unwrap().0, Some(heads[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_whose_list_could_not_be_read_is_no_second_one() {
    let (vendor, case, pool, heads, child) = org("").await;
    vendor.world().move_to(child, heads[1], Place::Last, Stamp::Bump);
    let refusal = Answer::json(500, &serde_json::json!({"error": "out of order"}));
    vendor.faults().on_parent(heads[0], usize::MAX, refusal);
    assert_eq!(case.sync_with(WANTED).await.outcome, Outcome::Partial);
    // The old link stands, for nothing has shown it to be gone; but the proven one counts, and nothing is told of two.
    let live = "select count(*) from hiersync.customer_link where retired_at is null";
    assert_eq!(count(&pool, live).await, 13);
    is_settled(&pool).await;
    assert_eq!(place(&pool, child).await.unwrap().0, Some(heads[1]));
    assert!(findings(&pool).await.iter().all(|(kind, _)| kind != "second_parent"));
    vendor.faults().clear();
    case.complete().await;
    is_settled(&pool).await;
    assert_eq!(count(&pool, live).await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_leaves_the_tree_and_comes_back_when_it_opens() {
    let (vendor, case, pool, heads, child) = org("").await;
    let root = vendor.world().roots()[0];
    let low = vendor.world().insert(child, Place::Last);
    case.complete().await;
    assert_eq!(place(&pool, low).await.unwrap().1, [root, heads[0], child, low]);
    // It goes up to the root, takes its parent along, and stays below it too, by the link that has stood longest.
    {
        let mut world = vendor.world();
        world.link(root, low, Place::Last);
        world.move_to(child, low, Place::Last, Stamp::Bump);
        world.insert(child, Place::Last);
    }
    case.complete().await;
    is_settled(&pool).await;
    assert_eq!((place(&pool, low).await, place(&pool, child).await), (None, None));
    let told = findings(&pool).await;
    assert!([low, child].iter().all(|id| told.contains(&("cycle".to_owned(), id.to_string()))), "{told:?}");
    let orphans = "select count(*) from hiersync_bi.customer where is_orphan";
    assert_eq!(count(&pool, orphans).await, 3, "the two, and who hangs on one of them");
    let before = places(&pool).await;
    case.complete().await;
    assert_eq!(places(&pool).await, before, "that it stands so is written once");
    vendor.world().unlink(child, low);
    case.complete().await;
    is_settled(&pool).await;
    assert_eq!(place(&pool, child).await.unwrap().1, [root, low, child]);
    assert_eq!((findings(&pool).await.len(), count(&pool, orphans).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_whose_retirement_is_guarded_stands_though_its_root_is_none_any_more() {
    let vendor = capillary_of(&[Shape::even(3, 2), Shape::list(1)]).await;
    let case = Case::new().await.customers_of_root("customers", &vendor, 0, "");
    let pool = case.pool().await;
    case.complete().await;
    let [old, new] = [0, 1].map(|at: usize| vendor.world().roots()[at]);
    let case = Case::at(&case.url).customers_of_root("customers", &vendor, 1, "");
    assert_eq!(case.sync_with(WANTED).await.outcome, Outcome::Partial);
    is_settled(&pool).await;
    let roots = "select string_agg(customer_id || ' ' || descendants, ', ' order by descendants) from hiersync.customer_place where parent_id is null";
    let standing: String = sqlx::query_scalar(roots).fetch_one(&pool).await.unwrap();
    assert_eq!(standing, format!("{new} 1, {old} 12"));
    let accepting = hiersync::sync::wanted::Wanted { accept_retire: true, ..WANTED };
    assert_eq!(case.sync_with(accepting).await.outcome, Outcome::Complete);
    is_settled(&pool).await;
    let standing: String = sqlx::query_scalar(roots).fetch_one(&pool).await.unwrap();
    assert_eq!(standing, format!("{new} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_deeper_than_an_index_can_hold_is_settled_all_the_same() {
    let vendor = leadsquared(1).await;
    let case = Case::new().await.users(&vendor, "");
    let pool = case.pool().await;
    case.complete().await;
    let levels = 1200;
    let chain = "insert into hiersync.reporting_user (source_id, user_id, node_no, first_seen_at, changed_at, valid_from)
                     select 1, md5(n::text)::uuid, 100 + n, now(), now(), now() from generate_series(1, $1) n";
    sqlx::query(chain).bind(levels).execute(&pool).await.unwrap();
    let lines = "insert into hiersync.reporting_line (source_id, manager_id, user_id, first_seen_at, valid_from)
                     select 1, case n when 1 then $2 else md5((n - 1)::text)::uuid end, md5(n::text)::uuid, now(), now() from generate_series(1, $1) n";
    let root: Uuid = vendor.world().roots()[0];
    sqlx::query(lines).bind(levels).bind(root).execute(&pool).await.unwrap();
    sqlx::query("select hiersync_internal.settle_user(1, 1, '{}', 1202)").execute(&pool).await.unwrap();
    assert_eq!(count(&pool, "select max(depth)::bigint from hiersync.reporting_place").await, 999, "a thousand levels");
    sqlx::query("select hiersync_internal.settle_user(1, 1, '{}', 1202)").execute(&pool).await.unwrap();
    assert_eq!(count(&pool, "select max(depth)::bigint from hiersync.reporting_place").await, 999, "nor by a later walk");
    // Below a node deeper than the index tells, and above it.
    let below = "select count(*) from hiersync.reporting_bridge where ancestor_id = md5('500')::uuid";
    let above = "select count(*) from hiersync.reporting_bridge where descendant_id = md5('500')::uuid";
    assert_eq!((count(&pool, below).await, count(&pool, above).await), (500, 501));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_no_walk_has_closed_is_told_so() {
    let mut world = CapillaryWorld::new(3, hiersync::simulator::capillary::make::Flavour::PLAIN);
    world.plant(&Shape::even(3, 2));
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "");
    case.sync_with(with_calls(3)).await;
    let program = crate::harness::program::Program::of(&case);
    let ended = program.run(&["tree", "customers"]).await;
    assert_eq!(ended.out, "customers has no tree yet: no walk has ended; --live shows what is there\n", "{ended:?}");
    assert!(program.run(&["tree", "customers", "--live"]).await.out.lines().count() > 1);
}
