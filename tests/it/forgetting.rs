//! A person who is forgotten is nowhere in the database, however long one reads on; the node stays without a name.

use hiersync::{
    model::run::Outcome,
    simulator::{
        capillary::CapillarySim,
        change::Stamp,
        forest::Place,
        leadsquared::{LeadSquaredSim, make::Flavour, settings::LeadSquaredSettings, world::LeadSquaredWorld},
        shape::Shape,
    },
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::{
    case::{Case, WANTED, with_calls},
    program::Program,
    running::Running,
    settled,
    tables::{count, places},
    until::{millis, seconds, until},
    vendors::capillary_of,
};

/// Where any of these stands in the whole database, as a dump would have it.
async fn found(pool: &PgPool, needles: &[String]) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname like 'hiersync%' and c.relkind = 'r' order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(tables.len() > 30);
    let mut found = Vec::new();
    for table in tables {
        for needle in needles {
            let rows = AssertSqlSafe(format!("select count(*) from {table} t where position(lower($1) in lower(t::text)) > 0"));
            let rows: i64 = sqlx::query_scalar(rows).bind(needle).fetch_one(pool).await.unwrap();
            if rows > 0 {
                found.push(format!("{needle} in {table}"));
            }
        }
    }
    found
}

/// All by which a customer could be known.
async fn needles(vendor: &CapillarySim, pool: &PgPool, id: i64) -> Vec<String> {
    let customer = vendor.world().customer(id).unwrap().clone();
    let mut needles: Vec<String> = Vec::new();
    for profile in &customer.profiles {
        needles.extend([&profile.first_name, &profile.last_name].into_iter().flatten().cloned());
        needles.extend(profile.identifiers.iter().map(|(_, value)| value.clone()));
    }
    // What is guessed right has the same digest.
    let digests = "select unnest(array[digest, text_digest])::text from hiersync.customer where customer_id = $1";
    let digests = sqlx::query_scalar::<_, Option<String>>(digests).bind(id).fetch_all(pool).await.unwrap();
    needles.extend(digests.into_iter().flatten());
    // Names that others have, too, say nothing.
    let others = "select coalesce(string_agg(c::text, ' '), '') from hiersync.customer c where customer_id <> $1";
    let others: String = sqlx::query_scalar(others).bind(id).fetch_one(pool).await.unwrap();
    needles.retain(|needle| needle.len() > 3 && !others.contains(needle.as_str()));
    assert!(needles.len() > 3, "{needles:?}");
    needles
}

/// A tree of threes, mirrored once; then a child of its root has a name that nobody else has.
async fn mirrored_and_renamed(levels: usize, more: &str) -> (CapillarySim, Case, PgPool, i64) {
    let vendor = capillary_of(&[Shape::even(3, levels)]).await;
    let case = Case::new().await.customers(&vendor, more);
    let pool = case.pool().await;
    case.complete().await;
    let head = {
        let mut world = vendor.world();
        let head = world.children(world.roots()[0])[1];
        world.rename(head, "Zebulon", Stamp::Bump);
        head
    };
    (vendor, case, pool, head)
}

