//! Migrations on tables that are not empty: what an upgrade meets.

use std::borrow::Cow;

use hiersync::simulator::{change::Stamp, shape::Shape};
use sqlx::{PgPool, migrate::Migrator};

use crate::harness::{
    case::Case,
    postgres::{fresh_database, newer_database},
    program::Program,
    running::Running,
    tables::{assert_customers, count, customers_now},
    until::{seconds, until},
    vendors::capillary_of,
};

/// Migrations of the first release.
const FIRST: usize = 6;

/// A row in each table of the first release.
const FILLED: &str = "
insert into hiersync.source (name, vendor) values ('old', 'capillary');
insert into hiersync_internal.source_state (source_id) values (1);
insert into hiersync_internal.process (machine, pid, start_ticks) values ('m', 1, 1);
insert into hiersync_internal.daemon values (1, now());
insert into hiersync_internal.lease values (1, 1, 1, now());
insert into hiersync_internal.walk (source_id, shape, reach, finished_at, verdict) values (1, 's', 'direct', now(), 'complete');
insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger, finished_at, outcome) values (1, 1, 1, 1, 'manual', now(), 'complete');
insert into hiersync_internal.root values (1, 'mobile:1', '1', 1, 1, now());
insert into hiersync_internal.forgetting values (1, '1');
insert into hiersync_internal.root_history values (1, '2', now(), now() + interval '1 hour');
insert into hiersync_internal.frontier (source_id, parent_key, walk_id, depth, state, seen) values (1, '1', 1, 0, 'read', '{[1,3)}');
insert into hiersync_internal.refresh (source_id, node_key, is_below) values (1, '1', true);
insert into hiersync_internal.budget (name) values ('old');
insert into hiersync_internal.budget_ledger (budget_id, process_id, calls, bought_at, ended_at) values (1, 1, 1, now(), now());
insert into hiersync_internal.budget_limit values (1, 'configured', 1000, 5);
insert into hiersync_internal.budget_waiter values (1, 1, now(), 1, now());
insert into hiersync.customer (source_id, customer_id, node_no, first_seen_at, changed_at, valid_from)
    select 1, n, n, now(), now(), now() from generate_series(1, 2) n;
insert into hiersync.customer_profile values (1, 1, 1);
insert into hiersync.customer_identifier values (1, 1, 1, 1, 'mobile', '1');
insert into hiersync.customer_channel values (1, 1, 1, 1, 'email', 'a@example.com');
insert into hiersync.customer_link values (1, 1, 2, now(), null, now());
insert into hiersync_internal.known_page values (1, 1, 0, gen_random_uuid(), '{2}', '{1}', '{[2,3)}');
insert into hiersync.reporting_user (source_id, user_id, node_no, first_seen_at, changed_at, valid_from)
    select 1, gen_random_uuid(), n, now(), now(), now() from generate_series(1, 2) n;
insert into hiersync.reporting_line select 1, min(user_id::text)::uuid, max(user_id::text)::uuid, now(), null, now() from hiersync.reporting_user;
insert into hiersync_internal.staged_user values (1, gen_random_uuid(), null, 1, 1, null, '{}');
insert into hiersync.change (source_id, run_id, walk_id, entity, key, op, seen_at) values (1, 1, 1, 'customer', '1', 'insert', now());
insert into hiersync.finding (source_id, run_id, walk_id, kind, severity, entity, key, seen_at) values (1, 1, 1, 'cycle', 'told', 'customer', '1', now());
insert into hiersync.customer_place values (1, 1, null, 1, 0, 0, 0, 1, 'old:1', '{1}');
insert into hiersync.customer_move values (1, 1, 1, 2, 3, now());
insert into hiersync.reporting_place select 1, user_id, null, user_id, 0, 0, 0, 1, 'old:' || user_id, array[user_id] from hiersync.reporting_user;
insert into hiersync.reporting_move select 1, 1, user_id, gen_random_uuid(), gen_random_uuid(), now() from hiersync.reporting_user;
insert into hiersync.customer_history select now() + interval '1 hour', c.* from hiersync.customer c;
insert into hiersync.customer_profile_history select now(), now() + interval '1 hour', p.* from hiersync.customer_profile p;
insert into hiersync.customer_identifier_history select now(), now() + interval '1 hour', p.* from hiersync.customer_identifier p;
insert into hiersync.customer_channel_history select now(), now() + interval '1 hour', p.* from hiersync.customer_channel p;
insert into hiersync.customer_link_history select now() + interval '1 hour', l.* from hiersync.customer_link l;
insert into hiersync.reporting_user_history select now() + interval '1 hour', u.* from hiersync.reporting_user u;
insert into hiersync.reporting_line_history select now() + interval '1 hour', l.* from hiersync.reporting_line l;
";

/// A new column as CONTRIBUTING.md says, "A new migration".
const A_COLUMN: &str = "
alter table hiersync.customer add column shoe_size int;
comment on column hiersync.customer.shoe_size is 'shoeSize.';
alter table hiersync.customer_history add column shoe_size int;
";

