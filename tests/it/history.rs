//! The mirror as it stood: every replaced version is kept with its validity, and nothing is written for what is unchanged.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use hiersync::{
    app::App,
    model::run::Outcome,
    simulator::{
        capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
        change::Stamp,
        forest::Place,
        leadsquared::{
            LeadSquaredSim,
            settings::{LeadSquaredSettings, ManagerColumn, Reach},
            world::LeadSquaredWorld,
        },
        shape::{Shape, Tree},
        truth::Truth,
    },
};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::harness::{
    case::{Case, WANTED, run, with_calls},
    tables::{assert_customers, assert_users, count, customers_now, latest_changes, users_now},
};

/// Both vendors, mirrored into one database.
struct Org {
    customers: CapillarySim,
    users: LeadSquaredSim,
    pool: PgPool,
    app: App,
}

/// Tables with a history, the key of each, and what a row's period begins with before history was kept.
const KEPT: [(&str, &str, &str); 4] = [
    ("customer", "customer_id", "changed_at"),
    ("customer_link", "parent_id, child_id", "first_seen_at"),
    ("reporting_user", "user_id", "changed_at"),
    ("reporting_line", "manager_id, user_id", "first_seen_at"),
];

/// Parts of a customer, and the number of each within it.
const PARTS: [(&str, &str); 3] = [
    ("customer_profile", "profile_no"),
    ("customer_identifier", "profile_no, identifier_no"),
    ("customer_channel", "profile_no, channel_no"),
];

impl Org {
    /// A root with 3 below it, each with 3, each with 3, at both vendors: mirrored once.
    async fn mirrored() -> Self {
        let mut world = CapillaryWorld::new(21, Flavour::PLAIN);
        world.plant(&Shape::even(3, 3));
        let customers = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let world = LeadSquaredWorld::grow(Tree { nodes: 40, levels: 3, seed: 22 });
        let settings =
            LeadSquaredSettings { reach: Reach::Subtree, manager_column: ManagerColumn::Given, ..LeadSquaredSettings::default() };
        let users = LeadSquaredSim::start(world, settings).await.unwrap();
        let more = "retire_guard = 1.0\ncolumns = [\"ManagerUserId\", \"ModifiedOn\"]";
        let case = Case::new().await.customers(&customers, "retire_guard = 1.0\npage_size = 4").users(&users, more);
        let (pool, app) = (case.pool().await, case.app().await);
        let org = Self { customers, users, pool, app };
        org.settle().await;
        org
    }

    fn root(&self) -> i64 {
        self.customers.world().roots()[0]
    }

    fn child(&self, of: i64, place: usize) -> i64 {
        self.customers.world().children(of)[place]
    }

    /// A customer without children, and its parent.
    fn leaf(&self) -> (i64, i64) {
        let world = self.customers.world();
        let id = *world.below(world.roots()[0]).last().unwrap();
        (id, world.parents(id)[0])
    }

    /// Syncs both sources, which must be complete and true, and gives a time after it.
    async fn settle(&self) -> DateTime<Utc> {
        for source in [0, 1] {
            let report = run(&self.app, source, WANTED).await;
            assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        }
        assert_customers(&self.pool, &customers_now(&self.customers)).await;
        assert_users(&self.pool, &users_now(&self.users), &[]).await;
        now(&self.pool).await
    }

    async fn customer(&self, id: i64, at: DateTime<Utc>) -> Value {
        one(&self.pool, "customer", &format!("customer_id = {id}"), at).await
    }

    async fn link(&self, parent: i64, child: i64, at: DateTime<Utc>) -> Value {
        one(&self.pool, "customer_link", &format!("parent_id = {parent} and child_id = {child}"), at).await
    }

    async fn user(&self, id: Uuid, at: DateTime<Utc>) -> Value {
        one(&self.pool, "reporting_user", &format!("user_id = '{id}'"), at).await
    }

