//! Every question of docs/bi.md, asked of a company of thousands that moved through ten walks, and again in the middle of the eleventh: the
//! answers are what the simulators say. Where the mirror may have met a node that moved twice at either place, the answer must be a way that
//! the node went.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use fastrand::Rng;
use hiersync::{
    app::App,
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
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    harness::{
        case::{Case, WANTED, run, with_calls},
        postgres, settled,
    },
    questions::{answer, change_partners, paper, queries, reader},
};

/// A hierarchy as its vendor has it, with the keys that analysts see.
#[derive(Default)]
struct Tree {
    /// Every node's parents, the one that has stood longest first.
    parents: BTreeMap<String, Vec<String>>,
    below: BTreeMap<String, usize>,
}

impl Tree {
    fn of_customers(source: &str, world: &CapillaryWorld) -> Self {
        let key = |id: &i64| format!("{source}:{id}");
        let nodes = world.customers().map(|customer| (key(&customer.id), world.parents(customer.id).iter().map(key).collect()));
        Self::of(nodes.collect())
    }

    fn of_users(world: &LeadSquaredWorld) -> Self {
        let key = |id: &Uuid| format!("sales:{id}");
        let mut parents: BTreeMap<String, Vec<String>> = world.users().map(|user| (key(&user.id), Vec::new())).collect();
        for manager in world.users() {
            for report in world.reports(manager.id) {
                parents.get_mut(&key(report)).unwrap().push(key(&manager.id));
            }
        }
        Self::of(parents)
    }

    fn of(parents: BTreeMap<String, Vec<String>>) -> Self {
        let mut tree = Self { parents, below: BTreeMap::new() };
        for path in tree.parents.keys().filter_map(|key| tree.path(key)).collect::<Vec<_>>() {
            for above in &path[1..] {
                *tree.below.entry(above.clone()).or_default() += 1;
            }
        }
        tree
    }

    fn main(&self, key: &str) -> Option<&String> {
        self.parents[key].first()
    }

    /// From the node up to its root; `None` where those above go round in a circle.
    fn path(&self, key: &str) -> Option<Vec<String>> {
        let mut path = vec![key.to_owned()];
        while let Some(above) = self.main(path.last().unwrap()) {
            if path.contains(above) {
                return None;
            }
            path.push(above.clone());
        }
        Some(path)
    }

    /// Who has a place, with the way up.
    fn placed(&self) -> impl Iterator<Item = (&String, Vec<String>)> {
        self.parents.keys().filter_map(|key| Some((key, self.path(key)?)))
    }

    fn unplaced(&self) -> impl Iterator<Item = &String> {
        self.parents.keys().filter(|key| self.path(key).is_none())
    }

    fn below(&self, key: &str) -> usize {
        self.below.get(key).copied().unwrap_or_default()
    }

    /// Children in the settled tree.
    fn children(&self, key: &str) -> usize {
        self.placed().filter(|(_, path)| path.get(1).is_some_and(|parent| parent == key)).count()
    }

    fn links(&self) -> BTreeSet<(String, String)> {
        self.parents.iter().flat_map(|(child, parents)| parents.iter().map(|parent| (parent.clone(), child.clone()))).collect()
    }
}

/// What has happened in the worlds.
#[derive(Default, Clone)]
struct Log {
    /// First names that were given, in their order, by key.
    names: BTreeMap<String, Vec<String>>,
    /// Links that were made.
    made: BTreeSet<(String, String)>,
    moves: usize,
}

fn change_customers(world: &mut CapillaryWorld, rng: &mut Rng, log: &Mutex<Log>) {
    let everybody = world.below(world.roots()[0]);
    let id = everybody[rng.usize(..everybody.len())];
    let mut log = log.lock().unwrap();
    let key = |id: i64| format!("customers:{id}");
    match rng.u8(..4) {
        0 => {
            let new = world.insert(id, Place::First);
            log.made.insert((key(id), key(new)));
        }
        1 if world.below(id).len() < 5 => drop(world.delete(id)),
        2 => {
            let below = world.below(id);
            let to = everybody[rng.usize(..everybody.len())];
            if to != id && !below.contains(&to) {
                world.move_to(id, to, Place::Last, Stamp::Bump);
                log.made.insert((key(to), key(id)));
                log.moves += 1;
            }
        }
        _ => {
            let names = log.names.entry(key(id)).or_default();
            let name = format!("Name {}", names.len());
            world.rename(id, &name, Stamp::Bump);
            names.push(name);
        }
    }
}

