//! Lists that are read once more: those that proved nothing, those of nodes that have moved, and those that have ended by
//! their count alone.

use serde_json::Value;
use sqlx::types::{Json, Uuid};

use super::{
    conn::Conn,
    customer,
    frontier::Work,
    mirror::{At, Edge},
    run::OpenRun,
    user,
};
use crate::model::node::NodeKey;

/// Whether a customer's list would lose a live link that neither this pass nor these rows of its page have shown.
///
/// # Errors
/// When the database fails.
pub async fn loses_customers(conn: &mut Conn<'_>, at: At, parent: i64, shown: &[i64]) -> sqlx::Result<bool> {
    sqlx::query_file_scalar!("src/store/sql/customer_would_lose.sql", at.source_id, at.walk_id, parent, shown).fetch_one(conn).await
}

/// The same of a manager's list; of a root's list that `holds_all` below, whether it would lose anybody's.
///
/// # Errors
/// When the database fails.
pub async fn loses_users(conn: &mut Conn<'_>, at: At, manager: Uuid, shown: &[Uuid], holds_all: bool) -> sqlx::Result<bool> {
    sqlx::query_file_scalar!("src/store/sql/user_would_lose.sql", at.source_id, at.walk_id, manager, shown, holds_all).fetch_one(conn).await
}

/// Queues the lists of customers, shorter than `rows`, that were read in this walk and hold one of these new links' children.
///
/// # Errors
/// When the database fails.
pub async fn customers(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32) -> sqlx::Result<u64> {
    let parents: Vec<i64> = edges.iter().map(|edge| customer::id(&edge.parent)).collect();
    let children: Vec<i64> = edges.iter().map(|edge| customer::id(&edge.child)).collect();
    let lists = sqlx::query_file!("src/store/sql/customer_reread.sql", at.source_id, at.walk_id, &parents, &children, i64::from(rows));
    Ok(lists.execute(conn).await?.rows_affected())
}

/// The same of users' lists.
///
/// # Errors
/// When the database fails.
pub async fn users(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32) -> sqlx::Result<u64> {
    let managers: Vec<Uuid> = edges.iter().map(|edge| user::id(&edge.parent)).collect();
    let users: Vec<Uuid> = edges.iter().map(|edge| user::id(&edge.child)).collect();
    let lists = sqlx::query_file!("src/store/sql/user_reread.sql", at.source_id, at.walk_id, &managers, &users, i64::from(rows));
    Ok(lists.execute(conn).await?.rows_affected())
}

/// Writes that a list is to be read once more from its beginning, after those that were not read yet; what it has shown
/// so far proves nothing.
///
/// # Errors
/// When the database fails.
pub async fn again(conn: &mut Conn<'_>, run: &OpenRun, parent: &NodeKey, progress: &Value) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.frontier set progress = $4, state = 'queued', attempts = attempts + 1, met = met + seen, seen = '{}'
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.0,
        Json(progress) as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes that whoever was shown by an earlier pass over a list counts as shown by the last one, and gives how many those are.
///
/// # Errors
/// When the database fails.
pub async fn unite(conn: &mut Conn<'_>, run: &OpenRun, parent: &NodeKey) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"with united as (
               update hiersync.frontier set seen = seen + met where source_id = $1 and walk_id = $2 and parent_key = $3 returning seen
           )
           select coalesce(sum(upper(r.numbers) - lower(r.numbers)), 0)::bigint as "rows!"
           from united cross join lateral unnest(united.seen) as r (numbers)"#,
        run.lease.source_id,
        run.walk_id,
        parent.0
    )
    .fetch_one(conn)
    .await
}

/// Writes what a parent's row, read again, says of its list: how long it is, and by what it is asked for.
///
/// # Errors
/// When the database fails.
pub async fn restate(conn: &mut Conn<'_>, run: &OpenRun, list: &Work) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.frontier set expected = $4, ask_kind = $5, ask_value = $6
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        list.parent.0,
        list.expected,
        list.ask.as_ref().map(|ask| ask.kind.as_str()),
        list.ask.as_ref().map(|ask| ask.value.as_str())
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Queues the lists that have ended by their count alone, to be read to a certain end: the tree has moved since. Gives how
/// many there are.
///
/// # Errors
/// When the database fails.
pub async fn queue_tight(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<u64> {
    let queued = sqlx::query!(
        r#"update hiersync.frontier set state = 'queued', progress = progress || '{"s": true}'
           where source_id = $1 and walk_id = $2 and state = 'read' and progress ? 't' and not progress ? 's'"#,
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(queued.rows_affected())
}

/// Queues the roots' own lists to be read a second time, before all others: those below may have changed since they were read.
/// Gives how many there are.
///
/// # Errors
/// When the database fails.
pub async fn queue_roots(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<u64> {
    let queued = sqlx::query!(
        "update hiersync.frontier
         set progress = '{}', state = 'queued', met = seen, seen = '{}'
         where source_id = $1 and walk_id = $2 and depth = 0 and state = 'read' and not isempty(seen) and isempty(met)",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(queued.rows_affected())
}

/// Rounds in which lists, each of everybody below, are read once more in one walk to be sure of single users.
const ROUNDS: i32 = 4;

/// Writes down of whom the round of readings that has ended has made sure, where each list holds everybody below. Gives how many
/// managers there are among them.
///
/// # Errors
/// When the database fails.
pub async fn settle(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<u64> {
    let settled = sqlx::query_file!("src/store/sql/frontier_settle.sql", run.lease.source_id, run.walk_id).execute(conn).await?;
    Ok(settled.rows_affected())
}

/// Queues the lists that tell of users who are not sure yet, where each list holds everybody below. Gives how many there are.
///
/// # Errors
/// When the database fails.
pub async fn queue_unsure(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<u64> {
    let queued = sqlx::query_file!("src/store/sql/frontier_queue_unsure.sql", run.lease.source_id, run.walk_id, ROUNDS);
    Ok(queued.execute(conn).await?.rows_affected())
}

/// Of whom the walk could not make sure to whom they report, though every list that tells could be read.
///
/// # Errors
/// When the database fails.
pub async fn unsure(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Vec<NodeKey>> {
    let keys = sqlx::query_scalar!(
        r#"select u.user_id::text as "key!"
           from hiersync.unsure_lists($1, $2) l
           join hiersync.reporting_user u on u.source_id = $1 and u.node_no = l.user_no
           group by u.user_id
           having bool_and(l.is_read)
           order by 1"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_all(conn)
    .await?;
    Ok(keys.into_iter().map(NodeKey).collect())
}
