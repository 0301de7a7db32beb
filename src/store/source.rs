//! Sources: their ids, and the numbers of their nodes.

use sqlx::PgConnection;

/// The id of a configured source; a new one is written down. `None`: it was of another vendor before.
///
/// # Errors
/// When the database fails.
pub async fn id_of(conn: &mut PgConnection, name: &str, vendor: &str) -> sqlx::Result<Option<i32>> {
    // Two processes may meet here: `do nothing` lets the later one read what the earlier one wrote.
    sqlx::query!("insert into hiersync.source (name, vendor) values ($1, $2) on conflict (name) do nothing", name, vendor)
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query!("select source_id, vendor from hiersync.source where name = $1", name).fetch_one(conn).await?;
    Ok((row.vendor == vendor).then_some(row.source_id))
}

/// Takes numbers for new nodes and gives the first.
///
/// # Errors
/// When the database fails.
pub async fn take_numbers(conn: &mut PgConnection, source_id: i32, count: i32) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"update hiersync.source set next_node_no = next_node_no + $2 where source_id = $1 returning next_node_no - $2 as "first!""#,
        source_id,
        count
    )
    .fetch_one(conn)
    .await
}
