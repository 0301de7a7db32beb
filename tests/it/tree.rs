//! `hiersync tree`: what it draws, as it stands and as it stood, and what it refuses.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use chrono::{DateTime, SecondsFormat, Utc};
use hiersync::simulator::{
    capillary::{CapillarySim, world::CapillaryWorld},
    change::Stamp,
    forest::Place,
    shape::Shape,
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{
    case::Case,
    program::{Ended, Program},
    vendors::{capillary, capillary_of, leadsquared},
};

fn drew(ended: Ended) -> String {
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    ended.out
}

fn refused(ended: Ended, words: &[&str]) {
    assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{ended:?}");
    for word in words {
        assert!(ended.err.contains(word), "{word:?} is not in: {}", ended.err);
    }
}

async fn now(pool: &PgPool) -> DateTime<Utc> {
    sqlx::query_scalar("select clock_timestamp()").fetch_one(pool).await.unwrap()
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn root(vendor: &CapillarySim) -> i64 {
    vendor.world().roots()[0]
}

/// The children of a customer, as the tree has them: by name.
fn children(world: &CapillaryWorld, of: i64) -> Vec<i64> {
    let mut children = world.children(of).to_vec();
    children.sort_by_key(|id| by_name(world, *id));
    children
}

fn by_name(world: &CapillaryWorld, id: i64) -> (String, i64) {
    let line = named(world, id);
    (line.split_once(' ').unwrap().1.to_owned(), id)
}

fn named(world: &CapillaryWorld, id: i64) -> String {
    let profile = &world.customer(id).unwrap().profiles[0];
    let name: Vec<&str> = [&profile.first_name, &profile.last_name].into_iter().filter_map(|part| part.as_deref()).collect();
    format!("{id} {}", if name.is_empty() { "(not named)".into() } else { name.join(" ") })
}

/// What is to be drawn below a customer, whole.
fn below(world: &CapillaryWorld, of: i64, indent: &str) -> String {
    let children = children(world, of);
    let drawn = children.iter().enumerate().map(|(place, &id)| {
        let (branch, deeper) = if place + 1 == children.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
        format!("{indent}{branch}{}\n{}", named(world, id), below(world, id, &format!("{indent}{deeper}")))
    });
    drawn.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_drawn_from_its_roots_or_from_a_node() {
    let vendor = capillary_of(&[Shape::even(3, 3)]).await;
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    let program = Program::of(&case);
    let (root, head, whole, part) = {
        let world = vendor.world();
        let root = world.roots()[0];
        let head = children(&world, root)[1];
        let whole = format!("{root} (not named) [placeholder]\n{}", below(&world, root, ""));
        (root, head, whole, format!("{}\n{}", named(&world, head), below(&world, head, "")))
    };
    assert_eq!(drew(program.run(&["tree", "customers"]).await), whole);
    assert_eq!(drew(program.run(&["tree", "customers", &root.to_string(), "--depth", "99"]).await), whole);
    assert_eq!(drew(program.run(&["tree", "customers", &head.to_string()]).await), part);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_depth_cuts_it_says_how_many_are_below() {
    let vendor = capillary_of(&[Shape::even(3, 3)]).await;
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    let program = Program::of(&case);
    let (root, lines) = {
        let world = vendor.world();
        let ids = children(&world, world.roots()[0]);
        (world.roots()[0], ids.iter().map(|&id| format!("── {} [12 more below]", named(&world, id))).collect::<Vec<_>>())
    };
    let more =
        |below: u32, depth: u32| format!("\n{below} more below a depth of {depth}: --depth shows more, and NODE a part of the tree\n");
    let drawn = drew(program.run(&["tree", "customers", "--depth", "1"]).await);
    let expected = format!("{root} (not named) [placeholder]\n├{}\n├{}\n└{}\n{}", lines[0], lines[1], lines[2], more(36, 1));
    assert_eq!(drawn, expected);
    let drawn = drew(program.run(&["tree", "customers", "--depth", "0"]).await);
    assert_eq!(drawn, format!("{root} (not named) [placeholder] [39 more below]\n{}", more(39, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_is_shown_and_not_followed() {
    let vendor = capillary_of(&[Shape::chain(4)]).await;
    let top = root(&vendor);
    let ids = vendor.world().below(top);
    vendor.world().link(ids[3], ids[1], Place::Last);
    vendor.world().link(ids[3], ids[3], Place::Last);
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    let program = Program::of(&case);
    let drawn = drew(program.run(&["tree", "customers", &ids[1].to_string(), "--live"]).await);
    let expected = {
        let world = vendor.world();
        let line = |id: i64, mark: &str| format!("{}{mark}", named(&world, id));
        let again = " [cycle: see above]";
        let mut last = [ids[1], ids[3]];
        last.sort_by_key(|id| by_name(&world, *id));
        format!(
            "{}\n└── {}\n    └── {}\n        ├── {}\n        └── {}\n",
            line(ids[1], ""),
            line(ids[2], ""),
            line(ids[3], ""),
            line(last[0], again),
            line(last[1], again)
        )
    };
    assert_eq!(drawn, expected);
    // Who is above is not counted as below.
    let drawn = drew(program.run(&["tree", "customers", &ids[1].to_string(), "--live", "--depth", "0"]).await);
    assert!(drawn.contains("[2 more below]"), "{drawn}");
    // The settled tree counts it below one parent.
    let settled = drew(program.run(&["tree", "customers", &ids[1].to_string()]).await);
    assert_eq!((settled.lines().count(), settled.contains("cycle")), (3, false), "{settled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_marked_and_given_as_json() {
    let vendor = leadsquared(12).await;
    let (top, inactive) = {
        let mut world = vendor.world();
        let top = world.roots()[0];
        let mut below = world.below(top);
        below.sort_unstable();
        below.iter().for_each(|&id| world.set_active(id, true, Stamp::Keep));
        world.set_active(below[3], false, Stamp::Keep);
        (top, below[3])
    };
    let case = Case::new().await.users(&vendor, "");
    case.complete().await;
    let program = Program::of(&case);
    let drawn = drew(program.run(&["tree", "sales", "--depth", "9"]).await);
    assert_eq!((drawn.lines().count(), drawn.matches("[inactive]").count()), (13, 1));
    assert!(drawn.lines().any(|line| line.contains(&inactive.to_string()) && line.ends_with(" [inactive]")), "{drawn}");

    let drawn = drew(program.run(&["tree", "sales", "--depth", "0", "--json"]).await);
    let line: Value = serde_json::from_str(&drawn).unwrap();
    let expected = json!({
        "key": top, "depth": 0, "more": 0, "is_again": false, "name": null, "is_active": null, "is_placeholder": true, "retired_at": null, "below": 12
    });
    assert_eq!(line, expected);
    let json = drew(program.run(&["tree", "sales", "--depth", "9", "--json"]).await);
    assert_eq!(json.lines().count(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_is_drawn_as_it_stood() {
    let vendor = capillary_of(&[Shape::even(3, 2)]).await;
    let case = Case::new().await.customers(&vendor, "");
    let (pool, program) = (case.pool().await, Program::of(&case));
    let never = now(&pool).await;
    case.complete().await;
    let first = drew(program.run(&["tree", "customers"]).await);
    let before = now(&pool).await;
    let (from, to) = {
        let world = vendor.world();
        let heads = children(&world, world.roots()[0]);
        (heads[0], heads[2])
    };
    let ids = children(&vendor.world(), from);
    vendor.world().move_to(ids[0], to, Place::Last, Stamp::Bump);
    vendor.world().rename(ids[1], "Zoë", Stamp::Bump);
    vendor.world().delete(ids[2]);
    case.complete().await;
    let second = drew(program.run(&["tree", "customers"]).await);
    assert!(second != first && second.contains("Zoë") && !second.contains(&ids[2].to_string()), "{second}");

    let at = |time: DateTime<Utc>| ["tree".to_owned(), "customers".into(), "--at".into(), rfc3339(time)];
    for (time, drawn) in [(before, &first), (now(&pool).await, &second)] {
        assert_eq!(drew(program.run(&at(time).each_ref().map(String::as_str)).await), *drawn, "at {time}");
    }
    let nothing = drew(program.run(&at(never).each_ref().map(String::as_str)).await);
    assert!(nothing.starts_with("customers has no tree at "), "{nothing}");

    // Who is gone is still known by the id, and was there.
    let gone = ids[2].to_string();
    refused(program.run(&["tree", "customers", &gone]).await, &[&gone, "settled tree", "--live"]);
    let drawn = drew(program.run(&["tree", "customers", &gone, "--live"]).await);
    assert!(drawn.starts_with(&gone) && drawn.contains("[gone since "), "{drawn}");
    let drawn = drew(program.run(&["tree", "customers", &gone, "--at", &rfc3339(before)]).await);
    assert!(drawn.starts_with(&gone) && !drawn.contains("gone since"), "{drawn}");
    refused(program.run(&["tree", "customers", &gone, "--at", &rfc3339(never)]).await, &[&gone, "customers", " at "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_the_config_names_no_more_is_drawn_as_it_stood() {
    let vendor = capillary_of(&[Shape::even(2, 1), Shape::even(3, 1)]).await;
    let case = Case::new().await.customers_of_root("customers", &vendor, 0, "retire_guard = 1.0");
    case.complete().await;
    let pool = case.pool().await;
    let (before, first) = (now(&pool).await, drew(Program::of(&case).run(&["tree", "customers"]).await));
    let case = Case::at(&case.url).customers_of_root("customers", &vendor, 1, "retire_guard = 1.0");
    case.complete().await;
    let program = Program::of(&case);
    let second = drew(program.run(&["tree", "customers"]).await);
    assert_eq!((first.lines().count(), second.lines().count()), (3, 4));
    assert_eq!(drew(program.run(&["tree", "customers", "--at", &rfc3339(before)]).await), first);
    assert_eq!(drew(program.run(&["tree", "customers", "--at", &rfc3339(now(&pool).await)]).await), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_those_of_the_daemons_zone() {
    let vendor = capillary(5).await;
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    let pool = case.pool().await;
    // As if it had been mirrored at nine in the evening, in Greenwich.
    for sql in [
        "update hiersync.customer set valid_from = '2026-03-01 21:00Z', first_seen_at = '2026-03-01 21:00Z'",
        "update hiersync.customer_link set valid_from = '2026-03-01 21:00Z', first_seen_at = '2026-03-01 21:00Z'",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    let program = Program::edited(&case, |config| config.replace("[daemon]\n", "[daemon]\ntimezone = \"Asia/Kolkata\"\n"));
    for (at, is_there) in [
        ("2026-03-02 02:29", false),
        ("2026-03-02 02:30", true),
        ("2026-03-02 02:30:01", true),
        ("2026-03-02", false),
        ("2026-03-03", true),
        ("2026-03-01T20:59:59Z", false),
        ("2026-03-01T21:00:00Z", true),
        ("2026-03-01 20:59:59.999999+00", false),
        ("2026-03-02 02:30:00+05:30", true),
        ("2026-03-02T02:30", true),
    ] {
        let drawn = drew(program.run(&["tree", "customers", "--at", at]).await);
        assert_eq!(!drawn.contains("has no tree"), is_there, "at {at}: {drawn}");
    }
    for at in ["yesterday", "2026-02-30", "2026-03-01 08", ""] {
        refused(program.run(&["tree", "customers", "--at", at]).await, &["--at", "YYYY-MM-DD HH:MM", "Asia/Kolkata", "RFC 3339"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_usage() {
    let (customers, users) = (capillary(5).await, leadsquared(5).await);
    let case = Case::new().await.customers(&customers, "").users(&users, "");
    let program = Program::of(&case);
    refused(program.run(&["tree", "sales"]).await, &["sales", "never synced", "hiersync sync sales"]);
    assert_eq!(program.run(&["sync"]).await.code, 0);
    refused(program.run(&["tree", "nobody"]).await, &["nobody", "customers", "sales"]);
    let stranger = uuid::Uuid::from_u128(7).to_string();
    for (source, node) in [("customers", "12"), ("customers", "-12"), ("customers", "jane"), ("sales", &stranger), ("sales", "12")] {
        refused(program.run(&["tree", source, node]).await, &[source, node]);
    }
    refused(program.run(&["tree", "customers", "--depth", "-1"]).await, &["--depth"]);
    refused(program.run(&["tree"]).await, &["SOURCE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_ends_it() {
    let vendor = capillary(4000).await;
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    let program = Program::of(&case);
    let mut child = program.command(&["tree", "customers"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with(&root(&vendor).to_string()), "{line}");
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}
