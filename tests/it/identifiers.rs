//! Identifiers that name two customers: nobody is given another's children.

use std::time::Duration;

use hiersync::{
    model::run::Outcome,
    simulator::{
        answer::Answer,
        capillary::{
            CapillarySim,
            make::Flavour,
            refusals,
            settings::{CapillarySettings, ParentCustomer},
            world::CapillaryWorld,
        },
        change::Stamp,
        forest::Place,
        shape::Shape,
    },
};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED},
    tables::{assert_customers, customers, customers_now, findings},
};

/// A root with two customers below it, each with so many children, and what each is identified by.
fn two(children: [usize; 2]) -> (CapillaryWorld, [i64; 2]) {
    let mut world = CapillaryWorld::new(71, Flavour::PLAIN);
    let root = world.plant(&Shape::list(2));
    let pair = [world.children(root)[0], world.children(root)[1]];
    for (id, many) in pair.into_iter().zip(children) {
        for _ in 0..many {
            world.insert(id, Place::Last);
        }
    }
    (world, pair)
}

fn identify(world: &mut CapillaryWorld, id: i64, external_id: &str, mobile: &str) {
    world.edit(id, Stamp::Bump, |customer| {
        let identifiers = [("externalId", external_id), ("mobile", mobile)];
        customer.profiles[0].identifiers = identifiers.map(|(kind, value)| (kind.to_owned(), value.to_owned())).to_vec();
    });
}

