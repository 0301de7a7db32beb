//! What the database lets the program's role do, and what it can hold.

use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::{
    case::Case,
    postgres::{fresh_database, url_for},
    program::{Ended, Program},
    tables::count,
    vendors::capillary,
};

/// A database without our schemas, for who may do anything in it, with its name.
async fn empty() -> (String, PgPool, String) {
    let url = fresh_database().await;
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql("drop schema hiersync, hiersync_internal, hiersync_bi cascade").execute(&pool).await.unwrap();
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    (url, pool, name)
}

/// Runs this, with `NAME` for the database's name.
async fn administer(pool: &PgPool, name: &str, script: &str) {
    sqlx::raw_sql(AssertSqlSafe(script.replace("NAME", name))).execute(pool).await.unwrap();
}

/// One sentence with this in it, and nothing of Postgres' own.
fn says(ended: &Ended, code: i32, words: &str) {
    assert_eq!((ended.code, ended.err.trim().lines().count()), (code, 1), "{ended:?}");
    assert!(ended.err.contains(words) && !ended.err.contains(" at line "), "{words} is not in: {}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_works_in_the_schemas_that_an_administrator_has_made_for_it() {
    let vendor = capillary(10).await;
    let (url, pool, name) = empty().await;
    administer(&pool, &name, "create role alone_NAME login; revoke create, temporary on database NAME from public").await;
    let case = Case::at(&url_for(&url, &format!("alone_{name}"))).customers(&vendor, "");
    let program = Program::of(&case);
    let made = |schema: &str| format!("create schema {schema} authorization alone_{name}");
    let temporary = format!("grant temporary on database {name} to alone_{name}");
    let missing = format!("`{}; {}; {}; {temporary}`", made("hiersync"), made("hiersync_bi"), made("hiersync_internal"));
    says(&program.run(&["sync"]).await, 78, &missing);
    administer(&pool, &name, "create schema hiersync authorization alone_NAME").await;
    administer(&pool, &name, "create schema hiersync_bi authorization alone_NAME; grant temporary on database NAME to alone_NAME").await;
    says(&program.run(&["status"]).await, 78, &format!("`{}`", made("hiersync_internal")));
    assert_eq!(count(&pool, "select count(*) from pg_tables where schemaname = 'hiersync'").await, 0, "nothing was made");
    administer(&pool, &name, "create schema hiersync_internal authorization alone_NAME").await;
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(count(&pool, "select count(*) from hiersync.customer").await, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_roles_of_the_owning_group_take_turns() {
    let vendor = capillary(10).await;
    let (url, pool, name) = empty().await;
    let script =
        "create role owners_NAME; create role first_NAME login in role owners_NAME; create role second_NAME login in role owners_NAME;
                  create role stranger_NAME login; create schema hiersync authorization owners_NAME;
                  create schema hiersync_internal authorization owners_NAME; create schema hiersync_bi authorization owners_NAME; revoke create on database NAME from public";
    administer(&pool, &name, script).await;
    let program = |role: &str| Program::of(&Case::at(&url_for(&url, &format!("{role}_{name}"))).customers(&vendor, ""));
    for role in ["first", "second", "first"] {
        let ended = program(role).run(&["sync"]).await;
        assert_eq!(ended.code, 0, "{role}: {ended:?}");
    }
    let owners = "select count(distinct tableowner) from pg_tables where schemaname like 'hiersync%'";
    assert_eq!(count(&pool, owners).await, 1);
    says(&program("stranger").run(&["sync"]).await, 78, &format!("`grant owners_{name} to stranger_{name}`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_utf8_is_told_before_anything_is_made() {
    let vendor = capillary(10).await;
    let (url, pool, name) = empty().await;
    let latin = format!("latin_{name}");
    administer(&pool, &latin, "create database NAME encoding 'LATIN1' locale 'C' template template0").await;
    let url = url.replace(&name, &latin);
    let ended = Program::of(&Case::at(&url).customers(&vendor, "")).run(&["sync"]).await;
    says(&ended, 78, "has the encoding LATIN1");
    assert!(ended.err.contains("`create database hiersync encoding 'UTF8' template template0`"), "{ended:?}");
    let there = PgPool::connect(&url).await.unwrap();
    assert_eq!(count(&there, "select count(*) from pg_namespace where nspname like 'hiersync%'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_somebody_elses_is_left_alone() {
    let vendor = capillary(5).await;
    let (url, pool, name) = empty().await;
    let case = Case::at(&url).customers(&vendor, "");
    administer(&pool, &name, "create schema hiersync; create table hiersync.customer (one int)").await;
    says(&Program::of(&case).run(&["sync"]).await, 78, "name another database");
    assert_eq!(count(&pool, "select count(*) from pg_tables where schemaname like 'hiersync%'").await, 1, "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_connect_is_told_by_which_statement_it_may() {
    let vendor = capillary(5).await;
    let (url, pool, name) = empty().await;
    administer(&pool, &name, "create role out_NAME login; revoke connect on database NAME from public").await;
    let case = Case::at(&url_for(&url, &format!("out_{name}"))).customers(&vendor, "");
    let missing = format!("`grant connect on database \"{name}\" to \"out_{name}\"`");
    for verb in ["sync", "status"] {
        says(&Program::of(&case).run(&[verb]).await, 78, &missing);
    }
}
