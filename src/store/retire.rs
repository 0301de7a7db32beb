//! What a walk, now at its end, has shown to be gone: links first, then nodes that no live link holds.
//! One transaction for all of it, so that a node that moved has a parent at every moment.

use super::{
    conn::Conn,
    mirror::{At, Edge},
    user,
};
use crate::model::{node::NodeKey, reading::Reading};

/// Retires links of customers whose parent's list was proven without them; after a complete walk also those of
/// parents whom the walk did not meet any more.
///
/// # Errors
/// When the database fails.
pub async fn customer_links(conn: &mut Conn<'_>, at: At, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
    let rows =
        sqlx::query_file!("src/store/sql/customer_gone_links.sql", at.source_id, at.walk_id, at.now, is_complete).fetch_all(conn).await?;
    let edge = |parent: i64, child: i64| Edge { parent: NodeKey(parent.to_string()), child: NodeKey(child.to_string()) };
    Ok(rows.into_iter().map(|row| edge(row.parent_id, row.child_id)).collect())
}

/// Retires customers that no live link holds, roots excepted.
///
/// # Errors
/// When the database fails.
pub async fn customers(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<NodeKey>> {
    let rows = sqlx::query_scalar!(
        "update hiersync.customer c set retired_at = $3, retired_walk_id = $2
         where c.source_id = $1 and c.retired_at is null
           and not exists (
               select 1 from hiersync.customer_link l where l.source_id = $1 and l.child_id = c.customer_id and l.retired_at is null
           )
           and not exists (
               select 1 from hiersync.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = c.customer_id::text
           )
         returning customer_id",
        at.source_id,
        at.walk_id,
        at.now
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|id| NodeKey(id.to_string())).collect())
}

/// Live customers.
///
/// # Errors
/// When the database fails.
pub async fn live_customers(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from hiersync.customer where source_id = $1 and retired_at is null"#, source_id)
        .fetch_one(conn)
        .await
}

/// Retires lines of users that the walk has shown to be gone, by the way in which its answers are read.
///
/// # Errors
/// When the database fails.
pub async fn reporting_lines(conn: &mut Conn<'_>, at: At, reading: Reading, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
    let edges = match reading {
        Reading::Direct => lines_of_lists(conn, at, is_complete).await?,
        // Who is missing from one list may still stand in another: only the whole tells.
        _ if !is_complete => Vec::new(),
        Reading::Subtree => lines_not_derived(conn, at).await?,
        Reading::Stated => lines_of_unshown(conn, at).await?,
        Reading::Roster => lines_of_unreached(conn, at).await?,
    };
    Ok(edges)
}

async fn lines_of_lists(conn: &mut Conn<'_>, at: At, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
    let rows =
        sqlx::query_file!("src/store/sql/user_gone_lines.sql", at.source_id, at.walk_id, at.now, is_complete).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| user::edge(row.manager_id, row.user_id)).collect())
}

async fn lines_not_derived(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query_file!("src/store/sql/user_underived_lines.sql", at.source_id, at.walk_id, at.now).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| user::edge(row.manager_id, row.user_id)).collect())
}

async fn lines_of_unshown(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query!(
        "update hiersync.reporting_line l set retired_at = $3
         from hiersync.reporting_user u
         where l.source_id = $1 and l.retired_at is null and u.source_id = $1 and u.user_id = l.user_id
           and not exists (
               select 1 from hiersync.frontier f
               where f.source_id = $1 and f.walk_id = $2 and f.depth = 0 and f.seen @> u.node_no
           )
         returning l.manager_id, l.user_id",
        at.source_id,
        at.walk_id,
        at.now
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| user::edge(row.manager_id, row.user_id)).collect())
}

async fn lines_of_unreached(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query_file!("src/store/sql/user_unreached_lines.sql", at.source_id, at.walk_id, at.now).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| user::edge(row.manager_id, row.user_id)).collect())
}

/// Retires users that no live line holds, roots excepted.
///
/// # Errors
/// When the database fails.
pub async fn users(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<NodeKey>> {
    let rows = sqlx::query_scalar!(
        "update hiersync.reporting_user u set retired_at = $3, retired_walk_id = $2
         where u.source_id = $1 and u.retired_at is null
           and not exists (
               select 1 from hiersync.reporting_line l where l.source_id = $1 and l.user_id = u.user_id and l.retired_at is null
           )
           and not exists (
               select 1 from hiersync.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = u.user_id::text
           )
         returning user_id",
        at.source_id,
        at.walk_id,
        at.now
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|id| NodeKey(id.to_string())).collect())
}

/// Live users.
///
/// # Errors
/// When the database fails.
pub async fn live_users(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from hiersync.reporting_user where source_id = $1 and retired_at is null"#,
        source_id
    )
    .fetch_one(conn)
    .await
}
