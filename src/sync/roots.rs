//! The roots: looked up where the config gives an identifier, their own rows read, and their lists queued.

use futures::FutureExt;
use tracing::warn;

use super::{
    Interrupted,
    call_error::CallError,
    context::{Context, Synced, Tables},
    rows,
    writing::Writing,
};
use crate::{
    model::{
        finding::Finding,
        node::{Node, NodeId, ids},
        reach::Reach,
        run::Counters,
    },
    store::{change::Change, facts::Ensured, finding, frontier::Work, links::Links, nodes::Nodes, queued, root},
    vendor_api::hierarchy::Root,
};

/// Resolves the roots that this walk has not resolved yet, and takes in those that it has not taken in.
pub async fn resolve<V: Synced>(context: &Context<V>) -> Result<(), Interrupted> {
    let mut step = context.session.begin().await?;
    let resolved = root::resolved(&mut step.conn(), &context.open).await?;
    step.commit().await?;
    for root in context.caller.vendor.roots() {
        let key = match resolved.get(&root.asked_by) {
            Some(known) if known.is_taken_in => continue,
            Some(known) => known.key,
            None => find(context, &root).await?,
        };
        let row = own_row(context, key).await?;
        take_in(context, &root, key, row).await?;
    }
    Ok(())
}

/// Learns the root's key, and writes it down.
async fn find<V: Synced>(context: &Context<V>, root: &Root) -> Result<NodeId, Interrupted> {
    let (key, finding) = look_up(context, root).await?;
    let mut w = context.write().await?;
    root::write(&mut w.step.conn(), &context.open, &root.asked_by, key).await?;
    finding::open(&mut w.step.conn(), w.at, finding.as_slice()).await?;
    w.commit(Counters::default()).await?;
    Ok(key)
}

/// The root's key, and a finding if it could not be learned.
async fn look_up<V: Synced>(context: &Context<V>, root: &Root) -> Result<(NodeId, Option<Finding>), Interrupted> {
    let Some(identifier) = &root.identifier else { return Ok((root.key, None)) };
    let vendor = &context.caller.vendor;
    let mut was_asked = false;
    let why = loop {
        let why = match context.caller.call(&|within| vendor.lookup(identifier, within).boxed()).await {
            Ok(Some(key)) => return Ok((key, changed(context, root, key).await?)),
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
    let learned = root::learned(&mut step.conn(), &context.open, &root.asked_by).await?;
    step.commit().await?;
    let key = learned.unwrap_or_else(NodeId::unknown);
    let instead = match learned.filter(|key| !key.is_unknown()) {
        Some(_) => "the one that was learned before is kept; check that the identifier in `roots` is still the root's",
        None => "it is mirrored under a negative id until it can be; check the identifier in `roots`",
    };
    let finding = Finding::new("root_unknown", key, format!("the id of this root could not be learned ({why}); {instead}"));
    warn!(kind = finding.kind, root = %key, "{}", finding.say);
    Ok((key, Some(finding)))
}

/// An identifier that leads to somebody else than before is told: their families would take each other's place.
async fn changed<V: Synced>(context: &Context<V>, root: &Root, key: NodeId) -> Result<Option<Finding>, Interrupted> {
    let mut step = context.session.begin().await?;
    let learned = root::learned(&mut step.conn(), &context.open, &root.asked_by).await?;
    step.commit().await?;
    let before = learned.filter(|learned| *learned != key && !learned.is_unknown());
    Ok(before.map(|before| {
        let say = format!(
            "the identifier of this root led to {before} before: its family is kept, and nobody is retired, until a person has looked; if \
             the root is right, run `hiersync sync {} --accept-retire`, else correct `roots`",
            context.source.name
        );
        Finding::new("root_changed", key, say)
    }))
}

/// The root's own row: lists show children, so a root is on none. Where the vendor refuses it, the walk is not the worse for it.
async fn own_row<V: Synced>(context: &Context<V>, key: NodeId) -> Result<Option<V::Row>, Interrupted> {
    let mut step = context.session.begin().await?;
    let is_in_a_list = Tables::<V>::is_in_a_list(&mut step.conn(), context.open.lease.source_id, key).await?;
    step.commit().await?;
    // The directory, other roots' lists and its own show rows of another shape: one of the two it must be.
    let is_unknown = key.is_unknown();
    if is_unknown || is_in_a_list || context.walk().reach == Some(Reach::Directory) {
        return Ok(None);
    }
    let vendor = &context.caller.vendor;
    match context.caller.call_lightly(&|within| vendor.own_row(key, within).boxed()).await {
        Ok(row) => Ok(row.filter(|row| row.key() == key)),
        Err(CallError::ThisOnly(_) | CallError::Run(Interrupted::Vendor(_))) => Ok(None),
        Err(CallError::Run(interrupted)) => Err(interrupted),
    }
}

async fn take_in<V: Synced>(context: &Context<V>, root: &Root, key: NodeId, row: Option<V::Row>) -> Result<(), Interrupted> {
    let mut w = context.write().await?;
    let mut counters = Counters::default();
    if let Some(row) = &row {
        let row = std::slice::from_ref(row);
        let existing = Tables::<V>::existing(&mut w.step.conn(), w.at, key, &ids(row)).await?;
        let applied = rows::apply(&mut w, row, &existing).await?;
        finding::open(&mut w.step.conn(), w.at, &applied.findings).await?;
        counters = applied.counters;
    }
    let (ensured, node_no) = Tables::<V>::ensure(&mut w.step.conn(), w.at, key).await?;
    // Two identifiers may lead to the same root.
    let is_first = root::taken_in(&mut w.step.conn(), &context.open, &root.asked_by, key).await?;
    if row.is_none() {
        counters = told_of(&mut w, key, ensured).await?;
        counters.unchanged = i64::from(ensured == Ensured::Known && is_first);
    }
    if context.walk().reach != Some(Reach::Directory) {
        let list = Work { ask: root.identifier.clone(), ..Work::new(key, Some(node_no), 0) };
        w.queued = queued::queue(&mut w.step.conn(), &context.open, &[&list]).await?;
    }
    w.commit(counters).await
}

/// Writes into `change` what became of a row of which only the id is known, and counts it.
pub async fn told_of<V: Synced>(w: &mut Writing<'_, V>, key: NodeId, ensured: Ensured) -> sqlx::Result<Counters> {
    let change = |op| Change { entity: Tables::<V>::NODE, key: key.to_string(), op, fields: None, vendor_time: None };
    let (op, counters) = match ensured {
        Ensured::Inserted => ("insert", Counters { inserted: 1, ..Counters::default() }),
        Ensured::Restored => ("restore", Counters { restored: 1, ..Counters::default() }),
        Ensured::Known => return Ok(Counters::default()),
    };
    w.tell([change(op)], &[key]).await?;
    Ok(counters)
}
