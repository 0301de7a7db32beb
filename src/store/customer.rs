//! Customers with their profiles, identifiers and channels, and who is whose child.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::{
    conn::Conn,
    history,
    mirror::{At, Edge, Known, Linked, Mirror, Mirrored, Oddity, RootRow, RosterKnown},
    profile, reread, retire, root,
};
use crate::model::{
    customer::{Customer, Profile},
    digest::Digest,
    node::{Node, NodeKey},
    reading::Reading,
};

type JsonMap = Json<Map<String, Value>>;

/// The mirror of Capillary's customers.
pub struct Customers;

impl Mirror for Customers {
    type Row = Customer;
    const NODE: &'static str = "customer";
    const LINK: &'static str = "customer_link";

    async fn ask(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[Customer]) -> sqlx::Result<Vec<Known>> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let found = sqlx::query_file!("src/store/sql/customer_ask.sql", at.source_id, at.walk_id, id(parent), &ids).fetch_all(conn).await?;
        let known = found.into_iter().map(|row| Known {
            node_no: row.node_no,
            digest: row.digest.map(Digest),
            stamp: row.auto_update_time,
            retired: row.retired,
            linked: row.linked,
            shown: row.shown,
            in_roots_list: false,
            counted: row.counted,
            has_children: row.has_children,
        });
        Ok(known.collect())
    }

    async fn load(conn: &mut Conn<'_>, source_id: i32, rows: &[&Customer]) -> sqlx::Result<Vec<Customer>> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
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

    async fn restore(conn: &mut Conn<'_>, at: At, rows: &[&Customer]) -> sqlx::Result<()> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        restore_ids(conn, at, &ids).await
    }

    async fn root(conn: &mut Conn<'_>, at: At, root: &NodeKey) -> sqlx::Result<RootRow> {
        let before = sqlx::query_scalar!(
            r#"select retired_at is not null as "retired!" from hiersync.customer where source_id = $1 and customer_id = $2"#,
            at.source_id,
            id(root)
        )
        .fetch_optional(&mut *conn)
        .await?;
        match before {
            None => root::insert_customer(conn, at, id(root)).await.map(|()| RootRow::Inserted),
            Some(true) => restore_ids(conn, at, &[id(root)]).await.map(|()| RootRow::Restored),
            Some(false) => Ok(RootRow::Known),
        }
    }

    async fn link(conn: &mut Conn<'_>, at: At, edges: &[Edge]) -> sqlx::Result<Linked> {
        let parents: Vec<i64> = edges.iter().map(|edge| id(&edge.parent)).collect();
        let children: Vec<i64> = edges.iter().map(|edge| id(&edge.child)).collect();
        let rows = sqlx::query_file!("src/store/sql/customer_link.sql", at.source_id, at.now, &parents, &children).fetch_all(conn).await?;
        let mut linked = Linked::default();
        for row in rows {
            let edge = Edge { parent: NodeKey(row.parent_id.to_string()), child: NodeKey(row.child_id.to_string()) };
            if row.is_new { linked.inserted.push(edge) } else { linked.restored.push(edge) }
        }
        Ok(linked)
    }

    async fn would_lose(conn: &mut Conn<'_>, at: At, parent: &NodeKey, rows: &[Customer], _: bool) -> sqlx::Result<bool> {
        reread::loses_customers(conn, at, id(parent), &rows.iter().map(|row| row.id).collect::<Vec<i64>>()).await
    }

    async fn reread(conn: &mut Conn<'_>, at: At, edges: &[Edge], rows: u32) -> sqlx::Result<u64> {
        reread::customers(conn, at, edges, rows).await
    }

    async fn unlink_others(_: &mut Conn<'_>, _: At, _: &[Edge], _: bool) -> sqlx::Result<Vec<Edge>> {
        // A customer's row never states its parent, so nothing is exclusive.
        Ok(Vec::new())
    }

    async fn shown_links(_: &mut Conn<'_>, _: At, _: Reading, _: bool) -> sqlx::Result<Vec<Edge>> {
        // Children are linked page by page.
        Ok(Vec::new())
    }

    async fn retire_links(conn: &mut Conn<'_>, at: At, _: Reading, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
        retire::customer_links(conn, at, is_complete).await
    }

    async fn retire_nodes(conn: &mut Conn<'_>, at: At) -> sqlx::Result<Vec<NodeKey>> {
        retire::customers(conn, at).await
    }

    async fn ask_roster(_: &mut Conn<'_>, _: At, _: &[Customer]) -> sqlx::Result<Vec<RosterKnown>> {
        // Customers come in lists of children only.
        Ok(Vec::new())
    }

    async fn roster_loses(_: &mut Conn<'_>, _: At) -> sqlx::Result<bool> {
        Ok(false)
    }

    async fn hold(_: &mut Conn<'_>, _: At, _: &[&Customer]) -> sqlx::Result<()> {
        Ok(())
    }

    async fn held(_: &mut Conn<'_>, _: At) -> sqlx::Result<Vec<Customer>> {
        Ok(Vec::new())
    }

    async fn release(_: &mut Conn<'_>, _: i32) -> sqlx::Result<()> {
        Ok(())
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

/// Makes retired nodes live that are otherwise as known.
async fn restore_ids(conn: &mut Conn<'_>, at: At, ids: &[i64]) -> sqlx::Result<()> {
    let since = history::keep_customers(&mut *conn, at, ids).await?;
    sqlx::query!(
        "update hiersync.customer c set retired_at = null, retired_walk_id = null, changed_at = $2, valid_from = n.since
         from unnest($3::bigint[], $4::timestamptz[]) as n (id, since) where c.source_id = $1 and c.customer_id = n.id",
        at.source_id,
        at.now,
        ids,
        &since
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A customer's key is its id in decimal; that of anything else would be a fault of ours, and matches nobody.
pub fn id(key: &NodeKey) -> i64 {
    key.0.parse().unwrap_or(0)
}

/// Customers column by column, as arrays for `unnest`.
struct Columns<'a> {
    ids: Vec<i64>,
    digests: Vec<sqlx::types::Uuid>,
    first_names: Vec<Option<&'a str>>,
    last_names: Vec<Option<&'a str>>,
    emails: Vec<Option<&'a str>>,
    mobiles: Vec<Option<&'a str>>,
    external_ids: Vec<Option<&'a str>>,
    account_ids: Vec<Option<&'a str>>,
    profile_sources: Vec<Option<&'a str>>,
    role_codes: Vec<Option<&'a str>>,
    nos_of_children: Vec<Option<i64>>,
    default_children: Vec<Option<bool>>,
    created: Vec<Option<DateTime<Utc>>>,
    stamps: Vec<Option<DateTime<Utc>>>,
    extended_fields: Vec<Json<&'a Map<String, Value>>>,
    extras: Vec<Json<&'a Map<String, Value>>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&'a Customer]) -> Self {
        let lead = |text: fn(&Profile) -> Option<&str>| rows.iter().map(|row| row.lead().and_then(text)).collect();
        Self {
            ids: rows.iter().map(|row| row.id).collect(),
            digests: rows.iter().map(|row| row.digest().0).collect(),
            first_names: lead(|profile| profile.first_name.as_deref()),
            last_names: lead(|profile| profile.last_name.as_deref()),
            emails: rows.iter().map(|row| row.contact("email")).collect(),
            mobiles: rows.iter().map(|row| row.contact("mobile")).collect(),
            external_ids: rows.iter().map(|row| row.contact("externalId")).collect(),
            account_ids: lead(|profile| profile.account_id.as_deref()),
            profile_sources: lead(|profile| profile.profile_source.as_deref()),
            role_codes: rows.iter().map(|row| row.role_code.as_deref()).collect(),
            nos_of_children: rows.iter().map(|row| row.no_of_children).collect(),
            default_children: rows.iter().map(|row| row.default_child).collect(),
            created: rows.iter().map(|row| row.created_at).collect(),
            stamps: rows.iter().map(|row| row.stamp()).collect(),
            extended_fields: rows.iter().map(|row| Json(&row.extended_fields)).collect(),
            extras: rows.iter().map(|row| Json(&row.extra)).collect(),
        }
    }
}
