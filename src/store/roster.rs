//! Rosters: all users of the account with their managers. Who lies below the roots is known only at the end, so rows
//! that are not as the mirror has them wait in `roster_row`.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    conn::Conn,
    mirror::{At, RosterKnown},
};
use crate::model::{
    digest::Digest,
    node::{Node, NodeKey},
    user::{Manager, User},
};

/// What is known of these rows, in their order.
///
/// # Errors
/// When the database fails.
pub async fn ask(conn: &mut Conn<'_>, at: At, rows: &[User]) -> sqlx::Result<Vec<RosterKnown>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let found = sqlx::query_file!("src/store/sql/roster_ask.sql", at.source_id, at.walk_id, &ids).fetch_all(conn).await?;
    let known = found.into_iter().map(|row| RosterKnown {
        node_no: row.node_no,
        digest: row.digest.map(Digest),
        stamp: row.auto_update_time,
        live: row.live,
        is_root: row.is_root,
        shown: row.shown,
        parents: row.managers.into_iter().map(|manager| NodeKey(manager.to_string())).collect(),
    });
    Ok(known.collect())
}

/// Whether a live line leads to a user whom the roster has not shown in this walk.
///
/// # Errors
/// When the database fails.
pub async fn loses(conn: &mut Conn<'_>, at: At) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1
               from hiersync.reporting_line l
               join hiersync.reporting_user u on u.source_id = $1 and u.user_id = l.user_id
               where l.source_id = $1 and l.retired_at is null
                 and not exists (
                     select 1 from hiersync.frontier f
                     where f.source_id = $1 and f.walk_id = $2 and f.parent_key = '*' and f.seen @> u.node_no
                 )
                 and not exists (
                     select 1 from hiersync.roster_row r where r.source_id = $1 and r.walk_id = $2 and r.user_id = l.user_id
                 )
           ) as "loses!""#,
        at.source_id,
        at.walk_id
    )
    .fetch_one(conn)
    .await
}

/// Keeps rows until the whole roster is read.
///
/// # Errors
/// When the database fails.
pub async fn stage(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let managers: Vec<Option<Uuid>> = rows.iter().map(|row| manager(row)).collect();
    let contents: Vec<Json<Value>> = rows.iter().map(|row| Json(packed(row))).collect();
    sqlx::query!(
        "insert into hiersync.roster_row (source_id, walk_id, user_id, manager_id, content)
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
///
/// # Errors
/// When the database fails.
pub async fn below_roots(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<User>> {
    let rows = sqlx::query_file!("src/store/sql/roster_below.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| unpacked(row.user_id, row.manager_id, &row.content)).collect())
}

/// Empties the waiting room.
///
/// # Errors
/// When the database fails.
pub async fn clear(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<()> {
    sqlx::query!("delete from hiersync.roster_row where source_id = $1", source_id).execute(conn).await?;
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