    /// Changes the vendors at random; somebody goes, somebody is back, and some stamps are newer alone.
    fn live(&self, round: u64, away: &mut Away) {
        let mut world = self.customers.world();
        world.mutate(0.2, round);
        if let Some((parent, child)) = away.customer.take()
            && world.customer(parent).is_some()
            && world.customer(child).is_some()
        {
            world.link(parent, child, Place::First);
        } else {
            let child = *world.below(world.roots()[0]).last().unwrap();
            let parent = world.parents(child)[0];
            world.unlink(parent, child);
            away.customer = Some((parent, child));
        }
        let (touched, later) = (world.children(world.roots()[0])[0], world.now() + TimeDelta::seconds(1));
        world.set_stamp(touched, later);
        drop(world);
        let mut world = self.users.world();
        world.mutate(0.2, round);
        let root = world.roots()[0];
        match away.user.take() {
            Some(id) if world.user(id).is_some() => world.change_manager(id, root, Place::Last, Stamp::Keep),
            _ => {
                let id = *world.below(root).last().unwrap();
                world.detach(id, Stamp::Keep);
                away.user = Some(id);
            }
        }
        let (touched, later) = (world.reports(root)[0], world.now() + TimeDelta::seconds(1));
        world.set_modified_on(touched, later);
    }
}

/// Who is somewhere else for a while.
#[derive(Default)]
struct Away {
    customer: Option<(i64, i64)>,
    user: Option<Uuid>,
}

async fn now(pool: &PgPool) -> DateTime<Utc> {
    sqlx::query_scalar("select clock_timestamp()").fetch_one(pool).await.unwrap()
}

async fn json_of(pool: &PgPool, sql: String, at: Option<DateTime<Utc>>) -> Value {
    let query = sqlx::query_scalar(AssertSqlSafe(sql));
    match at {
        Some(at) => query.bind(at),
        None => query,
    }
    .fetch_one(pool)
    .await
    .unwrap()
}

/// The one row of a table as it stood, or null.
async fn one(pool: &PgPool, table: &str, which: &str, at: DateTime<Utc>) -> Value {
    let sql = format!("select coalesce(jsonb_agg(to_jsonb(x)), '[]') from hiersync.{table}_at($1) x where {which}");
    let rows = json_of(pool, sql, Some(at)).await;
    assert!(rows.as_array().unwrap().len() <= 1, "{rows}");
    rows[0].clone()
}

/// All mirror tables, as they stand.
async fn tables_now(pool: &PgPool) -> Vec<Value> {
    let mut tables = Vec::new();
    for (table, key, _) in KEPT {
        tables.push(
            json_of(
                pool,
                format!(
                    "select coalesce(jsonb_agg(to_jsonb(x) - array['no_of_children', 'text_digest'] order by source_id, {key}), '[]') from hiersync.{table} x"
                ),
                None,
            )
            .await,
        );
    }
    for (table, number) in PARTS {
        let sql =
            format!("select coalesce(jsonb_agg(to_jsonb(x) order by source_id, customer_id, {number}), '[]') from hiersync.{table} x");
        tables.push(json_of(pool, sql, None).await);
    }
    tables
}

/// The same, as they stood.
async fn tables_at(pool: &PgPool, at: DateTime<Utc>) -> Vec<Value> {
    let mut tables = Vec::new();
    for (table, key, _) in KEPT {
        let sql = format!(
            "select coalesce(jsonb_agg(to_jsonb(x) - array['no_of_children', 'text_digest'] order by source_id, {key}), '[]') from hiersync.{table}_at($1) x"
        );
        tables.push(json_of(pool, sql, Some(at)).await);
    }
    for (table, number) in PARTS {
        let sql = format!(
            "select coalesce(jsonb_agg(row order by source_id, customer_id, {number}), '[]') from (
                 select p.source_id, customer_id, {number}, to_jsonb(p) as row
                 from hiersync.{table} p join hiersync.customer c using (source_id, customer_id) where c.valid_from <= $1
                 union all
                 select h.source_id, customer_id, {number}, to_jsonb(h) - 'valid_from' - 'valid_to'
                 from hiersync.{table}_history h where h.valid_from <= $1 and h.valid_to > $1
             ) x"
        );
        tables.push(json_of(pool, sql, Some(at)).await);
    }
    tables
}

/// What a table held at a moment, and, if the sources were at rest, what the vendors did.
struct Moment {
    at: DateTime<Utc>,
    tables: Vec<Value>,
    truth: Option<(Truth, Truth)>,
}

