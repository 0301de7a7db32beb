//! Writes what changed.

use serde_json::{Map, Value};
use sqlx::types::Json;

use chrono::{DateTime, Utc};

use super::{
    conn::Conn,
    facts::{At, Edge},
};
use crate::model::node::NodeId;

/// One row of `change`.
#[derive(Debug, Clone)]
pub struct Change {
    /// `customer`, `customer_link`, `reporting_user` or `reporting_line`.
    pub entity: &'static str,
    /// The node's id, or `parent/child`.
    pub key: String,
    /// `insert`, `update`, `retire` or `restore`.
    pub op: &'static str,
    /// Old and new value of each field, for an update.
    pub fields: Option<Map<String, Value>>,
    /// The vendor's stamp of the new state.
    pub vendor_time: Option<DateTime<Utc>>,
}

impl Change {
    /// A change of a link.
    pub fn of_link(entity: &'static str, op: &'static str, edge: &Edge) -> Self {
        Self { entity, key: format!("{}/{}", edge.parent, edge.child), op, fields: None, vendor_time: None }
    }
}

/// What is to be written of changes.
#[derive(Debug, Default)]
pub struct Told {
    /// Each with when it was seen.
    pub changes: Vec<(DateTime<Utc>, Change)>,
    /// Known nodes about which, or about whose links, something has changed, told or not: pages of lists on which they stand are to be looked
    /// up again.
    pub touched: Vec<NodeId>,
}

/// Writes change rows.
pub async fn write(conn: &mut Conn<'_>, at: At, Told { changes, touched }: &Told) -> sqlx::Result<()> {
    if changes.is_empty() && touched.is_empty() {
        return Ok(());
    }
    let mut touched: Vec<i64> = touched.iter().filter(|node| matches!(node, NodeId::Customer(_))).map(|node| (*node).into()).collect();
    touched.sort_unstable();
    touched.dedup();
    let seen: Vec<DateTime<Utc>> = changes.iter().map(|(seen, _)| *seen).collect();
    let entities: Vec<&str> = changes.iter().map(|(_, change)| change.entity).collect();
    let keys: Vec<&str> = changes.iter().map(|(_, change)| change.key.as_str()).collect();
    let ops: Vec<&str> = changes.iter().map(|(_, change)| change.op).collect();
    let fields: Vec<Option<Json<&Map<String, Value>>>> = changes.iter().map(|(_, change)| change.fields.as_ref().map(Json)).collect();
    let times: Vec<Option<DateTime<Utc>>> = changes.iter().map(|(_, change)| change.vendor_time).collect();
    let query = sqlx::query!(
        "with told as (
             insert into hiersync.change (source_id, run_id, walk_id, seen_at, entity, key, op, fields, vendor_time)
             select $1, $2, $3, * from unnest($4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::timestamptz[])
         )
         select case when cardinality($10::bigint[]) > 0 then hiersync_internal.forget_pages($1, $10) end",
        at.source_id,
        at.run_id,
        at.walk_id,
        &seen,
        &entities as &[&str],
        &keys as &[&str],
        &ops as &[&str],
        &fields as _,
        &times as _,
        &touched
    );
    query.execute(conn).await.map(|_| ())
}
