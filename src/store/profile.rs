//! The profiles of customers, with their identifiers and channels.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::conn::Conn;
use crate::model::{
    customer::{Channel, Customer, Identifier, Profile},
    object::Object,
};

type JsonObject = Json<Object>;

/// Places in `profiles[]`, `identifiers[]` and `commChannels[]` are numbered from 1.
fn number(place: usize) -> i32 {
    i32::try_from(place + 1).unwrap_or(i32::MAX)
}

/// Writes the profiles of customers that have none, with their identifiers and channels.
pub(super) async fn insert(conn: &mut Conn<'_>, source_id: i32, rows: &[&Customer]) -> sqlx::Result<()> {
    let profiles: Vec<((i64, i32), &Profile)> =
        rows.iter().flat_map(|row| row.profiles.iter().enumerate().map(|(place, profile)| ((row.id, number(place)), profile))).collect();
    let identifiers = parts(&profiles, |profile| &profile.identifiers);
    let channels = parts(&profiles, |profile| &profile.channels);
    sqlx::query_file!(
        "src/store/sql/customer_write_profiles.sql",
        source_id,
        &column(&profiles, |((id, _), _)| *id),
        &column(&profiles, |((_, no), _)| *no),
        &column(&profiles, |(_, profile)| profile.profile_source.as_deref()) as _,
        &column(&profiles, |(_, profile)| profile.account_id.as_deref()) as _,
        &column(&profiles, |(_, profile)| profile.first_name.as_deref()) as _,
        &column(&profiles, |(_, profile)| profile.last_name.as_deref()) as _,
        &column(&profiles, |(_, profile)| profile.auto_update_time) as _,
        &column(&profiles, |(_, profile)| Json(&profile.fields)) as _,
        &column(&identifiers, |(key, ..)| key.0),
        &column(&identifiers, |(key, ..)| key.1),
        &column(&identifiers, |(_, place, _)| *place),
        &column(&identifiers, |(.., entry)| entry.kind.as_deref()) as _,
        &column(&identifiers, |(.., entry)| entry.value.as_deref()) as _,
        &column(&channels, |(key, ..)| key.0),
        &column(&channels, |(key, ..)| key.1),
        &column(&channels, |(_, place, _)| *place),
        &column(&channels, |(.., entry)| entry.kind.as_deref()) as _,
        &column(&channels, |(.., entry)| entry.value.as_deref()) as _,
        &column(&channels, |(.., entry)| entry.is_primary) as _,
        &column(&channels, |(.., entry)| entry.is_verified) as _,
        &column(&channels, |(.., entry)| Json(&entry.meta)) as _,
        &column(&channels, |(.., entry)| Json(&entry.attributes)) as _
    )
    .execute(conn)
    .await
    .map(|_| ())
}

/// What profiles hold, each part with its profile's key and its place.
fn parts<'a, P>(profiles: &[((i64, i32), &'a Profile)], of: impl Fn(&'a Profile) -> &'a Vec<P>) -> Vec<((i64, i32), i32, &'a P)> {
    profiles.iter().flat_map(|(key, profile)| of(profile).iter().enumerate().map(|(place, part)| (*key, number(place), part))).collect()
}

fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Removes all profiles of these customers.
pub(super) async fn delete(conn: &mut Conn<'_>, source_id: i32, ids: &[i64]) -> sqlx::Result<()> {
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

/// Writes the profiles' stamps only.
pub(super) async fn touch(conn: &mut Conn<'_>, source_id: i32, rows: &[&Customer]) -> sqlx::Result<()> {
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

/// The profiles of these customers.
pub(super) async fn load(conn: &mut Conn<'_>, source_id: i32, ids: &[i64]) -> sqlx::Result<HashMap<i64, Vec<Profile>>> {
    let mut parts = load_parts(&mut *conn, source_id, ids).await?;
    let rows = sqlx::query!(
        r#"select customer_id, profile_no, profile_source, account_id, first_name, last_name, auto_update_time, fields as "fields: JsonObject"
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

async fn load_parts(conn: &mut Conn<'_>, source_id: i32, ids: &[i64]) -> sqlx::Result<Parts> {
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
               meta as "meta: JsonObject", attributes as "attributes: JsonObject"
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
