//! Where LeadSquared's lists hold everybody below and no row says who reports to whom, managers follow from comparing lists that
//! were read one after another: what changes in between, at whichever request, makes up no line.

use std::sync::{Arc, Mutex};

use hiersync::{
    model::run::Outcome,
    simulator::{
        change::Stamp,
        forest::Place,
        leadsquared::{
            LeadSquaredSim,
            make::Flavour,
            refusals,
            settings::{LeadSquaredSettings, Reach},
            world::LeadSquaredWorld,
        },
        mishap::Mishap,
        shape::Shape,
    },
    sync::wanted::Wanted,
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{
    case::{Case, WANTED, run},
    tables::{assert_users, findings, users_now},
};

const UNSTAMPED: &[&str] = &["auto_update_time"];
const FOREVER: usize = 1_000_000;
const SUBTREE: &str = "reach = \"subtree\"\nretire_guard = 1.0\nconcurrency = 1\n";
const FOUND_OUT: &str = "retire_guard = 1.0\nconcurrency = 1\n";
/// More requests than any walk here makes before its lists are all read once.
const REQUESTS: usize = 6;

/// A vendor whose lists hold everybody below, with a mirror of it.
struct Account {
    vendor: LeadSquaredSim,
    case: Case,
    pool: PgPool,
    root: Uuid,
}

impl Account {
    async fn open(shape: &Shape, more: &str) -> Self {
        Self::of(81, shape, more).await
    }

    async fn of(seed: u64, shape: &Shape, more: &str) -> Self {
        let mut world = LeadSquaredWorld::new(seed, Flavour::PLAIN);
        let root = world.plant(shape);
        let vendor = LeadSquaredSim::start(
            world,
            LeadSquaredSettings { reach: Reach::Subtree, may_search: false, ..LeadSquaredSettings::default() },
        );
        let vendor = vendor.await.unwrap();
        let case = Case::new().await.users(&vendor, more);
        let pool = case.pool().await;
        Self { vendor, case, pool, root }
    }

    /// The users below `of`, in their order.
    fn reports(&self, of: Uuid) -> Vec<Uuid> {
        self.vendor.world().reports(of).to_vec()
    }

    /// All lines that the mirror has ever had of a user, and whether they are live.
    async fn lines(&self, user: Uuid) -> Vec<(Uuid, bool)> {
        sqlx::query_as(
            "select manager_id, retired_at is null from hiersync.reporting_line where user_id = $1 order by first_seen_at, manager_id",
        )
        .bind(user)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    async fn live(&self, user: Uuid) -> Vec<Uuid> {
        self.lines(user).await.into_iter().filter(|line| line.1).map(|line| line.0).collect()
    }

    /// Lines of the mirror that are none of the account.
    async fn made_up(&self) -> Vec<(Uuid, Uuid)> {
        let lines: Vec<(Uuid, Uuid)> =
            sqlx::query_as("select manager_id, user_id from hiersync.reporting_line").fetch_all(&self.pool).await.unwrap();
        lines.into_iter().filter(|(manager, user)| !self.reports(*manager).contains(user)).collect()
    }

    /// A walk while nothing moves is complete, and the mirror is the account.
    async fn comes_to_rest(&self) {
        self.vendor.rest();
        self.case.complete().await;
        assert_users(&self.pool, &users_now(&self.vendor), UNSTAMPED).await;
        assert_eq!(findings(&self.pool).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_during_the_first_walk_does_not_make_lists_look_like_those_of_children() {
    for request in 0..REQUESTS {
        let account = Account::open(&Shape::chain(3), FOUND_OUT).await;
        let manager = account.reports(account.root)[0];
        let report = account.reports(manager)[0];
        let last = account.reports(report)[0];
        account.vendor.before_request(request, move |world| {
            for _ in 0..8 {
                world.insert(manager, Place::Last);
            }
        });
        account.case.sync_with(WANTED).await;
        assert!(account.lines(report).await.iter().all(|line| line.0 == manager), "at request {request}");
        assert!(account.lines(last).await.iter().all(|line| line.0 == report), "at request {request}");
        account.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_during_a_walk_with_everybody_below_does_not_either() {
    for request in 0..REQUESTS {
        let account = Account::open(&Shape::chain(3), FOUND_OUT).await;
        account.case.complete().await;
        let manager = account.reports(account.root)[0];
        let report = account.reports(manager)[0];
        let last = account.reports(report)[0];
        account.vendor.before_request(request, move |world| {
            world.delete(report);
        });
        account.case.sync_with(WANTED).await;
        assert!(account.lines(report).await.iter().all(|line| line.0 == manager), "at request {request}");
        assert!(account.lines(last).await.iter().all(|line| line.0 == report), "at request {request}");
        account.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_new_lines_are_asked_for_twice() {
    let account = Account::open(&Shape::chain(3), SUBTREE).await;
    let [first, second] = [account.case.complete().await, account.case.complete().await];
    // The lists of the root and of the two who have somebody below them; empty ones have shown nobody.
    assert_eq!(first.requests, second.requests + 3);
    account.comes_to_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_roots_cost_twice_the_calls_of_one() {
    let mut requests = Vec::new();
    for roots in [1, 2] {
        let mut world = LeadSquaredWorld::new(81, Flavour::PLAIN);
        for _ in 0..roots {
            world.plant(&Shape::chain(3));
        }
        let settings = LeadSquaredSettings { reach: Reach::Subtree, may_search: false, ..LeadSquaredSettings::default() };
        let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
        let case = Case::new().await.users_of_roots(&vendor, roots, FOUND_OUT);
        case.complete().await;
        requests.push(case.complete().await.requests);
    }
    // The search is tried once, with all columns and with the needed ones.
    assert_eq!(requests[1], 2 * requests[0] - 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_search_is_told_so_in_several_words() {
    let of_rights = "MXUnAuthorizedAccessException";
    for answer in
        [refusals::exception(200, of_rights, "No access."), refusals::exception(401, of_rights, "No access."), refusals::unauthorised()]
    {
        let account = Account::open(&Shape::chain(3), SUBTREE).await;
        account.vendor.settings().may_search = true;
        account.vendor.faults().on_kind("search", FOREVER, answer);
        account.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_unwell_costs_no_call_for_each_user_and_no_line() {
    for answer in [Mishap::from(refusals::backend_fault()), Mishap::Cut] {
        let account = Account::open(&Shape::even(6, 2), FOUND_OUT).await;
        account.vendor.settings().may_search = true;
        account.comes_to_rest().await;
        let root = account.root;
        account.vendor.world().insert(root, Place::Last);
        account.vendor.faults().on_kind("search", FOREVER, answer.clone());
        let report = account.case.sync_with(WANTED).await;
        let run = report.row.unwrap();
        assert_eq!((report.outcome, run.inserted, run.retired), (Outcome::Partial, 1, 0), "{answer:?}");
        assert!(run.requests < 15, "{answer:?}: {} requests", run.requests);
        assert_eq!(account.made_up().await, [], "{answer:?}");
        assert!(findings(&account.pool).await.iter().any(|finding| finding.1 == "*"), "{answer:?}");
        account.vendor.faults().clear();
        account.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_answer_in_a_first_walk_makes_up_no_line_and_retires_nobody() {
    let refusal = Mishap::from(refusals::logical("MXInvalidInputException", "User does not exist."));
    let short = Mishap::FewerRows { keep: 3, honest_count: true };
    for bad in [refusal, short] {
        for request in 0..REQUESTS + 3 {
            // A report of the root, whom only the root's list shows, and a chain.
            let account = Account::of(81, &Shape::of(vec![None, Some(0), Some(1), None]), FOUND_OUT).await;
            account.vendor.faults().after(request, 1, bad.clone());
            let report = account.case.sync_with(WANTED).await;
            assert_eq!(report.row.as_ref().unwrap().retired, 0, "{bad:?} at request {request}");
            // Of the list of somebody between, refused in a first walk, nothing tells whom it held.
            let refused = findings(&account.pool).await;
            if refused.iter().all(|finding| finding.1 == account.root.to_string()) {
                assert_eq!(account.made_up().await, [], "{bad:?} at request {request}: {}", report.outcome);
            }
            account.vendor.faults().clear();
            account.comes_to_rest().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_change_places_in_a_first_walk_give_no_third_another_manager() {
    // Both list the third, and each the other, and no known line tells which is the manager. The lower id must not: in one of the
    // accounts it is that of the one, in the next that of the other.
    for (seed, request) in (0..3).flat_map(|seed| (0..REQUESTS).map(move |request| (seed, request))) {
        let account = Account::of(seed, &Shape::chain(3), SUBTREE).await;
        let (root, above) = (account.root, account.reports(account.root)[0]);
        let manager = account.reports(above)[0];
        let third = account.reports(manager)[0];
        account.vendor.before_request(request, move |world| {
            world.change_manager(manager, root, Place::Last, Stamp::Bump);
            world.change_manager(above, manager, Place::Last, Stamp::Bump);
        });
        account.case.sync_with(WANTED).await;
        assert!(account.lines(third).await.iter().all(|line| line.0 == manager), "seed {seed}, at request {request}");
        account.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_to_somebody_new_is_not_given_to_the_next_one_above() {
    for (seed, request) in (0..2).flat_map(|seed| (0..REQUESTS).map(move |request| (seed, request))) {
        let account = Account::of(seed, &Shape::of(vec![None, None, None, Some(0), Some(1), Some(4)]), SUBTREE).await;
        account.case.complete().await;
        let [from, above, _] = account.reports(account.root)[..] else { panic!("three") };
        let mover = account.reports(from)[0];
        let manager = account.reports(above)[0];
        let new = Arc::new(Mutex::new(None));
        account.vendor.before_request(request, {
            let new = Arc::clone(&new);
            move |world| {
                let id = world.insert(manager, Place::Last);
                world.change_manager(mover, id, Place::Last, Stamp::Bump);
                *new.lock().unwrap() = Some(id);
            }
        });
        account.case.sync_with(WANTED).await;
        let new = new.lock().unwrap().unwrap_or_default();
        let lines = account.lines(mover).await;
        assert!(lines.iter().all(|line| line.0 == from || line.0 == new), "seed {seed}, at request {request}: {lines:?}, {new}");
        account.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_the_guard_forbids_to_retire_gives_nobody_a_second_manager() {
    let more = SUBTREE.replace("1.0", "0.2");
    let account = Account::open(&Shape::even(3, 2), &more).await;
    account.case.complete().await;
    let [from, to, other] = account.reports(account.root)[..] else { panic!("three") };
    let mover = account.reports(from)[0];
    {
        let mut world = account.vendor.world();
        world.change_manager(mover, to, Place::Last, Stamp::Bump);
        world.delete(other);
    }
    let report = account.case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
    assert_eq!(account.live(mover).await, [to]);
    let accepted = account.case.sync_with(Wanted { accept_retire: true, ..WANTED }).await;
    assert_eq!(accepted.outcome, Outcome::Complete);
    assert_eq!(account.live(mover).await, [to]);
    account.comes_to_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_short_answer_retires_nobody_though_lists_are_read_again_for_somebody_new() {
    // Only the root's list shows the new one, as its last, and is read again for it.
    let account = Account::open(&Shape::list(3), SUBTREE).await;
    account.case.complete().await;
    let app = account.case.app().await;
    for request in 0..REQUESTS + 3 {
        account.vendor.world().insert(account.root, Place::Last);
        let users = account.reports(account.root).len();
        account.vendor.faults().after(request, 1, Mishap::FewerRows { keep: users - 1, honest_count: true });
        let ran = run(&app, 0, WANTED).await;
        account.vendor.faults().clear();
        // Of an answer that never showed the new one nothing tells; but who was shown is kept.
        assert_eq!(ran.row.unwrap().retired, 0, "at request {request}");
        let new = account.reports(account.root)[users - 1];
        account.vendor.world().delete(new);
        assert_eq!(run(&app, 0, WANTED).await.outcome, Outcome::Complete);
    }
    app.close().await;
    account.comes_to_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_refused_is_not_waited_for_in_rounds() {
    let account = Account::open(&Shape::even(3, 2), SUBTREE).await;
    account.case.complete().await;
    let manager = account.reports(account.root)[0];
    let refusal = refusals::logical("MXInvalidInputException", "User does not exist.");
    account.vendor.faults().on_parent(manager, usize::MAX, refusal);
    let before = account.case.sync_with(WANTED).await;
    assert_eq!(before.outcome, Outcome::Partial);
    account.vendor.world().insert(manager, Place::Last);
    let after = account.case.sync_with(WANTED).await;
    // The new one's own list.
    assert_eq!(after.row.unwrap().requests, before.row.unwrap().requests + 1);
    account.vendor.faults().clear();
    account.comes_to_rest().await;
}
