//! Small simulated vendors.

use hiersync::simulator::{
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    leadsquared::{LeadSquaredSim, settings::LeadSquaredSettings, world::LeadSquaredWorld},
    shape::{Shape, Tree},
};

/// A Capillary with so many customers below one root, in three levels.
pub async fn capillary(nodes: usize) -> CapillarySim {
    let mut world = CapillaryWorld::new(7, Flavour::PLAIN);
    world.plant(&Tree { nodes, levels: 3, seed: 7 }.shape());
    CapillarySim::start(world, CapillarySettings::default()).await.unwrap()
}

/// A Capillary with trees of these shapes, each below a root of its own.
pub async fn capillary_of(shapes: &[Shape]) -> CapillarySim {
    let mut world = CapillaryWorld::new(7, Flavour::PLAIN);
    for shape in shapes {
        world.plant(shape);
    }
    CapillarySim::start(world, CapillarySettings::default()).await.unwrap()
}

/// A LeadSquared with so many users below one root, in three levels, that shows direct reports only.
pub async fn leadsquared(nodes: usize) -> LeadSquaredSim {
    let world = LeadSquaredWorld::grow(Tree { nodes, levels: 3, seed: 7 });
    LeadSquaredSim::start(world, LeadSquaredSettings::default()).await.unwrap()
}
