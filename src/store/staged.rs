//! Users as User Advanced Search shows them: who lies below the roots, and whose manager is who, is known only when all of them are
//! read. Until then rows that are not as the mirror has them wait here.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    conn::Conn,
    facts::{At, DirectoryExisting},
};
use crate::model::{
    digest::Digest,
    node::{Node, NodeId},
    user::{Manager, User},
};

/// What is known of these rows, in their order.
pub(super) async fn existing(conn: &mut Conn<'_>, at: At, ids: &[Uuid]) -> sqlx::Result<Vec<DirectoryExisting>> {
    let found = sqlx::query_file!("src/store/sql/directory_existing.sql", at.source_id, at.walk_id, ids).fetch_all(conn).await?;
    let existing = found.into_iter().map(|row| DirectoryExisting {
        node_no: row.node_no,
        digest: row.digest.map(Digest),
        stamp: row.auto_update_time,
        live: row.live,
        is_root: row.is_root,
        shown: row.shown || row.staged,
        is_staged: row.staged,
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
    let contents: Vec<Option<Json<Value>>> = rows.iter().map(|row| whole.then(|| Json(packed(row)))).collect();
    sqlx::query!(
        "insert into hiersync_internal.staged_user (source_id, walk_id, user_id, manager_id, content)
         select $1, $2, * from unnest($3::uuid[], $4::uuid[], $5::jsonb[])
         on conflict (source_id, user_id) do update
         set walk_id = excluded.walk_id, manager_id = excluded.manager_id, content = excluded.content",
        at.source_id,
        at.walk_id,
        &ids,
        &managers as _,
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
