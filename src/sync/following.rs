//! The lists that follow from the rows of a page. After its links: a list may turn out to be another node's, and takes its own back.

use std::collections::HashSet;

use super::{
    Interrupted, another_way,
    context::{Context, Tables},
    page_plan::PagePlan,
};
use crate::{
    model::{node::NodeKey, reach::Reach},
    store::{
        facts::At,
        frontier::Work,
        mirror::{Mirror, Mirrored},
        queued,
        session::Step,
    },
    vendor_api::hierarchy::Hierarchy,
};

/// Queues the lists that follow from the rows. Those that the walk has met before are told what their parents' rows say now. Gives the
/// new ones, and whether others were changed.
pub(super) async fn queue<V>(
    context: &Context<V>,
    step: &mut Step,
    at: At,
    work: &Work,
    plan: &mut PagePlan<V::Row>,
    (numbers, changed): (&[i32], &[NodeKey]),
    reach: Option<Reach>,
) -> Result<(Vec<Work>, bool), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    if !reach.is_some_and(Reach::reads_below_roots) {
        return Ok((Vec::new(), false));
    }
    let vendor = &context.caller.vendor;
    let identifiers = plan.identifiers(vendor);
    let shared = match identifiers.is_empty() {
        true => HashSet::new(),
        false => Tables::<V>::shared(&mut step.conn(), at, &identifiers).await?,
    };
    let lists = plan.follow(vendor, work, numbers, &shared, context.max_depth());
    let leaves = plan.leaves(vendor);
    let (known_leaves, wanted): (Vec<&Work>, Vec<&Work>) = lists.iter().partition(|list| leaves.contains(&list.parent));
    let queued = queued::queue(&mut step.conn(), &context.open, &wanted).await?;
    let is_new: HashSet<&NodeKey> = queued.iter().map(|list| &list.parent).collect();
    let met = wanted.iter().filter(|list| !is_new.contains(&list.parent)).chain(&known_leaves).copied();
    // At rest each node is shown once.
    let may_be_met = !leaves.is_empty() && context.walk.has_moved();
    let met: Vec<&Work> = met.filter(|list| may_be_met || !leaves.contains(&list.parent)).collect();
    let mut restated = queued::restate(&mut step.conn(), &context.open, &met).await? > 0;
    if context.caller.vendor.identifiers_needed() && !changed.is_empty() {
        for twin in Tables::<V>::twins(&mut step.conn(), at, changed).await? {
            another_way::take(context, step, at, &twin).await?;
            restated = true;
        }
    }
    Ok((queued, restated))
}
