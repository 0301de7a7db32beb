//! What is read once more when all lists have been read: only then it shows which of them leave something open.

use std::sync::atomic::Ordering;

use super::{Interrupted, context::Context};
use crate::{
    model::{reading::Reading, run::Counters},
    store::{frontier, reread, run, session::Step},
    vendor::hierarchy::Hierarchy,
    walk::reach,
};

/// Queues lists whose end, or what follows from them, can be made sure only now. Gives how many there are.
///
/// # Errors
/// When the database fails or the lease is lost.
pub async fn queue<V: Hierarchy>(context: &Context<V>) -> Result<u64, Interrupted> {
    let mut step = context.session.begin().await?;
    if context.misread.swap(false, Ordering::Relaxed) {
        let roots = reread::queue_roots(&mut step.conn(), &context.open).await?;
        if roots > 0 {
            run::set_reach(&mut step.conn(), &context.open, None).await?;
            context.commit(step, Counters::default()).await?;
            context.set_reading(None);
            return Ok(roots);
        }
    }
    let (reading, mut lists) = settled_reading(context, &mut step).await?;
    // Where nothing moves, a list has ended when it has shown as many rows as the vendor said. Where something has moved, one
    // whose last page was full is asked what follows.
    if context.moved.load(Ordering::Relaxed) {
        lists += reread::queue_tight(&mut step.conn(), &context.open).await?;
    }
    let mut settled = 0;
    if reading == Some(Reading::Subtree) {
        settled = reread::settle(&mut step.conn(), &context.open).await?;
        lists += reread::queue_unsure(&mut step.conn(), &context.open).await?;
    }
    if lists > 0 || settled > 0 || reading != context.reading() {
        context.commit(step, Counters::default()).await?;
    } else {
        step.commit().await?;
    }
    context.set_reading(reading);
    Ok(lists)
}

/// How the lists are read: by what all of them together tell, if none has told so far. If they disagree, somebody has come or
/// moved since the roots' own lists were read: those are queued, and this tells how many.
async fn settled_reading<V: Hierarchy>(context: &Context<V>, step: &mut Step) -> sqlx::Result<(Option<Reading>, u64)> {
    if let Some(reading) = context.reading() {
        return Ok((Some(reading), 0));
    }
    let (among_roots, all) = frontier::telling_rows(&mut step.conn(), &context.open).await?.unwrap_or_default();
    if 0 < among_roots && among_roots < all {
        let roots = reread::queue_roots(&mut step.conn(), &context.open).await?;
        if roots > 0 {
            return Ok((None, roots));
        }
    }
    // If nobody is below those below the roots, children and everybody below are the same.
    let Some(reading) = reach::from_lower_lists(among_roots, all, true) else { return Ok((Some(Reading::Direct), 0)) };
    run::set_reach(&mut step.conn(), &context.open, Some(reading.word())).await?;
    Ok((Some(reading), 0))
}
