//! The tables against the simulator's truth.

use std::collections::{BTreeMap, BTreeSet};

use hiersync::simulator::{capillary::CapillarySim, leadsquared::LeadSquaredSim, truth::Truth};
use serde_json::{Map, Value, json};
use sqlx::{PgPool, Row};

/// Live customers and links, as [`Truth`] has them.
pub async fn customers(pool: &PgPool) -> (BTreeMap<String, Map<String, Value>>, BTreeSet<(String, String)>) {
    let nodes = live(
        pool,
        "select customer_id::text as id, jsonb_build_object(
             'first_name', first_name, 'last_name', last_name, 'email', email, 'mobile', mobile, 'external_id', external_id,
             'account_id', account_id, 'profile_source', profile_source, 'role_code', role_code, 'no_of_children', no_of_children,
             'default_child', default_child, 'created_at', to_char(created_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
             'auto_update_time', to_char(auto_update_time at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
             'extended_fields', extended_fields,
             'profiles', (select count(*) from hiersync.customer_profile p where (p.source_id, p.customer_id) = (c.source_id, c.customer_id)),
             'identifiers', coalesce((select jsonb_agg(jsonb_build_array(i.type, i.value) order by i.profile_no, i.identifier_no)
                 from hiersync.customer_identifier i where (i.source_id, i.customer_id) = (c.source_id, c.customer_id)), '[]'),
             'channels', (select count(*) from hiersync.customer_channel h where (h.source_id, h.customer_id) = (c.source_id, c.customer_id))
         ) as row
         from hiersync.customer c where retired_at is null and not is_placeholder",
    );
    let links = live_links(pool, "select parent_id::text, child_id::text from hiersync.customer_link where retired_at is null");
    (nodes.await, links.await)
}

/// Live users and lines, as [`Truth`] has them. Without `ModifiedOn` among the columns there is no stamp.
pub async fn users(pool: &PgPool) -> (BTreeMap<String, Map<String, Value>>, BTreeSet<(String, String)>) {
    let nodes = live(
        pool,
        "select user_id::text as id, jsonb_build_object('name', name, 'email', email, 'mobile', mobile, 'is_active', is_active,
             'checked_in', checked_in, 'auto_update_time', to_char(auto_update_time at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) as row
         from hiersync.reporting_user where retired_at is null and not is_placeholder",
    );
    let links = live_links(pool, "select manager_id::text, user_id::text from hiersync.reporting_line where retired_at is null");
    (nodes.await, links.await)
}

async fn live(pool: &PgPool, sql: &'static str) -> BTreeMap<String, Map<String, Value>> {
    let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
    let node = |row: &sqlx::postgres::PgRow| {
        let value: Value = row.get("row");
        (row.get::<String, _>("id"), value.as_object().unwrap().clone())
    };
    rows.iter().map(node).collect()
}

async fn live_links(pool: &PgPool, sql: &'static str) -> BTreeSet<(String, String)> {
    let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Asserts that the live customers are those of the truth, column by column.
pub async fn assert_customers(pool: &PgPool, truth: &Truth) {
    let (nodes, links) = customers(pool).await;
    assert_same(&nodes, &truth.nodes, &[]);
    assert_eq!(links, truth.links);
}

/// Asserts that the live users are those of the truth; `unasked` columns are not given by the vendor as it is set up.
pub async fn assert_users(pool: &PgPool, truth: &Truth, unasked: &[&str]) {
    let (nodes, links) = users(pool).await;
    assert_same(&nodes, &truth.nodes, unasked);
    assert_eq!(links, truth.links);
}

fn assert_same(found: &BTreeMap<String, Map<String, Value>>, truth: &BTreeMap<String, Map<String, Value>>, unasked: &[&str]) {
    let ids = |nodes: &BTreeMap<String, Map<String, Value>>| nodes.keys().cloned().collect::<BTreeSet<_>>();
    let (found_ids, true_ids) = (ids(found), ids(truth));
    let missing: Vec<_> = true_ids.difference(&found_ids).take(5).collect();
    let surplus: Vec<_> = found_ids.difference(&true_ids).take(5).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, surplus {surplus:?}");
    for (id, row) in truth {
        for (column, value) in row.iter().filter(|(column, _)| !unasked.contains(&column.as_str())) {
            assert_eq!(found[id].get(column).map(as_set), Some(as_set(value)), "{column} of {id}");
        }
    }
}

/// In which order a vendor shows a profile's identifiers says nothing.
fn as_set(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Array(entries) = &mut value {
        entries.sort_by_key(Value::to_string);
    }
    value
}

/// How many rows a query counts.
pub async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// Everything that a person would see, as one value: tables without run numbers and times.
pub async fn everything(pool: &PgPool) -> Value {
    let (customers, links) = customers(pool).await;
    let (users, lines) = users(pool).await;
    let changes: Vec<(String, String, String)> =
        sqlx::query_as("select entity, key, op from hiersync.change order by 1, 2, 3").fetch_all(pool).await.unwrap();
    let counters: (i64, i64, i64, i64, i64) = sqlx::query_as(
        "select coalesce(sum(inserted), 0)::bigint, coalesce(sum(updated), 0)::bigint, coalesce(sum(unchanged), 0)::bigint,
             coalesce(sum(retired), 0)::bigint, coalesce(sum(restored), 0)::bigint from hiersync.sync_run",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let versions: Vec<(String, i64)> = sqlx::query_as(
        "select 'customer', count(*) from hiersync.customer_history union all select 'profile', count(*) from hiersync.customer_profile_history
         union all select 'identifier', count(*) from hiersync.customer_identifier_history
         union all select 'channel', count(*) from hiersync.customer_channel_history
         union all select 'link', count(*) from hiersync.customer_link_history
         union all select 'user', count(*) from hiersync.reporting_user_history
         union all select 'line', count(*) from hiersync.reporting_line_history
         union all select 'customer_move', count(*) from hiersync.customer_move
         union all select 'reporting_move', count(*) from hiersync.reporting_move
         union all select 'customer_place', coalesce(sum(descendants + 1), 0)::bigint from hiersync.customer_place
         union all select 'reporting_place', coalesce(sum(descendants + 1), 0)::bigint from hiersync.reporting_place order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let findings: Vec<(String, String, bool)> =
        sqlx::query_as("select kind, key, resolved_at is null from hiersync.finding order by 1, 2, 3").fetch_all(pool).await.unwrap();
    json!({
        "customers": customers, "links": links, "users": users, "lines": lines, "changes": changes, "counters": counters,
        "versions": versions, "findings": findings,
    })
}

/// What a mirror of all the vendor's roots must hold now.
pub fn customers_now(vendor: &CapillarySim) -> Truth {
    let world = vendor.world();
    world.truth(world.roots())
}

/// What a mirror of all the vendor's roots must hold now.
pub fn users_now(vendor: &LeadSquaredSim) -> Truth {
    let world = vendor.world();
    world.truth(world.roots())
}

/// Where each mirrored row and change lies and which transaction wrote it: the same twice means that nothing was written.
pub async fn places(pool: &PgPool) -> String {
    sqlx::query_scalar(
        "select coalesce(string_agg(t || ' ' || place || ' ' || writer, ',' order by t, place), '') from (
             select 'customer' as t, ctid::text as place, xmin::text as writer from hiersync.customer
             union all select 'profile', ctid::text, xmin::text from hiersync.customer_profile
             union all select 'identifier', ctid::text, xmin::text from hiersync.customer_identifier
             union all select 'channel', ctid::text, xmin::text from hiersync.customer_channel
             union all select 'link', ctid::text, xmin::text from hiersync.customer_link
             union all select 'user', ctid::text, xmin::text from hiersync.reporting_user
             union all select 'line', ctid::text, xmin::text from hiersync.reporting_line
             union all select 'change', ctid::text, xmin::text from hiersync.change
             union all select 'customer_place', ctid::text, xmin::text from hiersync.customer_place
             union all select 'reporting_place', ctid::text, xmin::text from hiersync.reporting_place
             union all select 'customer_history', ctid::text, xmin::text from hiersync.customer_history
             union all select 'profile_history', ctid::text, xmin::text from hiersync.customer_profile_history
             union all select 'identifier_history', ctid::text, xmin::text from hiersync.customer_identifier_history
             union all select 'channel_history', ctid::text, xmin::text from hiersync.customer_channel_history
             union all select 'link_history', ctid::text, xmin::text from hiersync.customer_link_history
             union all select 'user_history', ctid::text, xmin::text from hiersync.reporting_user_history
             union all select 'line_history', ctid::text, xmin::text from hiersync.reporting_line_history
         ) rows",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

/// Entity, key and op of what the latest run changed.
pub async fn latest_changes(pool: &PgPool) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "select entity, key, op from hiersync.change where run_id = (select max(run_id) from hiersync.sync_run) order by 1, 2, 3",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// The fields that the latest run changed in one node: old and new value of each column.
pub async fn latest_fields(pool: &PgPool, key: impl ToString) -> Value {
    let fields =
        "select fields from hiersync.change where run_id = (select max(run_id) from hiersync.sync_run) and key = $1 and op = 'update'";
    sqlx::query_scalar(fields).bind(key.to_string()).fetch_one(pool).await.unwrap()
}

/// Kind and key of the open findings.
pub async fn findings(pool: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as("select kind, key from hiersync.finding where resolved_at is null order by 1, 2").fetch_all(pool).await.unwrap()
}

/// One row as JSON, of a query that gives one column of it.
pub async fn row(pool: &PgPool, sql: &'static str) -> Value {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}