async fn forgets(case: &Case, source: &str, id: impl ToString) {
    let ended = Program::of(case).run(&["forget", source, &id.to_string()]).await;
    assert!(ended.code == 0 && ended.out.contains("is forgotten"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_is_forgotten_is_nowhere_now_and_after_three_more_walks() {
    let (vendor, case, pool, head) = mirrored_and_renamed(3, "retire_guard = 1.0").await;
    case.complete().await;
    // Versions, changes and a finding about it, too.
    vendor.world().rename(head, "Zachariah", Stamp::Keep);
    case.complete().await;
    let mut all = needles(&vendor, &pool, head).await;
    all.push("Zebulon".into());
    assert!(found(&pool, &all).await.len() > 8);
    let place = "select jsonb_build_array(parent_id, children, descendants) from hiersync.customer_place where customer_id = ";
    let place = |id: i64| AssertSqlSafe(format!("{place}{id}"));
    let before: serde_json::Value = sqlx::query_scalar(place(head)).fetch_one(&pool).await.unwrap();

    forgets(&case, "customers", head).await;
    assert_eq!(found(&pool, &all).await, Vec::<String>::new());
    let quiet = places(&pool).await;
    case.complete().await;
    assert_eq!(places(&pool).await, quiet, "a forgotten person costs a walk nothing");
    // The vendor goes on as before, and the list of the forgotten one, too.
    let new = {
        let mut world = vendor.world();
        world.rename(head, "Zephaniah", Stamp::Bump);
        world.insert(head, Place::Last)
    };
    all.push("Zephaniah".into());
    for walk in 0..2 {
        case.complete().await;
        assert_eq!(found(&pool, &all).await, Vec::<String>::new(), "walk {walk}");
    }
    let after: serde_json::Value = sqlx::query_scalar(place(head)).fetch_one(&pool).await.unwrap();
    assert_eq!(after, json!([before[0], 4, 13]), "its node stands, and its list is read: {new} is in it");
    assert!(settled::faults(&pool).await.is_empty());
    let nameless = "select count(*) from hiersync_bi.customer where is_forgotten and is_live and not has_identifier and not has_mobile";
    assert_eq!(count(&pool, nameless).await, 1);
    // Who goes and comes back is still forgotten.
    let world = vendor.world().clone();
    vendor.world().delete(head);
    case.complete().await;
    *vendor.world() = world;
    case.complete().await;
    assert_eq!((found(&pool, &all).await, count(&pool, nameless).await), (Vec::new(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_after_any_call_of_a_walk_is_not_brought_back_and_the_walk_is_none_the_worse() {
    for calls in 1..8 {
        // Full pages that a count has ended are looked at once more.
        let (vendor, case, pool, head) = mirrored_and_renamed(2, "page_size = 3\nconcurrency = 1").await;
        case.sync_with(with_calls(calls)).await;
        let all = needles(&vendor, &pool, head).await;
        forgets(&case, "customers", head).await;
        vendor.world().insert(head, Place::First);
        while case.sync_with(with_calls(2)).await.outcome == Outcome::Stopped {}
        case.complete().await;
        assert_eq!(found(&pool, &all).await, Vec::<String>::new(), "after {calls} calls");
        assert_eq!(count(&pool, "select count(*) from hiersync.customer_place").await, 14);
        assert_eq!(count(&pool, "select count(*) from hiersync.finding").await, 0, "after {calls} calls");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_forgotten_while_the_search_is_read_stays_in_the_tree() {
    for calls in 1..4 {
        let mut world = LeadSquaredWorld::new(91, Flavour::PLAIN);
        world.plant(&Shape::even(3, 2));
        let vendor = LeadSquaredSim::start(world, LeadSquaredSettings::default()).await.unwrap();
        let case = Case::new().await.users(&vendor, "edges = \"advanced_search\"\nretire_guard = 1.0");
        let pool = case.pool().await;
        case.complete().await;
        let (leaf, low) = {
            let mut world = vendor.world();
            let head = world.reports(world.roots()[0])[0];
            let leaf = world.reports(head)[0];
            world.rename(leaf, "Zebulon Quartz", Stamp::Bump);
            (leaf, world.insert(leaf, Place::Last))
        };
        case.sync_with(with_calls(calls)).await;
        forgets(&case, "sales", leaf).await;
        case.complete().await;
        assert_eq!(found(&pool, &["Quartz".to_owned()]).await, Vec::<String>::new(), "after {calls} calls");
        let lives = "select count(*) from hiersync.reporting_place where user_id = any($1)";
        let lives: i64 = sqlx::query_scalar(lives).bind([leaf, low]).fetch_one(&pool).await.unwrap();
        assert_eq!((lives, count(&pool, "select count(*) from hiersync.change where op = 'retire'").await), (2, 0), "after {calls} calls");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_between_mark_and_erasure_leaves_it_to_the_next_walk() {
    let (vendor, case, pool, head) = mirrored_and_renamed(2, "").await;
    case.complete().await;
    let all = needles(&vendor, &pool, head).await;
    let mark = "update hiersync.customer set forgotten_at = now() where customer_id = $1";
    sqlx::query(mark).bind(head).execute(&pool).await.unwrap();
    sqlx::query("insert into hiersync_internal.forgetting (source_id, node_key) values (1, $1::bigint::text)")
        .bind(head)
        .execute(&pool)
        .await
        .unwrap();
    case.complete().await;
    assert_eq!(found(&pool, &all).await, Vec::<String>::new());
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.forgetting").await, 0);
}

/// A page that has read its rows when somebody is marked is waited for, though it has written nothing yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_under_way_is_waited_for() {
    let vendor = capillary_of(&[Shape::even(3, 2)]).await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    case.complete().await;
    let leaf = {
        let world = vendor.world();
        *world.below(world.roots()[0]).last().unwrap()
    };
    let app = case.app().await;
    let mut page = app.begin().await.unwrap();
    hiersync::store::run::clock(&mut page.conn()).await.unwrap();
    let program = Program::of(&case);
    let forgetting = Running::start(&program, &["forget", "customers", &leaf.to_string()]);
    until("it is marked", seconds(10), async || count(&pool, "select count(*) from hiersync_internal.forgetting").await == 1).await;
    tokio::time::sleep(millis(700)).await;
    assert_eq!(count(&pool, "select count(*) from hiersync.customer where forgotten_at is not null and first_name is not null").await, 1);
    let write = "update hiersync.customer set first_name = 'Zebulon' where customer_id = $1";
    sqlx::query(write).bind(leaf).execute(&mut page.conn()).await.unwrap();
    page.commit().await.unwrap();
    app.close().await;
    let ended = forgetting.end(seconds(10)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(found(&pool, &["Zebulon".to_owned()]).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_root_of_two_identifiers_in_a_source_that_is_configured_no_more_is_forgotten() {
    let vendor = capillary_of(&[Shape::list(3), Shape::list(2)]).await;
    let ids = {
        let world = vendor.world();
        let root = world.roots()[0];
        ["mobile", "externalId"].map(|kind| (kind, world.identifier(root, &[kind]).unwrap().1))
    };
    let roots: Vec<(&str, &str)> = ids.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
    let case = Case::new().await.customers_as("customers", &vendor, &roots, "");
    case.complete().await;
    let (pool, root) = (case.pool().await, vendor.world().roots()[0]);
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.root").await, 2);
    let other = Case::at(&case.url).customers_of_root("others", &vendor, 1, "");
    forgets(&other, "customers", root).await;
    let needles: Vec<String> = ids.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(found(&pool, &needles).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_in_a_walk_that_nobody_ends_is_nowhere() {
    let (vendor, case, pool, head) = mirrored_and_renamed(3, "concurrency = 1").await;
    case.complete().await;
    let needles = needles(&vendor, &pool, head).await;
    // The lists of the root's children are queued, and that of the first is read.
    let stopped = case.sync_with(with_calls(3)).await;
    assert_eq!(stopped.outcome, Outcome::Stopped);
    let waits = "select count(*) from hiersync_internal.frontier f join hiersync_internal.walk w using (source_id, walk_id)
                 where w.finished_at is null and f.ask_value is not null and f.state = 'queued'";
    assert!(count(&pool, waits).await > 0);
    let other = Case::at(&case.url).customers_of_root("others", &vendor, 0, "");
    forgets(&other, "customers", head).await;
    assert_eq!(found(&pool, &needles).await, Vec::<String>::new());
    // Named again, its walk goes on.
    let run = case.sync_with(WANTED).await;
    assert!(matches!(run.outcome, Outcome::Partial | Outcome::Complete), "{}", run.outcome);
    case.complete().await;
    assert_eq!(found(&pool, &needles).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_managers_name_does_not_wait_beside_the_mirror() {
    let mut world = LeadSquaredWorld::new(91, Flavour::PLAIN);
    world.plant(&Shape::even(3, 2));
    let settings = LeadSquaredSettings { search_cap: 5, ..LeadSquaredSettings::default() };
    let vendor: LeadSquaredSim = LeadSquaredSim::start(world, settings).await.unwrap();
    let case = Case::new().await.users(&vendor, "edges = \"advanced_search\"\nconcurrency = 1");
    let pool = case.pool().await;
    case.complete().await;
    let head = {
        let mut world = vendor.world();
        let head = world.reports(world.roots()[0])[0];
        world.rename(head, "Zebulon Quartz", Stamp::Bump);
        for report in world.reports(head).to_vec() {
            world.rename(report, "Other", Stamp::Bump);
        }
        head
    };
    assert_eq!(case.sync_with(with_calls(2)).await.outcome, Outcome::Stopped);
    // As accounts send it whose search shows names.
    let named = "update hiersync_internal.staged_user set content = jsonb_set(content, '{extra,ManagerName}', '\"Zebulon Quartz\"')
                 where manager_id = $1";
    assert!(sqlx::query(named).bind(head).execute(&pool).await.unwrap().rows_affected() > 0);
    forgets(&case, "sales", head).await;
    assert_eq!(found(&pool, &["Quartz".to_owned()]).await, Vec::<String>::new());
}

async fn users(way: &str, settings: LeadSquaredSettings) {
    let mut world = LeadSquaredWorld::new(91, Flavour::PLAIN);
    world.plant(&Shape::even(3, 2));
    let vendor: LeadSquaredSim = LeadSquaredSim::start(world, settings).await.unwrap();
    let case = Case::new().await.users(&vendor, way);
    let pool = case.pool().await;
    case.complete().await;
    let head = {
        let mut world = vendor.world();
        let head = world.reports(world.roots()[0])[0];
        world.rename(head, "Zebulon Quartz", Stamp::Bump);
        head
    };
    case.complete().await;
    let known = "select jsonb_build_array(name, email, mobile, digest) from hiersync.reporting_user where user_id = $1";
    let known: serde_json::Value = sqlx::query_scalar(known).bind(head).fetch_one(&pool).await.unwrap();
    let mut all: Vec<String> = known.as_array().unwrap().iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
    assert!(all.len() > 2 && found(&pool, &all).await.len() > 4, "{all:?}");
    forgets(&case, "sales", head).await;
    assert_eq!(found(&pool, &all).await, Vec::<String>::new(), "{way}");
    {
        let mut world = vendor.world();
        world.rename(head, "Zachariah Quartz", Stamp::Bump);
        let report = world.reports(head)[0];
        world.rename(report, "Other", Stamp::Bump);
    }
    all.push("Quartz".into());
    for walk in 0..3 {
        case.complete().await;
        assert_eq!(found(&pool, &all).await, Vec::<String>::new(), "{way}, walk {walk}");
    }
    assert_eq!(count(&pool, "select count(*) from hiersync_bi.reporting_user where is_forgotten and is_live").await, 1);
    assert_eq!(count(&pool, "select count(*) from hiersync.reporting_place").await, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_forgotten_is_nowhere_however_users_are_read() {
    users("", LeadSquaredSettings::default()).await;
    users("columns = [\"ManagerUserId\", \"ManagerName\"]", LeadSquaredSettings::default()).await;
    users("columns = [\"ManagerName\"]", LeadSquaredSettings::default()).await;
    users("edges = \"advanced_search\"", LeadSquaredSettings::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_for_long_is_forgotten_where_the_config_says_so() {
    let vendor = capillary_of(&[Shape::even(3, 2)]).await;
    let case = Case::new().await.customers(&vendor, "forget_retired_after = \"90d\"");
    let pool = case.pool().await;
    case.complete().await;
    let (long, short) = {
        let world = vendor.world();
        let heads = world.children(world.roots()[0]).to_vec();
        (world.children(heads[0])[0], world.children(heads[1])[0])
    };
    let (all, kept) = (needles(&vendor, &pool, long).await, needles(&vendor, &pool, short).await);
    vendor.world().delete(long);
    vendor.world().delete(short);
    case.complete().await;
    let aged = "update hiersync.customer set retired_at = retired_at - interval '91 days' where customer_id = $1";
    sqlx::query(aged).bind(long).execute(&pool).await.unwrap();
    case.complete().await;
    assert_eq!(found(&pool, &all).await, Vec::<String>::new());
    assert_eq!(count(&pool, "select count(*) from hiersync.customer where forgotten_at is not null").await, 1);
    assert!(!found(&pool, &kept).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_forgotten_is_usage() {
    let vendor = capillary_of(&[Shape::list(3)]).await;
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    let program = Program::of(&case);
    let root = vendor.world().roots()[0].to_string();
    for (args, words) in [
        (["forget", "customers", &root], "take it out of `roots` first"),
        (["forget", "customers", "12"], "customers has no node 12"),
        (["forget", "customers", "jane"], "customers has no node jane"),
        (["forget", "nobody", "12"], "nobody"),
    ] {
        let ended = program.run(&args).await;
        assert!(ended.code == 64 && ended.err.contains(words), "{args:?}: {ended:?}");
    }
}
