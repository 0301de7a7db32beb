//! A list whose length is not what its parent's row said, or that the vendor refuses: the parent's row is read again in the
//! list that showed it. Either the count has changed, or the parent has left, or the vendor contradicts itself.

use super::{
    Interrupted,
    caller::{CallError, millis},
    context::Context,
    page, rows,
};
use crate::{
    clock,
    model::{
        node::{Node, NodeKey},
        run::Counters,
    },
    store::{
        finding,
        frontier::{Found, Work},
        mirror::{At, Mirror, Mirrored},
        parent, reread,
        session::Step,
    },
    vendor::{
        Ask, List, Page,
        error::VendorError,
        hierarchy::{Descent, Hierarchy},
    },
    walk::{
        list::Terms,
        progress::Progress,
        verdict::{Course, Fresh},
    },
};

/// Pages that are looked through for a parent's row: twice a list of 12,000. Only who has left costs so many.
const PAGES: usize = 256;

/// Runs in which a look at one row is begun and does not end, before it is given up: `--max-calls` allows too few.
const LOOKS: i32 = 3;

type Tables<V> = <<V as crate::vendor::Vendor>::Row as Mirrored>::Tables;

/// Reads the row again and says how the list goes on.
///
/// # Errors
/// When the run must end.
pub async fn check<V>(context: &Context<V>, work: &mut Work, progress: &mut Progress, limit: u32) -> Result<Course, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let look = look_at_own(context, work, limit).await?;
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let mut counters = look.counters;
    let would_lose = Tables::<V>::would_lose(&mut step.conn(), at, &work.parent, &[], false).await?;
    let terms = Terms { would_lose, ..page::terms(work) };
    let fresh = match &look.row {
        Row::Stands(row) => {
            counters += take_in::<V>(&mut step, at, work, row).await?;
            restate(context, work, row)
        }
        Row::Left => {
            work.expected = None;
            Fresh::Left
        }
        Row::Refused | Row::Unknown => Fresh::Unknown,
    };
    let (next, course) = progress.clone().checked(fresh, limit, terms);
    reread::restate(&mut step.conn(), &context.open, work).await?;
    let course = page::save(context, &mut step, at, work, (&next, course), &[]).await?;
    finding::open(&mut step.conn(), at, page::doubt(&work.parent, course).as_slice()).await?;
    counters.write_ms += millis(begun.elapsed());
    context.set_moved(&mut step).await?;
    context.commit(step, counters).await?;
    *progress = next;
    Ok(course)
}

/// Whether a list that the vendor refuses is gone with its parent, or has nobody in it. If the parent stands where it stood, but is
/// now asked for in another way, that way is kept in `work`, and the list may be asked for again.
///
/// # Errors
/// When the run must end.
pub async fn has_left<V>(context: &Context<V>, work: &mut Work, limit: u32) -> Result<bool, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let Look { row, mut counters } = look_at_own(context, work, limit).await?;
    let mut has_left = match row {
        Row::Left => true,
        Row::Refused => above_has_left(context, work, limit, &mut counters).await?,
        Row::Stands(_) | Row::Unknown => false,
    };
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    if let Row::Stands(row) = &row {
        restate(context, work, row);
        reread::restate(&mut step.conn(), &context.open, work).await?;
        // A vendor may refuse a list that has nobody in it: the row says so twice.
        has_left = work.expected == Some(0);
    }
    if has_left {
        // Nobody is below it any more: what it had is elsewhere, or gone with it.
        let at = context.at(&mut step).await?;
        page::save(context, &mut step, at, work, (&Progress::default(), Course::Repaired), &[]).await?;
    }
    context.set_moved(&mut step).await?;
    context.commit(step, counters).await?;
    Ok(has_left)
}

/// Whether whoever showed a row has left with it: the list that showed it is refused too. And so on, up to a list that is still there.
async fn above_has_left<V>(context: &Context<V>, work: &Work, limit: u32, counters: &mut Counters) -> Result<bool, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let mut shown_by = work.found.clone();
    while let Some(Found { list_of, .. }) = shown_by {
        let mut step = context.session.begin().await?;
        shown_by = parent::found(&mut step.conn(), &context.open, &list_of).await?;
        step.commit().await?;
        let looked = look(context, &Work { found: shown_by.clone(), ..Work::new(list_of, 0) }, limit).await?;
        *counters += looked.counters;
        if !matches!(looked.row, Row::Refused) {
            return Ok(matches!(looked.row, Row::Left));
        }
    }
    Ok(false)
}

