//! The roots: looked up where the config gives an identifier, given a live row, and their lists queued.

use futures::FutureExt;

use super::{
    Interrupted,
    caller::{CallError, millis},
    context::Context,
};
use crate::{
    clock,
    model::{node::NodeKey, reading::Reading, run::Counters},
    store::{
        change::{self, Change},
        finding::{self, Finding},
        frontier::{self, Work},
        mirror::{Mirror, Mirrored, RootRow},
        root,
    },
    vendor::hierarchy::{Hierarchy, Root},
};

/// Resolves the roots that this walk has not resolved yet.
///
/// # Errors
/// When the run must end.
pub async fn resolve<V>(context: &Context<V>) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let mut step = context.session.begin().await?;
    let resolved = root::resolved(&mut step.conn(), &context.open).await?;
    step.commit().await?;
    for root in context.caller.vendor.roots() {
        if !resolved.contains(&root.asked_by) {
            let (key, finding) = find(context, &root).await?;
            write(context, &root, &key, finding).await?;
        }
    }
    Ok(())
}

/// The root's key, and a finding if it could not be learned.
async fn find<V>(context: &Context<V>, root: &Root) -> Result<(NodeKey, Option<Finding>), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let Some(identifier) = &root.identifier else { return Ok((root.key.clone(), None)) };
    let vendor = &context.caller.vendor;
    let mut was_asked = false;
    let why = loop {
        let why = match context.caller.call(&|within| vendor.lookup(identifier, within).boxed()).await {
            Ok(Some(key)) => return Ok((key, None)),
            Ok(None) => "the vendor does not know its identifier".to_owned(),
            Err(CallError::ThisOnly(error)) => error.to_string(),
            Err(CallError::Run(interrupted)) => return Err(interrupted),
        };
        // One answer may lie, and all would be mirrored under another id.
        if std::mem::replace(&mut was_asked, true) {
            break why;
        }
    };
    // Whom an earlier walk has found is not lost by one answer.
    let mut step = context.session.begin().await?;
    let learned = root::learned(&mut step.conn(), &context.open, &root.asked_by).await?.filter(|key| *key != root.key);
    step.commit().await?;
    let key = learned.clone().unwrap_or_else(|| root.key.clone());
    let instead = match learned {
        Some(_) => "the one that was learned before is kept; check that the identifier in `roots` is still the root's",
        None => "it is mirrored under a negative id until it can be; check the identifier in `roots`",
    };
    let finding = Finding::new("root_unknown", key.0.clone(), format!("the id of this root could not be learned ({why}); {instead}"));
    Ok((key, Some(finding)))
}

async fn write<V>(context: &Context<V>, root: &Root, key: &NodeKey, finding: Option<Finding>) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let is_first = root::write(&mut step.conn(), &context.open, &root.asked_by, key).await?;
    let became = <V::Row as Mirrored>::Tables::root(&mut step.conn(), at, key).await?;
    let change = |op| Change { entity: <V::Row as Mirrored>::Tables::NODE, key: key.0.clone(), op, fields: None, vendor_time: None };
    let mut counters = Counters::default();
    match became {
        RootRow::Inserted => {
            counters.inserted = 1;
            change::write(&mut step.conn(), at, &[change("insert")]).await?;
        }
        RootRow::Restored => {
            counters.restored = 1;
            change::write(&mut step.conn(), at, &[change("restore")]).await?;
        }
        // Two identifiers may lead to the same root.
        RootRow::Known => counters.unchanged = i64::from(is_first),
    }
    if context.reading() != Some(Reading::Roster) {
        let by = root.identifier.clone();
        let list = Work { ask: by, ..Work::new(key.clone(), 0) };
        frontier::queue(&mut step.conn(), &context.open, &[list]).await?;
    }
    finding::open(&mut step.conn(), at, finding.as_slice()).await?;
    counters.write_ms = millis(begun.elapsed());
    context.commit(step, counters).await
}
