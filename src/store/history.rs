//! What nodes were before they were replaced: the old version goes to its history table in the transaction that replaces it.
//! Links keep theirs in the statement that brings them back. Who is unchanged is not given here, and costs nothing.

use std::{collections::HashMap, hash::Hash};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{conn::Conn, facts::At};

/// Keeps customers as they stand, with their profiles, identifiers and channels. Each must be written over next: since when its
/// next version stands is given, in the ids' order.
pub(super) async fn keep_customers(conn: &mut Conn<'_>, at: At, ids: &[i64]) -> sqlx::Result<Vec<DateTime<Utc>>> {
    let kept = sqlx::query_file!("src/store/sql/customer_keep.sql", at.source_id, at.now, ids).fetch_all(conn).await?;
    Ok(in_order(at, ids, kept.into_iter().map(|row| (row.customer_id, row.valid_to))))
}

/// The same of users.
pub(super) async fn keep_users(conn: &mut Conn<'_>, at: At, ids: &[Uuid]) -> sqlx::Result<Vec<DateTime<Utc>>> {
    let kept = sqlx::query_file!("src/store/sql/user_keep.sql", at.source_id, at.now, ids).fetch_all(conn).await?;
    Ok(in_order(at, ids, kept.into_iter().map(|row| (row.user_id, row.valid_to))))
}

fn in_order<I: Eq + Hash>(at: At, ids: &[I], kept: impl Iterator<Item = (I, DateTime<Utc>)>) -> Vec<DateTime<Utc>> {
    let until: HashMap<I, DateTime<Utc>> = kept.collect();
    ids.iter().map(|id| until.get(id).copied().unwrap_or(at.now)).collect()
}
