//! What the status page shows beside the reports: a source's days, its findings by kind, one node, and who is looked for. Reads only.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use super::{conn::Conn, report::ChangeRow};

/// What a source's runs of one day came to.
#[derive(Debug, Clone)]
pub struct Day {
    /// In UTC.
    pub day: NaiveDate,
    /// Runs that began on it.
    pub runs: i64,
    /// Calls made.
    pub requests: i64,
    /// New nodes.
    pub inserted: i64,
    /// Changed nodes.
    pub updated: i64,
    /// Nodes gone.
    pub retired: i64,
}

/// The days of a source, the earliest first; a day without runs is there, too.
pub async fn days(conn: &mut Conn<'_>, source: &str, many: i32) -> sqlx::Result<Vec<Day>> {
    sqlx::query_as!(
        Day,
        r#"select d.day::date as "day!", count(r.run_id) as "runs!", coalesce(sum(r.requests), 0)::bigint as "requests!",
               coalesce(sum(r.inserted), 0)::bigint as "inserted!", coalesce(sum(r.updated), 0)::bigint as "updated!",
               coalesce(sum(r.retired), 0)::bigint as "retired!"
           from hiersync.source s
           cross join generate_series(
               (clock_timestamp() at time zone 'UTC')::date - $2::int + 1, (clock_timestamp() at time zone 'UTC')::date, interval '1 day'
           ) d (day)
           left join hiersync.sync_run r
               on r.source_id = s.source_id and r.started_at >= d.day at time zone 'UTC'
               and r.started_at < (d.day + interval '1 day') at time zone 'UTC'
           where s.name = $1
           group by d.day order by d.day"#,
        source,
        many
    )
    .fetch_all(conn)
    .await
}

/// Open findings of one kind.
#[derive(Debug, Clone)]
pub struct KindRow {
    /// The kind.
    pub kind: String,
    /// How many there are.
    pub many: i64,
    /// Since when the oldest is open.
    pub since: DateTime<Utc>,
    /// The newest: what it is about.
    pub key: String,
    /// What it says.
    pub say: Option<String>,
}

/// The open findings of a source by kind; of one node, if it is named.
pub async fn kinds(conn: &mut Conn<'_>, source: &str, node: Option<&str>) -> sqlx::Result<Vec<KindRow>> {
    sqlx::query_as!(
        KindRow,
        r#"select f.kind, count(*) as "many!", min(f.seen_at) as "since!",
               (array_agg(f.key order by f.finding_id desc))[1] as "key!",
               (array_agg(f.detail ->> 'say' order by f.finding_id desc))[1] as say
           from hiersync.source s join hiersync.finding f on f.source_id = s.source_id and f.resolved_at is null
           where s.name = $1 and ($2::text is null or split_part(f.key, ' ', 1) = $2)
           group by f.kind order by f.kind"#,
        source,
        node
    )
    .fetch_all(conn)
    .await
}

/// A node, with what is known of it.
#[derive(Debug, Clone)]
pub struct NodeRow {
    /// The source.
    pub source: String,
    /// `customer` or `reporting_user`.
    pub entity: String,
    /// Its id.
    pub key: String,
    /// Personal.
    pub name: Option<String>,
    /// Personal.
    pub email: Option<String>,
    /// Personal.
    pub mobile: Option<String>,
    /// Personal.
    pub external_id: Option<String>,
    /// Of a user.
    pub is_active: Option<bool>,
    /// Only its id is known.
    pub is_placeholder: bool,
    /// The vendor's stamp.
    pub auto_update_time: Option<DateTime<Utc>>,
    /// When it was first seen.
    pub first_seen_at: DateTime<Utc>,
    /// When anything of it last changed.
    pub changed_at: DateTime<Utc>,
    /// Since when it is gone.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was forgotten.
    pub forgotten_at: Option<DateTime<Utc>>,
    /// How many children the vendor says it has.
    pub no_of_children: Option<i64>,
    /// Ids from the root to itself, in the settled tree.
    pub path: Option<Vec<String>>,
    /// Who hangs on it there.
    pub children: Option<i32>,
    /// Who is below it there.
    pub descendants: Option<i32>,
    /// Its live parents, as the mirror stands.
    pub parents: Vec<String>,
    /// What has become of its list.
    pub list_state: Option<String>,
    /// How long the vendor said it is.
    pub list_expected: Option<i64>,
    /// How many it has shown.
    pub list_shown: Option<i64>,
    /// When its versions began, the newest first.
    pub versions: Vec<DateTime<Utc>>,
}

