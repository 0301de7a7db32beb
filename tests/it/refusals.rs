//! What a vendor can answer instead of a page: the run waits, tries again or ends, and nobody is taken for gone.

use std::time::Duration;

use futures::future::join_all;
use hiersync::{
    model::{limit::Limit, run::Outcome},
    simulator::{
        answer::Answer,
        capillary::{
            CapillarySim,
            access::OAuth,
            make::Flavour,
            refusals as capillary,
            settings::{CapillarySettings, RetryAfter, Throttle, ThrottleBody},
            world::CapillaryWorld,
        },
        change::Stamp,
        door::Latency,
        forest::Place,
        leadsquared::{
            LeadSquaredSim, refusals as leadsquared,
            settings::{LeadSquaredSettings, Reach, Throttle as Form, Total},
            world::LeadSquaredWorld,
        },
        mishap::Mishap,
        shape::Shape,
    },
    store::report::RunRow,
    sync::report::Cause,
};
use serde_json::json;
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED, with_calls},
    tables::{assert_customers, assert_users, count, customers_now, findings, users_now},
};

const UNSTAMPED: &[&str] = &["auto_update_time"];
const FOREVER: usize = 1_000_000;

async fn customers(shape: &Shape, more: &str) -> (CapillarySim, Case, PgPool) {
    let mut world = CapillaryWorld::new(41, Flavour::PLAIN);
    world.plant(shape);
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    let case = Case::new().await.customers(&vendor, more);
    let pool = case.pool().await;
    (vendor, case, pool)
}

async fn users(shape: &Shape, more: &str) -> (LeadSquaredSim, Case, PgPool) {
    let world = LeadSquaredWorld::new(41, hiersync::simulator::leadsquared::make::Flavour::PLAIN);
    users_of(world, shape, LeadSquaredSettings::default(), more).await
}

async fn users_of(mut world: LeadSquaredWorld, shape: &Shape, settings: LeadSquaredSettings, more: &str) -> (LeadSquaredSim, Case, PgPool) {
    world.plant(shape);
    let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
    let case = Case::new().await.users(&vendor, more);
    let pool = case.pool().await;
    (vendor, case, pool)
}

fn calls(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

/// The longest silence at the door after a refusal.
fn pause_after_refusal(log: &[hiersync::simulator::door::Arrival]) -> Duration {
    let refused = log.iter().position(|arrival| arrival.refused).expect("a refused call");
    log[refused + 1].at - log[refused].at
}

async fn budget(pool: &PgPool) -> (bool, Option<String>, Option<String>) {
    let sql = "select paused_until is not null, paused_why, (select calls || '/' || window_ms || 'ms' from hiersync_internal.budget_limit l
                   where l.budget_id = b.budget_id and origin = 'learned')
               from hiersync_internal.budget b";
    sqlx::query_as(sql).fetch_one(pool).await.unwrap()
}