fn change_users(world: &mut LeadSquaredWorld, rng: &mut Rng, log: &Mutex<Log>) {
    let everybody = world.below(world.roots()[0]);
    let id = everybody[rng.usize(..everybody.len())];
    let to = everybody[rng.usize(..everybody.len())];
    if to != id && !world.below(id).contains(&to) {
        world.change_manager(id, to, Place::Last, Stamp::Bump);
        let mut log = log.lock().unwrap();
        log.made.insert((format!("sales:{to}"), format!("sales:{id}")));
        log.moves += 1;
    }
}

/// Who is put into which state before the tenth walk.
struct Oddities {
    back: String,
    cycle: BTreeSet<String>,
    twice: BTreeSet<String>,
    nameless: String,
    silent: usize,
}

/// The company, its mirror, and both at two moments.
struct Company {
    customers: CapillarySim,
    partners: CapillarySim,
    users: LeadSquaredSim,
    case: Case,
    log: Arc<Mutex<Log>>,
}

impl Company {
    async fn new() -> Self {
        let mut customers = CapillaryWorld::new(5, CustomerFlavour { shared_email: 0.01, ..CustomerFlavour::PLAIN });
        customers.plant(&Shape::even(17, 3));
        let mut partners = CapillaryWorld::new(6, CustomerFlavour::PLAIN);
        partners.plant(&Shape::list(40));
        let mut users = LeadSquaredWorld::new(7, UserFlavour::PLAIN);
        users.plant(&Shape::even(6, 3));
        // The roots' own rows are shown.
        let settings = CapillarySettings { own_row: true, ..CapillarySettings::default() };
        let customers = CapillarySim::start(customers, settings.clone()).await.unwrap();
        let partners = CapillarySim::start(partners, settings).await.unwrap();
        let users = LeadSquaredSim::start(users, LeadSquaredSettings { own_row: true, ..LeadSquaredSettings::default() }).await.unwrap();
        let free = "limits = [\"100000/1s\"]\nretire_guard = 1.0";
        let case = Case::at(&postgres::fresh_database().await)
            .customers_of_root("customers", &customers, 0, free)
            .customers_of_root("partners", &partners, 0, free)
            .users(&users, free);
        Self { customers, partners, users, case, log: Arc::default() }
    }

    async fn walk(&self, app: &App) -> [Outcome; 3] {
        [run(app, 0, WANTED).await.outcome, run(app, 1, WANTED).await.outcome, run(app, 2, WANTED).await.outcome]
    }

    /// Changes both worlds every so many requests, from now on.
    fn move_on(&self, seed: u64) {
        let (log, mut rng, mut calls) = (Arc::clone(&self.log), Rng::with_seed(seed), 0);
        self.customers.before_each(move |world| {
            calls += 1;
            if calls % 20 == 0 {
                change_customers(world, &mut rng, &log);
            }
        });
        let (log, mut rng, mut calls) = (Arc::clone(&self.log), Rng::with_seed(seed), 0);
        self.users.before_each(move |world| {
            calls += 1;
            if calls % 100 == 0 {
                change_users(world, &mut rng, &log);
            }
        });
    }

    fn rest(&self) {
        self.customers.rest();
        self.users.rest();
    }

