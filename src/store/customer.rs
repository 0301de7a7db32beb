//! Customers with their profiles, identifiers and channels, and who is whose child.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::{
    conn::Conn,
    customer_columns::Columns,
    facts::{At, Edge, Ensured, Existing, Linked, Oddity},
    history,
    mirror::{Mirror, Mirrored},
    placeholder, profile, retire,
};
use crate::{
    config,
    model::{
        customer::Customer,
        digest::Digest,
        node::{Node, NodeKey},
        reach::Reach,
    },
};

type JsonMap = Json<Map<String, Value>>;

/// The mirror of Capillary's customers.
pub struct Customers;

impl Mirror for Customers {
    type Row = Customer;
    const NODE: &'static str = "customer";
    const LINK: &'static str = "customer_link";

    async fn existing(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[Customer]) -> sqlx::Result<Vec<Existing>> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let found =
            sqlx::query_file!("src/store/sql/customer_existing.sql", at.source_id, at.walk_id, id(parent), &ids).fetch_all(conn).await?;
        let existing = found.into_iter().map(|row| Existing {
            node_no: row.node_no,
            digest: row.digest.map(Digest),
            stamp: row.auto_update_time,
            retired: row.retired,
            linked: row.linked,
            shown: row.shown,
            shown_earlier: row.shown_earlier,
            in_roots_list: false,
            counted: row.counted,
            has_children: row.has_children,
        });
        Ok(existing.collect())
    }

    async fn load(conn: &mut Conn<'_>, source_id: i32, keys: &[NodeKey]) -> sqlx::Result<Vec<Customer>> {
        let ids: Vec<i64> = keys.iter().map(id).collect();
        let mut profiles = profile::load(&mut *conn, source_id, &ids).await?;
        let found = sqlx::query!(
            r#"select customer_id, role_code, no_of_children, default_child, created_at,
                   extended_fields as "extended_fields: JsonMap", extra as "extra: JsonMap"
               from hiersync.customer where source_id = $1 and customer_id = any($2)"#,
            source_id,
            &ids
        )
        .fetch_all(conn)
        .await?;
        let customer = found.into_iter().map(|row| Customer {
            id: row.customer_id,
            parent: None,
            profiles: profiles.remove(&row.customer_id).unwrap_or_default(),
            extended_fields: row.extended_fields.0,
            role_code: row.role_code,
            no_of_children: row.no_of_children,
            default_child: row.default_child,
            created_at: row.created_at,
            extra: row.extra.0,
        });
        Ok(customer.collect())
    }

    async fn insert(conn: &mut Conn<'_>, at: At, rows: &[&Customer], first_no: i32) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        sqlx::query_file!(
            "src/store/sql/customer_insert.sql",
            at.source_id,
            at.now,
            first_no,
            &columns.ids,
            &columns.digests,
            &columns.first_names as _,
            &columns.last_names as _,
            &columns.emails as _,
            &columns.mobiles as _,
            &columns.external_ids as _,
            &columns.account_ids as _,
            &columns.profile_sources as _,
            &columns.role_codes as _,
            &columns.nos_of_children as _,
            &columns.default_children as _,
            &columns.created as _,
            &columns.stamps as _,
            &columns.extended_fields as _,
            &columns.extras as _
        )
        .execute(&mut *conn)
        .await?;
        profile::insert(conn, at.source_id, rows).await
    }

    async fn update(conn: &mut Conn<'_>, at: At, rows: &[&Customer]) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        let since = history::keep_customers(&mut *conn, at, &columns.ids).await?;
        sqlx::query_file!(
            "src/store/sql/customer_update.sql",
            at.source_id,
            at.now,
            &columns.ids,
            &columns.digests,
            &columns.first_names as _,
            &columns.last_names as _,
            &columns.emails as _,
            &columns.mobiles as _,
            &columns.external_ids as _,
            &columns.account_ids as _,
            &columns.profile_sources as _,
            &columns.role_codes as _,
            &columns.nos_of_children as _,
            &columns.default_children as _,
            &columns.created as _,
            &columns.stamps as _,
            &columns.extended_fields as _,
            &columns.extras as _,
            &since
        )
        .execute(&mut *conn)
        .await?;
        profile::delete(&mut *conn, at.source_id, &columns.ids).await?;
        profile::insert(conn, at.source_id, rows).await
    }

    async fn touch(conn: &mut Conn<'_>, at: At, rows: &[&Customer]) -> sqlx::Result<()> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let stamps: Vec<Option<DateTime<Utc>>> = rows.iter().map(|row| row.stamp()).collect();
        let extras: Vec<_> = rows.iter().map(|row| Json(&row.extra)).collect();
        let since = history::keep_customers(&mut *conn, at, &ids).await?;
        sqlx::query!(
            "update hiersync.customer c set auto_update_time = n.stamp, extra = n.extra, valid_from = n.since
             from unnest($2::bigint[], $3::timestamptz[], $4::jsonb[], $5::timestamptz[]) as n (id, stamp, extra, since)
             where c.source_id = $1 and c.customer_id = n.id",
            at.source_id,
            &ids,
            &stamps as _,
            &extras as _,
            &since
        )
        .execute(&mut *conn)
        .await?;
        profile::touch(conn, at.source_id, rows).await
    }

    async fn restore(conn: &mut Conn<'_>, at: At, keys: &[NodeKey]) -> sqlx::Result<()> {
        let ids: Vec<i64> = keys.iter().map(id).collect();
        let since = history::keep_customers(&mut *conn, at, &ids).await?;
        sqlx::query!(
            "update hiersync.customer c set retired_at = null, retired_walk_id = null, changed_at = $2, valid_from = n.since
             from unnest($3::bigint[], $4::timestamptz[]) as n (id, since) where c.source_id = $1 and c.customer_id = n.id",
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
        placeholder::customer(conn, at, key).await
    }

    async fn has_parent(conn: &mut Conn<'_>, source_id: i32, key: &NodeKey) -> sqlx::Result<bool> {
        placeholder::customer_has_parent(conn, source_id, id(key)).await
    }

    async fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> sqlx::Result<Linked> {
        let (parents, children) = ids_of(edges);
        let rows = sqlx::query_file!("src/store/sql/customer_link.sql", at.source_id, at.now, &parents, &children).fetch_all(conn).await?;
        let mut linked = Linked::default();
        for row in rows {
            let edge = edge(row.parent_id, row.child_id);
            if row.is_new { linked.inserted.push(edge) } else { linked.restored.push(edge) }
        }
        Ok(linked)
    }

    async fn loses(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[Customer], _: bool) -> sqlx::Result<bool> {
        let shown: Vec<i64> = rows.iter().map(|row| row.id).collect();
        sqlx::query_file_scalar!("src/store/sql/customer_loses.sql", at.source_id, at.walk_id, id(parent), &shown).fetch_one(conn).await
    }

    async fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32, pass: &Value) -> sqlx::Result<u64> {
        let (parents, children) = ids_of(edges);
        let lists =
            sqlx::query_file!("src/store/sql/customer_reread.sql", at.source_id, at.walk_id, &parents, &children, i64::from(rows), pass);
        Ok(lists.execute(conn).await?.rows_affected())
    }

    async fn shared(
        conn: &mut Conn<'_>,
        at: At,
        identifiers: &[(NodeKey, config::Identifier)],
    ) -> sqlx::Result<HashSet<config::Identifier>> {
        let ids: Vec<i64> = identifiers.iter().map(|(key, _)| id(key)).collect();
        let kinds: Vec<&str> = identifiers.iter().map(|(_, identifier)| identifier.kind.as_str()).collect();
        let values: Vec<&str> = identifiers.iter().map(|(_, identifier)| identifier.value.as_str()).collect();
        let shared = sqlx::query_file!("src/store/sql/customer_shared.sql", at.source_id, &ids, &kinds as &[&str], &values as &[&str]);
        let shared = shared.fetch_all(conn).await?;
        Ok(shared.into_iter().map(|row| config::Identifier { kind: row.kind, value: row.value }).collect())
    }

    async fn twins(conn: &mut Conn<'_>, at: At, keys: &[NodeKey]) -> sqlx::Result<Vec<NodeKey>> {
        let ids: Vec<i64> = keys.iter().map(id).collect();
        let lists = sqlx::query_file_scalar!("src/store/sql/customer_twins.sql", at.source_id, at.walk_id, &ids).fetch_all(conn).await?;
        Ok(lists.into_iter().map(NodeKey).collect())
    }

    async fn unlink_new(conn: &mut Conn<'_>, at: At, parent: &NodeKey) -> sqlx::Result<Vec<Edge>> {
        let rows = sqlx::query!(
            "update hiersync.customer_link l set retired_at = greatest($3, l.valid_from)
             where l.source_id = $1 and l.parent_id = $4 and l.retired_at is null
               and l.valid_from >= (select w.started_at from hiersync_internal.walk w where w.source_id = $1 and w.walk_id = $2)
             returning l.parent_id, l.child_id",
            at.source_id,
            at.walk_id,
            at.now,
            id(parent)
        )
        .fetch_all(conn)
        .await?;
        Ok(rows.into_iter().map(|row| edge(row.parent_id, row.child_id)).collect())
    }

    async fn retire_links(conn: &mut Conn<'_>, at: At, _: Reach, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
        retire::customer_links(conn, at, is_complete).await
    }

    async fn retire_links_below(conn: &mut Conn<'_>, at: At, keys: &[NodeKey]) -> sqlx::Result<Vec<Edge>> {
        retire::customer_links_below(conn, at, &keys.iter().map(id).collect::<Vec<i64>>()).await
    }

    async fn retire_nodes(conn: &mut Conn<'_>, at: At, _: Reach) -> sqlx::Result<Vec<NodeKey>> {
        retire::customers(conn, at).await
    }

    async fn oddities(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Oddity>> {
        let rows = sqlx::query_file!("src/store/sql/customer_oddities.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
        Ok(rows.into_iter().map(|row| Oddity { kind: row.kind, key: NodeKey(row.key), parents: row.parents }).collect())
    }

    async fn live(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<i64> {
        retire::live_customers(conn, source_id).await
    }
}

impl Mirrored for Customer {
    type Tables = Customers;
}

/// A customer's key is its id in decimal; that of anything else would be a fault of ours, and matches nobody.
pub fn id(key: &NodeKey) -> i64 {
    key.0.parse().unwrap_or(0)
}

/// A link between two customers.
pub(super) fn edge(parent: i64, child: i64) -> Edge {
    Edge { parent: NodeKey(parent.to_string()), child: NodeKey(child.to_string()) }
}

fn ids_of(edges: &[Edge]) -> (Vec<i64>, Vec<i64>) {
    edges.iter().map(|edge| (id(&edge.parent), id(&edge.child))).unzip()
}
