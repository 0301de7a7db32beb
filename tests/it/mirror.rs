//! The mirror equals the vendor.

use hiersync::simulator::{
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    leadsquared::{
        LeadSquaredSim,
        settings::{LeadSquaredSettings, ManagerColumn, Reach},
        world::LeadSquaredWorld,
    },
    shape::Tree,
};

use crate::harness::{
    case::Case,
    tables::{assert_customers, assert_users, count},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_2000_customers_equals_the_vendor_and_stays_quiet() {
    let mut world = CapillaryWorld::new(11, Flavour { nul_characters: 0.01, ..Flavour::default() });
    world.plant(&Tree { nodes: 2000, levels: 6, seed: 11 }.shape());
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, "");

    let first = case.complete().await;
    let pool = case.pool().await;
    let truth = {
        let world = vendor.world();
        world.truth(world.roots())
    };
    assert_customers(&pool, &truth).await;
    assert_eq!(first.inserted, 2001);
    let changes = count(&pool, "select count(*) from hiersync.change").await;

    let second = case.complete().await;
    assert_eq!((second.inserted, second.updated, second.retired, second.unchanged), (0, 0, 0, 2001));
    assert_eq!(count(&pool, "select count(*) from hiersync.change").await, changes);
    assert_customers(&pool, &truth).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_5000_users_equals_the_vendor_and_stays_quiet() {
    let world = LeadSquaredWorld::grow(Tree { nodes: 5000, levels: 6, seed: 12 });
    let settings = LeadSquaredSettings { reach: Reach::Subtree, manager_column: ManagerColumn::Given, ..LeadSquaredSettings::default() };
    let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
    let case = Case::new().await.users(&vendor, "columns = [\"ManagerUserId\", \"ModifiedOn\"]");

    let first = case.complete().await;
    let pool = case.pool().await;
    let truth = {
        let world = vendor.world();
        world.truth(world.roots())
    };
    assert_users(&pool, &truth, &[]).await;
    assert_eq!((first.inserted, first.requests), (5001, 2));
    let changes = count(&pool, "select count(*) from hiersync.change").await;

    let second = case.complete().await;
    assert_eq!((second.inserted, second.updated, second.retired, second.unchanged), (0, 0, 0, 5001));
    assert_eq!(count(&pool, "select count(*) from hiersync.change").await, changes);
}
