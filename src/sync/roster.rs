//! Reads a roster: all nodes of the account with their parents. Rows that are as the mirror has them are only marked;
//! the others wait until the whole roster is read and it is known who lies below the roots.

use std::collections::HashSet;

use futures::FutureExt;

use super::{
    Interrupted,
    caller::{CallError, millis},
    context::Context,
    page, remark, rows, walker,
};
use crate::{
    clock,
    model::{
        node::{Node, NodeKey},
        reading::Stated,
        run::Counters,
    },
    store::{
        finding::{self, Finding},
        frontier::{self, State, Work},
        mirror::{At, Edge, Known, Mirror, Mirrored, RosterKnown},
        session::Step,
        source::{self, Paging},
    },
    vendor::{Ask, List, Page, hierarchy::Hierarchy},
    walk::{
        decide::{Decision, Version, decide},
        progress::Progress,
        roster::{Learned, Shown, course, ended, learned, next_page},
        verdict::Course,
    },
};

/// Stands for the roster in the frontier.
pub const KEY: &str = "*";

/// Rows taken into the mirror with one statement each.
const CHUNK: usize = 1000;

type Tables<V> = <<V as crate::vendor::Vendor>::Row as Mirrored>::Tables;

/// Queues the roster, once per walk.
///
/// # Errors
/// When the database fails.
pub async fn queue<V: Hierarchy>(context: &Context<V>) -> Result<(), Interrupted> {
    let list = Work::new(NodeKey(KEY.into()), 0);
    let mut step = context.session.begin().await?;
    frontier::queue(&mut step.conn(), &context.open, &[list]).await?;
    context.commit(step, Counters::default()).await
}

/// Reads the roster to its end.
///
/// # Errors
/// When the run must end.
pub async fn read<V>(context: &Context<V>, work: &mut Work) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    loop {
        if context.caller.is_stopped() {
            return Err(Interrupted::Stopped);
        }
        let progress = Progress::from_stored(&work.progress);
        let (offset, limit) = next_page(&progress, progress.limit.unwrap_or_else(|| context.caller.vendor.page_size()));
        let ask = Ask { list: List::Roster, offset, limit };
        let vendor = &context.caller.vendor;
        let page = match context.caller.call(&|within| vendor.page(&ask, within).boxed()).await {
            Ok(page) => page,
            Err(CallError::Run(interrupted)) => return Err(interrupted),
            Err(CallError::ThisOnly(error)) => return walker::give_up(context, work, walker::refused(work, &error)).await,
        };
        if !write(context, work, page, &ask).await? {
            return Ok(());
        }
    }
}

