//! Settled trees at scale: what keeping them costs, and what asking them costs. `cargo bench --bench trees`, or with how many customers:
//! `cargo bench --bench trees -- 200000`. On a server of its own with stock settings.
//! `questions` before the number measures the questions of docs/bi.md.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement that cannot go on fails")]

mod fill;
mod questions;

use std::{path::PathBuf, time::Duration};

use hiersync::{
    app::App,
    clock,
    config::{read, secrets::Secrets},
};
use sqlx::{AssertSqlSafe, PgPool};

use self::fill::{FILL, SETTLE, SOURCE, script};

/// A later walk that moves 10,000 customers below others, whoever that is: cycles come about, too.
const MOVE: &str = "
    insert into hiersync_internal.walk (source_id, shape) values (1, 's');
    update hiersync.sync_run set outcome = 'complete', finished_at = now() where outcome is null;
    insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger) select 1, max(walk_id), 1, 1, 'manual' from hiersync_internal.walk;
    update hiersync_internal.frontier set walk_id = (select max(walk_id) from hiersync_internal.walk);
    update hiersync_internal.root set walk_id = (select max(walk_id) from hiersync_internal.walk);
    create table if not exists public.mover (child_id bigint primary key, from_id bigint, to_id bigint);
    truncate public.mover;
    insert into public.mover select l.child_id, l.parent_id, 1 + floor(random() * MANY / 5)::bigint from hiersync.customer_link l
        where l.retired_at is null and l.child_id in (select 2 + floor(random() * (MANY - 1))::bigint from generate_series(1, 10000))
        on conflict do nothing;
    delete from public.mover where to_id in (child_id, from_id);
    update hiersync.customer_link l set retired_at = now() from public.mover m where l.parent_id = m.from_id and l.child_id = m.child_id;
    insert into hiersync.customer_link (source_id, parent_id, child_id, first_seen_at, valid_from) select 1, to_id, child_id, now(), now() from public.mover
        on conflict (source_id, parent_id, child_id) do update set retired_at = null, valid_from = now();
    insert into hiersync.change (source_id, run_id, walk_id, entity, key, op, seen_at)
        select 1, r.run_id, r.walk_id, 'customer_link', to_id || '/' || child_id, 'insert', now() from public.mover, hiersync.sync_run r where r.outcome is null;
    vacuum analyze";

/// What is asked, and how many rows each is said to give.
const ASKED: [(&str, &str); 8] = [
    (
        "descendants of one, by key",
        "select * from hiersync_bi.customer_bridge where ancestor_key = (select customer_key from hiersync.customer_place where descendants between 900 and 1100 limit 1)",
    ),
    (
        "path to the top, by key",
        "select * from hiersync_bi.customer_bridge where descendant_key = (select customer_key from hiersync.customer_place where depth = 12 limit 1)",
    ),
    ("span of control of one", "select * from hiersync_bi.customer_tree where customer_key = 'crm:7'"),
    (
        "roll-up of all by 100 regions",
        "select b.ancestor_key, count(*) from (select * from hiersync.customer_place where depth = 2 order by descendants desc limit 100) r
        join hiersync.customer_bridge b on b.source_id = r.source_id and b.ancestor_id = r.customer_id group by 1",
    ),
    ("roll-up by level", "select level_2_key, count(*) from hiersync_bi.customer_tree group by 1"),
    (
        "ten largest families",
        "select customer_key, descendants from hiersync_bi.customer_tree where not is_root order by descendants desc limit 10",
    ),
    ("depth distribution", "select depth, count(*) from hiersync_bi.customer_tree group by 1"),
    ("orphans", "select customer_key from hiersync_bi.customer where is_orphan limit 10"),
];

async fn timed(pool: &PgPool, sql: &str) -> Duration {
    let begun = clock::instant();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await.unwrap();
    begun.elapsed()
}

async fn one<T>(pool: &PgPool, sql: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::main]
async fn main() {
    let many = std::env::args().filter_map(|word| word.parse().ok()).next_back().unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let config = read::read(&format!("[database]\ndir = \"{}\"\n[daemon]\nlisten = \"\"\n{SOURCE}", folder.path().join("db").display()));
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    let app = App::open(config, Secrets::new(None, std::collections::HashMap::new()), PathBuf::from(env!("CARGO_BIN_EXE_hiersync")))
        .await
        .unwrap();
    let pool = app.pool.clone();
    if std::env::args().any(|word| word == "questions") {
        sqlx::raw_sql("insert into hiersync_internal.process (machine, pid, start_ticks) values ('m', 1, 1); insert into hiersync.source (name, vendor) values ('crm', 'capillary')").execute(&pool).await.unwrap();
        questions::measure(&pool, many).await;
        return app.close().await;
    }
    script(&pool, FILL, many).await;
    println!("{many} customers");
    println!("  first settlement      {:>8.2} s", timed(&pool, SETTLE).await.as_secs_f64());
    sqlx::raw_sql("vacuum analyze hiersync.customer_place").execute(&pool).await.unwrap();
    let size: String = one(&pool, "select pg_size_pretty(pg_total_relation_size('hiersync.customer_place'))").await;
    println!("  size with indexes     {size:>10}");
    println!("  nothing moved         {:>8.3} s", timed(&pool, SETTLE).await.as_secs_f64());
    for (question, sql) in ASKED {
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(timed(&pool, sql).await);
        }
        times.sort_unstable();
        println!("  {question:30} {:>8.1} ms, the median of five", times[2].as_secs_f64() * 1000.0);
    }
    for _ in 0..3 {
        script(&pool, MOVE, many).await;
        let before: i64 = one(&pool, "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").await;
        let took = timed(&pool, SETTLE).await;
        let wal: i64 = one(&pool, "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").await;
        let touched: i64 =
            one(&pool, "select count(*) from hiersync.customer_place where walk_id = (select max(walk_id) from hiersync_internal.walk)")
                .await;
        let moves: i64 = one(&pool, "select count(*) from public.mover").await;
        println!(
            "  {moves} moves, {touched} rows touched: {:.1} s, {} bytes of WAL a row, page images after a checkpoint among them",
            took.as_secs_f64(),
            (wal - before) / touched.max(1)
        );
        sqlx::raw_sql("update hiersync_internal.walk set verdict = 'complete', finished_at = now() where finished_at is null")
            .execute(&pool)
            .await
            .unwrap();
    }
    app.close().await;
}
