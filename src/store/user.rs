//! Users with their content.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    conn::Conn,
    facts::{At, DirectoryExisting, ids, in_order},
    mirror::{Mirror, Mirrored},
    staged,
    user_columns::Columns,
};
use crate::model::{
    node::{Node, NodeId},
    user::{Manager, User},
};

/// The mirror of LeadSquared's users.
pub struct Users;

impl Mirror for Users {
    type Row = User;

    async fn load(conn: &mut Conn<'_>, source_id: i32, nodes: &[NodeId]) -> sqlx::Result<Vec<User>> {
        let found = sqlx::query!(
            r#"select user_id, name, email, mobile, is_active, checked_in, auto_update_time, extra as "extra: Json<Map<String, Value>>"
               from hiersync.reporting_user where source_id = $1 and user_id = any($2)"#,
            source_id,
            &ids::<Uuid>(nodes)
        )
        .fetch_all(conn)
        .await?;
        let user = found.into_iter().map(|row| User {
            id: row.user_id,
            name: row.name,
            email: row.email,
            mobile: row.mobile,
            is_active: row.is_active,
            checked_in: row.checked_in,
            auto_update_time: row.auto_update_time,
            manager: Manager::Unstated,
            extra: row.extra.0,
        });
        Ok(user.collect())
    }

    async fn keep(conn: &mut Conn<'_>, at: At, nodes: &[NodeId]) -> sqlx::Result<Vec<DateTime<Utc>>> {
        let kept = sqlx::query!(
            "insert into hiersync.reporting_user_history
             select greatest($2, u.valid_from + interval '1 microsecond', u.retired_at + interval '1 microsecond'), u.*
             from hiersync.reporting_user u where u.source_id = $1 and u.user_id = any ($3)
             returning user_id, valid_to",
            at.source_id,
            at.now,
            &ids::<Uuid>(nodes)
        );
        Ok(in_order(at, nodes, kept.fetch_all(conn).await?.into_iter().map(|row| (row.user_id, row.valid_to))))
    }

    async fn write(conn: &mut Conn<'_>, at: At, rows: &[&User], numbers: &[i32], are_new: bool) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        let nodes: Vec<NodeId> = rows.iter().map(|row| row.key()).collect();
        let since = if are_new { vec![at.now; rows.len()] } else { Self::keep(&mut *conn, at, &nodes).await? };
        sqlx::query_file!(
            "src/store/sql/user_write.sql",
            at.source_id,
            at.now,
            numbers,
            &since,
            &columns.ids,
            &columns.digests,
            &columns.names as _,
            &columns.emails as _,
            &columns.mobiles as _,
            &columns.active as _,
            &columns.checked_in as _,
            &columns.stamps as _,
            &columns.extras as _
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn touch(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        let nodes: Vec<NodeId> = rows.iter().map(|row| row.key()).collect();
        let since = Self::keep(&mut *conn, at, &nodes).await?;
        sqlx::query!(
            "update hiersync.reporting_user u set auto_update_time = n.stamp, extra = n.extra, valid_from = n.since
             from unnest($2::uuid[], $3::timestamptz[], $4::jsonb[], $5::timestamptz[]) as n (id, stamp, extra, since)
             where u.source_id = $1 and u.user_id = n.id",
            at.source_id,
            &columns.ids,
            &columns.stamps as _,
            &columns.extras as _,
            &since
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn is_idle(conn: &mut Conn<'_>, at: At, node: NodeId) -> sqlx::Result<bool> {
        sqlx::query_scalar!(
            r#"select exists (
                   select from hiersync.reporting_user u where u.source_id = $1 and u.user_id = $2 and not u.is_active
               ) and not exists (
                   select from hiersync.reporting_line l where l.source_id = $1 and l.manager_id = $2 and l.retired_at is null
               ) as "is!""#,
            at.source_id,
            Uuid::from(node)
        )
        .fetch_one(conn)
        .await
    }

    async fn directory_existing(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<Vec<DirectoryExisting>> {
        staged::existing(conn, at, rows).await
    }

    async fn stage(conn: &mut Conn<'_>, at: At, rows: &[&User], whole: bool) -> sqlx::Result<()> {
        staged::stage(conn, at, rows, whole).await
    }

    async fn absent_columns(conn: &mut Conn<'_>, source_id: i32, columns: &[String]) -> sqlx::Result<Vec<String>> {
        sqlx::query_file_scalar!("src/store/sql/user_absent_columns.sql", source_id, columns).fetch_all(conn).await
    }

    async fn staged(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<User>> {
        staged::below_roots(conn, at).await
    }
}

impl Mirrored for User {
    type Tables = Users;
}
