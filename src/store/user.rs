//! Users and who reports to them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    conn::Conn,
    history,
    mirror::{At, Edge, Known, Linked, Mirror, Mirrored, Oddity, RootRow, RosterKnown},
    reread, retire, root, roster,
};
use crate::model::{
    digest::Digest,
    node::{Node, NodeKey},
    reading::Reading,
    user::{Manager, User},
};

/// The mirror of LeadSquared's users.
pub struct Users;

impl Mirror for Users {
    type Row = User;
    const NODE: &'static str = "reporting_user";
    const LINK: &'static str = "reporting_line";

    async fn ask(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[User]) -> sqlx::Result<Vec<Known>> {
        let found =
            sqlx::query_file!("src/store/sql/user_ask.sql", at.source_id, at.walk_id, id(parent), &ids(rows)).fetch_all(conn).await?;
        let known = found.into_iter().map(|row| Known {
            node_no: row.node_no,
            digest: row.digest.map(Digest),
            stamp: row.auto_update_time,
            retired: row.retired,
            linked: row.linked,
            shown: row.shown,
            in_roots_list: row.in_roots_list,
            counted: row.counted,
            has_children: row.has_children,
        });
        Ok(known.collect())
    }

    async fn load(conn: &mut Conn<'_>, source_id: i32, rows: &[&User]) -> sqlx::Result<Vec<User>> {
        let found = sqlx::query!(
            r#"select user_id, name, email, mobile, is_active, checked_in, auto_update_time, extra as "extra: Json<Map<String, Value>>"
               from hiersync.reporting_user where source_id = $1 and user_id = any($2)"#,
            source_id,
            &ids(rows)
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

    async fn restore(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<()> {
        restore_ids(conn, at, &ids(rows)).await
    }

    async fn root(conn: &mut Conn<'_>, at: At, root: &NodeKey) -> sqlx::Result<RootRow> {
        let before = sqlx::query_scalar!(
            r#"select retired_at is not null as "retired!" from hiersync.reporting_user where source_id = $1 and user_id = $2"#,
            at.source_id,
            id(root)
        )
        .fetch_optional(&mut *conn)
        .await?;
        match before {
            None => root::insert_user(conn, at, id(root)).await.map(|()| RootRow::Inserted),
            Some(true) => restore_ids(conn, at, &[id(root)]).await.map(|()| RootRow::Restored),
            Some(false) => Ok(RootRow::Known),
        }
    }

    async fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> sqlx::Result<Linked> {
        let managers: Vec<Uuid> = edges.iter().map(|edge| id(&edge.parent)).collect();
        let users: Vec<Uuid> = edges.iter().map(|edge| id(&edge.child)).collect();
        let rows = sqlx::query_file!("src/store/sql/user_link.sql", at.source_id, at.now, &managers, &users).fetch_all(conn).await?;
        let mut linked = Linked::default();
        for row in rows {
            let edge = edge(row.manager_id, row.user_id);
            if row.is_new { linked.inserted.push(edge) } else { linked.restored.push(edge) }
        }
        Ok(linked)
    }

    async fn would_lose(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[User], holds_all: bool) -> sqlx::Result<bool> {
        reread::loses_users(conn, at, id(parent), &ids(rows), holds_all).await
    }

    async fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32) -> sqlx::Result<u64> {
        reread::users(conn, at, edges, rows).await
    }

    async fn unlink_others(conn: &mut Conn<'_>, at: At, edges: &[Edge], spare_roots: bool) -> sqlx::Result<Vec<Edge>> {
        let managers: Vec<Uuid> = edges.iter().map(|edge| id(&edge.parent)).collect();
        let users: Vec<Uuid> = edges.iter().map(|edge| id(&edge.child)).collect();
        let rows =
            sqlx::query_file!("src/store/sql/user_unlink_others.sql", at.source_id, at.now, &managers, &users, spare_roots, at.walk_id)
                .fetch_all(conn)
                .await?;
        Ok(rows.into_iter().map(|row| edge(row.manager_id, row.user_id)).collect())
    }

    async fn shown_links(conn: &mut Conn<'_>, at: At, reading: Reading, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
        match reading {
            Reading::Direct => shown_lines(conn, at).await,
            Reading::Subtree => derived_lines(conn, at, is_complete).await,
            Reading::Stated | Reading::Roster => Ok(Vec::new()),
        }
    }

    async fn retire_links(conn: &mut Conn<'_>, at: At, reading: Reading, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
        retire::reporting_lines(conn, at, reading, is_complete).await
    }

    async fn retire_nodes(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<NodeKey>> {
        retire::users(conn, at).await
    }

    async fn ask_roster(conn: &mut Conn<'_>, at: At, rows: &[User]) -> sqlx::Result<Vec<RosterKnown>> {
        roster::ask(conn, at, rows).await
    }

    async fn roster_loses(conn: &mut Conn<'_>, at: At) -> sqlx::Result<bool> {
        roster::loses(conn, at).await
    }

    async fn hold(conn: &mut Conn<'_>, at: At, rows: &[&User]) -> sqlx::Result<()> {
        roster::stage(conn, at, rows).await
    }

    async fn held(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<User>> {
        roster::below_roots(conn, at).await
    }

    async fn release(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<()> {
        roster::clear(conn, source_id).await
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

/// Makes retired nodes live that are otherwise as known.
async fn restore_ids(conn: &mut Conn<'_>, at: At, ids: &[Uuid]) -> sqlx::Result<()> {
    let since = history::keep_users(&mut *conn, at, ids).await?;
    sqlx::query!(
        "update hiersync.reporting_user u set retired_at = null, retired_walk_id = null, changed_at = $2, valid_from = n.since
         from unnest($3::uuid[], $4::timestamptz[]) as n (id, since) where u.source_id = $1 and u.user_id = n.id",
        at.source_id,
        at.now,
        ids,
        &since
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Manager and report for everybody whom the walk's lists have shown, list by list.
async fn shown_lines(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query_file!("src/store/sql/user_shown_lines.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| edge(row.manager_id, row.user_id)).collect())
}

async fn derived_lines(conn: &mut Conn<'_>, at: At, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
    let rows = sqlx::query_file!("src/store/sql/user_derived_lines.sql", at.source_id, at.walk_id, is_complete).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| edge(row.manager_id, row.user_id)).collect())
}

/// A line between two users.
pub fn edge(manager: Uuid, user: Uuid) -> Edge {
    Edge { parent: NodeKey(manager.to_string()), child: NodeKey(user.to_string()) }
}

/// A user's key is its id; that of anything else would be a fault of ours, and matches nobody.
pub fn id(key: &NodeKey) -> Uuid {
    key.0.parse().unwrap_or_default()
}

fn ids<R: std::borrow::Borrow<User>>(rows: &[R]) -> Vec<Uuid> {
    rows.iter().map(|row| row.borrow().id).collect()
}

/// Users column by column, as arrays for `unnest`.
struct Columns<'a> {
    ids: Vec<Uuid>,
    digests: Vec<Uuid>,
    names: Vec<Option<&'a str>>,
    emails: Vec<Option<&'a str>>,
    mobiles: Vec<Option<&'a str>>,
    active: Vec<Option<bool>>,
    checked_in: Vec<Option<bool>>,
    stamps: Vec<Option<DateTime<Utc>>>,
    extras: Vec<Json<&'a Map<String, Value>>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&'a User]) -> Self {
        Self {
            ids: ids(rows),
            digests: rows.iter().map(|row| row.digest().0).collect(),
            names: rows.iter().map(|row| row.name.as_deref()).collect(),
            emails: rows.iter().map(|row| row.email.as_deref()).collect(),
            mobiles: rows.iter().map(|row| row.mobile.as_deref()).collect(),
            active: rows.iter().map(|row| row.is_active).collect(),
            checked_in: rows.iter().map(|row| row.checked_in).collect(),
            stamps: rows.iter().map(|row| row.auto_update_time).collect(),
            extras: rows.iter().map(|row| Json(&row.extra)).collect(),
        }
    }
}
