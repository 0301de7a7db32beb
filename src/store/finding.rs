//! Findings: open once, seen again without a new row, resolved when a later walk no longer sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use super::{conn::Conn, facts::At, run::OpenRun};
use crate::model::finding::{self as model, About, Finding, words};

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
    let kind = |finding: &&Finding| model::of(finding.kind);
    let severities: Vec<&str> = distinct.iter().map(|finding| kind(finding).map_or("look", |kind| kind.severity.into())).collect();
    let subjects: Vec<&str> = distinct.iter().map(|finding| kind(finding).map_or("node", |kind| kind.subject.into())).collect();
    sqlx::query!(
        "insert into hiersync.finding as f (source_id, run_id, walk_id, seen_at, kind, key, detail, severity, entity)
         select $1, $2, $3, $4, n.kind, n.key, n.detail, n.severity, case
             when n.subject <> 'node' then n.subject when s.vendor = 'capillary' then 'customer' else 'reporting_user' end
         from unnest($5::text[], $6::text[], $7::jsonb[], $8::text[], $9::text[]) as n (kind, key, detail, severity, subject)
         join hiersync.source s on s.source_id = $1
         on conflict (source_id, kind, key) where resolved_at is null
         do update set walk_id = excluded.walk_id, detail = excluded.detail where f.walk_id <> excluded.walk_id",
        at.source_id,
        at.run_id,
        at.walk_id,
        at.now,
        &kinds as &[&str],
        &keys as &[&str],
        &details as _,
        &severities as &[&str],
        &subjects as &[&str]
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

/// Resolves what the walk, now ended without being complete, would have seen again.
pub async fn resolve_seen(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query_file!(
        "src/store/sql/finding_resolve_seen.sql",
        run.lease.source_id,
        run.walk_id,
        &words(About::List) as &[&str],
        &words(About::Row) as &[&str],
        &words(About::End) as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Resolves the findings of one kind, which are no longer so. `about`: only those about this.
pub async fn withdraw(conn: &mut Conn<'_>, run: &OpenRun, kind: &str, about: Option<&str>) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.finding set resolved_at = clock_timestamp()
         where source_id = $1 and kind = $2 and resolved_at is null and key = coalesce($3, key)",
        run.lease.source_id,
        kind,
        about
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a finding of this kind is open, whatever walk has seen it.
pub async fn is_open(conn: &mut Conn<'_>, source_id: i32, kind: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.finding where source_id = $1 and kind = $2 and resolved_at is null
           ) as "is_open!""#,
        source_id,
        kind
    )
    .fetch_one(conn)
    .await
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

/// One row of `finding`.
#[derive(Debug, Clone, Serialize)]
pub struct FindingRow {
    /// Its number.
    pub finding_id: i64,
    /// The source.
    pub source: String,
    /// What kind of thing.
    pub kind: String,
    /// `act`, `look` or `told`.
    pub severity: String,
    /// What its key names: `customer`, `reporting_user`, `source` or `field`.
    pub entity: String,
    /// Contains the id that it is about.
    pub key: String,
    /// The root that it is about, as the config names it, if it is one.
    pub root: Option<String>,
    /// In plain words, under `say`, and what else is known.
    pub detail: Value,
    /// When it was first seen.
    pub seen_at: DateTime<Utc>,
    /// When a later walk no longer saw it.
    pub resolved_at: Option<DateTime<Utc>>,
}

/// The newest findings of each source and kind, those that are open or all: the severe kinds first, of one kind the newest first.
pub async fn newest(conn: &mut Conn<'_>, source: Option<&str>, all: bool, limit: i64) -> sqlx::Result<Vec<FindingRow>> {
    // That a kind is a range of kinds keeps the planner from looking for one that is rare from the newest finding back.
    let kinds: Vec<&str> = model::by_severity().flat_map(|kind| kind.words).copied().collect();
    sqlx::query_as!(
        FindingRow,
        r#"select f.finding_id, s.name as source, f.kind, f.severity, f.entity, f.key, r.asked_by as "root?", f.detail, f.seen_at, f.resolved_at
           from hiersync.source s
           cross join unnest($4::text[]) with ordinality k (kind, place)
           cross join lateral (
               select * from hiersync.finding f
               where f.source_id = s.source_id and f.kind between k.kind and k.kind and ($2 or f.resolved_at is null)
               order by f.kind desc, f.finding_id desc limit $3
           ) f
           left join lateral (
               select r.asked_by from hiersync_internal.root r
               where r.source_id = f.source_id and r.node_key = split_part(f.key, ' ', 1) and r.asked_by <> r.node_key
               order by r.asked_by limit 1
           ) r on true
           where $1::text is null or s.name = $1
           order by k.place, s.name, f.finding_id desc"#,
        source,
        all,
        limit,
        &kinds as &[&str]
    )
    .fetch_all(conn)
    .await
}

/// What explains how a walk has ended, in the order in which it was met.
pub async fn explaining(conn: &mut Conn<'_>, run: &OpenRun, limit: i64) -> sqlx::Result<Vec<FindingRow>> {
    sqlx::query_as!(
        FindingRow,
        r#"select f.finding_id, s.name as source, f.kind, f.severity, f.entity, f.key, r.asked_by as "root?", f.detail, f.seen_at, f.resolved_at
           from hiersync.finding f
           join hiersync.source s using (source_id)
           left join lateral (
               select r.asked_by from hiersync_internal.root r
               where r.source_id = f.source_id and r.node_key = split_part(f.key, ' ', 1) and r.asked_by <> r.node_key
               order by r.asked_by limit 1
           ) r on true
           where f.source_id = $1 and f.resolved_at is null and f.walk_id = $2 and f.kind = any ($3)
           order by f.finding_id limit $4"#,
        run.lease.source_id,
        run.walk_id,
        &model::explaining() as &[&str],
        limit
    )
    .fetch_all(conn)
    .await
}
