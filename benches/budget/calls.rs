//! Calls of whole walks against the contract's floor, counted at the door.

use std::sync::Arc;

use hiersync::{
    app::App,
    clock,
    model::run::{Outcome, Trigger},
    simulator::{
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        shape::Shape,
    },
    sync::{gauges::Gauges, wanted::Wanted},
};
use tokio_util::sync::CancellationToken;

use super::home::Home;

pub async fn measure() {
    println!("\nCalls of a walk over lists at rest, page_size 100. The floor: for each parent with children ceil((children - 1) / 99), at");
    println!("least 1; the contract allows 1.03 times that, plus 4 for the root. WAL of the second walk, which changes nothing: the");
    println!("contract allows 5 bytes per row and 500 per call.");
    println!(
        "{:>28} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>10}",
        "below one root", "floor", "allowed", "first", "second", "took", "WAL", "allowed"
    );
    for children in [1, 99, 100, 101, 1000, 30_000] {
        walk(&format!("{children} children"), &Shape::list(children)).await;
    }
    walk("3000 parents of 5", &parents(3000, 5)).await;
}

/// So many children of the root, each with so many children.
fn parents(parents: usize, children: usize) -> Shape {
    Shape::of((0..parents).map(|_| None).chain((0..parents * children).map(|node| Some(node / children))).collect())
}

async fn walk(name: &str, shape: &Shape) {
    let mut world = CapillaryWorld::new(5, Flavour::PLAIN);
    let root = world.plant(shape);
    let (kind, value) = world.identifier(root, &["mobile", "externalId", "cardnumber"]).unwrap();
    let floor: usize = std::iter::once(root)
        .chain(world.below(root))
        .map(|node| world.children(node).len())
        .filter(|children| *children > 0)
        .map(|children| (children - 1).div_ceil(99).max(1))
        .sum();
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let keys = format!(
        "vendor = \"capillary\"\nbase_url = \"{}\"\nauth = \"basic\"\ntill = \"demo.till\"\nlimits = [\"100000/1s\"]\n\
         roots = [{{ type = \"{kind}\", value = \"{value}\" }}]",
        vendor.base_url()
    );
    let home = Home::new().source("customers", &keys, &[("PASSWORD", "till-pass")]);
    let app = home.app().await;
    let begun = clock::instant();
    let (mut calls, mut rows, mut wal) = (Vec::new(), 0, 0);
    for _ in 0..2 {
        let (before, written) = (vendor.door().calls(), lsn(&app).await);
        let wanted = Wanted::by(Trigger::Manual);
        let report = app.run(&app.config.sources[0], wanted, &CancellationToken::new(), Arc::new(Gauges::default())).await.unwrap();
        assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        calls.push(vendor.door().calls() - before);
        wal = lsn(&app).await - written;
        rows = usize::try_from(report.row.unwrap().rows_seen).unwrap();
    }
    let took = format!("{:.1} s", begun.elapsed().as_secs_f64());
    let allowed = floor * 103 / 100 + 4;
    let quiet = 5 * rows + 500 * calls[1];
    println!("{name:>28} {floor:>8} {allowed:>8} {:>8} {:>8} {took:>10} {wal:>10} {quiet:>10}", calls[0], calls[1]);
    assert!(calls.iter().all(|calls| *calls <= allowed));
    app.close().await;
}

/// Bytes of WAL written so far.
async fn lsn(app: &App) -> i64 {
    sqlx::query_scalar("select (pg_current_wal_insert_lsn() - '0/0')::bigint").fetch_one(&app.pool).await.unwrap()
}
