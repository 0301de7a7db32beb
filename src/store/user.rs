//! Users and who reports to them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    conn::Conn,
    facts::{At, DirectoryExisting, Edge, Ensured, Existing, Hidden, Linked, Named, Naming, Oddity, ReachTold},
    history,
    mirror::{Mirror, Mirrored},
    placeholder, retire, staged,
    user_columns::Columns,
};
use crate::model::{
    digest::Digest,
    node::{Node, NodeKey},
    reach::Reach,
    user::{Manager, User},
};

/// The mirror of LeadSquared's users.
pub struct Users;

impl Mirror for Users {
    type Row = User;
    const NODE: &'static str = "reporting_user";
    const LINK: &'static str = "reporting_line";

    async fn existing(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[User]) -> sqlx::Result<Vec<Existing>> {
        let found = sqlx::query_file!("src/store/sql/user_existing.sql", at.source_id, at.walk_id, id(parent), &ids(rows));
        let existing = found.fetch_all(conn).await?.into_iter().map(|row| Existing {
            node_no: row.node_no,
            digest: row.digest.map(Digest),
            stamp: row.auto_update_time,
            retired: row.retired,
            linked: row.linked,
            shown: row.shown,
            shown_earlier: row.shown_earlier,
            in_roots_list: row.in_roots_list,
            counted: row.counted,
            has_children: row.has_children,
        });
        Ok(existing.collect())
    }