/// A refusal at the third call: the run waits as long as it must, and is complete.
async fn capillary_refuses(form: Throttle, wait: Duration) {
    let (vendor, case, pool) = customers(&Shape::even(3, 2), "concurrency = 1\nlimits = [\"1000/300ms\"]").await;
    vendor.faults().after(2, 1, capillary::throttled(&form, wait));
    let run = case.complete().await;
    assert_eq!((run.throttled, run.retried), (1, 1), "{form:?}");
    assert_eq!(run.requests, calls(vendor.door().calls()));
    let waited = pause_after_refusal(&vendor.door().log());
    assert!(waited >= wait && waited < Duration::from_secs(30), "{form:?}: {waited:?}");
    let (paused, why, _) = budget(&pool).await;
    assert!(paused && why.is_some_and(|why| why.contains("429")), "{form:?}");
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(case.quiet(&pool).await.throttled, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_of_capillary_in_any_form_pauses_the_budget_and_the_run_survives() {
    let window = Duration::from_millis(300);
    let second = Duration::from_secs(1);
    let forms = [
        (ThrottleBody::Json, RetryAfter::Absent, window),
        (ThrottleBody::Html, RetryAfter::Absent, window),
        (ThrottleBody::Empty, RetryAfter::Absent, window),
        (ThrottleBody::Json, RetryAfter::Seconds, second),
        (ThrottleBody::Html, RetryAfter::Seconds, second),
    ];
    join_all(forms.map(|(body, retry_after, wait)| capillary_refuses(Throttle { body, retry_after }, wait))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_with_a_date_is_waited_out_until_that_date() {
    let (vendor, case, pool) = customers(&Shape::even(3, 2), "concurrency = 1\nlimits = [\"1000/100ms\"]").await;
    // A date is only true when it is given, so the door itself refuses the sixth call.
    vendor.settings().throttle = Throttle { body: ThrottleBody::Html, retry_after: RetryAfter::Date };
    vendor.door().set_limits(&[Limit { calls: 5, window: Duration::from_secs(2) }]);
    let run = case.complete().await;
    assert_eq!((run.throttled, vendor.door().refused(), run.requests), (1, 1, 8));
    assert!(pause_after_refusal(&vendor.door().log()) >= Duration::from_secs(1));
    assert_customers(&pool, &customers_now(&vendor)).await;
}

/// A refusal at the third call that names a limit lower than ours.
async fn leadsquared_refuses(form: Form, names_the_limit: bool) {
    let (vendor, case, pool) = users(&Shape::even(3, 2), "concurrency = 1\nlimits = [\"1000/1s\"]").await;
    let limit = Limit { calls: 40, window: Duration::from_secs(1) };
    vendor.faults().after(2, 1, leadsquared::throttled(form, limit));
    let run = case.complete().await;
    assert_eq!((run.throttled, run.retried), (1, 1), "{form:?}");
    assert_eq!(run.requests, calls(vendor.door().calls()));
    assert!(pause_after_refusal(&vendor.door().log()) >= limit.window, "{form:?}");
    let (paused, why, learned) = budget(&pool).await;
    assert!(paused && why.is_some(), "{form:?}");
    assert_eq!(learned.as_deref(), names_the_limit.then_some("40/1000ms"), "{form:?}");
    assert_users(&pool, &users_now(&vendor), UNSTAMPED).await;
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_leadsquared_in_any_form_pauses_the_budget_and_teaches_its_limit() {
    let forms = [(Form::Status429, true), (Form::Status403, true), (Form::Status200, true), (Form::Text429, true), (Form::Empty429, false)];
    join_all(forms.map(|(form, names_the_limit)| leadsquared_refuses(form, names_the_limit))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_keeps_refusing_throttles_the_run_and_the_next_goes_on() {
    let (vendor, case, pool) = customers(&Shape::even(3, 2), "concurrency = 1\nlimits = [\"1000/100ms\"]").await;
    let form = Throttle { body: ThrottleBody::Json, retry_after: RetryAfter::Absent };
    vendor.faults().after(3, FOREVER, capillary::throttled(&form, Duration::ZERO));
    let report = case.sync_with(WANTED).await;
    let run = report.row.unwrap();
    assert_eq!(report.outcome, Outcome::Throttled);
    assert!(run.throttled > 1 && run.throttled < 10 && run.resume_at.is_some() && run.error.is_some(), "{run:?}");
    assert_eq!(calls(vendor.door().refused()), run.throttled);

    vendor.faults().clear();
    let asked = vendor.door().calls();
    case.complete().await;
    assert_customers(&pool, &customers_now(&vendor)).await;
    // Three answers were taken in before; the lookup and the root's pages are not asked for again.
    assert_eq!(vendor.door().calls() - asked, 7 - 3);
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_refuses_run_after_run_is_asked_ever_more_rarely() {
    let (vendor, case, pool) = customers(&Shape::even(3, 2), "concurrency = 1\nlimits = [\"1000/200ms\"]").await;
    let form = Throttle { body: ThrottleBody::Json, retry_after: RetryAfter::Absent };
    let (mut pauses, mut refused) = (Vec::new(), 0);
    for pages in [3, 0, 0, 0, 2, 0] {
        vendor.faults().clear();
        vendor.faults().after(pages, FOREVER, capillary::throttled(&form, Duration::ZERO));
        let run = case.sync_with(WANTED).await.row.unwrap();
        assert_eq!((run.outcome.as_deref(), run.pages > 0), (Some("throttled"), pages > 0), "{run:?}");
        pauses.push((run.resume_at.unwrap() - run.finished_at.unwrap()).num_milliseconds());
        refused += run.throttled;
    }
    assert_eq!(calls(vendor.door().refused()), refused);
    // By then some of each pause is over: at most so much is left of it, and of a long one more than half.
    for (left, pause) in pauses.iter().zip([200, 200, 400, 800, 1600, 200]) {
        assert!(*left <= pause && *left > pause / 2 - 200, "{pauses:?}");
    }
    vendor.faults().clear();
    case.complete().await;
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_door_refuses_nothing_even_to_two_runs_in_a_row() {
    let limit = Limit { calls: 20, window: Duration::from_secs(1) };
    let (vendor, case, pool) = customers(&Shape::even(3, 3), "limits = [\"20/1s\"]\nconcurrency = 6").await;
    vendor.door().set_limits(&[limit]);
    vendor.door().set_latency(Latency::Between(Duration::from_millis(1), Duration::from_millis(40)));
    case.complete().await;
    let second = case.quiet(&pool).await;
    case.complete().await;
    assert_eq!(vendor.door().refused(), 0);
    assert!(vendor.door().most_in_any(limit.window) <= 20, "{}", vendor.door().most_in_any(limit.window));
    assert_eq!(vendor.door().calls(), 3 * 16);
    assert!(second.wait_ms > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again_and_counted() {
    let passing = [
        capillary::failed().into(),
        capillary::search_busy().into(),
        capillary::authorisation_unavailable().into(),
        capillary::several_actions().into(),
        capillary::forbidden_by_edge().into(),
        Answer::html(200).into(),
        Mishap::Cut,
        Mishap::HangUp,
    ];
    let (vendor, case, pool) = customers(&Shape::even(8, 2), "concurrency = 9").await;
    let root = vendor.world_root();
    let children = vendor.world().children(root).to_vec();
    for (child, mishap) in children.iter().zip(passing) {
        vendor.faults().on_parent(child, 1, mishap);
    }
    let run = case.complete().await;
    assert_eq!((run.retried, run.throttled, vendor.faults().struck()), (8, 0, 8));
    assert_eq!(run.requests, calls(vendor.door().calls()));
    assert_customers(&pool, &customers_now(&vendor)).await;
    assert_eq!(case.quiet(&pool).await.retried, 0);
}

/// The first planted root.
trait WorldRoot {
    fn world_root(&self) -> i64;
}

impl WorldRoot for CapillarySim {
    fn world_root(&self) -> i64 {
        self.world().roots()[0]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_odd_clothes_is_an_answer() {
    let odd = [
        Mishap::Gzipped,
        Mishap::ContentType("text/plain".into()),
        Mishap::Trickle { bytes: 300, pause: Duration::from_millis(1) },
        Mishap::Late(Duration::from_millis(50)),
    ];
    let (vendor, case, pool) = customers(&Shape::even(4, 2), "").await;
    let root = vendor.world_root();
    let children = vendor.world().children(root).to_vec();
    for (child, mishap) in children.iter().zip(odd) {
        vendor.faults().on_parent(child, 1, mishap);
    }
    let run = case.complete().await;
    assert_eq!((run.retried, vendor.faults().struck()), (0, 4));
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_of_leadsquareds_backend_passes() {
    let (vendor, case, pool) = users(&Shape::even(3, 2), "").await;
    vendor.faults().after(1, 1, leadsquared::backend_fault());
    vendor.faults().after(2, 1, leadsquared::failed());
    let run = case.complete().await;
    assert_eq!((run.retried, run.throttled), (2, 0));
    assert_users(&pool, &users_now(&vendor), UNSTAMPED).await;
}

async fn with_oauth(oauth: OAuth) -> (CapillarySim, Case, PgPool) {
    let mut world = CapillaryWorld::new(42, Flavour::PLAIN);
    world.plant(&Shape::even(5, 2));
    let settings = CapillarySettings { oauth: Some(oauth), ..CapillarySettings::default() };
    let vendor = CapillarySim::start(world, settings).await.unwrap();
    let case = Case::new().await.customers(&vendor, "auth = \"oauth\"\nconcurrency = 4");
    let pool = case.pool().await;
    (vendor, case, pool)
}

/// In mid-walk from some moment on: each token is given, and refused at once; or none is given any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_token_is_no_fault_of_a_list() {
    let no_token = Answer::json(200, &json!({"data": {"ttlSeconds": 300}, "errors": null}));
    for (kind, answer, cause, words) in [
        ("bulk", capillary::unauthorised(), Cause::Credentials, "the token is not accepted"),
        ("token", no_token, Cause::Refused, "it holds no token"),
    ] {
        let (vendor, case, pool) = with_oauth(OAuth { lifetime: Duration::from_secs(1), ..OAuth::default() }).await;
        case.complete().await;
        vendor.faults().on_kind(kind, FOREVER, answer);
        let report = case.sync_with(WANTED).await;
        assert_eq!((report.outcome, report.cause), (Outcome::Failed, Some(cause)), "{kind}");
        let error = report.row.unwrap().error.unwrap();
        assert!(error.contains(words), "{kind}: {error}");
        assert_eq!(findings(&pool).await, [], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_revoked_in_mid_walk_is_renewed_once() {
    let (vendor, case, pool) = with_oauth(OAuth::default()).await;
    vendor.door().set_latency(Latency::Fixed(Duration::from_millis(40)));
    let revoked = async {
        while vendor.door().calls() < 5 {
            tokio::task::yield_now().await;
        }
        vendor.revoke_tokens();
    };
    let (run, ()) = tokio::join!(case.complete(), revoked);
    assert_eq!(vendor.door().calls_of("token"), 2);
    assert_eq!(run.requests, calls(vendor.door().calls()));
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_by_its_time_is_renewed_before_it_is_refused() {
    let (vendor, case, pool) = with_oauth(OAuth { lifetime: Duration::from_secs(1), ..OAuth::default() }).await;
    vendor.door().set_latency(Latency::Fixed(Duration::from_millis(500)));
    let run = case.complete().await;
    assert!(vendor.door().calls_of("token") >= 2, "{:?}", vendor.door().calls_by_kind());
    assert_eq!(run.requests, calls(vendor.door().calls()));
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_end_the_run_at_once_and_retire_nobody() {
    let (vendor, mut case, pool) = customers(&Shape::list(3), "").await;
    case.complete().await;
    case.secret("HIERSYNC_CUSTOMERS_PASSWORD", "wrong");
    let before = vendor.door().calls();
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.cause), (Outcome::Failed, Some(Cause::Credentials)));
    assert!(report.row.unwrap().error.is_some());
    assert_eq!(vendor.door().calls() - before, 1, "asking again changes nothing");
    assert_eq!(count(&pool, "select count(*) from hiersync.customer where retired_at is not null").await, 0);

    case.secret("HIERSYNC_CUSTOMERS_PASSWORD", "till-pass");
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_api_client_and_refused_keys_are_credentials_too() {
    let (_vendor, mut case, _) = with_oauth(OAuth::default()).await;
    case.secret("HIERSYNC_CUSTOMERS_SECRET", "wrong");
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.cause), (Outcome::Failed, Some(Cause::Credentials)));

    let (_vendor, mut case, _) = users(&Shape::list(2), "").await;
    case.secret("HIERSYNC_SALES_SECRET_KEY", "wrong");
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.cause), (Outcome::Failed, Some(Cause::Credentials)));
}

/// A vendor that was mirrored once and then fails every call.
async fn fails_for_good(mishap: Mishap) {
    let (vendor, case, pool) = customers(&Shape::list(3), "timeout = \"200ms\"").await;
    case.complete().await;
    vendor.faults().next(FOREVER, mishap.clone());
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.cause), (Outcome::Failed, Some(Cause::Unavailable)), "{mishap:?}");
    let run = report.row.unwrap();
    assert!(run.error.is_some() && run.finished_at.is_some() && run.requests <= 5 && run.retired == 0, "{run:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync.customer where retired_at is not null").await, 0);
    vendor.faults().clear();
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_fails_for_good_ends_the_run_as_unavailable() {
    let forms = [Mishap::Hang, Mishap::HangUp, Answer::html(200).into(), capillary::failed().into()];
    join_all(forms.map(fails_for_good)).await;
}

/// How a run ends in which one parent's list cannot be read, or not trusted.
struct Spoilt {
    vendor: CapillarySim,
    case: Case,
    pool: PgPool,
    parent: i64,
}

impl Spoilt {
    /// Mirrors a tree, then spoils all answers for one parent; meanwhile somebody else changes.
    async fn by(mishap: impl Into<Mishap>, more: &str) -> (Self, Outcome, RunRow) {
        let (vendor, case, pool) = customers(&Shape::even(4, 2), more).await;
        case.complete().await;
        let root = vendor.world_root();
        let parent = vendor.world().children(root)[1];
        let other = vendor.world().children(root)[2];
        let elsewhere = vendor.world().children(other)[0];
        vendor.world().rename(elsewhere, "Elsewhere", Stamp::Bump);
        vendor.faults().on_parent(parent, FOREVER, mishap);
        let report = case.sync_with(WANTED).await;
        (Self { vendor, case, pool, parent }, report.outcome, report.row.unwrap())
    }

    /// Nobody is gone, the rest of the tree was read, and a finding names the parent.
    async fn keeps_all(&self, run: &RunRow, kind: &str) {
        assert_eq!((run.retired, run.updated), (0, 1), "{run:?}");
        assert_customers(&self.pool, &customers_now(&self.vendor)).await;
        assert!(findings(&self.pool).await.contains(&(kind.into(), self.parent.to_string())), "{:?}", findings(&self.pool).await);
    }

    /// The vendor is well again: complete, the findings are resolved, and nothing is left to do.
    async fn recovers(&self) {
        self.vendor.faults().clear();
        self.case.quiet(&self.pool).await;
        assert_eq!(findings(&self.pool).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_not_found_keeps_its_children_and_leaves_the_walk_partial() {
    for refusal in [capillary::not_found(), capillary::item(200, hiersync::simulator::capillary::settings::ErrorsIn::Entity, 8015, "gone")]
    {
        let (spoilt, outcome, run) = Spoilt::by(refusal, "").await;
        assert_eq!(outcome, Outcome::Partial);
        spoilt.keeps_all(&run, "list_refused").await;
        spoilt.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_where_children_were_counted_proves_nothing() {
    let empty = Answer::json(200, &json!({"entity": {"customers": [], "count": 0}, "success": true}));
    let (spoilt, outcome, run) = Spoilt::by(empty, "retire_guard = 1.0").await;
    assert_eq!(outcome, Outcome::Partial);
    spoilt.keeps_all(&run, "count_mismatch").await;
    spoilt.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_always_breaks_off_after_one_row_proves_nothing() {
    let (spoilt, outcome, run) = Spoilt::by(Mishap::FewerRows { keep: 1, honest_count: true }, "retire_guard = 1.0").await;
    assert_eq!(outcome, Outcome::Partial);
    spoilt.keeps_all(&run, "count_mismatch").await;
    spoilt.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_comes_in_short_pages_is_read_to_its_end() {
    for honest_count in [true, false] {
        let (spoilt, outcome, run) = Spoilt::by(Mishap::FewerRows { keep: 2, honest_count }, "retire_guard = 1.0").await;
        assert_eq!((outcome, run.retired), (Outcome::Complete, 0));
        assert_customers(&spoilt.pool, &customers_now(&spoilt.vendor)).await;
        assert_eq!(findings(&spoilt.pool).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_rows_that_is_too_large_is_asked_for_in_smaller_ones() {
    for concurrency in [1, 4] {
        let (vendor, case, pool) = customers(&Shape::list(30), &format!("max_response = \"1MiB\"\nconcurrency = {concurrency}")).await;
        let root = vendor.world_root();
        let rows = vendor.world().children(root).to_vec();
        for row in [3, 4, 5, 21] {
            vendor.world().rename(rows[row], &"x".repeat(300 << 10), Stamp::Bump);
        }
        case.complete().await;
        assert_customers(&pool, &customers_now(&vendor)).await;
        case.quiet(&pool).await;
        assert_eq!(findings(&pool).await, []);
        // Where even the smallest page is too large, the rows before it land, and nobody is gone.
        vendor.world().rename(rows[0], "Ann", Stamp::Bump);
        vendor.world().rename(rows[20], &"x".repeat(2 << 20), Stamp::Bump);
        let report = case.sync_with(WANTED).await;
        let run = report.row.unwrap();
        assert_eq!((report.outcome, run.updated, run.retired), (Outcome::Partial, 1, 0), "{run:?}");
        assert_eq!(findings(&pool).await, [("answer_too_large".into(), root.to_string())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_unpacks_to_too_much_is_left_alone() {
    let (spoilt, outcome, run) = Spoilt::by(Answer::gzip_bomb(20 << 20), "max_response = \"1MiB\"").await;
    assert_eq!(outcome, Outcome::Partial);
    spoilt.keeps_all(&run, "answer_too_large").await;
    spoilt.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let elsewhere = CapillarySim::start(CapillaryWorld::new(1, Flavour::PLAIN), CapillarySettings::default()).await.unwrap();
    for (status, kind) in [(301, "list_refused"), (302, "list_unavailable")] {
        let answer = Answer { status, ..Answer::redirect(&elsewhere.base_url()) };
        let (spoilt, outcome, run) = Spoilt::by(answer, "").await;
        assert_eq!((outcome, elsewhere.door().calls()), (Outcome::Partial, 0));
        spoilt.keeps_all(&run, kind).await;
        spoilt.recovers().await;
    }
}

/// As pages of maintenance are shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_sends_everybody_elsewhere_for_the_time_being_is_not_available() {
    let (vendor, case, pool) = customers(&Shape::list(3), "").await;
    case.complete().await;
    vendor.faults().next(FOREVER, Answer::redirect("/maintenance"));
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.cause), (Outcome::Failed, Some(Cause::Unavailable)));
    assert_eq!(findings(&pool).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_that_always_breaks_off_costs_only_itself() {
    let (spoilt, outcome, run) = Spoilt::by(Mishap::Cut, "").await;
    assert_eq!((outcome, run.retried), (Outcome::Partial, 4));
    spoilt.keeps_all(&run, "bad_answer").await;
    spoilt.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_that_always_fails_costs_only_itself_though_no_other_is_answered_meanwhile() {
    for (failing, kind) in [(capillary::failed(), "list_unavailable"), (capillary::unauthorised(), "list_refused")] {
        let (spoilt, outcome, run) = Spoilt::by(failing, "concurrency = 1").await;
        assert_eq!(outcome, Outcome::Partial);
        spoilt.keeps_all(&run, kind).await;
        spoilt.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_has_gone_down_meanwhile_fails_the_run_and_no_list_is_given_up() {
    let (vendor, case, pool) = customers(&Shape::even(4, 2), "concurrency = 1").await;
    case.complete().await;
    let root = vendor.world_root();
    let parent = vendor.world().children(root)[1];
    vendor.faults().on_parent(parent, 4, capillary::failed());
    vendor.faults().after(6, FOREVER, capillary::failed());
    let report = case.sync_with(WANTED).await;
    assert_eq!(report.outcome, Outcome::Failed, "{report:?}");
    assert_eq!(findings(&pool).await, []);
    vendor.faults().clear();
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_without_children_whose_list_is_refused_is_empty() {
    let (vendor, case, pool) = customers(&Shape::even(3, 2), "retire_guard = 1.0").await;
    case.complete().await;
    let root = vendor.world_root();
    let parent = vendor.world().children(root)[1];
    let gone = vendor.world().children(parent).to_vec();
    for child in &gone {
        vendor.world().delete(*child);
    }
    vendor.faults().on_parent(parent, FOREVER, capillary::not_found());
    let run = case.complete().await;
    assert_eq!(run.retired, i64::try_from(gone.len()).unwrap());
    assert_customers(&pool, &customers_now(&vendor)).await;
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_in_runs_of_two_calls_comes_to_its_end_though_a_parent_has_left() {
    let (vendor, case, pool) = customers(&Shape::even(3, 2), "retire_guard = 1.0\nconcurrency = 1").await;
    case.complete().await;
    let root = vendor.world_root();
    let parent = vendor.world().children(root)[1];
    // That it has left is told by the list above, which is read again in several runs.
    vendor.before_request(4, move |world| {
        world.delete(parent);
    });
    let mut ends = Vec::new();
    for _ in 0..40 {
        let end = case.sync_with(with_calls(2)).await.outcome;
        ends.push(end);
        if end != Outcome::Stopped {
            break;
        }
    }
    vendor.rest();
    assert_eq!(ends.last(), Some(&Outcome::Complete), "{ends:?}");
    case.complete().await;
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_asked_for_twice_and_left_alone() {
    let (spoilt, outcome, run) = Spoilt::by(Answer::json(200, &json!({"entity": {"customers": "none"}})), "").await;
    assert_eq!((outcome, run.retried), (Outcome::Partial, 1));
    spoilt.keeps_all(&run, "bad_answer").await;
    spoilt.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roots_own_list_refused_keeps_the_whole_tree() {
    let (vendor, case, pool) = customers(&Shape::even(3, 2), "retire_guard = 1.0").await;
    case.complete().await;
    let root = vendor.world_root();
    vendor.faults().on_kind("bulk", FOREVER, capillary::not_found());
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
    assert_eq!(findings(&pool).await, [("list_refused".into(), root.to_string())]);
    assert_eq!(count(&pool, "select count(*) from hiersync.customer_link where retired_at is not null").await, 0);
    assert_customers(&pool, &customers_now(&vendor)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_that_cannot_be_read_costs_no_other_and_retires_nobody() {
    let (vendor, case, pool) = customers(&Shape::even(4, 2), "retire_guard = 1.0").await;
    case.complete().await;
    let root = vendor.world_root();
    let parent = vendor.world().children(root)[1];
    let bad = vendor.world().children(parent)[1];
    let good = vendor.world().children(parent)[2];
    vendor.world().rename(good, "Good", Stamp::Bump);
    let truth = customers_now(&vendor);
    // A second key `profiles` in the row, empty: it stands for nobody.
    vendor.world().edit(bad, Stamp::Keep, |customer| {
        customer.extra.insert("profiles".into(), json!([]));
    });
    let report = case.sync_with(WANTED).await;
    let run = report.row.unwrap();
    assert_eq!((report.outcome, run.retired, run.updated), (Outcome::Partial, 0, 1));
    assert_customers(&pool, &truth).await;
    let told = || async {
        let sql =
            "select kind, resolved_at is null from hiersync.finding where kind = any (array['bad_row', 'list_unreadable', 'list_refused'])
                   order by finding_id";
        sqlx::query_as::<_, (String, bool)>(sql).fetch_all(&pool).await.unwrap()
    };
    let open = |kind: &str| (kind.to_owned(), true);
    assert_eq!(told().await, [open("bad_row"), open("list_unreadable")]);
    // Another row comes in before it: the same finding. Another list is refused once, then read again in a walk that is partial still.
    vendor.world().insert(parent, Place::First);
    let other = vendor.world().children(root)[2];
    vendor.faults().on_parent(other, FOREVER, capillary::not_found());
    case.sync_with(WANTED).await;
    assert_eq!(told().await, [open("bad_row"), open("list_unreadable"), open("list_refused")]);
    vendor.faults().clear();
    assert_eq!(case.sync_with(WANTED).await.outcome, Outcome::Partial);
    assert_eq!(told().await, [open("bad_row"), open("list_unreadable"), ("list_refused".to_owned(), false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_leadsquared_that_its_rows_do_not_bear_out_proves_nothing() {
    let (vendor, case, pool) = users(&Shape::even(3, 2), "retire_guard = 1.0").await;
    case.complete().await;
    vendor.settings().total = Total::Wrong;
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
    assert!(findings(&pool).await.iter().all(|(kind, _)| kind == "count_mismatch"));
    vendor.settings().total = Total::Right;
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capped_subtree_retires_nobody() {
    let world = LeadSquaredWorld::new(43, hiersync::simulator::leadsquared::make::Flavour::PLAIN);
    let settings = LeadSquaredSettings { reach: Reach::Subtree, ..LeadSquaredSettings::default() };
    let more = "retire_guard = 1.0\ncolumns = [\"ManagerUserId\"]";
    let (vendor, case, pool) = users_of(world, &Shape::even(3, 2), settings, more).await;
    case.complete().await;
    vendor.settings().row_cap = 5;
    let report = case.sync_with(WANTED).await;
    assert_eq!((report.outcome, report.row.unwrap().retired), (Outcome::Partial, 0));
    assert_users(&pool, &users_now(&vendor), UNSTAMPED).await;
    vendor.settings().row_cap = usize::MAX;
    case.quiet(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_leadsquared_does_not_know_any_more_keeps_the_reports() {
    let (vendor, case, pool) = users(&Shape::even(3, 2), "retire_guard = 1.0").await;
    case.complete().await;
    let root = vendor.world().roots()[0];
    let manager = vendor.world().reports(root)[0];
    vendor.faults().on_parent(manager, FOREVER, leadsquared::logical("MXInvalidInputException", "User does not exist."));
    let report = case.sync_with(WANTED).await;
    let run = report.row.unwrap();
    assert_eq!((report.outcome, run.retired, run.retried), (Outcome::Partial, 0, 0), "a logical error does not pass");
    assert_eq!(findings(&pool).await, [("list_refused".into(), manager.to_string())]);
    assert_users(&pool, &users_now(&vendor), UNSTAMPED).await;
}
