//! How the vendor's stamp and the content decide, cell by cell of the contract's table, for both vendors, over three walks.

use chrono::{DateTime, Utc};
use hiersync::simulator::{
    answer::Answer,
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    leadsquared::{
        LeadSquaredSim,
        settings::{LeadSquaredSettings, UnknownUser},
        world::LeadSquaredWorld,
    },
    shape::Shape,
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{
    case::Case,
    tables::{findings, places, row},
};

const FOREVER: usize = 1_000_000;
const STORED: &str = "2025-03-02T08:00:00Z";
/// The stamp of a vendor whose clock was far ahead.
const AHEAD: &str = "2999-01-01T00:00:00Z";

/// One node: what was stored of it, what comes in, and what that makes of it.
struct Cell {
    stored: Option<&'static str>,
    incoming: Option<&'static str>,
    is_other: bool,
    /// Whether the walk that first sees it takes it.
    changes: bool,
    /// What it finds.
    finding: Option<&'static str>,
    /// The stamp after that walk.
    stamp: Option<&'static str>,
}

const fn cell(stored: Option<&'static str>, incoming: Option<&'static str>, is_other: bool) -> Cell {
    Cell { stored, incoming, is_other, changes: is_other, finding: None, stamp: incoming }
}

const OLD: Option<&str> = Some(STORED);

/// Instants in ISO; each vendor writes them its own way.
fn cells() -> Vec<Cell> {
    let newer = Some("2025-03-02T09:00:00Z");
    let older = Some("2025-03-02T07:00:00Z");
    let by_a_microsecond = Some("2025-03-02T08:00:00.000001Z");
    let by_less = Some("2025-03-02T08:00:00.0000004Z");
    vec![
        // Newer.
        cell(OLD, newer, false),
        cell(OLD, newer, true),
        cell(OLD, by_a_microsecond, false),
        cell(OLD, by_a_microsecond, true),
        cell(OLD, Some(AHEAD), false),
        cell(OLD, Some(AHEAD), true),
        // Equal, and equal in all that is kept.
        cell(OLD, OLD, false),
        Cell { finding: Some("silent_change"), ..cell(OLD, OLD, true) },
        Cell { stamp: OLD, ..cell(OLD, by_less, false) },
        Cell { stamp: OLD, finding: Some("silent_change"), ..cell(OLD, by_less, true) },
        // None is given: the one that was given stands until there is new content, which has none.
        Cell { stamp: OLD, ..cell(OLD, None, false) },
        cell(OLD, None, true),
        // None is stored.
        cell(None, newer, false),
        cell(None, newer, true),
        cell(None, None, false),
        cell(None, None, true),
        // Older.
        Cell { stamp: OLD, ..cell(OLD, older, false) },
        Cell { stamp: OLD, changes: false, finding: Some("stale_read"), ..cell(OLD, older, true) },
        // Older than one that is still to come.
        Cell { stamp: Some(AHEAD), ..cell(Some(AHEAD), newer, false) },
        Cell { stamp: Some(AHEAD), changes: false, finding: Some("stale_read"), ..cell(Some(AHEAD), newer, true) },
    ]
}

enum Vendor {
    Capillary(CapillarySim),
    LeadSquared(LeadSquaredSim),
}

/// A vendor with one list that holds a row for each cell.
struct Stage {
    vendor: Vendor,
    case: Case,
    pool: PgPool,
    list: String,
}

/// The columns that both vendors' nodes have.
struct Stored {
    name: String,
    stamp: Option<DateTime<Utc>>,
}

impl Stage {
    async fn capillary(rows: usize) -> Self {
        let mut world = CapillaryWorld::new(61, Flavour::PLAIN);
        let root = world.plant(&Shape::of([None].into_iter().chain(std::iter::repeat_n(Some(0), rows)).collect()));
        let list = world.children(root)[0].to_string();
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let case = Case::new().await.customers(&vendor, "");
        Self { pool: case.pool().await, vendor: Vendor::Capillary(vendor), case, list }
    }

    async fn leadsquared(rows: usize) -> Self {
        let mut world = LeadSquaredWorld::new(61, hiersync::simulator::leadsquared::make::Flavour::PLAIN);
        let root = world.plant(&Shape::of([None].into_iter().chain(std::iter::repeat_n(Some(0), rows)).collect()));
        let list = world.reports(root)[0].to_string();
        let settings = LeadSquaredSettings { unknown_user: UnknownUser::EmptyList, ..LeadSquaredSettings::default() };
        let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
        let case = Case::new().await.users(&vendor, "reach = \"direct\"\ncolumns = [\"ModifiedOn\"]");
        Self { pool: case.pool().await, vendor: Vendor::LeadSquared(vendor), case, list }
    }

    fn id(&self, place: usize) -> String {
        match self.vendor {
            Vendor::Capillary(_) => (800_000_000 + place).to_string(),
            Vendor::LeadSquared(_) => format!("aaaaaaaa-0000-4000-8000-{place:012x}"),
        }
    }

    /// The name of the vendor's stamp, as it writes it. `raw`: written as it stands.
    fn stamp(&self, stamp: Option<&str>) -> (&'static str, Value) {
        match self.vendor {
            Vendor::Capillary(_) => ("autoUpdateTime", json!(stamp)),
            Vendor::LeadSquared(_) => ("ModifiedOn", json!(stamp.map(|stamp| stamp.replace('T', " ").trim_end_matches('Z').to_owned()))),
        }
    }

    /// From now on, the list shows these names under these stamps.
    fn show(&self, rows: &[(&str, (&'static str, Value))]) {
        let shown: Vec<Value> = rows.iter().enumerate().map(|(place, (name, (key, stamp)))| self.row(place, name, key, stamp)).collect();
        let (faults, body) = match &self.vendor {
            Vendor::Capillary(vendor) => (vendor.faults(), json!({"entity": {"customers": shown}})),
            Vendor::LeadSquared(vendor) => (vendor.faults(), json!({"Users": shown})),
        };
        faults.clear();
        faults.on_parent(&self.list, FOREVER, Answer::json(200, &body));
    }

    fn row(&self, place: usize, name: &str, key: &str, stamp: &Value) -> Value {
        let id = self.id(place);
        match self.vendor {
            Vendor::Capillary(_) => json!({"profiles": [{"userId": id, "firstName": name, key: stamp}], "noOfChildren": 0}),
            Vendor::LeadSquared(_) => json!({"UserId": id, "Name": name, key: stamp}),
        }
    }

    /// Whether the stamp's own key stands in `extra`: the vendor gave it, and it was none.
    async fn stored(&self, place: usize) -> Stored {
        let sql = match self.vendor {
            Vendor::Capillary(_) => "select first_name, auto_update_time from hiersync.customer where customer_id::text = $1",
            Vendor::LeadSquared(_) => "select name, auto_update_time from hiersync.reporting_user where user_id::text = $1",
        };
        let (name, stamp) = sqlx::query_as(sql).bind(self.id(place)).fetch_one(&self.pool).await.unwrap();
        Stored { name, stamp }
    }

    /// Key, fields and vendor's time of the latest run's updates; our time must be the run's.
    async fn updates(&self) -> Vec<(String, Value, Option<DateTime<Utc>>)> {
        let strange = "select count(*) from hiersync.change c join hiersync.sync_run r using (run_id)
            where c.seen_at not between r.started_at and r.finished_at";
        assert_eq!(sqlx::query_scalar::<_, i64>(strange).fetch_one(&self.pool).await.unwrap(), 0, "`seen_at` is our time");
        let sql = "select key, fields, vendor_time from hiersync.change
            where run_id = (select max(run_id) from hiersync.sync_run) and op = 'update' order by key";
        sqlx::query_as(sql).fetch_all(&self.pool).await.unwrap()
    }

    fn told(&self) -> Value {
        match self.vendor {
            Vendor::Capillary(_) => json!({"first_name": ["before", "after"]}),
            Vendor::LeadSquared(_) => json!({"name": ["before", "after"]}),
        }
    }
}

fn time(text: &str) -> DateTime<Utc> {
    let time: DateTime<Utc> = text.parse().unwrap();
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap()
}

/// A stamp that cannot be read is none: it is no change of content either, and what was stored stands.
async fn a_stamp_turned_malformed_is_no_change(stage: &Stage) {
    stage.show(&[("before", stage.stamp(OLD))]);
    stage.case.complete().await;
    let (key, _) = stage.stamp(None);
    for malformed in [json!("31/05/2022"), json!("soon"), json!({"seconds": 5})] {
        stage.show(&[("before", (key, malformed))]);
        let run = stage.case.complete().await;
        assert_eq!((run.updated, stage.stored(0).await.stamp), (0, Some(time(STORED))));
    }
    assert!(findings(&stage.pool).await.iter().any(|(kind, _)| kind == "bad_time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_stamp_over_a_stored_one_changes_nothing_in_capillary() {
    a_stamp_turned_malformed_is_no_change(&Stage::capillary(1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_stamp_over_a_stored_one_changes_nothing_in_leadsquared() {
    a_stamp_turned_malformed_is_no_change(&Stage::leadsquared(1).await).await;
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

/// Each cell: a walk that stores, one that decides, one that says the same, and a quiet one.
async fn every_cell_decides(stage: &Stage, cells: &[Cell]) {
    stage.show(&cells.iter().map(|cell| ("before", stage.stamp(cell.stored))).collect::<Vec<_>>());
    stage.case.complete().await;
    let name = |cell: &Cell| if cell.is_other { "after" } else { "before" };
    stage.show(&cells.iter().map(|cell| (name(cell), stage.stamp(cell.incoming))).collect::<Vec<_>>());

    let run = stage.case.complete().await;
    let taken = |cell: &&(usize, &Cell)| cell.1.changes;
    let all: Vec<(usize, &Cell)> = cells.iter().enumerate().collect();
    let expected: Vec<_> =
        all.iter().filter(taken).map(|(place, cell)| (stage.id(*place), stage.told(), cell.incoming.map(time))).collect();
    assert_eq!(stage.updates().await, expected);
    assert_eq!((run.inserted, run.updated, run.retired, run.restored), (0, count(expected.len()), 0, 0));
    assert_eq!(run.unchanged, count(cells.len() - expected.len()) + 2, "the root and the list's parent too");
    let mut found: Vec<(String, String)> =
        all.iter().filter_map(|(place, cell)| Some((cell.finding?.to_owned(), stage.id(*place)))).collect();
    found.sort();
    assert_eq!(findings(&stage.pool).await, found);
    for (place, cell) in &all {
        let stored = stage.stored(*place).await;
        assert_eq!((stored.name == "after", stored.stamp), (cell.changes, cell.stamp.map(time)), "cell {place}");
    }

    // The same again: who was thought stale is taken, and nobody else is touched.
    let second = stage.case.complete().await;
    let stale = |cell: &&(usize, &Cell)| cell.1.finding == Some("stale_read");
    let expected: Vec<_> =
        all.iter().filter(stale).map(|(place, cell)| (stage.id(*place), stage.told(), cell.incoming.map(time))).collect();
    assert_eq!((stage.updates().await, second.updated), (expected.clone(), count(expected.len())));
    for (place, cell) in all.iter().filter(stale) {
        let stored = stage.stored(*place).await;
        assert_eq!((stored.name.as_str(), stored.stamp), ("after", cell.incoming.map(time)));
    }
    stage.case.quiet(&stage.pool).await;
    assert_eq!(findings(&stage.pool).await, [], "a later walk that sees nothing odd resolves");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_contract_decides_for_customers() {
    every_cell_decides(&Stage::capillary(cells().len()).await, &cells()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_contract_decides_for_users() {
    every_cell_decides(&Stage::leadsquared(cells().len()).await, &cells()).await;
}

/// A row that changes with every walk, after its vendor's clock was ahead once: it is behind by one walk at most.
async fn a_stamp_ahead_freezes_nothing(stage: &Stage) {
    stage.show(&[("ahead", stage.stamp(Some(AHEAD)))]);
    stage.case.complete().await;
    stage.show(&[("first", stage.stamp(Some("2025-03-03T08:00:00Z")))]);
    stage.case.quiet(&stage.pool).await;
    assert_eq!(findings(&stage.pool).await, [("stale_read".into(), stage.id(0))]);
    stage.show(&[("second", stage.stamp(Some("2025-03-04T08:00:00Z")))]);
    assert_eq!(stage.case.complete().await.updated, 1);
    let stored = stage.stored(0).await;
    assert_eq!((stored.name.as_str(), stored.stamp), ("second", Some(time("2025-03-04T08:00:00Z"))));
    stage.show(&[("third", stage.stamp(Some("2025-03-05T08:00:00Z")))]);
    assert_eq!(stage.case.complete().await.updated, 1);
    assert_eq!((stage.stored(0).await.name.as_str(), findings(&stage.pool).await), ("third", vec![]));
    stage.case.quiet(&stage.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_that_is_still_to_come_freezes_nothing() {
    a_stamp_ahead_freezes_nothing(&Stage::capillary(1).await).await;
    a_stamp_ahead_freezes_nothing(&Stage::leadsquared(1).await).await;
}

/// Where a stamp has passed, another state each time is as stale as before: only what is said twice is taken.
async fn what_is_stale_and_never_the_same_is_never_taken(stage: &Stage) {
    stage.show(&[("now", stage.stamp(OLD))]);
    stage.case.complete().await;
    for name in ["stale", "staler"] {
        stage.show(&[(name, stage.stamp(Some("2024-03-02T08:00:00Z")))]);
        stage.case.quiet(&stage.pool).await;
        assert_eq!(findings(&stage.pool).await, [("stale_read".into(), stage.id(0))]);
    }
    assert_eq!(stage.case.complete().await.updated, 1, "said twice");
    assert_eq!(stage.stored(0).await.name, "staler");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_read_is_taken_only_when_the_next_walk_says_the_same() {
    what_is_stale_and_never_the_same_is_never_taken(&Stage::capillary(1).await).await;
    what_is_stale_and_never_the_same_is_never_taken(&Stage::leadsquared(1).await).await;
}

/// A malformed stamp: the row lands without one, what was sent is kept and told, and a stamp that was stored is not lost.
async fn a_malformed_stamp_is_kept_and_told(stage: &Stage, extra: &'static str) {
    let (key, good) = stage.stamp(OLD);
    stage.show(&[("new", (key, json!("31/05/2022"))), ("known", (key, good.clone()))]);
    stage.case.complete().await;
    assert_eq!(findings(&stage.pool).await, [("bad_time".into(), key.to_owned())]);
    let first = stage.stored(0).await;
    assert_eq!((first.name.as_str(), first.stamp), ("new", None));
    assert_eq!(row(&stage.pool, extra).await, json!("31/05/2022"));
    let before = places(&stage.pool).await;
    stage.case.quiet(&stage.pool).await;
    assert_eq!(places(&stage.pool).await, before);

    // Well again: the time is written, and what was kept of the other goes.
    stage.show(&[("new", (key, good.clone())), ("known", (key, good))]);
    assert_eq!(stage.case.complete().await.updated, 0);
    assert_eq!((stage.stored(0).await.stamp, findings(&stage.pool).await), (Some(time(STORED)), vec![]));
    assert_eq!(row(&stage.pool, extra).await, Value::Null);
    stage.case.quiet(&stage.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_stamp_costs_neither_the_row_nor_itself() {
    let extra = "select coalesce(extra #> '{profiles,1,autoUpdateTime}', 'null') from hiersync.customer where customer_id = 800000000";
    a_malformed_stamp_is_kept_and_told(&Stage::capillary(2).await, extra).await;
    let extra = "select coalesce(extra -> 'ModifiedOn', 'null') from hiersync.reporting_user where user_id::text like '%000000000000'";
    a_malformed_stamp_is_kept_and_told(&Stage::leadsquared(2).await, extra).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_is_the_same_instant() {
    let stage = Stage::capillary(2).await;
    let offset = ("autoUpdateTime", json!("2025-03-02T13:30:00+05:30"));
    stage.show(&[("a", stage.stamp(OLD)), ("b", stage.stamp(OLD))]);
    stage.case.complete().await;
    stage.show(&[("a", offset.clone()), ("c", offset)]);
    let run = stage.case.complete().await;
    assert_eq!((run.updated, stage.updates().await[0].2), (1, Some(time(STORED))));
    assert_eq!(findings(&stage.pool).await, [("silent_change".into(), stage.id(1))]);
    stage.case.quiet(&stage.pool).await;
}
