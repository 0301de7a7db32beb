//! The vendors' documented examples land as rows, field by field.

use hiersync::{
    model::run::Outcome,
    simulator::{
        answer::Answer,
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        documented::{CAPILLARY_HIERARCHY, LEADSQUARED_HIERARCHY, LEADSQUARED_INVENTED_HIERARCHY},
        leadsquared::{
            LeadSquaredSim,
            settings::{LeadSquaredSettings, UnknownUser},
            world::LeadSquaredWorld,
        },
        shape::Shape,
    },
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED},
    tables::{count, findings, places, row},
};

/// The children of Ines, of whom the example says that there are two: as little as a customer can be.
const INES_CHILDREN: &str = r#"{"entity": {"customers": [
    {"profiles": [{"userId": 700000031}], "noOfChildren": 0},
    {"profiles": [{"userId": "700000032"}], "noOfChildren": 0}]}}"#;

/// A vendor whose only customer is the root; everybody else comes from the answers put in its place.
async fn capillary(settings: CapillarySettings) -> CapillarySim {
    let mut world = CapillaryWorld::new(1, Flavour::PLAIN);
    world.plant(&Shape::list(0));
    CapillarySim::start(world, settings).await.unwrap()
}

/// The example as the vendor would page it: the whole, then from its last row on, then the list of the one who has children.
fn answer_with_the_example(vendor: &CapillarySim) {
    let mut tail: Value = serde_json::from_str(CAPILLARY_HIERARCHY).unwrap();
    tail["entity"]["customers"].as_array_mut().unwrap().remove(0);
    let json = "application/json;charset=utf-8";
    vendor.faults().on_kind("bulk", 1, Answer::raw(200, json, CAPILLARY_HIERARCHY));
    vendor.faults().on_kind("bulk", 1, Answer::json(200, &tail));
    vendor.faults().on_kind("bulk", 1, Answer::raw(200, json, INES_CHILDREN));
}

