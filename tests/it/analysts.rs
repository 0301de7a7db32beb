//! What analysts are given: views that stand on settled trees, time as rows, roles that see what they may.

use hiersync::{
    model::run::Outcome,
    simulator::{capillary::CapillarySim, change::Stamp, forest::Place, shape::Shape},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::{
    case::{Case, WANTED, with_calls},
    postgres::{fresh_database, url_for},
    program::Program,
    tables::{count, row},
    vendors::{capillary, capillary_of, leadsquared},
};

/// Views that hold what is personal.
const PERSONAL: [&str; 4] = ["change_field_value", "customer_identifier", "customer_person", "reporting_person"];

/// Relations of a schema.
async fn relations(pool: &PgPool, schema: &str) -> Vec<String> {
    let names = "select relname::text from pg_class where relnamespace = $1::text::regnamespace and relkind in ('r', 'v') and relname !~ 'sqlx' order by 1";
    sqlx::query_scalar(names).bind(schema).fetch_all(pool).await.unwrap()
}

/// What a role may not read of a schema, whole, column by column.
async fn forbidden(reader: &PgPool, names: &[String], schema: &str) -> Vec<String> {
    let mut forbidden = Vec::new();
    for name in names {
        let all = AssertSqlSafe(format!("select * from {schema}.{name}"));
        if let Err(error) = sqlx::raw_sql(all).fetch_all(reader).await {
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{name}: {error}");
            forbidden.push(name.clone());
        }
    }
    forbidden
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_reads_whole_views_and_nothing_that_it_may_not() {
    let (customers, users) = (capillary(20).await, leadsquared(20).await);
    let case = Case::at(&fresh_database().await).customers(&customers, "").users(&users, "");
    for source in [0, 1] {
        let app = case.app().await;
        assert_eq!(crate::harness::case::run(&app, source, WANTED).await.outcome, Outcome::Complete);
        app.close().await;
    }
    let pool = case.pool().await;
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    let [plain, pii] = ["plain", "pii"].map(|role| format!("{role}_{name}"));
    let roles = format!("create role {plain} login in role hiersync_reader; create role {pii} login in role hiersync_pii_reader");
    sqlx::raw_sql(AssertSqlSafe(roles)).execute(&pool).await.unwrap();
    // Whatever is added later is theirs by itself.
    sqlx::raw_sql("create view hiersync_bi.later as select 1 as one; create table hiersync.later (one int)").execute(&pool).await.unwrap();
    let [bi, mirror, internal] = ["hiersync_bi", "hiersync", "hiersync_internal"];
    let all = relations(&pool, bi).await;
    assert!(all.len() > 22, "{all:?}");

    let reader = PgPool::connect(&url_for(&case.url, &plain)).await.unwrap();
    assert_eq!(forbidden(&reader, &all, bi).await, PERSONAL);
    for schema in [mirror, internal] {
        let tables = relations(&pool, schema).await;
        assert_eq!(forbidden(&reader, &tables, schema).await, tables, "{schema}");
    }

    let reader = PgPool::connect(&url_for(&case.url, &pii)).await.unwrap();
    assert_eq!(forbidden(&reader, &all, bi).await, Vec::<String>::new());
    assert_eq!(forbidden(&reader, &relations(&pool, mirror).await, mirror).await, Vec::<String>::new());
    let tables = relations(&pool, internal).await;
    assert_eq!(forbidden(&reader, &tables, internal).await, tables);
    let known: i64 = sqlx::query_scalar("select count(*) from hiersync.customer_at(null) where first_name is not null")
        .fetch_one(&reader)
        .await
        .unwrap();
    assert!(known > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_create_roles_is_told_what_the_administrator_runs() {
    let vendor = capillary(5).await;
    let case = Case::at(&fresh_database().await).customers(&vendor, "");
    let pool = case.pool().await;
    let program = Program::of(&case);
    let told = program.run(&["check", "--offline"]).await;
    assert!(told.code == 0 && told.out.contains("grant hiersync_reader to NAME"), "{told:?}");
    for lost in [
        // As where nobody has run it.
        "revoke usage on schema hiersync_bi from hiersync_reader",
        // As a dump leaves it that is loaded for another owner.
        "alter default privileges in schema hiersync_bi revoke select on tables from hiersync_reader, hiersync_pii_reader",
        "revoke execute on all functions in schema hiersync from public, hiersync_pii_reader",
        "grant select on hiersync_bi.reporting_person to hiersync_reader",
    ] {
        sqlx::raw_sql(lost).execute(&pool).await.unwrap();
        let told = program.run(&["check", "--offline"]).await;
        assert_eq!(told.code, 0, "{told:?}");
        let script = told.out.split_once("runs\n").unwrap_or_else(|| panic!("{lost}: {told:?}")).1;
        let script: String = script.lines().take_while(|line| line.starts_with("  ")).collect();
        assert!(script.contains("grant select on all tables in schema hiersync_bi to hiersync_reader"), "{script}");
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&pool).await.unwrap();
        assert!(program.run(&["check", "--offline"]).await.out.contains("grant hiersync_reader to NAME"), "{lost}");
    }
}

/// A root with three heads of three each, mirrored once; then one leaf is gone, one has moved, one is renamed, one is new.
async fn lived() -> (CapillarySim, Case, PgPool, [i64; 4], Vec<i64>) {
    let vendor = capillary_of(&[Shape::even(3, 2)]).await;
    let case = Case::new().await.customers(&vendor, "");
    let pool = case.pool().await;
    case.complete().await;
    let (heads, ids) = {
        let mut world = vendor.world();
        let heads = world.children(world.roots()[0]).to_vec();
        let of = |world: &hiersync::simulator::capillary::world::CapillaryWorld, head: usize| world.children(heads[head])[0];
        let (gone, moved, renamed) = (of(&world, 0), of(&world, 1), of(&world, 2));
        world.delete(gone);
        world.move_to(moved, heads[0], Place::Last, Stamp::Bump);
        world.rename(renamed, "Zoë", Stamp::Bump);
        let new = world.insert(heads[0], Place::Last);
        (heads.clone(), [gone, moved, renamed, new])
    };
    case.complete().await;
    (vendor, case, pool, ids, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_asked_for_by_rows() {
    let (vendor, case, pool, [gone, moved, renamed, new], heads) = lived().await;
    let key = |id: i64| format!("customers:{id}");
    let moves = "select jsonb_build_array(customer_key, from_key, to_key, walk_id) from hiersync_bi.customer_move";
    assert_eq!(row(&pool, moves).await, json!([key(moved), key(heads[1]), key(heads[0]), 2]));
    let flow = "select jsonb_agg(jsonb_build_array(joined, returned, \"left\", moved)) from hiersync_bi.customer_flow";
    assert_eq!(row(&pool, flow).await, json!([[1, 0, 1, 1]]), "without the first complete walk");
    let fields = "select jsonb_agg(jsonb_build_array(node_key, field)) from hiersync_bi.change_field";
    assert_eq!(row(&pool, fields).await, json!([[key(renamed), "first_name"]]));
    let values = "select jsonb_build_array(new_value, old_value is not null) from hiersync_bi.change_field_value";
    assert_eq!(row(&pool, values).await, json!(["Zoë", true]));

    // It comes back: there are two periods of it, with a time between.
    let before: Value = row(&pool, "select to_jsonb(retired_at) from hiersync_bi.customer where not is_live").await;
    {
        let mut world = vendor.world();
        let mut back = world.customer(moved).unwrap().clone();
        back.id = gone;
        world.insert_customer(heads[2], back, Place::Last);
    }
    case.complete().await;
    let periods = format!(
        "select jsonb_agg(jsonb_build_array(valid_to = $1::text::timestamptz, is_current) order by valid_from) from hiersync_bi.customer_period
         where customer_id = {gone}"
    );
    let periods: Value = sqlx::query_scalar(AssertSqlSafe(periods)).bind(before.as_str().unwrap()).fetch_one(&pool).await.unwrap();
    assert_eq!(periods, json!([[true, false], [null, true]]));
    let alive = format!(
        "select count(*) from hiersync_bi.customer_period where customer_id = {gone} and valid_from <= t.at and (valid_to > t.at) is not false"
    );
    let alive = format!(
        "select jsonb_agg(({alive}) order by t.at) from (select retired_at + interval '1 microsecond' as at from hiersync.customer_history where customer_id = {gone} union all select now()) t"
    );
    let alive: Value = sqlx::query_scalar(AssertSqlSafe(alive)).fetch_one(&pool).await.unwrap();
    assert_eq!(alive, json!([0, 1]));
    let links = format!("select count(*) from hiersync_bi.customer_link_period where customer_key = '{}'", key(gone));
    assert_eq!(sqlx::query_scalar::<_, i64>(AssertSqlSafe(links)).fetch_one(&pool).await.unwrap(), 2);
    let flow = "select to_jsonb(returned) from hiersync_bi.customer_flow";
    assert_eq!(row(&pool, flow).await, json!(1));
    let back = "select string_agg(node_key, ',') from hiersync_bi.change where op = 'restore' and entity = 'customer'";
    assert_eq!(sqlx::query_scalar::<_, String>(back).fetch_one(&pool).await.unwrap(), key(gone));
    let _ = new;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_and_coming_back_move_the_stamp_that_incremental_models_read() {
    let (vendor, case, pool, [gone, ..], heads) = lived().await;
    let moved =
        "select count(*) from hiersync_bi.customer where customer_id = $1 and changed_at = retired_at and changed_at > first_seen_at";
    assert_eq!(sqlx::query_scalar::<_, i64>(moved).bind(gone).fetch_one(&pool).await.unwrap(), 1);
    // As it stood before, it had not changed since it was seen.
    let then = "select count(*) from hiersync.customer_at((select finished_at from hiersync.sync_run where run_id = 1)) where changed_at = first_seen_at";
    assert_eq!(count(&pool, then).await, 13);
    let mark = "select changed_at from hiersync_bi.customer where customer_id = $1";
    let mark: chrono::DateTime<chrono::Utc> = sqlx::query_scalar(mark).bind(gone).fetch_one(&pool).await.unwrap();
    {
        let mut world = vendor.world();
        let mut back = world.customer(heads[2]).unwrap().clone();
        back.id = gone;
        world.insert_customer(heads[2], back, Place::Last);
    }
    case.complete().await;
    let after = "select count(*) from hiersync_bi.customer where customer_id = $1 and changed_at > $2 and is_live";
    assert_eq!(sqlx::query_scalar::<_, i64>(after).bind(gone).bind(mark).fetch_one(&pool).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_new_in_the_middle_of_a_walk_is_no_orphan() {
    let (vendor, case, pool, [gone, ..], heads) = lived().await;
    vendor.world().insert(heads[1], Place::First);
    {
        let mut world = vendor.world();
        let mut back = world.customer(heads[2]).unwrap().clone();
        back.id = gone;
        world.insert_customer(heads[1], back, Place::First);
    }
    let live = "select count(*) from hiersync_bi.customer where is_live";
    loop {
        let report = case.sync_with(with_calls(1)).await;
        assert_eq!(count(&pool, "select count(*) from hiersync_bi.customer where is_orphan").await, 0);
        if report.outcome == Outcome::Complete {
            break;
        }
    }
    assert_eq!(count(&pool, live).await, 15);
    assert_eq!(count(&pool, "select count(*) from hiersync_bi.customer_tree").await, 15);
    // As a refresh leaves a newcomer until its end: told in the walk that was closed last, and after it.
    let unplaced = "delete from hiersync_internal.customer_position where id = (select max(id) from hiersync_internal.customer_position)";
    sqlx::raw_sql(unplaced).execute(&pool).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from hiersync_bi.customer where is_orphan").await, 1);
    let newcomer = "update hiersync.change c set seen_at = clock_timestamp(), walk_id = (select walk_id from hiersync_internal.settled)
                    from hiersync_bi.customer n where n.is_orphan and c.entity = 'customer' and c.key = n.customer_id::text";
    sqlx::raw_sql(newcomer).execute(&pool).await.unwrap();
    assert_eq!(count(&pool, "select count(*) from hiersync_bi.customer where is_orphan").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_says_how_fresh_and_how_complete_it_is_and_whether_the_config_names_it() {
    let (vendor, case, pool, _, heads) = lived().await;
    let fresh = "select jsonb_build_array(source, last_closed_outcome, is_running, is_configured, lists_unproven, findings_to_act_on, live_nodes,
                     minutes_old >= 0 and minutes_old < 10, last_closed_at = last_complete_at) from hiersync_bi.freshness where source = 'customers'";
    assert_eq!(row(&pool, fresh).await, json!(["customers", "complete", false, true, 0, 0, 13, true, true]));
    vendor.faults().on_parent(heads[1], usize::MAX, hiersync::simulator::answer::Answer::json(500, &json!({})));
    case.sync_with(WANTED).await;
    assert_eq!(row(&pool, fresh).await, json!(["customers", "partial", false, true, 1, 0, 13, true, false]));
    vendor.faults().clear();

    // Another config on the same tables.
    let other = Case::at(&case.url).customers_as("others", &vendor, &[("externalId", "nobody")], "");
    let dry = hiersync::sync::wanted::Wanted { dry_run: true, ..WANTED };
    other.sync_with(dry).await;
    assert_eq!(row(&pool, fresh).await[3], json!(true), "a dry run writes nothing");
    other.sync_with(WANTED).await;
    assert_eq!(row(&pool, fresh).await[3], json!(false));
    let status = Program::of(&other).run(&["status"]).await;
    assert!(status.out.contains("no longer in the config"), "{status:?}");
    case.complete().await;
    assert_eq!(row(&pool, fresh).await[3], json!(true));
}
