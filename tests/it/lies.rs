//! One answer that is not true, at any request of a walk, retires nobody: an empty list, a list cut short with its count or
//! without, an error that calls itself a success, an answer that holds nothing.

use std::collections::BTreeSet;

use hiersync::{
    model::run::Outcome,
    simulator::{
        answer::Answer,
        capillary::{CapillarySim, make::Flavour as CustomerFlavour, settings::CapillarySettings, world::CapillaryWorld},
        leadsquared::{
            LeadSquaredSim,
            make::Flavour as UserFlavour,
            settings::{LeadSquaredSettings, Reach},
            world::LeadSquaredWorld,
        },
        mishap::Mishap,
        shape::Shape,
        stage::{Play, Simulation},
    },
};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED, run},
    tables,
};

/// The guard would protect too; here only proof does.
const UNGUARDED: &str = "retire_guard = 1.0\nconcurrency = 1\n";

fn lies() -> Vec<Mishap> {
    let error = r#"{"entity": null, "warnings": [], "errors": [{"status": false, "code": 8015, "message": "Customer not found"}]}"#;
    let cut = |keep, honest_count| Mishap::FewerRows { keep, honest_count };
    let raw = |body| Mishap::from(Answer::raw(200, "application/json", body));
    let empty = raw(r#"{"entity": {"count": 0, "customers": []}, "SearchInfo": {"TotalUsers": 0}, "Users": [], "errors": []}"#);
    vec![empty, cut(1, true), cut(1, false), cut(2, true), raw(error), raw("{}")]
}

/// Tells one lie after another, each at each request of a walk by itself.
async fn lie<P: Play>(case: &Case, vendor: &Simulation<P>, live: &'static str) {
    let (app, pool) = (case.app().await, case.pool().await);
    let nodes = async |pool: &PgPool| tables::row(pool, live).await;
    let first = run(&app, 0, WANTED).await;
    assert_eq!(first.outcome, Outcome::Complete);
    let before = nodes(&pool).await;
    let calls = usize::try_from(run(&app, 0, WANTED).await.row.unwrap().requests).unwrap();
    let mut ends = BTreeSet::new();
    for lie in lies() {
        for at in 0..calls {
            vendor.faults().after(at, 1, lie.clone());
            let report = run(&app, 0, WANTED).await;
            ends.insert(report.outcome.to_string());
            let row = report.row.unwrap();
            assert_eq!((row.retired, nodes(&pool).await), (0, before.clone()), "{lie:?} at request {at}: {row:?}");
            vendor.faults().clear();
        }
    }
    assert!(ends.iter().all(|end| end == "complete" || end == "partial"), "{ends:?}");
    app.close().await;
    case.quiet(&pool).await;
    assert_eq!(tables::findings(&pool).await, []);
}

async fn to_customers(settings: CapillarySettings, more: &str) {
    let mut world = CapillaryWorld::new(71, CustomerFlavour::PLAIN);
    world.plant(&Shape::even(2, 2));
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::new().await.customers(&vendor, &format!("{UNGUARDED}{more}"));
    lie(&case, &vendor, "select to_jsonb(array_agg(customer_id order by 1)) from hiersync.customer where retired_at is null").await;
    vendor.stop().await;
}

async fn to_users(reach: Reach, more: &str) {
    let mut world = LeadSquaredWorld::new(72, UserFlavour::PLAIN);
    world.plant(&Shape::even(2, 2));
    let vendor = LeadSquaredSim::start(world, LeadSquaredSettings { reach, ..LeadSquaredSettings::default() }).await.unwrap();
    let case = Case::new().await.users(&vendor, &format!("{UNGUARDED}{more}"));
    lie(&case, &vendor, "select to_jsonb(array_agg(user_id order by 1)) from hiersync.reporting_user where retired_at is null").await;
    vendor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_customers_retires_nobody() {
    to_customers(CapillarySettings::default(), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_customers_in_small_pages_retires_nobody() {
    to_customers(CapillarySettings::default(), "page_size = 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_customers_who_are_not_counted_retires_nobody() {
    to_customers(CapillarySettings { gives_no_of_children: false, ..CapillarySettings::default() }, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_direct_reports_retires_nobody() {
    to_users(Reach::Direct, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_everybody_below_retires_nobody() {
    to_users(Reach::Subtree, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_everybody_below_with_managers_retires_nobody() {
    to_users(Reach::Subtree, "columns = [\"ManagerUserId\"]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn about_all_users_of_the_account_retires_nobody() {
    to_users(Reach::Direct, "edges = \"advanced_search\"").await;
}
