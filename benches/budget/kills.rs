//! Three processes on one budget, killed with SIGKILL twenty times: what the door allowed, what was used, what was refused.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use hiersync::simulator::{
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    door::Latency,
    shape::Shape,
};

use super::home::Home;

const WINDOW: Duration = Duration::from_secs(5);
const LIMIT: usize = 25;
const PROCESSES: usize = 3;
const KILLS: u64 = 20;
/// From one kill to the next.
const EVERY: Duration = Duration::from_millis(4700);

pub async fn measure() {
    let mut world = CapillaryWorld::new(11, Flavour::PLAIN);
    for _ in 0..PROCESSES {
        // More lists than there will be calls.
        world.plant(&Shape::even(30, 3));
    }
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    vendor.door().set_limits(&["25/5s".parse().unwrap()]);
    vendor.door().set_latency(Latency::Between(Duration::from_millis(5), Duration::from_millis(35)));
    let home = (0..PROCESSES).fold(Home::new(), |home, root| with_source(home, &vendor, root));
    std::fs::write(home.path().join("hiersync.toml"), home.config()).unwrap();
    // The embedded Postgres is kept by this process: the measurement is about those that are killed.
    let app = home.app().await;
    let mut children: Vec<Child> = (0..PROCESSES).map(|source| start(&home, source)).collect();
    tokio::time::sleep(EVERY).await;
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..KILLS {
        let victim = random.usize(0..PROCESSES);
        children[victim].kill().unwrap();
        children[victim].wait().unwrap();
        children[victim] = start(&home, victim);
        tokio::time::sleep(EVERY.mul_f64(random.f64().mul_add(0.4, 0.8))).await;
    }
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    app.close().await;
    tell(&vendor);
}

fn with_source(home: Home, vendor: &CapillarySim, root: usize) -> Home {
    let world = vendor.world();
    let (kind, value) = world.identifier(world.roots()[root], &["mobile", "externalId", "cardnumber"]).unwrap();
    drop(world);
    let keys = format!(
        "vendor = \"capillary\"\nbase_url = \"{}\"\nauth = \"basic\"\ntill = \"demo.till\"\nbudget = \"shared\"\nlimits = [\"25/5s\"]\n\
         roots = [{{ type = \"{kind}\", value = \"{value}\" }}]",
        vendor.base_url()
    );
    home.source(&format!("customers{root}"), &keys, &[("PASSWORD", "till-pass")])
}

fn start(home: &Home, source: usize) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hiersync"));
    command.arg("--config").arg(home.path().join("hiersync.toml")).arg("sync").arg(format!("customers{source}"));
    command.envs(home.secrets()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn tell(vendor: &CapillarySim) {
    let log = vendor.door().log();
    let (first, last) = (log[0].at, log.last().unwrap().at);
    // Whole windows only: what the last one could still have held is not counted.
    let windows = usize::try_from((last - first).as_millis() / WINDOW.as_millis()).unwrap();
    let until = first + WINDOW * u32::try_from(windows).unwrap();
    let used = log.iter().filter(|arrival| arrival.at < until).count();
    let allowed = LIMIT * windows;
    println!("\n{PROCESSES} processes on one budget of 25/5s, {KILLS} kills with SIGKILL, {:.0} s", (last - first).as_secs_f64());
    println!("{:>8} {:>8} {:>8} {:>8} {:>16}", "allowed", "used", "share", "refused", "most in any 5 s");
    #[expect(clippy::cast_precision_loss, reason = "a few hundred calls")]
    let share = used as f64 / allowed as f64;
    println!(
        "{allowed:>8} {used:>8} {:>8} {:>8} {:>16}",
        format!("{:.1} %", share * 100.0),
        vendor.door().refused(),
        vendor.door().most_in_any(WINDOW)
    );
}
