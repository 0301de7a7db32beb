//! A list that must be asked for by another identifier: the one it was asked for by is refused, or names another node, too.

use super::{
    Interrupted,
    context::{Context, Tables},
    links::write_link_changes,
    page_plan::{PagePlan, cannot_ask},
};
use crate::{
    config::Identifier,
    model::{node::NodeKey, reach::Reach, run::Counters},
    store::{
        facts::{At, Linked},
        finding,
        frontier::{self, Work},
        mirror::{Mirror, Mirrored},
        session::Step,
    },
    vendor_api::hierarchy::Hierarchy,
};

/// Some row states another parent than the one by whose identifier was asked: the identifier names that one, too.
pub(super) fn is_anothers<V>(context: &Context<V>, work: &Work, plan: &PagePlan<V::Row>) -> bool
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    // Of a root whose id could not be learned nothing can be said.
    work.ask.is_some() && !work.parent.0.starts_with('-') && context.walk.reach() == Some(Reach::Direct) && plan.states_others(work)
}

/// Leaves a list that is another node's, and commits.
pub(super) async fn leave<V>(context: &Context<V>, work: &Work, mut step: Step, at: At) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    take(context, &mut step, at, &work.parent).await?;
    context.commit(step, Counters::default()).await?;
    context.queue.forget().await;
    Ok(())
}

/// Asks for the list by the next identifier from now on. Where none is left it is given up, and the links that this walk has read
/// from it are no more. Gives whether there was one.
pub async fn take<V>(context: &Context<V>, step: &mut Step, at: At, parent: &NodeKey) -> Result<bool, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    if let Some(next) = next::<V>(context, step, at, parent).await? {
        frontier::ask_by(&mut step.conn(), &context.open, parent, &next).await?;
        context.remember(step, true, 0).await?;
        return Ok(true);
    }
    let retired = Tables::<V>::unlink_new(&mut step.conn(), at, parent).await?;
    write_link_changes::<Tables<V>>(step, at, &Linked { retired, ..Linked::default() }).await?;
    frontier::give_up(&mut step.conn(), &context.open, parent).await?;
    finding::open(&mut step.conn(), at, &[cannot_ask(parent)]).await?;
    Ok(false)
}

/// The next identifier of the list's node that no other live node has.
pub(super) async fn next<V>(context: &Context<V>, step: &mut Step, at: At, parent: &NodeKey) -> Result<Option<Identifier>, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let asked = frontier::asked_by(&mut step.conn(), &context.open, parent).await?;
    let node = Tables::<V>::load(&mut step.conn(), at.source_id, std::slice::from_ref(parent)).await?.into_iter().next();
    let Some(identifiers) = node.and_then(|node| context.caller.vendor.identifiers(&node)) else { return Ok(None) };
    let used = identifiers.iter().position(|identifier| Some(identifier) == asked.as_ref()).map_or(0, |place| place + 1);
    let left: Vec<(NodeKey, Identifier)> = identifiers.into_iter().skip(used).map(|identifier| (parent.clone(), identifier)).collect();
    let shared = Tables::<V>::shared(&mut step.conn(), at, &left).await?;
    Ok(left.into_iter().map(|(_, identifier)| identifier).find(|identifier| !shared.contains(identifier)))
}