impl Moment {
    async fn holds(&self, pool: &PgPool) {
        let tables = tables_at(pool, self.at).await;
        let names = KEPT.iter().map(|(table, ..)| *table).chain(PARTS.iter().map(|(table, _)| *table));
        for ((stood, recorded), name) in tables.iter().zip(&self.tables).zip(names) {
            for (stood, recorded) in stood.as_array().unwrap().iter().zip(recorded.as_array().unwrap()) {
                assert_eq!(stood, recorded, "{name} at {}", self.at);
            }
            assert_eq!(stood, recorded, "{name} at {}", self.at);
        }
        if let Some((customers, users)) = &self.truth {
            assert_eq!(live_ids(&tables[1], &["parent_id", "child_id"]), links(customers));
            assert_eq!(live_ids(&tables[3], &["manager_id", "user_id"]), links(users));
            assert_live(&tables[0], "customer_id", customers);
            assert_live(&tables[2], "user_id", users);
        }
    }
}

fn links(truth: &Truth) -> BTreeSet<Vec<String>> {
    truth.links.iter().map(|(parent, child)| vec![parent.clone(), child.clone()]).collect()
}

fn live_rows(table: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    table.as_array().unwrap().iter().filter_map(Value::as_object).filter(|row| row["retired_at"].is_null())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn live_ids(table: &Value, key: &[&str]) -> BTreeSet<Vec<String>> {
    live_rows(table).map(|row| key.iter().map(|column| text(&row[*column])).collect()).collect()
}

/// The live rows are those of the vendor's world, column by column.
fn assert_live(table: &Value, key: &str, truth: &Truth) {
    let rows: Vec<_> = live_rows(table).filter(|row| row["is_placeholder"] == json!(false)).collect();
    assert_eq!(rows.len(), truth.nodes.len());
    for row in rows {
        let world = &truth.nodes[&text(&row[key])];
        for (column, value) in world.iter().filter(|(column, _)| row.contains_key(*column)) {
            let is_time = ["created_at", "auto_update_time"].contains(&column.as_str());
            let stood = if is_time { json!(text(&row[column]).replace("+00:00", "Z")) } else { row[column].clone() };
            assert_eq!(stood, *value, "{column} of {}", row[key]);
        }
    }
}

/// The periods of one key neither overlap nor leave a hole, from when it was first seen until now.
async fn assert_periods(pool: &PgPool) {
    for (table, key, since) in KEPT {
        let sql = format!(
            "with period as (
                 select source_id, {key}, first_seen_at, valid_from, valid_to from hiersync.{table}_history
                 union all
                 select source_id, {key}, first_seen_at, coalesce(valid_from, {since}), 'infinity' from hiersync.{table}
             ), seam as (
                 select p.*, lead(valid_from) over one as next, row_number() over one as number from period p
                 window one as (partition by source_id, {key} order by valid_from)
             )
             select coalesce(jsonb_agg(to_jsonb(s)), '[]') from seam s
             where valid_from >= valid_to or valid_to <> coalesce(next, 'infinity') or (number = 1 and valid_from <> first_seen_at)"
        );
        assert_eq!(json_of(pool, sql, None).await, json!([]), "periods of {table}");
    }
    for (table, _) in PARTS {
        let sql = format!(
            "select to_jsonb(count(*)) from hiersync.{table}_history p
             where not exists (
                 select from hiersync.customer_history c where (c.source_id, c.customer_id, c.valid_from, c.valid_to)
                     = (p.source_id, p.customer_id, p.valid_from, p.valid_to)
             )"
        );
        assert_eq!(json_of(pool, sql, None).await, json!(0), "{table} without its customer");
    }
}

/// Rows in all histories.
async fn kept(pool: &PgPool) -> i64 {
    let mut all = 0;
    for table in KEPT.iter().map(|(table, ..)| table).chain(PARTS.iter().map(|(table, _)| table)) {
        let sql = format!("select to_jsonb(count(*)) from hiersync.{table}_history");
        all += json_of(pool, sql, None).await.as_i64().unwrap();
    }
    all
}

