//! Erasing persons. What is erased stands in the migration of forgetting.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{conn::Conn, customer::Customers, facts::At, user::Users};
use crate::model::{
    customer::Customer,
    node::{Node, NodeId},
    user::User,
};

/// Forgets nodes of one vendor.
pub trait Forget: Send + Sync + 'static {
    /// At a walk's end: erases what it has brought of forgotten nodes beside their rows.
    fn keep_forgotten(conn: &mut Conn<'_>, at: At) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Erases those who were retired before a time, `many` at most, and gives how many those were.
    fn forget_retired(
        conn: &mut Conn<'_>,
        source_id: i32,
        before: DateTime<Utc>,
        many: i32,
    ) -> impl Future<Output = sqlx::Result<i64>> + Send;
}

/// A person of a source, in either vendor's kind of id.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    source_id: i32,
    id: NodeId,
}

/// Marks a person, so that no later transaction takes anything in of it. `None`: no such node is in the mirror.
pub async fn mark(conn: &mut Conn<'_>, source: &str, id: NodeId) -> sqlx::Result<Option<Person>> {
    let marked = sqlx::query_scalar!(
        r#"with customer as (
               update hiersync.customer c set forgotten_at = coalesce(c.forgotten_at, clock_timestamp())
               from hiersync.source s
               where s.name = $1 and c.source_id = s.source_id and c.customer_id = $2 and s.vendor = 'capillary'
               returning c.source_id
           ), reporting_user as (
               update hiersync.reporting_user u set forgotten_at = coalesce(u.forgotten_at, clock_timestamp())
               from hiersync.source s
               where s.name = $1 and u.source_id = s.source_id and u.user_id = $3 and s.vendor = 'leadsquared'
               returning u.source_id
           )
           insert into hiersync_internal.forgetting as f (source_id, node_key)
           select m.source_id, $4 from (select source_id from customer union all select source_id from reporting_user) m
           on conflict (source_id, node_key) do update set marked_at = f.marked_at
           returning source_id"#,
        source,
        if let NodeId::Customer(id) = id { Some(id) } else { None },
        if let NodeId::User(id) = id { Some(id) } else { None },
        id.to_string()
    );
    Ok(marked.fetch_optional(conn).await?.map(|source_id| Person { source_id, id }))
}

/// A transaction that begins now, when a mark is committed. Each of a run has such a number before it reads anything (`run::clock`): those
/// with a lower one may not have seen the mark.
pub async fn now(conn: &mut Conn<'_>) -> sqlx::Result<String> {
    sqlx::query_scalar!(r#"select pg_current_xact_id()::text as "now!""#).fetch_one(conn).await
}

/// Whether all transactions up to that one are over.
pub async fn is_over(conn: &mut Conn<'_>, now: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8 as "is_over!""#, now).fetch_one(conn).await
}

/// Erases the person.
pub async fn erase(conn: &mut Conn<'_>, person: &Person) -> sqlx::Result<()> {
    let Person { source_id, id } = *person;
    match id {
        NodeId::Customer(id) => {
            let forget = sqlx::query!("select hiersync_internal.forget_customers($1, $2, $3)", source_id, &[id], blank::<Customer>());
            forget.fetch_one(conn).await.map(drop)
        }
        _ => {
            let ids = [Uuid::from(id)];
            let forget = sqlx::query!("select hiersync_internal.forget_users($1, $2, $3)", source_id, &ids, blank::<User>());
            forget.fetch_one(conn).await.map(drop)
        }
    }
}

/// Whether a walk under way still needs what the person's list is asked for by: it goes when that is closed.
pub async fn is_asked_by(conn: &mut Conn<'_>, person: &Person) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from hiersync_internal.frontier where source_id = $1 and parent_key = $2 and ask_value is not null
           ) as "is!""#,
        person.source_id,
        person.id.to_string()
    )
    .fetch_one(conn)
    .await
}

/// The digest of a node of which nothing is known.
fn blank<N: Node + Default>() -> Uuid {
    N::default().nameless().digest().0
}

/// `$what`: the functions' names; `$row`: a node.
macro_rules! forget {
    ($tables:ty, $row:ty, $what:literal) => {
        impl Forget for $tables {
            async fn keep_forgotten(conn: &mut Conn<'_>, at: At) -> sqlx::Result<()> {
                let keep = sqlx::query!("select hiersync_internal.keep_" + $what + "s_forgotten($1, $2)", at.source_id, blank::<$row>());
                keep.fetch_one(conn).await.map(drop)
            }

            async fn forget_retired(conn: &mut Conn<'_>, source_id: i32, before: DateTime<Utc>, many: i32) -> sqlx::Result<i64> {
                sqlx::query_scalar!(
                    "select hiersync_internal.forget_retired_" + $what + r#"s($1, $2, $3, $4) as "many!""#,
                    source_id,
                    before,
                    blank::<$row>(),
                    many
                )
                .fetch_one(conn)
                .await
            }
        }
    };
}

forget!(Customers, Customer, "customer");
forget!(Users, User, "user");
