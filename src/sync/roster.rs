//! Reads a roster: all nodes of the account with their parents. Rows that are as the mirror has them are only marked;
//! the others wait until the whole roster is read and it is known who lies below the roots.

use std::collections::HashSet;

use super::{Interrupted, caller::millis, page, rows, run::Context};
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
        mirror::{At, Edge, Known, Mirror, Mirrored},
        session::Step,
    },
    vendor::{Page, hierarchy::Hierarchy},
    walk::list::Progress,
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
    let list = Work { parent: NodeKey(KEY.into()), depth: 0, attempts: 0, ask: None, expected: None, progress: serde_json::Value::Null };
    let mut step = context.session.begin().await?;
    frontier::queue(step.conn(), &context.open, &[list]).await?;
    step.commit().await?;
    Ok(())
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
    let mut met = HashSet::new();
    let distinct: Vec<V::Row> = page.rows.into_iter().filter(|row| met.insert(row.key())).collect();
    let held = Tables::<V>::hold(step.conn(), at, &distinct).await?;
    let unchanged = held.unchanged;

    let mut progress = Progress::from_stored(&work.progress);
    progress.offset += page.received;
    progress.distinct += u32::try_from(distinct.len()).unwrap_or(u32::MAX);
    progress.unreadable += page.received.saturating_sub(u32::try_from(distinct.len()).unwrap_or(u32::MAX));
    let state = match (page.received < context.caller.vendor.page_size(), progress.unreadable) {
        (false, _) => State::Queued,
        (true, 0) => State::Read,
        (true, _) => State::Unproven,
    };
    frontier::save(step.conn(), &context.open, &work.parent, &progress.to_stored(), state, &held.numbers).await?;
    let remarks = page.remarks.into_iter().map(|remark| Finding::new(remark.kind, remark.about, remark.detail));
    finding::open(step.conn(), at, &remarks.collect::<Vec<_>>()).await?;
    let counters =
        Counters { pages: 1, rows_seen: page.received.into(), unchanged, write_ms: millis(begun.elapsed()), ..Counters::default() };
    context.commit(step, counters).await?;
    context.tell_page(page.received);
    work.progress = progress.to_stored();
    Ok(state == State::Queued)
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
