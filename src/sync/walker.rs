//! The loop: a list from the queue, pages from the vendor, a transaction for each, until the list is at its end.

use std::collections::VecDeque;

use futures::{StreamExt, stream::FuturesUnordered};
use tracing::warn;

use super::{
    Interrupted,
    caller::{CallError, millis},
    context::Context,
    page::{self, Place},
    parent, roster,
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
    walk::{progress::Progress, verdict::Course},
};

/// Rows in the smallest page: consecutive ones share a row.
const FEWEST: u32 = 2;

/// How the reading of some pages has ended.
enum Read {
    /// As the last page said.
    Went(Course),
    /// The vendor refuses this list.
    Refused(VendorError),
}

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
        let read = if work.parent.0 == roster::KEY { roster::read(context, &mut work).await } else { read_list(context, &mut work).await };
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
    let mut progress = Progress::from_stored(&work.progress);
    let mut limit = progress.limit.unwrap_or_else(|| context.caller.vendor.page_size());
    let mut was_refused = false;
    loop {
        let list = match context.caller.vendor.list(&work.parent, work.ask.as_ref()) {
            Ok(list) => list,
            Err(say) => return give_up(context, work, Finding::new("cannot_ask", work.parent.0.clone(), say)).await,
        };
        let read = if progress.doubted { Read::Went(Course::Check) } else { read_on(context, work, &mut progress, &list, limit).await? };
        let course = match read {
            Read::Went(Course::Check) => parent::check(context, work, &mut progress, limit).await?,
            Read::Went(course) => course,
            // A few rows of many megabytes must not keep out the others.
            Read::Refused(VendorError::TooLarge(_)) if list.is_paged() && limit > FEWEST => {
                limit = (limit / 4).max(FEWEST);
                progress.limit = Some(limit);
                Course::On
            }
            Read::Refused(error) => {
                let asked = work.ask.clone();
                let may_have_left = matches!(error, VendorError::Rejected(_)) && work.found.is_some();
                if may_have_left && parent::has_left(context, work, limit).await? {
                    return Ok(());
                }
                if asked == work.ask || was_refused {
                    return give_up(context, work, refused(work, &error)).await;
                }
                was_refused = true;
                Course::On
            }
        };
        if course != Course::On && course != Course::Check {
            return Ok(());
        }
    }
}

/// Reads pages, several at a time where the list is long and calm, until something else than the next page is due.
async fn read_on<V>(context: &Context<V>, work: &Work, progress: &mut Progress, list: &List, limit: u32) -> Result<Read, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let at_once = usize::try_from(context.source.concurrency).unwrap_or(1);
    let mut calls = FuturesUnordered::new();
    let (mut asked, mut answers) = (Vec::new(), VecDeque::new());
    let mut end = None;
    loop {
        while end.is_none() && asked.len() < at_once && !context.caller.is_stopped() {
            let Some(offset) = progress.next(limit, work.expected, &asked) else { break };
            asked.push(offset);
            let ask = Ask { list: list.clone(), offset, limit };
            calls.push(async move {
                let slot = context.slot().await;
                (offset, slot, context.page(&ask).await)
            });
        }
        // Pages that are under way when the end comes are paid for: they are written too.
        let next = match answers.pop_front() {
            Some(answer) => Some(answer),
            None => calls.next().await,
        };
        let Some((offset, _slot, answer)) = next else { return end.unwrap_or(Err(Interrupted::Stopped)) };
        asked.retain(|other| *other != offset);
        let went = match answer {
            Ok(page) => {
                let place = Place { offset, limit, under_way: asked.len() };
                let written = page::write(context, work, progress, page, place);
                meanwhile(written, &mut calls, &mut answers).await.map(Read::Went)
            }
            Err(CallError::Run(interrupted)) => Err(interrupted),
            Err(CallError::ThisOnly(error)) => Ok(Read::Refused(error)),
        };
        if !matches!(went, Ok(Read::Went(Course::On))) && end.is_none() {
            end = Some(went);
        }
    }
}

/// Does one thing while calls go on: a call that is not polled would hold its permit, and what it has of the database, for
/// as long.
async fn meanwhile<T, F: Future>(one: impl Future<Output = T>, calls: &mut FuturesUnordered<F>, answers: &mut VecDeque<F::Output>) -> T {
    let mut one = std::pin::pin!(one);
    loop {
        tokio::select! {
            result = &mut one => return result,
            Some(answer) = calls.next(), if !calls.is_empty() => answers.push_back(answer),
        }
    }
}

/// The list cannot be read in this walk: a finding says why, and the walk will be partial.
///
/// # Errors
/// When the database fails or the lease is lost.
pub async fn give_up<V>(context: &Context<V>, work: &Work, finding: Finding) -> Result<(), Interrupted>
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

/// What a person should know of a list that the vendor refuses.
pub fn refused(work: &Work, error: &VendorError) -> Finding {
    let kind = match error {
        VendorError::WrongShape(_) => "bad_answer",
        VendorError::TooLarge(_) => "answer_too_large",
        VendorError::Transient(_) => "list_unavailable",
        VendorError::Rejected(_) | VendorError::Throttled { .. } | VendorError::Unauthorised(_) => "list_refused",
    };
    let todo = match kind {
        "answer_too_large" => "raise the source's `max_response`",
        "list_unavailable" => "if that stays, ask the vendor about it",
        _ => "if that stays, look at the node with the vendor",
    };
    let say = format!("this node's list could not be read, and was kept as it was until the next walk: {error}; {todo}");
    Finding::new(kind, work.parent.0.clone(), say)
}
