//! What a walk, now at its end, has shown to be gone: links first, then nodes that no live link holds.
//! One transaction for all of it, so that a node that moved has a parent at every moment.

use sqlx::types::Uuid;

use super::{
    conn::Conn,
    customer,
    facts::{At, Edge},
    user,
};
use crate::model::{node::NodeKey, reach::Reach};

/// Retires links of customers whose parent's list was proven without them; after a complete walk also those of
/// parents whom the walk did not meet any more.
pub(super) async fn customer_links(conn: &mut Conn<'_>, at: At, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
    let rows =
        sqlx::query_file!("src/store/sql/customer_gone_links.sql", at.source_id, at.walk_id, at.now, is_complete).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| customer::edge(row.parent_id, row.child_id)).collect())
}

/// Retires the links below these customers.
pub(super) async fn customer_links_below(conn: &mut Conn<'_>, at: At, ids: &[i64]) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query!(
        "update hiersync.customer_link l set retired_at = $2
         where l.source_id = $1 and l.parent_id = any($3) and l.retired_at is null
         returning l.parent_id, l.child_id",
        at.source_id,
        at.now,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| customer::edge(row.parent_id, row.child_id)).collect())
}

/// Retires customers that no live link holds, roots excepted.
pub(super) async fn customers(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<NodeKey>> {
    let rows = sqlx::query_scalar!(
        "update hiersync.customer c set retired_at = $3, retired_walk_id = $2
         where c.source_id = $1 and c.retired_at is null
           and not exists (
               select 1 from hiersync.customer_link l where l.source_id = $1 and l.child_id = c.customer_id and l.retired_at is null
           )
           and not exists (
               select 1 from hiersync_internal.root r where r.source_id = $1 and r.walk_id = $2 and r.node_key = c.customer_id::text
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
pub(super) async fn live_customers(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from hiersync.customer where source_id = $1 and retired_at is null"#, source_id)
        .fetch_one(conn)
        .await
}

/// Retires lines of users that the walk has shown to be gone, by what its lists hold.
pub(super) async fn reporting_lines(conn: &mut Conn<'_>, at: At, reach: Reach, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
    match reach {
        Reach::Direct => {
            let rows = sqlx::query_file!("src/store/sql/user_gone_lines.sql", at.source_id, at.walk_id, at.now, is_complete);
            Ok(rows.fetch_all(conn).await?.into_iter().map(|row| user::edge(row.manager_id, row.user_id)).collect())
        }
        // Who is missing from one list may still stand in another: only the whole tells.
        _ if !is_complete => Ok(Vec::new()),
        _ => {
            let has_others = reach == Reach::Directory;
            let rows = sqlx::query_file!("src/store/sql/user_unshown_lines.sql", at.source_id, at.walk_id, at.now, has_others);
            Ok(rows.fetch_all(conn).await?.into_iter().map(|row| user::edge(row.manager_id, row.user_id)).collect())
        }
    }
}

/// Retires the lines below these users.
pub(super) async fn reporting_lines_below(conn: &mut Conn<'_>, at: At, ids: &[Uuid]) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query!(
        "update hiersync.reporting_line l set retired_at = $2
         where l.source_id = $1 and l.manager_id = any($3) and l.retired_at is null
         returning l.manager_id, l.user_id",
        at.source_id,
        at.now,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| user::edge(row.manager_id, row.user_id)).collect())
}

/// Retires users that no live line holds, roots excepted, and those who are named as a manager or shown without one.
pub(super) async fn users(conn: &mut Conn<'_>, at: At, reach: Reach) -> sqlx::Result<Vec<NodeKey>> {
    let rows = sqlx::query_file_scalar!(
        "src/store/sql/user_gone.sql",
        at.source_id,
        at.walk_id,
        at.now,
        reach != Reach::Direct,
        !matches!(reach, Reach::Direct | Reach::Directory)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|id: Uuid| NodeKey(id.to_string())).collect())
}

/// Live users.
pub(super) async fn live_users(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from hiersync.reporting_user where source_id = $1 and retired_at is null"#,
        source_id
    )
    .fetch_one(conn)
    .await
}
