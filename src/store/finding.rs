//! Findings: open once, seen again without a new row, resolved when a later walk no longer sees them.

use serde_json::{Map, Value, json};
use sqlx::types::Json;

use super::{conn::Conn, facts::At, run::OpenRun};

/// Something a person should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: &'static str,
    /// Contains the id that it is about.
    pub key: String,
    /// In plain words, with what to do; no personal data.
    pub say: String,
    /// What else is known.
    pub more: Map<String, Value>,
}

impl Finding {
    /// A finding with nothing but words.
    pub fn new(kind: &'static str, key: impl std::fmt::Display, say: impl Into<String>) -> Self {
        Self { kind, key: key.to_string(), say: say.into(), more: Map::new() }
    }

    fn detail(&self) -> Value {
        let mut detail = self.more.clone();
        detail.insert("say".into(), json!(self.say));
        Value::Object(detail)
    }
}

/// Opens findings; those that are open already are only marked as seen in this walk, once.
pub async fn open(conn: &mut Conn<'_>, at: At, findings: &[Finding]) -> sqlx::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    // One statement must not meet the same row twice.
    let mut distinct: Vec<&Finding> = findings.iter().collect();
    distinct.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
    distinct.dedup_by(|a, b| (a.kind, &a.key) == (b.kind, &b.key));
    let kinds: Vec<&str> = distinct.iter().map(|finding| finding.kind).collect();
    let keys: Vec<&str> = distinct.iter().map(|finding| finding.key.as_str()).collect();
    let details: Vec<Json<Value>> = distinct.iter().map(|finding| Json(finding.detail())).collect();
    sqlx::query!(
        "insert into hiersync.finding as f (source_id, run_id, walk_id, seen_at, kind, key, detail)
         select $1, $2, $3, $4, * from unnest($5::text[], $6::text[], $7::jsonb[])
         on conflict (source_id, kind, key) where resolved_at is null
         do update set walk_id = excluded.walk_id, detail = excluded.detail where f.walk_id <> excluded.walk_id",
        at.source_id,
        at.run_id,
        at.walk_id,
        at.now,
        &kinds as &[&str],
        &keys as &[&str],
        &details as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Of nodes shown as of these digests under an older stamp: those of which an earlier complete walk said the same, or, where any
/// other state will do, that the stamp was older.
pub async fn stale_before(conn: &mut Conn<'_>, at: At, keys: &[String], digests: &[Option<String>]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select n.key as "key!"
           from unnest($3::text[], $4::text[]) as n (key, digest)
           join hiersync.finding f on f.source_id = $1 and f.kind = 'stale_read' and f.key = n.key and f.resolved_at is null
           join hiersync_internal.walk w on w.source_id = $1 and w.walk_id = f.walk_id and w.verdict = 'complete'
           where f.walk_id <> $2 and f.detail ->> 'digest' = coalesce(n.digest, f.detail ->> 'digest')"#,
        at.source_id,
        at.walk_id,
        keys,
        digests as &[Option<String>]
    )
    .fetch_all(conn)
    .await
}

/// Resolves what the walk, now ended, no longer saw.
pub async fn resolve(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.finding set resolved_at = clock_timestamp() where source_id = $1 and resolved_at is null and walk_id <> $2",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// About a node's list, of which something could not be reached or proven: each leaves its walk partial.
pub const OF_LISTS: [&str; 11] = [
    "answer_too_large",
    "bad_answer",
    "bad_row",
    "cannot_ask",
    "count_mismatch",
    "list_moved",
    "list_refused",
    "list_repeats",
    "list_unavailable",
    "list_unreadable",
    "too_deep",
];
/// About a node's own row.
const OF_ROWS: [&str; 8] =
    ["bad_manager", "bad_time", "kept_as_text", "key_twice", "mixed_ids", "shown_twice", "silent_change", "text_replaced"];
/// Looked for at the end of every walk.
const OF_ENDS: [&str; 8] =
    ["columns_refused", "cycle", "limit_learned", "manager_not_listed", "managers_unknown", "root_unknown", "second_parent", "self_parent"];

/// Resolves what the walk, now ended without being complete, would have seen again.
pub async fn resolve_seen(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query_file!(
        "src/store/sql/finding_resolve_seen.sql",
        run.lease.source_id,
        run.walk_id,
        &OF_LISTS as &[&str],
        &OF_ROWS as &[&str],
        &OF_ENDS as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Resolves the findings of one kind, which are no longer so.
pub async fn withdraw(conn: &mut Conn<'_>, run: &OpenRun, kind: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.finding set resolved_at = clock_timestamp() where source_id = $1 and kind = $2 and resolved_at is null",
        run.lease.source_id,
        kind
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the walk saw a finding of one of these kinds.
pub async fn any_of(conn: &mut Conn<'_>, run: &OpenRun, kinds: &[&str]) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.finding
               where source_id = $1 and walk_id = $2 and resolved_at is null and kind = any($3)
           ) as "any!""#,
        run.lease.source_id,
        run.walk_id,
        kinds as &[&str]
    )
    .fetch_one(conn)
    .await
}
