//! Where lists hold everybody below and no row says who reports to whom, the search over all users does.

use hiersync::{
    model::run::Outcome,
    simulator::{
        capillary::{CapillarySim, settings::CapillarySettings, world::CapillaryWorld},
        forest::Place,
        leadsquared::{
            LeadSquaredSim,
            make::Flavour,
            settings::{LeadSquaredSettings, Reach},
            world::LeadSquaredWorld,
        },
        shape::{Shape, Tree},
    },
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{
    case::{Case, WANTED},
    tables::{assert_users, findings, row, users, users_now},
};

const UNSTAMPED: &[&str] = &["auto_update_time"];
/// The ways in which a vendor's lists of everybody below can be read.
const WAYS: [&str; 4] = ["reach = \"subtree\"", "", "columns = [\"ManagerUserId\"]", "edges = \"advanced_search\""];

/// A vendor whose lists hold everybody below.
struct Account {
    vendor: LeadSquaredSim,
    case: Case,
    pool: PgPool,
    root: Uuid,
}

impl Account {
    async fn open(shape: &Shape, settings: LeadSquaredSettings, more: &str) -> Self {
        let mut world = LeadSquaredWorld::new(91, Flavour::PLAIN);
        let root = world.plant(shape);
        let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
        let case = Case::new().await.users(&vendor, more);
        let pool = case.pool().await;
        Self { vendor, case, pool, root }
    }

    fn report(&self, of: Uuid, place: usize) -> Uuid {
        self.vendor.world().reports(of)[place]
    }

    async fn told(&self) -> Vec<String> {
        findings(&self.pool).await.into_iter().map(|(kind, key)| format!("{kind} {key}")).collect()
    }

    /// Lines of the mirror, live ones, that are none of the account.
    async fn made_up(&self) -> usize {
        let truth = users_now(&self.vendor).links;
        users(&self.pool).await.1.difference(&truth).count()
    }
}

fn subtree() -> LeadSquaredSettings {
    LeadSquaredSettings { reach: Reach::Subtree, own_row: true, ..LeadSquaredSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_of_3400_users_cost_six_calls() {
    for more in ["", "reach = \"subtree\""] {
        let shape = Tree { nodes: 3400, levels: 6, seed: 91 }.shape();
        let account = Account::open(&shape, subtree(), more).await;
        let first = account.case.complete().await;
        // The root's own row and list, and 3,401 users by a thousand.
        assert_eq!((first.requests, first.inserted), (6, 3401), "{more}");
        let truth = users_now(&account.vendor);
        assert_eq!(users(&account.pool).await.1, truth.links, "{more}");
        assert_eq!(account.case.quiet(&account.pool).await.requests, 6, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_whom_the_vendor_hides_keeps_the_reports_who_name_them() {
    for more in WAYS {
        let account = Account::open(&Shape::even(4, 2), subtree(), &format!("{more}\nretire_guard = 1.0")).await;
        account.case.complete().await;
        let manager = account.report(account.root, 1);
        account.vendor.settings().hidden = vec![manager];
        for _ in 0..2 {
            let run = account.case.complete().await;
            assert_eq!((run.retired, run.inserted), (0, 0), "{more}");
            assert_eq!(account.told().await, [format!("manager_not_listed {manager}")], "{more}");
            assert_eq!(users(&account.pool).await.1, users_now(&account.vendor).links, "{more}");
        }
        account.vendor.settings().hidden.clear();
        account.case.complete().await;
        assert_eq!(account.told().await, Vec::<String>::new(), "{more}");
        assert_eq!(users(&account.pool).await.1, users_now(&account.vendor).links, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_hidden_from_the_first_walk_on_is_named_and_nobody_gets_another() {
    for more in WAYS {
        let account = Account::open(&Shape::even(4, 2), subtree(), &format!("{more}\nretire_guard = 1.0")).await;
        let manager = account.report(account.root, 1);
        account.vendor.settings().hidden = vec![manager];
        for _ in 0..2 {
            let report = account.case.sync_with(WANTED).await;
            assert_eq!(report.outcome, Outcome::Complete, "{more}: {:?}", account.told().await);
            assert_eq!(account.told().await, [format!("manager_not_listed {manager}")], "{more}");
            let say = "select detail -> 'say' from hiersync.finding where kind = 'manager_not_listed' and resolved_at is null";
            let say = row(&account.pool, say).await.to_string();
            assert!(say.contains("4 users name this user"), "{say}");
            assert_eq!(account.made_up().await, 0, "{more}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whom_the_search_does_not_show_keeps_the_known_line_and_is_told() {
    let mut world = LeadSquaredWorld::new(92, Flavour::PLAIN);
    let root = world.plant(&Shape::even(3, 2));
    let user = world.reports(world.reports(root)[0])[0];
    let vendor = LeadSquaredSim::start(world, subtree()).await.unwrap();
    let case = Case::new().await.users(&vendor, "reach = \"subtree\"");
    let pool = case.pool().await;
    case.complete().await;
    // The search goes by the address.
    vendor.world().edit(user, hiersync::simulator::change::Stamp::Bump, |user| user.email = None);
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
    assert_eq!(findings(&pool).await, [("managers_unknown".into(), "sales".into())]);
    assert_eq!(users(&pool).await.1, users_now(&vendor).links);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_of_whom_the_search_names_no_manager_is_told() {
    for more in ["", "reach = \"subtree\""] {
        let account = Account::open(&Shape::even(3, 2), subtree(), more).await;
        account.case.complete().await;
        let manager = account.report(account.root, 0);
        let newcomer = account.vendor.world().insert(manager, Place::Last);
        account.vendor.settings().unmanaged = vec![newcomer];
        let report = account.case.sync_with(WANTED).await;
        assert_eq!((report.outcome, account.told().await), (Outcome::Partial, vec!["managers_unknown sales".to_owned()]), "{more}");
        assert_eq!(account.made_up().await, 0, "{more}");
        account.vendor.settings().unmanaged.clear();
        account.case.complete().await;
        assert_eq!(account.told().await, Vec::<String>::new(), "{more}");
        assert_eq!(users(&account.pool).await.1, users_now(&account.vendor).links, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_the_search_refuses_are_left_out_and_told() {
    for refused in ["TeamId", "Designation"] {
        let settings = LeadSquaredSettings { refused_columns: vec![refused.into()], ..subtree() };
        let account = Account::open(&Shape::even(3, 2), settings, "edges = \"advanced_search\"\ncolumns = [\"Designation\"]").await;
        for _ in 0..2 {
            let run = account.case.complete().await;
            // Refused with all columns, then answered; a short first page is asked about once.
            assert!(run.requests <= 3, "{refused}: {} calls", run.requests);
            assert_eq!(account.told().await, ["columns_refused sales"], "{refused}");
        }
        account.vendor.settings().refused_columns.clear();
        account.case.complete().await;
        assert_eq!(account.told().await, Vec::<String>::new(), "{refused}");
        assert_users(&account.pool, &with_root(&account), UNSTAMPED).await;
    }
}

/// What a mirror by the search must hold: the root's own row too.
fn with_root(account: &Account) -> hiersync::simulator::truth::Truth {
    let mut truth = users_now(&account.vendor);
    let world = account.vendor.world();
    let root = world.user(account.root).unwrap();
    truth.nodes.insert(account.root.to_string(), json!({"name": root.name, "email": root.email}).as_object().unwrap().clone());
    for row in truth.nodes.values_mut() {
        row.retain(|column, _| column == "name" || column == "email");
    }
    truth
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roots_own_row_is_read_and_costs_nothing_where_it_is_refused() {
    for own_row in [true, false] {
        let settings = LeadSquaredSettings { own_row, ..LeadSquaredSettings::default() };
        let account = Account::open(&Shape::even(2, 2), settings, "reach = \"direct\"").await;
        let first = account.case.complete().await;
        let name = row(&account.pool, "select coalesce(to_jsonb(name), '0') from hiersync.reporting_user u where not exists (select from hiersync.reporting_line l where l.user_id = u.user_id)").await;
        assert_eq!(name.is_string(), own_row);
        assert_eq!((first.inserted, first.updated, first.retried), (7, 0, 0));
        let second = account.case.quiet(&account.pool).await;
        assert_eq!((second.requests, second.unchanged), (first.requests, 7));

        let world = CapillaryWorld::grow(Tree { nodes: 20, levels: 3, seed: 93 });
        let root = world.roots()[0];
        let vendor = CapillarySim::start(world, CapillarySettings { own_row, ..CapillarySettings::default() }).await.unwrap();
        let case = Case::new().await.customers(&vendor, "");
        let pool = case.pool().await;
        let first = case.complete().await;
        let is_placeholder: bool = sqlx::query_scalar("select is_placeholder from hiersync.customer where customer_id = $1")
            .bind(root)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!((is_placeholder, first.inserted, first.retried), (!own_row, 21, 0));
        assert_eq!(case.quiet(&pool).await.unchanged, 21);
        assert_eq!(findings(&pool).await, []);
    }
}
