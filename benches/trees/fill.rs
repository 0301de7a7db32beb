//! A source with a random tree of any size, without a vendor.

use sqlx::{AssertSqlSafe, PgPool};

/// Nobody asks it.
pub const SOURCE: &str =
    "[[source]]\nname = \"crm\"\nvendor = \"capillary\"\nbase_url = \"http://127.0.0.1:1\"\nauth = \"basic\"\ntill = \"t\"
roots = [{ type = \"mobile\", value = \"1\" }]";

/// A random tree, about twelve levels deep on average: one in five may have children.
pub const FILL: &str = "
    insert into hiersync.source (name, vendor) values ('crm', 'capillary');
    insert into hiersync_internal.source_state (source_id) values (1);
    insert into hiersync_internal.process (machine, pid, start_ticks) values ('m', 1, 1);
    insert into hiersync_internal.walk (source_id, shape, finished_at, verdict) values (1, 's', now(), 'complete');
    insert into hiersync_internal.root (source_id, asked_by, node_key, walk_id, valid_from) values (1, 'mobile:1', '1', 1, now());
    insert into hiersync.customer (source_id, customer_id, node_no, first_name, mobile, first_seen_at, changed_at, valid_from)
        select 1, n, n, 'n' || n, '9' || n, now(), now(), now() from generate_series(1, MANY) n;
    insert into hiersync.customer_link (source_id, parent_id, child_id, first_seen_at, valid_from)
        select 1, 1 + floor(random() * least(n - 1, MANY / 5))::int, n, now(), now() from generate_series(2, MANY) n;
    insert into hiersync_internal.frontier (source_id, parent_key, depth, walk_id, state)
        select 1, n::text, 0, 1, 'read' from generate_series(1, MANY / 5) n;
    vacuum analyze";

/// Brings the tree to where the links say, as the end of the latest walk does.
pub const SETTLE: &str = "
    select hiersync_internal.settle_customer(1, (select max(walk_id) from hiersync_internal.walk), '{}', (
        select count(*) from hiersync.customer where retired_at is null))";

/// One by one: `vacuum` stands in no transaction.
pub async fn script(pool: &PgPool, text: &str, many: u64) {
    for statement in text.replace("MANY", &many.to_string()).split(';') {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(pool).await.unwrap();
    }
}
