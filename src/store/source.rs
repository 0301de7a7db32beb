//! Sources: their ids, and the numbers of their nodes.

use chrono::{DateTime, Utc};

use super::conn::Conn;

/// The id of a configured source; a new one is written down. `None`: it was of another vendor before.
pub async fn id_of(conn: &mut Conn<'_>, name: &str, vendor: &str) -> sqlx::Result<Option<i32>> {
    // Two processes may meet here: `do nothing` lets the later one read what the earlier one wrote.
    sqlx::query!("insert into hiersync.source (name, vendor) values ($1, $2) on conflict (name) do nothing", name, vendor)
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query!("select source_id, vendor from hiersync.source where name = $1", name).fetch_one(&mut *conn).await?;
    sqlx::query!("insert into hiersync_internal.source_state (source_id) values ($1) on conflict do nothing", row.source_id)
        .execute(conn)
        .await?;
    Ok((row.vendor == vendor).then_some(row.source_id))
}

/// Whether a source of this name was ever synced.
pub async fn is_there(conn: &mut Conn<'_>, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists (select from hiersync.source where name = $1) as "is_there!""#, name).fetch_one(conn).await
}

/// Stops a source's schedule. Gives since when it is stopped.
pub async fn pause(conn: &mut Conn<'_>, name: &str) -> sqlx::Result<Option<DateTime<Utc>>> {
    let since = sqlx::query_scalar!(
        "update hiersync.source set paused_at = coalesce(paused_at, clock_timestamp()) where name = $1 returning paused_at",
        name
    );
    Ok(since.fetch_optional(conn).await?.flatten())
}

/// Goes on with a source's schedule. Gives since when it was stopped, if it was.
pub async fn resume(conn: &mut Conn<'_>, name: &str) -> sqlx::Result<Option<DateTime<Utc>>> {
    let since = sqlx::query_scalar!(
        "with before as (select source_id, paused_at from hiersync.source where name = $1 and paused_at is not null)
         update hiersync.source s set paused_at = null from before b where s.source_id = b.source_id returning b.paused_at",
        name
    );
    Ok(since.fetch_optional(conn).await?.flatten())
}

/// Whether a source's schedule is stopped.
pub async fn is_paused(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select paused_at is not null as "is_paused!" from hiersync.source where source_id = $1"#, source_id)
        .fetch_one(conn)
        .await
}

/// The sources whose schedules are stopped, and since when.
pub async fn paused(conn: &mut Conn<'_>) -> sqlx::Result<Vec<(String, DateTime<Utc>)>> {
    let rows = sqlx::query!(r#"select name, paused_at as "since!" from hiersync.source where paused_at is not null"#);
    Ok(rows.fetch_all(conn).await?.into_iter().map(|row| (row.name, row.since)).collect())
}

/// Writes down which sources the configuration names; those that it names no more keep their tables. Nothing is written that is known.
pub async fn configure(conn: &mut Conn<'_>, names: &[String]) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync.source set is_configured = name = any ($1) where is_configured is distinct from (name = any ($1))",
        names
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes numbers for new nodes and gives the first.
pub async fn take_numbers(conn: &mut Conn<'_>, source_id: i32, count: i32) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"update hiersync_internal.source_state set next_node_no = next_node_no + $2 where source_id = $1
           returning next_node_no - $2 as "first!""#,
        source_id,
        count
    )
    .fetch_one(conn)
    .await
}

/// Whether the count beside a page is that of the whole list, as earlier pages have taught.
pub async fn count_is_total(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!("select count_is_total from hiersync_internal.source_state where source_id = $1", source_id).fetch_one(conn).await
}

/// Remembers it.
pub async fn set_count_is_total(conn: &mut Conn<'_>, source_id: i32, is_total: bool) -> sqlx::Result<()> {
    sqlx::query!("update hiersync_internal.source_state set count_is_total = $2 where source_id = $1", source_id, is_total)
        .execute(conn)
        .await?;
    Ok(())
}
