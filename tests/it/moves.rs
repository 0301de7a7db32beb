//! Customers and lists that move while a walk reads them, call by call.

use hiersync::{
    model::run::Outcome,
    simulator::{
        capillary::{
            CapillarySim,
            make::Flavour,
            settings::{CapillarySettings, Order, UnknownParent},
            world::CapillaryWorld,
        },
        change::Stamp,
        forest::Place,
        shape::Shape,
    },
};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED, with_calls},
    tables::{assert_customers, customers_now, findings},
};

/// Two parents below the root, each with so many children: the root, the parents and the first one's first child.
fn two_parents(children: usize) -> (CapillaryWorld, [i64; 2], i64) {
    let mut world = CapillaryWorld::new(57, Flavour::PLAIN);
    let root = world.plant(&Shape::list(2));
    let parents = [world.children(root)[0], world.children(root)[1]];
    for parent in parents {
        for _ in 0..children {
            world.insert(parent, Place::Last);
        }
    }
    let child = world.children(parents[0])[0];
    (world, parents, child)
}

/// Who of a customer's parents are live, and what the latest run has done to its links.
async fn links_of(pool: &PgPool, child: i64) -> (Vec<i64>, Vec<(String, String)>) {
    let parents = "select parent_id from hiersync.customer_link where child_id = $1 and retired_at is null";
    let changes = "select op, key from hiersync.change where entity = 'customer_link' and key like '%/' || $1
                   and run_id = (select max(run_id) from hiersync.sync_run) order by op";
    let parents = sqlx::query_scalar(parents).bind(child).fetch_all(pool).await.unwrap();
    (parents, sqlx::query_as(changes).bind(child.to_string()).fetch_all(pool).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_moves_from_a_list_that_was_read_to_one_that_was_not_has_one_parent_after_that_run() {
    // The old parent's list in one page, in six and in eight of its rows.
    for (children, page_size, pages) in [(3, 100, 1), (12, 3, 6), (16, 3, 8)] {
        let (world, [from, to], child) = two_parents(children);
        let settings = CapillarySettings { default_order: Order::Asc, ..CapillarySettings::default() };
        let vendor = CapillarySim::start(world, settings).await.unwrap();
        let case = Case::new().await.customers(&vendor, &format!("concurrency = 1\nsort_order = \"ASC\"\npage_size = {page_size}"));
        let pool = case.pool().await;
        case.complete().await;
        // The lookup, the root's row, its list and its end; then the first parent's list, and before the second one's the child moves.
        vendor.before_request(4 + pages, move |world| world.move_to(child, to, Place::Last, Stamp::Bump));
        case.complete().await;
        vendor.rest();
        let link = |op: &str, parent: i64| (op.to_owned(), format!("{parent}/{child}"));
        assert_eq!(links_of(&pool, child).await, (vec![to], vec![link("insert", to), link("retire", from)]), "{children} by {page_size}");
        assert!(findings(&pool).await.iter().all(|(kind, _)| kind != "second_parent"), "{:?}", findings(&pool).await);
        assert_customers(&pool, &customers_now(&vendor)).await;
    }
}

/// Before the first parent's list is read, which fills its only page, a child comes in at its beginning and pushes the last one
/// out; in the second parent's list one comes in between two pages; the third one's is at rest. Walks in two runs, the first of so
/// many calls.
async fn pushed_out(first_run: Option<u32>) -> usize {
    let mut world = CapillaryWorld::new(58, Flavour::PLAIN);
    let root = world.plant(&Shape::list(3));
    let [full, long, calm] = [0, 1, 2].map(|child| world.children(root)[child]);
    for (parent, children) in [(full, 3), (long, 7), (calm, 5)] {
        for _ in 0..children {
            world.insert(parent, Place::Last);
        }
    }
    let settings = CapillarySettings { default_order: Order::Asc, ..CapillarySettings::default() };
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::new().await.customers(&vendor, "concurrency = 1\nsort_order = \"ASC\"\npage_size = 3");
    let pool = case.pool().await;
    let mut calls = 0;
    vendor.before_each(move |world| {
        calls += 1;
        if calls == 5 {
            world.insert(full, Place::First);
        }
        if calls == 7 {
            world.insert(long, Place::First);
        }
    });
    if let Some(calls) = first_run {
        assert_eq!(case.sync_with(with_calls(calls)).await.outcome, Outcome::Stopped, "after {calls} calls");
    }
    case.complete().await;
    let first_walk = vendor.door().calls();
    let live = "select count(*) from hiersync.customer_link where retired_at is null and parent_id = $1";
    let shown: i64 = sqlx::query_scalar(live).bind(full).fetch_one(&pool).await.unwrap();
    assert_eq!(shown, 4, "{first_run:?}");
    first_walk
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_moved_makes_full_pages_doubtful_over_a_stop_too() {
    let calls = u32::try_from(pushed_out(None).await).unwrap();
    for first_run in 1..calls {
        pushed_out(Some(first_run)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_before_a_full_page_hides_nobody_who_had_come_before_the_walk() {
    let (world, [parent, _], _) = two_parents(3);
    let settings = CapillarySettings { default_order: Order::Asc, ..CapillarySettings::default() };
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::new().await.customers(&vendor, "concurrency = 1\nsort_order = \"ASC\"\npage_size = 4");
    let pool = case.pool().await;
    case.complete().await;
    let stays = vendor.world().insert(parent, Place::Last);
    vendor.before_request(4, move |world| {
        world.insert(parent, Place::First);
    });
    case.complete().await;
    vendor.rest();
    assert_eq!(links_of(&pool, stays).await.0, [parent]);
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_goes_before_its_list_is_read_takes_the_list_along_and_the_walk_is_complete() {
    for unknown_parent in [UnknownParent::Error(200), UnknownParent::EmptyList] {
        let (world, [gone, stays], _) = two_parents(3);
        let settings = CapillarySettings { default_order: Order::Asc, unknown_parent, ..CapillarySettings::default() };
        let vendor = CapillarySim::start(world, settings).await.unwrap();
        let case = Case::new().await.customers(&vendor, "concurrency = 1\nretire_guard = 1.0\nsort_order = \"ASC\"");
        let pool = case.pool().await;
        case.complete().await;
        vendor.before_request(4, move |world| {
            world.delete(gone);
        });
        let run = case.complete().await;
        vendor.rest();
        assert_eq!(run.retired, 4, "itself with its children: the list above was read again");
        case.complete().await;
        let live: Vec<i64> =
            sqlx::query_scalar("select parent_id from hiersync.customer_link where retired_at is null group by 1 order by 1")
                .fetch_all(&pool)
                .await
                .unwrap();
        assert!(live.contains(&stays) && !live.contains(&gone));
        assert_customers(&pool, &customers_now(&vendor)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_goes_with_the_one_above_takes_the_list_along_too() {
    // Whichever of the lists of the chain have been read by then.
    for request in 1..7 {
        let settings = CapillarySettings { unknown_parent: UnknownParent::Error(200), ..CapillarySettings::default() };
        let mut world = CapillaryWorld::new(47, Flavour::PLAIN);
        world.plant(&Shape::of(vec![None, None, Some(0), Some(2), Some(3)]));
        let root = world.roots()[0];
        let gone = *world.children(root).iter().find(|id| !world.children(**id).is_empty()).unwrap();
        let vendor = CapillarySim::start(world, settings).await.unwrap();
        let case = Case::new().await.customers(&vendor, "concurrency = 1\nretire_guard = 1.0");
        let pool = case.pool().await;
        case.complete().await;
        vendor.before_request(request, move |world| {
            world.delete(gone);
        });
        case.complete().await;
        vendor.rest();
        case.complete().await;
        assert_customers(&pool, &customers_now(&vendor)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_leaves_one_of_its_two_lists_keeps_its_children() {
    // The root shows both; the first one's list shows the second one, too. A list grows before it is read, so that its count disagrees,
    // and then its parent leaves the list that has shown it last, where another one takes its place.
    for grows in 3..7 {
        for leaves in grows..9 {
            let (mut world, [above, parent], _) = two_parents(3);
            world.link(above, parent, Place::Last);
            let stay = world.children(parent).to_vec();
            let settings = CapillarySettings { default_order: Order::Asc, ..CapillarySettings::default() };
            let vendor = CapillarySim::start(world, settings).await.unwrap();
            let case = Case::new().await.customers(&vendor, "concurrency = 1\nretire_guard = 1.0\nsort_order = \"ASC\"");
            let pool = case.pool().await;
            case.complete().await;
            let mut request = 0;
            vendor.before_each(move |world| {
                if request == grows {
                    world.insert(parent, Place::Last);
                }
                if request == leaves {
                    world.unlink(above, parent);
                    world.insert(above, Place::Last);
                }
                request += 1;
            });
            case.sync_with(WANTED).await;
            vendor.rest();
            for child in stay {
                assert_eq!(links_of(&pool, child).await.0, [parent], "grows before call {grows}, leaves before call {leaves}");
            }
            case.complete().await;
            assert_customers(&pool, &customers_now(&vendor)).await;
        }
    }
}

/// Calls of a walk in which something moves, beside a list of so many children by pages of 4, of which two share a row.
async fn calls_beside(children: usize) -> i64 {
    let mut world = CapillaryWorld::new(58, Flavour::PLAIN);
    let root = world.plant(&Shape::list(2));
    let [list, moving] = [0, 1].map(|child| world.children(root)[child]);
    for (parent, children) in [(list, children), (moving, 7)] {
        for _ in 0..children {
            world.insert(parent, Place::Last);
        }
    }
    let settings = CapillarySettings { default_order: Order::Asc, ..CapillarySettings::default() };
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::new().await.customers(&vendor, "concurrency = 1\nsort_order = \"ASC\"\npage_size = 4");
    let pool = case.pool().await;
    case.complete().await;
    let at_rest = case.complete().await.requests;
    let mut calls = 0;
    vendor.before_each(move |world| {
        calls += 1;
        // Between two pages of the last list.
        if calls == at_rest {
            world.insert(moving, Place::First);
        }
    });
    let run = case.complete().await;
    vendor.rest();
    // But for the parent's own count.
    assert!(findings(&pool).await.iter().all(|(kind, _)| kind == "silent_change"), "{:?}", findings(&pool).await);
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert!(run.requests > at_rest);
    run.requests
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_last_page_is_full_is_asked_for_one_page_more_where_something_has_moved() {
    // Ten pages each, and two.
    assert_eq!(calls_beside(31).await, calls_beside(30).await + 1);
    assert_eq!(calls_beside(7).await, calls_beside(6).await + 1);
}
