//! Promise 4 against worlds that change between any two requests: random trees, random page sizes, random faults. What
//! stood in its place through a walk is mirrored, what was gone before it is retired, or the walk is not called complete.
//!
//! `HIERSYNC_MODEL_SEEDS=1000` plays so many seeds (`2000..3000` those), each with several walks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use futures::{StreamExt, stream};
use hiersync::{
    model::run::Outcome,
    simulator::{
        answer::Answer,
        capillary::{
            CapillarySim,
            make::Flavour as CustomerFlavour,
            settings::{CapillarySettings, CountMeans, Order, UnknownParent},
            world::CapillaryWorld,
        },
        change::Stamp,
        faults::Faults,
        forest::Place,
        leadsquared::{
            LeadSquaredSim,
            make::Flavour as UserFlavour,
            settings::{LeadSquaredSettings, Reach},
            world::LeadSquaredWorld,
        },
        mishap::Mishap,
        shape::Tree,
        stage::{Play, Simulation},
    },
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{
    case::{Case, WANTED, run},
    postgres, settled, tables,
};

type Link = (String, String);

/// What both vendors' worlds have in common, as far as it matters here.
trait World {
    type Id: Copy + Eq + ToString;
    fn top(&self) -> Self::Id;
    fn all_below(&self, id: Self::Id) -> Vec<Self::Id>;
    fn list(&self, id: Self::Id) -> Vec<Self::Id>;
    fn add(&mut self, below: Self::Id, place: Place);
    fn remove(&mut self, id: Self::Id);
    fn put(&mut self, id: Self::Id, below: Self::Id, place: Place, stamp: Stamp);
    fn edit(&mut self, id: Self::Id, name: &str, stamp: Stamp);
    fn shuffle(&mut self, id: Self::Id, seed: u64);

    fn root(&self) -> String {
        self.top().to_string()
    }

    /// The root and everybody below.
    fn everybody(&self) -> Vec<Self::Id> {
        self.all_below(self.top()).into_iter().chain([self.top()]).collect()
    }

    fn links(&self) -> BTreeSet<Link> {
        let of = |parent: Self::Id| self.list(parent).into_iter().map(move |child| (parent.to_string(), child.to_string()));
        self.everybody().into_iter().flat_map(of).collect()
    }

    /// Changes something, if it finds something to change.
    fn change(&mut self, rng: &mut Rng) {
        let everybody = self.everybody();
        let id = everybody[rng.usize(..everybody.len())];
        let below = self.all_below(id);
        match kind(rng) {
            Kind::Insert => self.add(id, place(rng)),
            Kind::Reorder => self.shuffle(id, rng.u64(..)),
            _ if id == self.top() => {}
            Kind::Edit => self.edit(id, &format!("n{}", rng.u16(..)), stamp(rng)),
            Kind::Delete if below.len() < 8 => self.remove(id),
            Kind::Delete => {}
            Kind::Move => {
                // Below anybody but itself and those below it.
                let free: Vec<Self::Id> = everybody.into_iter().filter(|other| *other != id && !below.contains(other)).collect();
                if let Some(parent) = rng.choice(free) {
                    self.put(id, parent, place(rng), stamp(rng));
                }
            }
            Kind::Swap => self.swap(id, rng),
        }
    }

    /// Two change places: one of them with who is above, or both with each other below others.
    fn swap(&mut self, id: Self::Id, rng: &mut Rng) {
        let everybody = self.everybody();
        let parent_of = |id: Self::Id| everybody.iter().copied().find(|other| self.list(*other).contains(&id));
        let Some(parent) = parent_of(id) else { return };
        let above = parent_of(parent);
        if rng.bool()
            && let Some(above) = above
        {
            self.put(id, above, place(rng), stamp(rng));
            self.put(parent, id, place(rng), stamp(rng));
            return;
        }
        let others: Vec<Self::Id> =
            everybody.iter().copied().filter(|other| !self.all_below(*other).contains(&id) && *other != id).collect();
        let below = self.all_below(id);
        let Some(other) = rng.choice(others).filter(|other| !below.contains(other)) else { return };
        if let Some(others_parent) = parent_of(other) {
            self.put(id, others_parent, place(rng), stamp(rng));
            self.put(other, parent, place(rng), stamp(rng));
        }
    }
}

/// Which change to make.
enum Kind {
    Insert,
    Delete,
    Move,
    Swap,
    Edit,
    Reorder,
}

fn kind(rng: &mut Rng) -> Kind {
    match rng.u8(..100) {
        ..20 => Kind::Insert,
        20..35 => Kind::Delete,
        35..60 => Kind::Move,
        60..65 => Kind::Swap,
        65..85 => Kind::Edit,
        _ => Kind::Reorder,
    }
}

fn place(rng: &mut Rng) -> Place {
    match rng.u8(..3) {
        0 => Place::First,
        1 => Place::Last,
        _ => Place::At(rng.usize(..8)),
    }
}

fn stamp(rng: &mut Rng) -> Stamp {
    if rng.bool() { Stamp::Bump } else { Stamp::Keep }
}

impl World for CapillaryWorld {
    type Id = i64;

    fn top(&self) -> i64 {
        self.roots()[0]
    }

    fn all_below(&self, id: i64) -> Vec<i64> {
        self.below(id)
    }

    fn list(&self, id: i64) -> Vec<i64> {
        self.children(id).to_vec()
    }

    fn add(&mut self, below: i64, place: Place) {
        self.insert(below, place);
    }

    fn remove(&mut self, id: i64) {
        self.delete(id);
    }

    fn put(&mut self, id: i64, below: i64, place: Place, stamp: Stamp) {
        self.move_to(id, below, place, stamp);
    }

    fn edit(&mut self, id: i64, name: &str, stamp: Stamp) {
        self.rename(id, name, stamp);
    }

    fn shuffle(&mut self, id: i64, seed: u64) {
        self.reorder(id, seed);
    }
}

impl World for LeadSquaredWorld {
    type Id = Uuid;

    fn top(&self) -> Uuid {
        self.roots()[0]
    }

    fn all_below(&self, id: Uuid) -> Vec<Uuid> {
        self.below(id)
    }

    fn list(&self, id: Uuid) -> Vec<Uuid> {
        self.reports(id).to_vec()
    }

    fn add(&mut self, below: Uuid, place: Place) {
        self.insert(below, place);
    }

    fn remove(&mut self, id: Uuid) {
        self.delete(id);
    }

    fn put(&mut self, id: Uuid, below: Uuid, place: Place, stamp: Stamp) {
        self.change_manager(id, below, place, stamp);
    }

    fn edit(&mut self, id: Uuid, name: &str, stamp: Stamp) {
        self.rename(id, name, stamp);
    }

    fn shuffle(&mut self, id: Uuid, seed: u64) {
        self.reorder(id, seed);
    }
}

/// What a world has shown from a walk's beginning to its end.
#[derive(Default)]
struct Record {
    /// Links that stood at every moment.
    always: BTreeSet<Link>,
    /// Links that stood at some moment.
    ever: BTreeSet<Link>,
    changes: usize,
}

impl Record {
    fn begin(world: &impl World) -> Self {
        let links = world.links();
        Self { always: links.clone(), ever: links, changes: 0 }
    }

    fn note(&mut self, world: &impl World) {
        let links = world.links();
        self.always.retain(|link| links.contains(link));
        self.ever.extend(links);
        self.changes += 1;
    }

    /// Who hung elsewhere at some moment.
    fn movers(&self) -> BTreeSet<&String> {
        self.ever.difference(&self.always).map(|link| &link.1).collect()
    }

    /// Links that stood at every moment and hung on the root by such links all the while: they stayed in their place. Only those that count.
    fn stayed(&self, root: &str, counts: impl Fn(&Link) -> bool) -> BTreeSet<Link> {
        let mut children: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
        for link in self.always.iter().filter(|link| counts(link)) {
            children.entry(&link.0).or_default().push(link);
        }
        let (mut stayed, mut waiting) = (BTreeSet::new(), vec![root]);
        while let Some(parent) = waiting.pop() {
            for link in children.get(parent).into_iter().flatten() {
                if stayed.insert((*link).clone()) {
                    waiting.push(&link.1);
                }
            }
        }
        stayed
    }
}

/// What the mirror holds of links and nodes: live, and retired.
struct Mirrored {
    live_links: BTreeSet<Link>,
    retired_links: BTreeSet<Link>,
    live_nodes: BTreeSet<String>,
    retired_nodes: BTreeSet<String>,
}

impl Mirrored {
    async fn of_customers(pool: PgPool) -> Self {
        let links = "select parent_id::text, child_id::text, retired_at is null from hiersync.customer_link";
        Self::read(&pool, links, "select customer_id::text, retired_at is null from hiersync.customer").await
    }

    async fn of_users(pool: PgPool) -> Self {
        let links = "select manager_id::text, user_id::text, retired_at is null from hiersync.reporting_line";
        Self::read(&pool, links, "select user_id::text, retired_at is null from hiersync.reporting_user").await
    }

    async fn read(pool: &PgPool, links: &'static str, nodes: &'static str) -> Self {
        let links: Vec<(String, String, bool)> = sqlx::query_as(links).fetch_all(pool).await.unwrap();
        let nodes: Vec<(String, bool)> = sqlx::query_as(nodes).fetch_all(pool).await.unwrap();
        let of = |live| links.iter().filter(|row| row.2 == live).map(|row| (row.0.clone(), row.1.clone())).collect();
        let ids = |live| nodes.iter().filter(|row| row.1 == live).map(|row| row.0.clone()).collect();
        Self { live_links: of(true), retired_links: of(false), live_nodes: ids(true), retired_nodes: ids(false) }
    }

    /// What differs from a world at rest.
    fn at_rest(&self, world: &impl World, outcome: Outcome, findings: &[(String, String)]) -> Option<String> {
        let links = world.links();
        let nodes: BTreeSet<String> = links.iter().map(|link| link.1.clone()).chain([world.root()]).collect();
        let is_true = outcome == Outcome::Complete && links == self.live_links && nodes == self.live_nodes;
        let more: Vec<_> = self.live_nodes.difference(&nodes).chain(nodes.difference(&self.live_nodes)).take(3).collect();
        let lines: Vec<_> = self.live_links.symmetric_difference(&links).take(3).collect();
        (!is_true).then(|| format!("at rest: {outcome}, {more:?}, {lines:?}, {findings:?}"))
    }

    /// What promise 4 forbids, in words; and links that have never been. `before`: what the mirror held when the walk began. Where managers
    /// follow from comparing lists (`compares`), a line that is known, and any of the first walk, is taken as the lists suggest it, though the
    /// user may have moved twice.
    /// Of answers that were cut short, and nothing tells it (`is_told`), only that is known that one of them retires nobody from the place in
    /// which the mirror knows them: of who has come into a list since, an answer without them is the first witness.
    fn faults(&self, record: &Record, root: &str, outcome: Outcome, is_told: bool, (before, compares): (&Self, bool)) -> Vec<String> {
        let stayed = record.stayed(root, |link| is_told || before.live_links.contains(link));
        let before = Some(before).filter(|_| compares);
        let nodes: BTreeSet<String> = stayed.iter().map(|link| link.1.clone()).collect();
        let mut faults = Vec::new();
        let mut told = |what: &str, which: Vec<String>| {
            if !which.is_empty() {
                faults.push(format!("{} {what}: {}", which.len(), which[..which.len().min(3)].join(", ")));
            }
        };
        let text = |link: &Link| format!("{}/{}", link.0, link.1);
        told("links that stayed are retired", stayed.intersection(&self.retired_links).map(text).collect());
        told("nodes that stayed are retired", nodes.intersection(&self.retired_nodes).cloned().collect());
        if outcome == Outcome::Complete && is_told {
            let ever: BTreeSet<String> = record.ever.iter().map(|link| link.1.clone()).chain([root.to_owned()]).collect();
            told("links that stayed are missing", stayed.difference(&self.live_links).map(text).collect());
            told("nodes that stayed are missing", nodes.difference(&self.live_nodes).cloned().collect());
            let movers = record.movers();
            let is_known = |link: &Link| before.is_some_and(|before| before.live_links.is_empty() || before.live_links.contains(link));
            let never = self.live_links.difference(&record.ever).filter(|link| !(movers.contains(&link.1) && is_known(link)));
            told("links that were gone before are live", never.map(text).collect());
            told("nodes that were gone before are live", self.live_nodes.difference(&ever).cloned().collect());
        }
        faults
    }
}

/// Changes the world between requests: so many changes a request on average.
/// `hot`: one of the root's children has no rest and goes from place to place in its list.
fn moving<W: World>(record: &Arc<Mutex<Record>>, seed: u64, changes: f64, hot: Option<W::Id>) -> impl FnMut(&mut W) + Send + use<W>
where
    W::Id: Send,
{
    let (record, mut rng, mut restless) = (Arc::clone(record), Rng::with_seed(seed), Rng::with_seed(seed));
    move |world| {
        let top = world.top();
        if let Some(id) = hot.filter(|id| restless.bool() && world.list(top).contains(id)) {
            let place = restless.usize(..world.list(top).len());
            world.put(id, top, Place::At(place), Stamp::Keep);
            record.lock().unwrap().note(world);
        }
        let mut due = changes;
        while rng.f64() < due {
            world.change(&mut rng);
            record.lock().unwrap().note(world);
            due -= 1.0;
        }
    }
}

/// What answers may meet.
fn spoil(faults: &Faults, seed: u64) {
    let error = r#"{"warnings":[],"errors":[{"status":false,"code":8015,"message":"Customer not found"}],"success":false}"#;
    let fewer = |keep, honest_count| Mishap::FewerRows { keep, honest_count };
    let answers = [Answer::raw(200, "application/json", error), Answer::empty(503)].map(Mishap::from);
    let cut = [Mishap::Cut, fewer(0, false), fewer(0, true), fewer(1, true), fewer(2, false)];
    faults.share(0.03, seed, answers.into_iter().chain(cut).collect());
}

/// How much changes.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// Far more than a company would, and answers are spoilt in a quarter of the seeds.
    Wild,
    /// This share of the rows while a walk lasts.
    OfRows(f64),
}