/// Writes a page of the roster, and says whether it goes on.
async fn write<V>(context: &Context<V>, work: &mut Work, page: Page<V::Row>, ask: &Ask) -> Result<bool, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let received = page.received();
    let mut met = HashSet::new();
    let distinct: Vec<V::Row> = page.rows.into_iter().filter(|row| met.insert(row.key())).collect();
    let known = Tables::<V>::ask_roster(&mut step.conn(), at, &distinct).await?;
    let (same, differing): (Vec<_>, Vec<_>) = distinct.iter().zip(&known).partition(|(row, known)| is_as_known(*row, known));
    Tables::<V>::hold(&mut step.conn(), at, &differing.iter().map(|(row, _)| *row).collect::<Vec<_>>()).await?;
    let numbers: Vec<i32> = same.iter().filter_map(|(_, known)| known.node_no).collect();
    let unchanged = same.iter().filter(|(_, known)| !known.shown && !known.is_root).count();

    let before = Progress::from_stored(&work.progress);
    let fresh = u32::try_from(known.iter().filter(|known| !known.shown).count()).unwrap_or(u32::MAX);
    let shown = Shown { offset: ask.offset, limit: ask.limit, keys: &page.keys, fresh };
    let learned = match learned(&before, shown) {
        Some(Learned::Whole(digest)) => Paging { whole: Some(digest), ..context.paging() },
        Some(Learned::Cap(rows)) => Paging { cap: Some(rows), ..context.paging() },
        // A page that was cut short once has taught a cap that is none.
        None => Paging { cap: context.paging().cap.filter(|cap| ask.offset > 0 || received <= *cap), ..context.paging() },
    };
    let (mut progress, mut course) = course(before, shown, context.paging().whole);
    let mut findings: Vec<Finding> = page.remarks.into_iter().map(|told| remark::finding(&work.parent, told)).collect();
    page::save(context, &mut step, at, work, (&progress, course), &numbers).await?;
    if course == Course::Proven {
        // A row that slipped over a seam, and a page that was cut short, look like somebody who is gone: that is believed of
        // those whom a second reading does not show either.
        let is_doubtful = progress.sure || (progress.passes == 0 && Tables::<V>::roster_loses(&mut step.conn(), at).await?);
        (progress, course) = ended(progress, is_doubtful);
        if course != Course::Proven {
            page::save(context, &mut step, at, work, (&progress, course), &[]).await?;
        }
    }
    findings.extend(page::doubt(&work.parent, course));
    finding::open(&mut step.conn(), at, &findings).await?;
    if learned != context.paging() {
        source::remember_paging(&mut step.conn(), at.source_id, learned).await?;
    }
    let counters = Counters {
        pages: 1,
        rows_seen: received.into(),
        unchanged: i64::try_from(unchanged).unwrap_or(i64::MAX),
        write_ms: millis(begun.elapsed()),
        ..Counters::default()
    };
    context.commit(step, counters).await?;
    context.set_paging(learned);
    context.tell_page(received);
    work.progress = progress.to_stored();
    Ok(course == Course::On)
}

/// Whether a roster's row adds nothing: same content and stamp, and the one live parent that it states.
fn is_as_known<R: Node>(row: &R, known: &RosterKnown) -> bool {
    let incoming = Version { digest: Some(row.digest()), stamp: row.stamp() };
    let same = decide(incoming, Version { digest: known.digest, stamp: known.stamp }) == Decision::Same;
    let stated = match row.stated_parent() {
        Stated::Parent(parent) => vec![parent],
        Stated::Nobody | Stated::Nothing => Vec::new(),
    };
    same && known.node_no.is_some() && known.live && (known.parents == stated || (known.is_root && known.parents.is_empty()))
}

/// The whole roster is read: takes in who lies below the roots.
///
/// # Errors
/// When the database fails.
pub async fn take_in<V>(context: &Context<V>, step: &mut Step, at: At) -> Result<Counters, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let mut counters = Counters::default();
    let roster = NodeKey(KEY.into());
    for chunk in Tables::<V>::held(&mut step.conn(), at).await?.chunks(CHUNK) {
        let known: Vec<Known> = Tables::<V>::ask(&mut step.conn(), at, &roster, chunk).await?;
        let taken = rows::take_in::<Tables<V>>(&mut step.conn(), at, chunk, &known).await?;
        frontier::save(&mut step.conn(), &context.open, &roster, &serde_json::Value::Null, State::Read, &taken.numbers).await?;
        let edges: Vec<Edge> = chunk.iter().filter_map(edge).collect();
        let mut linked = Tables::<V>::link(&mut step.conn(), at, &edges).await?;
        linked.retired = Tables::<V>::unlink_others(&mut step.conn(), at, &edges, false).await?;
        page::write_link_changes::<Tables<V>>(step, at, &linked).await?;
        finding::open(&mut step.conn(), at, &taken.findings).await?;
        counters += taken.counters;
    }
    Ok(counters)
}

fn edge<R: Node>(row: &R) -> Option<Edge> {
    match row.stated_parent() {
        Stated::Parent(parent) => Some(Edge { parent, child: row.key() }),
        Stated::Nobody | Stated::Nothing => None,
    }
}
