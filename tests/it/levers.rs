//! What a person does beside the timetable: reads nodes now, stops a schedule and goes on with it, keeps a walk small.

use hiersync::{
    model::run::Outcome,
    simulator::{
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        door::Latency,
        forest::Place,
        shape::{Shape, Tree},
    },
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED, with_calls},
    program::{Ended, Program},
    running::Running,
    settled,
    tables::{assert_customers, count, customers_now, findings, places},
    until::{millis, seconds, until},
    vendors::{capillary, capillary_of, leadsquared},
};

/// The root, its children, and three levels below the first of them.
async fn family() -> (CapillarySim, i64, Vec<i64>, Vec<i64>) {
    let mut world = CapillaryWorld::new(91, Flavour::PLAIN);
    let root = world.plant(&Shape::list(3));
    let children = world.children(root).to_vec();
    let mut below = vec![children[0]];
    for _ in 0..3 {
        let last = *below.last().unwrap();
        let next = world.insert(last, Place::Last);
        world.insert(last, Place::Last);
        below.push(next);
    }
    (CapillarySim::start(world, CapillarySettings::default()).await.unwrap(), root, children, below)
}

/// Changes the vendor's world.
fn changed<T>(vendor: &CapillarySim, change: impl FnOnce(&mut CapillaryWorld) -> T) -> T {
    change(&mut vendor.world())
}

async fn refreshed(program: &Program, args: &[&str]) -> (Ended, Value) {
    let args: Vec<&str> = ["refresh", "customers", "--json"].into_iter().chain(args.iter().copied()).collect();
    let ended = program.run(&args).await;
    let told = serde_json::from_str(&ended.out).unwrap_or(Value::Null);
    (ended, told)
}

