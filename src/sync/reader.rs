//! The loop: a list from the queue, pages from the vendor, a transaction for each, until the list is at its end.

use std::collections::{HashSet, VecDeque};

use futures::{StreamExt, stream};

use super::{
    Interrupted,
    call_error::CallError,
    context::{Context, Synced},
    directory,
    page::{self, Written},
    refused::{give_up, refused},
};
use crate::{
    model::finding::Finding,
    store::frontier::Work,
    vendor_api::{Ask, List, error::VendorError, sheet::Sheet},
    walk::{pass::Pass, verdict::Next},
};

/// Rows in the smallest page: consecutive ones share a row.
const FEWEST: u32 = 2;

/// How the reading of some pages has ended.
enum Read {
    /// As the last page said.
    Went(Next),
    /// Pages ahead were in vain: the list has moved, or is shorter than said.
    Slipped,
    /// It was another node's list.
    AnotherWay,
    /// The vendor refuses this list.
    Refused(VendorError),
}

/// Reads lists until none is left.
pub async fn work<V: Synced>(context: &Context<V>) -> Result<(), Interrupted> {
    while let Some(work) = context.queue.next(&context.session, &context.open, &context.writing).await? {
        let read = if work.is_directory() { directory::read(context, &work).await.map(|()| None) } else { read_list(context, &work).await };
        context.queue.put_down(&work, read.as_ref().ok().cloned().flatten()).await;
        read?;
    }
    Ok(())
}

/// Reads a list to its end. Gives it, if it is to be begun anew later.
async fn read_list<V: Synced>(context: &Context<V>, work: &Work) -> Result<Option<Work>, Interrupted> {
    let mut pass = Pass::from_stored(&work.pass);
    let mut limit = pass.limit.unwrap_or_else(|| context.caller.vendor.page_size());
    let list = match context.caller.vendor.list(work.parent, work.ask.as_ref()) {
        Ok(list) => list,
        Err(say) => return give_up(context, work, Finding::new("cannot_ask", work.parent, say)).await.map(|()| None),
    };
    let mut total = None;
    loop {
        match read_on(context, work, &mut pass, &mut total, (&list, limit)).await? {
            Read::Went(Next::ReadOn) | Read::Slipped => {}
            Read::Went(Next::ReadAgain | Next::Confirm) => {
                return Ok(Some(Work { attempts: work.attempts + 1, pass: pass.to_stored(), ..work.clone() }));
            }
            Read::Went(_) | Read::AnotherWay => return Ok(None),
            // A few rows of many megabytes must not keep out the others.
            Read::Refused(VendorError::TooLarge(_)) if list.is_paged() && limit > FEWEST => {
                limit = (limit / 4).max(FEWEST);
                pass.limit = Some(limit);
            }
            Read::Refused(error) => return refused(context, work, error).await.map(|()| None),
        }
    }
}

/// Reads pages, several at a time while the list is calm and its length is known, and takes them in their order.
///
/// `total`: the list's length by the count beside its last page, where that is known to mean it.
async fn read_on<V: Synced>(
    context: &Context<V>,
    work: &Work,
    pass: &mut Pass,
    total: &mut Option<i64>,
    (list, limit): (&List, u32),
) -> Result<Read, Interrupted> {
    let at_once = usize::try_from(context.source.concurrency).unwrap_or(1);
    let calls = stream::iter(pass.ahead(limit, work.expected.or(*total))).map(|offset| {
        let ask = Ask { list: list.clone(), offset, limit };
        async move { (offset, context.slot().await, context.page(&ask).await.map(|sheet| read_early(context, work, sheet))) }
    });
    let mut pages = std::pin::pin!(calls.buffered(at_once));
    let mut waiting = VecDeque::new();
    loop {
        let next = match waiting.pop_front() {
            Some(page) => Some(page),
            None => pages.next().await,
        };
        let Some((offset, slot, answer)) = next else { return Ok(Read::Went(Next::ReadOn)) };
        if offset != pass.offset {
            return Ok(Read::Slipped);
        }
        let _slot = slot?;
        let sheet = match answered(answer)? {
            Ok(sheet) => sheet,
            Err(error) => return Ok(Read::Refused(error)),
        };
        *total = context.total(sheet.stated_count());
        let written = meanwhile(page::write(context, work, pass, sheet, (offset, limit)), &mut pages, &mut waiting, at_once).await?;
        let Written::Next(next, after) = written else { return Ok(Read::AnotherWay) };
        *pass = after;
        if next != Next::ReadOn {
            return Ok(Read::Went(next));
        }
        if context.caller.is_stopped() {
            return Err(Interrupted::Stopped);
        }
    }
}

/// Where no walk has ended yet, no text is known: rows are read while the page before is written.
fn read_early<V: Synced>(context: &Context<V>, work: &Work, sheet: Sheet<V::Row>) -> Sheet<V::Row> {
    if context.walk().knows { sheet } else { Sheet::Read(sheet.read(work.parent, &mut HashSet::new())) }
}

/// Whom an error concerns: the outer one ends the run, the inner one this list only.
fn answered<T>(answer: Result<T, CallError>) -> Result<Result<T, VendorError>, Interrupted> {
    match answer {
        Ok(page) => Ok(Ok(page)),
        Err(CallError::Run(interrupted)) => Err(interrupted),
        Err(CallError::ThisOnly(error)) => Ok(Err(error)),
    }
}

/// Does one thing while calls go on: a call that is not polled would hold its permit, and what it has of the database, for
/// as long.
async fn meanwhile<T, S>(one: impl Future<Output = T>, calls: &mut S, waiting: &mut VecDeque<S::Item>, at_most: usize) -> T
where
    S: futures::Stream + Unpin,
{
    let mut one = std::pin::pin!(one);
    let mut is_over = false;
    loop {
        tokio::select! {
            result = &mut one => return result,
            answer = calls.next(), if !is_over && waiting.len() < at_most => match answer {
                Some(answer) => waiting.push_back(answer),
                None => is_over = true,
            },
        }
    }
}
