//! What is kept for ever, and what is removed when the config says so.

use hiersync::simulator::{change::Stamp, forest::Place, shape::Shape};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED, run},
    program::Program,
    server::Server,
    tables::{assert_customers, count, customers_now},
    vendors::capillary_of,
};

/// Everything that has an end becomes ten days older, and so does the last look for what is old.
async fn ten_days_later(pool: &PgPool) {
    let age = "
        update hiersync.sync_run set started_at = started_at - interval '10 days', finished_at = finished_at - interval '10 days';
        update hiersync_internal.walk set started_at = started_at - interval '10 days', finished_at = finished_at - interval '10 days';
        update hiersync.finding set seen_at = seen_at - interval '10 days', resolved_at = resolved_at - interval '10 days';
        update hiersync.change set seen_at = seen_at - interval '10 days';
        update hiersync.customer set valid_from = valid_from - interval '10 days', retired_at = retired_at - interval '10 days';
        update hiersync.customer_history set valid_from = valid_from - interval '10 days', valid_to = valid_to - interval '10 days';
        update hiersync.customer_link set valid_from = valid_from - interval '10 days', retired_at = retired_at - interval '10 days';
        update hiersync_internal.source_state set tidied_at = tidied_at - interval '10 days'";
    sqlx::raw_sql(age).execute(pool).await.unwrap();
}

fn keeping(case: &Case, keys: &str) -> Program {
    Program::edited(case, |config| config.replacen("[database]\n", &format!("[database]\n{keys}\n"), 1))
}

async fn synced(program: &Program) {
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
}

const RUNS: &str = "select count(*) from hiersync.sync_run";
const WALKS: &str = "select count(*) from hiersync_internal.walk";
const CHANGES: &str = "select count(*) from hiersync.change";
const VERSIONS: &str = "select count(*) from hiersync.customer_history";
const FINDINGS: &str = "select count(*) from hiersync.finding";

async fn sizes(pool: &PgPool) -> Vec<i64> {
    let mut sizes = Vec::new();
    for sql in [RUNS, WALKS, CHANGES, VERSIONS, FINDINGS] {
        sizes.push(count(pool, sql).await);
    }
    sizes
}

