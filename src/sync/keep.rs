//! What is older than it is kept is removed before a run reads anything, a part at a time: who reads or writes waits for none of it.

use super::{
    Interrupted,
    context::{Context, Synced},
};
use crate::{
    config::Keep,
    model::run::Counters,
    store::{keep, session::Session},
};

/// Rows of each table that one transaction removes at most.
const AT_ONCE: i32 = 10_000;

/// Removes it. A dry run removes nothing.
///
/// # Errors
/// When the database fails or the lease is lost.
pub async fn remove_old<V: Synced>(context: &Context<V>, kept: Keep) -> Result<(), Interrupted> {
    let is_for_ever = kept == Keep::default();
    if is_for_ever || matches!(context.session, Session::Dry(_)) {
        return Ok(());
    }
    loop {
        let mut w = context.write().await?;
        let source_id = w.at.source_id;
        let is_more_left = keep::remove(&mut w.step.conn(), source_id, kept.runs, kept.history, AT_ONCE).await?;
        w.commit(Counters::default()).await?;
        if !is_more_left {
            return Ok(());
        }
    }
}
