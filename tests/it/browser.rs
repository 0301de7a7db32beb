//! The status page in a real browser, which `script/browser` brings, with axe-core beside it.

#[path = "../../benches/trees/fill.rs"]
#[expect(dead_code, reason = "benches have a config of it, too")]
mod fill;

use std::fmt::Write;

use hiersync::{
    simulator::{
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        door::Latency,
        forest::Place,
        shape::{Shape, Tree},
    },
    store::{finding, session},
};
use serde_json::{Value, json};

use crate::harness::{
    browser::Browser,
    case::{Case, with_calls},
    page::Page,
    tables::count,
    until::{millis, seconds, until},
    vendors::{capillary, capillary_of, leadsquared},
};

/// Once a year: within a test it has always fired and never fires.
const RARELY: &str = "schedule = \"0 0 1 1 *\"";

/// Everything that axe finds at WCAG 2.2 AA.
async fn faults(browser: &Browser) -> String {
    let file = std::env::var("HIERSYNC_AXE").expect("script/browser says where axe-core is");
    let axe = std::fs::read_to_string(file).unwrap();
    // What is looked at stays as it is meanwhile.
    let still = "document.querySelector('#content').removeAttribute('data-live')";
    browser.run(&format!("{axe}; {still}; return true")).await;
    let tags = json!(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]);
    let script = format!("return axe.run(document, {{runOnly: {{type: 'tag', values: {tags}}}}}).then(found => found.violations)");
    let found = browser.run(&script).await;
    let mut said = String::new();
    for fault in found.as_array().into_iter().flatten() {
        let nodes: Vec<&Value> = fault["nodes"].as_array().into_iter().flatten().map(|node| &node["html"]).collect();
        let _ = writeln!(said, "{}: {} {nodes:?}", fault["id"], fault["help"]);
    }
    said
}

