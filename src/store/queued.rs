//! Lists that come into the frontier, and that leave it.

use serde_json::Value;

use super::{conn::Conn, frontier::Work, run::OpenRun};

/// Lists by columns, as arrays for `unnest`.
struct Columns<'a> {
    keys: Vec<String>,
    numbers: Vec<Option<i32>>,
    depths: Vec<i32>,
    kinds: Vec<Option<&'a str>>,
    values: Vec<Option<&'a str>>,
    expected: Vec<Option<i64>>,
    shown_by: Vec<Option<String>>,
    wanted: Vec<Option<bool>>,
}

impl<'a> Columns<'a> {
    fn of(lists: &[&'a Work]) -> Self {
        Self {
            keys: lists.iter().map(|list| list.parent.to_string()).collect(),
            numbers: lists.iter().map(|list| list.node_no).collect(),
            depths: lists.iter().map(|list| list.depth).collect(),
            kinds: lists.iter().map(|list| list.ask.as_ref().map(|ask| ask.kind.as_str())).collect(),
            values: lists.iter().map(|list| list.ask.as_ref().map(|ask| ask.value.as_str())).collect(),
            expected: lists.iter().map(|list| list.expected).collect(),
            shown_by: lists.iter().map(|list| list.shown_by.as_ref().map(|above| above.to_string())).collect(),
            wanted: lists.iter().map(|list| list.wanted).collect(),
        }
    }
}

/// Queues lists that this walk has not met yet, and gives those with their numbers.
pub async fn queue(conn: &mut Conn<'_>, run: &OpenRun, lists: &[&Work]) -> sqlx::Result<Vec<Work>> {
    if lists.is_empty() {
        return Ok(Vec::new());
    }
    let columns = Columns::of(lists);
    let queued = sqlx::query_file!(
        "src/store/sql/frontier_queue.sql",
        run.lease.source_id,
        run.walk_id,
        &columns.keys,
        &columns.numbers as _,
        &columns.depths,
        &columns.kinds as _,
        &columns.values as _,
        &columns.expected as _,
        &columns.shown_by as _,
        &columns.wanted as _
    )
    .fetch_all(conn)
    .await?;
    let number = |key: String| queued.iter().find(|row| row.parent_key == key).map(|row| row.list_no);
    Ok(lists.iter().filter_map(|list| number(list.parent.to_string()).map(|list_no| Work { list_no, ..(*list).clone() })).collect())
}

/// Writes what a node's row, shown once more in this walk, says of its list. Gives of how many lists it says anything new.
pub async fn restate(conn: &mut Conn<'_>, run: &OpenRun, lists: &[&Work]) -> sqlx::Result<u64> {
    if lists.is_empty() {
        return Ok(0);
    }
    let columns = Columns::of(lists);
    let restated = sqlx::query!(
        "update hiersync_internal.frontier f
         set depth = least(f.depth, n.depth), expected = n.expected, shown_by = n.shown_by,
             ask_kind = coalesce(f.ask_kind, n.kind), ask_value = coalesce(f.ask_value, n.value)
         from unnest($3::text[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::text[])
             as n (key, depth, expected, shown_by, kind, value)
         where f.source_id = $1 and f.walk_id = $2 and f.parent_key = n.key and f.shown_by is not null
           and (f.depth > n.depth or f.expected is distinct from n.expected or f.shown_by is distinct from n.shown_by
               or f.ask_kind is null and n.kind is not null)",
        run.lease.source_id,
        run.walk_id,
        &columns.keys,
        &columns.depths,
        &columns.expected as _,
        &columns.shown_by as _,
        &columns.kinds as _,
        &columns.values as _
    )
    .execute(conn)
    .await?;
    Ok(restated.rows_affected())
}

/// Queues the roots' own lists to be read once more, with this pass, unless they were read often enough. Gives how many there are.
pub async fn read_roots_again(conn: &mut Conn<'_>, run: &OpenRun, pass: &Value) -> sqlx::Result<u64> {
    let queued = sqlx::query!(
        "update hiersync_internal.frontier
         set state = 'queued', attempts = attempts + 1, pass = $3, seen_earlier = seen, seen = '{}'
         where source_id = $1 and walk_id = $2 and depth = 0 and state = 'read' and attempts < 2",
        run.lease.source_id,
        run.walk_id,
        pass
    )
    .execute(conn)
    .await?;
    Ok(queued.rows_affected())
}

/// Drops what is still queued below the roots: everybody below is known from the roots' own lists.
pub async fn drop_queued(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from hiersync_internal.frontier where source_id = $1 and walk_id = $2 and depth > 0",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops the search over all users, read or not.
pub async fn drop_directory(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from hiersync_internal.frontier where source_id = $1 and walk_id = $2 and parent_key = '*'",
        run.lease.source_id,
        run.walk_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the rows of lists that the walk, now ended, did not meet.
pub async fn forget_unmet(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    sqlx::query!("delete from hiersync_internal.frontier where source_id = $1 and walk_id <> $2", run.lease.source_id, run.walk_id)
        .execute(conn)
        .await?;
    Ok(())
}
