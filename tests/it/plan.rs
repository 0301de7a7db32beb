//! `plan`: what it says is what the next sync does; it makes no call and writes nothing.

use std::collections::BTreeMap;

use hiersync::simulator::{capillary::CapillarySim, shape::Shape};
use regex_lite::Regex;
use serde_json::Value;
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED, run as run_source, with_calls},
    program::{Ended, Program},
    tables::places,
    vendors::{capillary_of, leadsquared},
};

/// A root with 8 children, who have 8 each, who have 8 each: the root is looked up, its list asked for once more at its
/// end, and 72 lists read.
async fn of_76_calls() -> CapillarySim {
    capillary_of(&[Shape::even(8, 3)]).await
}

/// The plan's lines by what they are about: `source customers`, `budget customers`.
fn lines(ended: &Ended) -> BTreeMap<String, Value> {
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    let named = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let kind = value["kind"].as_str().unwrap().to_owned();
        (format!("{kind} {}", value[&kind].as_str().unwrap()), value)
    };
    ended.out.lines().map(named).collect()
}

async fn planned(case: &Case, args: &[&str]) -> BTreeMap<String, Value> {
    lines(&Program::of(case).run(&[&["plan", "--json"], args].concat()).await)
}

/// Where each row lies that a run writes for itself, and which transaction wrote it.
async fn control(pool: &PgPool) -> String {
    let rows = "select coalesce(string_agg(t || ' ' || place || ' ' || writer, ',' order by t, place), '') from (
                    select 'source' as t, ctid::text as place, xmin::text as writer from hiersync.source
                    union all select 'process', ctid::text, xmin::text from hiersync_internal.process
                    union all select 'lease', ctid::text, xmin::text from hiersync_internal.lease
                    union all select 'walk', ctid::text, xmin::text from hiersync_internal.walk
                    union all select 'run', ctid::text, xmin::text from hiersync.sync_run
                    union all select 'root', ctid::text, xmin::text from hiersync_internal.root
                    union all select 'frontier', ctid::text, xmin::text from hiersync_internal.frontier
                    union all select 'finding', ctid::text, xmin::text from hiersync.finding
                    union all select 'budget', ctid::text, xmin::text from hiersync_internal.budget
                    union all select 'ledger', ctid::text, xmin::text from hiersync_internal.budget_ledger
                ) rows";
    sqlx::query_scalar(rows).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_says_what_the_next_sync_takes_and_costs_nothing() {
    let (vendor, users) = (of_76_calls().await, leadsquared(40).await);
    let case = Case::new().await.customers(&vendor, "page_size = 5").users(&users, "");
    let pool = case.pool().await;
    let program = Program::of(&case);
    // The first walk asks what the others know: what one of LeadSquared's answers reaches.
    for _ in 0..2 {
        assert_eq!(program.run(&["sync"]).await.code, 0);
    }
    let made = (vendor.door().calls(), users.door().calls());

    let before = (control(&pool).await, places(&pool).await);
    let plan = planned(&case, &[]).await;
    assert_eq!(program.run(&["plan"]).await.code, 0);
    assert_eq!((control(&pool).await, places(&pool).await), before, "a plan writes nothing");
    assert_eq!((vendor.door().calls(), users.door().calls()), made, "a plan makes no call");

    assert_eq!(program.run(&["sync"]).await.code, 0);
    for (source, calls) in [("customers", vendor.door().calls() - made.0), ("sales", users.door().calls() - made.1)] {
        let told = &plan[&format!("source {source}")];
        assert_eq!((told["calls"].as_u64(), &told["is_at_least"]), (Some(calls as u64), &Value::Bool(false)), "{told}");
        assert!(told["minutes"].as_f64().is_some_and(|minutes| minutes < 1.0), "{told}");
        assert_eq!(told["last_walk"]["verdict"], "complete");
        assert_eq!(plan[&format!("budget {source}")]["calls_per_day"], told["calls"]);
    }
    assert_eq!(plan["source customers"]["last_walk"]["nodes"], 585);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_the_search_makes_cheap_is_told_so() {
    let users = leadsquared(60).await;
    let case = Case::new().await.users(&users, "reach = \"direct\"");
    case.complete().await;
    let took = users.door().calls();
    let plan = planned(&case, &[]).await;
    assert_eq!(plan["source sales"]["advanced_search_calls"], 2, "{plan:?}");
    let told = Program::of(&case).run(&["plan"]).await.out;
    assert!(told.contains(&format!("sales: edges = \"advanced_search\" would take about 2 calls instead of {took}, if")), "{told}");
    // It keeps what it says.
    let searching = Case::at(&case.url).users(&users, "edges = \"advanced_search\"");
    searching.complete().await;
    assert!(users.door().calls() - took <= 2, "{took} {}", users.door().calls());
    let plan = planned(&searching, &[]).await;
    assert_eq!(plan["source sales"]["advanced_search_calls"], Value::Null, "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_follow_the_windows() {
    let vendor = of_76_calls().await;
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    // Four windows of 25, the first of them from now on: three waits of a minute.
    let slow = Program::edited(&case, |config| config.replace("100000/1s", "25/1m").replace("[[source]]", "[[source]]\nbudget = \"new\""));
    let plan = lines(&slow.run(&["plan", "--json"]).await);
    let minutes = plan["source customers"]["minutes"].as_f64().unwrap();
    assert!((3.0..3.1).contains(&minutes), "{plan:?}");
    assert_eq!(plan["source customers"]["pause"], Value::Null);
    assert_eq!(plan["budget new"]["windows"][0]["walks"][0]["share"].as_f64(), Some(1.0), "{plan:?}");
    assert_eq!(plan["budget new"]["allowed_per_day"], 36_000);
    assert_eq!((&plan["budget new"]["windows"][0]["used"], &plan["budget new"]["windows"][0]["free"]), (&0.into(), &25.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_walk_no_number_is_invented() {
    let vendor = of_76_calls().await;
    let case = Case::new().await.customers(&vendor, "limits = [\"300/1h\"]");
    let plan = planned(&case, &[]).await;
    let told = &plan["source customers"];
    assert_eq!((&told["calls"], &told["is_at_least"], &told["minutes"]), (&1.into(), &true.into(), &Value::Null));
    assert_eq!((&told["last_walk"], &told["open_walk"]), (&Value::Null, &Value::Null));
    insta::assert_snapshot!(steady(&Program::of(&case).run(&["plan"]).await), @r#"
    source     calls       time       next due  known from
    customers  at least 1  not known  -         never walked to its end: the first walk will tell

    budget     window  used  free  one walk takes
    customers  300/1h  0     300   customers not known

    budget     calls a day  allowed a day  share      lasts
    customers  at least 1   7200           not known  all day, as far as is known
    "#);

    // A walk that was begun tells a little more, and one that is over tells all; one that is open goes on.
    case.sync_with(with_calls(4)).await;
    let told = &planned(&case, &[]).await["source customers"];
    assert_eq!((&told["is_at_least"], &told["open_walk"]["calls"]), (&true.into(), &4.into()));
    let queued = told["calls"].as_u64().unwrap();
    assert!((8..=71).contains(&queued), "{told}");
    case.complete().await;
    let made = case.sync_with(with_calls(30)).await.row.unwrap().requests;
    let told = &planned(&case, &[]).await["source customers"];
    assert_eq!((&told["calls"], &told["is_at_least"], &told["open_walk"]["calls"]), (&(76 - made).into(), &false.into(), &made.into()));
    let told = Program::of(&case).run(&["plan"]).await.out;
    assert!(told.contains(&format!("76 calls, 585 nodes; goes on with walk 2, {made} calls made")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_share_a_budget_are_added_up() {
    let vendor = capillary_of(&[Shape::even(8, 3), Shape::even(3, 2), Shape::list(2)]).await;
    let shared = "limits = [\"100/1s\", \"2000/1d\"]\nbudget = \"account\"";
    let case = Case::new()
        .await
        .customers_of_root("hourly", &vendor, 0, &format!("schedule = \"0 * * * *\"\n{shared}"))
        .customers_of_root("by_hand", &vendor, 1, shared)
        .customers_of_root("off", &vendor, 2, &format!("enabled = false\n{shared}"));
    let app = case.app().await;
    run_source(&app, 0, WANTED).await;
    run_source(&app, 1, WANTED).await;
    app.close().await;
    let plan = planned(&case, &[]).await;
    let account = &plan["budget account"];
    assert_eq!((&plan["source hourly"]["calls"], &plan["source by_hand"]["calls"]), (&76.into(), &7.into()));
    assert_eq!((&account["calls_per_day"], &account["allowed_per_day"]), (&(24 * 76 + 7).into(), &2000.into()));
    assert_eq!((&account["spent"], &account["windows"][1]["used"]), (&Value::Null, &83.into()));
    assert_eq!(plan.len(), 3, "{plan:?}");

    // A source by its name, with all that its budget has to bear.
    let one = planned(&case, &["by_hand"]).await;
    assert_eq!(one.keys().collect::<Vec<_>>(), ["budget account", "source by_hand"]);
    assert_eq!(one["budget account"]["calls_per_day"], account["calls_per_day"]);
    let off = planned(&case, &["off"]).await;
    assert_eq!((&off["source off"]["calls"], &off["budget account"]["is_at_least"]), (&1.into(), &true.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_does_not_last_for_the_day_says_when_it_ends() {
    let vendor = of_76_calls().await;
    let case = Case::new().await.customers(&vendor, "limits = [\"200/1h\", \"500/1d\"]\nheadroom = 0.2\nschedule = \"0 */2 * * *\"");
    case.complete().await;
    let plan = planned(&case, &[]).await;
    let quota = &plan["budget customers"];
    assert_eq!((&quota["calls_per_day"], &quota["allowed_per_day"]), (&(12 * 76).into(), &400.into()));
    let due = plan["source customers"]["next_due"].as_str().unwrap();
    assert!(due.ends_with(":00:00Z"), "{due}");
    // The first walk has taken 76 of 400: four more can be paid for, and 20 calls of the fifth.
    let spent = &quota["spent"];
    assert_eq!((&spent["calls_before"], &spent["limit"], &spent["source"]), (&20.into(), &"400/1day".into(), &"customers".into()));
    let minutes = spent["minutes"].as_f64().unwrap();
    assert!((480.0..=600.5).contains(&minutes), "{quota}");
    insta::assert_snapshot!(steady(&Program::of(&case).run(&["plan"]).await), @r#"
    source     calls  time  next due              known from
    customers  76     1 s   2026-01-02 03:04:05Z  walk 1, complete 0 s ago: 76 calls, 585 nodes

    budget     window    used  free  one walk takes
    customers  160/1h    76    84    customers 48 %
    customers  400/1day  76    324   customers 19 %

    budget     calls a day  allowed a day  share  lasts
    customers  912          400            228 %  spent after 9 h 59 min (400/1day): a walk of customers then waits until 2026-01-02 03:04:05Z
    "#);

    // Not even one walk fits.
    let small = Program::edited(&case, |config| config.replace("500/1d", "50/1d"));
    let plan = lines(&small.run(&["plan", "--json"]).await);
    assert_eq!(plan["source customers"]["pause"]["calls_before"], 0);
    assert!(plan["source customers"]["minutes"].as_f64().unwrap() > 1440.0, "{plan:?}");
    insta::assert_snapshot!(steady(&small.run(&["plan"]).await), @r#"
    source     calls  time  next due              known from
    customers  76     2 d   2026-01-02 03:04:05Z  walk 1, complete 0 s ago: 76 calls, 585 nodes; nothing is free of 40/1day: waits until 2026-01-02 03:04:05Z

    budget     window   used  free  one walk takes
    customers  160/1h   76    84    customers 48 %
    customers  40/1day  76    0     customers 100 %

    budget     calls a day  allowed a day  share   lasts
    customers  912          40             2280 %  already spent (40/1day): the next walk of customers waits until 2026-01-02 03:04:05Z
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_planned_is_refused_as_elsewhere() {
    let vendor = of_76_calls().await;
    let case = Case::new().await.customers(&vendor, "");
    let ended = Program::of(&case).run(&["plan", "customers", "nobody"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{ended:?}");
    assert!(ended.err.contains("nobody") && ended.err.contains("customers"), "{ended:?}");
    let nowhere = Case::at("postgres://u@127.0.0.1:1/mirror").customers(&vendor, "");
    let ended = Program::of(&nowhere).run(&["plan"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (69, ""), "{ended:?}");
    // No secret is needed, since no call is made.
    let bare = Program::of(&case).without("HIERSYNC_CUSTOMERS_PASSWORD");
    assert_eq!(bare.run(&["plan"]).await.code, 0);
    let off = Program::edited(&case, |config| config.replace("[[source]]", "[[source]]\nenabled = false"));
    assert!(off.run(&["plan"]).await.out.contains("no source is enabled"));
    assert_eq!(vendor.door().calls(), 0);
}

/// Without what differs from run to run.
fn steady(ended: &Ended) -> String {
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    let rules = [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "2026-01-02 03:04:05Z"),
        (r"\b\d+ s ago", "0 s ago"),
        (r"after \d+ h( \d+ min)? \(", "after 9 h 59 min ("),
        (r"\b\d+ s +2026", "1 s   2026"),
    ];
    let replaced = rules.iter().fold(ended.out.clone(), |text, (what, by)| Regex::new(what).unwrap().replace_all(&text, *by).into_owned());
    replaced.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