/// How one seed went: how its moving walks ended, and what was wrong.
#[derive(Default)]
struct Played {
    ends: Vec<Outcome>,
    faults: Vec<String>,
    /// Calls of the moving walks.
    moving_calls: i64,
    /// Calls that as many walks at rest take, by the last one.
    resting_calls: i64,
}

const WALKS: u64 = 3;
/// One seed takes seconds.
const LONGEST: Duration = Duration::from_secs(120);

/// What is random about one seed.
#[derive(Debug)]
struct Dice {
    tree: Tree,
    keys: String,
    pace: Pace,
    /// Changes before each request, on average; by the pace, if it is of the rows.
    changes: f64,
    spoilt: bool,
    /// One of the root's children has no rest: far more than 5 % of the rows in a walk.
    is_restless: bool,
    at_rest_first: bool,
}

impl Dice {
    fn of(seed: u64, rng: &mut Rng, pace: Pace) -> Self {
        let nodes = match pace {
            Pace::Wild => 3..[10, 20, 45][rng.usize(..3)],
            Pace::OfRows(_) => 40..100,
        };
        let nodes = rng.usize(nodes);
        let tree = Tree { nodes, levels: rng.usize(1..5).min(nodes), seed };
        // Some trees grow deeper, change by change, than the default allows.
        let keys = format!("concurrency = {}\nmax_depth = 200\nretire_guard = 1.0\n", rng.u8(1..5));
        let (changes, spoilt, at_rest_first) = ([0.03, 0.1, 0.2, 0.4][rng.usize(..4)], rng.u8(..4) == 0, rng.bool());
        let is_wild = matches!(pace, Pace::Wild);
        Self {
            tree,
            keys,
            pace,
            changes,
            spoilt: spoilt && is_wild,
            is_restless: is_wild && seed % 5 == 4,
            at_rest_first: at_rest_first || !is_wild,
        }
    }
}

