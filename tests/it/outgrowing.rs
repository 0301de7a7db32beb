//! What docs/scaling.md says: readers on a streaming replica, and the mirror in another database by a logical publication.

use hiersync::simulator::change::Stamp;
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::{
    case::Case,
    program::Program,
    server::Server,
    until::{seconds, until},
    vendors::{capillary, leadsquared},
};

/// What each view and table that people read holds; times are those of its rows.
async fn seen(pool: &PgPool, schema: &str) -> Vec<(String, String)> {
    let names = "select c.oid::regclass::text from pg_class c where c.relnamespace = $1::text::regnamespace and c.relkind in ('r', 'v')
                 and c.relname !~ 'sqlx' order by 1";
    let names: Vec<String> = sqlx::query_scalar(names).bind(schema).fetch_all(pool).await.unwrap();
    assert!(names.len() > 20, "{names:?}");
    let mut seen = Vec::new();
    for name in names {
        // Ages go on while they are read.
        let rows = AssertSqlSafe(format!(
            "select md5(coalesce(string_agg(r, ' ' order by r), '')) || ' ' || count(*)
             from (select (to_jsonb(t) - '{{staleness, minutes_old, is_running}}'::text[])::text as r from {name} t) t"
        ));
        let rows: String = sqlx::query_scalar(rows).fetch_one(pool).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        seen.push((name, rows));
    }
    seen
}

/// The paper's statements, in their order.
fn statements() -> Vec<String> {
    let paper = include_str!("../../docs/scaling.md");
    paper.split("```sql\n").skip(1).map(|part| part.split_once("```").unwrap().0.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_replica_shows_readers_all_that_the_primary_does() {
    let primary = Server::start().await;
    let (customers, users) = (capillary(40).await, leadsquared(40).await);
    let case = Case::at(&primary.url).customers(&customers, "").users(&users, "");
    assert_eq!(Program::of(&case).run(&["sync"]).await.code, 0);
    let standby = primary.standby().await;
    let root = customers.world().roots()[0];
    let child = customers.world().children(root)[0];
    customers.world().rename(child, "Zoë", Stamp::Bump);
    assert_eq!(Program::of(&case).run(&["sync"]).await.code, 0);
    let (written, read) = (PgPool::connect(&primary.url).await.unwrap(), PgPool::connect(&standby.url).await.unwrap());
    for schema in ["hiersync_bi", "hiersync"] {
        until("the replica has all", seconds(20), async || seen(&written, schema).await == seen(&read, schema).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_the_publication_has_the_mirror_and_its_views() {
    let (primary, warehouse) = (Server::start_with(&["wal_level=logical"]).await, Server::start().await);
    let (customers, users) = (capillary(40).await, leadsquared(40).await);
    let case = Case::at(&primary.url).customers(&customers, "").users(&users, "");
    assert_eq!(Program::of(&case).run(&["sync"]).await.code, 0);
    assert_eq!(Program::of(&Case::at(&warehouse.url).customers(&customers, "")).run(&["status"]).await.code, 0);
    let (written, read) = (PgPool::connect(&primary.url).await.unwrap(), PgPool::connect(&warehouse.url).await.unwrap());
    let statements = statements();
    sqlx::raw_sql(AssertSqlSafe(statements[0].clone())).execute(&written).await.unwrap();
    let folder = primary.url.split_once("host=").unwrap().1;
    let connection = format!("host={folder} user=hiersync dbname=hiersync");
    sqlx::raw_sql(AssertSqlSafe(statements[1].replace("CONNECTION", &connection))).execute(&read).await.unwrap();
    // Rows are changed, retired, moved and erased, too.
    for round in 0..3 {
        let gone = {
            let mut world = customers.world();
            let root = world.roots()[0];
            let below = world.below(root);
            world.rename(below[0], &format!("Zoë {round}"), Stamp::Bump);
            let gone = *below.last().unwrap();
            world.delete(gone);
            gone
        };
        users.world().mutate(0.1, round);
        assert_eq!(Program::of(&case).run(&["sync"]).await.code, 0);
        if round == 1 {
            assert_eq!(Program::of(&case).run(&["forget", "customers", &gone.to_string()]).await.code, 0);
        }
        for schema in ["hiersync", "hiersync_bi"] {
            let same = async || {
                // What a budget has used is the primary's alone.
                let of =
                    |seen: Vec<(String, String)>| seen.into_iter().filter(|(name, _)| !name.contains("budget_use")).collect::<Vec<_>>();
                of(seen(&written, schema).await) == of(seen(&read, schema).await)
            };
            until("the warehouse has all", seconds(20), same).await;
        }
    }
}