/// What the refresh has told of nodes and links: operation and key.
fn changes(told: &Value) -> Vec<String> {
    let told = told["changes"].as_array().into_iter().flatten();
    let mut changes: Vec<String> = told
        .map(|change| {
            format!("{} {} {}", change["op"].as_str().unwrap(), change["entity"].as_str().unwrap(), change["key"].as_str().unwrap())
        })
        .collect();
    changes.sort();
    changes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_reads_a_node_and_its_lists_and_nothing_else() {
    let (vendor, _, children, below) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    vendor.door().clear_log();
    let new = changed(&vendor, |world| {
        world.rename(below[1], "Renamed", Stamp::Bump);
        world.rename(below[3], "Not asked for", Stamp::Bump);
        world.insert(below[1], Place::Last)
    });
    let node = below[1].to_string();
    let (ended, told) = refreshed(&program, &[&node]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let wanted = [format!("insert customer {new}"), format!("insert customer_link {node}/{new}"), format!("update customer {node}")];
    assert_eq!(changes(&told), wanted);
    // The list that shows it, and its own with what may follow a page of the longest length.
    assert_eq!((vendor.door().calls(), told["runs"][0]["requests"].as_i64()), (3, Some(3)));
    assert_eq!(told["runs"][0]["outcome"], "complete");
    assert_eq!(told["is_proven"], true);
    // It is in the settled tree, and the last complete walk is the same as before.
    assert_eq!(settled::faults(&pool).await, Vec::<String>::new());
    let placed = "select count(*) from hiersync.customer_tree t join hiersync.customer_link l on l.child_id = t.customer_id";
    assert_eq!(count(&pool, placed).await, count(&pool, "select count(*) from hiersync.customer_link where retired_at is null").await);
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.walk").await, 1);
    assert_eq!(count(&pool, "select last_run_id from hiersync.source_health").await, 1, "a refresh is no sync");
    // The next walk finds what was not asked for, and nothing twice.
    let run = case.complete().await;
    assert_eq!((run.inserted, run.updated), (0, 1));
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(children.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_with_everything_below_reads_all_of_it() {
    let (vendor, _, children, below) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    let far = changed(&vendor, |world| {
        world.rename(below[3], "Far below", Stamp::Bump);
        let far = world.insert(below[3], Place::Last);
        world.insert(far, Place::Last)
    });
    vendor.door().clear_log();
    let node = children[0].to_string();
    let (ended, told) = refreshed(&program, &[&node, "--below"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(changes(&told).len(), 5, "{told}");
    assert!(changes(&told).contains(&format!("insert customer {far}")), "{told}");
    // Lists of the root, and of those in the line below it: the last two have come with the refresh, and one of them has a page of the longest
    // length.
    assert_eq!(vendor.door().calls(), 7);
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(settled::faults(&pool).await, Vec::<String>::new());
    let mut wrong = count(&pool, "select count(*) from hiersync_internal.frontier where wanted is not null or state <> 'read'").await;
    wrong += count(&pool, "select count(*) from hiersync_internal.refresh where done_at is null").await;
    assert_eq!(wrong, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_retires_only_the_links_that_its_lists_disprove() {
    let (vendor, _, children, below) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    // One has moved, with all below; one is gone.
    let gone = changed(&vendor, |world| {
        world.move_to(below[2], children[2], Place::Last, Stamp::Bump);
        let gone = *world.children(below[1]).iter().find(|child| **child != below[2]).unwrap();
        world.delete(gone);
        gone
    });
    let (ended, told) = refreshed(&program, &[&below[1].to_string()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut retired = vec![format!("retire customer_link {}/{}", below[1], below[2]), format!("retire customer_link {}/{gone}", below[1])];
    retired.sort();
    assert_eq!(changes(&told), retired);
    assert_eq!(
        count(&pool, "select count(*) from hiersync.customer where retired_at is not null").await,
        0,
        "no list proves that of a node"
    );
    // Where it is now tells its list.
    let (ended, told) = refreshed(&program, &[&children[2].to_string()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(changes(&told), [format!("insert customer_link {}/{}", children[2], below[2])]);
    assert_eq!(settled::faults(&pool).await, Vec::<String>::new());
    let run = case.complete().await;
    assert_eq!((run.inserted, run.retired, run.restored), (0, 1, 0));
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(settled::faults(&pool).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_up_in_a_refreshed_list_leaves_the_list_that_holds_them_no_more() {
    let (vendor, _, children, below) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    changed(&vendor, |world| world.move_to(below[2], children[2], Place::Last, Stamp::Bump));
    let (ended, told) = refreshed(&program, &[&children[2].to_string()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let moved = [
        format!("insert customer_link {}/{}", children[2], below[2]),
        format!("retire customer_link {}/{}", below[1], below[2]),
        format!("update customer {}", below[2]),
    ];
    let told: Vec<String> = changes(&told).into_iter().filter(|change| !change.starts_with("update")).collect();
    assert_eq!(told, moved[..2]);
    let moves = "select count(*) from hiersync.customer_move";
    assert_eq!(count(&pool, moves).await, 1);
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(settled::faults(&pool).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_of_the_root_reads_its_own_row() {
    let (vendor, root, ..) = family().await;
    vendor.settings().own_row = true;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case);
    case.complete().await;
    changed(&vendor, |world| world.rename(root, "Renamed", Stamp::Bump));
    let (ended, told) = refreshed(&program, &[&root.to_string()]).await;
    assert_eq!((ended.code, changes(&told)), (0, vec![format!("update customer {root}")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_while_a_run_is_going_on_is_read_next_by_its_walk() {
    // A root, twenty below it, and three below each of those: the last one's list is read last.
    let mut world = CapillaryWorld::new(92, Flavour::PLAIN);
    let root = world.plant(&Shape::list(20));
    for parent in world.children(root).to_vec() {
        for _ in 0..3 {
            world.insert(parent, Place::Last);
        }
    }
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    let last: i64 = sqlx::query_scalar("select parent_key::bigint from hiersync_internal.frontier order by list_no desc limit 1")
        .fetch_one(&pool)
        .await
        .unwrap();
    let new = changed(&vendor, |world| world.insert(last, Place::Last));
    vendor.door().set_latency(Latency::Fixed(millis(1000)));
    let sync = Running::start(&program, &["sync"]);
    until("a run is going on", seconds(20), async || {
        count(&pool, "select coalesce(sum(pages), 0)::bigint from hiersync.sync_run where run_id = 2").await >= 2
    })
    .await;
    let (ended, told) = refreshed(&program, &[&last.to_string()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("its walk reads them next"), "{ended:?}");
    assert!(changes(&told).contains(&format!("insert customer {new}")), "{told}");
    let is_running = "select count(*) from hiersync.sync_run where outcome is null and pages < 16";
    assert_eq!(count(&pool, is_running).await, 1, "the walk goes on");
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 2, "it was that run");
    vendor.door().set_latency(Latency::Fixed(millis(0)));
    assert_eq!(sync.end(seconds(30)).await.code, 0);
    assert_customers(&pool, &customers_now(&vendor)).await;
    let counted =
        "select (inserted + updated + unchanged) - (select count(*) from hiersync.customer) from hiersync.sync_run where run_id = 2";
    assert_eq!(count(&pool, counted).await, 0, "each node is counted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_between_two_runs_of_a_walk_leaves_the_walk_as_it_is() {
    let (vendor, _, _, below) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    case.sync_with(with_calls(3)).await;
    changed(&vendor, |world| world.rename(below[2], "Renamed", Stamp::Bump));
    vendor.door().clear_log();
    let (ended, told) = refreshed(&program, &[&below[2].to_string()]).await;
    assert_eq!((ended.code, changes(&told)), (0, vec![format!("update customer {}", below[2])]));
    assert_eq!(vendor.door().calls(), 2);
    let open = "select count(*) from hiersync_internal.walk where finished_at is null";
    assert_eq!(count(&pool, open).await, 1, "the walk goes on");
    case.complete().await;
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.walk").await, 2);
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_in_an_open_walk_settles_a_list_that_has_grown_or_shrunk_and_asks_twice_before_somebody_has_left() {
    let (vendor, root, children, below) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 4");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    // The root's list is read, of which nobody says how long it is.
    case.sync_with(with_calls(3)).await;
    let new = changed(&vendor, |world| {
        world.unlink(root, children[1]);
        world.insert(below[1], Place::Last)
    });
    let (ended, told) = refreshed(&program, &[&children[0].to_string(), &below[1].to_string()]).await;
    assert_eq!((ended.code, told["is_proven"].as_bool()), (0, Some(true)), "{ended:?}");
    assert!(changes(&told).contains(&format!("insert customer {new}")), "{told}");
    assert!(changes(&told).contains(&format!("retire customer_link {root}/{}", children[1])), "{told}");
    // One answer that lacks somebody proves nothing: the vendor shows them again.
    let child = children[2];
    changed(&vendor, |world| world.unlink(root, child));
    let mut calls = 0;
    vendor.before_each(move |world| {
        calls += 1;
        if calls == 2 {
            world.link(root, child, Place::Last);
        }
    });
    let (ended, told) = refreshed(&program, &[&children[0].to_string()]).await;
    vendor.rest();
    assert!(!changes(&told).contains(&format!("retire customer_link {root}/{child}")), "{ended:?}");
    case.complete().await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(settled::faults(&pool).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_that_lacks_somebody_retires_nobody_in_a_refresh_of_an_open_walk() {
    let vendor = leadsquared(30).await;
    let case = Case::new().await.users(&vendor, "reach = \"direct\"\nconcurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    // The root's list is read.
    case.sync_with(with_calls(3)).await;
    let root = vendor.world().roots()[0];
    let last = *vendor.world().reports(root).last().unwrap();
    let told = vendor.world().clone();
    vendor.world().delete(last);
    // The root's own row, the list, and the list once more.
    let mut calls = 0;
    vendor.before_each(move |world| {
        calls += 1;
        if calls == 3 {
            *world = told.clone();
        }
    });
    let ended = program.run(&["refresh", "sales", &root.to_string()]).await;
    vendor.rest();
    assert!(!ended.out.contains("retire"), "{ended:?}");
    case.complete().await;
    assert_eq!(count(&pool, "select count(*) from hiersync.reporting_user where retired_at is not null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firing_that_meets_a_refresh_of_another_process_is_served_after_it() {
    let (vendor, root, ..) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1\nschedule = \"0 0 1 1 *\"");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    // Clocks of two machines differ by half a second: a walk that has ended so lately would be taken for the one that was cut short.
    tokio::time::sleep(seconds(1)).await;
    case.sync_with(with_calls(2)).await;
    vendor.door().set_latency(Latency::Fixed(millis(700)));
    let refresh = Running::start(&program, &["refresh", "customers", &root.to_string(), "--below"]);
    until("it reads", seconds(10), async || count(&pool, "select count(*) from hiersync.sync_run where outcome is null").await == 1).await;
    // The walk that was cut short is to go on at once.
    let daemon = Running::start(&program, &["daemon"]);
    daemon.says("another process is syncing it", seconds(10)).await;
    vendor.door().set_latency(Latency::Fixed(millis(0)));
    assert_eq!(refresh.end(seconds(20)).await.code, 0);
    let walks = "select count(*) from hiersync.sync_run where outcome = 'complete' and not is_refresh";
    until("the walk goes on", seconds(15), async || count(&pool, walks).await == 2).await;
    assert_eq!(daemon.stop("-TERM", seconds(15)).await.0.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_killed_is_served_by_the_next_run() {
    let (vendor, _, children, below) = family().await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    changed(&vendor, |world| world.rename(below[3], "Renamed", Stamp::Bump));
    vendor.door().set_latency(Latency::Fixed(millis(300)));
    let node = children[0].to_string();
    let refresh = Running::start(&program, &["refresh", "customers", &node, "--below"]);
    until("it has begun", seconds(20), async || {
        count(&pool, "select coalesce(max(pages), 0) from hiersync.sync_run where is_refresh").await > 0
    })
    .await;
    refresh.kill().await;
    vendor.door().set_latency(Latency::Fixed(millis(0)));
    case.complete().await;
    assert_eq!(count(&pool, "select sum(updated)::bigint from hiersync.sync_run").await, 1);
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.refresh where done_at is null").await, 0);
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_whose_lists_hold_everybody_are_refreshed_by_a_whole_walk() {
    let vendor = leadsquared(20).await;
    let case = Case::new().await.users(&vendor, "");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    let user: String = sqlx::query_scalar("select max(user_id::text) from hiersync.reporting_user").fetch_one(&pool).await.unwrap();
    let ended = program.run(&["refresh", "sales", &user.to_uppercase()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("sales: nothing has changed"), "{ended:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.refresh where is_proven").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_there_is_a_usage_error_and_costs_no_call() {
    let vendor = capillary(5).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case);
    let before = program.run(&["refresh", "customers", "7"]).await;
    assert_eq!(before.code, 64, "{before:?}");
    assert!(before.err.contains("customers has no live node 7"), "{before:?}");
    case.complete().await;
    vendor.door().clear_log();
    assert_eq!(program.run(&["refresh", "customers", "7", "no-id"]).await.code, 64);
    assert_eq!(program.run(&["refresh", "nobody", "7"]).await.code, 64);
    assert_eq!(vendor.door().calls(), 0);
}

async fn paused_at(pool: &PgPool) -> Option<chrono::DateTime<chrono::Utc>> {
    sqlx::query_scalar("select paused_at from hiersync.source").fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_the_run_under_way_and_the_schedule_until_it_is_resumed() {
    let vendor = capillary(60).await;
    let case = Case::new().await.customers(&vendor, "concurrency = 1\npage_size = 2\nschedule = \"*/2 * * * * *\"");
    let (program, pool) = (Program::of(&case), case.pool().await);
    vendor.door().set_latency(Latency::Fixed(millis(300)));
    let daemon = Running::start(&program, &["daemon"]);
    until("a run is under way", seconds(20), async || count(&pool, "select coalesce(max(pages), 0) from hiersync.sync_run").await > 2)
        .await;
    let paused = program.run(&["pause", "customers"]).await;
    assert_eq!(paused.code, 0, "{paused:?}");
    assert!(paused.out.contains("customers: paused since 20"), "{paused:?}");
    until("it has stopped", seconds(10), async || {
        count(&pool, "select count(*) from hiersync.sync_run where outcome = 'stopped'").await == 1
    })
    .await;
    let since = paused_at(&pool).await.unwrap();
    assert_eq!(program.run(&["pause", "customers"]).await.code, 0);
    assert_eq!(paused_at(&pool).await, Some(since), "it is paused since then");
    vendor.door().set_latency(Latency::Fixed(millis(0)));
    let (calls, status) = (vendor.door().calls(), program.run(&["status"]).await);
    assert!(status.out.contains("paused since") && status.out.contains("hiersync resume customers"), "{}", status.out);
    // Three firings come and go.
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(vendor.door().calls(), calls, "{}", daemon.err());
    // A person may sync it all the same.
    assert_eq!(case.sync_with(with_calls(2)).await.outcome, Outcome::Stopped);
    let resumed = program.run(&["resume", "customers"]).await;
    assert!(resumed.code == 0 && resumed.out.contains("customers: resumed; next due at"), "{resumed:?}");
    until("the walk is done", seconds(15), async || {
        count(&pool, "select count(*) from hiersync.sync_run where outcome = 'complete'").await > 0
    })
    .await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    let again = program.run(&["resume", "customers"]).await;
    assert!(again.out.contains("was not paused"), "{again:?}");
    assert_eq!(daemon.stop("-TERM", seconds(15)).await.0.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_starts_while_a_source_is_paused_leaves_it_alone_and_makes_up_for_it_after() {
    let vendor = capillary(10).await;
    // Once a year: within a test it has always fired and never fires.
    let case = Case::new().await.customers(&vendor, "schedule = \"0 0 1 1 *\"");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.sync_with(with_calls(2)).await;
    assert_eq!(program.run(&["pause", "customers"]).await.code, 0);
    let daemon = Running::start(&program, &["daemon"]);
    daemon.says("it is due, and paused", seconds(15)).await;
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 1);
    assert_eq!(program.run(&["resume", "customers"]).await.code, 0);
    until("it is made up for", seconds(15), async || {
        count(&pool, "select count(*) from hiersync.sync_run where outcome = 'complete'").await == 1
    })
    .await;
    assert_eq!(daemon.stop("-TERM", seconds(15)).await.0.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_meets_more_nodes_than_allowed_takes_no_further_ones() {
    let vendor = capillary_of(&[Tree { nodes: 199, levels: 4, seed: 8 }.shape()]).await;
    let case = Case::new().await.customers(&vendor, "max_nodes = 50\npage_size = 5");
    let (program, pool) = (Program::of(&case), case.pool().await);
    // In two runs: what the first has met counts.
    case.sync_with(with_calls(8)).await;
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.out.contains("max_nodes customers: this walk has met more than max_nodes = 50 nodes"), "{}", ended.out);
    assert_eq!(count(&pool, "select count(*) from hiersync.customer").await, 50);
    assert!(vendor.door().calls() < 40, "{} calls", vendor.door().calls());
    assert!(findings(&pool).await.contains(&("max_nodes".to_owned(), "customers".to_owned())));
    assert_eq!(settled::faults(&pool).await, Vec::<String>::new());
    // With room for all it is complete, and the finding is resolved.
    let case = case.with_key("max_nodes = 50", "max_nodes = 200");
    case.complete().await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(findings(&pool).await, Vec::new());
    assert!(!places(&pool).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_has_met_more_than_allowed_is_not_complete_after_a_crash_at_its_end_either() {
    // Whoever is last in the list that is read last is not taken. With that, all lists are read.
    let vendor = capillary_of(&[Shape::even(2, 2)]).await;
    let case = Case::new().await.customers(&vendor, "max_nodes = 6\nconcurrency = 1");
    let pool = case.pool().await;
    let killed = Program::of(&case).with("FAILPOINTS", "closing=return").run(&["sync"]).await;
    assert_eq!(killed.code, -1, "{killed:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.frontier where state <> 'read'").await, 0);
    let ended = Program::of(&case).run(&["sync"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!((count(&pool, "select count(*) from hiersync.customer").await, findings(&pool).await[0].0.as_str()), (6, "max_nodes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_counts_only_who_is_new_against_the_most_nodes() {
    let (vendor, root, _, below) = family().await;
    let case = Case::new().await.customers(&vendor, "max_nodes = 11");
    let (program, pool) = (Program::of(&case), case.pool().await);
    case.complete().await;
    assert_eq!(count(&pool, "select count(*) from hiersync.customer").await, 10);
    changed(&vendor, |world| world.insert(below[2], Place::Last));
    assert_eq!(refreshed(&program, &[&root.to_string(), "--below"]).await.0.code, 0);
    assert_eq!(findings(&pool).await, Vec::new());
    changed(&vendor, |world| world.insert(below[2], Place::Last));
    assert_eq!(refreshed(&program, &[&root.to_string(), "--below"]).await.0.code, 3);
    assert_eq!(count(&pool, "select count(*) from hiersync.customer").await, 11);
    assert_eq!(findings(&pool).await[0].0, "max_nodes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_more_users_below_the_roots_than_allowed_is_not_taken_in() {
    let vendor = leadsquared(30).await;
    let case = Case::new().await.users(&vendor, "edges = \"advanced_search\"\nmax_nodes = 20");
    let pool = case.pool().await;
    let report = case.sync_with(WANTED).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(count(&pool, "select count(*) from hiersync.reporting_user").await <= 20);
    assert_eq!(json!(findings(&pool).await)[0][0], "max_nodes");
    let case = case.with_key("max_nodes = 20", "max_nodes = 31");
    case.complete().await;
    assert_eq!(count(&pool, "select count(*) from hiersync.reporting_user").await, 31);
}