    /// One oddity of each kind. `gone`: who left in the first walk, and comes back.
    fn make_odd(&self, gone: &Customer) -> Oddities {
        let mut world = self.customers.world();
        let log = self.log.lock().unwrap();
        let key = |id: i64| format!("customers:{id}");
        let root = world.roots()[0];
        world.insert_customer(root, gone.clone(), Place::Last);
        let nameless = world.insert(root, Place::Last);
        world.edit(nameless, Stamp::Bump, |customer| {
            customer.profiles[0].identifiers.clear();
            customer.profiles[0].channels.clear();
        });
        // Those of whom nothing was changed before.
        let calm: Vec<i64> = world.below(root).into_iter().filter(|id| world.below(*id).is_empty()).collect();
        let calm: Vec<i64> =
            calm.into_iter().filter(|id| !log.names.contains_key(&key(*id)) && *id != nameless && *id != gone.id).collect();
        for silent in &calm[..3] {
            world.rename(*silent, "Mira", Stamp::Keep);
        }
        let [low, twice] = [calm[3], calm[4]];
        let turned = world.parents(low)[0];
        let head = *world.children(root).iter().find(|head| **head != turned && !world.below(**head).contains(&turned)).unwrap();
        world.link(head, twice, Place::Last);
        world.link(head, low, Place::Last);
        world.move_to(turned, low, Place::Last, Stamp::Bump);
        change_partners(&mut self.partners.world(), world.customer(head).unwrap());
        let mut users = self.users.world();
        let manager = users.users().find(|user| users.reports(user.id).len() > 2 && user.manager.is_some()).unwrap().id;
        users.set_active(manager, false, Stamp::Bump);
        Oddities {
            back: key(gone.id),
            cycle: [key(low), key(turned)].into(),
            twice: [key(low), key(twice)].into(),
            nameless: key(nameless),
            silent: 3,
        }
    }

    fn trees(&self) -> [Tree; 3] {
        [
            Tree::of_customers("customers", &self.customers.world()),
            Tree::of_customers("partners", &self.partners.world()),
            Tree::of_users(&self.users.world()),
        ]
    }

    /// Customers of both accounts by key.
    fn customers(&self) -> BTreeMap<String, Customer> {
        let of = |source: &str, world: &CapillaryWorld| {
            world.customers().map(|customer| (format!("{source}:{}", customer.id), customer.clone())).collect::<Vec<_>>()
        };
        of("customers", &self.customers.world()).into_iter().chain(of("partners", &self.partners.world())).collect()
    }
}

fn identifier(customer: &Customer, kind: &str) -> Option<String> {
    customer.profiles[0].identifiers.iter().find(|(of, _)| of == kind).map(|(_, value)| value.clone())
}

/// Sorted by a number, the largest first, then by key.
fn largest(mut counts: Vec<(usize, String)>) -> Vec<String> {
    counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    counts.into_iter().map(|(many, key)| format!("{key} {many}")).collect()
}

fn first(many: usize, of: impl IntoIterator<Item = String>) -> Vec<String> {
    of.into_iter().take(many).collect()
}

/// Answers about the tree as the last walk left it.
fn of_trees(
    [customers, partners, users]: &[Tree; 3],
    who: &BTreeMap<String, Customer>,
    odd: &Oddities,
) -> BTreeMap<&'static str, Vec<String>> {
    let spans = users.placed().map(|(key, _)| (users.children(key), key.clone())).filter(|(many, _)| *many > 0);
    let heads = users.placed().filter(|(_, path)| path.len() <= 2).map(|(key, _)| (users.below(key), key.clone()));
    let both: Vec<(&String, Vec<String>)> = customers.placed().chain(partners.placed()).collect();
    let mut regions: BTreeMap<&String, usize> = BTreeMap::new();
    let mut depths: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for (key, path) in &both {
        *depths.entry((key.split(':').next().unwrap(), path.len() - 1)).or_default() += 1;
        if path.len() > 1 {
            *regions.entry(&path[path.len() - 2]).or_default() += 1;
        }
    }
    let regions = largest(regions.into_iter().map(|(key, many)| (many, key.clone())).collect());
    let (_, deepest) = users.placed().max_by(|a, b| a.1.len().cmp(&b.1.len()).then(b.0.cmp(a.0))).unwrap();
    let families = both.iter().filter(|(_, path)| path.len() > 1).map(|(key, _)| {
        let tree = if key.starts_with("customers") { customers } else { partners };
        (tree.below(key), (*key).clone())
    });
    let defaults: BTreeSet<(&String, &String)> =
        both.iter().filter(|(key, path)| path.len() > 1 && who[*key].default_child).map(|(key, path)| (&path[1], *key)).collect();
    BTreeMap::from([
        ("Span of control", first(3, largest(spans.collect()))),
        ("Headcount below a node", first(3, largest(heads.collect()))),
        ("Roll-up of everybody by region head", regions),
        ("Path to the top", deepest.iter().enumerate().map(|(distance, key)| format!("{distance} {key}")).collect()),
        ("Orphans", customers.unplaced().cloned().collect()),
        ("Two managers, or two parents", odd.twice.iter().map(|key| format!("{key} customer")).collect()),
        ("Cycles", odd.cycle.iter().map(|key| format!("{key} customer")).collect()),
        ("Depth distribution", depths.iter().map(|((source, depth), many)| format!("{source} {depth} {many}")).collect()),
        ("The ten largest families", first(10, largest(families.collect()))),
        ("Default child", first(3, defaults.iter().map(|(parent, key)| format!("{parent} {key}")))),
    ])
}

