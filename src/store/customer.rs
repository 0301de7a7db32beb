//! Customers with their profiles, identifiers and channels.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::{Json, Uuid};

use super::{
    conn::Conn,
    customer_columns::Columns,
    facts::{At, Known, Unchanged, ids, in_order},
    frontier::Work,
    known_page,
    mirror::{Mirror, Mirrored},
    profile,
};
use crate::{
    config,
    model::{
        customer::Customer,
        digest::Digest,
        node::{Node, NodeId},
        object::Object,
    },
};

type JsonMap = Json<Map<String, Value>>;
type JsonObject = Json<Object>;

/// The mirror of Capillary's customers.
pub struct Customers;

impl Mirror for Customers {
    type Row = Customer;

    async fn load(conn: &mut Conn<'_>, source_id: i32, nodes: &[NodeId]) -> sqlx::Result<Vec<Customer>> {
        let ids: Vec<i64> = ids(nodes);
        let mut profiles = profile::load(&mut *conn, source_id, &ids).await?;
        let found = sqlx::query!(
            r#"select customer_id, role_code, no_of_children, default_child, created_at,
                   extended_fields as "extended_fields: JsonObject", extra as "extra: JsonMap"
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
            text_digest: None,
        });
        Ok(customer.collect())
    }

    async fn keep(conn: &mut Conn<'_>, at: At, nodes: &[NodeId]) -> sqlx::Result<Vec<DateTime<Utc>>> {
        let kept = sqlx::query_file!("src/store/sql/customer_keep.sql", at.source_id, at.now, &ids::<i64>(nodes)).fetch_all(conn).await?;
        Ok(in_order(at, nodes, kept.into_iter().map(|row| (row.customer_id, row.valid_to))))
    }

    async fn write(conn: &mut Conn<'_>, at: At, rows: &[&Customer], numbers: &[i32], are_new: bool) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        let nodes: Vec<NodeId> = rows.iter().map(|row| row.key()).collect();
        let since = if are_new { vec![at.now; rows.len()] } else { Self::keep(&mut *conn, at, &nodes).await? };
        sqlx::query_file!(
            "src/store/sql/customer_write.sql",
            at.source_id,
            at.now,
            numbers,
            &since,
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
            &columns.text_digests as _
        )
        .execute(&mut *conn)
        .await?;
        if !are_new {
            profile::delete(&mut *conn, at.source_id, &columns.ids).await?;
        }
        profile::insert(conn, at.source_id, rows).await
    }

    async fn touch(conn: &mut Conn<'_>, at: At, rows: &[&Customer]) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        let nodes: Vec<NodeId> = rows.iter().map(|row| row.key()).collect();
        let since = Self::keep(&mut *conn, at, &nodes).await?;
        sqlx::query!(
            "update hiersync.customer c set auto_update_time = n.stamp, extra = n.extra, valid_from = n.since, text_digest = n.text_digest
             from unnest($2::bigint[], $3::timestamptz[], $4::jsonb[], $5::timestamptz[], $6::uuid[]) as n (id, stamp, extra, since, text_digest)
             where c.source_id = $1 and c.customer_id = n.id",
            at.source_id,
            &columns.ids,
            &columns.stamps as _,
            &columns.extras as _,
            &since,
            &columns.text_digests as _
        )
        .execute(&mut *conn)
        .await?;
        profile::touch(conn, at.source_id, rows).await
    }

    async fn recount(conn: &mut Conn<'_>, at: At, rows: &[&Customer]) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
        sqlx::query!(
            "update hiersync.customer c set no_of_children = n.said, text_digest = n.text_digest
             from unnest($2::bigint[], $3::bigint[], $4::uuid[]) as n (id, said, text_digest)
             where c.source_id = $1 and c.customer_id = n.id",
            at.source_id,
            &columns.ids,
            &columns.nos_of_children as _,
            &columns.text_digests as _
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn unchanged(conn: &mut Conn<'_>, at: At, list_of: NodeId, full: Option<u32>, texts: &[(NodeId, Digest)]) -> sqlx::Result<Known> {
        let mut rows = match full {
            Some(place) => known_page::read(&mut *conn, at, (list_of, place), texts).await?,
            None => Vec::new(),
        };
        rows.resize(texts.len(), None);
        let by_page = rows.iter().flatten().count();
        let asked: Vec<&(NodeId, Digest)> = texts.iter().zip(&rows).filter(|(_, row)| row.is_none()).map(|(text, _)| text).collect();
        let mut rows: Vec<Unchanged> = rows.into_iter().flatten().collect();
        if !asked.is_empty() {
            let ids: Vec<i64> = asked.iter().map(|(node, _)| i64::from(*node)).collect();
            let digests: Vec<Uuid> = asked.iter().map(|(_, digest)| digest.0).collect();
            let found =
                sqlx::query_file!("src/store/sql/customer_unchanged.sql", at.source_id, at.walk_id, i64::from(list_of), &ids, &digests);
            rows.extend(found.fetch_all(conn).await?.into_iter().map(|row| Unchanged {
                key: row.customer_id.into(),
                node_no: row.node_no,
                shown: row.shown,
                shown_earlier: row.shown_earlier,
            }));
        }
        Ok(Known { rows, by_page })
    }

    async fn keep_page(
        conn: &mut Conn<'_>,
        at: At,
        list: (NodeId, u32),
        texts: &[(NodeId, Digest)],
        known: &HashMap<NodeId, i32>,
    ) -> sqlx::Result<()> {
        known_page::keep(conn, at, list, texts, known).await
    }

    async fn same_children(conn: &mut Conn<'_>, at: At, parent: NodeId) -> sqlx::Result<Option<i64>> {
        let children = sqlx::query_scalar!(
            "select case when count(*) filter (where greatest(l.valid_from, l.retired_at) >= w.started_at) = 0
                 then count(*) filter (where l.retired_at is null) end
             from hiersync_internal.walk w
             join hiersync.customer_link l on l.source_id = $1 and l.parent_id = $3
             where w.source_id = $1 and w.walk_id = $2",
            at.source_id,
            at.walk_id,
            i64::from(parent)
        );
        children.fetch_one(conn).await
    }

    async fn as_settled(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Option<i64>> {
        let live = sqlx::query_file_scalar!("src/store/sql/customer_as_settled.sql", at.source_id, at.walk_id);
        Ok(live.fetch_optional(conn).await?.flatten())
    }

    async fn shared(
        conn: &mut Conn<'_>,
        at: At,
        identifiers: &[(NodeId, config::Identifier)],
    ) -> sqlx::Result<HashSet<config::Identifier>> {
        let ids: Vec<i64> = identifiers.iter().map(|(node, _)| i64::from(*node)).collect();
        let kinds: Vec<&str> = identifiers.iter().map(|(_, identifier)| identifier.kind.as_str()).collect();
        let values: Vec<&str> = identifiers.iter().map(|(_, identifier)| identifier.value.as_str()).collect();
        let shared =
            sqlx::query_file!("src/store/sql/customer_shared.sql", at.source_id, &ids, &kinds as &[&str], &values as &[&str], at.walk_id);
        let shared = shared.fetch_all(conn).await?;
        Ok(shared.into_iter().map(|row| config::Identifier { kind: row.kind, value: row.value }).collect())
    }

    async fn unasked(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<Work>> {
        let found = sqlx::query_file!("src/store/sql/customer_unasked.sql", at.source_id, at.walk_id).fetch_all(conn).await?;
        let list = |id, node_no, above: &str, depth| Work {
            shown_by: Some(NodeId::parse(above)),
            ..Work::new(NodeId::Customer(id), Some(node_no), depth + 1)
        };
        Ok(found.into_iter().map(|row| list(row.id, row.node_no, &row.above, row.depth)).collect())
    }

    async fn twins(conn: &mut Conn<'_>, at: At, rows: &[&Customer]) -> sqlx::Result<Vec<NodeId>> {
        let named = rows.iter().flat_map(|row| row.profiles.iter().flat_map(|profile| &profile.identifiers).map(|entry| (row.id, entry)));
        let named: Vec<(i64, &str, &str)> =
            named.filter_map(|(id, entry)| Some((id, entry.kind.as_deref()?, entry.value.as_deref()?))).collect();
        let lists = sqlx::query_file_scalar!(
            "src/store/sql/customer_twins.sql",
            at.source_id,
            at.walk_id,
            &named.iter().map(|(id, ..)| *id).collect::<Vec<i64>>(),
            &named.iter().map(|(_, kind, _)| *kind).collect::<Vec<&str>>() as &[&str],
            &named.iter().map(|(.., value)| *value).collect::<Vec<&str>>() as &[&str]
        );
        Ok(lists.fetch_all(conn).await?.iter().map(|text| NodeId::parse(text)).collect())
    }
}

impl Mirrored for Customer {
    type Tables = Customers;
}
