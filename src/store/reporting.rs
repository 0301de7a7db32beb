//! Who reports to whom, as User Advanced Search, the walk's lists and the known lines tell it. Of a source without users nothing is told.

use serde_json::Value;
use uuid::Uuid;

use super::{
    conn::Conn,
    facts::{At, Edge, Hidden, Named, Naming, ReachTold},
    staged,
};
use crate::model::node::NodeId;

/// What the search tells of the roots' lists.
pub async fn reach_told(conn: &mut Conn<'_>, at: At) -> sqlx::Result<ReachTold> {
    sqlx::query_file_as!(ReachTold, "src/store/sql/user_reach.sql", at.source_id, at.walk_id).fetch_one(conn).await
}

/// How many rows of the lists below the roots the roots' lists have too, and how many rows there are.
pub async fn overlap(conn: &mut Conn<'_>, at: At) -> sqlx::Result<(i64, i64)> {
    let row = sqlx::query_file!("src/store/sql/user_overlap.sql", at.source_id, at.walk_id).fetch_one(conn).await?;
    Ok((row.among_roots, row.all_rows))
}

/// Queues the lists of all whom the roots' lists have shown. Gives how many there are.
pub async fn queue_below_roots(conn: &mut Conn<'_>, at: At) -> sqlx::Result<u64> {
    let queued = sqlx::query_file!("src/store/sql/user_queue_below_roots.sql", at.source_id, at.walk_id).execute(conn).await?;
    Ok(queued.rows_affected())
}

/// The lines to whom the walk's lists have shown, list by list, that are not live.
pub async fn shown_lines(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query_file!("src/store/sql/user_shown_lines.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| Edge::of(row.manager_id, row.user_id)).collect())
}

/// The lines that follow from comparing the walk's lists, each of which holds everybody below.
pub async fn compared_lines(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query!(
        r#"select manager_id as "manager_id!", user_id as "user_id!" from hiersync_internal.compared_lines($1, $2)"#,
        at.source_id,
        at.walk_id
    );
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| Edge::of(row.manager_id, row.user_id)).collect())
}

/// Queues once more, with this pass, the lists that show somebody to whom comparing gives another manager than is known, if they were
/// read once only. Gives how many there are.
pub async fn reread_compared(conn: &mut Conn<'_>, at: At, pass: &Value) -> sqlx::Result<u64> {
    let lists = sqlx::query_file!("src/store/sql/user_reread_compared.sql", at.source_id, at.walk_id, pass).execute(conn).await?;
    Ok(lists.rows_affected())
}

/// Users so many levels below a root that have others below them, where one list holds everybody and shows no levels.
pub async fn too_deep(conn: &mut Conn<'_>, at: At, max_depth: i32) -> sqlx::Result<Vec<NodeId>> {
    let ids = sqlx::query_file_scalar!("src/store/sql/user_too_deep.sql", at.source_id, at.walk_id, max_depth).fetch_all(conn).await?;
    Ok(ids.into_iter().map(NodeId::from).collect())
}

/// Whether a live line leads to a user whom the directory has not shown in this walk.
pub async fn directory_loses(conn: &mut Conn<'_>, at: At) -> sqlx::Result<bool> {
    sqlx::query_file_scalar!("src/store/sql/directory_loses.sql", at.source_id, at.walk_id).fetch_one(conn).await
}

/// Who is staged as whose manager, of users whom this walk's lists have shown.
pub async fn named(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Named>> {
    let rows = sqlx::query_file!("src/store/sql/staged_named.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
    let named = rows.into_iter().map(|row| Named {
        edge: Edge::of(row.manager_id, row.user_id),
        is_listed: row.is_listed,
        is_elsewhere: row.is_elsewhere,
    });
    Ok(named.collect())
}

/// Users below the roots of whom nobody says who their manager is.
pub async fn unnamed(conn: &mut Conn<'_>, at: At, naming: Naming) -> sqlx::Result<Vec<NodeId>> {
    let ids = sqlx::query_file_scalar!("src/store/sql/user_unnamed.sql", at.source_id, at.walk_id, naming.as_ref()).fetch_all(conn).await?;
    Ok(ids.into_iter().map(|id: Uuid| NodeId::from(id)).collect())
}

/// Managers whom rows name and nobody shows.
pub async fn hidden(conn: &mut Conn<'_>, at: At, of_directory: bool) -> sqlx::Result<Vec<Hidden>> {
    let rows = sqlx::query_file!("src/store/sql/user_hidden_managers.sql", at.source_id, at.walk_id, of_directory).fetch_all(conn).await?;
    let hidden = rows.into_iter().map(|row| Hidden {
        key: NodeId::from(row.manager_id),
        reports: row.reports,
        example: row.example,
        is_placed: row.is_placed,
    });
    Ok(hidden.collect())
}

/// Empties the waiting room.
pub async fn unstage(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<()> {
    staged::clear(conn, source_id).await
}

/// At a walk's end: keeps of the waiting room only who lies outside the roots, without their content.
pub async fn keep_outside(conn: &mut Conn<'_>, at: At) -> sqlx::Result<()> {
    staged::keep_outside(conn, at).await
}

/// Users who were outside the roots and hang on one now, of whom the directory must be read once more for their content.
pub async fn directory_lacks(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Uuid>> {
    staged::lacking(conn, at).await
}

/// Takes their rows whole when they are read once more.
pub async fn want_whole(conn: &mut Conn<'_>, source_id: i32, users: &[Uuid]) -> sqlx::Result<()> {
    staged::want_whole(conn, source_id, users).await
}
