//! Customers with their profiles, identifiers and channels, and who is whose child.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgConnection, types::Json};

use super::{
    mirror::{At, Edge, Held, Known, Linked, Mirror, Mirrored, RootRow},
    retire,
};
use crate::model::{
    customer::{Channel, Customer, Identifier, Profile},
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

    async fn ask(conn: &mut PgConnection, at: At, parent: &NodeKey, rows: &[Customer]) -> sqlx::Result<Vec<Known>> {
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

    async fn load(conn: &mut PgConnection, source_id: i32, rows: &[&Customer]) -> sqlx::Result<Vec<Customer>> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let mut profiles = load_profiles(&mut *conn, source_id, &ids).await?;
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

    async fn insert(conn: &mut PgConnection, at: At, rows: &[&Customer], first_no: i32) -> sqlx::Result<()> {
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
        insert_profiles(conn, at.source_id, rows).await
    }

    async fn update(conn: &mut PgConnection, at: At, rows: &[&Customer]) -> sqlx::Result<()> {
        let columns = Columns::of(rows);
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
            &columns.extras as _
        )
        .execute(&mut *conn)
        .await?;
        delete_profiles(&mut *conn, at.source_id, &columns.ids).await?;
        insert_profiles(conn, at.source_id, rows).await
    }

    async fn touch(conn: &mut PgConnection, source_id: i32, rows: &[&Customer]) -> sqlx::Result<()> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let stamps: Vec<Option<DateTime<Utc>>> = rows.iter().map(|row| row.stamp()).collect();
        sqlx::query!(
            "update hiersync.customer c set auto_update_time = n.stamp
             from unnest($2::bigint[], $3::timestamptz[]) as n (id, stamp) where c.source_id = $1 and c.customer_id = n.id",
            source_id,
            &ids,
            &stamps as _
        )
        .execute(&mut *conn)
        .await?;
        touch_profiles(conn, source_id, rows).await
    }

    async fn restore(conn: &mut PgConnection, at: At, rows: &[&Customer]) -> sqlx::Result<()> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        sqlx::query!(
            "update hiersync.customer set retired_at = null, retired_walk_id = null, changed_at = $3
             where source_id = $1 and customer_id = any($2)",
            at.source_id,
            &ids,
            at.now
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn root(conn: &mut PgConnection, at: At, root: &NodeKey, node_no: i32) -> sqlx::Result<RootRow> {
        let before = sqlx::query_scalar!(
            r#"select retired_at is not null as "retired!" from hiersync.customer where source_id = $1 and customer_id = $2"#,
            at.source_id,
            id(root)
        )
        .fetch_optional(&mut *conn)
        .await?;
        sqlx::query!(
            "insert into hiersync.customer as c (source_id, customer_id, node_no, is_placeholder, first_seen_at, changed_at)
             values ($1, $2, $3, true, $4, $4)
             on conflict (source_id, customer_id) do update
             set retired_at = null, retired_walk_id = null, changed_at = $4 where c.retired_at is not null",
            at.source_id,
            id(root),
            node_no,
            at.now
        )
        .execute(conn)
        .await?;
        Ok(match before {
            None => RootRow::Inserted,
            Some(true) => RootRow::Restored,
            Some(false) => RootRow::Known,
        })
    }

    async fn link(conn: &mut PgConnection, at: At, edges: &[Edge]) -> sqlx::Result<Linked> {
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

    async fn unlink_others(_: &mut PgConnection, _: At, _: &[Edge]) -> sqlx::Result<Vec<Edge>> {
        // A customer's row never states its parent, so nothing is exclusive.
        Ok(Vec::new())
    }

    async fn shown_links(_: &mut PgConnection, _: At, _: Reading) -> sqlx::Result<Vec<Edge>> {
        // Children are linked page by page.
        Ok(Vec::new())
    }

    async fn retire_links(conn: &mut PgConnection, at: At, _: Reading, is_complete: bool) -> sqlx::Result<Vec<Edge>> {
        retire::customer_links(conn, at, is_complete).await
    }

    async fn retire_nodes(conn: &mut PgConnection, at: At) -> sqlx::Result<Vec<NodeKey>> {
        retire::customers(conn, at).await
    }

    async fn hold(_: &mut PgConnection, _: At, _: &[Customer]) -> sqlx::Result<Held> {
        // Customers come in lists of children only.
        Ok(Held::default())
    }

    async fn held(_: &mut PgConnection, _: At) -> sqlx::Result<Vec<Customer>> {
        Ok(Vec::new())
    }

    async fn release(_: &mut PgConnection, _: i32) -> sqlx::Result<()> {
        Ok(())
    }

    async fn live(conn: &mut PgConnection, source_id: i32) -> sqlx::Result<i64> {
        retire::live_customers(conn, source_id).await
    }
}

impl Mirrored for Customer {
    type Tables = Customers;
}

/// A customer's key is its id in decimal; that of anything else would be a fault of ours, and matches nobody.
fn id(key: &NodeKey) -> i64 {
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

/// Places in `profiles[]`, `identifiers[]` and `commChannels[]` are numbered from 1.
fn number(place: usize) -> i32 {
    i32::try_from(place + 1).unwrap_or(i32::MAX)
}

async fn insert_profiles(conn: &mut PgConnection, source_id: i32, rows: &[&Customer]) -> sqlx::Result<()> {
    let profiles: Vec<(i64, i32, &Profile)> =
        rows.iter().flat_map(|row| row.profiles.iter().enumerate().map(|(place, profile)| (row.id, number(place), profile))).collect();
    sqlx::query!(
        "insert into hiersync.customer_profile
             (source_id, customer_id, profile_no, profile_source, account_id, first_name, last_name, auto_update_time, fields)
         select $1, * from unnest($2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::jsonb[])",
        source_id,
        &profiles.iter().map(|(id, ..)| *id).collect::<Vec<i64>>(),
        &profiles.iter().map(|(_, no, _)| *no).collect::<Vec<i32>>(),
        &profiles.iter().map(|(.., profile)| profile.profile_source.as_deref()).collect::<Vec<_>>() as _,
        &profiles.iter().map(|(.., profile)| profile.account_id.as_deref()).collect::<Vec<_>>() as _,
        &profiles.iter().map(|(.., profile)| profile.first_name.as_deref()).collect::<Vec<_>>() as _,
        &profiles.iter().map(|(.., profile)| profile.last_name.as_deref()).collect::<Vec<_>>() as _,
        &profiles.iter().map(|(.., profile)| profile.auto_update_time).collect::<Vec<_>>() as _,
        &profiles.iter().map(|(.., profile)| Json(&profile.fields)).collect::<Vec<_>>() as _
    )
    .execute(&mut *conn)
    .await?;
    insert_identifiers(&mut *conn, source_id, &profiles).await?;
    insert_channels(conn, source_id, &profiles).await
}

async fn insert_identifiers(conn: &mut PgConnection, source_id: i32, profiles: &[(i64, i32, &Profile)]) -> sqlx::Result<()> {
    let rows: Vec<(i64, i32, i32, &Identifier)> = profiles
        .iter()
        .flat_map(|(id, no, profile)| profile.identifiers.iter().enumerate().map(|(place, entry)| (*id, *no, number(place), entry)))
        .collect();
    sqlx::query!(
        "insert into hiersync.customer_identifier (source_id, customer_id, profile_no, identifier_no, type, value)
         select $1, * from unnest($2::bigint[], $3::int[], $4::int[], $5::text[], $6::text[])",
        source_id,
        &rows.iter().map(|(id, ..)| *id).collect::<Vec<i64>>(),
        &rows.iter().map(|(_, no, ..)| *no).collect::<Vec<i32>>(),
        &rows.iter().map(|(.., place, _)| *place).collect::<Vec<i32>>(),
        &rows.iter().map(|(.., entry)| entry.kind.as_deref()).collect::<Vec<_>>() as _,
        &rows.iter().map(|(.., entry)| entry.value.as_deref()).collect::<Vec<_>>() as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_channels(conn: &mut PgConnection, source_id: i32, profiles: &[(i64, i32, &Profile)]) -> sqlx::Result<()> {
    let rows: Vec<(i64, i32, i32, &Channel)> = profiles
        .iter()
        .flat_map(|(id, no, profile)| profile.channels.iter().enumerate().map(|(place, entry)| (*id, *no, number(place), entry)))
        .collect();
    sqlx::query!(
        "insert into hiersync.customer_channel
             (source_id, customer_id, profile_no, channel_no, type, value, is_primary, is_verified, meta, attributes)
         select $1, * from unnest($2::bigint[], $3::int[], $4::int[], $5::text[], $6::text[], $7::bool[], $8::bool[], $9::jsonb[], $10::jsonb[])",
        source_id,
        &rows.iter().map(|(id, ..)| *id).collect::<Vec<i64>>(),
        &rows.iter().map(|(_, no, ..)| *no).collect::<Vec<i32>>(),
        &rows.iter().map(|(.., place, _)| *place).collect::<Vec<i32>>(),
        &rows.iter().map(|(.., entry)| entry.kind.as_deref()).collect::<Vec<_>>() as _,
        &rows.iter().map(|(.., entry)| entry.value.as_deref()).collect::<Vec<_>>() as _,
        &rows.iter().map(|(.., entry)| entry.is_primary).collect::<Vec<_>>() as _,
        &rows.iter().map(|(.., entry)| entry.is_verified).collect::<Vec<_>>() as _,
        &rows.iter().map(|(.., entry)| Json(&entry.meta)).collect::<Vec<_>>() as _,
        &rows.iter().map(|(.., entry)| Json(&entry.attributes)).collect::<Vec<_>>() as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn delete_profiles(conn: &mut PgConnection, source_id: i32, ids: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "with channels as (delete from hiersync.customer_channel where source_id = $1 and customer_id = any($2)),
              identifiers as (delete from hiersync.customer_identifier where source_id = $1 and customer_id = any($2))
         delete from hiersync.customer_profile where source_id = $1 and customer_id = any($2)",
        source_id,
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn touch_profiles(conn: &mut PgConnection, source_id: i32, rows: &[&Customer]) -> sqlx::Result<()> {
    let profiles: Vec<(i64, i32, Option<DateTime<Utc>>)> = rows
        .iter()
        .flat_map(|row| row.profiles.iter().enumerate().map(|(place, profile)| (row.id, number(place), profile.auto_update_time)))
        .collect();
    sqlx::query!(
        "update hiersync.customer_profile p set auto_update_time = n.stamp
         from unnest($2::bigint[], $3::int[], $4::timestamptz[]) as n (id, profile_no, stamp)
         where p.source_id = $1 and p.customer_id = n.id and p.profile_no = n.profile_no
           and p.auto_update_time is distinct from n.stamp",
        source_id,
        &profiles.iter().map(|(id, ..)| *id).collect::<Vec<i64>>(),
        &profiles.iter().map(|(_, no, _)| *no).collect::<Vec<i32>>(),
        &profiles.iter().map(|(.., stamp)| *stamp).collect::<Vec<_>>() as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn load_profiles(conn: &mut PgConnection, source_id: i32, ids: &[i64]) -> sqlx::Result<HashMap<i64, Vec<Profile>>> {
    let mut parts = load_parts(&mut *conn, source_id, ids).await?;
    let rows = sqlx::query!(
        r#"select customer_id, profile_no, profile_source, account_id, first_name, last_name, auto_update_time, fields as "fields: JsonMap"
           from hiersync.customer_profile where source_id = $1 and customer_id = any($2) order by customer_id, profile_no"#,
        source_id,
        ids
    )
    .fetch_all(conn)
    .await?;
    let mut profiles: HashMap<i64, Vec<Profile>> = HashMap::new();
    for row in rows {
        let (identifiers, channels) = parts.remove(&(row.customer_id, row.profile_no)).unwrap_or_default();
        profiles.entry(row.customer_id).or_default().push(Profile {
            profile_source: row.profile_source,
            account_id: row.account_id,
            first_name: row.first_name,
            last_name: row.last_name,
            auto_update_time: row.auto_update_time,
            fields: row.fields.0,
            identifiers,
            channels,
        });
    }
    Ok(profiles)
}

type Parts = HashMap<(i64, i32), (Vec<Identifier>, Vec<Channel>)>;

async fn load_parts(conn: &mut PgConnection, source_id: i32, ids: &[i64]) -> sqlx::Result<Parts> {
    let mut parts = Parts::new();
    let identifiers = sqlx::query!(
        "select customer_id, profile_no, type as kind, value from hiersync.customer_identifier
         where source_id = $1 and customer_id = any($2) order by customer_id, profile_no, identifier_no",
        source_id,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in identifiers {
        let entry = Identifier { kind: row.kind, value: row.value };
        parts.entry((row.customer_id, row.profile_no)).or_default().0.push(entry);
    }
    let channels = sqlx::query!(
        r#"select customer_id, profile_no, type as kind, value, is_primary, is_verified,
               meta as "meta: JsonMap", attributes as "attributes: JsonMap"
           from hiersync.customer_channel where source_id = $1 and customer_id = any($2) order by customer_id, profile_no, channel_no"#,
        source_id,
        ids
    )
    .fetch_all(conn)
    .await?;
    for row in channels {
        let entry = Channel {
            kind: row.kind,
            value: row.value,
            is_primary: row.is_primary,
            is_verified: row.is_verified,
            meta: row.meta.0,
            attributes: row.attributes.0,
        };
        parts.entry((row.customer_id, row.profile_no)).or_default().1.push(entry);
    }
    Ok(parts)
}
