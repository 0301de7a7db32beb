//! What is read once more when all lists have been read: only then it shows which of them leave something open.

use std::sync::atomic::Ordering;

use super::{Interrupted, context::Context, reach};
use crate::{
    model::{reading::Reading, run::Counters},
    store::{reread, run},
    vendor::hierarchy::Hierarchy,
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
    let (reading, mut lists) = reach::at_the_end(context, &mut step).await?;
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
