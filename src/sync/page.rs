//! Writes one page: rows, links, changes, findings, the lists that follow, the place to go on from and the counters,
//! in one transaction, which pages that wait for each other share.

use std::collections::HashSet;

use super::{
    Interrupted,
    context::{Context, Synced, Tables},
    full_page::{self, FullPage},
    judge::{Judged, judge},
    links,
    page_plan::PagePlan,
    refused, remark, rows,
    writing::Writing,
};
use crate::{
    failpoint::{self, Moment},
    model::{
        node::{NodeId, ids},
        run::Counters,
    },
    store::{
        facts::Known,
        finding,
        frontier::{self, Shown, Standing, State, Work},
        mirror::Mirror,
        nodes::Nodes,
        run::Reads,
    },
    vendor_api::sheet::Sheet,
    walk::{pass::Pass, verdict::Next},
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
    let mut w = context.write_page(work.parent).await?;
    let (mut plan, full) = plan(&mut w, work, sheet, asked).await?;
    if asked.0 == 0 && refused::is_anothers(context, work, &plan) {
        refused::leave(w, work).await?;
        return Ok(Written::AnotherWay);
    }
    if let Some(room) = w.room()
        && plan.cap(room, context.open.reads != Reads::Walk)
    {
        plan.findings.push(context.cap.overflow(&context.source.name));
    }
    let Judged { pass, seen, reach, next } = judge(&mut w, work, pass, &plan, asked).await?;

    let applied = rows::apply(&mut w, &plan.rows, &plan.existing).await?;
    failpoint::pass(Moment::RowsWritten);
    plan.findings.extend(applied.findings.into_iter().chain(remark::doubt(work.parent, next)));
    if !save(&mut w, work, (&pass, next), seen.received(), &plan.numbers(&applied.numbers)).await? {
        return another_way(w);
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
    drop((plan, full));
    w.commit_with_others(counters).await?;

    context.tell_page(seen.received());
    Ok(Written::Next(next, pass))
}

/// Takes back what was written of a list that is asked for in another way by now. A page that shares its transaction is not one of such a list:
/// it would be in doubt.
fn another_way<V: Synced>(w: Writing<'_, V>) -> Result<Written, Interrupted> {
    if w.is_shared() {
        let say = "the row of a list has been changed by somebody else than the run".to_owned();
        return Err(sqlx::Error::Protocol(say).into());
    }
    w.undo();
    Ok(Written::AnotherWay)
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
