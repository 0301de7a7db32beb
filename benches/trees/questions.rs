//! The questions of docs/bi.md on so many customers and as many users: how long each takes.

use std::time::Duration;

use sqlx::PgPool;

use super::{script, timed};

/// Two sources beside the customers' one, with persons, identifiers and a history of changes.
const FILL: &str = "
    insert into hiersync.source (name, vendor) values ('customers', 'capillary'), ('sales', 'leadsquared');
    insert into hiersync_internal.source_state (source_id, first_complete_walk_id) values (2, 0), (3, 0);
    insert into hiersync_internal.walk (source_id, shape, finished_at, verdict, live_nodes) values (2, 's', now(), 'complete', MANY), (3, 's', now(), 'complete', MANY);
    insert into hiersync.sync_run (source_id, walk_id, process_id, epoch, trigger, finished_at, outcome)
        select source_id, walk_id, 1, 1, 'schedule', now(), 'complete' from hiersync_internal.walk, generate_series(1, 100) where source_id > 1;
    insert into hiersync_internal.root (source_id, asked_by, node_key, walk_id, valid_from)
        select 2, 'mobile:1', '1', max(walk_id), now() from hiersync_internal.walk where source_id = 2;
    insert into hiersync_internal.root (source_id, asked_by, node_key, walk_id, valid_from)
        select 3, md5('1')::uuid::text, md5('1')::uuid::text, max(walk_id), now() from hiersync_internal.walk where source_id = 3;
    insert into hiersync.customer (source_id, customer_id, node_no, first_name, last_name, email, mobile, default_child, extra, first_seen_at, changed_at, valid_from, retired_at)
        select 2, n, n, 'first' || n % 1000, 'last' || n % 5000, 'person' || n % (MANY - 500) || '@example.com', '9' || n, n % 7 = 0,
            jsonb_build_object('note', repeat(md5(n::text), 30)), now() - interval '40 days', now() - n % 100 * interval '1 hour', now() - interval '40 days',
            case when n % 500 = 499 and n > MANY / 5 then now() - n % 20 * interval '1 day' end
        from generate_series(1, MANY) n;
    insert into hiersync.customer_identifier select 2, n, 1, 1, 'mobile', '9' || n from generate_series(1, MANY) n where n % 50 > 0;
    insert into hiersync.customer_link (source_id, parent_id, child_id, first_seen_at, valid_from, retired_at)
        select 2, 1 + floor(random() * least(n - 1, MANY / 5))::int, n, now(), now() - interval '40 days', case when n % 500 = 499 and n > MANY / 5 then now() - n % 20 * interval '1 day' end
        from generate_series(2, MANY) n;
    insert into hiersync.reporting_user (source_id, user_id, node_no, name, email, mobile, is_active, first_seen_at, changed_at, valid_from)
        select 3, md5(n::text)::uuid, n, 'user' || n, 'user' || n || '@example.com', '8' || n, n % 10 > 0, now(), now(), now() - n % 300 * interval '1 day'
        from generate_series(1, MANY) n;
    insert into hiersync.reporting_line (source_id, manager_id, user_id, first_seen_at, valid_from)
        select 3, md5((1 + floor(random() * least(n - 1, MANY / 8))::int)::text)::uuid, md5(n::text)::uuid, now(), now() - n % 300 * interval '1 day'
        from generate_series(2, MANY) n;
    insert into hiersync.change (source_id, run_id, walk_id, entity, key, op, seen_at, fields)
        select 2, r.run_id, r.walk_id, 'customer', 1 + (n * 7) % MANY, case n % 20 when 0 then 'insert' when 1 then 'retire' when 2 then 'restore' else 'update' end,
            now() - n % 700 * interval '1 hour', case when n % 20 > 2 then '{\"first_name\": [\"a\", \"b\"]}'::jsonb end
        from generate_series(1, 2 * MANY) n join lateral (select run_id, walk_id from hiersync.sync_run where source_id = 2 order by run_id limit 1) r on true;
    insert into hiersync.finding (source_id, run_id, walk_id, kind, severity, entity, key, detail, seen_at)
        select 2, 1, 1, case n % 50 when 0 then 'second_parent' when 1 then 'cycle' else 'silent_change' end, 'told', 'customer', n, '{\"say\": \"so\"}', now()
        from generate_series(1, MANY / 20) n;
    select hiersync_internal.settle_customer(2, (select max(walk_id) from hiersync_internal.walk where source_id = 2), '{}', MANY);
    select hiersync_internal.settle_user(3, (select max(walk_id) from hiersync_internal.walk where source_id = 3), '{}', MANY);
    insert into hiersync.reporting_move select source_id, walk_id, user_id, root_id, root_id, now() - depth * interval '3 days' from hiersync.reporting_place where children > 5;
    vacuum analyze";

/// Asks each of them, five times, with Postgres' compiler of queries and without.
pub async fn measure(pool: &PgPool, many: u64) {
    script(pool, FILL, many).await;
    let plain = (*pool.connect_options()).clone().options([("jit", "off")]);
    let plain = PgPool::connect_with(plain).await.unwrap();
    let paper = std::fs::read_to_string([env!("CARGO_MANIFEST_DIR"), "docs", "bi.md"].iter().collect::<std::path::PathBuf>()).unwrap();
    println!("{many} customers and as many users: the questions of docs/bi.md, medians of five in ms\n");
    println!("| question | `jit = off` | `jit = on` |\n| --- | --- | --- |");
    for part in paper.split("\n### ").skip(1) {
        let (question, rest) = part.split_once('\n').unwrap();
        let sql = rest.split_once("```sql\n").unwrap().1.split_once("```").unwrap().0;
        println!("| {question} | {:.0} | {:.0} |", median(&plain, sql).await, median(pool, sql).await);
    }
}

/// In milliseconds.
async fn median(pool: &PgPool, sql: &str) -> f64 {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        times.push(timed(pool, sql).await);
    }
    times.sort_unstable();
    times[2].as_secs_f64() * 1000.0
}
