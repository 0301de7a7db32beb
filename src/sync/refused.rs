//! Lists that the vendor refuses, or that are another node's: asked for by another identifier, put off, or given up.

use tracing::warn;

use super::{
    Interrupted,
    context::{Context, Synced, Tables},
    page_plan::{PagePlan, cannot_ask},
    writing::Writing,
};
use crate::{
    config::Identifier,
    model::{finding::Finding, node::NodeId, reach::Reach, run::Counters},
    store::{
        doubt,
        facts::Linked,
        finding,
        frontier::{self, Work},
        links::Links,
        mirror::Mirror,
    },
    vendor_api::error::VendorError,
};

/// The vendor refuses a list: it is asked for by the next identifier, or it is settled when no list is left.
pub(super) async fn refused<V: Synced>(context: &Context<V>, work: &Work, error: VendorError) -> Result<(), Interrupted> {
    if !matches!(error, VendorError::Rejected(_)) {
        return give_up(context, work, refusal(work, &error)).await;
    }
    let mut w = context.write().await?;
    if frontier::asked_by(&mut w.step.conn(), &context.open, work.parent).await? != work.ask {
        // It is asked for in another way by now.
        return Ok(());
    }
    match next(&mut w, work.parent).await? {
        Some(ask) => frontier::ask_by(&mut w.step.conn(), &context.open, work.parent, &ask).await?,
        // Where lists hold everybody below, who stands in none of them would seem to hang elsewhere.
        None if context.walk().reach == Some(Reach::Direct) && Tables::<V>::is_idle(&mut w.step.conn(), w.at, work.parent).await? => {
            frontier::take_as_empty(&mut w.step.conn(), &context.open, work.parent).await?;
            let say =
                format!("this user is inactive, and the vendor refuses the list of who reports to them: it is taken for empty ({error})");
            finding::open(&mut w.step.conn(), w.at, &[Finding::new("inactive_refused", work.parent, say)]).await?;
        }
        None => doubt::refuse(&mut w.step.conn(), &context.open, work.parent, &refusal(work, &error).say).await?,
    }
    w.is_frontier_changed = true;
    w.remember(true, false, 0).await?;
    w.commit(Counters::default()).await
}

/// The list cannot be read in this walk: a finding says why, and the walk will be partial.
pub(super) async fn give_up<V: Synced>(context: &Context<V>, work: &Work, finding: Finding) -> Result<(), Interrupted> {
    warn!(kind = finding.kind, list = %work.parent, "a list cannot be read: {}", finding.say);
    let mut w = context.write().await?;
    frontier::give_up(&mut w.step.conn(), &context.open, work.parent).await?;
    finding::open(&mut w.step.conn(), w.at, &[finding]).await?;
    w.commit(Counters::default()).await
}

/// What a person should know of a list that the vendor refuses.
pub(super) fn refusal(work: &Work, error: &VendorError) -> Finding {
    let kind = match error {
        VendorError::WrongShape(_) => "bad_answer",
        VendorError::TooLarge(_) => "answer_too_large",
        VendorError::Transient(_) => "list_unavailable",
        VendorError::Unreadable(_) => "bad_answer",
        VendorError::Rejected(_) | VendorError::Throttled { .. } | VendorError::Unauthorised(_) | VendorError::Untrusted(_) => {
            "list_refused"
        }
    };
    let todo = match kind {
        "answer_too_large" => "raise the source's `max_response`",
        "list_unavailable" => "if that stays, ask the vendor about it",
        _ => "if that stays, look at the node with the vendor",
    };
    let say = format!("this node's list could not be read, and was kept as it was until the next walk: {error}; {todo}");
    Finding::new(kind, work.parent, say)
}

/// Some row of a first page states another parent than the one by whose identifier was asked: the identifier names that one, too. A later page may
/// be of nobody but who has two parents.
pub(super) fn is_anothers<V: Synced>(context: &Context<V>, work: &Work, plan: &PagePlan<V::Row>) -> bool {
    // Of a root whose id could not be learned nothing can be said.
    work.ask.is_some() && !work.parent.is_unknown() && context.walk().reach == Some(Reach::Direct) && plan.states_others(work)
}

/// Leaves a list that is another node's, and commits.
pub(super) async fn leave<V: Synced>(mut w: Writing<'_, V>, work: &Work) -> Result<(), Interrupted> {
    take(&mut w, work.parent).await?;
    w.commit(Counters::default()).await
}

/// Asks for the list by the next identifier from now on. Where none is left it is given up, and the links that this walk has read
/// from it are no more.
pub async fn take<V: Synced>(w: &mut Writing<'_, V>, parent: NodeId) -> Result<(), Interrupted> {
    w.is_frontier_changed = true;
    if let Some(next) = next::<V>(w, parent).await? {
        frontier::ask_by(&mut w.step.conn(), &w.context.open, parent, &next).await?;
        return Ok(w.remember(true, false, 0).await?);
    }
    let retired = Tables::<V>::unlink_new(&mut w.step.conn(), w.at, parent).await?;
    w.tell_links(&Linked { retired, ..Linked::default() }).await?;
    frontier::give_up(&mut w.step.conn(), &w.context.open, parent).await?;
    let node = Tables::<V>::load(&mut w.step.conn(), w.at.source_id, &[parent]).await?.pop();
    let too_long = node.map(|node| w.context.caller.vendor.too_long(&node)).unwrap_or_default();
    finding::open(&mut w.step.conn(), w.at, &[cannot_ask(parent, &too_long)]).await?;
    Ok(())
}

/// The next identifier of the list's node that no other live node has.
pub(super) async fn next<V: Synced>(w: &mut Writing<'_, V>, parent: NodeId) -> Result<Option<Identifier>, Interrupted> {
    let asked = frontier::asked_by(&mut w.step.conn(), &w.context.open, parent).await?;
    let node = Tables::<V>::load(&mut w.step.conn(), w.at.source_id, &[parent]).await?.into_iter().next();
    let Some(identifiers) = node.and_then(|node| w.context.caller.vendor.identifiers(&node)) else { return Ok(None) };
    let used = identifiers.iter().position(|identifier| Some(identifier) == asked.as_ref()).map_or(0, |place| place + 1);
    let left: Vec<(NodeId, Identifier)> = identifiers.into_iter().skip(used).map(|identifier| (parent, identifier)).collect();
    let shared = Tables::<V>::shared(&mut w.step.conn(), w.at, &left).await?;
    Ok(left.into_iter().map(|(_, identifier)| identifier).find(|identifier| !shared.contains(identifier)))
}
