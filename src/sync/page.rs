//! Writes one page: rows, links, changes, findings, the lists that follow, the place to go on from and the counters,
//! in one transaction.

use std::sync::atomic::Ordering;

use super::{Interrupted, caller::millis, context::Context, draft::Draft, reach, roster, rows};
use crate::{
    clock,
    model::{node::NodeKey, reading::Reading, run::Counters},
    store::{
        change::{self, Change},
        finding::{self, Finding},
        frontier::{self, State, Work},
        mirror::{At, Edge, Linked, Mirror, Mirrored},
        reread,
        session::Step,
        source::{self, Paging},
    },
    vendor::{Page, hierarchy::Hierarchy},
    walk::{
        list::Terms,
        progress::Progress,
        verdict::{Course, Doubt, SHORT},
    },
};

/// The tables of a vendor's rows.
type Tables<V> = <<V as crate::vendor::Vendor>::Row as Mirrored>::Tables;

/// Where in its list a page stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Rows before it, as it was asked for.
    pub offset: u32,
    /// Rows that were asked for.
    pub limit: u32,
    /// Pages of the same list that are still to come.
    pub under_way: usize,
}

/// Writes a page of `work`'s list, brings `progress` forward, and says how the list goes on.
///
/// # Errors
/// When the database fails or the lease is lost; nothing is written then.
pub async fn write<V>(
    context: &Context<V>,
    work: &Work,
    progress: &mut Progress,
    page: Page<V::Row>,
    place: Place,
) -> Result<Course, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let vendor = &context.caller.vendor;
    let mut draft = Draft::new(work, page, context.max_depth());
    draft.known = Tables::<V>::ask(&mut step.conn(), at, &work.parent, &draft.rows).await?;

    let before = context.reading();
    let (reading, roots) = match before.or_else(|| draft.stated_reading(work)) {
        None => reach::found(context, &mut step, draft.telling_rows(work)).await?,
        known => (known, 0),
    };
    let says_all = work.depth == 0 && reading == Some(Reading::Subtree) && draft.states_parents();
    let reading = if says_all { Some(Reading::Stated) } else { reading };
    let likely = reading.or_else(|| context.last_reading.get().copied());
    let holds_all = work.depth == 0 && matches!(likely, Some(Reading::Stated | Reading::Subtree));
    let would_lose = draft.may_lose(progress, work, place)
        && Tables::<V>::would_lose(&mut step.conn(), at, &work.parent, &draft.rows, holds_all).await?;
    let paging = context.paging();
    let received = draft.shown(place).received();
    let has_come = draft.known.iter().any(|known| !known.linked) && context.any_complete();
    let terms =
        Terms { would_lose, has_come, under_way: place.under_way, count_is_total: paging.count_is_total == Some(true), ..terms(work) };
    let (next, course) = progress.clone().take(draft.shown(place), terms);
    let taught = Paging { count_is_total: next.count_is_total(draft.shown(place), course).or(paging.count_is_total), ..paging };
    if taught != paging {
        source::remember_paging(&mut step.conn(), at.source_id, taught).await?;
    }
    draft.follow(vendor, work, reading, place.offset, context.max_depth());

    let taken = rows::take_in::<Tables<V>>(&mut step.conn(), at, &draft.rows, &draft.known).await?;
    draft.findings.extend(taken.findings);
    let course = save(context, &mut step, at, work, (&next, course), &taken.numbers).await?;
    draft.findings.extend(doubt(&work.parent, course));
    let queued = frontier::queue(&mut step.conn(), &context.open, &draft.lists).await?;
    let mut linked = draft.link::<Tables<V>, V>(vendor, &mut step, at, work, reading).await?;
    if before != reading
        && let Some(reading) = reading
    {
        reach::settle(context, &mut step, at, reading, &mut linked).await?;
    }
    let reread = reread::<V>(context, &mut step, at, reading, &linked, &draft).await?;
    write_link_changes::<Tables<V>>(&mut step, at, &linked).await?;
    if reread > 0 || !matches!(course, Course::On | Course::Proven) {
        context.set_moved(&mut step).await?;
    }
    finding::open(&mut step.conn(), at, &draft.findings).await?;
    let counters = Counters { pages: 1, rows_seen: received.into(), write_ms: millis(begun.elapsed()), ..taken.counters };
    context.commit(step, counters).await?;

    *progress = next;
    context.set_paging(taught);
    context.tell_page(received);
    context.set_reading(reading);
    if work.depth > 0 && reading == Some(Reading::Direct) && vendor.reading().is_none() && draft.states_others(work) {
        context.misread.store(true, Ordering::Relaxed);
    }
    if before != reading || roots > 0 {
        context.queue.forget_ahead().await;
    }
    if queued + roots + reread > 0 {
        context.queue.wake();
    }
    Ok(course)
}

