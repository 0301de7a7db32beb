//! A row whose very text the mirror has is not read again, and none the worse for it.

use hiersync::{
    simulator::{
        capillary::{
            CapillarySim,
            make::Flavour,
            settings::{CapillarySettings, ParentCustomer},
            world::CapillaryWorld,
        },
        change::Stamp,
        forest::Place,
        shape::Shape,
    },
    store::report::RunRow,
};
use sqlx::PgPool;

use crate::harness::{case::Case, tables::findings};

/// A root with four children, of whom the first has two.
struct Stage {
    vendor: CapillarySim,
    case: Case,
    pool: PgPool,
    /// How the first walk went.
    first: RunRow,
}

impl Stage {
    async fn new(settings: CapillarySettings) -> Self {
        let mut world = CapillaryWorld::new(3, Flavour::PLAIN);
        world.plant(&Shape::of(vec![None, None, None, None, Some(0), Some(0)]));
        let vendor = CapillarySim::start(world, settings).await.unwrap();
        let case = Case::new().await.customers(&vendor, "retire_guard = 1.0");
        let first = case.complete().await;
        let pool = case.pool().await;
        Self { vendor, case, pool, first }
    }

    /// The root's children: a parent, and leaves.
    fn children(&self) -> Vec<i64> {
        let world = self.vendor.world();
        world.children(world.roots()[0]).to_vec()
    }

    /// Makes the mirror's content of everybody another than the vendor's: who is read is written anew.
    async fn mark(&self) {
        let marked = "update hiersync.customer set digest = gen_random_uuid()";
        sqlx::query(marked).execute(&self.pool).await.unwrap();
    }

    /// Walks, and gives how many rows were read as another content than the mirror's.
    async fn read(&self) -> i64 {
        self.case.complete().await.updated
    }

    /// The live parents of a node.
    async fn parents(&self, id: i64) -> Vec<i64> {
        let sql = "select parent_id from hiersync.customer_link where retired_at is null and child_id = $1";
        sqlx::query_scalar(sql).bind(id).fetch_all(&self.pool).await.unwrap()
    }

    async fn text_digest(&self, id: i64) -> Option<uuid::Uuid> {
        let sql = "select text_digest from hiersync.customer where customer_id = $1";
        sqlx::query_scalar(sql).bind(id).fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_whose_text_is_known_are_not_read_again() {
    let stage = Stage::new(CapillarySettings::default()).await;
    stage.mark().await;
    assert_eq!(stage.read().await, 1, "the one that has children is read");
    stage.mark().await;
    let leaf = stage.children()[2];
    stage.vendor.world().rename(leaf, "Asha", Stamp::Bump);
    assert_eq!(stage.read().await, 2);
    let name: String = sqlx::query_scalar("select first_name from hiersync.customer where customer_id = $1")
        .bind(leaf)
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    assert_eq!(name, "Asha");
    let run = stage.case.complete().await;
    assert_eq!((run.rows_seen, run.unchanged, run.updated), (stage.first.rows_seen, stage.first.inserted, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_says_the_same_in_other_words_writes_nothing() {
    let stage = Stage::new(CapillarySettings::default()).await;
    let leaf = stage.children()[2];
    let other = uuid::Uuid::from_u128(7);
    sqlx::query("update hiersync.customer set text_digest = $1").bind(other).execute(&stage.pool).await.unwrap();
    stage.case.quiet(&stage.pool).await;
    assert_eq!(stage.text_digest(leaf).await, Some(other), "not even the text's digest");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_row_is_said_again_each_time() {
    let stage = Stage::new(CapillarySettings::default()).await;
    let leaf = stage.children()[2];
    stage.vendor.world().edit(leaf, Stamp::Bump, |customer| customer.profiles[0].first_name = Some("a\0b".into()));
    stage.case.complete().await;
    let told = findings(&stage.pool).await;
    assert_eq!(told.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["text_replaced"]);
    assert_eq!(stage.text_digest(leaf).await, None);
    stage.case.quiet(&stage.pool).await;
    assert_eq!(findings(&stage.pool).await, told, "it stands as long as the vendor sends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_or_moves_with_the_same_text_is_taken_in() {
    let stage = Stage::new(CapillarySettings::default()).await;
    let [parent, other, leaf, _] = stage.children()[..] else { panic!("four") };
    let gone = stage.vendor.world().customer(leaf).unwrap().clone();
    stage.vendor.world().delete(leaf);
    assert_eq!(stage.case.complete().await.retired, 1);
    let root = stage.vendor.world().roots()[0];
    stage.vendor.world().insert_customer(root, gone, Place::Last);
    assert_eq!(stage.case.complete().await.restored, 1);
    stage.vendor.world().move_to(other, parent, Place::Last, Stamp::Keep);
    stage.case.complete().await;
    assert_eq!(stage.parents(other).await, [parent]);
    stage.case.quiet(&stage.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_below_two_parents_is_linked_to_both_and_counted_once() {
    let stage = Stage::new(CapillarySettings::default()).await;
    let [parent, _, leaf, _] = stage.children()[..] else { panic!("four") };
    stage.vendor.world().link(parent, leaf, Place::Last);
    // The first walk reads the other list again, whether it moved there.
    stage.case.complete().await;
    let run = stage.case.quiet(&stage.pool).await;
    assert_eq!((run.rows_seen, run.unchanged), (stage.first.rows_seen + 1, stage.first.inserted));
    assert_eq!(stage.parents(leaf).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_that_we_know_somebody_below_is_read_and_asked() {
    let stage = Stage::new(CapillarySettings::default()).await;
    let leaf = stage.children()[2];
    // The vendor hid a child, and its own count with it.
    let sql = "update hiersync.customer_link set parent_id = $1 where child_id = (select max(child_id) from hiersync.customer_link where parent_id = $2)";
    let parent = stage.children()[0];
    sqlx::query(sql).bind(leaf).bind(parent).execute(&stage.pool).await.unwrap();
    let run = stage.case.complete().await;
    assert_eq!(run.requests, stage.first.requests + 1, "its list is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_whose_count_is_told_no_more_is_asked_in_each_walk() {
    let stage = Stage::new(CapillarySettings::default()).await;
    let before = stage.case.complete().await.requests;
    stage.vendor.settings().gives_no_of_children = false;
    for leaf in stage.children() {
        stage.vendor.world().edit(leaf, Stamp::Bump, |_| ());
    }
    // Nobody says that nobody is below any more, in this walk and in those after it.
    for _ in 0..3 {
        assert!(stage.case.complete().await.requests > before);
    }
    let leaf = stage.children()[2];
    let below = stage.vendor.world().insert(leaf, Place::Last);
    stage.case.complete().await;
    assert_eq!(stage.parents(below).await, [leaf]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_state_their_parent_are_passed_over_in_its_list() {
    let settings = CapillarySettings { parent_customer: ParentCustomer::Beside, ..CapillarySettings::default() };
    let stage = Stage::new(settings).await;
    stage.mark().await;
    assert_eq!(stage.read().await, 1);
}
