//! The questions of docs/bi.md: each query is run by a role that may read, and gives what the paper says. `HIERSYNC_RENEW=1` writes the paper.
//! Whether that is true, on a larger company that moves: see `answers`.

use std::{collections::BTreeMap, path::PathBuf};

use hiersync::{
    model::run::Outcome,
    simulator::{
        capillary::{
            CapillarySim,
            make::Flavour as CustomerFlavour,
            settings::CapillarySettings,
            world::{CapillaryWorld, Customer},
        },
        change::Stamp,
        forest::Place,
        leadsquared::{LeadSquaredSim, make::Flavour as UserFlavour, settings::LeadSquaredSettings, world::LeadSquaredWorld},
        shape::Shape,
    },
};
use sqlx::{AssertSqlSafe, Column, PgPool, Row, ValueRef};

use crate::harness::{
    case::{Case, WANTED, run},
    postgres::{fresh_database, url_for},
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
            change_partners(&mut self.partners.world(), world.customer(head).unwrap());
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

/// Another account: one of its customers has this one's identifiers from now on, and one leaves.
pub fn change_partners(partners: &mut CapillaryWorld, same: &Customer) {
    let [leaver, partner] = partners.children(partners.roots()[0])[..2] else { panic!("two") };
    partners.edit(partner, Stamp::Bump, |customer| customer.profiles[0].identifiers = same.profiles[0].identifiers.clone());
    partners.delete(leaver);
}

/// A pool of a role of its own that may read.
pub async fn reader(case: &Case, of: &str) -> PgPool {
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
pub async fn answer(pool: &PgPool, sql: &str) -> Vec<Vec<String>> {
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

pub fn paper() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "docs", "bi.md"].iter().collect()
}

/// The paper's queries, by the heading above each.
pub fn queries(paper: &str) -> BTreeMap<String, String> {
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
