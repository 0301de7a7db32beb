//! A list that must be asked for by another identifier: the one it was asked for by is refused, or names another node, too.

use super::{Interrupted, context::Context, links::write_link_changes, page::Tables, page_plan::cannot_ask};
use crate::{
    config::Identifier,
    model::node::NodeKey,
    store::{
        facts::{At, Linked},
        finding, frontier,
        mirror::{Mirror, Mirrored},
        session::Step,
    },
    vendor::hierarchy::Hierarchy,
};

/// Asks for the list by the next identifier from now on. Where none is left it is given up, and the links that this walk has read
/// from it are no more. Gives whether there was one.
///
/// # Errors
/// When the database fails.
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