/// Versions of a customer that were replaced.
async fn versions(pool: &PgPool, id: i64) -> i64 {
    let sql = "select count(*) from hiersync.customer_history where customer_id = $1";
    sqlx::query_scalar(sql).bind(id).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_time_the_mirror_is_given_as_it_stood() {
    let org = Org::mirrored().await;
    let (mut moments, mut away) = (Vec::new(), Away::default());
    for round in 1..=10 {
        org.live(round, &mut away);
        // In the middle of a walk, too.
        for source in [0, 1] {
            run(&org.app, source, with_calls(3)).await;
        }
        let tables = tables_now(&org.pool).await;
        moments.push(Moment { at: now(&org.pool).await, tables, truth: None });

        org.settle().await;
        let truth = || Some((customers_now(&org.customers), users_now(&org.users)));
        let ended = sqlx::query_scalar("select max(finished_at) from hiersync.sync_run").fetch_one(&org.pool).await.unwrap();
        moments.push(Moment { at: ended, tables: tables_now(&org.pool).await, truth: truth() });
        moments.push(Moment { at: now(&org.pool).await, tables: tables_now(&org.pool).await, truth: truth() });
    }
    for moment in &moments {
        moment.holds(&org.pool).await;
    }
    assert_periods(&org.pool).await;
    // What the walks were to bring about, they did.
    for (table, key) in [("customer", "customer_id"), ("reporting_user", "user_id")] {
        let sql = format!(
            "select jsonb_build_array(count(*) filter (where h.retired_at is not null) > 0, count(distinct {key}) > 20,
                 (select count(*) from hiersync.{table} where retired_at is not null) > 0)
             from hiersync.{table}_history h"
        );
        assert_eq!(json_of(&org.pool, sql, None).await, json!([true, true, true]), "{table}");
    }
    assert!(count(&org.pool, "select count(*) from hiersync.customer_link_history").await > 0);
    assert!(count(&org.pool, "select count(*) from hiersync.reporting_line_history").await > 0);
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unchanged_leaves_no_history() {
    let org = Org::mirrored().await;
    assert_eq!(kept(&org.pool).await, 0, "what is new has no history");
    org.settle().await;
    assert_eq!(kept(&org.pool).await, 0);
    let (id, _) = org.leaf();
    org.customers.world().rename(id, "Zoë", Stamp::Bump);
    org.settle().await;
    let one = kept(&org.pool).await;
    assert_eq!((versions(&org.pool, id).await, count(&org.pool, "select count(*) from hiersync.customer_history").await), (1, 1));
    org.settle().await;
    assert_eq!(kept(&org.pool).await, one);
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_anything_was_seen_there_was_nothing() {
    let org = Org::mirrored().await;
    let (id, _) = org.leaf();
    let first: DateTime<Utc> = sqlx::query_scalar("select first_seen_at from hiersync.customer where customer_id = $1")
        .bind(id)
        .fetch_one(&org.pool)
        .await
        .unwrap();
    assert_eq!(org.customer(id, first - TimeDelta::microseconds(1)).await, Value::Null);
    assert_eq!(org.customer(id, first).await["customer_id"], json!(id));
    assert!(tables_at(&org.pool, first - TimeDelta::days(1)).await.iter().all(|table| *table == json!([])));
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stamp_alone_makes_a_version_of_the_whole_customer() {
    let org = Org::mirrored().await;
    let (id, _) = org.leaf();
    let user = {
        let world = org.users.world();
        *world.below(world.roots()[0]).last().unwrap()
    };
    let before = now(&org.pool).await;
    let (old, old_user) = (org.customer(id, before).await, org.user(user, before).await);
    let later = org.customers.world().now() + TimeDelta::hours(1);
    org.customers.world().set_stamp(id, later);
    org.users.world().set_modified_on(user, later);
    let after = org.settle().await;
    assert_eq!((org.customer(id, before).await, org.user(user, before).await), (old.clone(), old_user.clone()));
    let (new, new_user) = (org.customer(id, after).await, org.user(user, after).await);
    for (old, new) in [(&old, &new), (&old_user, &new_user)] {
        assert_eq!(new["auto_update_time"], json!(later.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()));
        assert!(new["valid_from"] != old["valid_from"] && new["changed_at"] == old["changed_at"], "{new}");
    }
    let profile = "select auto_update_time from hiersync.customer_profile_history where customer_id = $1";
    let stamp: DateTime<Utc> = sqlx::query_scalar(profile).bind(id).fetch_one(&org.pool).await.unwrap();
    assert_eq!(old["auto_update_time"], json!(stamp.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()));
    assert_periods(&org.pool).await;
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_gone_for_a_while_is_given_so_for_that_while() {
    let org = Org::mirrored().await;
    let (id, parent) = org.leaf();
    let (manager, user) = {
        let world = org.users.world();
        let manager = world.roots()[0];
        (manager, *world.reports(manager).last().unwrap())
    };
    let here = now(&org.pool).await;
    org.customers.world().unlink(parent, id);
    org.users.world().detach(user, Stamp::Keep);
    let gone = org.settle().await;
    org.customers.world().link(parent, id, Place::Last);
    org.users.world().change_manager(user, manager, Place::Last, Stamp::Keep);
    let back = org.settle().await;
    org.customers.world().unlink(parent, id);
    org.users.world().detach(user, Stamp::Keep);
    let gone_again = org.settle().await;
    let line = format!("manager_id = '{manager}' and user_id = '{user}'");
    for (at, is_live) in [(here, true), (gone, false), (back, true), (gone_again, false)] {
        let rows = [
            org.customer(id, at).await,
            org.link(parent, id, at).await,
            org.user(user, at).await,
            one(&org.pool, "reporting_line", &line, at).await,
        ];
        for row in rows {
            assert_eq!(row["retired_at"].is_null(), is_live, "{row} at {at}");
            assert_eq!(row.get("retired_walk_id").is_none_or(Value::is_null), is_live || row.get("retired_walk_id").is_none(), "{row}");
        }
    }
    assert_periods(&org.pool).await;
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_under_a_newer_stamp_alone_comes_back_as_one_version() {
    let org = Org::mirrored().await;
    let (id, parent) = org.leaf();
    org.customers.world().unlink(parent, id);
    org.settle().await;
    let later = org.customers.world().now() + TimeDelta::hours(1);
    org.customers.world().set_stamp(id, later);
    org.customers.world().link(parent, id, Place::Last);
    let report = run(&org.app, 0, WANTED).await;
    assert_eq!(report.row.unwrap().restored, 1);
    let changes = latest_changes(&org.pool).await;
    assert!(changes.contains(&("customer".into(), id.to_string(), "restore".into())), "{changes:?}");
    let told = "select count(*) from hiersync.change where op = 'restore' and fields is not null";
    assert_eq!((versions(&org.pool, id).await, count(&org.pool, told).await), (1, 0));
    assert_eq!(
        org.customer(id, now(&org.pool).await).await["auto_update_time"],
        json!(later.format("%Y-%m-%dT%H:%M:%S+00:00").to_string())
    );
    assert_periods(&org.pool).await;
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_and_a_move_back_are_told_by_the_links() {
    let org = Org::mirrored().await;
    let (from, to) = (org.child(org.root(), 0), org.child(org.root(), 2));
    let id = org.child(from, 1);
    let before = now(&org.pool).await;
    org.customers.world().move_to(id, to, Place::First, Stamp::Bump);
    let moved = org.settle().await;
    org.customers.world().move_to(id, from, Place::First, Stamp::Bump);
    let back = org.settle().await;
    for (at, parent) in [(before, from), (moved, to), (back, from)] {
        let parents = "select jsonb_agg(parent_id) from hiersync.customer_link_at($1) where retired_at is null and child_id = ";
        assert_eq!(json_of(&org.pool, format!("{parents}{id}"), Some(at)).await, json!([parent]), "at {at}");
    }
    assert_eq!(org.link(to, id, before).await, Value::Null, "not yet seen");
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_was_one_before_its_data_came() {
    let org = Org::mirrored().await;
    let root = org.root();
    let before = now(&org.pool).await;
    let (leaf, _) = org.leaf();
    org.customers.world().link(leaf, root, Place::Last);
    let after = org.settle().await;
    let (old, new) = (org.customer(root, before).await, org.customer(root, after).await);
    assert_eq!((&old["is_placeholder"], &old["first_name"]), (&json!(true), &Value::Null));
    assert_eq!(new["is_placeholder"], json!(false));
    assert!(new["first_name"].is_string(), "{new}");
    assert_periods(&org.pool).await;
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn periods_stay_sane_when_the_clock_steps_back() {
    let org = Org::mirrored().await;
    let (id, parent) = org.leaf();
    let other = org.child(parent, 0);
    org.customers.world().unlink(parent, id);
    org.settle().await;
    // As if all that was written before a clock that was an hour ahead was put right.
    for sql in [
        "update hiersync.customer set first_seen_at = first_seen_at + interval '1 hour', changed_at = changed_at + interval '1 hour',
             valid_from = valid_from + interval '1 hour', retired_at = retired_at + interval '1 hour'",
        "update hiersync.customer_history set first_seen_at = first_seen_at + interval '1 hour', valid_from = valid_from + interval '1 hour',
             valid_to = valid_to + interval '1 hour'",
        "update hiersync.customer_profile_history set valid_from = valid_from + interval '1 hour', valid_to = valid_to + interval '1 hour'",
        "update hiersync.customer_identifier_history set valid_from = valid_from + interval '1 hour', valid_to = valid_to + interval '1 hour'",
        "update hiersync.customer_channel_history set valid_from = valid_from + interval '1 hour', valid_to = valid_to + interval '1 hour'",
        "update hiersync.customer_link set first_seen_at = first_seen_at + interval '1 hour', valid_from = valid_from + interval '1 hour',
             retired_at = retired_at + interval '1 hour'",
    ] {
        sqlx::query(sql).execute(&org.pool).await.unwrap();
    }
    let retired: DateTime<Utc> =
        sqlx::query_scalar("select retired_at from hiersync.customer where customer_id = $1").bind(id).fetch_one(&org.pool).await.unwrap();
    org.customers.world().link(parent, id, Place::Last);
    for name in ["Zoë", "Ana", "Bea"] {
        org.customers.world().rename(other, name, Stamp::Bump);
        org.settle().await;
    }
    assert_eq!(versions(&org.pool, other).await, 3);
    assert_periods(&org.pool).await;
    assert!(!org.customer(id, retired).await["retired_at"].is_null(), "it was gone");
    assert!(!org.link(parent, id, retired).await["retired_at"].is_null(), "it was gone");
    let after = retired + TimeDelta::hours(1);
    assert!(org.customer(id, after).await["retired_at"].is_null() && org.link(parent, id, after).await["retired_at"].is_null());
    org.app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_has_the_columns_of_its_table() {
    let case = Case::new().await;
    let pool = case.pool().await;
    for table in KEPT.iter().map(|(table, ..)| table).chain(PARTS.iter().map(|(table, _)| table)) {
        let columns = |name: String| {
            format!(
                "select jsonb_agg(column_name || ' ' || data_type order by ordinal_position) from information_schema.columns
                 where table_schema = 'hiersync' and table_name = '{name}'"
            )
        };
        let (published, history) =
            (json_of(&pool, columns((*table).to_owned()), None).await, json_of(&pool, columns(format!("{table}_history")), None).await);
        let (published, history) = (published.as_array().unwrap(), history.as_array().unwrap());
        assert!(
            history.ends_with(published),
            "{table}: a column that is added to the table is added to its history: {published:?} {history:?}"
        );
        let times: Vec<&str> = history[..history.len() - published.len()].iter().map(|column| column.as_str().unwrap()).collect();
        assert!(times.iter().all(|column| column.ends_with("timestamp with time zone")), "{table}: the times stand first: {times:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_at_a_time_is_looked_up_by_its_key() {
    let case = Case::new().await;
    let pool = case.pool().await;
    for (table, key, _) in KEPT {
        let first = key.split(',').next().unwrap();
        let sql = format!(
            "explain select * from hiersync.{table}_at(now()) where source_id = 1 and {first} = {}",
            if first == "customer_id" || first == "parent_id" { "5" } else { "'00000000-0000-0000-0000-000000000005'" }
        );
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
        let plan = plan.join("\n");
        assert!(!plan.contains("Function Scan") && plan.contains(&format!("{table}_history_pkey")), "{plan}");
    }
}
