//! Whatever only reads, where one list holds a whole table and another is a long chain: it reads no more than it shows, and is over in the
//! server when it is over for who asked.

use hiersync::{
    clock,
    simulator::{
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        leadsquared::{LeadSquaredSim, make::Flavour as UserFlavour, settings::LeadSquaredSettings, world::LeadSquaredWorld},
        shape::Shape,
    },
};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::{
    case::Case,
    postgres::fresh_database,
    program::{Ended, Program},
    running::Running,
    tables::count,
    until::{seconds, until},
    vendors::{capillary, leadsquared},
};

/// How many there are below one parent. A whole tree of them is a second's work for an idle machine: whatever else it does, the 30 s that a
/// verb has are enough.
const MANY: i64 = 60_000;

/// Of each vendor `MANY` nodes below one parent, which is all that the planner knows of, and a chain of 200 below the last, which makes `ALL`; as
/// many changes, of many runs, and findings.
const FILL: &str = "
    create temp table root as
    select source_id, vendor, customer_id, null::uuid as user_id from hiersync.source join hiersync.customer using (source_id)
    where is_placeholder
    union all
    select source_id, vendor, null, r.user_id from hiersync.source join hiersync.reporting_user r using (source_id)
    where not exists (select from hiersync.reporting_line l where l.user_id = r.user_id);

    insert into hiersync.customer (source_id, customer_id, node_no, first_name, first_seen_at, changed_at, valid_from)
    select source_id, 10000000 + n, 10000 + n, 'Ana', now(), now(), now() from root, generate_series(1, ALL) n where vendor = 'capillary';
    insert into hiersync.customer_link (source_id, parent_id, child_id, first_seen_at, valid_from)
    select source_id, customer_id, 10000000 + n, now(), now() from root, generate_series(1, MANY) n where vendor = 'capillary';

    insert into hiersync.reporting_user (source_id, user_id, node_no, name, first_seen_at, changed_at, valid_from)
    select source_id, lpad(to_hex(n), 32, '0')::uuid, 10000 + n, 'Ana', now(), now(), now()
    from root, generate_series(1, ALL) n where vendor = 'leadsquared';
    insert into hiersync.reporting_line (source_id, manager_id, user_id, first_seen_at, valid_from)
    select source_id, user_id, lpad(to_hex(n), 32, '0')::uuid, now(), now() from root, generate_series(1, MANY) n where vendor = 'leadsquared';

    insert into hiersync.change (source_id, run_id, walk_id, entity, key, op, seen_at)
    select source_id, 1000 + n / 100, 1, case vendor when 'capillary' then 'customer' else 'reporting_user' end, n, 'insert', now()
    from root, generate_series(1, MANY) n;
    insert into hiersync.finding (source_id, run_id, walk_id, kind, severity, entity, key, seen_at, resolved_at)
    select source_id, 1, 1, 'silent_change', 'told', 'customer', n, now(), case when n > 5 then now() end from root, generate_series(1, 50000) n;
    insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger, started_at, finished_at, outcome)
    select source_id, 0, process_id, 1, 'schedule', started_at, now(), 'throttled'
    from hiersync.sync_run, generate_series(1, 20000) where run_id = 1;
    analyze;
    insert into hiersync.customer_link (source_id, parent_id, child_id, first_seen_at, valid_from)
    select source_id, 10000000 + n - 1, 10000000 + n, now(), now() from root, generate_series(MANY + 1, ALL) n where vendor = 'capillary';
    insert into hiersync.reporting_line (source_id, manager_id, user_id, first_seen_at, valid_from)
    select source_id, lpad(to_hex(n - 1), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, now(), now()
    from root, generate_series(MANY + 1, ALL) n where vendor = 'leadsquared';
    select hiersync_internal.settle_customer(source_id, walk_id, '{}', ALL + 6)
    from hiersync_internal.root join hiersync.source using (source_id) where vendor = 'capillary';
    select hiersync_internal.settle_user(source_id, walk_id, '{}', ALL + 6)
    from hiersync_internal.root join hiersync.source using (source_id) where vendor = 'leadsquared';
    analyze hiersync.customer_place, hiersync.reporting_place";

/// Rows that were read since the server was started, and what is still going on: statistics tell so when their sessions have ended.
const READ: &str = "
    select (sum(seq_tup_read) + (select sum(idx_tup_read) from pg_stat_user_indexes where schemaname like 'hiersync%'))::bigint
    from pg_stat_user_tables where schemaname like 'hiersync%'";
const SESSIONS: &str = "
    select count(*) from pg_stat_activity where datname = current_database() and application_name = 'hiersync' and backend_type = 'client backend'";

async fn filled() -> (Case, PgPool) {
    let (customers, users) = (capillary(5).await, leadsquared(5).await);
    let case = Case::at(&fresh_database().await).customers(&customers, "").users(&users, "");
    assert_eq!(Program::of(&case).run(&["sync"]).await.code, 0);
    let pool = case.pool().await;
    let mut session = pool.acquire().await.unwrap();
    // One by one: while a transaction lasts, no table on this server is tidied up.
    for sql in FILL.replace("MANY", &MANY.to_string()).replace("ALL", &(MANY + 200).to_string()).split(';') {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *session).await.unwrap();
    }
    drop(session);
    (case, pool)
}

