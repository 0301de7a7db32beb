//! The questions of docs/bi.md: each query is run by a role that may read, and gives what the paper says. `HIERSYNC_RENEW=1` writes the paper.
//! On a larger tree the answers about the present tree are the simulators' truth, and stay so in the middle of the next walk.

use std::{collections::BTreeMap, path::PathBuf};

use hiersync::{
    model::run::Outcome,
    simulator::{
        capillary::{CapillarySim, make::Flavour as CustomerFlavour, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        forest::Place,
        leadsquared::{LeadSquaredSim, make::Flavour as UserFlavour, settings::LeadSquaredSettings, world::LeadSquaredWorld},
        shape::Shape,
    },
};
use sqlx::{AssertSqlSafe, Column, PgPool, Row, ValueRef};

use crate::harness::{
    case::{Case, WANTED, run, with_calls},
    postgres::{fresh_database, url_for},
    settled,
};

/// A company of a few dozen, with one oddity of each kind: customers of two accounts, and users.
struct Company {
    customers: CapillarySim,
    partners: CapillarySim,
    users: LeadSquaredSim,
    case: Case,
}

impl Company {
    async fn new() -> Self {
        let plain = CustomerFlavour::PLAIN;
        let (mut customers, mut partners) = (CapillaryWorld::new(31, plain), CapillaryWorld::new(32, plain));
        customers.plant(&Shape::even(3, 3));
        partners.plant(&Shape::list(4));
        let mut users = LeadSquaredWorld::new(33, UserFlavour::PLAIN);
        users.plant(&Shape::even(3, 2));
        let customers = CapillarySim::start(customers, CapillarySettings::default()).await.unwrap();
        let partners = CapillarySim::start(partners, CapillarySettings::default()).await.unwrap();
        let users = LeadSquaredSim::start(users, LeadSquaredSettings::default()).await.unwrap();
        let free = "limits = [\"100000/1s\"]\nretire_guard = 1.0";
        let case = Case::at(&fresh_database().await)
            .customers_of_root("customers", &customers, 0, free)
            .customers_of_root("partners", &partners, 0, free)
            .users(&users, free);
        let company = Self { customers, partners, users, case };
        company.walk().await;
        company.live().await;
        company
    }

    async fn walk(&self) {
        let app = self.case.app().await;
        for source in 0..3 {
            assert_eq!(run(&app, source, WANTED).await.outcome, Outcome::Complete);
        }
        app.close().await;
    }

    /// Four walks in which people come, go, come back, move and change.
    async fn live(&self) {
        let before = self.customers.world().clone();
        let (gone, turned, low) = {
            let mut world = self.customers.world();
            let heads = world.children(world.roots()[0]).to_vec();
            let (gone, twice, moved) = (world.children(heads[0])[0], world.children(heads[1])[0], world.children(heads[1])[2]);
            world.rename(heads[2], "Asha", Stamp::Bump);
            world.rename(heads[1], "Mira", Stamp::Keep);
            world.move_to(moved, heads[2], Place::Last, Stamp::Bump);
            world.link(heads[0], twice, Place::Last);
            world.delete(gone);
            let turned = world.children(heads[2])[1];
            (gone, turned, world.insert(turned, Place::Last))
        };
        self.walk().await;
        {
            // One of them is in a cycle, one is back, one has nothing by which it could be known.
            let mut world = self.customers.world();
            let root = world.roots()[0];
            let back = before.customer(gone).unwrap().clone();
            let head = world.children(root)[0];
            world.insert_customer(head, back, Place::Last);
            let new = world.insert(head, Place::Last);
            world.edit(new, Stamp::Bump, |customer| customer.profiles[0].identifiers.clear());
            world.link(root, low, Place::Last);
            world.move_to(turned, low, Place::Last, Stamp::Bump);
            let same = world.customer(head).unwrap().profiles[0].identifiers.clone();
            let mut partners = self.partners.world();
            let partner = partners.children(partners.roots()[0])[1];
            partners.edit(partner, Stamp::Bump, |customer| customer.profiles[0].identifiers = same);
            let leaver = partners.children(partners.roots()[0])[0];
            partners.delete(leaver);
        }
        {
            let mut users = self.users.world();
            let heads = users.reports(users.roots()[0]).to_vec();
            let moved = users.reports(heads[0])[0];
            users.change_manager(moved, heads[1], Place::Last, Stamp::Bump);
            users.set_active(heads[2], false, Stamp::Bump);
        }
        self.walk().await;
        self.walk().await;
    }
}

/// A pool of a role of its own that may read.
async fn reader(case: &Case, of: &str) -> PgPool {
    let owner = case.pool().await;
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&owner).await.unwrap();
    let role = format!("asks_{name}");
    sqlx::raw_sql(AssertSqlSafe(format!("create role {role} login in role {of}; alter role {role} set timezone = 'UTC'")))
        .execute(&owner)
        .await
        .unwrap();
    PgPool::connect(&url_for(&case.url, &role)).await.unwrap()
}