/// A node of a source.
pub async fn node(conn: &mut Conn<'_>, source: &str, key: &str) -> sqlx::Result<Option<NodeRow>> {
    sqlx::query_file_as!(NodeRow, "src/store/sql/look_node.sql", source, key).fetch_optional(conn).await
}

/// Nodes that a search gives at most.
pub const MOST_FOUND: usize = 50;

/// Whom somebody looks for in a source: the ids, at most [`MOST_FOUND`]. `persons`: not only by id.
pub async fn search(conn: &mut Conn<'_>, source: &str, text: &str, persons: bool) -> sqlx::Result<Vec<String>> {
    let begins = format!("{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
    let rows =
        sqlx::query_file!("src/store/sql/look_search.sql", source, text, persons, begins, i64::try_from(MOST_FOUND).unwrap_or(i64::MAX))
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| row.key).collect())
}

/// Which of these nodes the last closed walk has changed.
pub async fn changed_last(conn: &mut Conn<'_>, source: &str, keys: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select k.key as "key!" from hiersync.source s
           join hiersync_internal.settled w on w.source_id = s.source_id
           cross join unnest($2::text[]) k (key)
           where s.name = $1 and exists (
               select from hiersync.change c
               where c.source_id = s.source_id and c.entity in ('customer', 'reporting_user') and c.key = k.key and c.walk_id = w.walk_id
           )"#,
        source,
        keys
    )
    .fetch_all(conn)
    .await
}

/// Which changes are wanted; what is `None` says nothing.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// The source.
    pub source: Option<&'a str>,
    /// `change.entity`.
    pub entity: Option<&'a str>,
    /// `change.op`.
    pub op: Option<&'a str>,
    /// The node's id, or `parent/child`.
    pub key: Option<&'a str>,
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
    /// Of this run.
    pub run_id: Option<i64>,
    /// Below this number.
    pub before: Option<i64>,
}

/// The latest of these changes, newest first.
pub async fn changes(conn: &mut Conn<'_>, wanted: &Wanted<'_>, limit: i64) -> sqlx::Result<Vec<ChangeRow>> {
    sqlx::query_as!(
        ChangeRow,
        r#"select c.change_id, s.name as source, c.run_id, c.entity, c.key, c.op, c.fields as "fields?: Value", c.vendor_time, c.seen_at
           from hiersync.source s
           cross join lateral (
               select * from hiersync.change c
               where c.source_id = s.source_id and ($8::bigint is null or c.change_id < $8)
                 and ($2::text is null or c.entity = $2) and ($3::text is null or c.op = $3)
                 and ($4::text is null or c.key = $4 and c.entity in ('customer', 'customer_link', 'reporting_user', 'reporting_line'))
                 and ($5::timestamptz is null or c.seen_at >= $5) and ($6::timestamptz is null or c.seen_at < $6)
                 and ($9::bigint is null or c.run_id = $9)
               order by c.change_id desc limit $7
           ) c
           where $1::text is null or s.name = $1
           order by c.change_id desc limit $7"#,
        wanted.source,
        wanted.entity,
        wanted.op,
        wanted.key,
        wanted.since,
        wanted.until,
        limit,
        wanted.before,
        wanted.run_id
    )
    .fetch_all(conn)
    .await
}

/// A text that is another one whenever there is something new to be seen.
pub async fn pulse(conn: &mut Conn<'_>) -> sqlx::Result<String> {
    sqlx::query_scalar!(
        r#"select concat_ws(
               ' ', coalesce(max(r.run_id), 0), count(r.run_id) filter (where r.outcome is null), sum(r.pages), sum(r.requests),
               max(r.finished_at), count(s.paused_at)
           ) as "pulse!"
           from hiersync.source s
           left join lateral (
               select * from hiersync.sync_run r where r.source_id = s.source_id order by r.run_id desc limit 1
           ) r on true"#
    )
    .fetch_one(conn)
    .await
}