/// Runs a verb, and gives how many rows were read for it.
async fn read_by(program: &Program, pool: &PgPool, args: &[&str]) -> (Ended, i64) {
    let before = count(pool, READ).await;
    let ended = program.run(args).await;
    assert_eq!(ended.code, 0, "{args:?}: {}", ended.err);
    until("its sessions are over", seconds(10), async || count(pool, SESSIONS).await == 0).await;
    (ended, count(pool, READ).await - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_read_what_they_show() {
    let (case, pool) = filled().await;
    let program = Program::of(&case);
    for args in [
        &["status"][..],
        &["runs"],
        &["runs", "customers", "--limit", "3"],
        &["changes"],
        &["changes", "sales", "--limit", "3"],
        &["changes", "--key", "59990"],
        &["changes", "--run", "1002"],
        &["findings"],
        &["findings", "--all"],
        &["plan"],
        &["check", "--offline"],
        &["url"],
    ] {
        let (_, read) = read_by(&program, &pool, args).await;
        assert!(read < 400, "{args:?}: {read} rows read");
    }
    // The chain hangs below the last of the many.
    let chain = [("customers", (10_000_000 + MANY).to_string()), ("sales", format!("{MANY:032x}"))];
    for (source, top) in &chain {
        let now = (clock::now() + seconds(3600)).to_rfc3339();
        for at in [&["--live"][..], &["--at", &now], &[]] {
            let tree = |more: &[&'static str]| [&["tree", source], more, at].concat();
            // Those that are not shown are counted, and the nodes that were there then are looked at for who had no parent.
            let all = if at.is_empty() { 10 * MANY / 3 } else { 8 * MANY };
            let (ended, read) = read_by(&program, &pool, &tree(&[])).await;
            assert!(read < all, "{source} {at:?}: {read} rows read");
            let lines: Vec<&str> = ended.out.lines().collect();
            assert!(lines.len() == 24 && lines[21].starts_with(&format!("└── … and {}", MANY / 1000 - 1)), "{}", ended.out);

            let (ended, read) = read_by(&program, &pool, &tree(&["--json", "--depth", "300"])).await;
            assert!(ended.out.lines().count() > usize::try_from(MANY).unwrap() + 200);
            assert!(read < 8 * MANY, "{source} {at:?}: {read} rows read for all");

            let below = [&["tree", source, top, "--depth", "300"], at].concat();
            let (ended, read) = read_by(&program, &pool, &below).await;
            assert_eq!(ended.out.lines().count(), 201);
            assert!(read < 5_000, "{source} {at:?}: {read} rows read for a chain");
            let cut = read_by(&program, &pool, &[&["tree", source, top], at].concat()).await.0.out;
            assert!(cut.contains("[197 more below]"), "{cut}");
        }
    }
}

/// So many parents of five below one root.
fn parents(parents: usize) -> Shape {
    let shape = (0..parents).map(|_| None).chain((0..parents * 5).map(|node| Some(node / 5)));
    Shape::of(shape.collect())
}

/// Rows that are read for each row of a first load.
async fn read_per_row(case: &Case) -> i64 {
    let pool = case.pool().await;
    let rows = case.complete().await.inserted;
    until("its sessions are over", seconds(10), async || count(&pool, SESSIONS).await == 0).await;
    count(&pool, READ).await / rows
}

async fn of_customers(lists: usize) -> i64 {
    let mut world = CapillaryWorld::new(5, Flavour::PLAIN);
    world.plant(&parents(lists));
    let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
    read_per_row(&Case::new().await.customers(&vendor, "")).await
}

async fn of_users(lists: usize) -> i64 {
    let mut world = LeadSquaredWorld::new(5, UserFlavour::PLAIN);
    world.plant(&parents(lists));
    let vendor = LeadSquaredSim::start(world, LeadSquaredSettings::default()).await.unwrap();
    read_per_row(&Case::new().await.users(&vendor, "")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_reads_no_more_for_a_row_when_there_are_more_before_it() {
    for (few, many) in [(of_customers(300).await, of_customers(1200).await), (of_users(300).await, of_users(1200).await)] {
        println!("{few} and {many} rows read for a row");
        assert!(many < few + few / 2, "{few} and {many} rows read for a row");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_reads_what_it_shows() {
    let (case, pool) = filled().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = Program::edited(&case, |config| config.replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\"")));
    let daemon = Running::start(&program, &["daemon"]);
    daemon.says("ready", seconds(20)).await;
    let before = count(&pool, READ).await;
    for path in ["/", "/metrics", "/healthz", "/livez"] {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{path}: {body}");
        assert!(path != "/metrics" || body.contains("hiersync_runs_total{source=\"sales\",outcome=\"complete\"} 1\n"), "{body}");
    }
    daemon.stop("-TERM", seconds(10)).await;
    until("its sessions are over", seconds(10), async || count(&pool, SESSIONS).await == 0).await;
    let read = count(&pool, READ).await - before;
    assert!(read < 2_000, "{read} rows read");
    the_question_of_a_page_reads_its_own_rows_only(&pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_ended_in_the_server_and_says_so() {
    let vendor = capillary(5).await;
    let case = Case::at(&fresh_database().await).customers(&vendor, "");
    case.complete().await;
    let (program, pool) = (Program::of(&case), case.pool().await);
    let takes = "create or replace function hiersync.is_kept(t timestamptz) returns boolean language plpgsql stable as
                 $$ begin perform pg_sleep(SECONDS); return true; end $$";
    sqlx::raw_sql(AssertSqlSafe(takes.replace("SECONDS", "3600"))).execute(&pool).await.unwrap();
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

    // Who has seen enough: the interrupt key, and a terminal that is closed.
    for signal in ["-INT", "-HUP", "-KILL"] {
        let tree = Running::start(&program, &["tree", "customers", "--live"]);
        until("it waits", seconds(10), async || count(&pool, waiting).await == 1).await;
        tree.stop(signal, seconds(2)).await;
        until("nobody is waited for", seconds(5), async || count(&pool, waiting).await == 0).await;
    }

    let ended = program.run(&["tree", "customers", "--live"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (69, ""), "{ended:?}");
    assert!(ended.err.contains("30 s") && ended.err.lines().count() == 1, "{}", ended.err);
    assert_eq!(count(&pool, waiting).await, 0);
    sqlx::raw_sql(AssertSqlSafe(takes.replace("SECONDS", "0"))).execute(&pool).await.unwrap();
    assert_eq!(program.run(&["tree", "customers", "--live"]).await.code, 0);
}

/// The tables that a plan reads from end to end.
fn read_whole<'a>(plan: &'a serde_json::Value, tables: &mut Vec<&'a str>) {
    if plan["Node Type"] == "Seq Scan" {
        tables.push(plan["Relation Name"].as_str().unwrap());
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|below| read_whole(below, tables));
}

/// Of the children of one customer, every fortieth, as a page of its list shows them.
const SHOWN: &str = "select array_agg(child_id), array_agg('00000000-0000-0000-0000-000000000000'::uuid) from hiersync.customer_link
                     where source_id = $1 and parent_id = $2 and child_id % 40 = 0";

/// What a page of a list asks is looked up row by row, however much there is beside it, and whatever the planner knows of that.
async fn the_question_of_a_page_reads_its_own_rows_only(pool: &PgPool) {
    let widest = "select source_id, parent_id from hiersync.customer_link group by 1, 2 order by count(*) desc limit 1";
    let (source, parent): (i32, i64) = sqlx::query_as(widest).fetch_one(pool).await.unwrap();
    let (ids, digests): (Vec<i64>, Vec<uuid::Uuid>) = sqlx::query_as(SHOWN).bind(source).bind(parent).fetch_one(pool).await.unwrap();
    assert!(ids.len() > 1000);
    let question = include_str!("../../src/store/sql/customer_unchanged.sql");
    let mut session = pool.acquire().await.unwrap();
    // As the daemon asks, whose statements have names.
    sqlx::raw_sql("set plan_cache_mode = force_generic_plan").execute(&mut *session).await.unwrap();
    for known in [
        "analyze hiersync.customer, hiersync.customer_link",
        "delete from pg_statistic where starelid::regclass::text like 'hiersync.customer%'",
    ] {
        sqlx::raw_sql(known).execute(&mut *session).await.unwrap();
        let explain = format!("explain (analyze, buffers, format json) {question}");
        let plan: serde_json::Value = sqlx::query_scalar(AssertSqlSafe(explain))
            .bind(source)
            .bind(1i64)
            .bind(parent)
            .bind(&ids)
            .bind(&digests)
            .fetch_one(&mut *session)
            .await
            .unwrap();
        let plan = &plan[0]["Plan"];
        let touched = plan["Shared Hit Blocks"].as_u64().unwrap() + plan["Shared Read Blocks"].as_u64().unwrap();
        assert!(touched < 12 * ids.len() as u64, "{touched} pages for {} rows: {plan:#}", ids.len());
        let mut whole = Vec::new();
        read_whole(plan, &mut whole);
        assert!(!whole.iter().any(|table| table.starts_with("customer")), "{whole:?} {plan:#}");
    }
}
