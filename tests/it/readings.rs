//! However LeadSquared's answers are to be read, the mirror is the account's tree, and it follows what moves in it.

use hiersync::{
    model::run::Outcome,
    simulator::{
        answer::Answer,
        change::Stamp,
        forest::Place,
        leadsquared::{
            LeadSquaredSim,
            make::Flavour,
            refusals,
            settings::{Booleans, DefaultKeys, KeysIn, LeadSquaredSettings, ManagerColumn, Reach, Total, UnknownColumn, UserOrder},
            world::LeadSquaredWorld,
        },
        shape::{Shape, Tree},
    },
    store::report::RunRow,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{
    case::{Case, WANTED},
    program::Program,
    tables::{assert_users, count, findings, latest_changes, latest_fields, row, users, users_now},
};

const UNSTAMPED: &[&str] = &["auto_update_time"];
const WITH_MANAGERS: &str = "columns = [\"ManagerUserId\", \"ModifiedOn\"]";

/// A vendor with a mirror of it.
struct Account {
    vendor: LeadSquaredSim,
    case: Case,
    pool: PgPool,
    root: Uuid,
}

impl Account {
    async fn open(shape: &Shape, settings: LeadSquaredSettings, more: &str) -> Self {
        let mut world = LeadSquaredWorld::new(31, Flavour { no_email: 0.0, ..Flavour::default() });
        world.plant(shape);
        Self::of(world, settings, more).await
    }

    async fn of(world: LeadSquaredWorld, settings: LeadSquaredSettings, more: &str) -> Self {
        let root = world.roots()[0];
        let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
        let case = Case::new().await.users(&vendor, more);
        let pool = case.pool().await;
        Self { vendor, case, pool, root }
    }

    fn tree() -> Shape {
        Tree { nodes: 20, levels: 4, seed: 31 }.shape()
    }

    fn report(&self, of: Uuid, place: usize) -> Uuid {
        self.vendor.world().reports(of)[place]
    }

    /// Somebody with a manager below the root and nobody below.
    fn leaf(&self) -> Uuid {
        *self.vendor.world().below(self.root).last().unwrap()
    }

    /// Syncs, which must be complete and true, and again, which must write nothing.
    async fn settle(&self, unasked: &[&str]) -> RunRow {
        let run = self.case.complete().await;
        assert_users(&self.pool, &self.below_the_root(), unasked).await;
        assert_eq!(findings(&self.pool).await, []);
        self.case.quiet(&self.pool).await;
        run
    }

    /// Who the mirror says a user reports to.
    async fn managers(&self, user: Uuid) -> Vec<String> {
        users(&self.pool).await.1.into_iter().filter(|(_, below)| *below == user.to_string()).map(|(manager, _)| manager).collect()
    }

    fn below_the_root(&self) -> hiersync::simulator::truth::Truth {
        self.vendor.world().truth(&[self.root])
    }
}

fn reaching(reach: Reach) -> LeadSquaredSettings {
    LeadSquaredSettings { reach, ..LeadSquaredSettings::default() }
}

async fn reads(reach: Reach, more: &str, unasked: &[&str]) -> (Account, RunRow) {
    let account = Account::open(&Account::tree(), reaching(reach), more).await;
    let run = account.settle(unasked).await;
    assert_eq!(run.inserted, 21);
    (account, run)
}

async fn reading_of(pool: &PgPool) -> Value {
    row(pool, "select to_jsonb(array_agg(distinct reach)) from hiersync_internal.walk").await
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_reports_are_asked_for_user_by_user() {
    let (account, run) = reads(Reach::Direct, "reach = \"direct\"", UNSTAMPED).await;
    assert_eq!(run.requests, 22, "nobody says who has reports, so everybody is asked; and the root for its own row");
    assert_eq!(usize::try_from(run.requests).unwrap() * 2, account.vendor.door().calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subtree_without_managers_is_worked_out_from_all_lists() {
    reads(Reach::Subtree, "reach = \"subtree\"", UNSTAMPED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subtree_with_managers_costs_one_call_beside_the_roots_own_row() {
    let (_, run) = reads(Reach::Subtree, &format!("reach = \"subtree\"\n{WITH_MANAGERS}"), &[]).await;
    assert_eq!((run.requests, run.rows_seen), (2, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_reports_with_managers_are_the_same_tree() {
    reads(Reach::Direct, &format!("reach = \"direct\"\n{WITH_MANAGERS}"), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_reports_are_found_out_from_the_answers() {
    let (account, _) = reads(Reach::Direct, "", UNSTAMPED).await;
    assert_eq!(reading_of(&account.pool).await, json!(["direct"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_reports_with_managers_are_found_out_from_the_answers() {
    let (account, _) = reads(Reach::Direct, WITH_MANAGERS, &[]).await;
    assert_eq!(reading_of(&account.pool).await, json!(["direct"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subtree_is_found_out_from_the_answers() {
    let (account, _) = reads(Reach::Subtree, "", UNSTAMPED).await;
    assert_eq!(reading_of(&account.pool).await, json!(["subtree"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subtree_with_managers_is_found_out_from_one_answer() {
    let (account, run) = reads(Reach::Subtree, WITH_MANAGERS, &[]).await;
    assert_eq!((reading_of(&account.pool).await, run.requests), (json!(["stated"]), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_level_of_reports_is_found_out_too() {
    for reach in [Reach::Direct, Reach::Subtree] {
        let account = Account::open(&Shape::list(3), reaching(reach), "").await;
        assert_eq!(account.settle(UNSTAMPED).await.inserted, 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_to_whom_nobody_reports_is_a_mirror_of_one() {
    let account = Account::open(&Shape::list(0), reaching(Reach::Direct), "").await;
    let run = account.case.complete().await;
    // One empty answer for a whole tree is not believed.
    assert_eq!((run.inserted, run.requests), (1, 3));
    account.case.quiet(&account.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roster_gives_those_below_the_root_and_nobody_else() {
    let mut world = LeadSquaredWorld::new(32, Flavour { no_email: 0.0, null_names: 0.0, ..Flavour::default() });
    world.plant(&Account::tree());
    world.plant(&Shape::list(5));
    let account = Account::of(world, LeadSquaredSettings::default(), "edges = \"advanced_search\"\ncolumns = [\"PhoneMobile\"]").await;
    let run = account.case.complete().await;
    let (nodes, lines) = users(&account.pool).await;
    let truth = account.below_the_root();
    assert_eq!(lines, truth.links);
    // The search shows the root itself, and names in two parts.
    let others = nodes.keys().filter(|id| **id != account.root.to_string());
    assert!(others.eq(truth.nodes.keys()));
    for (id, row) in &truth.nodes {
        assert_eq!((&nodes[id]["email"], &nodes[id]["is_active"]), (&row["email"], &row["is_active"]));
    }
    // Whether the one short page was capped is asked once, by a page that shows its last row again.
    assert_eq!((run.inserted, run.requests, run.rows_seen), (21, 2, 28));
    account.case.quiet(&account.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_of_2500_users_costs_three_calls() {
    let account = Account::open(&Shape::list(2499), LeadSquaredSettings::default(), "edges = \"advanced_search\"").await;
    let run = account.case.complete().await;
    assert_eq!((run.inserted, run.requests, account.vendor.door().calls_of("search")), (2500, 3, 3));
    let lines = "select count(*) from hiersync.reporting_line where retired_at is null";
    assert_eq!(count(&account.pool, lines).await, 2499);
    assert_eq!(account.case.quiet(&account.pool).await.requests, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_read_twice_counts_each_user_once() {
    let account = Account::open(&Shape::list(9), LeadSquaredSettings::default(), "edges = \"advanced_search\"").await;
    account.case.complete().await;
    let gone = account.report(account.root, 8);
    account.vendor.world().delete(gone);
    // That somebody is missing is asked a second time.
    let run = account.case.complete().await;
    assert_eq!((run.unchanged, run.retired, run.rows_seen > 16), (9, 1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_readings_of_a_directory_the_later_one_counts() {
    let account = Account::open(&Shape::list(9), LeadSquaredSettings::default(), "edges = \"advanced_search\"").await;
    account.case.complete().await;
    let (user, gone) = (account.report(account.root, 2), account.report(account.root, 8));
    let name = account.vendor.world().user(user).unwrap().name.clone().unwrap();
    let back = name.clone();
    account.vendor.world().rename(user, "Passing", Stamp::Keep);
    // That somebody is missing is asked a second time, and by then the name is what it was.
    account.vendor.world().delete(gone);
    let first = account.vendor.door().calls();
    let mut seen = 0;
    account.vendor.before_each(move |world| {
        seen += 1;
        if seen == 2 {
            world.rename(user, &back, Stamp::Keep);
        }
    });
    let run = account.case.complete().await;
    account.vendor.rest();
    assert!(account.vendor.door().calls() - first >= 2, "it was read once");
    assert_eq!((run.updated, run.retired, run.rows_seen > 16), (0, 1, true));
    let mirrored: String = sqlx::query_scalar("select name from hiersync.reporting_user where user_id = $1")
        .bind(user)
        .fetch_one(&account.pool)
        .await
        .unwrap();
    assert_eq!(mirrored, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_that_fills_its_pages_exactly_is_read_to_its_end() {
    let account = Account::open(&Shape::list(999), LeadSquaredSettings::default(), "edges = \"advanced_search\"").await;
    let run = account.case.complete().await;
    assert_eq!((run.inserted, run.requests), (1000, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_that_is_capped_silently_is_read_whole() {
    let settings = LeadSquaredSettings { search_cap: 57, ..LeadSquaredSettings::default() };
    let account = Account::open(&Shape::list(119), settings, "edges = \"advanced_search\"").await;
    let run = account.case.complete().await;
    assert_eq!((run.inserted, run.requests), (120, 3));
    assert_eq!(account.case.quiet(&account.pool).await.requests, 3);
    // The cap is gone.
    account.vendor.settings().search_cap = 1000;
    assert_eq!(account.case.quiet(&account.pool).await.requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_of_a_roster_that_cannot_be_read_costs_no_other_and_retires_nobody() {
    let account = Account::open(&Shape::list(3), LeadSquaredSettings::default(), "retire_guard = 1.0\nedges = \"advanced_search\"").await;
    account.case.complete().await;
    let reports: Vec<Uuid> = account.vendor.world().reports(account.root).to_vec();
    let row = |id: Value, name: &str| json!({"UserId": id, "FirstName": name, "ManagerUserId": account.root});
    let rows = [
        json!({"UserId": account.root, "ManagerUserId": null}),
        row(json!(reports[0]), "Renamed"),
        row(json!(7), "Nobody"),
        row(json!("aaaaaaaa-0000-4000-8000-000000000001"), "New"),
    ];
    account.vendor.faults().on_kind("search", 1_000_000, Answer::json(200, &json!({"Users": rows})));
    let report = account.case.sync_with(WANTED).await;
    let run = report.row.unwrap();
    assert_eq!((report.outcome, run.inserted, run.retired), (Outcome::Partial, 1, 0));
    let lines = "select count(*) from hiersync.reporting_line where retired_at is null";
    assert_eq!(count(&account.pool, lines).await, 4, "the new one is below the root, and nobody has left");
    assert_eq!(count(&account.pool, "select count(*) from hiersync.reporting_user where name = 'Renamed'").await, 1);
    let told: Vec<String> = findings(&account.pool).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(told, ["bad_row", "list_unreadable"]);
    assert_eq!(count(&account.pool, "select count(*) from hiersync_internal.staged_user").await, 0, "nothing waits between walks");
    account.vendor.faults().clear();
    account.case.complete().await;
    assert_eq!(users(&account.pool).await.1, account.below_the_root().links);
    assert_eq!(findings(&account.pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_manager_is_stated_and_changes_during_a_walk_never_ends_it_with_two() {
    let more = format!("reach = \"direct\"\nretire_guard = 1.0\nconcurrency = 1\n{WITH_MANAGERS}");
    let account = Account::open(&Shape::even(3, 2), reaching(Reach::Direct), &more).await;
    account.case.complete().await;
    let managers: Vec<Uuid> = account.vendor.world().reports(account.root).to_vec();
    let user = account.report(managers[0], 0);
    for request in 0..5 {
        let before = account.vendor.world().user(user).unwrap().manager.unwrap();
        let to = managers[usize::from(before == managers[0])];
        account.vendor.before_request(request, move |world| world.change_manager(user, to, Place::First, Stamp::Bump));
        account.case.complete().await;
        account.vendor.rest();
        assert!(account.managers(user).await.len() <= 1, "two managers when it moved before call {request}");
        account.settle(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deeper_than_wanted_is_told_however_the_lists_are_read() {
    let with_managers = format!("reach = \"subtree\"\n{WITH_MANAGERS}");
    for (more, is_mirrored) in [
        ("reach = \"subtree\"", true),
        (with_managers.as_str(), true),
        ("edges = \"advanced_search\"", true),
        ("reach = \"direct\"", false),
    ] {
        let reach = if more.contains("direct") { Reach::Direct } else { Reach::Subtree };
        let account = Account::open(&Shape::even(1, 4), reaching(reach), &format!("max_depth = 2\n{more}")).await;
        let second = account.report(account.report(account.root, 0), 0);
        for _ in 0..2 {
            assert_eq!(account.case.sync_with(WANTED).await.outcome, Outcome::Partial, "{more}");
            assert_eq!(findings(&account.pool).await, [("too_deep".into(), second.to_string())], "{more}");
        }
        assert_eq!(users(&account.pool).await.1 == account.below_the_root().links, is_mirrored, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stated_manager_outside_the_list_takes_the_place_of_the_one_within() {
    let more = format!("reach = \"subtree\"\n{WITH_MANAGERS}");
    let account = Account::open(&Shape::even(2, 2), reaching(Reach::Subtree), &more).await;
    account.case.complete().await;
    let manager = account.report(account.root, 0);
    let user = account.report(manager, 0);
    // A second key in the row, of which the last value counts.
    account.vendor.world().edit(user, Stamp::Bump, |user| {
        user.extra.insert("ManagerUserId".into(), json!("aaaaaaaa-0000-4000-8000-000000000009"));
    });
    account.case.complete().await;
    let hidden = "aaaaaaaa-0000-4000-8000-000000000009";
    assert_eq!(account.managers(user).await, [hidden]);
    assert_eq!(findings(&account.pool).await, [("manager_not_listed".into(), hidden.into())]);
    account.case.quiet(&account.pool).await;
    assert_eq!(findings(&account.pool).await, [("manager_not_listed".into(), hidden.into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_slips_over_a_seam_of_a_roster_is_not_taken_for_gone() {
    let settings = LeadSquaredSettings { search_cap: 50, ..LeadSquaredSettings::default() };
    let account = Account::open(&Shape::list(119), settings, "edges = \"advanced_search\"").await;
    account.case.complete().await;
    let root = account.root;
    // After the first page: three of its users go, and those after the page are moved up.
    account.vendor.before_request(1, move |world| {
        let mut first: Vec<Uuid> = world.reports(root).to_vec();
        first.sort_unstable();
        for user in first.into_iter().take(3) {
            world.delete(user);
        }
    });
    let run = account.case.complete().await;
    account.vendor.rest();
    let live = "select count(*) from hiersync.reporting_user where retired_at is null";
    assert_eq!((count(&account.pool, live).await, run.retired), (120, 0), "the three stood in the first page");
    let run = account.case.complete().await;
    assert_eq!((count(&account.pool, live).await, run.retired), (117, 3));
    assert_eq!(users(&account.pool).await.1, account.below_the_root().links);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_as_long_as_a_cap_may_be_is_asked_about_once() {
    let account = Account::open(&Shape::list(99), LeadSquaredSettings::default(), "edges = \"advanced_search\"").await;
    assert_eq!(account.case.complete().await.requests, 2);
    assert_eq!(account.case.quiet(&account.pool).await.requests, 1);
    // Somebody came: another roster, about which nothing is known.
    account.vendor.settings().search_cap = 100;
    let root = account.root;
    account.vendor.world().insert(root, Place::First);
    assert_eq!(account.case.complete().await.requests, 2);
    assert_eq!(count(&account.pool, "select count(*) from hiersync.reporting_user where retired_at is null").await, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queried_user_in_its_own_list_is_no_report_of_its_own() {
    for (reach, more) in [
        (Reach::Direct, "reach = \"direct\""),
        (Reach::Subtree, "reach = \"subtree\""),
        (Reach::Direct, ""),
        (Reach::Subtree, ""),
        (Reach::Subtree, WITH_MANAGERS),
    ] {
        let settings = LeadSquaredSettings { includes_queried: true, ..reaching(reach) };
        let account = Account::open(&Account::tree(), settings, more).await;
        let run = account.case.complete().await;
        let (nodes, lines) = users(&account.pool).await;
        let truth = account.below_the_root();
        assert_eq!(lines, truth.links, "{reach:?} {more}");
        assert_eq!((nodes.len(), run.inserted), (21, 21), "the root's row is there now: {reach:?} {more}");
        let root = account.vendor.world().user(account.root).unwrap().clone();
        assert_eq!(nodes[&account.root.to_string()]["email"], json!(root.email));
        account.case.quiet(&account.pool).await;
    }
}

/// Ten reports of the root, of whom one has three and another is a root, too, with thirty.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_in_a_list_says_nothing_of_what_lists_hold() {
    for (reach, includes_queried, found) in [
        (Reach::Direct, true, "direct"),
        (Reach::Direct, false, "direct"),
        (Reach::Subtree, false, "subtree"),
        (Reach::Subtree, true, "subtree"),
    ] {
        let mut world = LeadSquaredWorld::new(31, Flavour { no_email: 0.0, ..Flavour::default() });
        world.plant(&Shape::list(10));
        let root = world.roots()[0];
        let [first, second] = [0, 1].map(|place| world.reports(root)[place]);
        for manager in [[first; 3].as_slice(), &[second; 30]].concat() {
            world.insert(manager, Place::Last);
        }
        let settings = LeadSquaredSettings { includes_queried, ..reaching(reach) };
        let mut account = Account::of(world, settings, "").await;
        account.case = account.case.with_key(&format!("roots = [\"{root}\"]"), &format!("roots = [\"{root}\", \"{second}\"]"));
        account.case.complete().await;
        let (nodes, lines) = users(&account.pool).await;
        assert_eq!(lines, account.below_the_root().links, "{reach:?} {includes_queried}");
        assert_eq!(nodes.len(), 43 + usize::from(includes_queried), "with the root's row: {reach:?}");
        assert_eq!(reading_of(&account.pool).await, json!([found]));
    }
}

/// What it says is read all the same, and tells what lists hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_search_that_cannot_be_read_hides_no_team() {
    let account = Account::open(&Account::tree(), reaching(Reach::Direct), "").await;
    let rows: Vec<Value> = {
        let world = account.vendor.world();
        let all = [vec![account.root], world.below(account.root)].concat();
        let managed =
            |manager: &Uuid| world.reports(*manager).iter().map(|user| json!({"UserId": user, "ManagerUserId": manager})).collect();
        all.iter().flat_map::<Vec<Value>, _>(managed).chain([json!({"UserId": 7})]).collect()
    };
    account.vendor.faults().on_kind("search", 1_000_000, Answer::json(200, &json!({"Users": rows})));
    account.case.sync_with(WANTED).await;
    let (nodes, lines) = users(&account.pool).await;
    assert_eq!((nodes.len(), lines), (20, account.below_the_root().links));
    assert_eq!(reading_of(&account.pool).await, json!(["direct"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_in_the_query_where_the_vendor_wants_them_there() {
    let settings = LeadSquaredSettings { keys_in: KeysIn::Query, ..reaching(Reach::Subtree) };
    let account = Account::open(&Shape::list(4), settings, "keys_in = \"query\"").await;
    account.settle(UNSTAMPED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_booleans_are_read_as_the_texts_are() {
    let settings = LeadSquaredSettings { booleans: Booleans::Plain, ..reaching(Reach::Direct) };
    let account = Account::open(&Account::tree(), settings, "").await;
    account.settle(UNSTAMPED).await;
    // The vendor turns to texts: the same truth, so nothing has changed.
    account.vendor.settings().booleans = Booleans::Strings;
    account.case.quiet(&account.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_in_another_order_at_each_call_are_the_same_users() {
    let settings = LeadSquaredSettings { order: UserOrder::Shuffled, total: Total::Absent, milliseconds: true, ..reaching(Reach::Subtree) };
    let account = Account::open(&Account::tree(), settings, WITH_MANAGERS).await;
    account.settle(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_push_out_the_usual_ones_are_asked_for_by_name() {
    let settings = LeadSquaredSettings { default_keys: DefaultKeys::Gone, ..reaching(Reach::Subtree) };
    let columns =
        "columns = [\"UserId\", \"Name\", \"Mobile\", \"Email\", \"CheckedIn\", \"IsActive\", \"ManagerUserId\", \"Designation\"]";
    let account = Account::open(&Account::tree(), settings, columns).await;
    account.settle(UNSTAMPED).await;
    let designations = "select count(*) from hiersync.reporting_user where extra ? 'Designation'";
    assert_eq!(count(&account.pool, designations).await, 20);
}

/// "To return only selected user fields" (vendor documentation).
#[tokio::test(flavor = "multi_thread")]
async fn the_usual_columns_are_asked_for_beside_those_of_the_config() {
    for default_keys in [DefaultKeys::Stay, DefaultKeys::OnlyUserId, DefaultKeys::Gone] {
        let settings = LeadSquaredSettings { default_keys, ..reaching(Reach::Subtree) };
        let account = Account::open(&Account::tree(), settings, WITH_MANAGERS).await;
        account.settle(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usual_columns_that_the_vendor_refuses_are_left_out_and_told() {
    let settings = LeadSquaredSettings { refused_columns: vec!["Name".into()], ..reaching(Reach::Subtree) };
    let account = Account::open(&Account::tree(), settings, WITH_MANAGERS).await;
    let run = account.case.complete().await;
    // The root's own row, and its list: refused, answered without them, and refused once more.
    assert_eq!((run.requests, run.inserted), (4, 21));
    assert_eq!(findings(&account.pool).await, [("columns_refused".to_owned(), "sales".to_owned())]);
    assert_users(&account.pool, &account.below_the_root(), &[]).await;
    account.vendor.settings().refused_columns.clear();
    account.settle(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_blanks_no_name() {
    let settings = LeadSquaredSettings { default_keys: DefaultKeys::OnlyUserId, ..reaching(Reach::Subtree) };
    let account = Account::open(&Account::tree(), settings, WITH_MANAGERS).await;
    account.settle(&[]).await;
    for times in [1, 2] {
        account.vendor.faults().on_kind("hierarchy", times, refusals::logical("MXInvalidInputException", "No."));
        let report = account.case.sync_with(WANTED).await;
        assert_eq!(report.row.unwrap().updated, 0, "{times}");
        account.vendor.faults().clear();
        account.settle(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_somebody_inactive_may_be_refused() {
    let account = Account::open(&Account::tree(), reaching(Reach::Direct), "reach = \"direct\"\nretire_guard = 1.0").await;
    let id = account.leaf();
    account.vendor.world().set_active(id, false, Stamp::Bump);
    account.vendor.faults().on_parent(id, 1_000_000, refusals::logical("MXInvalidInputException", "User is inactive."));
    let run = account.case.complete().await;
    assert_eq!((run.inserted, run.requests), (21, 22));
    assert_eq!(findings(&account.pool).await, [("inactive_refused".to_owned(), id.to_string())]);
    assert_users(&account.pool, &account.below_the_root(), UNSTAMPED).await;
    account.case.quiet(&account.pool).await;
    // Of a manager it is not taken for empty.
    let manager = account.report(account.root, 0);
    account.vendor.world().set_active(manager, false, Stamp::Bump);
    account.vendor.faults().on_parent(manager, 1_000_000, refusals::logical("MXInvalidInputException", "User is inactive."));
    let report = account.case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
}

/// It is shown in its own list and by its id, in two shapes.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_in_its_own_list_does_not_change_from_walk_to_walk() {
    let settings = LeadSquaredSettings { includes_queried: true, own_row: true, ..reaching(Reach::Direct) };
    let account = Account::open(&Account::tree(), settings, "reach = \"direct\"").await;
    account.case.complete().await;
    account.case.complete().await;
    account.case.quiet(&account.pool).await;
    account.case.quiet(&account.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_that_are_never_told_leave_the_lists_to_tell() {
    for manager_column in [ManagerColumn::Null, ManagerColumn::Ignored] {
        let settings = LeadSquaredSettings { manager_column, ..reaching(Reach::Direct) };
        let account = Account::open(&Account::tree(), settings, WITH_MANAGERS).await;
        account.settle(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_active_users_are_mirrored_when_only_they_are_asked_for() {
    let mut world = LeadSquaredWorld::new(33, Flavour::PLAIN);
    world.plant(&Account::tree());
    let account = Account::of(world, reaching(Reach::Direct), "include = \"Active\"").await;
    let id = account.leaf();
    assert_eq!(account.settle(UNSTAMPED).await.inserted, 21);

    account.vendor.world().set_active(id, false, Stamp::Bump);
    assert_eq!(account.case.complete().await.retired, 1);
    account.case.quiet(&account.pool).await;

    account.vendor.world().set_active(id, true, Stamp::Bump);
    assert_eq!(account.settle(UNSTAMPED).await.restored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_user_stays_and_is_updated_when_all_are_asked_for() {
    let mut world = LeadSquaredWorld::new(33, Flavour::PLAIN);
    world.plant(&Account::tree());
    let account = Account::of(world, reaching(Reach::Direct), "include = \"All\"").await;
    account.case.complete().await;
    let id = account.leaf();
    account.vendor.world().set_active(id, false, Stamp::Bump);
    let run = account.case.complete().await;
    assert_eq!((run.updated, run.retired), (1, 0));
    assert_eq!(latest_fields(&account.pool, id).await, json!({"is_active": [true, false]}));
    account.case.quiet(&account.pool).await;
}

/// The ways in which an account can be read: what the vendor does, and the keys for it.
fn ways() -> [(Reach, String); 5] {
    [
        (Reach::Direct, "reach = \"direct\"".into()),
        (Reach::Subtree, "reach = \"subtree\"".into()),
        (Reach::Direct, WITH_MANAGERS.into()),
        (Reach::Subtree, WITH_MANAGERS.into()),
        (Reach::Direct, "edges = \"advanced_search\"".into()),
    ]
}

async fn lines_changed(pool: &PgPool) -> Vec<(String, String)> {
    let changes = latest_changes(pool).await.into_iter();
    let mut lines: Vec<_> = changes.filter(|(entity, ..)| entity == "reporting_line").map(|(_, key, op)| (op, key)).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_manager_is_one_line_more_and_one_less_in_one_run() {
    for (reach, more) in ways() {
        let account = Account::open(&Shape::even(2, 3), reaching(reach), &more).await;
        account.case.complete().await;
        let (from, to) = (account.report(account.root, 0), account.report(account.root, 1));
        let id = account.report(from, 1);
        account.vendor.world().change_manager(id, to, Place::First, Stamp::Bump);
        let run = account.case.complete().await;
        assert_eq!((run.inserted, run.retired, run.restored), (0, 0, 0), "{more}");
        let expected = [("insert".to_owned(), format!("{to}/{id}")), ("retire".to_owned(), format!("{from}/{id}"))];
        assert_eq!(lines_changed(&account.pool).await, expected, "{reach:?} {more}");
        assert_eq!(users(&account.pool).await.1, account.below_the_root().links, "{more}");
        account.case.quiet(&account.pool).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_retired_with_everybody_below_and_restored_on_return() {
    for (reach, more) in ways() {
        let account = Account::open(&Shape::even(2, 3), reaching(reach), &more).await;
        account.case.complete().await;
        let manager = account.report(account.root, 0);
        let id = account.report(manager, 1);
        account.vendor.world().detach(id, Stamp::Bump);
        let run = account.case.complete().await;
        assert_eq!((run.inserted, run.retired, run.restored), (0, 3, 0), "{reach:?} {more}");
        assert_eq!(users(&account.pool).await.1, account.below_the_root().links, "{more}");
        account.case.quiet(&account.pool).await;

        account.vendor.world().change_manager(id, manager, Place::Last, Stamp::Bump);
        let run = account.case.complete().await;
        assert_eq!((run.inserted, run.retired, run.restored), (0, 0, 3), "{reach:?} {more}");
        assert_eq!(users(&account.pool).await.1, account.below_the_root().links, "{more}");
        account.case.quiet(&account.pool).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_one_update_however_it_is_read() {
    for (reach, more) in ways() {
        let account = Account::open(&Shape::even(3, 2), reaching(reach), &more).await;
        account.case.complete().await;
        let id = account.report(account.report(account.root, 1), 1);
        account.vendor.world().rename(id, "Zoë Quinn", Stamp::Bump);
        let run = account.case.complete().await;
        assert_eq!((run.updated, run.unchanged), (1, 12), "{reach:?} {more}");
        assert_eq!(latest_fields(&account.pool, id).await["name"][1], json!("Zoë Quinn"));
        account.case.quiet(&account.pool).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_modified_on_alone_is_written_without_a_change() {
    let account = Account::open(&Shape::even(3, 2), reaching(Reach::Subtree), WITH_MANAGERS).await;
    account.case.complete().await;
    let (id, later) = (account.leaf(), account.vendor.world().now());
    account.vendor.world().set_modified_on(id, later);
    let run = account.settle(&[]).await;
    assert_eq!((run.updated, run.unchanged), (0, 13));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_each_batch_of_random_changes_the_lines_are_true() {
    for (reach, more) in
        [(Reach::Direct, "retire_guard = 1.0".to_owned()), (Reach::Subtree, format!("retire_guard = 1.0\n{WITH_MANAGERS}"))]
    {
        let account = Account::open(&Account::tree(), reaching(reach), &more).await;
        account.case.complete().await;
        for seed in 1..=3 {
            account.vendor.world().mutate(0.3, seed);
            account.case.complete().await;
            assert_users(&account.pool, &users_now(&account.vendor), UNSTAMPED).await;
            account.case.quiet(&account.pool).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_never_comes_is_named_by_a_finding_and_by_check() {
    let (absent, refused) = (("column_absent", "Desgnation"), ("columns_refused", "sales"));
    for (more, unknown_column, told) in [
        ("", UnknownColumn::Ignored, absent),
        ("", UnknownColumn::Null, absent),
        // The search refuses what it does not know.
        ("edges = \"advanced_search\"", UnknownColumn::Ignored, refused),
        ("reach = \"subtree\"", UnknownColumn::Ignored, absent),
    ] {
        let reach = if more.contains("subtree") { Reach::Subtree } else { Reach::Direct };
        let settings = LeadSquaredSettings { reach, unknown_column, ..LeadSquaredSettings::default() };
        let with = |columns: &str| format!("{more}\ncolumns = [{columns}]");
        let misspelt = with("\"Designation\", \"Desgnation\", \"FirstName\", \"ManagerUserId\", \"ModifiedOn\"");
        let account = Account::open(&Account::tree(), settings, &misspelt).await;
        account.case.complete().await;
        assert_eq!(findings(&account.pool).await, [(told.0.to_owned(), told.1.to_owned())], "{more}");
        let ended = Program::of(&account.case).run(&["check"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended.out.contains("look  sales: `columns` asks for Desgnation, and no row of that call has a value in it"),
            "{more}: {ended:?}"
        );
        account.case.quiet(&account.pool).await;

        // The right name resolves it.
        let account = Account { case: Case::at(&account.case.url).users(&account.vendor, &with("\"Designation\"")), ..account };
        account.case.complete().await;
        assert_eq!(findings(&account.pool).await, [], "{more}");
        let ended = Program::of(&account.case).run(&["check"]).await;
        assert!(ended.code == 0 && ended.err.is_empty(), "{more}: {ended:?}");
    }
}