/// How many rows each table holds, by its name.
async fn sizes(pool: &PgPool) -> Vec<(String, i64)> {
    sqlx::query_as(
        "select n.nspname || '.' || c.relname,
             (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %s', c.oid::regclass), false, true, '')))[1]::text::bigint
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('hiersync', 'hiersync_internal') and c.relkind = 'r' and c.relname not like '%migrations' order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// A database of the first release, with a row in each table, and how many there are.
async fn filled() -> (String, PgPool, Vec<(String, i64)>) {
    let url = fresh_database().await;
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql("drop schema hiersync, hiersync_internal, hiersync_bi cascade").execute(&pool).await.unwrap();
    // As the program does it, so that it finds them done.
    let mut first: Migrator = sqlx::migrate!();
    first.migrations = Cow::Owned(first.migrations.iter().take(FIRST).cloned().collect());
    first.run(&pool).await.unwrap();
    sqlx::raw_sql(FILLED).execute(&pool).await.unwrap();
    let before = sizes(&pool).await;
    let empty: Vec<&String> = before.iter().filter(|(_, rows)| *rows == 0).map(|(name, _)| name).collect();
    assert!(empty.is_empty() && before.len() > 25, "{empty:?} of {} tables are not filled", before.len());
    (url, pool, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn later_migrations_apply_to_filled_tables_and_lose_nothing() {
    let (_, pool, before) = filled().await;
    let all: Migrator = sqlx::migrate!();
    all.run(&pool).await.unwrap();
    let after = sizes(&pool).await;
    let lost: Vec<_> = before.iter().filter(|(name, rows)| !after.iter().any(|(now, left)| now == name && left >= rows)).collect();
    assert!(lost.is_empty(), "{lost:?} have lost rows: {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_a_newer_version_is_told_from_a_fault() {
    let url = newer_database().await;
    let vendor = capillary_of(&[Shape::list(3)]).await;
    let ended = Program::of(&Case::at(&url).customers(&vendor, "")).run(&["sync"]).await;
    assert_eq!((ended.code, ended.err.trim().lines().count(), vendor.door().calls()), (78, 1, 0), "{ended:?}");
    assert!(ended.err.contains("is not of this version of hiersync, but of a newer or another one: run that one"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_added_as_the_papers_say_does_not_disturb_history() {
    let (url, pool, _) = filled().await;
    let all: Migrator = sqlx::migrate!();
    all.run(&pool).await.unwrap();
    sqlx::raw_sql(A_COLUMN).execute(&pool).await.unwrap();
    sqlx::query("update hiersync.customer set shoe_size = 42").execute(&pool).await.unwrap();
    let vendor = capillary_of(&[Shape::list(3)]).await;
    let case = Case::at(&url).customers(&vendor, "");
    case.complete().await;
    let root = vendor.world().roots()[0];
    let child = vendor.world().children(root)[0];
    sqlx::query("update hiersync.customer set shoe_size = 43 where customer_id = $1").bind(child).execute(&pool).await.unwrap();
    vendor.world().rename(child, "Other", Stamp::Bump);
    case.complete().await;
    let kept = "select h.shoe_size from hiersync.customer_history h join hiersync.customer c using (source_id, customer_id)
                where c.first_name = 'Other' and c.shoe_size = 43";
    let kept: Vec<Option<i32>> = sqlx::query_scalar(kept).fetch_all(&pool).await.unwrap();
    assert_eq!(kept, [Some(43)], "the version that was replaced has its value of the new column");
    assert_eq!(count(&pool, "select count(*) from hiersync.customer where shoe_size = 42").await, 2);
    let truth = customers_now(&vendor);
    sqlx::query("delete from hiersync.customer where source_id = 1").execute(&pool).await.unwrap();
    sqlx::query("delete from hiersync.customer_link where source_id = 1").execute(&pool).await.unwrap();
    assert_customers(&pool, &truth).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_schemas_hold_says_what_it_is() {
    let pool = PgPool::connect(&fresh_database().await).await.unwrap();
    let silent = "
        with ours as (select oid, nspname from pg_namespace where nspname in ('hiersync', 'hiersync_internal', 'hiersync_bi'))
        select format('%s %I.%I', c.relkind, n.nspname, c.relname) from pg_class c join ours n on n.oid = c.relnamespace
        where c.relkind in ('r', 'v', 'i') and c.relname !~ '_pkey$|_key$|_sqlx' and obj_description(c.oid, 'pg_class') is null
        union all
        select format('column %I.%I.%I', n.nspname, c.relname, a.attname) from pg_class c join ours n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'v') and c.relname !~ '_sqlx' and col_description(c.oid, a.attnum) is null
        union all
        select format('function %s', p.oid::regprocedure) from pg_proc p join ours n on n.oid = p.pronamespace
        where obj_description(p.oid, 'pg_proc') is null
        union all
        select format('schema %s', n.nspname) from ours n where obj_description(n.oid, 'pg_namespace') is null";
    let silent: Vec<String> = sqlx::query_scalar(silent).fetch_all(&pool).await.unwrap();
    assert!(silent.is_empty(), "write `comment on …` for those who query it: {silent:#?}");
    assert!(count(&pool, "select count(*) from pg_class where relnamespace = 'hiersync_bi'::regnamespace").await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_does_not_make_readers_wait_behind_somebody_who_takes_long() {
    let vendor = capillary_of(&[Shape::list(3)]).await;
    let case = Case::at(&fresh_database().await).customers(&vendor, "");
    case.complete().await;
    let pool = case.pool().await;
    // As before the upgrade, and somebody has the table for long.
    sqlx::raw_sql("drop schema hiersync_bi cascade; drop function hiersync_internal.reader_statements").execute(&pool).await.unwrap();
    sqlx::raw_sql("delete from hiersync._sqlx_migrations where version = 5").execute(&pool).await.unwrap();
    let mut long = pool.begin().await.unwrap();
    sqlx::raw_sql("lock table hiersync.customer in access exclusive mode").execute(&mut *long).await.unwrap();
    let program = Program::of(&case);
    let upgrade = Running::start(&program, &["status"]);
    upgrade.says("the schema waits for who uses its tables", seconds(10)).await;
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    until("it lets others go on", seconds(10), async || count(&pool, waiting).await == 0).await;
    long.rollback().await.unwrap();
    let ended = upgrade.end(seconds(20)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync_bi.customer").await, 4);
}