async fn play_customers(seed: u64, database: String, pace: Pace) -> Played {
    let mut rng = Rng::with_seed(seed);
    let dice = Dice::of(seed, &mut rng, pace);
    let settings = CapillarySettings {
        count: [CountMeans::Page, CountMeans::Total, CountMeans::Absent][rng.usize(..3)],
        gives_no_of_children: rng.u8(..5) > 0,
        max_limit: if rng.u8(..4) == 0 { rng.usize(2..7) } else { 100 },
        default_order: if rng.bool() { Order::Asc } else { Order::Desc },
        unknown_parent: if rng.bool() { UnknownParent::EmptyList } else { UnknownParent::Error(200) },
        ..CapillarySettings::default()
    };
    let mut world = CapillaryWorld::new(seed, CustomerFlavour::PLAIN);
    world.plant(&dice.tree.shape());
    let page_size = if rng.u8(..3) == 0 { 100 } else { rng.u32(2..13) };
    let gives_counts = settings.gives_no_of_children;
    let shape = format!("pages of {page_size}, {dice:?}, counts {gives_counts}, {:?}", settings.unknown_parent);
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::at(&database).customers(&vendor, &format!("page_size = {page_size}\n{}", dice.keys));
    walk(Script { seed, dice, tells: gives_counts, compares: false, shape }, &case, vendor, Mirrored::of_customers).await
}

