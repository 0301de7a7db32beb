//! Users as User Advanced Search shows them: who lies below the roots, and whose manager is who, is known only when all of them are
//! read. Until then rows that are not as the mirror has them wait here.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    conn::Conn,
    facts::{At, DirectoryExisting, Outside},
    source,
};
use crate::model::{
    digest::Digest,
    node::{Node, NodeId},
    user::{Manager, User},
};

/// What is known of these rows, in their order.
pub(super) async fn existing(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<Vec<DirectoryExisting>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let managers: Vec<Option<Uuid>> = rows.iter().map(|row| manager(row)).collect();
    let known = sqlx::query_file!("src/store/sql/directory_existing.sql", at.source_id, at.walk_id, &ids, &managers as _);
    let found = known.fetch_all(conn).await?;
    let existing = found.into_iter().map(|row| DirectoryExisting {
        node_no: row.node_no,
        digest: row.digest.map(Digest),
        stamp: row.auto_update_time,
        live: row.live,
        forgotten: row.forgotten,
        is_root: row.is_root,
        is_below_another: row.is_below_another,
        shown: row.shown,
        is_staged: row.staged,
        outside: row.outside_no.map(|node_no| Outside {
            node_no,
            digest: row.outside_digest.map(Digest),
            parent: row.outside_manager.map(NodeId::from),
        }),
        parents: row.managers.into_iter().map(NodeId::from).collect(),
    });
    Ok(existing.collect())
}

/// Keeps rows until the walk's end; of those that are not `whole` only who the manager is.
pub(super) async fn stage(conn: &mut Conn<'_>, at: At, rows: &[&User], whole: bool) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let managers: Vec<Option<Uuid>> = rows.iter().map(|row| manager(row)).collect();
    let digests: Vec<Option<Uuid>> = rows.iter().map(|row| whole.then(|| row.digest().0)).collect();
    let contents: Vec<Option<Json<Value>>> = rows.iter().map(|row| whole.then(|| Json(packed(row)))).collect();
    sqlx::query!(
        "insert into hiersync_internal.staged_user (source_id, walk_id, user_id, manager_id, digest, content)
         select $1, $2, * from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::jsonb[])
         on conflict (source_id, user_id) do update
         set walk_id = excluded.walk_id, manager_id = excluded.manager_id, digest = excluded.digest, content = excluded.content",
        at.source_id,
        at.walk_id,
        &ids,
        &managers as _,
        &digests as _,
        &contents as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The staged rows that lie below the roots, each with its manager; a root's own row too.
pub(super) async fn below_roots(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<User>> {
    let rows = sqlx::query_file!("src/store/sql/staged_below.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| unpacked(row.user_id, row.manager_id, &row.content)).collect())
}

/// Who was outside the roots at the last walk's end and hangs on one now: nothing but a digest is kept of them.
pub(super) async fn lacking(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_file_scalar!("src/store/sql/directory_lacks.sql", at.source_id, at.walk_id).fetch_all(conn).await
}

/// Their rows are to be taken whole when they are read once more.
pub(super) async fn want_whole(conn: &mut Conn<'_>, source_id: i32, users: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.staged_user set digest = null where source_id = $1 and user_id = any ($2) and content is null",
        source_id,
        users
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Empties the waiting room.
pub(super) async fn clear(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<()> {
    sqlx::query!("delete from hiersync_internal.staged_user where source_id = $1", source_id).execute(conn).await?;
    Ok(())
}

/// At a walk's end: who was taken in leaves the waiting room, and so does who is shown no more, or all where nobody has asked. Of the others,
/// who lie outside the roots, only that is kept by which the next walk knows them.
pub(super) async fn keep_outside(conn: &mut Conn<'_>, at: At) -> sqlx::Result<()> {
    sqlx::query!(
        "with told as (
             select f.state, f.seen + f.seen_earlier as numbers from hiersync_internal.frontier f
             where f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*'
         )
         delete from hiersync_internal.staged_user s
         where s.source_id = $1 and (
             exists (
                 select from hiersync.reporting_user u where u.source_id = $1 and u.user_id = s.user_id and u.retired_at is null
             )
             or not exists (select from told)
             or s.walk_id <> $2 and exists (select from told where told.state = 'read' and told.numbers @> s.node_no is not true)
         )",
        at.source_id,
        at.walk_id
    )
    .execute(&mut *conn)
    .await?;
    let new = sqlx::query_scalar!(
        r#"select count(*)::int as "count!" from hiersync_internal.staged_user where source_id = $1 and node_no is null"#,
        at.source_id
    );
    let new = new.fetch_one(&mut *conn).await?;
    let first_no = if new > 0 { source::take_numbers(&mut *conn, at.source_id, new).await? } else { 0 };
    sqlx::query!(
        "update hiersync_internal.staged_user s set content = null, node_no = coalesce(s.node_no, $2 + n.place)
         from (
             select k.user_id, row_number() over (order by k.node_no is not null, k.user_id)::int - 1 as place
             from hiersync_internal.staged_user k where k.source_id = $1 and (k.node_no is null or k.content is not null)
         ) n
         where s.source_id = $1 and s.user_id = n.user_id",
        at.source_id,
        first_no
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn manager(user: &User) -> Option<Uuid> {
    match user.manager {
        Manager::Is(manager) => Some(manager),
        Manager::Nobody | Manager::Unstated => None,
    }
}

/// The content with the stamp beside it.
fn packed(user: &User) -> Value {
    let mut content = user.content();
    content.insert("stamp".into(), serde_json::json!(user.auto_update_time));
    Value::Object(content)
}

fn unpacked(id: Uuid, manager: Option<Uuid>, content: &Value) -> User {
    let text = |field: &str| content.get(field).and_then(Value::as_str).map(str::to_owned);
    let flag = |field: &str| content.get(field).and_then(Value::as_bool);
    User {
        id,
        name: text("name"),
        email: text("email"),
        mobile: text("mobile"),
        is_active: flag("is_active"),
        checked_in: flag("checked_in"),
        auto_update_time: text("stamp").and_then(|stamp| stamp.parse().ok()),
        manager: manager.map_or(Manager::Nobody, Manager::Is),
        extra: content.get("extra").and_then(Value::as_object).cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_survives_the_waiting_room() {
        let user = User {
            id: Uuid::from_u128(7),
            name: Some("Meera \u{1F600}".into()),
            is_active: Some(true),
            auto_update_time: chrono::DateTime::from_timestamp(1_700_000_000, 123_000_000),
            manager: Manager::Is(Uuid::from_u128(1)),
            extra: serde_json::json!({"Role": null}).as_object().cloned().expect("an object"),
            ..User::default()
        };
        assert_eq!(unpacked(user.id, manager(&user), &packed(&user)), user);
    }
}
