//! A page that comes again as it came is not looked up row by row, and a walk that shows a tree as it stands does not look it through; whatever
//! changes about somebody ends that.

use hiersync::simulator::{
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    change::Stamp,
    forest::Place,
    shape::Shape,
};
use sqlx::PgPool;

use crate::harness::{
    case::Case,
    postgres::fresh_database,
    program::Program,
    tables::{assert_customers, count, customers_now},
};

/// Children of the root, which fill a page. The first has a child.
const CHILDREN: usize = 24;

struct Stage {
    vendor: CapillarySim,
    url: String,
    case: Case,
    pool: PgPool,
}

impl Stage {
    /// The account was read once.
    async fn new() -> Self {
        let mut world = CapillaryWorld::new(3, Flavour::PLAIN);
        world.plant(&Shape::of((0..CHILDREN).map(|_| None).chain([Some(0)]).collect()));
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let url = fresh_database().await;
        let case = Case::at(&url).customers(&vendor, &format!("page_size = {CHILDREN}\nretire_guard = 1.0"));
        case.complete().await;
        let pool = case.pool().await;
        Self { vendor, url, case, pool }
    }

    fn child(&self, place: usize) -> i64 {
        let world = self.vendor.world();
        world.children(world.roots()[0])[place]
    }

    /// Makes the mirror's content of everybody another than the vendor's, and their texts unknown: who is looked up is written anew.
    async fn mark(&self) {
        let marked = "update hiersync.customer set digest = gen_random_uuid(), text_digest = gen_random_uuid()";
        sqlx::query(marked).execute(&self.pool).await.unwrap();
    }

    /// Walks, and gives how many rows were looked up and found other than the mirror's.
    async fn looked_up(&self) -> i64 {
        self.mark().await;
        self.case.complete().await.updated
    }

