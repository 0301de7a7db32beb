//! What changes at Capillary is what the tables say has changed, once, and nothing else is written.

use chrono::{DateTime, TimeDelta, Utc};
use hiersync::{
    model::run::Outcome,
    simulator::{
        capillary::{
            CapillarySim,
            make::Flavour,
            settings::{CapillarySettings, Lookup, ParentCustomer},
            world::{CapillaryWorld, Profile},
        },
        change::Stamp,
        forest::Place,
        shape::Shape,
    },
    store::report::RunRow,
    sync::wanted::Wanted,
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED},
    tables::{assert_customers, count, customers_now, findings, latest_changes, latest_fields, row},
};

/// A vendor with a mirror of it.
struct Org {
    vendor: CapillarySim,
    case: Case,
    pool: PgPool,
    root: i64,
}

impl Org {
    /// A root with 3 children, each with 3, each with 3: mirrored once.
    async fn mirrored() -> Self {
        let org = Self::of(Shape::even(3, 3), "").await;
        org.case.complete().await;
        org
    }

    async fn of(shape: Shape, more: &str) -> Self {
        Self::with(shape, CapillarySettings::default(), more).await
    }

    async fn with(shape: Shape, settings: CapillarySettings, more: &str) -> Self {
        let mut world = CapillaryWorld::new(21, Flavour::PLAIN);
        let root = world.plant(&shape);
        let vendor = CapillarySim::start(world, settings).await.unwrap();
        let case = Case::new().await.customers(&vendor, more);
        let pool = case.pool().await;
        Self { vendor, case, pool, root }
    }

    /// Somebody without children.
    fn leaf(&self) -> i64 {
        *self.vendor.world().below(self.root).last().unwrap()
    }

    fn child(&self, of: i64, place: usize) -> i64 {
        self.vendor.world().children(of)[place]
    }

    fn first_name(&self, id: i64) -> Value {
        json!(self.vendor.world().customer(id).unwrap().profiles[0].first_name)
    }

    /// Syncs, which must be complete and true, and again, which must write nothing. The first run's row, and what it changed.
    async fn settle(&self) -> (RunRow, Vec<(String, String, String)>) {
        let run = self.case.complete().await;
        let changes = latest_changes(&self.pool).await;
        assert_customers(&self.pool, &customers_now(&self.vendor)).await;
        self.case.quiet(&self.pool).await;
        (run, changes)
    }
}

fn change(entity: &str, key: impl ToString, op: &str) -> (String, String, String) {
    (entity.into(), key.to_string(), op.into())
}

fn nodes(run: &RunRow) -> (i64, i64, i64, i64) {
    (run.inserted, run.updated, run.retired, run.restored)
}

/// The columns of an update without the whole profiles, of which they are taken.
fn columns(mut fields: Value) -> Value {
    fields.as_object_mut().unwrap().remove("profiles");
    fields
}

async fn vendor_time(pool: &PgPool, key: i64) -> Option<DateTime<Utc>> {
    let sql = "select vendor_time from hiersync.change where key = $1 order by change_id desc limit 1";
    sqlx::query_scalar(sql).bind(key.to_string()).fetch_one(pool).await.unwrap()
}

async fn stamps(pool: &PgPool, id: i64) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let sql = "select c.auto_update_time, p.auto_update_time from hiersync.customer c
               join hiersync.customer_profile p using (source_id, customer_id) where customer_id = $1";
    sqlx::query_as(sql).bind(id).fetch_one(pool).await.unwrap()
}

