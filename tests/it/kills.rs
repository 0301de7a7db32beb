//! Promise 3: kill -9 at any moment costs at most the requests in flight, and tables, changes and counters end as if it had
//! not happened.
//!
//! Every moment between a permit and its commit is killed at once for both vendors. Then seeds are played: random trees, pages
//! and settings, and of the faults a random set each. `HIERSYNC_KILLS=1000` kills so often.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use fastrand::Rng;
use futures::{StreamExt, stream};
use hiersync::{
    failpoint::Moment,
    model::limit::Limit,
    simulator::{
        capillary::{CapillarySim, make::Flavour as CustomerFlavour, settings::CapillarySettings, world::CapillaryWorld},
        door::{Door, Latency},
        leadsquared::{
            LeadSquaredSim,
            make::Flavour as UserFlavour,
            settings::{LeadSquaredSettings, Reach},
            world::LeadSquaredWorld,
        },
        shape::Tree,
        stage::{Play, Simulation},
    },
};
use serde_json::Value;
use sqlx::PgPool;
use strum::IntoEnumIterator;

use crate::harness::{
    case::Case,
    postgres,
    program::{Ended, Program, run},
    running::Running,
    tables::{count, everything},
    until::{millis, seconds},
    vendors::{capillary, leadsquared},
};

/// A way in which a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Fault {
    /// By its own hand, the moment after so many that it passes.
    At(Moment),
    /// From outside, when the vendor has been asked so many times.
    InMidCall,
    /// From outside, at some time.
    AtSomeTime,
}

impl Fault {
    fn all() -> Vec<Self> {
        Moment::iter().map(Self::At).chain([Self::InMidCall, Self::AtSomeTime]).collect()
    }
}

/// One mirror, and what is known of it.
struct Mirror {
    case: Case,
    program: Program,
    pool: PgPool,
}

impl Mirror {
    async fn of(case: Case) -> Self {
        Self { program: Program::of(&case), pool: case.pool().await, case }
    }

    /// Walks that are complete.
    async fn walks(&self) -> i64 {
        count(&self.pool, "select count(*) from hiersync.sync_run where outcome = 'complete'").await
    }

    /// A sync that dies at a moment that it has passed so often before.
    async fn dies_at(&self, moment: Moment, passed: usize) -> Ended {
        let mut command = self.program.command(&["sync"]);
        command.env("FAILPOINTS", format!("{}={passed}*off->return", moment.as_ref()));
        run(command).await
    }

    /// A sync in which this fault is to happen. `None`: it was killed.
    async fn killed(&self, door: &Door, fault: Fault, rng: &mut Rng) -> Option<Ended> {
        let ended = match fault {
            Fault::At(moment) => {
                // Often at once: who dies late in a run may have ended before.
                self.dies_at(moment, [0, 0, 1, rng.usize(0..5), rng.usize(0..20)][rng.usize(..5)]).await
            }
            Fault::InMidCall => {
                let wanted = door.calls() + rng.usize(1..4);
                let running = Running::start(&self.program, &["sync"]);
                let asked = async {
                    while door.calls() < wanted {
                        tokio::time::sleep(millis(1)).await;
                    }
                };
                // A walk that ends with fewer calls is not killed.
                let _ = tokio::time::timeout(seconds(2), asked).await;
                running.killed().await
            }
            Fault::AtSomeTime => {
                let running = Running::start(&self.program, &["sync"]);
                tokio::time::sleep(millis(rng.u64(5..250))).await;
                running.killed().await
            }
        };
        (ended.code != -1).then_some(ended)
    }