    /// Whether a node's row need not be looked up when the page comes again on which it stands.
    async fn is_kept(&self, id: i64) -> bool {
        let sql = "select exists (
            select from hiersync_internal.known_page k cross join unnest(k.starts, k.lengths) as r (start, length)
            join hiersync.customer c on c.customer_id = $1 and c.node_no >= r.start and c.node_no < r.start + r.length
            where r.start > 0
        )";
        sqlx::query_scalar(sql).bind(id).fetch_one(&self.pool).await.unwrap()
    }

    /// Whether the next walk, which is complete, looks the tree through at its end.
    async fn is_settled(&self) -> bool {
        let rename =
            |from: &str, to: &str| format!("alter function hiersync_internal.{from}(int, bigint, bigint[], bigint) rename to {to}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(rename("settle_customer", "hidden"))).execute(&self.pool).await.unwrap();
        let ended = Program::of(&self.case).run(&["sync"]).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(rename("hidden", "settle_customer"))).execute(&self.pool).await.unwrap();
        if ended.code == 0 {
            return false;
        }
        let why = "select error from hiersync.sync_run order by run_id desc limit 1";
        let why: Option<String> = sqlx::query_scalar(why).fetch_one(&self.pool).await.unwrap();
        let told = format!("{why:?} {}", ended.err);
        assert!(told.contains("settle_customer"), "{told}");
        self.case.complete().await;
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_again_is_not_looked_up_row_by_row() {
    let stage = Stage::new().await;
    // The one that has children, and the child, whose page is not full.
    let others = 2;
    assert_eq!(stage.looked_up().await, others);
    // The last row stands on the next page, too, and was looked up there: so is then the first page, and kept again.
    stage.case.complete().await;
    stage.case.complete().await;
    assert_eq!(stage.looked_up().await, others);
    stage.case.complete().await;
    stage.case.complete().await;
    let leaf = stage.child(5);
    stage.vendor.world().rename(leaf, "Asha", Stamp::Bump);
    assert_eq!(stage.looked_up().await, i64::try_from(CHILDREN).unwrap() + 1, "all of another page are");
    assert_customers(&stage.pool, &customers_now(&stage.vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_about_somebody_has_them_looked_up() {
    let stage = Stage::new().await;
    let [parent, linked, touched, renamed, forgotten] = [0, 3, 5, 7, 9].map(|place| stage.child(place));
    let kept = async |ids: [i64; 4]| {
        [stage.is_kept(ids[0]).await, stage.is_kept(ids[1]).await, stage.is_kept(ids[2]).await, stage.is_kept(ids[3]).await]
    };
    let leaves = [linked, touched, renamed, forgotten];
    assert_eq!((kept(leaves).await, stage.is_kept(parent).await), ([true; 4], false));

    let ended = Program::of(&stage.case).run(&["forget", "customers", &forgotten.to_string()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(kept(leaves).await, [false; 4], "the page goes whole");
    stage.case.complete().await;
    assert_eq!(kept(leaves).await, [true, true, true, false], "and comes without them");

    // Another list shows one of them, whose own row stays as it was; before that list is read a page is kept that holds them.
    {
        let mut world = stage.vendor.world();
        world.link(parent, linked, Place::Last);
        world.edit(touched, Stamp::Bump, |_| ());
        world.rename(renamed, "Asha", Stamp::Bump);
    }
    stage.case.complete().await;
    assert!(!stage.is_kept(linked).await);
    let run = stage.case.complete().await;
    let nodes = count(&stage.pool, "select count(*) from hiersync.customer where retired_at is null").await;
    assert_eq!((run.unchanged, run.updated), (nodes, 0), "whoever stands in two lists is counted once");
    assert_eq!(kept(leaves).await, [false, true, true, false]);
    stage.case.quiet(&stage.pool).await;
    assert!(stage.is_kept(touched).await && !stage.is_kept(linked).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_which_nothing_is_known_any_more_is_not_kept_as_it_was() {
    let stage = Stage::new().await;
    let leaves: Vec<i64> = (1..CHILDREN).map(|place| stage.child(place)).collect();
    assert!(stage.is_kept(leaves[4]).await);
    for leaf in &leaves {
        stage.vendor.world().rename(*leaf, "Asha", Stamp::Bump);
    }
    stage.case.complete().await;
    for leaf in leaves {
        assert!(!stage.is_kept(leaf).await, "{leaf}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_which_a_root_stands_is_looked_up() {
    let stage = Stage::new().await;
    let leaf = stage.child(5);
    let (kind, value) = stage.vendor.world().identifier(leaf, &["mobile", "externalId", "cardnumber"]).unwrap();
    let (first_kind, first_value) = {
        let world = stage.vendor.world();
        world.identifier(world.roots()[0], &["mobile", "externalId", "cardnumber"]).unwrap()
    };
    let two = [(first_kind.as_str(), first_value.as_str()), (kind.as_str(), value.as_str())];
    let case = Case::at(&stage.url).customers_as("customers", &stage.vendor, &two, &format!("page_size = {CHILDREN}"));
    let nodes = count(&stage.pool, "select count(*) from hiersync.customer where retired_at is null").await;
    for _ in 0..2 {
        let run = case.complete().await;
        assert_eq!((run.unchanged, run.inserted, run.updated), (nodes, 0, 0), "each is counted once: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_stands_as_it_stood_is_not_looked_through() {
    let stage = Stage::new().await;
    assert!(!stage.is_settled().await, "nothing has changed");

    let [parent, leaf, other] = [0, 3, 5].map(|place| stage.child(place));
    stage.vendor.world().rename(leaf, "Asha", Stamp::Bump);
    assert!(stage.is_settled().await, "somebody is written anew");
    assert!(!stage.is_settled().await);

    stage.vendor.world().delete(leaf);
    assert!(stage.is_settled().await, "somebody is gone");
    assert!(!stage.is_settled().await);

    // One comes and one goes, and as many as before are shown.
    let root = stage.vendor.world().roots()[0];
    stage.vendor.world().move_to(other, parent, Place::Last, Stamp::Keep);
    assert!(stage.is_settled().await, "somebody hangs elsewhere");
    assert!(!stage.is_settled().await);

    stage.vendor.world().link(root, other, Place::Last);
    assert!(stage.is_settled().await, "somebody has two parents");
    assert!(stage.is_settled().await, "as long as they have");
    assert_customers(&stage.pool, &customers_now(&stage.vendor)).await;
}
