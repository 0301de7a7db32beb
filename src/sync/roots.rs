//! The roots: looked up where the config gives an identifier, their own rows read, and their lists queued.

use futures::FutureExt;

use super::{
    Interrupted,
    caller::{CallError, millis},
    context::{Context, Tables},
    rows,
};
use crate::{
    clock,
    model::{
        node::{Node, NodeKey},
        reach::Reach,
        run::Counters,
    },
    store::{
        change::{self, Change},
        facts::{At, Ensured},
        finding::{self, Finding},
        frontier::Work,
        mirror::{Mirror, Mirrored},
        queued, root,
        session::Step,
    },
    vendor_api::hierarchy::{Hierarchy, Root},
};

/// Resolves the roots that this walk has not resolved yet, and takes in those that it has not taken in.
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
        let key = match resolved.get(&root.asked_by) {
            Some(known) if known.is_taken_in => continue,
            Some(known) => known.key.clone(),
            None => find(context, &root).await?,
        };
        let row = own_row(context, &key).await?;
        take_in(context, &root, &key, row).await?;
    }
    Ok(())
}

/// Learns the root's key, and writes it down.
async fn find<V>(context: &Context<V>, root: &Root) -> Result<NodeKey, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let (key, finding) = look_up(context, root).await?;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    root::write(&mut step.conn(), &context.open, &root.asked_by, &key).await?;
    finding::open(&mut step.conn(), at, finding.as_slice()).await?;
    context.commit(step, Counters::default()).await?;
    Ok(key)
}

/// The root's key, and a finding if it could not be learned.
async fn look_up<V>(context: &Context<V>, root: &Root) -> Result<(NodeKey, Option<Finding>), Interrupted>
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

/// The root's own row: lists show children, so a root is on none. Where the vendor refuses it, the walk is not the worse for it.
async fn own_row<V>(context: &Context<V>, key: &NodeKey) -> Result<Option<V::Row>, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let mut step = context.session.begin().await?;
    let is_in_a_list = Tables::<V>::has_parent(&mut step.conn(), context.open.lease.source_id, key).await?;
    step.commit().await?;
    // The directory and other roots' lists show rows of another shape: one of the two it must be.
    let is_unknown = key.0.starts_with('-');
    if is_unknown || is_in_a_list || context.walk.reach() == Some(Reach::Directory) {
        return Ok(None);
    }
    let vendor = &context.caller.vendor;
    match context.caller.call_lightly(&|within| vendor.own_row(key, within).boxed()).await {
        Ok(row) => Ok(row.filter(|row| row.key() == *key)),
        Err(CallError::ThisOnly(_) | CallError::Run(Interrupted::Vendor(_))) => Ok(None),
        Err(CallError::Run(interrupted)) => Err(interrupted),
    }
}

async fn take_in<V>(context: &Context<V>, root: &Root, key: &NodeKey, row: Option<V::Row>) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let mut counters = Counters::default();
    if let Some(row) = &row {
        let row = std::slice::from_ref(row);
        let existing = Tables::<V>::existing(&mut step.conn(), at, key, row).await?;
        let applied = rows::apply::<Tables<V>>(&mut step.conn(), at, row, &existing).await?;
        finding::open(&mut step.conn(), at, &applied.findings).await?;
        counters = applied.counters;
    }
    let (ensured, node_no) = Tables::<V>::ensure(&mut step.conn(), at, key).await?;
    // Two identifiers may lead to the same root.
    let is_first = root::taken_in(&mut step.conn(), &context.open, &root.asked_by, key).await?;
    if row.is_none() {
        counters = told_of::<V>(&mut step, at, key, ensured).await?;
        counters.unchanged = i64::from(ensured == Ensured::Known && is_first);
    }
    let mut queued = Vec::new();
    if context.walk.reach() != Some(Reach::Directory) {
        let list = Work { ask: root.identifier.clone(), ..Work::new(key.clone(), Some(node_no), 0) };
        queued = queued::queue(&mut step.conn(), &context.open, &[&list]).await?;
    }
    counters.write_ms = millis(begun.elapsed());
    context.commit(step, counters).await?;
    context.queue.add(queued).await;
    Ok(())
}

/// Writes into `change` what became of a row of which only the id is known, and counts it.
pub async fn told_of<V>(step: &mut Step, at: At, key: &NodeKey, ensured: Ensured) -> sqlx::Result<Counters>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let change = |op| Change { entity: Tables::<V>::NODE, key: key.0.clone(), op, fields: None, vendor_time: None };
    let (op, counters) = match ensured {
        Ensured::Inserted => ("insert", Counters { inserted: 1, ..Counters::default() }),
        Ensured::Restored => ("restore", Counters { restored: 1, ..Counters::default() }),
        Ensured::Known => return Ok(Counters::default()),
    };
    change::write(&mut step.conn(), at, &[change(op)]).await?;
    Ok(counters)
}