async fn play_users(seed: u64, database: String, pace: Pace) -> Played {
    let mut rng = Rng::with_seed(seed);
    let dice = Dice::of(seed, &mut rng, pace);
    let ways = [
        (Reach::Direct, "reach = \"direct\""),
        (Reach::Direct, ""),
        (Reach::Direct, "columns = [\"ManagerUserId\"]"),
        (Reach::Subtree, "reach = \"subtree\""),
        (Reach::Subtree, ""),
        (Reach::Subtree, "columns = [\"ManagerUserId\"]"),
        (Reach::Direct, "edges = \"advanced_search\""),
    ];
    let (reach, way) = ways[rng.usize(..ways.len())];
    let compares = reach == Reach::Subtree && !way.starts_with("columns");
    let shape = format!("{reach:?}, {way}, {dice:?}");
    let settings = LeadSquaredSettings { reach, ..LeadSquaredSettings::default() };
    let mut world = LeadSquaredWorld::new(seed, UserFlavour::PLAIN);
    world.plant(&dice.tree.shape());
    let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
    let case = Case::at(&database).users(&vendor, &format!("{way}\n{}", dice.keys));
    walk(Script { seed, dice, tells: false, compares, shape }, &case, vendor, Mirrored::of_users).await
}

/// One seed's play, as both vendors have it.
struct Script {
    seed: u64,
    dice: Dice,
    /// A count from elsewhere tells an answer that was cut short from a whole one.
    tells: bool,
    /// Who is below whom follows from comparing lists.
    compares: bool,
    /// For whoever reads of a fault.
    shape: String,
}

