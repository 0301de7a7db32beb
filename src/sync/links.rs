//! The links that a page shows: written, and what follows where they differ from what was known.

use super::{
    context::{Context, Tables},
    page_plan::{PageLinks, PagePlan},
};
use crate::{
    model::reach::Reach,
    store::{
        change::{self, Change},
        facts::{At, Edge, Linked},
        frontier::Work,
        mirror::{Mirror, Mirrored},
        session::Step,
    },
    vendor_api::hierarchy::Hierarchy,
    walk::pass::Pass,
};

/// Pages of a list that is read again because one of its rows has shown up elsewhere, at most.
const SHORT: u32 = 8;

/// Writes the links of a page and their changes. Gives how many lists are to be read again.
pub(super) async fn write<V>(
    context: &Context<V>,
    step: &mut Step,
    at: At,
    work: &Work,
    plan: &PagePlan<V::Row>,
    reach: Option<Reach>,
) -> sqlx::Result<u64>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let linked = link(context, step, at, work, plan, reach).await?;
    let lists = reread(context, step, at, reach, &linked, plan).await?;
    write_link_changes::<Tables<V>>(step, at, &linked).await?;
    Ok(lists)
}

/// Links the rows. Whom a row names as parent, and no list shows, is settled at the walk's end.
async fn link<V>(
    context: &Context<V>,
    step: &mut Step,
    at: At,
    work: &Work,
    plan: &PagePlan<V::Row>,
    reach: Option<Reach>,
) -> sqlx::Result<Linked>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let PageLinks { stated, missing, elsewhere } = plan.links(work, reach, context.caller.vendor.own_row_is_a_link());
    let elsewhere: Vec<&V::Row> = elsewhere.into_iter().map(|place| &plan.rows[place]).collect();
    Tables::<V>::stage(&mut step.conn(), at, &elsewhere, false).await?;
    let mut linked = Linked::default();
    if !missing.is_empty() {
        linked = Tables::<V>::link(&mut step.conn(), at, &missing).await?;
    }
    if !stated.is_empty() {
        linked.retired = Tables::<V>::unlink_others(&mut step.conn(), at, &stated).await?;
    }
    Ok(linked)
}

/// A child that shows up below another parent than before has moved, or has two: the other parent's list tells, if it is
/// short and was read already. One that is still to be read tells anyhow.
async fn reread<V>(
    context: &Context<V>,
    step: &mut Step,
    at: At,
    reach: Option<Reach>,
    linked: &Linked,
    plan: &PagePlan<V::Row>,
) -> sqlx::Result<u64>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    // At rest nothing is linked, and who is new has stood nowhere before.
    if reach != Some(Reach::Direct) || (linked.inserted.is_empty() && linked.restored.is_empty()) {
        return Ok(0);
    }
    let known = plan.known_keys();
    let edges: Vec<Edge> = linked.inserted.iter().chain(&linked.restored).filter(|edge| known.contains(&edge.child)).cloned().collect();
    if edges.is_empty() {
        return Ok(0);
    }
    let rows = SHORT * context.caller.vendor.page_size();
    Tables::<V>::reread(&mut step.conn(), at, &edges, rows, &Pass::again().to_stored()).await
}

/// Writes what was done to links into `change`.
pub async fn write_link_changes<M: Mirror>(step: &mut Step, at: At, linked: &Linked) -> sqlx::Result<()> {
    let of = |op: &'static str| move |edge: &Edge| Change::of_link(M::LINK, op, edge);
    let changes: Vec<Change> = linked
        .inserted
        .iter()
        .map(of("insert"))
        .chain(linked.restored.iter().map(of("restore")))
        .chain(linked.retired.iter().map(of("retire")))
        .collect();
    change::write(&mut step.conn(), at, &changes).await
}
