//! What a page says of its list: how the pass goes on with it, and whether the list is proven.

use super::{
    context::{Synced, Tables},
    page_plan::PagePlan,
    writing::Writing,
};
use crate::{
    model::reach::Reach,
    store::{
        frontier::{self, Work},
        links::Links,
        mirror::Mirror,
        queued, source,
    },
    walk::{
        page_seen::{Kind, PageSeen},
        pass::Pass,
        verdict::{Evidence, Next},
    },
};

/// What a page says of its list.
pub(super) struct Judged {
    /// The pass to go on with.
    pub(super) pass: Pass,
    /// The page as the pass saw it.
    pub(super) seen: PageSeen,
    /// What the lists hold.
    pub(super) reach: Option<Reach>,
    /// How the list goes on.
    pub(super) next: Next,
}

/// Lets the pass take the page, and decides how the list goes on.
pub(super) async fn judge<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    pass: &Pass,
    plan: &PagePlan<V::Row>,
    asked: (u32, u32),
) -> sqlx::Result<Judged> {
    let shown = plan.shown();
    let seen = pass.see(asked, &plan.keys, plan.kind, |key| shown.contains(&key));
    let mut pass = pass.clone();
    pass.take(&seen);
    let reach = reach_of(w, work, plan).await?;
    pass.meet(plan.known_again(holds_all(work, reach)));
    let evidence = evidence::<V>(w, work, (&pass, &seen), plan, reach).await?;
    let next = pass.next(&seen, evidence);
    teach(w, plan, &pass, &seen, next).await?;
    Ok(Judged { pass: pass.then(next), seen, reach, next })
}

/// What the lists hold, as far as it is known with this page.
async fn reach_of<V: Synced>(w: &mut Writing<'_, V>, work: &Work, plan: &PagePlan<V::Row>) -> sqlx::Result<Option<Reach>> {
    let before = w.context.walk().reach;
    if work.depth != 0 || w.context.caller.vendor.identifiers_needed() {
        return Ok(before);
    }
    let stated = plan.stated_reach(work);
    let reach = match (before, stated) {
        (Some(Reach::Subtree) | None, Some(Reach::Stated)) => Reach::Stated,
        (Some(Reach::Direct), Some(Reach::Stated)) if w.context.caller.vendor.reach().is_none() => Reach::Stated,
        (None, Some(Reach::Direct)) => Reach::Direct,
        _ => return Ok(before),
    };
    w.set_reach(reach).await?;
    if reach == Reach::Stated {
        queued::drop_queued(&mut w.step.conn(), &w.context.open).await?;
        w.is_frontier_changed = true;
    }
    Ok(Some(reach))
}

/// It is a root's list, which holds everybody below.
fn holds_all(work: &Work, reach: Option<Reach>) -> bool {
    work.depth == 0 && matches!(reach, Some(Reach::Stated | Reach::Subtree | Reach::Compared))
}

/// What is known beside the page, as far as it matters.
async fn evidence<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    (pass, seen): (&Pass, &PageSeen),
    plan: &PagePlan<V::Row>,
    reach: Option<Reach>,
) -> sqlx::Result<Evidence> {
    if !pass.may_end(seen, work.expected) {
        return Ok(Evidence { expected: work.expected, ..Evidence::default() });
    }
    let loses = loses(w, work, pass, plan, reach).await?;
    let together = if pass.number == 0 {
        i64::from(pass.shown)
    } else {
        frontier::shown_together(&mut w.step.conn(), &w.context.open, work.parent).await? + plan.new_to_list()
    };
    let total = w.context.total(plan.stated_count);
    // A newcomer may have pushed the last row out of a full page, and a count of another moment may hide it.
    let may_have_moved = (plan.has_newcomer() && w.context.walk().knows) || (total.is_some() && total != work.expected);
    Ok(Evidence {
        lacks: false,
        expected: work.expected,
        is_root: work.depth == 0,
        loses,
        together: u32::try_from(together).unwrap_or(u32::MAX),
        knows: w.context.walk().knows,
        walk_moved: w.context.walk().has_moved || may_have_moved,
        longest_page: w.context.walk().longest_page.max(seen.received()),
    })
}

/// Whether the list would lose somebody. Where its links stand as the walk has found them, it is enough to count: the first pass has shown each
/// that it knew once.
async fn loses<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    pass: &Pass,
    plan: &PagePlan<V::Row>,
    reach: Option<Reach>,
) -> sqlx::Result<bool> {
    let holds_all = holds_all(work, reach);
    if pass.number == 0 && !holds_all && Tables::<V>::same_children(&mut w.step.conn(), w.at, work.parent).await? == Some(pass.known.into())
    {
        return Ok(false);
    }
    Tables::<V>::loses(&mut w.step.conn(), w.at, work.parent, &plan.ids(), (holds_all, pass.number > 0)).await
}

/// What the page teaches of the count beside it: that of a list of several pages, now proven, is the list's length or it is not.
async fn teach<V: Synced>(w: &mut Writing<'_, V>, plan: &PagePlan<V::Row>, pass: &Pass, seen: &PageSeen, next: Next) -> sqlx::Result<()> {
    let tells = matches!(next, Next::Proven { .. }) && plan.kind == Kind::Paged && seen.received() < pass.length();
    let is_total = plan.stated_count.filter(|_| tells).map(|count| count == u64::from(pass.length()));
    match is_total.filter(|_| is_total != w.context.walk().count_is_total) {
        Some(is_total) => {
            w.context.learn(|walk| walk.count_is_total = Some(is_total));
            source::set_count_is_total(&mut w.step.conn(), w.at.source_id, is_total).await
        }
        None => Ok(()),
    }
}
