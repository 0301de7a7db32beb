//! What is not kept for ever: runs, walks and findings, replaced versions and changes.

use std::time::Duration;

use super::conn::Conn;

/// Removes what is older than it is kept, `many` rows of each table at most; `None` keeps for ever. `true`: more may be left. It is looked
/// for again after a day, or a tenth of what is kept, if that is shorter.
pub async fn remove(
    conn: &mut Conn<'_>,
    source_id: i32,
    runs: Option<Duration>,
    history: Option<Duration>,
    many: i32,
) -> sqlx::Result<bool> {
    let (runs, history) = (runs.map(|kept| kept.as_secs_f64()), history.map(|kept| kept.as_secs_f64()));
    let removed = sqlx::query_scalar!(
        r#"select hiersync_internal.remove_runs($1, clock_timestamp() - make_interval(secs => $2), $4)
               + hiersync_internal.remove_history($1, clock_timestamp() - make_interval(secs => $3), $4) as "removed!"
           from hiersync_internal.source_state s
           where s.source_id = $1
             and (s.tidied_at + least(interval '1 day', make_interval(secs => least($2, $3) / 10)) > clock_timestamp()) is not true"#,
        source_id,
        runs,
        history,
        many
    )
    .fetch_optional(&mut *conn)
    .await?;
    if removed == Some(0) {
        sqlx::query!("update hiersync_internal.source_state set tidied_at = clock_timestamp() where source_id = $1", source_id)
            .execute(conn)
            .await?;
    }
    Ok(removed.is_some_and(|removed| removed > 0))
}