async fn rows(pool: &PgPool, sql: &'static str) -> Vec<Value> {
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

async fn customer(pool: &PgPool, id: i64) -> Value {
    let sql = "select to_jsonb(c) - '{source_id, node_no, digest, text_digest, first_seen_at, changed_at, valid_from, retired_walk_id, forgotten_at}'::text[]
                   || jsonb_build_object('created_at', created_at at time zone 'UTC', 'auto_update_time', auto_update_time at time zone 'UTC')
               from hiersync.customer c where customer_id = $1";
    sqlx::query_scalar(sql).bind(id).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn capillarys_example_lands_field_by_field_and_stays_quiet() {
    let vendor = capillary(CapillarySettings::default()).await;
    // One call after the other: the answers are put in the place of calls by their order.
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    answer_with_the_example(&vendor);
    let run = case.complete().await;
    let pool = case.pool().await;

    let ines = json!({
        "customer_id": 700000021, "first_name": "Ines", "last_name": "Okafor", "email": null, "mobile": "910000000021",
        "external_id": "EMP-0021", "account_id": "", "profile_source": "INSTORE", "role_code": "Manager", "no_of_children": 2,
        "default_child": false, "created_at": "2024-11-18T10:02:11", "auto_update_time": "2025-03-02T08:15:40",
        "extended_fields": {"city": "Pune", "gender": "Female"}, "extra": {}, "is_placeholder": false, "retired_at": null
    });
    let tomas = json!({
        "customer_id": 700000022, "first_name": "Tomas", "last_name": "Lindqvist", "email": null, "mobile": "910000000022",
        "external_id": null, "account_id": "", "profile_source": "INSTORE", "role_code": "Manager", "no_of_children": 0,
        "default_child": true, "created_at": "2024-11-18T10:05:57", "auto_update_time": "2025-03-02T08:15:40",
        "extended_fields": {}, "extra": {}, "is_placeholder": false, "retired_at": null
    });
    assert_eq!(customer(&pool, 700_000_021).await, ines);
    assert_eq!(customer(&pool, 700_000_022).await, tomas);
    // The root, Ines and Tomas, and her two children. Five answers: the lookup, the root's own row, the whole, its seam, her list (known to hold two).
    assert_eq!((run.inserted, run.rows_seen, run.pages, run.requests), (5, 5, 3, 5));

    let before = places(&pool).await;
    answer_with_the_example(&vendor);
    let second = case.complete().await;
    assert_eq!((second.unchanged, second.inserted, second.updated), (5, 0, 0));
    assert_eq!(places(&pool).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn capillarys_example_fills_profiles_identifiers_channels_and_links() {
    let vendor = capillary(CapillarySettings::default()).await;
    let root = vendor.world().roots()[0];
    let case = Case::new().await.customers(&vendor, "");
    answer_with_the_example(&vendor);
    case.complete().await;
    let pool = case.pool().await;

    let profiles = rows(
        &pool,
        "select to_jsonb(p) - 'source_id' || jsonb_build_object('auto_update_time', auto_update_time at time zone 'UTC')
         from hiersync.customer_profile p where customer_id < 700000030 order by customer_id",
    );
    let profile = |id: i64, first: &str, last: &str| {
        json!({"customer_id": id, "profile_no": 1, "profile_source": "INSTORE", "account_id": "", "first_name": first, "last_name": last,
            "auto_update_time": "2025-03-02T08:15:40", "fields": {}})
    };
    assert_eq!(profiles.await, [profile(700_000_021, "Ines", "Okafor"), profile(700_000_022, "Tomas", "Lindqvist")]);

    let identifiers = rows(
        &pool,
        "select jsonb_build_array(customer_id, profile_no, identifier_no, type, value) from hiersync.customer_identifier order by 1",
    );
    let expected = [
        json!([700000021, 1, 1, "externalId", "EMP-0021"]),
        json!([700000021, 1, 2, "mobile", "910000000021"]),
        json!([700000022, 1, 1, "mobile", "910000000022"]),
    ];
    assert_eq!(identifiers.await, expected);

    let channels = rows(&pool, "select to_jsonb(c) - 'source_id' from hiersync.customer_channel c");
    let expected = json!({"customer_id": 700000021, "profile_no": 1, "channel_no": 1, "type": "mobile", "value": "910000000021",
        "is_primary": true, "is_verified": false, "meta": {"residence": false, "office": false}, "attributes": {}});
    assert_eq!(channels.await, [expected]);

    let links = rows(&pool, "select jsonb_build_array(parent_id, child_id, retired_at) from hiersync.customer_link order by child_id");
    let expected = [
        json!([root, 700000021, null]),
        json!([root, 700000022, null]),
        json!([700000021, 700000031, null]),
        json!([700000021, 700000032, null]),
    ];
    assert_eq!(links.await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_body_for_every_offset_lands_once() {
    // A page that was not full, and nothing new after it; max_depth keeps Ines from being her own child.
    let settings = CapillarySettings { fixed_body: Some(CAPILLARY_HIERARCHY.into()), ..CapillarySettings::default() };
    let vendor = capillary(settings).await;
    let case = Case::new().await.customers(&vendor, "max_depth = 1");
    let pool = case.pool().await;
    let first = case.sync_with(WANTED).await;
    assert_eq!(first.outcome, Outcome::Partial);
    assert_eq!(count(&pool, "select count(*) from hiersync.customer where not is_placeholder and retired_at is null").await, 2);
    let kinds: Vec<String> = findings(&pool).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["too_deep"]);

    let before = places(&pool).await;
    assert_eq!(case.sync_with(WANTED).await.outcome, Outcome::Partial);
    assert_eq!(places(&pool).await, before);
}

/// A LeadSquared account that knows only its root; whoever else is asked about has nobody below.
async fn leadsquared() -> LeadSquaredSim {
    let mut world = LeadSquaredWorld::new(1, hiersync::simulator::leadsquared::make::Flavour::PLAIN);
    world.plant(&Shape::list(0));
    let settings = LeadSquaredSettings { unknown_user: UnknownUser::EmptyList, ..LeadSquaredSettings::default() };
    LeadSquaredSim::start(world, settings).await.unwrap()
}

/// Syncs a vendor twice whose root's list is this body, and gives the users and lines that landed.
async fn landed(body: &'static str) -> (Vec<Value>, Vec<Value>) {
    let vendor = leadsquared().await;
    let root = vendor.world().roots()[0];
    let case = Case::new().await.users(&vendor, "reach = \"direct\"");
    let answer = Answer::raw(200, "application/json; charset=utf-8", body);
    vendor.faults().on_parent(root, 2, answer);
    let run = case.complete().await;
    assert_eq!((run.inserted, run.rows_seen, run.requests), (4, 3, 5));
    let pool = case.pool().await;
    assert_eq!(case.quiet(&pool).await.unchanged, 4);
    assert_eq!(vendor.faults().pending(), 0);
    assert_eq!(
        row(&pool, "select to_jsonb(array_agg(distinct manager_id)) from hiersync.reporting_line where retired_at is null").await,
        json!([root])
    );
    let users = rows(
        &pool,
        "select to_jsonb(u) - '{source_id, node_no, digest, first_seen_at, changed_at, valid_from, retired_walk_id, forgotten_at}'::text[]
         from hiersync.reporting_user u where not is_placeholder order by user_id",
    );
    let lines = rows(&pool, "select to_jsonb(user_id) from hiersync.reporting_line where retired_at is null order by user_id");
    (users.await, lines.await)
}

fn user(id: &str, name: &str, mobile: Option<&str>, email: &str, checked_in: bool, is_active: bool) -> Value {
    json!({"user_id": id, "name": name, "mobile": mobile, "email": email, "checked_in": checked_in, "is_active": is_active,
        "auto_update_time": null, "extra": {}, "is_placeholder": false, "retired_at": null})
}

#[tokio::test(flavor = "multi_thread")]
async fn leadsquareds_example_lands_field_by_field_and_stays_quiet() {
    let (users, lines) = landed(LEADSQUARED_HIERARCHY).await;
    let ids = ["718ae557-9d0b-11e7-b0ab-02e89b2fb8f4", "9a86dca1-9d0b-11e7-b0ab-02e89b2fb8f4", "9e660b12-6fdf-11e8-8455-020714094d7e"];
    let expected = [
        user(ids[0], "John George", Some("+91-123212332"), "john@example.com", false, true),
        user(ids[1], "Jack Paul", None, "jackdoe@example.com", false, true),
        user(ids[2], "Zane Doe", None, "zane@example.com", false, true),
    ];
    assert_eq!(users, expected);
    assert_eq!(lines, ids.map(|id| json!(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn leadsquareds_invented_example_lands_field_by_field_and_stays_quiet() {
    let (users, lines) = landed(LEADSQUARED_INVENTED_HIERARCHY).await;
    let id = |last: u8| format!("5f0c1a10-0000-4000-8000-0000000000{last}");
    let expected = [
        user(&id(11), "Meera Valdez", Some("+91-9000000011"), "meera.valdez@example.com", true, true),
        user(&id(12), "Jonas Achterberg", None, "jonas.achterberg@example.com", false, true),
        user(&id(13), "Lucia Pham", None, "lucia.pham@example.com", false, false),
    ];
    assert_eq!(users, expected);
    assert_eq!(lines, [11, 12, 13].map(|last| json!(id(last))));
}
