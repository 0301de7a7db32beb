//! What follows from the rows of a page: the links that they show, and then their lists. A list may turn out to be another node's, and
//! takes its own links back.

use std::collections::HashSet;

use super::{
    Interrupted,
    context::{Synced, Tables},
    page_plan::{PageLinks, PagePlan},
    refused,
    writing::Writing,
};
use crate::{
    model::{
        node::{Node, NodeId},
        reach::Reach,
    },
    store::{
        facts::{Edge, Linked},
        frontier::Work,
        links::Links,
        mirror::Mirror,
        queued,
    },
    walk::pass::Pass,
};

/// Pages of a list that is read again because one of its rows has shown up elsewhere, at most.
const SHORT: u32 = 8;

/// Writes the links of a page and their changes. Gives how many lists are to be read again.
pub(super) async fn write<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    plan: &PagePlan<V::Row>,
    reach: Option<Reach>,
) -> sqlx::Result<u64> {
    let linked = link(w, work, plan, reach).await?;
    if linked == Linked::default() {
        return Ok(0);
    }
    // Whoever is new has stood nowhere before, nor on a page that is known.
    let new = plan.new_keys();
    let lists = reread(w, reach, &linked, &new).await?;
    let touched: Vec<NodeId> = linked.ends().filter(|end| !new.contains(end)).collect();
    w.tell_links_of(&linked, &touched).await?;
    Ok(lists)
}

/// Links the rows. Whom a row names as parent, and no list shows, is settled at the walk's end.
async fn link<V: Synced>(w: &mut Writing<'_, V>, work: &Work, plan: &PagePlan<V::Row>, reach: Option<Reach>) -> sqlx::Result<Linked> {
    let PageLinks { stated, missing, elsewhere } = plan.links(work, reach, w.context.caller.vendor.lists_decide());
    let elsewhere: Vec<&V::Row> = elsewhere.into_iter().map(|place| &plan.rows[place]).collect();
    Tables::<V>::stage(&mut w.step.conn(), w.at, &elsewhere, false).await?;
    let mut linked = Linked::default();
    if !missing.is_empty() {
        linked = Tables::<V>::link(&mut w.step.conn(), w.at, &missing).await?;
    }
    if Tables::<V>::STATES_THE_ONLY_ONE && !stated.is_empty() {
        linked.retired = Tables::<V>::unlink_others(&mut w.step.conn(), w.at, &stated).await?;
    }
    Ok(linked)
}

/// A child that shows up below another parent than before has moved, or has two: the other parent's list tells, if it is
/// short and was read already. One that is still to be read tells anyhow.
async fn reread<V: Synced>(w: &mut Writing<'_, V>, reach: Option<Reach>, linked: &Linked, new: &HashSet<NodeId>) -> sqlx::Result<u64> {
    if reach != Some(Reach::Direct) {
        return Ok(0);
    }
    let edges: Vec<Edge> = linked.inserted.iter().chain(&linked.restored).filter(|edge| !new.contains(&edge.child)).copied().collect();
    if edges.is_empty() {
        return Ok(0);
    }
    let rows = SHORT * w.context.caller.vendor.page_size();
    let lists = Tables::<V>::reread(&mut w.step.conn(), w.at, &edges, rows, &Pass::again().to_stored()).await?;
    w.is_frontier_changed |= lists > 0;
    Ok(lists)
}

/// Queues the lists that follow from the rows. Those that the walk has met before are told what their parents' rows say now.
pub(super) async fn follow<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    plan: &mut PagePlan<V::Row>,
    (numbers, changed): (&[i32], &HashSet<NodeId>),
    reach: Option<Reach>,
) -> Result<(), Interrupted> {
    if !reach.is_some_and(Reach::reads_below_roots) {
        return Ok(());
    }
    let vendor = &w.context.caller.vendor;
    let identifiers = plan.identifiers(vendor);
    let shared = match identifiers.is_empty() {
        true => HashSet::new(),
        false => Tables::<V>::shared(&mut w.step.conn(), w.at, &identifiers).await?,
    };
    let mut lists = plan.follow(vendor, work, numbers, &shared, w.context.max_depth());
    lists.iter_mut().filter(|list| w.context.wants(list.parent)).for_each(|list| list.wanted = list.wanted.or(Some(false)));
    let leaves = plan.leaves(vendor);
    let (known_leaves, wanted): (Vec<&Work>, Vec<&Work>) = lists.iter().partition(|list| leaves.contains(&list.parent));
    let queued = queued::queue(&mut w.step.conn(), &w.context.open, &wanted).await?;
    let is_new: HashSet<NodeId> = queued.iter().map(|list| list.parent).collect();
    let met = wanted.iter().filter(|list| !is_new.contains(&list.parent)).chain(&known_leaves).copied();
    // At rest each node is shown once.
    let may_be_met = !leaves.is_empty() && w.context.walk().has_moved;
    let met: Vec<&Work> = met.filter(|list| may_be_met || !leaves.contains(&list.parent)).collect();
    w.is_frontier_changed |= queued::restate(&mut w.step.conn(), &w.context.open, &met).await? > 0;
    if w.context.caller.vendor.identifiers_needed() && !changed.is_empty() {
        let changed: Vec<&V::Row> = plan.rows.iter().filter(|row| changed.contains(&row.key())).collect();
        for twin in Tables::<V>::twins(&mut w.step.conn(), w.at, &changed).await? {
            refused::take(w, twin).await?;
        }
    }
    w.queued.extend(queued);
    Ok(())
}
