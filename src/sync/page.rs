//! Writes one page: rows, links, changes, findings, the lists that follow, the place to go on from and the counters,
//! in one transaction.

use super::{
    Interrupted, another_way,
    caller::millis,
    context::{Context, Tables},
    following, links,
    page_plan::PagePlan,
    remark, rows,
};
use crate::{
    clock,
    model::{reach::Reach, run::Counters},
    store::{
        facts::At,
        finding,
        frontier::{self, Shown, Standing, State, Work},
        mirror::{Mirror, Mirrored},
        queued,
        session::Step,
        source::{self, Paging},
    },
    vendor_api::{Page, hierarchy::Hierarchy},
    walk::{
        page_seen::{Kind, PageSeen},
        pass::Pass,
        verdict::{Evidence, Next},
    },
};

/// What a page has made of its list.
#[derive(Debug)]
pub enum Written {
    /// It goes on so, with this pass.
    Next(Next, Pass),
    /// It was another node's list: it is asked for in another way, or not at all.
    AnotherWay,
}

/// Writes a page of `work`'s list, asked for at a place with a limit.
pub async fn write<V>(context: &Context<V>, work: &Work, pass: &Pass, page: Page<V::Row>, asked: (u32, u32)) -> Result<Written, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let at = context.at(&mut step).await?;
    let mut plan = PagePlan::new(work, page, context.max_depth());
    if another_way::is_anothers(context, work, &plan) {
        another_way::leave(context, work, step, at).await?;
        return Ok(Written::AnotherWay);
    }
    plan.existing = Tables::<V>::existing(&mut step.conn(), at, &work.parent, &plan.rows).await?;
    let shown = plan.shown();
    let seen = pass.see(asked, &plan.keys, plan.kind, |key| shown.contains(key));
    let mut pass = pass.clone();
    pass.take(&seen);
    let reach = reach_of(context, &mut step, work, &plan).await?;
    let evidence = evidence::<V>(context, &mut step, at, work, (&pass, &seen), &plan, reach).await?;
    let next = pass.next(&seen, evidence);
    let taught = taught(context, &mut step, &plan, &pass, &seen, next).await?;

    let applied = rows::apply::<Tables<V>>(&mut step.conn(), at, &plan.rows, &plan.existing).await?;
    plan.findings.extend(applied.findings.into_iter().chain(remark::doubt(&work.parent, next)));
    if !save(context, &mut step, work, (&pass, next), seen.received(), &applied.numbers).await? {
        return Ok(Written::AnotherWay);
    }
    let reread = links::write(context, &mut step, at, work, &plan, reach).await?;
    let (queued, restated) = following::queue(context, &mut step, at, work, &mut plan, (&applied.numbers, &applied.changed), reach).await?;
    let has_moved = reread > 0 || pass.number > 0 || !matches!(next, Next::ReadOn | Next::Proven { .. });
    context.remember(&mut step, has_moved, seen.received()).await?;
    finding::open(&mut step.conn(), at, &plan.findings).await?;
    let counters = Counters { pages: 1, rows_seen: seen.received().into(), write_ms: millis(begun.elapsed()), ..applied.counters };
    context.commit(step, counters).await?;

    context.walk.set_paging(taught);
    context.tell_page(seen.received());
    if reread > 0 || restated {
        context.queue.forget().await;
    }
    context.queue.add(queued).await;
    Ok(Written::Next(next, pass))
}

/// What the lists hold, as far as it is known with this page.
async fn reach_of<V>(context: &Context<V>, step: &mut Step, work: &Work, plan: &PagePlan<V::Row>) -> sqlx::Result<Option<Reach>>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let before = context.walk.reach();
    if work.depth != 0 || context.caller.vendor.identifiers_needed() {
        return Ok(before);
    }
    let stated = plan.stated_reach(work);
    let reach = match (before, stated) {
        (Some(Reach::Subtree) | None, Some(Reach::Stated)) => Reach::Stated,
        (Some(Reach::Direct), Some(Reach::Stated)) if context.caller.vendor.reach().is_none() => Reach::Stated,
        (None, Some(Reach::Direct)) => Reach::Direct,
        _ => return Ok(before),
    };
    context.set_reach(step, reach).await?;
    if reach == Reach::Stated {
        queued::drop_queued(&mut step.conn(), &context.open).await?;
        context.queue.forget().await;
    }
    Ok(Some(reach))
}