/// What a query gives, as a table of text.
async fn answer(pool: &PgPool, sql: &str) -> Vec<Vec<String>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let Some(first) = rows.first() else { return Vec::new() };
    let mut table = vec![first.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>()];
    for row in &rows {
        let text = |at: usize| {
            let value = row.try_get_raw(at).unwrap();
            if value.is_null() { String::new() } else { value.as_str().unwrap().to_owned() }
        };
        table.push((0..row.len()).map(text).collect());
    }
    table
}

/// As it stands in the paper: in columns, with example dates.
fn printed(table: &[Vec<String>]) -> String {
    if table.is_empty() {
        return "(nobody)\n".into();
    }
    let dates = regex_lite::Regex::new(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d[.+\d]*)?").unwrap();
    let steady = |text: &String| dates.replace_all(text, "2026-03-01").into_owned();
    let table: Vec<Vec<String>> = table.iter().map(|row| row.iter().map(steady).collect()).collect();
    let width = |at: usize| table.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    table.iter().map(line).collect()
}

fn paper() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "docs", "bi.md"].iter().collect()
}

/// The paper's queries, by the heading above each.
fn queries(paper: &str) -> BTreeMap<String, String> {
    let mut queries = BTreeMap::new();
    for part in paper.split("\n### ").skip(1) {
        let (heading, rest) = part.split_once('\n').unwrap();
        let query = rest.split_once("```sql\n").unwrap().1.split_once("```").unwrap().0;
        queries.insert(heading.to_owned(), query.to_owned());
    }
    queries
}

#[tokio::test(flavor = "multi_thread")]
async fn each_question_of_the_paper_is_answered_as_it_says() {
    let company = Company::new().await;
    let pool = reader(&company.case, "hiersync_pii_reader").await;
    let written = std::fs::read_to_string(paper()).unwrap();
    assert_eq!(queries(&written).len(), 28);
    let mut renewed = String::new();
    let mut rest = written.as_str();
    while let Some((before, after)) = rest.split_once("```sql\n") {
        let (sql, after) = after.split_once("```\n```text\n").unwrap();
        let (_, after) = after.split_once("```\n").unwrap();
        renewed += &format!("{before}```sql\n{sql}```\n```text\n{}```\n", printed(&answer(&pool, sql).await));
        rest = after;
    }
    renewed += rest;
    if std::env::var_os("HIERSYNC_RENEW").is_some() {
        std::fs::write(paper(), &renewed).unwrap();
    }
    let differs = written.lines().zip(renewed.lines()).find(|(says, is)| says != is);
    assert!(written == renewed, "docs/bi.md says otherwise, HIERSYNC_RENEW=1 writes it: {differs:?}");
    assert!(!renewed.contains("(nobody)"), "a question that nothing answers shows nothing");
}

