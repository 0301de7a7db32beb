//! Reads a roster: all nodes of the account with their parents. Rows that are as the mirror has them are only marked;
//! the others wait until the whole roster is read and it is known who lies below the roots.

use std::collections::HashSet;

use super::{Interrupted, caller::millis, context::Context, page, rows};
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
    },
    vendor::{Page, hierarchy::Hierarchy},
    walk::{
        decide::{Decision, Version, decide},
        list::Progress,
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
    let list = Work { parent: NodeKey(KEY.into()), depth: 0, attempts: 0, ask: None, expected: None, progress: serde_json::Value::Null };
    let mut step = context.session.begin().await?;
    frontier::queue(step.conn(), &context.open, &[list]).await?;
    context.commit(step, Counters::default()).await
}

/// Writes a page of the roster, and says whether it goes on.
///
/// # Errors
/// When the database fails or the lease is lost; nothing is written then.
pub async fn write<V>(context: &Context<V>, work: &mut Work, page: Page<V::Row>) -> Result<bool, Interrupted>
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
    let known = Tables::<V>::ask_roster(step.conn(), at, &distinct).await?;
    let (same, differing): (Vec<_>, Vec<_>) = distinct.iter().zip(&known).partition(|(row, known)| is_as_known(*row, known));
    Tables::<V>::hold(step.conn(), at, &differing.iter().map(|(row, _)| *row).collect::<Vec<_>>()).await?;
    let numbers: Vec<i32> = same.iter().filter_map(|(_, known)| known.node_no).collect();
    let unchanged = same.iter().filter(|(_, known)| !known.shown && !known.is_root).count();

    let mut progress = Progress::from_stored(&work.progress);
    progress.distinct += u32::try_from(distinct.len()).unwrap_or(u32::MAX);
    progress.unreadable += page.received.saturating_sub(readable);
    let state = course(&mut progress, page.received, context.caller.vendor.page_size());
    let mut findings: Vec<Finding> =
        page.remarks.into_iter().map(|remark| Finding::new(remark.kind, remark.about, remark.detail)).collect();
    findings.extend((state == State::Unproven).then(doubtful));
    frontier::save(step.conn(), &context.open, &work.parent, &progress.to_stored(), state, &numbers).await?;
    finding::open(step.conn(), at, &findings).await?;
    let counters = Counters {
        pages: 1,
        rows_seen: page.received.into(),
        unchanged: i64::try_from(unchanged).unwrap_or(i64::MAX),
        write_ms: millis(begun.elapsed()),
        ..Counters::default()
    };
    context.commit(step, counters).await?;
    context.tell_page(page.received);
    work.progress = progress.to_stored();
    Ok(state == State::Queued)
}

/// Brings the roster's course forward. A short page is its end, unless its length smells of a silent cap: then the
/// next page must be empty.
fn course(progress: &mut Progress, received: u32, page_size: u32) -> State {
    let after_short_page = !progress.offset.is_multiple_of(page_size);
    progress.offset += received;
    let may_be_capped = progress.offset == received && CAPS.contains(&received);
    if received == page_size || (may_be_capped && received > 0) {
        // Pages are asked for by their number: after a short one, the next number.
        return State::Queued;
    }
    let is_proven = progress.unreadable == 0 && !(after_short_page && received > 0);
    if is_proven { State::Read } else { State::Unproven }
}

fn doubtful() -> Finding {
    let say = "rows of the roster could not be read, or more of them came after a short page; nothing was retired by it";
    Finding::new("list_unreadable", KEY, say)
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
    for chunk in Tables::<V>::held(step.conn(), at).await?.chunks(CHUNK) {
        let known: Vec<Known> = Tables::<V>::ask(step.conn(), at, &roster, chunk).await?;
        let taken = rows::take_in::<Tables<V>>(step.conn(), at, chunk, &known).await?;
        frontier::save(step.conn(), &context.open, &roster, &serde_json::Value::Null, State::Read, &taken.numbers).await?;
        let edges: Vec<Edge> = chunk.iter().filter_map(edge).collect();
        let mut linked = Tables::<V>::link(step.conn(), at, &edges).await?;
        linked.retired = Tables::<V>::unlink_others(step.conn(), at, &edges).await?;
        page::write_link_changes::<Tables<V>>(step, at, &linked).await?;
        finding::open(step.conn(), at, &taken.findings).await?;
        counters += taken.counters;
    }
    Tables::<V>::release(step.conn(), at.source_id).await?;
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

    /// The calls and the end of a roster of so many rows, with a silent cap.
    fn read(rows: u32, cap: u32) -> (u32, State) {
        let (mut progress, mut calls) = (Progress::default(), 0);
        loop {
            // As the vendor numbers pages when it caps them: by the size that was asked for.
            let page = progress.offset.div_ceil(1000);
            let received = rows.saturating_sub(page * 1000).min(cap);
            calls += 1;
            match course(&mut progress, received, 1000) {
                State::Queued => {}
                end => return (calls, end),
            }
        }
    }

    #[test]
    fn a_roster_costs_a_call_for_a_thousand_rows() {
        for (rows, calls) in [(0, 1), (1, 1), (999, 1), (1001, 2), (2500, 3), (3400, 4)] {
            assert_eq!(read(rows, 1000), (calls, State::Read), "{rows} rows");
        }
        // Whether anything follows a full page is not known before it is asked for.
        assert_eq!(read(1000, 1000), (2, State::Read));
    }

    #[test]
    fn a_silent_cap_is_not_the_end() {
        assert_eq!(read(2500, 500).1, State::Unproven);
        assert_eq!(read(500, 1000), (2, State::Read));
    }
}