/// What is known beside the page, as far as it matters.
async fn evidence<V>(
    context: &Context<V>,
    step: &mut Step,
    at: At,
    work: &Work,
    (pass, seen): (&Pass, &PageSeen),
    plan: &PagePlan<V::Row>,
    reach: Option<Reach>,
) -> sqlx::Result<Evidence>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    if !pass.may_end(seen, work.expected) {
        return Ok(Evidence { expected: work.expected, ..Evidence::default() });
    }
    let holds_all = work.depth == 0 && matches!(reach, Some(Reach::Stated | Reach::Subtree | Reach::Compared));
    let loses = Tables::<V>::loses(&mut step.conn(), at, &work.parent, &plan.rows, holds_all).await?;
    let together = if pass.number == 0 {
        i64::from(pass.shown)
    } else {
        frontier::shown_together(&mut step.conn(), &context.open, &work.parent).await? + plan.new_to_list()
    };
    let total = context.total(plan.stated_count);
    // A newcomer may have pushed the last row out of a full page, and a count of another moment may hide it.
    let may_have_moved = (plan.has_newcomer() && context.walk.knows()) || (total.is_some() && total != work.expected);
    Ok(Evidence {
        expected: work.expected,
        is_root: work.depth == 0,
        loses,
        together: u32::try_from(together).unwrap_or(u32::MAX),
        knows: context.walk.knows(),
        walk_moved: context.walk.has_moved() || may_have_moved,
        longest_page: context.walk.longest_page().max(seen.received()),
    })
}

/// What the page teaches of the count beside it: that of a list of several pages, now proven, is the list's length or it is not.
async fn taught<V: Hierarchy>(
    context: &Context<V>,
    step: &mut Step,
    plan: &PagePlan<V::Row>,
    pass: &Pass,
    seen: &PageSeen,
    next: Next,
) -> sqlx::Result<Paging>
where
    V::Row: Mirrored,
{
    let known = context.walk.paging();
    let tells = matches!(next, Next::Proven { .. }) && plan.kind == Kind::Paged && seen.received() < pass.length();
    let is_total = plan.stated_count.filter(|_| tells).map(|count| count == u64::from(pass.length()));
    let paging = Paging { count_is_total: is_total.or(known.count_is_total) };
    if paging != known {
        source::remember_paging(&mut step.conn(), context.open.lease.source_id, paging).await?;
    }
    Ok(paging)
}

/// Writes where a list stands after a page of so many rows. `false`: it is asked for in another way by now.
async fn save<V: Hierarchy>(
    context: &Context<V>,
    step: &mut Step,
    work: &Work,
    (pass, next): (&Pass, Next),
    received: u32,
    page: &[i32],
) -> sqlx::Result<bool> {
    let may_be_cut = received >= context.walk.longest_page().max(2);
    let (state, shown) = match next {
        Next::ReadOn => (State::Queued, Shown::ByPass),
        Next::ReadAgain => (State::Queued, Shown::ByNextPass),
        Next::Confirm => (State::Queued, Shown::ByNextPassAlone),
        Next::Proven { .. } => (State::Read, Shown::ByPass),
        Next::ProvenTogether => (State::Read, Shown::Together),
        Next::Doubtful => (State::Doubtful, Shown::ByPass),
        Next::Unproven(_) => (State::Unproven, Shown::Together),
    };
    // Of a list that has ended only that is kept which it may be gone on with.
    let by_count = next == Next::Proven { by_count: true } && may_be_cut;
    let pass = match next {
        Next::ReadOn | Next::Doubtful => pass.to_stored(),
        Next::ReadAgain | Next::Confirm => pass.following().to_stored(),
        _ if by_count => pass.to_stored(),
        _ => Pass::default().to_stored(),
    };
    let standing = Standing { pass: &pass, state, page, shown, last_page: by_count.then_some(received) };
    frontier::save(&mut step.conn(), &context.open, work, standing).await
}