async fn live_parents(pool: &PgPool, child: i64) -> Vec<i64> {
    let sql = "select parent_id from hiersync.customer_link where child_id = $1 and retired_at is null order by 1";
    sqlx::query_scalar(sql).bind(child).fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changed_writes_nothing() {
    let org = Org::mirrored().await;
    let run = org.case.quiet(&org.pool).await;
    // The root's list is of unknown length: its last row is seen twice.
    assert_eq!((run.unchanged, run.rows_seen), (40, 39 + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_under_a_newer_stamp_is_an_update() {
    let org = Org::mirrored().await;
    let (id, old) = (org.leaf(), org.first_name(org.leaf()));
    org.vendor.world().rename(id, "Zoë", Stamp::Bump);
    let stamp = org.vendor.world().customer(id).unwrap().profiles[0].auto_update_time;
    let run = org.case.complete().await;
    assert_eq!((nodes(&run), run.unchanged), ((0, 1, 0, 0), 39));
    assert_eq!(latest_changes(&org.pool).await, [change("customer", id, "update")]);
    assert_eq!(columns(latest_fields(&org.pool, id).await), json!({"first_name": [old, "Zoë"]}));
    assert_eq!(vendor_time(&org.pool, id).await, Some(stamp));
    assert!(findings(&org.pool).await.is_empty());
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_under_the_same_stamp_is_taken_and_found_silent() {
    let org = Org::mirrored().await;
    let (id, old) = (org.leaf(), org.first_name(org.leaf()));
    org.vendor.world().rename(id, "Zoë", Stamp::Keep);
    let run = org.case.complete().await;
    assert_eq!(nodes(&run), (0, 1, 0, 0));
    assert_eq!(columns(latest_fields(&org.pool, id).await), json!({"first_name": [old, "Zoë"]}));
    assert_eq!(findings(&org.pool).await, [("silent_change".into(), id.to_string())]);
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stamp_alone_is_written_without_a_change() {
    let org = Org::mirrored().await;
    let id = org.leaf();
    let later = org.vendor.world().now() + TimeDelta::hours(1);
    org.vendor.world().set_stamp(id, later);
    let (run, changes) = org.settle().await;
    assert_eq!((nodes(&run), run.unchanged, changes), ((0, 0, 0, 0), 40, vec![]));
    assert_eq!(stamps(&org.pool, id).await, (Some(later), Some(later)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_stamp_alone_writes_nothing() {
    let org = Org::mirrored().await;
    let id = org.leaf();
    let known = stamps(&org.pool, id).await;
    org.vendor.world().set_stamp(id, known.0.unwrap() - TimeDelta::hours(1));
    org.case.quiet(&org.pool).await;
    assert_eq!(stamps(&org.pool, id).await, known);
    assert!(findings(&org.pool).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_an_older_stamp_waits_for_a_second_walk_that_says_the_same() {
    let org = Org::mirrored().await;
    let (id, old) = (org.leaf(), org.first_name(org.leaf()));
    let earlier = stamps(&org.pool, id).await.0.unwrap() - TimeDelta::hours(1);
    org.vendor.world().rename(id, "Zoë", Stamp::Keep);
    org.vendor.world().set_stamp(id, earlier);

    // As a replica that lags: ignored, and told.
    let first = org.case.quiet(&org.pool).await;
    assert_eq!(first.unchanged, 40);
    assert_eq!(findings(&org.pool).await, [("stale_read".into(), id.to_string())]);

    let second = org.case.complete().await;
    assert_eq!(nodes(&second), (0, 1, 0, 0));
    assert_eq!(columns(latest_fields(&org.pool, id).await), json!({"first_name": [old, "Zoë"]}));
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_stale_read_leaves_no_trace_but_a_resolved_finding() {
    let org = Org::mirrored().await;
    let id = org.leaf();
    let before = org.vendor.world().clone();
    let earlier = stamps(&org.pool, id).await.0.unwrap() - TimeDelta::hours(1);
    org.vendor.world().rename(id, "Old", Stamp::Keep);
    org.vendor.world().set_stamp(id, earlier);
    org.case.quiet(&org.pool).await;
    *org.vendor.world() = before;
    org.case.quiet(&org.pool).await;
    assert!(findings(&org.pool).await.is_empty());
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_extended_field_is_told_by_its_column() {
    let org = Org::mirrored().await;
    let id = org.leaf();
    let old = org.vendor.world().customer(id).unwrap().extended_fields.clone();
    org.vendor.world().set_extended_field(id, "shoe", json!(43), Stamp::Bump);
    let new = org.vendor.world().customer(id).unwrap().extended_fields.clone();
    let run = org.case.complete().await;
    assert_eq!(nodes(&run), (0, 1, 0, 0));
    assert_eq!(latest_fields(&org.pool, id).await, json!({"extended_fields": [old, new]}));
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_order_of_the_same_children_is_no_change() {
    let org = Org::mirrored().await;
    org.vendor.world().reorder(org.root, 5);
    let first = org.child(org.root, 0);
    org.vendor.world().reorder(first, 6);
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_customer_is_inserted_with_its_link() {
    let org = Org::mirrored().await;
    let parent = org.child(org.child(org.root, 1), 2);
    let id = org.vendor.world().insert(parent, Place::First);
    let version = "select xmin::text, valid_from, changed_at, no_of_children from hiersync.customer where customer_id = $1";
    let of = async || {
        sqlx::query_as::<_, (String, DateTime<Utc>, DateTime<Utc>, Option<i64>)>(version).bind(parent).fetch_one(&org.pool).await.unwrap()
    };
    let before = of().await;
    let (run, changes) = org.settle().await;
    // That the parent has one child more is said of the child: its count is written, and nothing else of it.
    assert_eq!(nodes(&run), (1, 0, 0, 0));
    let after = of().await;
    assert_eq!((after.1, after.2, after.3), (before.1, before.2, before.3.map(|count| count + 1)));
    assert!(findings(&org.pool).await.is_empty());
    assert_eq!(count(&org.pool, "select count(*) from hiersync.customer_history where not is_placeholder").await, 0);
    assert_eq!(changes, [change("customer", id, "insert"), change("customer_link", format!("{parent}/{id}"), "insert")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_child_of_a_leaf_is_found() {
    let org = Org::mirrored().await;
    let leaf = org.leaf();
    let id = org.vendor.world().insert(leaf, Place::Last);
    let (run, changes) = org.settle().await;
    assert_eq!(nodes(&run), (1, 0, 0, 0));
    assert!(changes.contains(&change("customer_link", format!("{leaf}/{id}"), "insert")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_one_link_more_and_one_less_and_never_a_moment_without_a_parent() {
    let org = Org::mirrored().await;
    let (from, to) = (org.child(org.root, 0), org.child(org.root, 2));
    let id = org.child(from, 1);
    org.vendor.world().move_to(id, to, Place::First, Stamp::Bump);
    let run = org.case.complete();
    let watch = async {
        loop {
            assert!(!live_parents(&org.pool, id).await.is_empty(), "a moment without a parent");
        }
    };
    let run = tokio::select! { run = run => run, () = watch => unreachable!("it watches for ever") };
    assert_eq!((run.inserted, run.updated, run.retired), (0, 0, 0));
    let links: Vec<_> = latest_changes(&org.pool).await.into_iter().filter(|(entity, ..)| entity == "customer_link").collect();
    let mut expected =
        vec![change("customer_link", format!("{from}/{id}"), "retire"), change("customer_link", format!("{to}/{id}"), "insert")];
    expected.sort();
    assert_eq!(links, expected);
    assert_eq!(live_parents(&org.pool, id).await, [to]);
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_back_restores_the_old_link() {
    let org = Org::mirrored().await;
    let (from, to) = (org.child(org.root, 0), org.child(org.root, 2));
    let id = org.child(from, 1);
    org.vendor.world().move_to(id, to, Place::First, Stamp::Bump);
    org.case.complete().await;
    org.vendor.world().move_to(id, from, Place::First, Stamp::Bump);
    let (_, changes) = org.settle().await;
    assert!(changes.contains(&change("customer_link", format!("{from}/{id}"), "restore")));
    assert!(changes.contains(&change("customer_link", format!("{to}/{id}"), "retire")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_leaf_is_retired_with_its_link() {
    let org = Org::mirrored().await;
    let id = org.leaf();
    let parent = org.vendor.world().parents(id)[0];
    org.vendor.world().delete(id);
    let (run, changes) = org.settle().await;
    assert_eq!(nodes(&run), (0, 0, 1, 0));
    assert!(changes.contains(&change("customer", id, "retire")));
    assert!(changes.contains(&change("customer_link", format!("{parent}/{id}"), "retire")));
    // Kept, marked with the walk and the time.
    let marked = "select count(*) from hiersync.customer where retired_at is not null and retired_walk_id is not null";
    assert_eq!(count(&org.pool, marked).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_child_that_goes_makes_its_parent_a_leaf() {
    let org = Org::of(Shape::chain(12), "").await;
    org.case.complete().await;
    let id = org.leaf();
    org.vendor.world().delete(id);
    let (run, _) = org.settle().await;
    assert_eq!(nodes(&run), (0, 0, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_below_a_deleted_customer_is_retired_and_comes_back_with_it() {
    let org = Org::mirrored().await;
    let parent = org.child(org.root, 0);
    let head = org.child(parent, 0);
    let before = org.vendor.world().clone();
    assert_eq!(org.vendor.world().delete(head), 4);
    let (run, changes) = org.settle().await;
    assert_eq!(nodes(&run), (0, 0, 4, 0));
    assert_eq!(changes.iter().filter(|(entity, _, op)| entity == "customer_link" && op == "retire").count(), 4);

    *org.vendor.world() = before;
    let (run, changes) = org.settle().await;
    assert_eq!(nodes(&run), (0, 0, 0, 4));
    assert_eq!(changes.iter().filter(|(entity, _, op)| entity == "customer_link" && op == "restore").count(), 4);
    assert!(changes.contains(&change("customer", head, "restore")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_changed_is_restored_with_what_changed() {
    let org = Org::mirrored().await;
    let id = org.leaf();
    let parent = org.vendor.world().parents(id)[0];
    let customer = org.vendor.world().customer(id).unwrap().clone();
    org.vendor.world().delete(id);
    org.case.complete().await;
    org.vendor.world().insert_customer(parent, customer, Place::Last);
    org.vendor.world().rename(id, "Back", Stamp::Bump);
    let (run, changes) = org.settle().await;
    assert_eq!(nodes(&run), (0, 0, 0, 1));
    let of_it: Vec<_> = changes.into_iter().filter(|(entity, key, _)| entity == "customer" && *key == id.to_string()).collect();
    assert_eq!(of_it, [change("customer", id, "restore")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_retires_none_of_too_many_until_a_person_accepts() {
    let org = Org::mirrored().await;
    let head = org.child(org.root, 0);
    assert_eq!(org.vendor.world().delete(head), 13);
    for _ in 0..2 {
        let report = org.case.sync_with(WANTED).await;
        let run = report.row.unwrap();
        assert_eq!((report.outcome, run.retired), (Outcome::Partial, 0));
        assert_eq!(findings(&org.pool).await, [("retire_guard".into(), "customers".into())]);
        let detail = row(&org.pool, "select detail from hiersync.finding where kind = 'retire_guard'").await;
        assert_eq!(detail["nodes"], 13);
        let say = detail["say"].as_str().unwrap();
        assert!(say.contains("13 of 40 live nodes (32 %") && say.contains(detail["example"].as_str().unwrap()), "{say}");
        assert!(say.contains("`hiersync sync customers --accept-retire`"), "{say}");
        assert_eq!(count(&org.pool, "select count(*) from hiersync.customer where retired_at is not null").await, 0);
        assert_eq!(count(&org.pool, "select count(*) from hiersync.customer_link where retired_at is not null").await, 0);
    }
    let report = org.case.sync_with(Wanted { accept_retire: true, ..WANTED }).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Complete, 13));
    assert!(findings(&org.pool).await.is_empty());
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_guard_lets_as_many_go_as_it_says() {
    let org = Org::of(Shape::even(3, 3), "retire_guard = 0.4").await;
    org.case.complete().await;
    let head = org.child(org.root, 0);
    org.vendor.world().delete(head);
    let (run, _) = org.settle().await;
    assert_eq!(run.retired, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_cannot_be_looked_up_is_a_placeholder_until_it_can() {
    let settings = CapillarySettings { lookup: Lookup::KnowsNobody, ..CapillarySettings::default() };
    let org = Org::with(Shape::even(3, 2), settings, "").await;
    let first = org.case.complete().await;
    // The lookup is asked twice before it is believed.
    assert_eq!((first.inserted, first.requests), (13, 7));
    let placeholder: i64 = sqlx::query_scalar("select customer_id from hiersync.customer where is_placeholder and retired_at is null")
        .fetch_one(&org.pool)
        .await
        .unwrap();
    assert!(placeholder < 0, "{placeholder}");
    let children = org.vendor.world().children(org.root).to_vec();
    for child in &children {
        assert_eq!(live_parents(&org.pool, *child).await, [placeholder]);
    }
    org.case.quiet(&org.pool).await;

    org.vendor.settings().lookup = Lookup::On;
    org.case.complete().await;
    for child in &children {
        assert_eq!(live_parents(&org.pool, *child).await, [org.root]);
    }
    let live = "select count(*) from hiersync.customer where retired_at is null and customer_id < 0";
    assert_eq!(count(&org.pool, live).await, 0, "the placeholder has become the customer");
    assert_eq!(count(&org.pool, "select count(*) from hiersync_bi.customer_move").await, 0, "nobody has moved");
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_lookup_leaves_a_placeholder_too() {
    let settings = CapillarySettings { lookup: Lookup::Missing, ..CapillarySettings::default() };
    let org = Org::with(Shape::list(3), settings, "").await;
    org.case.complete().await;
    assert_eq!(count(&org.pool, "select count(*) from hiersync.customer where is_placeholder and customer_id < 0").await, 1);
    let truth = customers_now(&org.vendor);
    let live = "select count(*) from hiersync.customer where retired_at is null and not is_placeholder";
    assert_eq!(count(&org.pool, live).await, i64::try_from(truth.nodes.len()).unwrap());
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_without_children_is_not_retired() {
    let org = Org::of(Shape::list(3), "retire_guard = 1.0").await;
    org.case.complete().await;
    let children = org.vendor.world().children(org.root).to_vec();
    for child in children {
        org.vendor.world().delete(child);
    }
    let (run, _) = org.settle().await;
    assert_eq!(run.retired, 3);
    let root = "select count(*) from hiersync.customer where retired_at is null";
    assert_eq!(count(&org.pool, root).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_profile_gives_the_columns_and_all_are_kept() {
    let org = Org::mirrored().await;
    let id = org.leaf();
    let later = org.vendor.world().now() + TimeDelta::hours(1);
    let profile = Profile {
        first_name: Some("Aiko".into()),
        identifiers: vec![("wechat".into(), "wx-1".into())],
        source: "WECHAT".into(),
        account_id: "wx".into(),
        auto_update_time: later,
        ..Profile::default()
    };
    org.vendor.world().edit(id, Stamp::Keep, |customer| customer.profiles.push(profile));
    let (run, _) = org.settle().await;
    assert_eq!(nodes(&run), (0, 1, 0, 0));
    let lead: (String, String, Option<String>) =
        sqlx::query_as("select first_name, profile_source, mobile from hiersync.customer where customer_id = $1")
            .bind(id)
            .fetch_one(&org.pool)
            .await
            .unwrap();
    assert_eq!(lead, ("Aiko".into(), "WECHAT".into(), None));
    let sources: Vec<(i32, String)> =
        sqlx::query_as("select profile_no, profile_source from hiersync.customer_profile where customer_id = $1 order by 1")
            .bind(id)
            .fetch_all(&org.pool)
            .await
            .unwrap();
    assert_eq!(sources, [(1, "INSTORE".into()), (2, "WECHAT".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_equally_late_profiles_gives_the_columns() {
    let org = Org::mirrored().await;
    let (id, first) = (org.leaf(), org.first_name(org.leaf()));
    org.vendor.world().edit(id, Stamp::Keep, |customer| {
        let twin = Profile { first_name: Some("Second".into()), source: "WEBSITE".into(), ..customer.profiles[0].clone() };
        customer.profiles.push(twin);
    });
    let (run, _) = org.settle().await;
    assert_eq!(run.updated, 1);
    let name: Value = sqlx::query_scalar("select to_jsonb(first_name) from hiersync.customer where customer_id = $1")
        .bind(id)
        .fetch_one(&org.pool)
        .await
        .unwrap();
    assert_eq!(name, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_parent_is_a_second_link_of_a_customer_counted_once() {
    let org = Org::of(Shape::even(3, 3), "").await;
    let (a, b) = (org.child(org.root, 0), org.child(org.root, 1));
    let id = org.child(a, 0);
    org.vendor.world().link(b, id, Place::Last);
    let first = org.case.complete().await;
    assert_eq!((first.inserted, first.rows_seen), (40, 39 + 1 + 1));
    let mut parents = [a, b];
    parents.sort_unstable();
    assert_eq!(live_parents(&org.pool, id).await, parents);
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    let second = org.case.quiet(&org.pool).await;
    assert_eq!(second.unchanged, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_parent_that_a_row_does_not_state_costs_no_list() {
    for levels in [2, 3] {
        let settings = CapillarySettings { parent_customer: ParentCustomer::Beside, ..CapillarySettings::default() };
        let org = Org::with(Shape::even(3, levels), settings, "").await;
        let (a, b) = (org.child(org.root, 0), org.child(org.root, 1));
        let id = org.child(a, 0);
        // In another's list, and in that of the root, beside the parent whom it states.
        org.vendor.world().link(b, id, Place::Last);
        org.vendor.world().link(org.root, id, Place::Last);
        org.case.complete().await;
        let mut parents = [a, b, org.root];
        parents.sort_unstable();
        assert_eq!(live_parents(&org.pool, id).await, parents);
        assert_customers(&org.pool, &customers_now(&org.vendor)).await;
        for _ in 0..3 {
            org.case.quiet(&org.pool).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_cannot_be_looked_up_keeps_the_children_that_state_its_id() {
    let settings =
        CapillarySettings { parent_customer: ParentCustomer::Beside, lookup: Lookup::KnowsNobody, ..CapillarySettings::default() };
    let org = Org::with(Shape::even(3, 2), settings, "").await;
    org.case.complete().await;
    let children = org.vendor.world().children(org.root).to_vec();
    let first: i64 = live_parents(&org.pool, children[0]).await[0];
    assert!(first < 0);
    for child in &children {
        assert_eq!(live_parents(&org.pool, *child).await, [first]);
    }
    assert_eq!(count(&org.pool, "select count(*) from hiersync_bi.customer_tree").await, 13);
    org.case.quiet(&org.pool).await;
    org.vendor.settings().lookup = Lookup::On;
    org.case.complete().await;
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_parent_opens_a_finding_until_it_is_gone() {
    let org = Org::of(Shape::even(3, 2), "").await;
    let (a, b) = (org.child(org.root, 0), org.child(org.root, 1));
    let id = org.child(a, 0);
    org.vendor.world().link(b, id, Place::Last);
    org.case.complete().await;
    let about = |findings: Vec<(String, String)>| findings.into_iter().filter(|(_, key)| key.contains(&id.to_string())).count();
    assert_eq!(about(findings(&org.pool).await), 1, "{:?}", findings(&org.pool).await);
    org.vendor.world().unlink(b, id);
    org.case.complete().await;
    // What is left is about the parent, who counts one child less under the same stamp.
    assert_eq!(about(findings(&org.pool).await), 0, "{:?}", findings(&org.pool).await);
    assert_customers(&org.pool, &customers_now(&org.vendor)).await;
    org.case.quiet(&org.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_is_its_own_parent_is_mirrored_and_found() {
    let org = Org::of(Shape::even(3, 2), "").await;
    let id = org.child(org.root, 0);
    org.vendor.world().link(id, id, Place::Last);
    let (run, _) = org.settle().await;
    assert_eq!(run.inserted, 13);
    assert!(live_parents(&org.pool, id).await.contains(&id));
    assert!(findings(&org.pool).await.iter().any(|(_, key)| key.contains(&id.to_string())), "{:?}", findings(&org.pool).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_is_mirrored_and_found() {
    let org = Org::of(Shape::chain(4), "").await;
    let below = org.vendor.world().below(org.root);
    org.vendor.world().link(below[3], below[1], Place::Last);
    let (run, _) = org.settle().await;
    assert_eq!(run.inserted, 5);
    assert!(live_parents(&org.pool, below[1]).await.contains(&below[3]));
    let about = |key: &str| below.iter().any(|id| key.contains(&id.to_string()));
    assert!(findings(&org.pool).await.iter().any(|(_, key)| about(key)), "{:?}", findings(&org.pool).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_through_the_root_shows_the_root_as_a_customer() {
    let org = Org::of(Shape::chain(4), "").await;
    let below = org.vendor.world().below(org.root);
    org.vendor.world().link(below[3], org.root, Place::Last);
    let (run, _) = org.settle().await;
    assert_eq!(run.inserted, 5);
    assert_eq!(count(&org.pool, "select count(*) from hiersync.customer where is_placeholder").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_cycle_is_gone_with_all_who_are_in_it() {
    let org = Org::of(Shape::even(3, 3), "").await;
    let parent = org.child(org.root, 0);
    let head = org.child(parent, 0);
    let tail = org.child(head, 0);
    org.vendor.world().link(tail, head, Place::Last);
    org.case.complete().await;
    // Nobody above the cycle holds it any more; within it each still has a parent.
    org.vendor.world().unlink(parent, head);
    let (run, _) = org.settle().await;
    assert_eq!(run.retired, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_each_batch_of_random_changes_the_tables_are_true() {
    let org = Org::of(Shape::even(3, 3), "retire_guard = 1.0").await;
    org.case.complete().await;
    for seed in 1..=4 {
        org.vendor.world().mutate(0.2, seed);
        org.settle().await;
    }
}

/// The identifier of a root is given to somebody else, with a bigger family.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_becomes_somebody_else_retires_nobody_until_a_person_accepts() {
    let mut world = CapillaryWorld::new(71, Flavour::PLAIN);
    let (old, new) = (world.plant(&Shape::even(3, 2)), world.plant(&Shape::even(5, 2)));
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let (_, value) = vendor.world().identifier(old, &["mobile"]).unwrap();
    // Whatever the share.
    let case = Case::new().await.customers_below(&vendor, "mobile", &value, "retire_guard = 1.0");
    let pool = case.pool().await;
    assert_eq!(case.complete().await.inserted, 13);
    let give = |to: i64, value: &str| {
        vendor.world().edit(to, Stamp::Bump, |customer| {
            let identifiers = &mut customer.profiles[0].identifiers;
            identifiers.retain(|(kind, _)| kind != "mobile");
            identifiers.push(("mobile".into(), value.to_owned()));
        });
    };
    give(old, "919999999999");
    give(new, &value);
    for _ in 0..3 {
        let report = case.sync_with(WANTED).await;
        assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
        let told = findings(&pool).await;
        assert_eq!(told, [("retire_guard".into(), "customers".into()), ("root_changed".into(), new.to_string())]);
        assert_eq!(count(&pool, "select count(*) from hiersync.customer where retired_at is null").await, 13 + 31);
    }
    let report = case.sync_with(Wanted { accept_retire: true, ..WANTED }).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Complete, 13));
    assert_eq!(findings(&pool).await, []);
    case.quiet(&pool).await;
}

/// Whoever has come since the last complete walk is none of those of whom a share may go.
#[tokio::test(flavor = "multi_thread")]
async fn newcomers_do_not_dilute_the_guard() {
    let org = Org::mirrored().await;
    // 13 of 40 go, and 60 come: a fifth of all hundred would be 20.
    let head = org.child(org.root, 0);
    assert_eq!(org.vendor.world().delete(head), 13);
    let parent = org.child(org.root, 0);
    for _ in 0..60 {
        org.vendor.world().insert(parent, Place::Last);
    }
    for _ in 0..2 {
        let report = org.case.sync_with(WANTED).await;
        assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
        let detail = row(&org.pool, "select detail from hiersync.finding where kind = 'retire_guard'").await;
        assert!(detail["say"].as_str().unwrap().contains("13 of 40 live nodes (32 %"), "{detail}");
    }
    let report = org.case.sync_with(Wanted { accept_retire: true, ..WANTED }).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Complete, 13));
}
