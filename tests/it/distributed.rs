//! The mirror's tables can be distributed by `source_id`, as Citus does it: each statement stays within a source, and uses nothing that is
//! refused there (PostgreSQL 15, Citus 12.1). What cannot be distributed stays on the coordinator: runs, leases, budgets.

use std::{fs, path::Path};

use serde_json::Value;
use sqlx::PgPool;

use crate::harness::postgres::fresh_database;

/// How the names of distributed tables, and of the views over them, begin.
const DISTRIBUTED: [&str; 5] =
    ["hiersync.customer", "hiersync.reporting_", "hiersync.change", "hiersync_internal.customer_", "hiersync_internal.user_"];

/// The texts of all statements that are checked when they are compiled, without comments.
fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let text =
        |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap()["query"].as_str().unwrap().to_owned();
    let plain = |text: String| text.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join(" ").to_lowercase();
    fs::read_dir(folder).unwrap().map(|file| plain(text(&file.unwrap().path()))).collect()
}

/// What Citus would refuse of a statement.
fn refused(statement: &str) -> Vec<&'static str> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let mut why = Vec::new();
    if !DISTRIBUTED.iter().any(|table| statement.contains(table)) {
        return why;
    }
    // A function of ours has the source as its first argument, and what is inserted has it first.
    let names = ["source_id = $", ".source_id = ", "select $1", "values ($1"].iter().any(|form| statement.contains(form));
    let calls =
        statement.split("hiersync_internal.").skip(1).any(|call| call.split_once('(').is_some_and(|(_, first)| first.starts_with("$1")));
    if !names && !calls {
        why.push("it names no source");
    }
    if words.windows(2).any(|pair| pair == ["merge", "into"]) {
        why.push("merge");
    }
    if statement.contains("with recursive") && !statement.contains("source_id = $1") {
        why.push("a recursion over all sources");
    }
    let conflict = statement.split_once("on conflict").map(|(_, after)| after.split("returning").next().unwrap());
    if conflict.is_some_and(|after| after.contains(" where ") && ["now()", "clock_timestamp()"].iter().any(|clock| after.contains(clock))) {
        why.push("a clock where two rows conflict");
    }
    why
}

#[test]
fn each_statement_of_the_mirror_stays_within_a_source() {
    // By queries over all sources people look, in views and on the page; they write nothing, and need no recursion.
    let looks = |statement: &str| statement.trim_start().starts_with("select") && !statement.contains("recursive");
    let statements = statements();
    assert!(statements.len() > 150, "{} statements", statements.len());
    let faults: Vec<(Vec<&str>, &String)> = statements
        .iter()
        .map(|statement| (refused(statement), statement))
        .filter(|(why, statement)| !(why.is_empty() || why == &["it names no source"] && looks(statement)))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_is_refused_is_seen() {
    for (statement, why) in [
        ("update hiersync.customer set email = $1", "it names no source"),
        ("merge into hiersync.customer c using t on c.source_id = $1 when matched then delete", "merge"),
        (
            "with recursive d as (select from hiersync.customer c join t on c.source_id = t.source_id) select from d",
            "a recursion over all sources",
        ),
        (
            "insert into hiersync.customer (source_id) values ($1) on conflict (source_id) do update set a = 1 where now() > b",
            "a clock where two rows conflict",
        ),
    ] {
        assert_eq!(refused(statement), [why]);
    }
    assert!(refused("delete from hiersync_internal.lease").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_the_mirror_are_keyed_by_source_and_have_no_triggers() {
    let pool = PgPool::connect(&fresh_database().await).await.unwrap();
    let faults: Vec<String> = sqlx::query_scalar(
        "select c.relname || ': ' || f.fault
         from pg_class c
         cross join lateral (
             select 'a trigger' as fault from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal
             union all
             select i.indexrelid::regclass || ' is unique across sources' from pg_index i
             where i.indrelid = c.oid and i.indisunique and (
                 select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum = i.indkey[0]
             ) is distinct from 'source_id'
             union all
             select 'no primary key' where not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
         ) f
         where c.relnamespace in ('hiersync'::regnamespace, 'hiersync_internal'::regnamespace) and c.relkind = 'r'
           and c.relname ~ '^(customer|reporting|change|staged|user)'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(faults.is_empty(), "{faults:#?}");
}