    async fn complete(&self) -> Ended {
        let ended = self.program.run(&["sync"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        ended
    }
}

/// Which faults have happened, and how often each was asked for.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<Fault, (usize, usize)>>);

impl Tally {
    fn asked(&self, fault: Fault, happened: bool) {
        let mut tally = self.0.lock().unwrap();
        let entry = tally.entry(fault).or_default();
        entry.0 += 1;
        entry.1 += usize::from(happened);
    }

    fn kills(&self) -> usize {
        self.0.lock().unwrap().values().map(|(_, happened)| happened).sum()
    }

    /// Some fault has not happened yet.
    fn lacks(&self) -> bool {
        self.0.lock().unwrap().values().filter(|(_, happened)| *happened > 0).count() < Fault::all().len()
    }
}

/// Two mirrors of one vendor: one is left alone, the other is killed.
struct Pair {
    alone: Mirror,
    killed: Mirror,
    /// What one kill may cost, in calls.
    concurrency: usize,
    limit: Option<Limit>,
}

impl Pair {
    /// Brings both through one walk, the second with these faults. Gives what is wrong.
    async fn walk(&self, door: &Door, faults: &[Fault], rng: &mut Rng, tally: &Tally) -> Vec<String> {
        // What the one has asked for must not count for the other.
        let apart = || tokio::time::sleep(self.limit.map_or(Duration::ZERO, |limit| limit.window));
        apart().await;
        door.clear_log();
        self.alone.complete().await;
        let calls = door.calls();
        apart().await;
        door.clear_log();
        let before = self.killed.walks().await;
        let mut kills = 0;
        for &fault in faults {
            let ended = self.killed.killed(door, fault, rng).await;
            tally.asked(fault, ended.is_none());
            kills += usize::from(ended.is_none());
            if let Some(ended) = ended {
                assert_eq!(ended.code, 0, "{fault:?}: {ended:?}");
            }
            if self.killed.walks().await > before {
                return self.faults(door, calls, kills).await;
            }
        }
        self.killed.complete().await;
        self.faults(door, calls, kills).await
    }

    async fn faults(&self, door: &Door, calls: usize, kills: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let (truth, found): (Value, Value) = (everything(&self.alone.pool).await, everything(&self.killed.pool).await);
        for (part, value) in truth.as_object().unwrap() {
            if &found[part] != value {
                faults.push(format!("{part}: {} instead of {value}", found[part]));
            }
        }
        let open = count(&self.killed.pool, "select count(*) from hiersync.sync_run where outcome is null").await;
        if open != 0 {
            faults.push(format!("{open} runs are open"));
        }
        let extra = door.calls().saturating_sub(calls);
        if extra > kills * self.concurrency {
            faults.push(format!("{extra} extra calls for {kills} kills at concurrency {}", self.concurrency));
        }
        if let Some(limit) = self.limit {
            let most = door.most_in_any(limit.window);
            if most > usize::try_from(limit.calls).unwrap() || door.refused() > 0 {
                faults.push(format!("{most} calls within {:?}, {} refused", limit.window, door.refused()));
            }
        }
        faults
    }
}

/// Kills a walk at every moment that there is, one after the other.
async fn every_moment<P: Play>(vendor: &Simulation<P>, case: impl AsyncFn(Case) -> Case, concurrency: usize) {
    let (alone, killed) = (Mirror::of(case(Case::new().await).await).await, Mirror::of(case(Case::new().await).await).await);
    let pair = Pair { alone, killed, concurrency, limit: None };
    let (mut rng, tally) = (Rng::with_seed(1), Tally::default());
    pair.alone.complete().await;
    let calls = vendor.door().calls();
    vendor.door().clear_log();
    for moment in Moment::iter() {
        // Some moments come once in a run.
        let ended = pair.killed.dies_at(moment, usize::from(!is_once(moment))).await;
        assert_eq!(ended.code, -1, "{moment:?} is not come to: {ended:?}");
        assert_eq!(pair.killed.walks().await, i64::from(moment == Moment::Closed), "after {moment:?}");
    }
    let kills = Moment::iter().count();
    let faults = pair.faults(vendor.door(), calls, kills).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // What is known is known: another walk is quiet, and not killed by anything.
    let faults = pair.walk(vendor.door(), &[], &mut rng, &tally).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(tally.kills(), 0);
}

fn is_once(moment: Moment) -> bool {
    matches!(moment, Moment::RunOpening | Moment::RunOpened | Moment::Retired | Moment::Settled | Moment::Closing | Moment::Closed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_of_customers_that_is_killed_at_every_moment_ends_as_if_it_had_not_been() {
    let vendor = capillary(250).await;
    every_moment(&vendor, async |case: Case| case.customers(&vendor, "page_size = 5\nconcurrency = 1"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_of_users_that_is_killed_at_every_moment_ends_as_if_it_had_not_been() {
    let vendor = leadsquared(120).await;
    every_moment(&vendor, async |case: Case| case.users(&vendor, "concurrency = 1"), 1).await;
}

/// What is random about one seed.
struct Dice {
    tree: Tree,
    concurrency: usize,
    page_size: u32,
    faults: Vec<Fault>,
    limit: Option<Limit>,
}

impl Dice {
    fn of(seed: u64, rng: &mut Rng) -> Self {
        let nodes = rng.usize(20..120);
        let tree = Tree { nodes, levels: rng.usize(1..5), seed };
        // Each seed leaves a random half of the faults out: what always comes together hides what comes alone.
        let all = Fault::all();
        let mut faults = rng.choose_multiple(all.iter().copied(), all.len() / 2);
        rng.shuffle(&mut faults);
        let limit = (rng.u8(..3) == 0).then(|| "20/300ms".parse().unwrap());
        Self { tree, concurrency: rng.usize(1..5), page_size: rng.u32(3..9), faults, limit }
    }

    fn keys(&self, more: &str) -> String {
        let limits = self.limit.map_or(String::new(), |limit| format!("limits = [\"{limit}\"]\n"));
        format!("concurrency = {}\nretire_guard = 1.0\n{limits}{more}\n", self.concurrency)
    }
}

/// A first walk, then one after the world has changed.
async fn play<P: Play>(
    dice: Dice,
    rng: &mut Rng,
    vendor: Simulation<P>,
    cases: (Case, Case),
    tally: &Tally,
    change: impl Fn(&mut P::World),
) -> Vec<String> {
    let door = vendor.door();
    if let Some(limit) = dice.limit {
        door.set_limits(&[limit]);
    }
    door.set_latency(Latency::Between(Duration::ZERO, millis(6)));
    let pair =
        Pair { alone: Mirror::of(cases.0).await, killed: Mirror::of(cases.1).await, concurrency: dice.concurrency, limit: dice.limit };
    let mut faults = Vec::new();
    let (first, second) = dice.faults.split_at(dice.faults.len() / 2);
    for (walk, asked) in [first, second].into_iter().enumerate() {
        let found = pair.walk(door, asked, rng, tally).await;
        faults.extend(found.into_iter().map(|fault| format!("walk {walk}, {asked:?}, {}: {fault}", pair.killed.case.config())));
        change(&mut vendor.world());
    }
    pair.alone.pool.close().await;
    pair.killed.pool.close().await;
    vendor.stop().await;
    faults
}

async fn play_customers(seed: u64, databases: &[String; 2], tally: &Tally) -> Vec<String> {
    let mut rng = Rng::with_seed(seed);
    let dice = Dice::of(seed, &mut rng);
    let mut world = CapillaryWorld::new(seed, CustomerFlavour::PLAIN);
    world.plant(&dice.tree.shape());
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let keys = dice.keys(&format!("page_size = {}", dice.page_size));
    let [alone, killed] = [0, 1].map(|at: usize| Case::at(&databases[at]).customers(&vendor, &keys));
    play(dice, &mut rng, vendor, (alone, killed), tally, |world| _ = world.mutate(0.1, seed)).await
}

async fn play_users(seed: u64, databases: &[String; 2], tally: &Tally) -> Vec<String> {
    let mut rng = Rng::with_seed(seed);
    let dice = Dice::of(seed, &mut rng);
    let ways = [
        (Reach::Direct, "reach = \"direct\""),
        (Reach::Subtree, ""),
        (Reach::Direct, "columns = [\"ManagerUserId\"]"),
        (Reach::Direct, "edges = \"advanced_search\""),
    ];
    let (reach, way) = ways[rng.usize(..ways.len())];
    let mut world = LeadSquaredWorld::new(seed, UserFlavour::PLAIN);
    world.plant(&dice.tree.shape());
    let vendor = LeadSquaredSim::start(world, LeadSquaredSettings { reach, ..LeadSquaredSettings::default() }).await.unwrap();
    let keys = dice.keys(way);
    let [alone, killed] = [0, 1].map(|at: usize| Case::at(&databases[at]).users(&vendor, &keys));
    play(dice, &mut rng, vendor, (alone, killed), tally, |world| _ = world.mutate(0.1, seed)).await
}

/// Seeds played at once.
const AT_ONCE: usize = 2;

/// How often is killed, unless `HIERSYNC_KILLS` says so.
const KILLS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn walks_that_are_killed_at_random_end_as_if_they_had_not_been() {
    let asked = std::env::var("HIERSYNC_KILLS").ok();
    let kills = asked.map_or(KILLS, |asked| asked.trim().parse().expect("HIERSYNC_KILLS: how often to kill"));
    let (tally, free) = (Tally::default(), Mutex::new(Vec::new()));
    for _ in 0..AT_ONCE {
        let databases = [postgres::fresh_database().await, postgres::fresh_database().await];
        free.lock().unwrap().push(databases);
    }
    let one = async |seed: u64| {
        let databases = free.lock().unwrap().pop().expect("one for each that plays");
        for database in &databases {
            postgres::clear(database).await;
        }
        let faults = if seed.is_multiple_of(2) {
            play_customers(seed, &databases, &tally).await
        } else {
            play_users(seed, &databases, &tally).await
        };
        free.lock().unwrap().push(databases);
        faults.into_iter().map(|fault| format!("seed {seed}: {fault}")).collect::<Vec<_>>()
    };
    // Chance may leave one of them out.
    let is_wanted = |_: &u64| futures::future::ready(tally.kills() < kills || (tally.lacks() && tally.kills() < 4 * kills));
    let faults: Vec<Vec<String>> = stream::iter(0..).take_while(is_wanted).map(one).buffer_unordered(AT_ONCE).collect().await;
    let faults = faults.concat();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let tally = tally.0.into_inner().unwrap();
    println!("of each fault, asked for and seen: {tally:?}");
    let never: Vec<&Fault> = tally.iter().filter(|(_, (_, happened))| *happened == 0).map(|(fault, _)| fault).collect();
    assert!(never.is_empty(), "asked for, and never seen to happen: {never:?}");
    assert_eq!(tally.len(), Fault::all().len(), "not every fault was asked for");
}
