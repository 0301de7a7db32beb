//! Nodes of which only the id is known: roots that no list shows, and managers whom rows name and nobody shows.

use sqlx::types::Uuid;

use super::{
    conn::Conn,
    customer::{self, Customers},
    facts::{At, Ensured},
    mirror::Mirror,
    source,
    user::{self, Users},
};
use crate::model::node::NodeKey;

/// Makes sure that a customer of whom only the id is known has a live row, and gives its number.
pub(super) async fn customer(conn: &mut Conn<'_>, at: At, key: &NodeKey) -> sqlx::Result<(Ensured, i32)> {
    let before = sqlx::query!(
        r#"select node_no, retired_at is not null as "retired!" from hiersync.customer where source_id = $1 and customer_id = $2"#,
        at.source_id,
        customer::id(key)
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = before else {
        let node_no = source::take_numbers(&mut *conn, at.source_id, 1).await?;
        sqlx::query!(
            "insert into hiersync.customer (source_id, customer_id, node_no, is_placeholder, first_seen_at, changed_at, valid_from)
             values ($1, $2, $3, true, $4, $4, $4)",
            at.source_id,
            customer::id(key),
            node_no,
            at.now
        )
        .execute(conn)
        .await?;
        return Ok((Ensured::Inserted, node_no));
    };
    if row.retired {
        Customers::restore(conn, at, std::slice::from_ref(key)).await?;
        return Ok((Ensured::Restored, row.node_no));
    }
    Ok((Ensured::Known, row.node_no))
}

/// Whether a live link leads to this customer.
pub(super) async fn customer_has_parent(conn: &mut Conn<'_>, source_id: i32, id: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.customer_link l
               where l.source_id = $1 and l.child_id = $2 and l.parent_id <> $2 and l.retired_at is null
           ) as "any!""#,
        source_id,
        id
    )
    .fetch_one(conn)
    .await
}

/// Makes sure that a user of whom only the id is known has a live row, and gives its number.
pub(super) async fn user(conn: &mut Conn<'_>, at: At, key: &NodeKey) -> sqlx::Result<(Ensured, i32)> {
    let before = sqlx::query!(
        r#"select node_no, retired_at is not null as "retired!" from hiersync.reporting_user where source_id = $1 and user_id = $2"#,
        at.source_id,
        user::id(key)
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = before else {
        let node_no = source::take_numbers(&mut *conn, at.source_id, 1).await?;
        sqlx::query!(
            "insert into hiersync.reporting_user (source_id, user_id, node_no, is_placeholder, first_seen_at, changed_at, valid_from)
             values ($1, $2, $3, true, $4, $4, $4)",
            at.source_id,
            user::id(key),
            node_no,
            at.now
        )
        .execute(conn)
        .await?;
        return Ok((Ensured::Inserted, node_no));
    };
    if row.retired {
        Users::restore(conn, at, std::slice::from_ref(key)).await?;
        return Ok((Ensured::Restored, row.node_no));
    }
    Ok((Ensured::Known, row.node_no))
}

/// Whether a live link leads to this user.
pub(super) async fn user_has_parent(conn: &mut Conn<'_>, source_id: i32, id: Uuid) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select 1 from hiersync.reporting_line l
               where l.source_id = $1 and l.user_id = $2 and l.manager_id <> $2 and l.retired_at is null
           ) as "any!""#,
        source_id,
        id
    )
    .fetch_one(conn)
    .await
}
