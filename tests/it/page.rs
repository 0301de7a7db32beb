//! The status page at the door: who sees and does what, and what each page shows.

use std::{fmt::Write, process::Stdio};

use hiersync::{
    simulator::{
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        forest::Place,
        shape::Shape,
    },
    store::finding,
};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, with_calls},
    page::{Page, Sent},
    program::Program,
    tables::count,
    until::{seconds, until},
    vendors::leadsquared,
};

const TOKEN: &str = "a token of some length";
const WITH: Sent<'_> = &[("authorization", "Bearer a token of some length")];
const PAGES: [&str; 5] = ["/", "/source/customers", "/source/customers/tree", "/changes", "/source/customers/search?q=Zebedee"];
const NAME: &str = "Zebedee<b>&\"'";

/// A root with three children, the first of whom has a child with an odd name, which was another's before.
async fn family() -> (CapillarySim, Case, PgPool, [i64; 2]) {
    let mut world = CapillaryWorld::new(93, Flavour::PLAIN);
    let root = world.plant(&Shape::list(3));
    let parent = world.children(root)[0];
    let child = world.insert(parent, Place::Last);
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    // Once a year: within a test it has always fired and never fires.
    let case = Case::new().await.customers(&vendor, "schedule = \"0 0 1 1 *\"");
    let pool = case.pool().await;
    case.complete().await;
    vendor.world().rename(child, NAME, Stamp::Bump);
    case.complete().await;
    (vendor, case, pool, [parent, child])
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_shown_without_the_token_and_all_of_it_with() {
    let (_vendor, case, pool, [parent, child]) = family().await;
    let page = Page::at(&case, "127.0.0.1", Some(TOKEN)).await;
    let personal = "select array_agg(distinct v) from (
            select unnest(array[first_name, last_name, email, mobile, external_id]) as v from hiersync.customer
            union all select value from hiersync.customer_identifier
        ) p where length(v) > 5";
    let personal: Vec<String> = sqlx::query_scalar(personal).fetch_one(&pool).await.unwrap();
    assert!(personal.len() > 10, "{personal:?}");
    let nodes = [format!("/source/customers/node/{child}"), format!("/source/customers/below?node={parent}")];
    for path in PAGES.iter().copied().chain(nodes.iter().map(String::as_str)) {
        let answer = page.get(path, &[]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.contains("customers") || path.contains("below"), "{path}");
        for datum in &personal {
            // What somebody looks for stands in the form.
            let body = answer.body.replace("value=\"Zebedee\"", "");
            assert!(!body.contains(datum.as_str()), "{path} shows {datum}");
        }
    }
    for path in [&nodes[0], &nodes[1], &format!("/changes?node={child}")] {
        let body = page.get(path, WITH).await.body;
        assert!(body.contains("Zebedee&lt;b&gt;&amp;&quot;'"), "{path}: {body}");
        assert!(!body.contains("<b>"), "a name is no markup");
    }
    // Found by name only with it.
    assert!(page.get(PAGES[4], &[]).await.body.contains("Nobody was found"));
    let found = page.get(PAGES[4], WITH).await;
    assert_eq!((found.status, found.header("location")), (303, nodes[0].as_str()));
    // And so by what an identifier says, and by an address or number that is none.
    sqlx::query("update hiersync.customer set email = 'z@example.com' where customer_id = $1").bind(child).execute(&pool).await.unwrap();
    let value = "select value from hiersync.customer_identifier where customer_id = $1 limit 1";
    let value: String = sqlx::query_scalar(value).bind(child).fetch_one(&pool).await.unwrap();
    for text in [value.as_str(), "z@example.com"] {
        let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let query = format!("/source/customers/search?q={text}");
        assert_eq!(page.get(&query, WITH).await.header("location"), nodes[0], "{text}");
        assert!(page.get(&query, &[]).await.body.contains("Nobody was found"), "{text}");
    }
    // No button without it.
    assert!(!page.get("/source/customers", &[]).await.body.contains("Sync now"));
    assert!(page.get("/source/customers", WITH).await.body.contains("Sync now"));
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_typed_in_once_and_tries_are_limited() {
    let (_vendor, case, _pool, [_, child]) = family().await;
    let page = Page::at(&case, "127.0.0.1", Some(TOKEN)).await;
    assert_eq!(page.post("/sign-in", &[], "token=wrong").await.status, 401);
    let signed = page.post("/sign-in", &[], "token=a+token+of+some+length").await;
    let cookie = signed.header("set-cookie").to_owned();
    assert!(signed.status == 303 && cookie.contains("HttpOnly; SameSite=Strict; Path=/"), "{signed:?}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let node = format!("/source/customers/node/{child}");
    assert!(page.get(&node, &[("cookie", &cookie)]).await.body.contains("Zebedee"));
    let out = page.post("/sign-out", &[("cookie", &cookie)], "").await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    for _ in 0..12 {
        page.post("/sign-in", &[], "token=wrong").await;
    }
    let late = page.post("/sign-in", &[], "token=a+token+of+some+length").await;
    assert_eq!(late.status, 429, "{}", late.body);
    assert!(page.daemon.err().lines().all(|line| !line.contains(TOKEN) && !line.contains("wrong")), "{}", page.daemon.err());
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_needs_the_token() {
    let (_vendor, case, ..) = family().await;
    let refused = Program::edited(&case, |config| config.replace("listen = \"\"", "listen = \"0.0.0.0:9187\"")).run(&["daemon"]).await;
    assert_eq!(refused.code, 78, "{refused:?}");
    for word in ["0.0.0.0:9187", "daemon.token", "HIERSYNC_DAEMON_TOKEN", "127.0.0.1"] {
        assert!(refused.err.contains(word), "{word}: {}", refused.err);
    }
    let checked = Program::edited(&case, |config| config.replace("listen = \"\"", "listen = \"0.0.0.0:9187\"")).run(&["check"]).await;
    assert!(checked.code == 78 && checked.err.contains("daemon.token"), "{checked:?}");
    let page = Page::at(&case, "0.0.0.0", Some(TOKEN)).await;
    for path in PAGES.into_iter().chain(["/metrics", "/events"]) {
        let answer = page.get(path, &[]).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}: {}", answer.body);
    }
    let person = page.get("/", &[("accept", "text/html")]).await;
    assert_eq!((person.status, person.header("location")), (303, "/sign-in"));
    assert_eq!(page.get("/sign-in", &[]).await.status, 200);
    for path in PAGES.into_iter().take(4).chain(["/metrics"]) {
        assert_eq!(page.get(path, WITH).await.status, 200, "{path}");
    }
    for path in ["/livez", "/healthz"] {
        assert_eq!(page.get(path, &[]).await.status, 200, "{path}");
    }
    assert_eq!(page.post("/source/customers/sync", &[], "").await.status, 401);
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_do_with_it_and_no_other_name_is_ours() {
    let (_vendor, case, ..) = family().await;
    let page = Page::of(&case).await;
    for path in PAGES.into_iter().chain(["/metrics", "/healthz", "/nothing", "/style.css", "/script.js"]) {
        let answer = page.get(path, &[]).await;
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}: {answer:?}");
        assert!(!answer.header("content-security-policy").contains("unsafe"), "{path}");
        assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"), "{path}");
        assert!(!answer.body.contains(" style=") && !answer.body.contains(" onclick="), "{path}: nothing inline");
        let rebound = page.get(path, &[("host", "evil.example")]).await;
        assert_eq!(rebound.status, 421, "{path}");
    }
    assert_eq!(page.get("/metrics", &[]).await.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(include_str!("../../src/web/script.js").len() < 6_000);
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_do_what_the_verbs_do_and_nothing_for_another_site() {
    let (vendor, case, pool, [parent, _]) = family().await;
    let page = Page::of(&case).await;
    let runs = "select count(*) from hiersync.sync_run where outcome = 'complete'";
    assert_eq!(count(&pool, runs).await, 2);
    let own = format!("http://{}", page.host);
    for sent in [&[("origin", "http://evil.example")][..], &[("sec-fetch-site", "cross-site"), ("origin", &own)]] {
        for path in ["/source/customers/sync", "/source/customers/pause"] {
            assert_eq!(page.post(path, sent, "").await.status, 403, "{sent:?}");
        }
    }
    let new = vendor.world().insert(parent, Place::Last);
    let refresh = page.post(&format!("/source/customers/node/{parent}/refresh"), &[("sec-fetch-site", "same-origin")], "below=").await;
    assert_eq!((refresh.status, refresh.header("location")), (303, format!("/source/customers/node/{parent}?done=refresh").as_str()));
    until("it is read", seconds(10), async || {
        count(&pool, "select count(*) from hiersync.sync_run where is_refresh and outcome = 'complete'").await == 1
    })
    .await;
    assert!(page.get(&format!("/source/customers/node/{parent}"), &[]).await.body.contains(&new.to_string()));
    assert_eq!(page.post("/source/customers/node/77/refresh", &[], "").await.status, 404);

    assert_eq!(page.post("/source/customers/pause", &[("origin", &own)], "").await.status, 303);
    assert!(page.get("/", &[]).await.body.contains("paused"));
    // By hand it is read all the same.
    assert_eq!(page.post("/source/customers/sync", &[], "").await.header("location"), "/source/customers?done=sync");
    until("it is synced", seconds(10), async || count(&pool, runs).await == 4).await;
    assert_eq!(page.post("/source/customers/resume", &[], "").await.status, 303);
    assert_eq!(count(&pool, "select count(*) from hiersync.source where paused_at is not null").await, 0);
    for path in ["/source/nobody/sync", "/source/nobody/pause", "/source/nobody/node/1/refresh"] {
        assert_eq!(page.post(path, &[], "").await.status, 404, "{path}");
    }
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_answer_what_operators_ask() {
    let (_vendor, case, pool, [parent, child]) = family().await;
    // A run that was cut short, and something to act on. A walk that has ended half a second before would be taken for it.
    tokio::time::sleep(seconds(1)).await;
    case.sync_with(with_calls(2)).await;
    let at = hiersync::store::facts::At { source_id: 1, walk_id: 3, run_id: 3, now: hiersync::clock::now() };
    let guard = hiersync::model::finding::Finding::new("retire_guard", "customers", "too many would be gone");
    let mut step = hiersync::store::session::begin(&pool).await.unwrap();
    finding::open(&mut step.conn(), at, &[guard]).await.unwrap();
    step.commit().await.unwrap();
    let page = Page::of(&case).await;
    // It has gone on with the walk, and is at rest.
    let open = "select count(*) from hiersync_internal.walk where finished_at is null";
    until("the walk is done", seconds(20), async || count(&pool, open).await == 0).await;
    let overview = page.get("/", &[]).await.body;
    for word in ["customers", "Next due", "Last complete walk", "Free", "100000/1s"] {
        assert!(overview.contains(word), "{word}: {overview}");
    }
    // What others take is known by what the vendor refuses.
    let others = async || page.get("/", &[]).await.body.matches("<td class=\"n\">about ").count();
    assert_eq!(others().await, 0);
    sqlx::query("update hiersync_internal.budget set pace = 0.5, paced_at = clock_timestamp()").execute(&pool).await.unwrap();
    assert_eq!(others().await, 1);
    let source = page.get("/source/customers", &[]).await.body;
    for word in ["retire_guard", "too many would be gone", "--accept-retire", "<svg", "The same as numbers"] {
        assert!(source.contains(word), "{word}: {source}");
    }
    // The plan is the verb's.
    let told = Program::of(&case).run(&["plan", "--json"]).await.out;
    let plans: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (calls, day) = (&plans[0]["calls"], &plans[1]["calls_per_day"]);
    for plan in [format!("<dd>{calls}</dd>"), format!("<dd>{day} of "), "walk 3, complete".into(), "100000/1s</th>".into()] {
        assert!(source.contains(&plan), "{plan}: {source}");
    }
    let node = page.get(&format!("/source/customers/node/{child}"), &[]).await.body;
    for word in [&format!("/source/customers/node/{parent}"), "Refresh this node", "Versions", "update"] {
        assert!(node.contains(word), "{word}: {node}");
    }
    assert!(page.get(&format!("/source/customers/node/{parent}"), &[]).await.body.contains("read to its end and proven, 1 shown of 1"));
    let old = page.get("/source/customers/tree?at=2001-01-01", &[]).await;
    assert!(old.status == 200 && old.body.contains("There is nobody in it"), "{old:?}");
    assert!(page.get("/source/customers/tree?at=yesterday", &[]).await.body.contains("yesterday is no time"));
    assert_eq!(page.get("/source/customers/node/no-such-node", &[]).await.status, 404);
    assert_eq!(page.get("/source/nobody", &[]).await.status, 404);
    let filtered = page.get(&format!("/changes?source=customers&entity=customer&op=update&node={child}"), &[]).await.body;
    assert_eq!(filtered.matches("<tr>").count(), 2, "{filtered}");
    // A run leads to what it changed, which is one name.
    assert!(source.contains("/changes?source=customers&amp;run=2"), "{source}");
    let of_run = page.get("/changes?source=customers&run=2", &[]).await.body;
    assert_eq!((of_run.matches("<tr>").count(), filtered.matches("</code>").count()), (2, 1), "{of_run}");
    let wrong = page.get("/changes?run=12a", &[]).await.body;
    assert!(wrong.contains("12a is no run's number"), "{wrong}");
    // A budget that is spent says until when.
    let spend = "insert into hiersync_internal.budget_ledger (budget_id, process_id, calls, bought_at, ended_at)
                 select budget_id, 1, 100000, clock_timestamp(), clock_timestamp() + interval '1 minute' from hiersync_internal.budget";
    for sql in ["update hiersync_internal.budget set pace = 1", "delete from hiersync_internal.budget_ledger", spend] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    assert!(page.get("/", &[]).await.body.contains("free again by"));
    // A pause is seen in one look.
    sqlx::query("update hiersync.source set paused_at = clock_timestamp()").execute(&pool).await.unwrap();
    let paused = page.get("/", &[]).await.body;
    assert!(page.get("/source/customers", &[]).await.body.contains("<dd>0 of "), "a paused source asks nothing of its budget");
    assert!(paused.contains("1 paused") && paused.contains("when it is resumed"), "{paused}");
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_have_the_same_pages() {
    let vendor = leadsquared(20).await;
    let case = Case::new().await.users(&vendor, "schedule = \"0 0 1 1 *\"");
    case.complete().await;
    let page = Page::of(&case).await;
    let tree = page.get("/source/sales/tree", &[]).await.body;
    let root = vendor.world().roots()[0].to_string();
    assert!(tree.contains(&root), "{tree}");
    let below = page.get(&format!("/source/sales/below?node={root}"), &[]).await;
    assert!(below.status == 200 && below.body.matches("<li>").count() > 1, "{below:?}");
    let node = page.get(&format!("/source/sales/node/{root}"), &[]).await;
    assert!(node.status == 200 && node.body.contains("Hangs on"), "{node:?}");
    let found = page.get(&format!("/source/sales/search?q={}", root.to_uppercase()), &[]).await;
    assert_eq!(found.header("location"), format!("/source/sales/node/{root}"));
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs promtool: script/prometheus runs it"]
async fn promtool_takes_all_numbers() {
    let (_vendor, case, ..) = family().await;
    let page = Page::of(&case).await;
    let numbers = page.get("/metrics", &[]).await.body;
    page.stop().await;
    let mut promtool =
        std::process::Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), numbers.as_bytes()).unwrap();
    let ended = promtool.wait_with_output().unwrap();
    let mut said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let _ = write!(said, "{numbers}");
    assert!(ended.status.success(), "{said}");
}