/// Answers about the present tree of customers, by the simulator's truth.
fn truth(world: &CapillaryWorld) -> BTreeMap<&'static str, Vec<String>> {
    let root = world.roots()[0];
    let key = |id: i64| format!("customers:{id}");
    let everybody: Vec<i64> = world.below(root).into_iter().chain([root]).collect();
    let mut families: Vec<(usize, String)> = world.below(root).into_iter().map(|id| (world.below(id).len(), key(id))).collect();
    families.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut depths: BTreeMap<usize, usize> = BTreeMap::new();
    for id in &everybody {
        let mut depth = 0;
        let mut at = *id;
        while let Some(parent) = world.parents(at).first() {
            (depth, at) = (depth + 1, *parent);
        }
        *depths.entry(depth).or_default() += 1;
    }
    let mut regions: Vec<(usize, String)> = world.children(root).iter().map(|id| (world.below(*id).len() + 1, key(*id))).collect();
    regions.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    BTreeMap::from([
        ("The ten largest families", families.iter().take(10).map(|(many, key)| format!("{key} {many}")).collect()),
        ("Depth distribution", depths.iter().map(|(depth, many)| format!("customers {depth} {many}")).collect()),
        ("Roll-up of everybody by region head", regions.iter().map(|(many, key)| format!("{key} {many}")).collect()),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_walk_the_answers_are_those_of_the_last_one() {
    let mut world = CapillaryWorld::new(5, CustomerFlavour::PLAIN);
    world.plant(&Shape::even(17, 3));
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "limits = [\"100000/1s\"]\nretire_guard = 1.0");
    let (app, owner) = (case.app().await, case.pool().await);
    // Nine walks in which the vendor moves, and a tenth at rest.
    for walk in 0..9 {
        let mut calls = 0;
        vendor.before_each(move |world| {
            calls += 1;
            if calls % 100 == 0 {
                world.mutate(0.002, walk * 1000 + calls);
            }
        });
        run(&app, 0, WANTED).await;
        vendor.rest();
    }
    assert_eq!(run(&app, 0, WANTED).await.outcome, Outcome::Complete);
    assert!(settled::faults(&owner).await.is_empty());
    let (truth, everybody) = {
        let world = vendor.world();
        (truth(&world), world.below(world.roots()[0]).len() + 1)
    };
    assert!(everybody > 5000, "{everybody}");
    let pool = reader(&case, "hiersync_reader").await;
    let queries = queries(&std::fs::read_to_string(paper()).unwrap());
    let ask = async |when: &str| {
        for (question, expected) in &truth {
            let table = answer(&pool, &queries[*question]).await;
            let columns = if *question == "Depth distribution" { 3 } else { 2 };
            let given: Vec<String> = table[1..].iter().map(|row| row[..columns].join(" ")).collect();
            assert_eq!(&given, expected, "{question}, {when}");
        }
        let counts = "select (select count(*) from hiersync_bi.customer_tree) as nodes, (
                          select count(*) from hiersync_bi.customer_bridge
                          where ancestor_key = (select customer_key from hiersync_bi.customer_tree where is_root)
                      ) as below";
        assert_eq!(answer(&pool, counts).await[1], [everybody.to_string(), everybody.to_string()], "{when}");
    };
    ask("after the tenth walk").await;
    // The eleventh meets a fifth of all rows changed, and stands in the middle.
    vendor.world().mutate(0.2, 99);
    assert_eq!(run(&app, 0, with_calls(200)).await.outcome, Outcome::Stopped);
    let changed = "select count(*) from hiersync_bi.change where entity = 'customer_link' and walk_id = (select max(walk_id) from hiersync_bi.sync_run)";
    let changed = answer(&pool, changed).await[1][0].parse::<u32>().unwrap();
    assert!(changed > 50, "{changed}");
    ask("in the middle of the eleventh").await;
    app.close().await;
}
