//! The loop: a list from the queue, a page from the vendor, a transaction, until the list is at its end.

use futures::FutureExt;
use tracing::warn;

use super::{
    Interrupted,
    caller::{CallError, millis},
    context::Context,
    page, roster,
};
use crate::{
    clock,
    model::run::Counters,
    store::{
        finding::{self, Finding},
        frontier::{self, State, Work},
        mirror::Mirrored,
    },
    vendor::{Ask, List, error::VendorError, hierarchy::Hierarchy},
    walk::list::Progress,
};

/// Reads lists until none is left.
///
/// # Errors
/// When the run must end before that.
pub async fn work<V>(context: &Context<V>) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    while let Some(mut work) = context.queue.next(&context.session, &context.open).await? {
        let read = read_list(context, &mut work).await;
        context.queue.put_down(&work).await;
        read?;
    }
    Ok(())
}

async fn read_list<V>(context: &Context<V>, work: &mut Work) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let vendor = &context.caller.vendor;
    let list = if work.parent.0 == roster::KEY { Ok(List::Roster) } else { vendor.list(&work.parent, work.ask.as_ref()) };
    let list = match list {
        Ok(list) => list,
        Err(say) => return give_up(context, work, Finding::new("cannot_ask", work.parent.0.clone(), say)).await,
    };
    loop {
        if context.caller.is_stopped() {
            return Err(Interrupted::Stopped);
        }
        let progress = Progress::from_stored(&work.progress);
        let limit = progress.limit.unwrap_or_else(|| context.paging().cap.map_or(vendor.page_size(), |cap| cap.min(vendor.page_size())));
        let ask = Ask { list: list.clone(), offset: progress.offset, limit };
        let page = match context.caller.call(&|within| vendor.page(&ask, within).boxed()).await {
            Ok(page) => page,
            Err(CallError::Run(interrupted)) => return Err(interrupted),
            Err(CallError::ThisOnly(error)) => return give_up(context, work, refused(work, &error)).await,
        };
        let goes_on =
            if list == List::Roster { roster::write(context, work, page, limit).await? } else { page::write(context, work, page).await? };
        if !goes_on {
            return Ok(());
        }
    }
}

/// The list cannot be read in this walk: a finding says why, and the walk will be partial.
async fn give_up<V>(context: &Context<V>, work: &Work, finding: Finding) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    warn!(kind = finding.kind, list = %work.parent, "a list cannot be read: {}", finding.say);
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    frontier::failed(&mut step.conn(), &context.open, &work.parent, State::GivenUp).await?;
    finding::open(&mut step.conn(), at, &[finding]).await?;
    context.commit(step, Counters { write_ms: millis(begun.elapsed()), ..Counters::default() }).await
}

fn refused(work: &Work, error: &VendorError) -> Finding {
    let kind = match error {
        VendorError::WrongShape(_) => "bad_answer",
        VendorError::TooLarge(_) => "answer_too_large",
        VendorError::Transient(_) => "list_unavailable",
        VendorError::Rejected(_) | VendorError::Throttled { .. } | VendorError::Unauthorised(_) => "list_refused",
    };
    Finding::new(kind, work.parent.0.clone(), format!("this node's list could not be read, and was kept as it was: {error}"))
}