/// Answers about the customers and users themselves, which nobody changes but for their names once the tenth walk is over.
fn of_nodes(company: &Company, who: &BTreeMap<String, Customer>, odd: &Oddities) -> BTreeMap<&'static str, Vec<String>> {
    let mut mobiles: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
    let mut emails: BTreeMap<String, usize> = BTreeMap::new();
    for (key, customer) in who {
        if let Some(mobile) = identifier(customer, "mobile") {
            mobiles.entry(mobile).or_default().insert(key);
        }
        if let Some(email) = identifier(customer, "email") {
            *emails.entry(email.to_lowercase()).or_default() += 1;
        }
    }
    let joined = |keys: &BTreeSet<&String>| keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ");
    let across = mobiles.iter().filter(|(_, keys)| keys.iter().map(|key| key.split(':').next()).collect::<BTreeSet<_>>().len() > 1);
    let lowest = mobiles.values().find(|keys| keys.iter().any(|key| key.starts_with("customers"))).unwrap();
    let users = company.users.world();
    let idle = users.users().filter(|user| !user.is_active).map(|user| {
        let active = users.reports(user.id).iter().filter(|report| users.user(**report).unwrap().is_active).count();
        (active, format!("sales:{}", user.id))
    });
    BTreeMap::from([
        ("Duplicates by mobile, across sources", first(3, across.map(|(mobile, keys)| format!("{mobile} {}", joined(keys))))),
        (
            "Duplicates by e-mail",
            first(3, largest(emails.into_iter().filter(|(_, many)| *many > 1).map(|(email, many)| (many, email)).collect())),
        ),
        ("Customers without any identifier", vec![odd.nameless.clone()]),
        ("Inactive users with active reports", first(3, largest(idle.filter(|(active, _)| *active > 0).collect()))),
        ("Find a person by mobile", lowest.iter().map(|key| (*key).clone()).collect()),
        ("What the vendor changed silently", vec![format!("customers {}", odd.silent)]),
        ("Freshness of each source", ["customers", "partners", "sales"].map(|source| format!("{source} t f t")).to_vec()),
    ])
}

/// The first columns of what a query gives, joined.
async fn given(pool: &PgPool, sql: &str, columns: &[usize]) -> Vec<String> {
    let table = answer(pool, sql).await;
    let cells = |row: &Vec<String>| columns.iter().map(|at| row[*at].as_str()).collect::<Vec<_>>().join(" ");
    table.iter().skip(1).map(cells).collect()
}

/// Columns that truth is about, where not all are.
fn columns(question: &str) -> &'static [usize] {
    match question {
        "Depth distribution" => &[0, 1, 2],
        "Orphans" | "Customers without any identifier" | "Find a person by mobile" => &[0],
        "Freshness of each source" => &[0, 2, 3, 4],
        _ => &[0, 1],
    }
}

/// Asked by [`ask_about_time`], by [`ask_about_changes`], and last.
const ASKED_APART: [&str; 11] = [
    "The tree on a date",
    "Who reported to whom on a date",
    "Parents and how many children each had on a date",
    "Headcount on twelve dates",
    "Who moved last month, and from where",
    "Retired last week",
    "Gone and come back",
    "Joiners and leavers per week",
    "Everything that changed on a node",
    "Which run wrote a row",
    "Completeness of each source",
];

/// A moment and how the trees stood at it.
struct Moment {
    at: String,
    trees: [Tree; 3],
}

