//! Walks: opened, remembered, closed.

use super::{conn::Conn, run::OpenRun};

/// The open walk to go on with; one that was begun with other settings is closed as superseded.
pub async fn open(conn: &mut Conn<'_>, source_id: i32, shape: &str) -> sqlx::Result<i64> {
    sqlx::query!(
        "update hiersync_internal.walk set finished_at = clock_timestamp(), verdict = 'superseded'
         where source_id = $1 and finished_at is null and shape <> $2",
        source_id,
        shape
    )
    .execute(&mut *conn)
    .await?;
    let open = sqlx::query_scalar!("select walk_id from hiersync_internal.walk where source_id = $1 and finished_at is null", source_id);
    if let Some(walk_id) = open.fetch_optional(&mut *conn).await? {
        return Ok(walk_id);
    }
    sqlx::query_scalar!("insert into hiersync_internal.walk (source_id, shape) values ($1, $2) returning walk_id", source_id, shape)
        .fetch_one(conn)
        .await
}

/// The latest walk of a source.
#[derive(Debug, Clone)]
pub struct Latest {
    /// Its number.
    pub walk_id: i64,
    /// It goes on.
    pub is_open: bool,
    /// As the settings were that decide what is read.
    pub shape: String,
    /// What its lists hold, once that is known.
    pub reach: Option<String>,
}

/// The latest walk of a source that was not superseded.
pub async fn latest(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<Option<Latest>> {
    sqlx::query_as!(
        Latest,
        r#"select walk_id, finished_at is null as "is_open!", shape, reach from hiersync_internal.walk
           where source_id = $1 and verdict is distinct from 'superseded' order by walk_id desc limit 1"#,
        source_id
    )
    .fetch_optional(conn)
    .await
}

/// What a walk leaves.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    /// Live nodes.
    pub live: i64,
    /// Lists that it could not prove.
    pub unproven: i64,
}

/// Renews what the planner knows of tables of which it knows fewer rows than this walk has taken in.
pub async fn analyze_loaded(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<()> {
    let query = sqlx::query!("select from hiersync_internal.analyze_loaded($1, $2)", run.lease.source_id, run.walk_id);
    query.execute(conn).await.map(|_| ())
}

/// Closes the walk. The first complete one of its source is remembered.
pub async fn close(conn: &mut Conn<'_>, run: &OpenRun, is_complete: bool, left: Left) -> sqlx::Result<()> {
    let verdict = if is_complete { "complete" } else { "partial" };
    sqlx::query!(
        "with first as (
             update hiersync_internal.source_state set first_complete_walk_id = $2
             where source_id = $1 and $3 = 'complete' and first_complete_walk_id is null
         )
         update hiersync_internal.walk set finished_at = clock_timestamp(), verdict = $3, live_nodes = $4, lists_unproven = $5
         where source_id = $1 and walk_id = $2",
        run.lease.source_id,
        run.walk_id,
        verdict,
        left.live,
        left.unproven
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The live nodes that the last complete walk of the source left.
pub async fn last_live(conn: &mut Conn<'_>, source_id: i32) -> sqlx::Result<Option<i64>> {
    let last = sqlx::query_scalar!(
        "select live_nodes from hiersync_internal.walk where source_id = $1 and verdict = 'complete' order by walk_id desc limit 1",
        source_id
    );
    Ok(last.fetch_optional(conn).await?.flatten())
}

/// What is known of a walk that goes on.
#[derive(Debug, Clone, Default)]
pub struct Recalled {
    /// What its lists hold, once that is known.
    pub reach: Option<String>,
    /// What those of the last complete walk of the same settings held.
    pub last_reach: Option<String>,
    /// Something was seen to move.
    pub has_moved: bool,
    /// A list has shown somebody whose link did not live.
    pub has_newcomers: bool,
    /// Rows of its longest page.
    pub longest_page: i32,
    /// An earlier walk of this source has ended: the mirror knows who was there.
    pub knows: bool,
}

/// What is known of a walk that goes on.
pub async fn recall(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<Recalled> {
    sqlx::query_as!(
        Recalled,
        r#"select this.reach, this.has_moved, this.has_newcomers, this.longest_page,
               (
                   select last.reach from hiersync_internal.walk last
                   where last.source_id = $1 and last.shape = this.shape and last.verdict = 'complete' and last.reach is not null
                   order by last.walk_id desc limit 1
               ) as last_reach,
               exists (
                   select 1 from hiersync_internal.walk w where w.source_id = $1 and w.verdict in ('complete', 'partial')
               ) as "knows!"
           from hiersync_internal.walk this where this.source_id = $1 and this.walk_id = $2"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_one(conn)
    .await
}

/// How many nodes the walk's runs have met so far.
pub async fn found(conn: &mut Conn<'_>, run: &OpenRun) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(inserted + case when is_refresh then 0 else updated + unchanged + restored end), 0)::bigint as "found!"
           from hiersync.sync_run where source_id = $1 and walk_id = $2"#,
        run.lease.source_id,
        run.walk_id
    )
    .fetch_one(conn)
    .await
}

/// Remembers what a page has shown of this walk: something has moved, there are newcomers, and how long the page is.
pub async fn remember(conn: &mut Conn<'_>, run: &OpenRun, has_moved: bool, has_newcomers: bool, page: u32) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.walk
         set has_moved = has_moved or $3, has_newcomers = has_newcomers or $4, longest_page = greatest(longest_page, $5)
         where source_id = $1 and walk_id = $2",
        run.lease.source_id,
        run.walk_id,
        has_moved,
        has_newcomers,
        page.cast_signed()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Remembers what the lists of this walk hold.
pub async fn set_reach(conn: &mut Conn<'_>, run: &OpenRun, reach: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update hiersync_internal.walk set reach = $3 where source_id = $1 and walk_id = $2",
        run.lease.source_id,
        run.walk_id,
        reach
    )
    .execute(conn)
    .await?;
    Ok(())
}
