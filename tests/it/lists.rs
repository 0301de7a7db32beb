//! How many calls a list costs, and that none is taken for ended too soon.

use std::time::Duration;

use hiersync::{
    model::{limit::Limit, run::Outcome},
    simulator::{
        capillary::{
            CapillarySim,
            make::Flavour,
            settings::{CapillarySettings, CountMeans},
            world::CapillaryWorld,
        },
        door::Latency,
        forest::Place,
        shape::{Shape, Tree},
    },
};

use crate::harness::{
    case::{self, Case, WANTED},
    tables::{assert_customers, customers_now, findings},
    until::{millis, seconds, until},
};

/// Promise 2: what a parent's list may cost at most, apart from the 3 % and the four calls for each root.
fn floor(children: usize, page_size: usize) -> usize {
    (children.saturating_sub(1)).div_ceil(page_size - 1).max(1)
}

/// What the whole world may cost.
fn promised(vendor: &CapillarySim, page_size: usize) -> usize {
    let world = vendor.world();
    let parents = world.customers().map(|customer| world.children(customer.id).len()).filter(|children| *children > 0);
    let floors: usize = parents.map(|children| floor(children, page_size)).sum();
    floors * 103 / 100 + 4 * world.roots().len()
}

/// A root with one child, who has so many children.
async fn one_parent(children: usize, settings: CapillarySettings) -> CapillarySim {
    let mut world = CapillaryWorld::new(51, Flavour::PLAIN);
    let root = world.plant(&Shape::list(1));
    let parent = world.children(root)[0];
    for _ in 0..children {
        world.insert(parent, Place::Last);
    }
    CapillarySim::start(world, settings).await.unwrap()
}