/// Asks about two moments, and what lies between them.
async fn ask_about_time(pool: &PgPool, queries: &BTreeMap<String, String>, [before, now]: [&Moment; 2], log: &Log) {
    let all = |question: &str, moment: &Moment| {
        queries[question].replace("now()", &format!("'{}'::timestamptz", moment.at)).replace(" limit 3", "")
    };
    let text = |links: BTreeSet<(String, String)>| links.into_iter().map(|(parent, child)| format!("{parent} {child}")).collect::<Vec<_>>();
    for moment in [before, now] {
        let [customers, _, users] = &moment.trees;
        assert_eq!(given(pool, &all("The tree on a date", moment), &[0, 1]).await, text(customers.links()), "{}", moment.at);
        assert_eq!(given(pool, &all("Who reported to whom on a date", moment), &[0, 1]).await, text(users.links()), "{}", moment.at);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (parent, _) in customers.links() {
            *counts.entry(parent).or_default() += 1;
        }
        let counts = largest(counts.into_iter().map(|(parent, many)| (many, parent)).collect());
        assert_eq!(given(pool, &all("Parents and how many children each had on a date", moment), &[0, 1]).await, counts, "{}", moment.at);
    }
    let heads = &queries["Headcount on twelve dates"];
    let series = &heads[heads.find("generate_series").unwrap()..heads.find(" d (at)").unwrap()];
    let dates = format!("unnest(array['2000-01-01', '{}', '{}']::timestamptz[])", before.at, now.at);
    let many = [0, before.trees[2].parents.len(), now.trees[2].parents.len()].map(|many| many.to_string());
    assert_eq!(given(pool, &heads.replace(series, &dates), &[1]).await, many);

    let mut ways: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in answer(pool, &queries["Who moved last month, and from where"]).await.into_iter().skip(1) {
        ways.entry(row[0].clone()).or_default().push((row[1].clone(), row[2].clone()));
    }
    assert!(ways.len() > 5, "{}", ways.len());
    // Whom a walk met in neither list has left, and returned elsewhere.
    let returned = "select node_key, change_id from hiersync_bi.change where op = 'restore' and entity = 'reporting_user'";
    let returned: BTreeSet<String> = given(pool, returned, &[0]).await.into_iter().collect();
    assert!(2 * returned.len() < ways.len(), "{returned:?}");
    for (user, parents) in now.trees[2].parents.iter().filter(|(user, _)| !returned.contains(*user)) {
        let mut at = before.trees[2].main(user);
        for (from, to) in ways.get(user).into_iter().flatten() {
            assert_eq!(at, Some(from), "{user} moved to {to}");
            assert!(log.made.contains(&(to.clone(), user.clone())), "{user} was never below {to}");
            at = Some(to);
        }
        assert_eq!(at, parents.first(), "{user}");
    }
}

