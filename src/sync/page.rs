//! Writes one page: rows, links, changes, findings, the lists that follow, the place to go on from and the counters,
//! in one transaction.

use std::collections::HashSet;

use super::{
    Interrupted,
    context::{Context, Synced, Tables},
    full_page::{self, FullPage},
    links,
    page_plan::PagePlan,
    refused, remark, rows,
    writing::Writing,
};
use crate::{
    failpoint::{self, Moment},
    model::{
        node::{NodeId, ids},
        reach::Reach,
        run::Counters,
    },
    store::{
        facts::Known,
        finding,
        frontier::{self, Shown, Standing, State, Work},
        links::Links,
        mirror::Mirror,
        nodes::Nodes,
        queued,
        run::Reads,
        source,
    },
    vendor_api::sheet::Sheet,
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
pub async fn write<V: Synced>(
    context: &Context<V>,
    work: &Work,
    pass: &Pass,
    sheet: Sheet<V::Row>,
    asked: (u32, u32),
) -> Result<Written, Interrupted> {
    let mut w = context.write().await?;
    let (mut plan, full) = plan(&mut w, work, sheet, asked).await?;
    if let Some(room) = context.cap.room()
        && plan.cap(room, context.open.reads != Reads::Walk)
    {
        plan.findings.push(context.cap.overflow(&context.source.name));
    }
    if refused::is_anothers(context, work, &plan) {
        refused::leave(w, work).await?;
        return Ok(Written::AnotherWay);
    }
    let shown = plan.shown();
    let seen = pass.see(asked, &plan.keys, plan.kind, |key| shown.contains(&key));
    let mut pass = pass.clone();
    pass.take(&seen);
    let reach = reach_of(&mut w, work, &plan).await?;
    pass.meet(plan.known_again(holds_all(work, reach)));
    let evidence = evidence::<V>(&mut w, work, (&pass, &seen), &plan, reach).await?;
    let next = pass.next(&seen, evidence);
    teach(&mut w, &plan, &pass, &seen, next).await?;
    let pass = pass.then(next);

    let applied = rows::apply::<Tables<V>>(&mut w.step.conn(), w.at, &plan.rows, &plan.existing).await?;
    failpoint::pass(Moment::RowsWritten);
    plan.findings.extend(applied.findings.into_iter().chain(remark::doubt(work.parent, next)));
    if !save(&mut w, work, (&pass, next), seen.received(), &plan.numbers(&applied.numbers)).await? {
        return Ok(Written::AnotherWay);
    }
    failpoint::pass(Moment::ListSaved);
    let reread = links::write(&mut w, work, &plan, reach).await?;
    if let Some(full) = &full {
        full_page::keep(&mut w, work, full, &plan, &applied.numbers).await?;
    }
    failpoint::pass(Moment::LinksWritten);
    links::follow(&mut w, work, &mut plan, (&applied.numbers, &applied.changed), reach).await?;
    failpoint::pass(Moment::ListsQueued);
    let has_moved = reread > 0 || pass.number > 0 || !matches!(next, Next::ReadOn | Next::Proven { .. });
    w.remember(has_moved, plan.has_newcomer(), seen.received()).await?;
    finding::open(&mut w.step.conn(), w.at, &plan.findings).await?;
    let mut counters = Counters { pages: 1, rows_seen: seen.received().into(), ..applied.counters };
    counters.unchanged += plan.new_unchanged();
    w.commit(counters).await?;

    context.tell_page(seen.received());
    Ok(Written::Next(next, pass))
}

/// Reads the rows whose text is not known, and looks up what the mirror has of them. A page as long as asked for is given, too.
async fn plan<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    mut sheet: Sheet<V::Row>,
    (place, limit): (u32, u32),
) -> sqlx::Result<(PagePlan<V::Row>, Option<FullPage>)> {
    let full = (sheet.received() == limit).then_some(place);
    let texts = sheet.digests(work.parent);
    let Known { rows: mut unchanged, by_page } = match sheet.is_read() {
        true => Known::default(),
        false => Tables::<V>::unchanged(&mut w.step.conn(), w.at, work.parent, full, &texts).await?,
    };
    let page = if unchanged.len() == sheet.received() as usize {
        sheet.known()
    } else {
        let mut known: HashSet<NodeId> = unchanged.iter().map(|row| row.key).collect();
        let page = sheet.read(work.parent, &mut known);
        unchanged.retain(|row| known.contains(&row.key));
        page
    };
    let mut plan = PagePlan::new(work, page, unchanged, w.context.max_depth());
    if !plan.rows.is_empty() {
        plan.existing = Tables::<V>::existing(&mut w.step.conn(), w.at, work.parent, &ids(&plan.rows)).await?;
    }
    Ok((plan, full.map(|place| FullPage { place, texts, known: by_page })))
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

/// Writes where a list stands after a page of so many rows. `false`: it is asked for in another way by now.
async fn save<V: Synced>(
    w: &mut Writing<'_, V>,
    work: &Work,
    (pass, next): (&Pass, Next),
    received: u32,
    page: &[i32],
) -> sqlx::Result<bool> {
    let may_be_cut = received >= w.context.walk().longest_page.max(2);
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
    let goes_on = by_count || matches!(state, State::Queued | State::Doubtful);
    let pass = if goes_on { pass.to_stored() } else { Pass::default().to_stored() };
    let standing = Standing { pass: &pass, state, page, shown, last_page: by_count.then_some(received) };
    frontier::save(&mut w.step.conn(), &w.context.open, work, standing).await
}
