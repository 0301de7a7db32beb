//! A page as long as asked for, which is kept: when it comes again, its rows are not looked up one by one.

use std::collections::HashMap;

use super::{
    context::{Synced, Tables},
    page_plan::PagePlan,
    writing::Writing,
};
use crate::{
    model::{
        digest::Digest,
        node::{Node, NodeId},
        reach::Stated,
    },
    store::{frontier::Work, mirror::Mirror},
};

/// A page as long as asked for.
pub(super) struct FullPage {
    /// The place of its first row in the list.
    pub(super) place: u32,
    /// Whom each text seems to be about, and its digest.
    pub(super) texts: Vec<(NodeId, Digest)>,
    /// How many of its rows were known by the page as it was last kept.
    pub(super) known: usize,
}

/// Keeps a full page where more is known of it now than when it was last kept. `read`: the numbers of the rows that were read.
pub(super) async fn keep<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    full: &FullPage,
    plan: &PagePlan<V::Row>,
    read: &[i32],
) -> sqlx::Result<()> {
    if plan.rows.is_empty() && plan.unchanged.len() <= full.known {
        return Ok(());
    }
    let known = full.known_leaves(work, plan, read);
    if known.len() <= full.known {
        return Ok(());
    }
    Tables::<V>::keep_page(&mut w.step.conn(), w.at, (work.parent, full.place), &full.texts, &known).await
}

impl FullPage {
    /// Live leaves of this list and no other, whose very texts the mirror has now, with their numbers.
    fn known_leaves<R: Node>(&self, work: &Work, plan: &PagePlan<R>, read: &[i32]) -> HashMap<NodeId, i32> {
        let mut known: HashMap<NodeId, i32> = plan.unchanged.iter().map(|row| (row.key, row.node_no)).collect();
        // Of others it is not known where else they hang.
        let mut new = plan.rows.iter().zip(&plan.existing).zip(read).filter(|((_, existing), _)| existing.node_no.is_none()).peekable();
        if new.peek().is_some() {
            let sent: HashMap<NodeId, Digest> = self.texts.iter().copied().collect();
            let is_here = |row: &R| !matches!(row.stated_parent(), Stated::Parent(parent) if parent != work.parent);
            let is_leaf = |row: &R| row.text_digest().is_some_and(|digest| sent.get(&row.key()) == Some(&digest)) && is_here(row);
            known.extend(new.filter(|((row, _), _)| is_leaf(row)).map(|((row, _), number)| (row.key(), *number)));
        }
        // Whom a row names as its parent has a child.
        for row in &plan.rows {
            if let Stated::Parent(parent) = row.stated_parent() {
                known.remove(&parent);
            }
        }
        known
    }
}