/// Reads one parent's list twice, within the promise and exactly.
async fn read(children: usize, page_size: usize) {
    let vendor = one_parent(children, CapillarySettings::default()).await;
    let case = Case::new().await.customers(&vendor, &format!("page_size = {page_size}"));
    let pool = case.pool().await;
    let run = case.complete().await;
    let calls = vendor.door().calls();
    assert!(calls <= promised(&vendor, page_size), "{children} children by {page_size}: {calls} calls of {}", promised(&vendor, page_size));
    // Beyond the root's own lookup and list, the parent's size is known: not one call above the floor.
    let lower = vendor.door().calls_of("bulk") - 2;
    assert_eq!(lower, floor(children, page_size), "{children} children by {page_size}");
    assert_eq!(usize::try_from(run.inserted).unwrap(), children + 2);
    assert_customers(&pool, &customers_now(&vendor)).await;
    vendor.door().clear_log();
    case.quiet(&pool).await;
    assert_eq!(vendor.door().calls(), calls, "at rest each walk costs the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_within_one_page_costs_one_call() {
    for children in [1, 99, 100] {
        read(children, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_one_row_more_than_a_page_costs_two_calls() {
    for children in [101, 199] {
        read(children, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_a_thousand_costs_eleven_calls() {
    read(1000, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pages_cost_what_the_overlap_costs_and_no_more() {
    for (children, page_size) in [(1, 2), (2, 2), (12, 2), (9, 10), (10, 10), (11, 10), (55, 10)] {
        read(children, page_size).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roots_own_list_of_any_length_stays_within_the_promise() {
    for children in [1, 9, 10, 11, 19, 100] {
        let mut world = CapillaryWorld::new(52, Flavour::PLAIN);
        world.plant(&Shape::list(children));
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let case = Case::new().await.customers(&vendor, "page_size = 10");
        case.complete().await;
        assert!(vendor.door().calls() <= promised(&vendor, 10), "{children}: {}", vendor.door().calls());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_tree_stays_within_the_promise() {
    let vendor =
        CapillarySim::start(CapillaryWorld::grow(Tree { nodes: 300, levels: 5, seed: 53 }), CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "page_size = 20");
    let pool = case.pool().await;
    case.complete().await;
    assert!(vendor.door().calls() <= promised(&vendor, 20), "{} of {}", vendor.door().calls(), promised(&vendor, 20));
    assert_customers(&pool, &customers_now(&vendor)).await;
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_caps_its_pages_silently_is_read_to_the_end() {
    for gives_no_of_children in [true, false] {
        let settings = CapillarySettings { max_limit: 40, gives_no_of_children, ..CapillarySettings::default() };
        let vendor = one_parent(130, settings).await;
        let case = Case::new().await.customers(&vendor, "page_size = 100\nconcurrency = 16");
        let pool = case.pool().await;
        let run = case.complete().await;
        assert_eq!(run.inserted, 132);
        let live: i64 =
            sqlx::query_scalar("select count(*) from hiersync.customer_link where retired_at is null").fetch_one(&pool).await.unwrap();
        assert_eq!(live, 131);
        assert_eq!(findings(&pool).await, []);
        case.quiet(&pool).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_below_the_page_costs_what_pages_of_that_size_cost() {
    let settings = CapillarySettings { max_limit: 40, ..CapillarySettings::default() };
    let vendor = one_parent(250, settings).await;
    let case = Case::new().await.customers(&vendor, "page_size = 100");
    case.complete().await;
    assert!(vendor.door().calls() <= promised(&vendor, 40), "{} of {}", vendor.door().calls(), promised(&vendor, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_count_beside_a_list_means_the_list_is_read() {
    for count in [CountMeans::Page, CountMeans::Total, CountMeans::Absent] {
        let vendor = one_parent(25, CapillarySettings { count, ..CapillarySettings::default() }).await;
        let case = Case::new().await.customers(&vendor, "page_size = 10");
        let pool = case.pool().await;
        case.complete().await;
        assert_customers(&pool, &customers_now(&vendor)).await;
    }
}

/// No call of these ends before the next page by itself could be asked for.
const SLOW: Duration = Duration::from_millis(100);

/// The most pages that one walk has had in flight at a vendor as slow as that.
async fn in_flight(vendor: &CapillarySim, case: &Case) -> usize {
    vendor.door().clear_log();
    case.complete().await;
    vendor.door().most_in_any(SLOW * 9 / 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_one_long_list_are_read_at_once_up_to_concurrency() {
    let vendor = one_parent(400, CapillarySettings::default()).await;
    vendor.door().set_latency(Latency::Fixed(SLOW));
    let case = Case::new().await.customers(&vendor, "page_size = 20\nconcurrency = 3");
    assert_eq!(in_flight(&vendor, &case).await, 3);
    assert_eq!(vendor.door().calls_of("bulk") - 2, floor(400, 20), "not one call more for it");
    assert_customers(&case.pool().await, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_the_whole_list_is_read_ahead_by_once_it_has_shown_that_it_is_one() {
    for (count, at_once) in [(CountMeans::Page, 1), (CountMeans::Absent, 1), (CountMeans::Total, 3)] {
        let mut world = CapillaryWorld::new(56, Flavour::PLAIN);
        world.plant(&Shape::list(200));
        let vendor = CapillarySim::start(world, CapillarySettings { count, ..CapillarySettings::default() }).await.unwrap();
        vendor.door().set_latency(Latency::Fixed(SLOW));
        let case = Case::new().await.customers(&vendor, "page_size = 20\nconcurrency = 3");
        // Nothing else tells how long the root's own list is.
        assert_eq!(in_flight(&vendor, &case).await, 1, "{count:?}");
        let calls = vendor.door().calls();
        assert_eq!(in_flight(&vendor, &case).await, at_once, "{count:?}");
        assert_eq!(vendor.door().calls(), calls, "{count:?}: not one call more for it");
        assert_customers(&case.pool().await, &customers_now(&vendor)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_full_page_is_asked_for_while_the_page_is_written_and_no_further() {
    let mut world = CapillaryWorld::new(57, Flavour::PLAIN);
    world.plant(&Shape::list(60));
    let settings = CapillarySettings { count: CountMeans::Absent, ..CapillarySettings::default() };
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::new().await.customers(&vendor, "page_size = 20\nconcurrency = 3");
    let pool = case.pool().await;
    let mut held = pool.begin().await.unwrap();
    sqlx::raw_sql("lock table hiersync.customer_link in exclusive mode").execute(&mut *held).await.unwrap();
    let asked = async {
        until("the next page is asked for", seconds(10), async || vendor.door().calls_of("bulk") > 1).await;
        tokio::time::sleep(millis(300)).await;
        let asked = vendor.door().calls_of("bulk");
        held.commit().await.unwrap();
        asked
    };
    let (_, asked) = tokio::join!(case.complete(), asked);
    // Without a count the end is where nothing but the last row follows.
    assert_eq!((asked, vendor.door().calls_of("bulk")), (2, floor(60, 20) + 1));
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_twice_as_deep_as_allowed_is_partial_and_says_where() {
    let mut world = CapillaryWorld::new(54, Flavour::PLAIN);
    let root = world.plant(&Shape::chain(6));
    let third = world.below(root)[2];
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "max_depth = 3");
    let pool = case.pool().await;
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.row.unwrap().inserted), (Outcome::Partial, 4));
    assert_eq!(findings(&pool).await, [("too_deep".into(), third.to_string())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_name_the_same_budget_share_its_limit_at_one_door() {
    let limit = Limit { calls: 15, window: Duration::from_secs(1) };
    let mut world = CapillaryWorld::new(55, Flavour::PLAIN);
    let roots = [world.plant(&Shape::even(3, 3)), world.plant(&Shape::even(3, 3))];
    let identifiers = roots.map(|root| world.identifier(root, &["mobile"]).unwrap().1);
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    vendor.door().set_limits(&[limit]);
    vendor.door().set_latency(Latency::Between(Duration::from_millis(1), Duration::from_millis(30)));
    let more = "budget = \"shared\"\nlimits = [\"15/1s\"]";
    let case = Case::new().await;
    let case = case.customers_as("north", &vendor, &[("mobile", &identifiers[0])], more);
    let case = case.customers_as("south", &vendor, &[("mobile", &identifiers[1])], more);
    let app = case.app().await;
    let (north, south) = tokio::join!(case::run(&app, 0, WANTED), case::run(&app, 1, WANTED));
    assert_eq!((north.outcome, south.outcome), (Outcome::Complete, Outcome::Complete));
    assert_eq!((vendor.door().refused(), vendor.door().calls()), (0, 2 * 16));
    assert!(vendor.door().most_in_any(limit.window) <= 15, "{}", vendor.door().most_in_any(limit.window));
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_roots_of_one_source_are_one_mirror() {
    let mut world = CapillaryWorld::new(56, Flavour::PLAIN);
    let roots = [world.plant(&Shape::even(3, 2)), world.plant(&Shape::even(2, 2))];
    let identifiers = roots.map(|root| world.identifier(root, &["mobile"]).unwrap().1);
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers_as("customers", &vendor, &[("mobile", &identifiers[0]), ("mobile", &identifiers[1])], "");
    let pool = case.pool().await;
    let run = case.complete().await;
    assert_eq!(run.inserted, 13 + 7);
    assert!(vendor.door().calls() <= promised(&vendor, 100));
    assert_customers(&pool, &customers_now(&vendor)).await;
    case.quiet(&pool).await;
}
