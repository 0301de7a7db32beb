//! Settled trees: where each node hangs, kept by the transaction that closes a walk. What it does stands in the migration of trees.

use uuid::Uuid;

use super::{
    conn::Conn,
    customer::Customers,
    facts::{At, Oddity, ids},
    user::Users,
};
use crate::model::node::NodeId;

/// The settled tree of one vendor's nodes.
pub trait Places: Send + Sync + 'static {
    /// Brings the tree to where the links say, at the end of a walk that leaves so many live nodes. `several`: nodes with more than one
    /// live parent, whose main one may be another than before though no link has changed.
    fn settle(conn: &mut Conn<'_>, at: At, several: &[NodeId], live: i64) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Nodes that have no place because they are below themselves, where so many are live.
    fn cycles(conn: &mut Conn<'_>, at: At, live: i64) -> impl Future<Output = sqlx::Result<Vec<Oddity>>> + Send;
}

/// `$what`: the functions' name; `$id`: what an id is.
macro_rules! places {
    ($tables:ty, $what:literal, $id:ty) => {
        impl Places for $tables {
            async fn settle(conn: &mut Conn<'_>, at: At, several: &[NodeId], live: i64) -> sqlx::Result<()> {
                let settle = sqlx::query!(
                    "select hiersync_internal.settle_" + $what + "($1, $2, $3, $4)",
                    at.source_id,
                    at.walk_id,
                    &ids::<$id>(several),
                    live
                );
                settle.fetch_one(conn).await.map(|_| ())
            }

            async fn cycles(conn: &mut Conn<'_>, at: At, live: i64) -> sqlx::Result<Vec<Oddity>> {
                let rows = sqlx::query!(
                    r#"select u.id as "id!" from hiersync_internal.cycles_of_"#
                        + $what
                        + "($1, $2) u where $3 <> hiersync_internal.placed_of_"
                        + $what
                        + "($1)",
                    at.source_id,
                    at.walk_id,
                    live
                );
                let rows = rows.fetch_all(conn).await?.into_iter();
                Ok(rows.map(|row| Oddity { kind: "cycle".into(), key: row.id.into(), parents: 0 }).collect())
            }
        }
    };
}

places!(Customers, "customer", i64);
places!(Users, "user", Uuid);
