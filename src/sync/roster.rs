//! Reads a roster: all nodes of the account with their parents. Rows that are as the mirror has them are only marked;
//! the others wait until the whole roster is read and it is known who lies below the roots.

use std::collections::HashSet;

use futures::FutureExt;

use super::{
    Interrupted,
    caller::{CallError, millis},
    context::Context,
    page, rows, walker,
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
    },
};

/// Stands for the roster in the frontier.
pub const KEY: &str = "*";

/// Lengths of a first page at which a vendor may have capped it silently.
const CAPS: [u32; 8] = [10, 20, 25, 50, 100, 200, 250, 500];

/// Rows taken into the mirror with one statement each.
const CHUNK: usize = 1000;

type Tables<V> = <<V as crate::vendor::Vendor>::Row as Mirrored>::Tables;

/// Queues the roster, once per walk.
///
/// # Errors
/// When the database fails.
pub async fn queue<V: Hierarchy>(context: &Context<V>) -> Result<(), Interrupted> {
    let list = Work {
        parent: NodeKey(KEY.into()),
        depth: 0,
        attempts: 0,
        ask: None,
        expected: None,
        found: None,
        progress: serde_json::Value::Null,
    };
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
        let limit = progress.limit.unwrap_or_else(|| context.page_size());
        let ask = Ask { list: List::Roster, offset: progress.offset, limit };
        let vendor = &context.caller.vendor;
        let page = match context.caller.call(&|within| vendor.page(&ask, within).boxed()).await {
            Ok(page) => page,
            Err(CallError::Run(interrupted)) => return Err(interrupted),
            Err(CallError::ThisOnly(error)) => return walker::give_up(context, work, walker::refused(work, &error)).await,
        };
        if !write(context, work, page, limit).await? {
            return Ok(());
        }
    }
}

/// Writes a page of the roster, and says whether it goes on.
async fn write<V>(context: &Context<V>, work: &mut Work, page: Page<V::Row>, limit: u32) -> Result<bool, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let readable = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
    let mut met = HashSet::new();
    let distinct: Vec<V::Row> = page.rows.into_iter().filter(|row| met.insert(row.key())).collect();
    let known = Tables::<V>::ask_roster(&mut step.conn(), at, &distinct).await?;
    let (same, differing): (Vec<_>, Vec<_>) = distinct.iter().zip(&known).partition(|(row, known)| is_as_known(*row, known));
    Tables::<V>::hold(&mut step.conn(), at, &differing.iter().map(|(row, _)| *row).collect::<Vec<_>>()).await?;
    let numbers: Vec<i32> = same.iter().filter_map(|(_, known)| known.node_no).collect();
    let unchanged = same.iter().filter(|(_, known)| !known.shown && !known.is_root).count();

    let mut progress = Progress::from_stored(&work.progress);
    progress.distinct += u32::try_from(distinct.len()).unwrap_or(u32::MAX);
    progress.unreadable += page.received.saturating_sub(readable);
    let before = progress.clone();
    let state = course(&mut progress, page.received, limit, ids_digest(&distinct), context.paging().whole);
    let learned = paging(&before, page.received).or(context.paging());
    let mut findings: Vec<Finding> =
        page.remarks.into_iter().map(|remark| Finding::new(remark.kind, remark.about, remark.detail)).collect();
    findings.extend((state == State::Unproven).then(doubtful));
    frontier::save(&mut step.conn(), &context.open, &work.parent, &progress.to_stored(), state, &numbers).await?;
    // A row that slipped over a seam, and a page that was cut short, look like somebody who is gone: that is believed of
    // those whom a second reading does not show either.
    let state = if state == State::Read && progress.passes == 0 && Tables::<V>::roster_loses(&mut step.conn(), at).await? {
        progress = Progress { passes: 1, limit: progress.limit, ..Progress::default() };
        frontier::save(&mut step.conn(), &context.open, &work.parent, &progress.to_stored(), State::Queued, &[]).await?;
        State::Queued
    } else {
        state
    };
    finding::open(&mut step.conn(), at, &findings).await?;
    if learned != context.paging() {
        source::remember_paging(&mut step.conn(), at.source_id, learned).await?;
    }
    let counters = Counters {
        pages: 1,
        rows_seen: page.received.into(),
        unchanged: i64::try_from(unchanged).unwrap_or(i64::MAX),
        write_ms: millis(begun.elapsed()),
        ..Counters::default()
    };
    context.commit(step, counters).await?;
    context.set_paging(learned);
    context.tell_page(page.received);
    work.progress = progress.to_stored();
    Ok(state == State::Queued)
}