    async fn load(conn: &mut Conn<'_>, source_id: i32, keys: &[NodeKey]) -> sqlx::Result<Vec<User>> {
        let found = sqlx::query!(
            r#"select user_id, name, email, mobile, is_active, checked_in, auto_update_time, extra as "extra: Json<Map<String, Value>>"
               from hiersync.reporting_user where source_id = $1 and user_id = any($2)"#,
            source_id,
            &keys.iter().map(id).collect::<Vec<Uuid>>()
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

    async fn insert(conn: &mut Conn<'_>, at: At, rows: &[&User], first_no: i32) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        sqlx::query_file!(
            "src/store/sql/user_insert.sql",
            at.source_id,
            at.now,
            first_no,
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

    async fn update(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        let since = history::keep_users(&mut *conn, at, &columns.ids).await?;
        sqlx::query_file!(
            "src/store/sql/user_update.sql",
            at.source_id,
            at.now,
            &columns.ids,
            &columns.digests,
            &columns.names as _,
            &columns.emails as _,
            &columns.mobiles as _,
            &columns.active as _,
            &columns.checked_in as _,
            &columns.stamps as _,
            &columns.extras as _,
            &since
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn touch(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<()> {
        let since = history::keep_users(&mut *conn, at, &ids(rows)).await?;
        let stamps: Vec<Option<DateTime<Utc>>> = rows.iter().map(|row| row.stamp()).collect();
        let extras: Vec<_> = rows.iter().map(|row| Json(&row.extra)).collect();
        sqlx::query!(
            "update hiersync.reporting_user u set auto_update_time = n.stamp, extra = n.extra, valid_from = n.since
             from unnest($2::uuid[], $3::timestamptz[], $4::jsonb[], $5::timestamptz[]) as n (id, stamp, extra, since)
             where u.source_id = $1 and u.user_id = n.id",
            at.source_id,
            &ids(rows),
            &stamps as _,
            &extras as _,
            &since
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn restore(conn: &mut Conn<'_>, at: At, keys: &[NodeKey]) -> sqlx::Result<()> {
        let ids: Vec<Uuid> = keys.iter().map(id).collect();
        let since = history::keep_users(&mut *conn, at, &ids).await?;
        sqlx::query!(
            "update hiersync.reporting_user u set retired_at = null, retired_walk_id = null, changed_at = $2, valid_from = n.since
             from unnest($3::uuid[], $4::timestamptz[]) as n (id, since) where u.source_id = $1 and u.user_id = n.id",
            at.source_id,
            at.now,
            &ids,
            &since
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn ensure(conn: &mut Conn<'_>, at: At, key: &NodeKey) -> sqlx::Result<(Ensured, i32)> {
        placeholder::user(conn, at, key).await
    }

    async fn has_parent(conn: &mut Conn<'_>, source_id: i32, key: &NodeKey) -> sqlx::Result<bool> {
        placeholder::user_has_parent(conn, source_id, id(key)).await
    }

    async fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> sqlx::Result<Linked> {
        let (managers, users) = ids_of(edges);
        let rows = sqlx::query_file!("src/store/sql/user_link.sql", at.source_id, at.now, &managers, &users).fetch_all(conn).await?;
        let mut linked = Linked::default();
        for row in rows {
            let edge = edge(row.manager_id, row.user_id);
            if row.is_new { linked.inserted.push(edge) } else { linked.restored.push(edge) }
        }
        Ok(linked)
    }

    async fn loses(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[User], holds_all: bool) -> sqlx::Result<bool> {
        sqlx::query_file_scalar!("src/store/sql/user_loses.sql", at.source_id, at.walk_id, id(parent), &ids(rows), holds_all)
            .fetch_one(conn)
            .await
    }

    async fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32, pass: &Value) -> sqlx::Result<u64> {
        let (managers, users) = ids_of(edges);
        let lists = sqlx::query_file!("src/store/sql/user_reread.sql", at.source_id, at.walk_id, &managers, &users, i64::from(rows), pass);
        Ok(lists.execute(conn).await?.rows_affected())
    }

    async fn unlink_others(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> sqlx::Result<Vec<Edge>> {
        let (managers, users) = ids_of(edges);
        let rows = sqlx::query_file!("src/store/sql/user_unlink_others.sql", at.source_id, at.now, &managers, &users);
        Ok(rows.fetch_all(conn).await?.into_iter().map(|row| edge(row.manager_id, row.user_id)).collect())
    }

    async fn queue_below_roots(conn: &mut Conn<'_>, at: At) -> sqlx::Result<u64> {
        let queued = sqlx::query_file!("src/store/sql/user_queue_below_roots.sql", at.source_id, at.walk_id).execute(conn).await?;
        Ok(queued.rows_affected())
    }

    async fn shown_links(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
        let rows = sqlx::query_file!("src/store/sql/user_shown_lines.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
        Ok(rows.into_iter().map(|row| edge(row.manager_id, row.user_id)).collect())
    }

    async fn compared_links(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
        let rows = sqlx::query!(
            r#"select manager_id as "manager_id!", user_id as "user_id!" from hiersync_internal.compared_lines($1, $2)"#,
            at.source_id,
            at.walk_id
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| edge(row.manager_id, row.user_id)).collect())
    }

    async fn reread_compared(conn: &mut Conn<'_>, at: At, pass: &Value) -> sqlx::Result<u64> {
        let lists = sqlx::query_file!("src/store/sql/user_reread_compared.sql", at.source_id, at.walk_id, pass).execute(conn).await?;
        Ok(lists.rows_affected())
    }

    async fn reach_told(conn: &mut Conn<'_>, at: At) -> sqlx::Result<ReachTold> {
        sqlx::query_file_as!(ReachTold, "src/store/sql/user_reach.sql", at.source_id, at.walk_id).fetch_one(conn).await
    }

    async fn overlap(conn: &mut Conn<'_>, at: At) -> sqlx::Result<(i64, i64)> {
        let row = sqlx::query_file!("src/store/sql/user_overlap.sql", at.source_id, at.walk_id).fetch_one(conn).await?;
        Ok((row.among_roots, row.all_rows))
    }

    async fn retire_links(conn: &mut Conn<'_>, at: At, reach: Reach, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
        retire::reporting_lines(conn, at, reach, is_complete).await
    }

    async fn retire_links_below(conn: &mut Conn<'_>, at: At, keys: &[NodeKey]) -> sqlx::Result<Vec<Edge>> {
        retire::reporting_lines_below(conn, at, &keys.iter().map(id).collect::<Vec<Uuid>>()).await
    }

    async fn retire_nodes(conn: &mut Conn<'_>, at: At, reach: Reach) -> sqlx::Result<Vec<NodeKey>> {
        retire::users(conn, at, reach).await
    }

    async fn directory_existing(conn: &mut Conn<'_>, at: At, rows: &[User]) -> sqlx::Result<Vec<DirectoryExisting>> {
        staged::existing(conn, at, rows).await
    }

    async fn directory_loses(conn: &mut Conn<'_>, at: At) -> sqlx::Result<bool> {
        staged::loses(conn, at).await
    }

    async fn stage(conn: &mut Conn<'_>, at: At, rows: &[&User], whole: bool) -> sqlx::Result<()> {
        staged::stage(conn, at, rows, whole).await
    }

    async fn staged(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<User>> {
        staged::below_roots(conn, at).await
    }

    async fn named(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Named>> {
        staged::named(conn, at).await
    }

    async fn hidden(conn: &mut Conn<'_>, at: At, of_directory: bool) -> sqlx::Result<Vec<Hidden>> {
        staged::hidden(conn, at, of_directory).await
    }

    async fn unnamed(conn: &mut Conn<'_>, at: At, naming: Naming) -> sqlx::Result<Vec<NodeKey>> {
        staged::unnamed(conn, at, naming).await
    }

    async fn unstage(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<()> {
        staged::clear(conn, source_id).await
    }

    async fn oddities(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Oddity>> {
        let rows = sqlx::query_file!("src/store/sql/user_oddities.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
        Ok(rows.into_iter().map(|row| Oddity { kind: row.kind, key: NodeKey(row.key), parents: row.parents }).collect())
    }

    async fn too_deep(conn: &mut Conn<'_>, at: At, max_depth: i32) -> sqlx::Result<Vec<NodeKey>> {
        let keys = sqlx::query_file_scalar!("src/store/sql/user_too_deep.sql", at.source_id, at.walk_id, max_depth).fetch_all(conn).await?;
        Ok(keys.into_iter().map(NodeKey).collect())
    }

    async fn live(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<i64> {
        retire::live_users(conn, source_id).await
    }
}

impl Mirrored for User {
    type Tables = Users;
}

/// A line between two users.
pub fn edge(manager: Uuid, user: Uuid) -> Edge {
    Edge { parent: NodeKey(manager.to_string()), child: NodeKey(user.to_string()) }
}

/// A user's key is its id; that of anything else would be a fault of ours, and matches nobody.
pub fn id(key: &NodeKey) -> Uuid {
    key.0.parse().unwrap_or_default()
}

fn ids_of(edges: &[Edge]) -> (Vec<Uuid>, Vec<Uuid>) {
    edges.iter().map(|edge| (id(&edge.parent), id(&edge.child))).unzip()
}

fn ids<R: std::borrow::Borrow<User>>(rows: &[R]) -> Vec<Uuid> {
    rows.iter().map(|row| row.borrow().id).collect()
}
