//! Lists that cannot be read in a walk.

use tracing::warn;

use super::{Interrupted, caller::millis, context::Context};
use crate::{
    clock,
    model::run::Counters,
    store::{
        finding::{self, Finding},
        frontier::{self, Work},
        mirror::Mirrored,
    },
    vendor_api::{error::VendorError, hierarchy::Hierarchy},
};

/// The list cannot be read in this walk: a finding says why, and the walk will be partial.
pub(super) async fn give_up<V>(context: &Context<V>, work: &Work, finding: Finding) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    warn!(kind = finding.kind, list = %work.parent, "a list cannot be read: {}", finding.say);
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    frontier::give_up(&mut step.conn(), &context.open, &work.parent).await?;
    finding::open(&mut step.conn(), at, &[finding]).await?;
    context.commit(step, Counters { write_ms: millis(begun.elapsed()), ..Counters::default() }).await
}

/// What a person should know of a list that the vendor refuses.
pub(super) fn refusal(work: &Work, error: &VendorError) -> Finding {
    let kind = match error {
        VendorError::WrongShape(_) => "bad_answer",
        VendorError::TooLarge(_) => "answer_too_large",
        VendorError::Transient(_) => "list_unavailable",
        VendorError::Rejected(_) | VendorError::Throttled { .. } | VendorError::Unauthorised(_) => "list_refused",
    };
    let todo = match kind {
        "answer_too_large" => "raise the source's `max_response`",
        "list_unavailable" => "if that stays, ask the vendor about it",
        _ => "if that stays, look at the node with the vendor",
    };
    let say = format!("this node's list could not be read, and was kept as it was until the next walk: {error}; {todo}");
    Finding::new(kind, work.parent.0.clone(), say)
}