/// Walks while the world moves, and looks each time; then once more at rest.
async fn walk<P: Play<World: World>, F: Future<Output = Mirrored>>(
    script: Script,
    case: &Case,
    vendor: Simulation<P>,
    mirrored: impl Fn(PgPool) -> F,
) -> Played
where
    <P::World as World>::Id: Send,
{
    let Script { seed, dice, tells, compares, shape } = script;
    let (app, pool) = (case.app().await, case.pool().await);
    let mut played = Played::default();
    let mut changes = dice.changes;
    if dice.at_rest_first {
        let report = run(&app, 0, WANTED).await;
        if let Pace::OfRows(share) = dice.pace {
            let calls = report.row.expect("a run").requests;
            changes = share * dice.tree.nodes as f64 / calls as f64;
        }
    }
    for walk in 0..WALKS {
        let (root, hot) = {
            let world = vendor.world();
            (world.root(), world.list(world.top()).first().copied().filter(|_| dice.is_restless))
        };
        let before = mirrored(pool.clone()).await;
        let record = Arc::new(Mutex::new(Record::begin(&*vendor.world())));
        vendor.before_each(moving(&record, seed * 100 + walk, changes, hot));
        if dice.spoilt {
            spoil(vendor.faults(), seed + walk);
        }
        let report = run(&app, 0, WANTED).await;
        let outcome = report.outcome;
        vendor.rest();
        vendor.faults().clear();
        played.ends.push(outcome);
        played.moving_calls += report.row.map_or(0, |row| row.requests);
        if outcome != Outcome::Complete {
            println!("seed {seed}, walk {walk}, {shape}: {outcome}, {:?}", tables::findings(&pool).await);
        }
        // A count that was told before somebody came may be just that of an answer that was cut short: of who was never seen nothing
        // else tells.
        let is_told = !dice.spoilt || (tells && !before.live_links.is_empty());
        let after = mirrored(pool.clone()).await;
        let faults = after.faults(&record.lock().unwrap(), &root, outcome, is_told, (&before, compares));
        let told = |fault| format!("walk {walk}, {shape}: {fault}");
        played.faults.extend(faults.into_iter().map(told));
        if matches!(outcome, Outcome::Complete | Outcome::Partial) {
            played.faults.extend(settled::faults(&pool).await.into_iter().map(told));
        }
    }
    // A walk that was interrupted is gone on with; the one after it sees a world at rest from its beginning.
    if !matches!(played.ends.last(), Some(Outcome::Complete | Outcome::Partial)) {
        run(&app, 0, WANTED).await;
    }
    let outcome = run(&app, 0, WANTED).await.outcome;
    // Whoever has left since the walk before is asked for twice: only the next one finds all as it was.
    let report = if matches!(dice.pace, Pace::OfRows(_)) { Some(run(&app, 0, WANTED).await) } else { None };
    played.resting_calls =
        report.and_then(|report| report.row).map_or(0, |row| row.requests) * i64::try_from(played.ends.len()).unwrap_or(0);
    app.close().await;
    let (mirrored, findings) = (mirrored(pool.clone()).await, tables::findings(&pool).await);
    played.faults.extend(settled::faults(&pool).await.into_iter().map(|fault| format!("at rest, {shape}: {fault}")));
    played.faults.extend(mirrored.at_rest(&*vendor.world(), outcome, &findings).map(|fault| format!("{shape}: {fault}")));
    pool.close().await;
    vendor.stop().await;
    played
}