/// Brings the roster's course forward. A page shorter than asked for is its end, unless its length smells of a silent cap:
/// then the vendor is asked once, by pages of that length, whether anything follows. `whole` is the digest of a page after
/// which nothing followed the last time.
fn course(progress: &mut Progress, received: u32, limit: u32, digest: i64, whole: Option<i64>) -> State {
    let is_suspicious = progress.offset == 0 && received < limit && CAPS.contains(&received) && whole != Some(digest);
    progress.offset += received;
    progress.whole = is_suspicious.then_some(digest);
    if is_suspicious {
        progress.limit = Some(received);
    }
    if is_suspicious || received == limit {
        return State::Queued;
    }
    if progress.unreadable == 0 { State::Read } else { State::Unproven }
}

/// What the answer to the question whether anything follows has taught.
fn paging(before: &Progress, received: u32) -> Paging {
    match before.whole {
        None => Paging::default(),
        Some(digest) if received == 0 => Paging { whole: Some(digest), cap: None },
        Some(_) => Paging { whole: None, cap: before.limit },
    }
}

/// A digest of who stands on a page, in whatever order.
fn ids_digest<R: Node>(rows: &[R]) -> i64 {
    let mut ids: Vec<String> = rows.iter().map(|row| row.key().0).collect();
    ids.sort_unstable();
    xxhash_rust::xxh3::xxh3_64(ids.join(" ").as_bytes()).cast_signed()
}

fn doubtful() -> Finding {
    Finding::new("list_unreadable", KEY, "rows of the roster could not be read; nothing was retired by it")
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
        linked.retired = Tables::<V>::unlink_others(&mut step.conn(), at, &edges).await?;
        page::write_link_changes::<Tables<V>>(step, at, &linked).await?;
        finding::open(&mut step.conn(), at, &taken.findings).await?;
        counters += taken.counters;
    }
    Tables::<V>::release(&mut step.conn(), at.source_id).await?;
    Ok(counters)
}

fn edge<R: Node>(row: &R) -> Option<Edge> {
    match row.stated_parent() {
        Stated::Parent(parent) => Some(Edge { parent, child: row.key() }),
        Stated::Nobody | Stated::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls and the end of a roster of so many rows, with a silent cap, and what it taught.
    fn read(rows: u32, cap: u32, known: Paging) -> (u32, State, Paging) {
        let (mut progress, mut calls, mut learned) = (Progress::default(), 0, known);
        loop {
            let limit = progress.limit.unwrap_or(known.cap.unwrap_or(1000));
            // As the vendor numbers pages: by the size that was asked for.
            let page = progress.offset.div_ceil(limit);
            let received = rows.saturating_sub(page * limit).min(cap).min(limit);
            calls += 1;
            let before = progress.clone();
            let state = course(&mut progress, received, limit, rows.into(), known.whole);
            learned = paging(&before, received).or(learned);
            match state {
                State::Queued => {}
                end => return (calls, end, learned),
            }
        }
    }

    #[test]
    fn a_roster_costs_a_call_for_a_thousand_rows() {
        for (rows, calls) in [(0, 1), (1, 1), (999, 1), (1001, 2), (2500, 3), (3400, 4)] {
            assert_eq!(read(rows, 1000, Paging::default()), (calls, State::Read, Paging::default()), "{rows} rows");
        }
        // Whether anything follows a full page is not known before it is asked for.
        assert_eq!(read(1000, 1000, Paging::default()).0, 2);
    }

    #[test]
    fn a_silent_cap_is_learned_once_and_remembered() {
        for rows in [700, 1000, 2500] {
            let (_, end, learned) = read(rows, 500, Paging::default());
            assert_eq!((end, learned.cap), (State::Read, Some(500)), "{rows} rows");
            let (calls, end, _) = read(rows, 500, learned);
            assert_eq!((calls, end), (rows / 500 + 1, State::Read), "{rows} rows");
        }
    }

    #[test]
    fn a_roster_as_long_as_a_cap_is_asked_about_once() {
        let (calls, end, learned) = read(500, 1000, Paging::default());
        assert_eq!((calls, end, learned.cap), (2, State::Read, None));
        assert_eq!(read(500, 1000, learned).0, 1);
    }
}
