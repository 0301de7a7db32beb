//! The loop: a list from the queue, pages from the vendor, each written whole, until the list is at its end.

use tokio::sync::SemaphorePermit;

use super::{
    Interrupted,
    call_error::CallError,
    context::{Context, Synced},
    directory,
    flight::Flight,
    page::{self, Written},
    queue::Given,
    refresh,
    refused::{give_up, refused},
};
use crate::{
    model::{finding::Finding, run::Counters},
    store::{finding, frontier::Work, run::Reads},
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
    // Each step has room of its own, and only while it lasts: a worker that waits for a list, as most do, holds next to nothing.
    while let Some(work) = context.next_list().await? {
        if context.cap.is_full() {
            context.queue.put_down(&work, None).await;
            return Ok(());
        }
        if work.wanted.is_none() {
            if context.open.reads == Reads::WantedOfOpen {
                context.queue.put_down(&work, Some(work.clone())).await;
                return Ok(());
            }
            refresh::look(context).await?;
        }
        let read = match work.is_directory() {
            true => Box::pin(directory::read(context, &work)).await.map(|()| None),
            false => Box::pin(read_list(context, &work)).await,
        };
        context.queue.put_down(&work, read.as_ref().ok().cloned().flatten()).await;
        read?;
    }
    Ok(())
}

impl<V: Synced> Context<V> {
    /// The next list to be read, or `None` when there is none and none can follow.
    async fn next_list(&self) -> Result<Option<Work>, Interrupted> {
        loop {
            match self.queue.next().await {
                Given::List(work) => return Ok(Some(work)),
                Given::None => return Ok(None),
                // Only who reads needs the room for it: most of those who wait here only wait.
                Given::Unread => Box::pin(self.look_for_lists()).await?,
            }
        }
    }

    async fn look_for_lists(&self) -> Result<(), Interrupted> {
        let Some(_looking) = self.queue.is_to_look().await else { return Ok(()) };
        let mut w = self.write().await?;
        self.queue.read(&mut w.step.conn(), &self.open).await?;
        Ok(w.step.commit().await?)
    }
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
        let read = read_on(context, work, &mut pass, &mut total, (&list, limit)).await?;
        if let Some(columns) = context.caller.vendor.untold_columns() {
            tell_left_out(context, columns).await?;
        }
        match read {
            _ if context.cap.is_full() => return Ok(None),
            Read::Went(Next::ReadOn) if puts_down(context, work) => return Ok(Some(Work { pass: pass.to_stored(), ..work.clone() })),
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

async fn tell_left_out<V: Synced>(context: &Context<V>, columns: &str) -> Result<(), Interrupted> {
    let say = format!(
        "the vendor refuses lists with these columns beside those of the config: {columns}; what it does not show without them stays empty; \
         name all that you want in `columns`, as the vendor names them"
    );
    let mut w = context.write().await?;
    finding::open(&mut w.step.conn(), w.at, &[Finding::new("columns_refused", context.source.name.clone(), say)]).await?;
    w.commit(Counters::default()).await
}

/// Somebody asked for other lists: this one goes on after them.
fn puts_down<V: Synced>(context: &Context<V>, work: &Work) -> bool {
    context.asked.is_serving() && work.wanted.is_none()
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
    let call = |offset| Box::pin(fetch(context, work, Ask { list: list.clone(), offset, limit, is_plain: false }));
    let at_once = usize::try_from(context.source.concurrency).unwrap_or(1);
    let mut flight = Flight::new(at_once);
    let mut has_begun = false;
    loop {
        if !std::mem::replace(&mut has_begun, true) || !puts_down(context, work) {
            pass.ahead(limit, work.expected.or(*total)).take(at_once).for_each(|offset| flight.ask(offset, call));
        }
        let Some(Fetched { offset, slot, early, answer }) = flight.next().await else { return Ok(Read::Went(Next::ReadOn)) };
        drop(early);
        if offset != pass.offset {
            return Ok(Read::Slipped);
        }
        let _slot = slot?;
        let sheet = match answered(answer)? {
            Ok(sheet) => sheet,
            Err(error) => return Ok(Read::Refused(error)),
        };
        *total = context.total(sheet.stated_count());
        let is_full = list.is_paged() && sheet.received() == limit;
        if let Some(offset) = pass.after_full(limit, work.expected.or(*total)).filter(|_| is_full && !puts_down(context, work)) {
            flight.ask(offset, call);
        }
        let written = flight.meanwhile(Box::pin(page::write(context, work, pass, sheet, (offset, limit)))).await?;
        let Written::Next(next, after) = written else { return Ok(Read::AnotherWay) };
        *pass = after;
        if next != Next::ReadOn || context.cap.is_full() {
            return Ok(Read::Went(next));
        }
        // What has come is paid for.
        if context.caller.is_stopped() && !flight.has_come() {
            return Err(Interrupted::Stopped);
        }
    }
}

/// What was asked for, where, and what it holds until it is written: a place among requests in flight, and the right to be read before.
struct Fetched<'c, R> {
    offset: u32,
    slot: Result<SemaphorePermit<'c>, Interrupted>,
    early: Option<SemaphorePermit<'c>>,
    answer: Result<Sheet<R>, CallError>,
}

async fn fetch<'c, V: Synced>(context: &'c Context<V>, work: &Work, ask: Ask) -> Fetched<'c, V::Row> {
    let (offset, slot) = (ask.offset, context.slot().await);
    match context.page(&ask).await {
        Ok(sheet) => {
            // Rows take some times as much memory as their texts, and where a walk has ended before, most need not be read.
            let early = context.early.try_acquire().ok().filter(|_| !context.walk().knows);
            let answer = Ok(sheet.prepared(work.parent, early.is_some()).await);
            Fetched { offset, slot, early, answer }
        }
        Err(error) => Fetched { offset, slot, early: None, answer: Err(error) },
    }
}

/// Whom an error concerns: the outer one ends the run, the inner one this list only.
fn answered<T>(answer: Result<T, CallError>) -> Result<Result<T, VendorError>, Interrupted> {
    match answer {
        Ok(page) => Ok(Ok(page)),
        Err(CallError::Run(interrupted)) => Err(interrupted),
        Err(CallError::ThisOnly(error)) => Ok(Err(error)),
    }
}
