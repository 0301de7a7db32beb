//! What is older than it is kept is removed, and who is gone for longer than they are remembered is erased, before a run reads anything, a part at a time: who reads or writes waits for none of it.

use chrono::TimeDelta;
use tracing::{info, warn};

use super::{
    Interrupted,
    context::{Context, Synced, Tables},
};
use crate::{
    config::Keep,
    model::run::Counters,
    store::{forget::Forget, keep, session::Session},
    text::chain,
};

/// Rows of each table that one transaction removes at most.
const AT_ONCE: i32 = 10_000;

/// Removes it. A dry run removes nothing. That it fails is no reason not to walk.
///
/// # Errors
/// When the lease is lost, or a stop is asked for.
pub async fn remove_old<V: Synced>(context: &Context<V>, kept: Keep) -> Result<(), Interrupted> {
    let forgets = context.source.forget_retired_after.is_some();
    if (kept == Keep::default() && !forgets) || matches!(context.session, Session::Dry(_)) {
        return Ok(());
    }
    while !context.caller.halt.is_final() {
        match remove_some(context, kept).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(why @ Interrupted::LeaseLost) => return Err(why),
            Err(why) => {
                warn!(error = chain(&why), "what is older than it is kept could not be removed; the next run will");
                return Ok(());
            }
        }
    }
    Err(Interrupted::Stopped)
}

/// `true`: more may be left.
async fn remove_some<V: Synced>(context: &Context<V>, kept: Keep) -> Result<bool, Interrupted> {
    let mut w = context.write().await?;
    w.step.is_about_all();
    let mut is_more_left = keep::remove(&mut w.step.conn(), w.at.source_id, kept.runs, kept.history, AT_ONCE).await?;
    if let Some(before) =
        context.source.forget_retired_after.and_then(|after| w.at.now.checked_sub_signed(TimeDelta::from_std(after).ok()?))
    {
        let forgotten = Tables::<V>::forget_retired(&mut w.step.conn(), w.at.source_id, before, AT_ONCE).await?;
        if forgotten > 0 {
            info!(source = context.source.name, forgotten, "persons who are gone for long are erased");
        }
        is_more_left |= forgotten > 0;
    }
    w.commit(Counters::default()).await?;
    Ok(is_more_left)
}
