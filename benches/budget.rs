//! The measured promise of the budget: 250 calls at 25/5s against a door that counts exact sliding windows.
//! `cargo bench --bench budget`. The floor: each call counts until a window after its answer, so nine windows and nine
//! latencies, and then the last 25 calls, four at a time.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use hiersync::{
    app::App,
    clock,
    config::{read, secrets::Secrets},
    model::run::Trigger,
    simulator::{
        door::Latency,
        leadsquared::{LeadSquaredSim, make::Flavour, settings::LeadSquaredSettings, world::LeadSquaredWorld},
        shape::Shape,
    },
    sync::{progress::Progress, run::Wanted},
};
use tokio_util::sync::CancellationToken;

const LIMIT: &str = "25/5s";
const CALLS: usize = 250;

#[tokio::main]
async fn main() {
    println!("{CALLS} calls at {LIMIT}, concurrency 4");
    println!("{:>10} {:>9} {:>9} {:>8} {:>8} {:>18}", "latency", "took", "floor", "ratio", "refused", "most in any 5 s");
    for millis in [20, 500] {
        let latency = Duration::from_millis(millis);
        let (took, refused, most) = walk(latency).await;
        let floor = (Duration::from_secs(5) + latency) * (u32::try_from(CALLS / 25).unwrap() - 1) + latency * 25u32.div_ceil(4);
        println!(
            "{:>10} {:>9} {:>9} {:>8.3} {refused:>8} {most:>18}",
            format!("{millis} ms"),
            format!("{:.2} s", took.as_secs_f64()),
            format!("{:.2} s", floor.as_secs_f64()),
            took.as_secs_f64() / floor.as_secs_f64()
        );
    }
}

/// Reads a root with 249 reports, each of whom is asked; gives the time from the first call to the last, and the door's count.
async fn walk(latency: Duration) -> (Duration, usize, usize) {
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
    let dir = std::env::temp_dir().join(format!("hiersync-bench-{}-{}", std::process::id(), latency.as_millis()));
    let config = format!(
        "[database]\ndir = \"{}\"\n[daemon]\nlisten = \"\"\n[[source]]\nname = \"sales\"\nvendor = \"leadsquared\"\nbase_url = \"{}\"\n\
         hierarchy_path = \"{path}\"\nroots = [\"{root}\"]\nreach = \"direct\"\nlimits = [\"{LIMIT}\"]\n",
        dir.display(),
        vendor.base_url()
    );
    let secrets =
        HashMap::from([("HIERSYNC_SALES_ACCESS_KEY".to_owned(), access.into()), ("HIERSYNC_SALES_SECRET_KEY".to_owned(), secret.into())]);
    let program = PathBuf::from(env!("CARGO_BIN_EXE_hiersync"));
    let app =
        App::open(read::read(&config).unwrap_or_else(|faults| panic!("{faults}")), Secrets::new(None, secrets), program).await.unwrap();
    let wanted = Wanted { trigger: Trigger::Manual, max_calls: None, dry_run: false, accept_retire: false };
    let begun = clock::instant();
    let report = app.run(&app.config.sources[0], wanted, &CancellationToken::new(), Arc::new(Progress::default())).await.unwrap();
    let took = begun.elapsed();
    assert_eq!(vendor.door().calls(), CALLS, "{report:?}");
    app.close().await;
    std::fs::remove_dir_all(dir).unwrap();
    (took, vendor.door().refused(), vendor.door().most_in_any(Duration::from_secs(5)))
}