/// Opens a page, which must complain of nothing, in light and dark.
async fn visit(browser: &Browser, page: &Page, path: &str, name: &str) {
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.command("Emulation.setEmulatedMedia", features).await;
        browser.open(&format!("http://{}{path}", page.host)).await;
        assert_eq!(browser.run("return document.querySelectorAll('h1').length").await, 1, "{path}");
        assert_eq!(faults(browser).await, "", "{path} in {scheme}");
        browser.shoot(&format!("{name}-{scheme}")).await;
    }
    let wide = browser.run("return document.documentElement.scrollWidth <= window.innerWidth").await;
    assert_eq!(wide, true, "{path} is wider than its window");
    let complaints: Vec<String> = browser.complaints().await.into_iter().filter(|said| !said.contains("404")).collect();
    assert_eq!(complaints, Vec::<String>::new(), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and axe-core: script/browser runs it"]
async fn every_view_is_right_wide_and_narrow_in_light_and_dark() {
    let vendor = capillary_of(&[Tree { nodes: 120, levels: 3, seed: 4 }.shape()]).await;
    let users = leadsquared(30).await;
    let case = Case::new().await.customers(&vendor, RARELY).users(&users, RARELY);
    let pool = case.pool().await;
    let page = Page::at(&case, "127.0.0.1", Some("a token of some length")).await;
    until("both are read", seconds(20), async || {
        count(&pool, "select count(*) from hiersync.sync_run where outcome = 'complete'").await == 2
    })
    .await;
    let at = hiersync::store::facts::At { source_id: 1, walk_id: 1, run_id: 1, now: hiersync::clock::now() };
    let guard = hiersync::model::finding::Finding::new("retire_guard", "customers", "too many would be gone");
    let mut step = session::begin(&pool).await.unwrap();
    finding::open(&mut step.conn(), at, &[guard]).await.unwrap();
    step.commit().await.unwrap();
    let root = vendor.world().roots()[0];
    let user = users.world().roots()[0];
    let pages = [
        ("/", "overview"),
        ("/source/customers", "source"),
        ("/source/customers/tree", "tree"),
        ("/source/customers/tree?at=2001-01-01", "tree-then"),
        (&format!("/source/customers/node/{root}"), "node"),
        (&format!("/source/sales/node/{user}"), "user"),
        ("/source/customers/search?q=nobody", "search"),
        ("/changes", "changes"),
        ("/sign-in", "sign-in"),
        ("/nothing", "nothing"),
    ];
    for width in [1300, 500] {
        let browser = Browser::start(width).await;
        for (path, name) in pages {
            visit(&browser, &page, path, &format!("{name}-{width}")).await;
        }
    }
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and axe-core: script/browser runs it"]
async fn an_empty_mirror_says_so() {
    let vendor = capillary(5).await;
    let page = Page::of(&Case::new().await.customers(&vendor, "")).await;
    let browser = Browser::start(1300).await;
    visit(&browser, &page, "/", "empty").await;
    assert!(browser.text("main").await.contains("Nothing was synced yet"));
    visit(&browser, &page, "/changes", "empty-changes").await;
    assert!(browser.text("main").await.contains("There is none"));
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and axe-core: script/browser runs it"]
async fn a_tree_opens_level_by_level_with_the_mouse_and_the_keyboard_and_names_are_no_markup() {
    let mut world = CapillaryWorld::new(94, Flavour::PLAIN);
    let root = world.plant(&Shape::list(2));
    let parent = world.children(root)[0];
    let child = world.insert(parent, Place::Last);
    world.insert(child, Place::Last);
    world.rename(child, "<img src=x onerror=document.title='taken'>", Stamp::Bump);
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, RARELY);
    case.complete().await;
    let page = Page::at(&case, "127.0.0.1", Some("a token of some length")).await;
    let browser = Browser::start(1300).await;
    browser.open(&format!("http://{}/sign-in", page.host)).await;
    browser.click("input[name=token]").await;
    browser.press("a token of some length\u{e007}").await;
    browser.says("header", "Hide persons", seconds(10)).await;
    browser.open(&format!("http://{}/source/customers/tree", page.host)).await;
    browser.click("details summary").await;
    browser.says("ul.tree ul.tree", &parent.to_string(), seconds(10)).await;
    // The same by keyboard: the next expander is focused, and Enter opens it.
    browser.run("document.querySelector('ul.tree ul.tree details summary').focus()").await;
    browser.press("\u{e007}").await;
    browser.says("ul.tree ul.tree ul.tree", "<img src=x", seconds(10)).await;
    assert_eq!(faults(&browser).await, "");
    assert!(!browser.run("return document.title").await.as_str().unwrap().contains("taken"));
    assert_eq!(browser.run("return document.images.length").await, 0);
    browser.click(&format!("a[href='/source/customers/node/{child}']")).await;
    browser.says("h1", &child.to_string(), seconds(10)).await;
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and axe-core: script/browser runs it"]
async fn a_run_is_seen_live_while_somebody_looks_and_costs_nothing_while_nobody_does() {
    let vendor = capillary(60).await;
    let case = Case::new().await.customers(&vendor, &format!("page_size = 3\nconcurrency = 1\n{RARELY}"));
    let pool = case.pool().await;
    case.complete().await;
    vendor.door().set_latency(Latency::Fixed(millis(200)));
    let page = Page::of(&case).await;
    let browser = Browser::start(1300).await;
    browser.open(&format!("http://{}/source/customers", page.host)).await;
    browser.run("window.isTheSame = true").await;
    browser.click("form[action$='/sync'] button").await;
    browser.says(".done", "A sync was asked for", seconds(10)).await;
    browser.run("window.isTheSame = true").await;
    browser.says(".sum", "running", seconds(10)).await;
    // It stays for a while, and does not come back when the page is loaded anew.
    browser.says(".done", "A sync was asked for", seconds(0)).await;
    assert_eq!(browser.run("return location.search").await, "");
    browser.shoot("running").await;
    vendor.door().set_latency(Latency::Fixed(millis(0)));
    browser.says(".sum", "fine", seconds(20)).await;
    assert_eq!(browser.run("return window.isTheSame").await, true, "it was renewed, not loaded anew");
    // Another tab is in front: the stream is closed, and nothing is asked for.
    let sessions = "select coalesce(sum(xact_commit + xact_rollback), 0)::bigint from pg_stat_database where datname = current_database()";
    let per_second = async || {
        let before = count(&pool, sessions).await;
        tokio::time::sleep(seconds(6)).await;
        count(&pool, sessions).await - before
    };
    browser.hide(true).await;
    tokio::time::sleep(seconds(3)).await;
    let hidden = per_second().await;
    browser.hide(false).await;
    tokio::time::sleep(seconds(3)).await;
    let shown = per_second().await;
    page.stop().await;
    assert!(shown >= hidden + 2, "{hidden} transactions in 6 s while hidden, {shown} while shown");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and axe-core: script/browser runs it"]
async fn a_failed_run_says_why_and_a_pause_is_seen() {
    let vendor = capillary(10).await;
    let mut case = Case::new().await.customers(&vendor, RARELY);
    case.complete().await;
    case.secret("HIERSYNC_CUSTOMERS_PASSWORD", "another");
    case.sync_with(with_calls(1)).await;
    let page = Page::of(&case).await;
    let browser = Browser::start(1300).await;
    visit(&browser, &page, "/", "failed").await;
    let said = browser.text("main").await;
    assert!(said.contains("1 of 1 needs a look") && said.contains("failed"), "{said}");
    browser.open(&format!("http://{}/source/customers", page.host)).await;
    browser.click("form[action$='/pause'] button").await;
    browser.says(".sum", "paused", seconds(10)).await;
    browser.click("form[action$='/resume'] button").await;
    browser.says(".done", "The schedule goes on", seconds(10)).await;
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and axe-core: script/browser runs it"]
async fn a_thousand_sources_and_a_million_nodes_are_looked_at_as_well() {
    const NODES: u64 = 1_000_000;
    let vendor = capillary(5).await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    fill::script(&pool, &fill::FILL.replace("'crm'", "'customers'"), NODES).await;
    fill::script(&pool, fill::SETTLE, NODES).await;
    let page = Page::of(&case).await;
    // Beside what the config names, which the daemon's start looks at.
    fill::script(&pool, "insert into hiersync.source (name, vendor) select 'other' || n, 'leadsquared' from generate_series(1, 999) n", 0)
        .await;
    let browser = Browser::start(1300).await;
    visit(&browser, &page, "/", "thousand").await;
    assert_eq!(browser.run("return document.querySelectorAll('section:has(#sources) tbody tr').length").await, 1_000);

    // Those that need a look come first.
    assert!(browser.text("section:has(#sources) tbody tr:first-child").await.contains("never complete"));
    assert!(browser.text("section:has(#sources) tbody tr:last-child").await.starts_with("customers"));

    visit(&browser, &page, "/source/customers/tree", "million").await;
    // As deep as a path goes, level by level.
    let path = sqlx::query_scalar::<_, Vec<i64>>("select path from hiersync.customer_place order by depth desc limit 1");
    let path = path.fetch_one(&pool).await.unwrap();
    assert!(path.len() > 10, "{path:?}");
    for (place, id) in path.iter().enumerate().take(path.len() - 1) {
        browser.click(&format!("details[data-from$='below?node={id}'] > summary")).await;
        browser.says("ul.tree", &path[place + 1].to_string(), seconds(10)).await;
    }
    assert_eq!(faults(&browser).await, "");
    let deepest = path.last().unwrap();
    visit(&browser, &page, &format!("/source/customers/node/{deepest}"), "million-node").await;
    browser.open(&format!("http://{}/source/customers/search?q={deepest}", page.host)).await;
    assert!(browser.text("body").await.contains(&deepest.to_string()));
    page.stop().await;
}