/// Links between a customer and another's children that the mirror has ever had.
async fn mixed_up(pool: &PgPool, vendor: &CapillarySim, pair: [i64; 2]) -> Vec<(i64, i64)> {
    let links: Vec<(i64, i64)> = sqlx::query_as("select parent_id, child_id from hiersync.customer_link").fetch_all(pool).await.unwrap();
    let world = vendor.world();
    let is_others = |(parent, child): &(i64, i64)| pair.contains(parent) && !world.children(*parent).contains(child);
    links.into_iter().filter(is_others).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_share_their_first_identifier_are_asked_for_by_the_next() {
    for children in [[3, 3], [3, 2], [2, 5]] {
        for gives_no_of_children in [true, false] {
            let (mut world, pair) = two(children);
            identify(&mut world, pair[0], "SAME", "910000000901");
            identify(&mut world, pair[1], "SAME", "910000000902");
            let vendor =
                CapillarySim::start(world, CapillarySettings { gives_no_of_children, ..CapillarySettings::default() }).await.unwrap();
            let case = Case::new().await.customers(&vendor, "");
            let pool = case.pool().await;
            case.complete().await;
            assert_eq!(customers(&pool).await.1, customers_now(&vendor).links, "{children:?}");
            assert_eq!((mixed_up(&pool, &vendor, pair).await, findings(&pool).await), (vec![], vec![]), "{children:?}");
            case.quiet(&pool).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_shows_up_later_takes_nobody_along() {
    for children in [[3, 3], [3, 2]] {
        for page_size in [2, 100] {
            for twin in [0, 1] {
                let (mut world, pair) = two(children);
                identify(&mut world, pair[0], "ONE", "910000000901");
                identify(&mut world, pair[1], "TWO", "910000000902");
                let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
                let case = Case::new().await.customers(&vendor, &format!("page_size = {page_size}\nconcurrency = 1"));
                let pool = case.pool().await;
                case.complete().await;
                let (same, mobile) = [("TWO", "910000000901"), ("ONE", "910000000902")][twin];
                identify(&mut vendor.world(), pair[twin], same, mobile);
                case.complete().await;
                assert_customers(&pool, &customers_now(&vendor)).await;
                let live = "select count(*) from hiersync.customer_link where retired_at is null";
                let live: i64 = sqlx::query_scalar(live).fetch_one(&pool).await.unwrap();
                assert_eq!(live, i64::try_from(2 + children[0] + children[1]).unwrap());
                case.quiet(&pool).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_share_all_their_identifiers_are_told_and_given_nobodys_children() {
    let (mut world, pair) = two([3, 2]);
    for id in pair {
        identify(&mut world, id, "SAME", "910000000901");
    }
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    for _ in 0..2 {
        let report = case.sync_with(WANTED).await;
        assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
        let mut told = pair.map(|id| ("cannot_ask".to_owned(), id.to_string())).to_vec();
        told.sort();
        assert_eq!(findings(&pool).await, told);
        let below = "select count(*) from hiersync.customer_link where parent_id = any($1)";
        let below: i64 = sqlx::query_scalar(below).bind(&pair[..]).fetch_one(&pool).await.unwrap();
        assert_eq!(below, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_shows_its_parents_own_identifiers_links_nobody() {
    for page_size in [2, 3, 100] {
        let (mut world, pair) = two([5, 2]);
        let child = world.children(pair[0])[2];
        for id in [pair[0], child] {
            identify(&mut world, id, "SAME", "910000000901");
        }
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let case = Case::new().await.customers(&vendor, &format!("page_size = {page_size}"));
        let pool = case.pool().await;
        for _ in 0..2 {
            assert_eq!(case.sync_with(WANTED).await.outcome, Outcome::Partial);
            assert!(findings(&pool).await.contains(&("cannot_ask".to_owned(), pair[0].to_string())));
            let below = "select count(*) from hiersync.customer_link where parent_id = $1 and retired_at is null";
            let below: i64 = sqlx::query_scalar(below).bind(pair[0]).fetch_one(&pool).await.unwrap();
            assert_eq!(below, 0, "page_size = {page_size}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_state_another_parent_show_that_the_list_is_anothers() {
    let (mut world, pair) = two([3, 3]);
    // Of the same account, but not below the root.
    let other = world.plant(&Shape::list(2));
    identify(&mut world, other, "SAME", "910000000903");
    identify(&mut world, pair[1], "SAME", "910000000902");
    // Whom the vendor finds by it decides which of the two is taken for the other.
    for asked in [other, pair[1]] {
        let mut world = world.clone();
        if world.find("externalId", "SAME") != Some(asked) {
            identify(&mut world, if asked == other { pair[1] } else { other }, "NEW", "910000000904");
        }
        let settings = CapillarySettings { parent_customer: ParentCustomer::Beside, ..CapillarySettings::default() };
        let vendor = CapillarySim::start(world, settings).await.unwrap();
        let case = Case::new().await.customers(&vendor, "");
        let pool = case.pool().await;
        case.complete().await;
        assert_eq!(mixed_up(&pool, &vendor, pair).await, []);
        let truth = {
            let world = vendor.world();
            world.truth(&world.roots()[..1])
        };
        assert_customers(&pool, &truth).await;
        let kept: i64 =
            sqlx::query_scalar("select count(*) from hiersync.customer where extra ? 'parentCustomer'").fetch_one(&pool).await.unwrap();
        assert_eq!(kept, 0, "of the parent beside a row nothing is stored");
        case.quiet(&pool).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_like_no_identifier_is_passed_over() {
    for nothing in ["N/A", "null", "-", "0", " ", "0000000000"] {
        let (mut world, pair) = two([3, 2]);
        identify(&mut world, pair[0], nothing, "910000000901");
        identify(&mut world, pair[1], "TWO", "910000000902");
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let case = Case::new().await.customers(&vendor, "");
        let pool = case.pool().await;
        case.complete().await;
        assert_customers(&pool, &customers_now(&vendor)).await;
        assert_eq!(findings(&pool).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_the_vendor_refuses_is_followed_by_the_next() {
    let (mut world, pair) = two([3, 2]);
    identify(&mut world, pair[0], "ONE", "910000000901");
    identify(&mut world, pair[1], "TWO", "910000000902");
    let settings = CapillarySettings { identifier_types: vec!["mobile".into()], ..CapillarySettings::default() };
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    case.complete().await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(findings(&pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_a_question_that_is_asked_no_more_says_nothing() {
    let (mut world, pair) = two([3, 2]);
    identify(&mut world, pair[0], "ONE", "910000000901");
    identify(&mut world, pair[1], "TWO", "910000000902");
    let twin = world.children(pair[1])[0];
    identify(&mut world, twin, "ONE", "910000000903");
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "concurrency = 2");
    let pool = case.pool().await;
    // While the vendor takes its time to refuse the first one's list, the second one's shows a twin of the first: it is asked for
    // by its mobile number from then on.
    vendor.faults().on_parent(pair[0], 1, Answer { pause: Duration::from_millis(700), ..refusals::not_found() });
    let run = case.complete().await;
    assert_eq!(vendor.faults().struck(), 1);
    let asked: (String, i32, i32) =
        sqlx::query_as("select ask_kind, attempts, recounts from hiersync_internal.frontier where parent_key = $1")
            .bind(pair[0].to_string())
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(asked, ("mobile".to_owned(), 1, 0), "it was asked twice, and the list above was not read again for it");
    assert_eq!((run.retired, findings(&pool).await), (0, vec![]));
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_too_long_to_ask_by_is_said_to_be_that() {
    let (mut world, pair) = two([3, 0]);
    identify(&mut world, pair[0], &"9".repeat(1025), "910000000901");
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "descend_by = [\"externalId\"]");
    assert_eq!(case.sync_with(WANTED).await.outcome, Outcome::Partial);
    let pool = case.pool().await;
    let told: Vec<(String, String)> =
        sqlx::query_as("select key, detail->>'say' from hiersync.finding where kind = 'cannot_ask'").fetch_all(&pool).await.unwrap();
    assert_eq!((told.len(), told[0].0.as_str()), (1, pair[0].to_string().as_str()));
    assert!(told[0].1.contains("(externalId is too long to ask by)"), "{told:?}");
    // Another identifier serves.
    let case = Case::at(&case.url).customers(&vendor, "");
    case.complete().await;
    assert_eq!(customers(&pool).await.1, customers_now(&vendor).links);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_was_given_to_another_is_asked_by_when_its_owner_is_gone() {
    for page_size in [2, 100] {
        let mut world = CapillaryWorld::new(72, Flavour::PLAIN);
        let root = world.plant(&Shape::list(7));
        let former = *world.children(root).last().unwrap();
        identify(&mut world, former, "X", "910000000901");
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let case = Case::new().await.customers(&vendor, &format!("page_size = {page_size}"));
        let pool = case.pool().await;
        case.complete().await;
        // On the first page stands who has it now, on the last one stood who had it.
        let heir = {
            let mut world = vendor.world();
            world.delete(former);
            let heir = world.insert(root, Place::First);
            identify(&mut world, heir, "X", "910000000901");
            (0..3).for_each(|_| _ = world.insert(heir, Place::Last));
            heir
        };
        case.complete().await;
        assert_customers(&pool, &customers_now(&vendor)).await;
        let below = "select count(*) from hiersync.customer_link where parent_id = $1 and retired_at is null";
        let below: i64 = sqlx::query_scalar(below).bind(heir).fetch_one(&pool).await.unwrap();
        assert_eq!((below, findings(&pool).await), (3, vec![]), "page_size {page_size}");
        case.quiet(&pool).await;
    }
}