/// Asks what has changed since the first moment.
async fn ask_about_changes(pool: &PgPool, queries: &BTreeMap<String, String>, [before, now]: [&Moment; 2], log: &Log, odd: &Oddities) {
    let keys = |tree: &Tree| tree.parents.keys().cloned().collect::<BTreeSet<_>>();
    let (had, has) = (keys(&before.trees[0]), keys(&now.trees[0]));
    let met: BTreeSet<&String> = log.made.iter().map(|link| &link.1).collect();

    let retired: BTreeSet<String> = given(pool, &queries["Retired last week"].replace(" limit 3", ""), &[0]).await.into_iter().collect();
    let of_customers = retired.iter().filter(|key| key.starts_with("customers:"));
    assert_eq!(retired.intersection(&had).collect::<Vec<_>>(), had.difference(&has).collect::<Vec<_>>());
    assert!(of_customers.filter(|key| !had.contains(*key)).all(|key| met.contains(key) && !has.contains(key)));
    let back: BTreeSet<String> = given(pool, &queries["Gone and come back"], &[0]).await.into_iter().collect();
    assert!(back.contains(&odd.back) && back.iter().all(|key| *key == odd.back || met.contains(key)), "{back:?}");

    let flows: Vec<Vec<i64>> = answer(pool, &queries["Joiners and leavers per week"])
        .await
        .iter()
        .filter(|row| row[0] == "customers")
        .map(|row| row[2..].iter().map(|number| number.parse().unwrap()).collect())
        .collect();
    let sum = |at: usize| flows.iter().map(|row| row[at]).sum::<i64>();
    let (more, fewer) = (has.len() as i64 - had.len() as i64, had.difference(&has).count() as i64);
    assert_eq!(sum(0) + sum(1) - sum(2), more, "{flows:?}");
    assert!(sum(1) >= 1 && sum(2) >= fewer, "{flows:?}, {fewer} left");

    let changes = answer(pool, &queries["Everything that changed on a node"]).await;
    let writer = answer(pool, &queries["Which run wrote a row"]).await;
    let key = format!("customers:{}", writer[1][0]);
    let names: Vec<&String> = changes[1..].iter().filter(|row| row[2] == "first_name").map(|row| &row[4]).collect();
    let mut given = log.names[&key].iter();
    assert!(!names.is_empty() && names.iter().all(|name| given.any(|given| given == *name)), "{names:?} of {:?}", log.names[&key]);
    assert!(changes[1][1] == "insert" && writer[1][1] == "update" && writer[1][3] == "manual", "{changes:?}, {writer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_question_is_answered_by_the_simulators_truth_after_ten_moving_walks_and_in_the_middle_of_the_eleventh() {
    let company = Company::new().await;
    let (app, owner) = (company.case.app().await, company.case.pool().await);
    let now = async || sqlx::query_scalar::<_, String>("select clock_timestamp()::text").fetch_one(&owner).await.unwrap();
    assert_eq!(company.walk(&app).await, [Outcome::Complete; 3]);
    let before = Moment { at: now().await, trees: company.trees() };
    let gone = {
        let mut world = company.customers.world();
        let root = world.roots()[0];
        let leaf = world.below(root).into_iter().find(|id| world.below(*id).is_empty()).unwrap();
        let gone = world.customer(leaf).unwrap().clone();
        world.delete(leaf);
        gone
    };
    // Ten walks in which the company moves, and one at rest, so that it is known what the mirror must hold.
    for walk in 0..10 {
        company.move_on(walk);
        company.walk(&app).await;
        company.rest();
    }
    let odd = company.make_odd(&gone);
    assert_eq!(company.walk(&app).await, [Outcome::Complete; 3]);
    assert!(settled::faults(&owner).await.is_empty());
    let after = Moment { at: now().await, trees: company.trees() };
    assert!(after.trees[0].parents.len() > 5000, "{}", after.trees[0].parents.len());
    let (who, log) = (company.customers(), company.log.lock().unwrap().clone());
    let truth: BTreeMap<&str, Vec<String>> = of_trees(&after.trees, &who, &odd).into_iter().chain(of_nodes(&company, &who, &odd)).collect();
    let pool = reader(&company.case, "hiersync_pii_reader").await;
    let queries = queries(&std::fs::read_to_string(paper()).unwrap());
    let asked: BTreeSet<&str> = truth.keys().copied().chain(ASKED_APART).collect();
    assert_eq!(asked, queries.keys().map(String::as_str).collect());
    let ask = async |when: &str| {
        for (question, expected) in &truth {
            assert!(!expected.is_empty(), "{question}");
            assert_eq!(&given(&pool, &queries[*question], columns(question)).await, expected, "{question}, {when}");
        }
        ask_about_time(&pool, &queries, [&before, &after], &log).await;
        ask_about_changes(&pool, &queries, [&before, &after], &log, &odd).await;
    };
    let completeness = async || given(&pool, &queries["Completeness of each source"], &[0, 1, 2, 4]).await;
    ask("after the walks").await;
    let live = after.trees.iter().zip(["customers", "partners", "sales"]);
    let live: Vec<String> = live.map(|(tree, source)| format!("{source} complete 0 {}", tree.parents.len())).collect();
    assert_eq!(completeness().await, live);

    // Many are put elsewhere: the next walk stands in the middle.
    let mut rng = Rng::with_seed(99);
    for _ in 0..1000 {
        let mut world = company.customers.world();
        let everybody = world.below(world.roots()[0]);
        let (id, to) = (everybody[rng.usize(..everybody.len())], everybody[rng.usize(..everybody.len())]);
        if to != id && !world.below(id).contains(&to) {
            world.move_to(id, to, Place::Last, Stamp::Bump);
        }
    }
    assert_eq!(run(&app, 0, with_calls(200)).await.outcome, Outcome::Stopped);
    let moved = "select count(*) from hiersync_bi.change where entity = 'customer_link' and walk_id = (select max(walk_id) from hiersync_bi.sync_run)";
    let moved = answer(&pool, moved).await[1][0].parse::<u32>().unwrap();
    assert!(moved > 50, "{moved}");
    ask("in the middle of the eleventh").await;
    assert_eq!(completeness().await, live);
    app.close().await;
}