/// The seeds to play: those asked for, else so many.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("HIERSYNC_MODEL_SEEDS").unwrap_or_default();
    let number = |text: &str| text.trim().parse::<u64>().expect("HIERSYNC_MODEL_SEEDS: a number of seeds, or from..to");
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None if asked.is_empty() => 0..usual,
        None => 0..number(&asked),
    }
}

/// Seeds played at once.
const AT_ONCE: usize = 2;

/// Plays seeds a few at a time, and tells of all that was wrong. Gives the share of moving walks that were complete.
async fn play<F: Future<Output = Played>>(seeds: std::ops::Range<u64>, one: impl Fn(u64, String) -> F) -> f64 {
    let many = seeds.end - seeds.start;
    let free = Mutex::new(Vec::new());
    for _ in 0..AT_ONCE {
        let database = postgres::fresh_database().await;
        free.lock().unwrap().push(database);
    }
    let all: Vec<(u64, Played)> = stream::iter(seeds)
        .map(|seed| {
            let (free, one) = (&free, &one);
            async move {
                let database = free.lock().unwrap().pop().expect("one for each that plays");
                postgres::clear(&database).await;
                let played = tokio::time::timeout(LONGEST, one(seed, database.clone())).await;
                free.lock().unwrap().push(database);
                (seed, played.unwrap_or_else(|_| Played { faults: vec!["it hangs".into()], ..Played::default() }))
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for end in all.iter().flat_map(|(_, played)| &played.ends) {
        *ends.entry(end.to_string()).or_default() += 1;
    }
    let calls = |of: fn(&Played) -> i64| all.iter().map(|(_, played)| of(played)).sum::<i64>();
    let (moving, resting) = (calls(|played| played.moving_calls), calls(|played| played.resting_calls));
    println!("{many} seeds: {ends:?}; {moving} calls, {:.3} of those at rest", moving as f64 / resting.max(1) as f64);
    let faults: Vec<String> =
        all.iter().flat_map(|(seed, played)| played.faults.iter().map(move |fault| format!("seed {seed}: {fault}"))).collect();
    assert!(faults.is_empty(), "{} of {many} seeds:\n{}", faults.len(), faults.join("\n"));
    let walks: usize = ends.values().sum();
    ends.get(Outcome::Complete.as_ref()).copied().unwrap_or_default() as f64 / walks as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_that_stayed_are_kept_and_those_that_were_gone_are_retired() {
    play(seeds(100), |seed, database| play_customers(seed, database, Pace::Wild)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_stayed_are_kept_and_those_that_were_gone_are_retired() {
    play(seeds(100), |seed, database| play_users(seed, database, Pace::Wild)).await;
}

/// What a company may change while it is read: 5 % of the rows in a walk.
const BUSY: Pace = Pace::OfRows(0.05);

#[tokio::test(flavor = "multi_thread")]
async fn walks_of_customers_end_complete_while_five_percent_of_the_rows_change() {
    let share = play(seeds(20), |seed, database| play_customers(seed, database, BUSY)).await;
    assert!(share >= 0.95, "{share}");
}

#[tokio::test(flavor = "multi_thread")]
async fn walks_of_users_end_complete_while_five_percent_of_the_rows_change() {
    let share = play(seeds(10), |seed, database| play_users(seed, database, BUSY)).await;
    assert!(share >= 0.95, "{share}");
}