/// What became of the row, and what it cost to see.
struct Look<R> {
    row: Row<R>,
    counters: Counters,
}

enum Row<R> {
    Stands(R),
    Left,
    /// The vendor refuses the list that showed it.
    Refused,
    Unknown,
}

/// Looks at the row of the list's own parent, unless runs were stopped so often before such a look had ended that it never would.
async fn look_at_own<V>(context: &Context<V>, work: &Work, limit: u32) -> Result<Look<V::Row>, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let mut step = context.session.begin().await?;
    let looks = parent::begin_look(&mut step.conn(), &context.open, &work.parent).await?;
    context.commit(step, Counters::default()).await?;
    if looks > LOOKS { Ok(Look { row: Row::Unknown, counters: Counters::default() }) } else { look(context, work, limit).await }
}

/// Reads the list that showed the row: where it stood, then a little before, for rows there may have left, then from the beginning,
/// until the row is found or the list has come to its end twice without it: neither an answer that is cut short nor a page that
/// the vendor caps must make anybody leave.
async fn look<V>(context: &Context<V>, work: &Work, limit: u32) -> Result<Look<V::Row>, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let mut look = Look { row: Row::Unknown, counters: Counters::default() };
    let Some(found) = &work.found else { return Ok(look) };
    let Some(list) = list_of(context, found).await? else { return Ok(look) };
    let mut near = vec![found.place.saturating_sub(limit / 2), found.place.saturating_sub(1)];
    near.retain(|offset| *offset > 0);
    let (mut offset, mut was_at_end, mut is_legible) = (0, false, true);
    for _ in 0..PAGES {
        let probe = near.pop();
        let ask = Ask { list: list.clone(), offset: probe.unwrap_or(offset), limit };
        let _slot = context.slot().await?;
        let page: Page<V::Row> = match context.page(&ask).await {
            Ok(page) => page,
            Err(CallError::Run(interrupted)) => return Err(interrupted),
            Err(CallError::ThisOnly(VendorError::Rejected(_))) => {
                look.row = Row::Refused;
                return Ok(look);
            }
            Err(CallError::ThisOnly(_)) => return Ok(look),
        };
        look.counters.pages += 1;
        let received = page.received();
        look.counters.rows_seen += i64::from(received);
        context.tell_page(received);
        is_legible &= !page.keys.iter().any(NodeKey::is_unreadable);
        if let Some(row) = page.rows.into_iter().find(|row| row.key() == work.parent) {
            look.row = Row::Stands(row);
            return Ok(look);
        }
        if probe.is_some() && !page.whole {
            continue;
        }
        let is_end = page.whole || received <= u32::from(offset > 0);
        if is_end && was_at_end {
            // It may be among those that cannot be read.
            look.row = if is_legible { Row::Left } else { Row::Unknown };
            return Ok(look);
        }
        was_at_end |= is_end;
        offset = if is_end { 0 } else { offset + received.saturating_sub(1).max(1) };
    }
    Ok(look)
}

/// The list that showed the row.
async fn list_of<V: Hierarchy>(context: &Context<V>, found: &Found) -> Result<Option<List>, Interrupted> {
    let mut step = context.session.begin().await?;
    let by = parent::asked_by(&mut step.conn(), &context.open, &found.list_of).await?;
    step.commit().await?;
    Ok(by.and_then(|by| context.caller.vendor.list(&found.list_of, by.as_ref()).ok()))
}

/// The row may have changed since: it is as good as any other.
async fn take_in<V>(step: &mut Step, at: At, work: &Work, row: &V::Row) -> sqlx::Result<Counters>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let Some(found) = &work.found else { return Ok(Counters::default()) };
    let rows = std::slice::from_ref(row);
    let known = Tables::<V>::ask(&mut step.conn(), at, &found.list_of, rows).await?;
    let taken = rows::take_in::<Tables<V>>(&mut step.conn(), at, rows, &known).await?;
    finding::open(&mut step.conn(), at, &taken.findings).await?;
    Ok(taken.counters)
}

/// What the row says of its list, kept in `work`.
fn restate<V: Hierarchy>(context: &Context<V>, work: &mut Work, row: &V::Row) -> Fresh {
    let (by, expected) = match context.caller.vendor.descend(row) {
        Descent::Leaf(by) => (by, Some(0)),
        Descent::List { by, expected } => (by, expected),
        Descent::Unaskable => (None, None),
    };
    if by.is_some() {
        work.ask = by;
    }
    let Some(count) = expected else { return Fresh::Unknown };
    work.expected = Some(count);
    Fresh::Count(count)
}
