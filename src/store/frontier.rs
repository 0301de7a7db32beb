//! The frontier: which lists are to be read, how far they are, what they have shown.

use serde_json::Value;
use sqlx::types::Json;

use super::{conn::Conn, facts::runs, run::OpenRun};
use crate::{config::Identifier, model::node::NodeId};

/// Stands for the directory of all users in place of a parent.
pub const DIRECTORY: &str = "*";

/// A list to be read, as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Whose list.
    pub parent: NodeId,
    /// That node's number; `None` for the directory.
    pub node_no: Option<i32>,
    /// Order among lists of one depth.
    pub list_no: i64,
    /// Levels below the root; 0 for a root's own list.
    pub depth: i32,
    /// How often it was begun anew in this walk.
    pub attempts: i32,
    /// By what a customer's children are asked for.
    pub ask: Option<Identifier>,
    /// How many children the vendor said there are.
    pub expected: Option<i64>,
    /// The list that showed the parent; `None` for a root.
    pub shown_by: Option<NodeId>,
    /// How far it was read, as the walk keeps it.
    pub pass: Value,
    /// Somebody asked for it: `true`: with everything below.
    pub wanted: Option<bool>,
}

impl Work {
    /// A list of which nothing but its place in the tree is known.
    pub fn new(parent: NodeId, node_no: Option<i32>, depth: i32) -> Self {
        Self { parent, node_no, list_no: 0, depth, attempts: 0, ask: None, expected: None, shown_by: None, pass: Value::Null, wanted: None }
    }

    /// It is the directory of all users.
    pub fn is_directory(&self) -> bool {
        self.parent == NodeId::Everybody
    }
}

/// What has become of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// To be read (on).
    Queued,
    /// Its count disagrees, or the vendor refuses it.
    Doubtful,
    /// Read to its end and proven.
    Read,
    /// Read to its end; what it does not show proves nothing.
    Unproven,
    /// It cannot be read.
    GivenUp,
}

/// What counts as shown by a list from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "snake_case")]
pub enum Shown {
    /// Whom the pass has shown so far.
    ByPass,
    /// Nobody yet: the next pass begins. Whom earlier ones have shown is kept beside it.
    ByNextPass,
    /// The same, and only whom this pass has shown is kept.
    ByNextPassAlone,
    /// Whom any pass has shown.
    Together,
    /// Nobody at all.
    Nobody,
}

/// The next lists to read: those first that somebody asked for, upper ones first, whose rows tell of those below; then the deepest, oldest of equals, those that are read again last. Without
/// those in hand.
pub async fn next(conn: &mut Conn<'_>, run: &OpenRun, in_hand: &[String], limit: i64) -> sqlx::Result<Vec<Work>> {
    let rows = sqlx::query!(
        "select parent_key, node_no, list_no, depth, attempts, ask_kind, ask_value, expected, shown_by, pass, wanted
         from hiersync_internal.frontier
         where source_id = $1 and walk_id = $2 and state = 'queued' and parent_key <> all($3)
         order by wanted is null, attempts, case when wanted is null then -depth else depth end, list_no limit $4",
        run.lease.source_id,
        run.walk_id,
        in_hand,
        limit
    )
    .fetch_all(conn)
    .await?;
    let work = rows.into_iter().map(|row| Work {
        parent: NodeId::parse(&row.parent_key),
        node_no: row.node_no,
        list_no: row.list_no,
        depth: row.depth,
        attempts: row.attempts,
        ask: row.ask_kind.zip(row.ask_value).map(|(kind, value)| Identifier { kind, value }),
        expected: row.expected,
        shown_by: row.shown_by.map(|text| NodeId::parse(&text)),
        pass: row.pass,
        wanted: row.wanted,
    });
    Ok(work.collect())
}

/// Where a list stands after a page.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// How far it was read.
    pub pass: &'a Value,
    /// What has become of it.
    pub state: State,
    /// Numbers of the nodes on the page.
    pub page: &'a [i32],
    /// What counts as shown.
    pub shown: Shown,
    /// Rows of its last page, where the vendor's count alone has ended it.
    pub last_page: Option<u32>,
}

/// Writes where a list stands. `false`: it is asked for in another way by now, and what was read is another node's.
pub async fn save(conn: &mut Conn<'_>, run: &OpenRun, work: &Work, standing: Standing<'_>) -> sqlx::Result<bool> {
    let mut numbers = standing.page.to_vec();
    numbers.sort_unstable();
    let (starts, lengths) = runs(&numbers);
    let saved = sqlx::query_file!(
        "src/store/sql/frontier_save.sql",
        run.lease.source_id,
        run.walk_id,
        work.parent.to_string(),
        Json(standing.pass) as _,
        standing.state.as_ref(),
        &starts,
        standing.shown.as_ref(),
        standing.last_page.map(u32::cast_signed),
        work.ask.as_ref().map(|ask| ask.value.as_str()),
        &lengths
    )
    .execute(conn)
    .await?;
    Ok(saved.rows_affected() == 1)
}

/// How many different nodes all passes over a list have shown in this walk.
pub async fn shown_together(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(upper(r.numbers) - lower(r.numbers)), 0)::bigint as "rows!"
           from hiersync_internal.frontier f cross join lateral unnest(f.seen + f.seen_earlier) as r (numbers)
           where f.source_id = $1 and f.walk_id = $2 and f.parent_key = $3"#,
        run.lease.source_id,
        run.walk_id,
        parent.to_string()
    )
    .fetch_one(conn)
    .await
}

/// Writes that a list cannot be read. Whom an earlier pass has shown still counts.
pub async fn give_up(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId) -> sqlx::Result<()> {
    end(conn, run, parent, "given_up").await
}

/// Takes a list that the vendor refuses for empty.
pub async fn take_as_empty(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId) -> sqlx::Result<()> {
    end(conn, run, parent, "read").await
}

async fn end(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId, state: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.frontier set state = $4, seen = seen + seen_earlier
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.to_string(),
        state
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Asks for a list in another way from now on. What it has shown so far may be another node's.
pub async fn ask_by(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId, ask: &Identifier) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.frontier
         set ask_kind = $4, ask_value = $5, state = 'queued', attempts = attempts + 1, pass = '{}', refusal = null, last_page = null,
             seen = '{}', seen_earlier = '{}'
         where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.to_string(),
        ask.kind,
        ask.value
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// By what a list of this walk is asked for.
pub async fn asked_by(conn: &mut Conn<'_>, run: &OpenRun, parent: NodeId) -> sqlx::Result<Option<Identifier>> {
    let row = sqlx::query!(
        "select ask_kind, ask_value from hiersync_internal.frontier where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent.to_string()
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| row.ask_kind.zip(row.ask_value)).map(|(kind, value)| Identifier { kind, value }))
}

/// What is still to be read of a walk that was closed proves nothing.
pub async fn leave_unread(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.frontier set state = 'unproven', seen = seen + seen_earlier
         where source_id = $1 and walk_id = $2 and state in ('queued', 'doubtful')",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What has become of a list of this walk; `None`: the walk has not met it.
pub async fn state_of(conn: &mut Conn<'_>, run: &OpenRun, parent: &str) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select state from hiersync_internal.frontier where source_id = $1 and walk_id = $2 and parent_key = $3",
        run.lease.source_id,
        run.walk_id,
        parent
    )
    .fetch_optional(conn)
    .await
}

/// How many lists of the walk could not be read or prove nothing.
pub async fn unproven(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from hiersync_internal.frontier where source_id = $1 and walk_id = $2 and state <> 'read' and not (depth < 0 and state = 'given_up')"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_one(conn)
    .await
}