/// A source of a few customers, mirrored three times: two of them have another name since, one hangs elsewhere.
async fn lived() -> (Case, hiersync::simulator::capillary::CapillarySim, PgPool) {
    let vendor = capillary_of(&[Shape::even(3, 2)]).await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    case.complete().await;
    for name in ["Zoë", "Ana"] {
        let root = vendor.world().roots()[0];
        let heads = vendor.world().children(root).to_vec();
        let moved = vendor.world().children(heads[0])[0];
        vendor.world().rename(heads[1], name, Stamp::Bump);
        vendor.world().move_to(moved, heads[2], Place::Last, Stamp::Bump);
        case.complete().await;
    }
    (case, vendor, pool)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_everything_is_kept() {
    let (case, _vendor, pool) = lived().await;
    ten_days_later(&pool).await;
    let before = sizes(&pool).await;
    synced(&Program::of(&case)).await;
    let after = sizes(&pool).await;
    assert_eq!(after[2..], before[2..]);
    assert_eq!((after[0], after[1]), (before[0] + 1, before[1] + 1));
    assert_eq!(count(&pool, "select count(*) from hiersync_internal.source_state where tidied_at is not null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_runs_go_and_those_that_still_say_something_stay() {
    let (case, _vendor, pool) = lived().await;
    let open = "insert into hiersync.finding (source_id, run_id, walk_id, kind, severity, entity, key, seen_at, resolved_at)
                values (1, 1, 1, 'old', 'told', 'customer', '1', now(), now()), (1, 1, 1, 'open', 'told', 'customer', '1', now(), null)";
    sqlx::raw_sql(open).execute(&pool).await.unwrap();
    sqlx::raw_sql("update hiersync_internal.walk set verdict = 'partial' where walk_id = 3").execute(&pool).await.unwrap();
    ten_days_later(&pool).await;
    let (changes, versions) = (count(&pool, CHANGES).await, count(&pool, VERSIONS).await);
    // The run itself, the last complete walk's, and that of walk 3, which has ended last. What the other has counted is not forgotten.
    synced(&keeping(&case, "keep_runs = \"5d\"")).await;
    let left = "select string_agg(run_id || ':' || walk_id, ' ' order by run_id) from hiersync.sync_run";
    let left: String = sqlx::query_scalar(left).fetch_one(&pool).await.unwrap();
    assert_eq!(left, "2:2 3:3 4:4");
    assert_eq!(count(&pool, "select sum(runs)::bigint from hiersync_internal.run_total where requests > 0").await, 4);
    let left = "select string_agg(walk_id::text, ' ' order by walk_id) from hiersync_internal.walk";
    let left: String = sqlx::query_scalar(left).fetch_one(&pool).await.unwrap();
    assert_eq!(left, "2 3 4");
    // One that is open is open however old it is; this walk has resolved it a moment ago.
    let left = "select string_agg(kind, ' ') from hiersync.finding where kind in ('old', 'open')";
    let left: String = sqlx::query_scalar(left).fetch_one(&pool).await.unwrap();
    assert_eq!(left, "open");
    assert_eq!((count(&pool, CHANGES).await, count(&pool, VERSIONS).await), (changes, versions));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_history_goes_and_a_time_before_is_refused() {
    let (case, vendor, pool) = lived().await;
    let many = "insert into hiersync.change (source_id, run_id, walk_id, entity, key, op, seen_at)
                select 1, 1, 1, 'customer', '1', 'update', now() from generate_series(1, 25000)";
    sqlx::raw_sql(many).execute(&pool).await.unwrap();
    ten_days_later(&pool).await;
    let head = {
        let world = vendor.world();
        world.children(world.roots()[0])[0]
    };
    vendor.world().rename(head, "Ida", Stamp::Bump);
    let program = keeping(&case, "keep_history = \"5d\"");
    let dry = sizes(&pool).await;
    assert_eq!(program.run(&["sync", "--dry-run"]).await.code, 0);
    assert_eq!(sizes(&pool).await, dry, "a dry run removes nothing");
    synced(&program).await;
    // What this run has changed is all that is left; the mirror is as the vendor shows it.
    assert_eq!((count(&pool, CHANGES).await, count(&pool, VERSIONS).await), (1, 1));
    assert_eq!(count(&pool, RUNS).await, 4);
    assert_customers(&pool, &customers_now(&vendor)).await;

    // Six days ago it was kept for five: refused, in SQL and in words. Four days ago: told.
    let at = |days: i32| format!("select count(*) from hiersync.customer_at(now() - interval '{days} days')");
    let told: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(at(4))).fetch_one(&pool).await.unwrap();
    assert_eq!(told, count(&pool, "select count(*) from hiersync.customer").await);
    let refused = sqlx::query(sqlx::AssertSqlSafe(at(6))).execute(&pool).await.unwrap_err().to_string();
    assert!(refused.contains("was removed, as keep_history says"), "{refused}");
    let ended = program.run(&["tree", "customers", "--at", "2020-01-01"]).await;
    assert_eq!(ended.code, 64, "{ended:?}");
    assert!(ended.err.contains("--at: history before ") && ended.err.contains(" was removed, as keep_history says"), "{ended:?}");

    // It was looked for a moment ago.
    sqlx::raw_sql("update hiersync.change set seen_at = seen_at - interval '10 days'").execute(&pool).await.unwrap();
    synced(&program).await;
    assert_eq!(count(&pool, CHANGES).await, 1);
    ten_days_later(&pool).await;
    synced(&program).await;
    assert_eq!((count(&pool, CHANGES).await, count(&pool, VERSIONS).await), (0, 0));
}

/// Who reads the tables needs no rights on the machinery.
#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_asks_for_a_time_with_the_rights_on_the_tables_alone() {
    let (_case, _vendor, pool) = lived().await;
    let role = format!("analyst_{}", std::process::id());
    let grant =
        format!("create role {role}; grant usage on schema hiersync to {role}; grant select on all tables in schema hiersync to {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(grant)).execute(&pool).await.unwrap();
    let mut asked = pool.begin().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("set local role {role}"))).execute(&mut *asked).await.unwrap();
    let many: i64 = sqlx::query_scalar("select count(*) from hiersync.customer_at(now())").fetch_one(&mut *asked).await.unwrap();
    assert_eq!(many, count(&pool, "select count(*) from hiersync.customer").await);
    asked.rollback().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop owned by {role}; drop role {role}"))).execute(&pool).await.unwrap();
}

/// Bytes of all tables with their indexes, after what is dead was removed. The budget's ledger is as large as between two visits of
/// autovacuum, and uses its room again.
async fn bytes(pool: &PgPool) -> i64 {
    sqlx::raw_sql("vacuum").execute(pool).await.unwrap();
    let sql = "select sum(pg_total_relation_size(c.oid))::bigint from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where n.nspname in ('hiersync', 'hiersync_internal') and c.relkind = 'r' and c.relname <> 'budget_ledger'";
    count(pool, sql).await
}

/// docs/reliability.md has what this prints (`cargo test --test it -- keeping::a_quiet_walk --nocapture`).
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_walk_leaves_little_and_a_change_its_version() {
    const WALKS: i64 = 100;
    const ROUNDS: i64 = 4;
    let vendor = capillary_of(&[Shape::list(250)]).await;
    // On a server of its own: what is dead stays while anything goes on elsewhere on a server.
    let server = Server::start().await;
    let case = Case::at(&server.url).customers(&vendor, "page_size = 250");
    let (pool, app) = (case.pool().await, case.app().await);
    // Everything is there once, and has grown to its usual size.
    for _ in 0..20 {
        run(&app, 0, WANTED).await;
    }
    let begun = bytes(&pool).await;
    for _ in 0..WALKS {
        run(&app, 0, WANTED).await;
    }
    let quiet = bytes(&pool).await - begun;
    let ids = {
        let world = vendor.world();
        world.children(world.roots()[0]).to_vec()
    };
    let (begun, changes) = (bytes(&pool).await, count(&pool, CHANGES).await);
    for round in 0..ROUNDS {
        for id in &ids {
            vendor.world().rename(*id, &format!("Ana {round}"), Stamp::Bump);
        }
        run(&app, 0, WANTED).await;
    }
    let (changed, changes) = (bytes(&pool).await - begun, count(&pool, CHANGES).await - changes);
    assert_eq!(changes, ROUNDS * 250);
    println!("{} bytes for each quiet walk, {} bytes for each change", quiet / WALKS, changed / changes);
    assert!(quiet / WALKS < 1800, "{} bytes for each quiet walk", quiet / WALKS);
    assert!(changed / changes < 5000, "{} bytes for each change", changed / changes);
    app.close().await;
}
