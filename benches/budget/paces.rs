//! 250 calls at 25/5s: how long they take, and what a token bucket does at the same door.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use hiersync::{
    app::Client,
    clock,
    model::{node::NodeId, run::Trigger},
    simulator::{
        door::Latency,
        leadsquared::{LeadSquaredSim, make::Flavour, settings::LeadSquaredSettings, world::LeadSquaredWorld},
        shape::Shape,
    },
    sync::{gauges::Gauges, wanted::Wanted},
    vendor_api::{Ask, Vendor, hierarchy::Hierarchy},
};
use tokio_util::sync::CancellationToken;

use super::home::Home;

const LIMIT: &str = "25/5s";
const CALLS: usize = 250;

/// What the door saw of `CALLS` calls that were let in.
struct Seen {
    took: Duration,
    sent: usize,
    refused: usize,
    most: usize,
}

pub async fn measure() {
    println!("{CALLS} calls at {LIMIT}, four at a time. The floor: a call counts until a window after its answer, so nine windows and");
    println!("nine latencies, and then the last 25 calls. The bucket: 25 tokens at most, five more each second.");
    println!(
        "{:>8} {:>10} {:>8} {:>8} {:>6} {:>6} {:>8} {:>16}",
        "latency", "", "took", "floor", "ratio", "calls", "refused", "most in any 5 s"
    );
    for millis in [20, 500] {
        let latency = Duration::from_millis(millis);
        let floor = (Duration::from_secs(5) + latency) * (u32::try_from(CALLS / 25).unwrap() - 1) + latency * 25u32.div_ceil(4);
        for (name, seen) in [("hiersync", walk(latency).await), ("bucket", bucket(latency).await)] {
            println!(
                "{:>8} {name:>10} {:>8} {:>8} {:>6.3} {:>6} {:>8} {:>16}",
                format!("{millis} ms"),
                format!("{:.2} s", seen.took.as_secs_f64()),
                format!("{:.2} s", floor.as_secs_f64()),
                seen.took.as_secs_f64() / floor.as_secs_f64(),
                seen.sent,
                seen.refused,
                seen.most
            );
        }
    }
}

/// A root with 249 reports, each of whom is asked.
async fn vendor(latency: Duration) -> (LeadSquaredSim, Home) {
    let mut world = LeadSquaredWorld::new(3, Flavour::PLAIN);
    world.plant(&Shape::list(CALLS - 1));
    let root = world.roots()[0];
    let vendor = LeadSquaredSim::start(world, LeadSquaredSettings::default()).await.unwrap();
    vendor.door().set_limits(&[LIMIT.parse().unwrap()]);
    vendor.door().set_latency(Latency::Fixed(latency));
    let (path, access, secret) = {
        let settings = vendor.settings();
        (settings.hierarchy_path.clone(), settings.access_key.clone(), settings.secret_key.clone())
    };
    let keys = format!(
        "vendor = \"leadsquared\"\nbase_url = \"{}\"\nhierarchy_path = \"{path}\"\nroots = [\"{root}\"]\nreach = \"direct\"\nlimits = [\"{LIMIT}\"]",
        vendor.base_url()
    );
    let home = Home::new().source("sales", &keys, &[("ACCESS_KEY", &access), ("SECRET_KEY", &secret)]);
    (vendor, home)
}

fn seen(vendor: &LeadSquaredSim) -> Seen {
    let log = vendor.door().log();
    Seen {
        took: log.last().unwrap().at - log[0].at,
        sent: log.len(),
        refused: vendor.door().refused(),
        most: vendor.door().most_in_any(Duration::from_secs(5)),
    }
}

/// hiersync reads the tree.
async fn walk(latency: Duration) -> Seen {
    let (vendor, home) = vendor(latency).await;
    let app = home.app().await;
    let wanted = Wanted::by(Trigger::Manual);
    let begun = clock::instant();
    let report = app.run(&app.config.sources[0], wanted, &CancellationToken::new(), Arc::new(Gauges::default())).await.unwrap();
    let took = begun.elapsed();
    assert_eq!(vendor.door().calls(), CALLS, "{report:?}");
    app.close().await;
    Seen { took, ..seen(&vendor) }
}

/// A client with a token bucket asks for the same lists; what is refused it asks for again.
async fn bucket(latency: Duration) -> Seen {
    let (vendor, home) = vendor(latency).await;
    let app = home.app().await;
    let Client::LeadSquared(client) = app.client(&app.config.sources[0]).unwrap() else { panic!("another vendor") };
    let root = vendor.world().roots()[0];
    let keys: Vec<NodeId> = std::iter::once(root).chain(vendor.world().reports(root).to_vec()).map(NodeId::from).collect();
    let begun = clock::instant();
    let tokens = tokio::sync::Mutex::new((25.0, begun));
    let take = || async {
        let mut bucket = tokens.lock().await;
        loop {
            let now = clock::instant();
            bucket.0 = f64::min(25.0, bucket.0 + (now - bucket.1).as_secs_f64() * 5.0);
            bucket.1 = now;
            if bucket.0 >= 1.0 {
                bucket.0 -= 1.0;
                return;
            }
            tokio::time::sleep(Duration::from_secs_f64((1.0 - bucket.0) / 5.0)).await;
        }
    };
    let (client, take) = (&client, &take);
    let ask = |key: NodeId| async move {
        let list = client.list(key, None).unwrap();
        loop {
            take().await;
            let ask = Ask { list: list.clone(), offset: 0, limit: client.page_size(), is_plain: false };
            if client.page(&ask, Duration::from_secs(30)).await.is_ok() {
                return;
            }
        }
    };
    stream::iter(keys).for_each_concurrent(4, ask).await;
    let took = begun.elapsed();
    app.close().await;
    Seen { took, ..seen(&vendor) }
}