/// What is known of a list beside its pages.
pub fn terms(work: &Work) -> Terms {
    Terms { expected: work.expected, can_check: work.found.is_some(), ..Terms::default() }
}

/// Writes where a list stands after a page or a look at its parent's row. Gives what has become of it: of one that moved in each of
/// its passes only all that they have shown tells whether it is whole.
///
/// # Errors
/// When the database fails.
pub async fn save<V>(
    context: &Context<V>,
    step: &mut Step,
    at: At,
    work: &Work,
    (progress, course): (&Progress, Course),
    shown: &[i32],
) -> sqlx::Result<Course>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let state = match course {
        Course::On | Course::Check | Course::Again => State::Queued,
        Course::Proven | Course::Repaired => State::Read,
        Course::Unproven(_) => State::Unproven,
    };
    // Of a list that has ended only that is kept which it may be gone on with.
    let stored = if state == State::Queued || progress.tight { progress.to_stored() } else { Progress::default().to_stored() };
    frontier::save(&mut step.conn(), &context.open, &work.parent, &stored, state, shown).await?;
    if course == Course::Again {
        reread::again(&mut step.conn(), &context.open, &work.parent, &stored).await?;
    }
    if !progress.united {
        return Ok(course);
    }
    let shown = reread::unite(&mut step.conn(), &context.open, &work.parent).await?;
    // Somebody who was there before is missed, rather than somebody who has come.
    let misses = shown < i64::from(progress.length())
        && (!context.any_complete() || Tables::<V>::would_lose(&mut step.conn(), at, &work.parent, &[], false).await?);
    if misses {
        frontier::save(&mut step.conn(), &context.open, &work.parent, &stored, State::Unproven, &[]).await?;
    }
    Ok(if misses { Course::Unproven(Doubt::Moved) } else { course })
}

/// A child that shows up below another parent than before has moved, or has two: the other parent's list tells, if it is
/// short and was read already. One that is still to be read tells anyhow.
async fn reread<V>(
    context: &Context<V>,
    step: &mut Step,
    at: At,
    reading: Option<Reading>,
    linked: &Linked,
    draft: &Draft<V::Row>,
) -> sqlx::Result<u64>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    // At rest nothing is linked.
    if reading != Some(Reading::Direct) || (linked.inserted.is_empty() && linked.restored.is_empty()) {
        return Ok(0);
    }
    // Who is new has stood nowhere before.
    let known = draft.known_keys();
    let edges: Vec<_> = linked.inserted.iter().chain(&linked.restored).filter(|edge| known.contains(&edge.child)).cloned().collect();
    if edges.is_empty() {
        return Ok(0);
    }
    Tables::<V>::reread(&mut step.conn(), at, &edges, SHORT * context.caller.vendor.page_size()).await
}

/// Writes what was done to links into `change`.
///
/// # Errors
/// When the database fails.
pub async fn write_link_changes<M: Mirror>(step: &mut Step, at: At, linked: &Linked) -> sqlx::Result<()> {
    let of = |op: &'static str| move |edge: &Edge| Change::of_link(M::LINK, op, edge);
    let changes: Vec<Change> = linked
        .inserted
        .iter()
        .map(of("insert"))
        .chain(linked.restored.iter().map(of("restore")))
        .chain(linked.retired.iter().map(of("retire")))
        .collect();
    change::write(&mut step.conn(), at, &changes).await
}

/// What a person should know of a list that proves nothing.
pub fn doubt(key: &NodeKey, course: Course) -> Option<Finding> {
    let Course::Unproven(doubt) = course else { return None };
    let list = if key.0 == roster::KEY { "the roster" } else { "this node's list" };
    let finding = |kind, say: String| Some(Finding::new(kind, key.0.clone(), say));
    match doubt {
        Doubt::Moved => {
            let say = format!("{list} moved faster than it could be read; nothing was retired by it, and the next walk reads it again");
            finding("list_moved", say)
        }
        Doubt::Repeats => {
            let say = format!(
                "the vendor shows the same rows of {list} again, whichever page is asked for; nothing was retired by it; \
                 tell the vendor, or set `edges = \"hierarchy\"`"
            );
            finding("list_repeats", say)
        }
        Doubt::Unreadable => {
            let say = format!("rows of {list} could not be read (see the findings `bad_row`); nothing was retired by it");
            finding("list_unreadable", say)
        }
        Doubt::Count { stated, shown } => {
            let say = format!(
                "the vendor says that {list} has {stated} rows and shows {shown}; nothing was retired by it, \
                 and the next walk reads it again; if that stays, tell the vendor"
            );
            finding("count_mismatch", say)
        }
    }
}
