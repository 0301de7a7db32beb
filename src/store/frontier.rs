//! The frontier: which lists are to be read, how far they are, what they have shown.

use serde_json::Value;
use sqlx::types::Json;

use super::{conn::Conn, run::OpenRun};
use crate::{config::Identifier, model::node::NodeKey};

/// A list to be read, as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Whose list.
    pub parent: NodeKey,
    /// Levels below the root; 0 for a root's own list.
    pub depth: i32,
    /// Calls for it that failed in this walk.
    pub attempts: i32,
    /// By what a customer's children are asked for.
    pub ask: Option<Identifier>,
    /// How many children the vendor said there are.
    pub expected: Option<i64>,
    /// Where the parent was found; `None` for a root.
    pub found: Option<Found>,
    /// What was read, as the walk keeps it.
    pub progress: Value,
}

impl Found {
    pub(super) fn from_row(list_of: Option<String>, place: Option<i32>) -> Option<Self> {
        Some(Self { list_of: NodeKey(list_of?), place: place?.unsigned_abs() })
    }
}

impl Work {
    /// A list of which nothing but its place in the tree is known.
    pub fn new(parent: NodeKey, depth: i32) -> Self {
        Self { parent, depth, attempts: 0, ask: None, expected: None, found: None, progress: Value::Null }
    }
}

/// Where a node was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In whose list.
    pub list_of: NodeKey,
    /// Its place there, from 0.
    pub place: u32,
}

/// What has become of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be read (on).
    Queued,
    /// Read to its end and proven.
    Read,
    /// Read to its end; what it does not show proves nothing.
    Unproven,
    /// It cannot be read.
    GivenUp,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Read => "read",
            Self::Unproven => "unproven",
            Self::GivenUp => "given_up",
        }
    }
}

/// The next lists to read, upper levels first and those that are read once more last, without those already in hand.
///
/// # Errors
/// When the database fails.
pub async fn next(conn: &mut Conn<'_>, run: &OpenRun, in_hand: &[String], limit: i64) -> sqlx::Result<Vec<Work>> {
    let rows = sqlx::query!(
        "select parent_key, depth, attempts, ask_kind, ask_value, expected, progress, found_in, found_at
         from hiersync.frontier
         where source_id = $1 and walk_id = $2 and state = 'queued' and parent_key <> all($3)
         order by attempts, depth, list_no limit $4",
        run.lease.source_id,
        run.walk_id,
        in_hand,
        limit
    )
    .fetch_all(conn)
    .await?;
    let work = rows.into_iter().map(|row| Work {
        parent: NodeKey(row.parent_key),
        depth: row.depth,
        attempts: row.attempts,
        ask: row.ask_kind.zip(row.ask_value).map(|(kind, value)| Identifier { kind, value }),
        expected: row.expected,
        found: Found::from_row(row.found_in, row.found_at),
        progress: row.progress,
    });
    Ok(work.collect())
}

/// What the lists of those below the roots have shown of others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling {
    /// Rows that the roots' lists have too, at each of their readings.
    pub among_roots: i64,
    /// Those, and the rows that the roots' lists never have.
    pub all_rows: i64,
    /// A root's list was another at its second reading.
    pub has_moved: bool,
}

/// What the lists of those below the roots have shown of others. `None`: the roots' lists are not read.
///
/// # Errors
/// When the database fails.
pub async fn telling_rows(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Option<Telling>> {
    sqlx::query_file_as!(Telling, "src/store/sql/frontier_telling.sql", run.lease.source_id, run.walk_id).fetch_optional(conn).await
}

/// Queues lists that this walk has not met yet, and gives how many those were.
///
/// # Errors
/// When the database fails.
pub async fn queue(conn: &mut Conn<'_>, run: &OpenRun, lists: &[Work]) -> sqlx::Result<u64> {
    if lists.is_empty() {
        return Ok(0);
    }
    let keys: Vec<&str> = lists.iter().map(|list| list.parent.0.as_str()).collect();
    let depths: Vec<i32> = lists.iter().map(|list| list.depth).collect();
    let kinds: Vec<Option<&str>> = lists.iter().map(|list| list.ask.as_ref().map(|ask| ask.kind.as_str())).collect();
    let values: Vec<Option<&str>> = lists.iter().map(|list| list.ask.as_ref().map(|ask| ask.value.as_str())).collect();
    let expected: Vec<Option<i64>> = lists.iter().map(|list| list.expected).collect();
    let found_in: Vec<Option<&str>> = lists.iter().map(|list| list.found.as_ref().map(|found| found.list_of.0.as_str())).collect();
    let found_at: Vec<Option<i32>> = lists.iter().map(|list| list.found.as_ref().map(|found| found.place.cast_signed())).collect();
    let queued = sqlx::query_file!(
        "src/store/sql/frontier_queue.sql",
        run.lease.source_id,
        run.walk_id,
        &keys as &[&str],
        &depths,
        &kinds as _,
        &values as _,
        &expected as _,
        &found_in as _,
        &found_at as _
    )
    .execute(conn)
    .await?;
    Ok(queued.rows_affected())
}

/// Writes what a page has added to a list: how far it is, what it has become, and which nodes it has shown.
///
/// # Errors
/// When the database fails.
pub async fn save(conn: &mut Conn<'_>, run: &OpenRun, parent: &NodeKey, progress: &Value, state: State, shown: &[i32]) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.frontier
         set progress = $4, state = $5,
             seen = seen + coalesce((select range_agg(int4range(n, n, '[]')) from unnest($6::int[]) n), '{}')
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.0,
        Json(progress) as _,
        state.word(),
        shown
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts a failed call against a list. What an earlier reading of it has shown still counts.
///
/// # Errors
/// When the database fails.
pub async fn failed(conn: &mut Conn<'_>, run: &OpenRun, parent: &NodeKey, state: State) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.frontier set attempts = attempts + 1, state = $4, seen = seen + met
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.0,
        state.word()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many lists of the walk could not be read or prove nothing.
///
/// # Errors
/// When the database fails.
pub async fn unproven(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from hiersync.frontier
           where source_id = $1 and walk_id = $2 and state in ('queued', 'unproven', 'given_up')"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_one(conn)
    .await
}

/// Drops what is still queued below the roots: everybody below is known from the roots' own lists.
///
/// # Errors
/// When the database fails.
pub async fn drop_queued(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.frontier set state = 'read' where source_id = $1 and walk_id = $2 and state = 'queued' and depth > 0",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the rows of lists that the walk, now ended, did not meet.
///
/// # Errors
/// When the database fails.
pub async fn forget_unmet(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!("delete from hiersync.frontier where source_id = $1 and walk_id <> $2", run.lease.source_id, run.walk_id)
        .execute(conn)
        .await?;
    Ok(())
}
