//! How far lists reach, where their pages do not say: found out from all of them together. What the last complete walk did not
//! find either is believed when the roots' lists have been read once more: whoever came since the first time looks like somebody
//! who is below another.

use super::{Interrupted, context::Context};
use crate::{
    model::reading::Reading,
    store::{
        frontier::{self, Telling},
        mirror::{At, Linked, Mirror, Mirrored},
        reread, run,
        session::Step,
    },
    vendor::hierarchy::Hierarchy,
    walk::reach,
};

type Tables<V> = <<V as crate::vendor::Vendor>::Row as Mirrored>::Tables;

/// How lists are read, if a page, of whose rows so many tell, and the pages before it tell by now; and how many lists are queued
/// to make sure.
///
/// # Errors
/// When the database fails.
pub async fn found<V: Hierarchy>(context: &Context<V>, step: &mut Step, telling: (i64, i64)) -> sqlx::Result<(Option<Reading>, u64)> {
    if telling.1 == 0 {
        return Ok((None, 0));
    }
    let Some(before) = frontier::telling_rows(&mut step.conn(), &context.open).await? else { return Ok((None, 0)) };
    match reach::from_lower_lists(before.among_roots + telling.0, before.all_rows + telling.1, false) {
        Some(reading) => believed(context, step, reading).await,
        None => Ok((None, 0)),
    }
}

/// How lists are read, by what all of them together tell if none has told so far; and how many lists are queued to make sure.
///
/// # Errors
/// When the database fails.
pub async fn at_the_end<V: Hierarchy>(context: &Context<V>, step: &mut Step) -> sqlx::Result<(Option<Reading>, u64)> {
    if let Some(reading) = context.reading() {
        return Ok((Some(reading), 0));
    }
    let Telling { among_roots, all_rows, has_moved } = frontier::telling_rows(&mut step.conn(), &context.open).await?.unwrap_or_default();
    let last = context.last_reading.get().copied();
    // Few rows of lists that move tell nothing. Lists of children that are taken for those of everybody below leave something open,
    // but the other way round they would give everybody a manager more for each level above.
    if has_moved && !reach::is_firm(among_roots, all_rows) {
        let reading = last.unwrap_or(Reading::Subtree);
        run::set_reach(&mut step.conn(), &context.open, Some(reading.word())).await?;
        return Ok((Some(reading), 0));
    }
    let Some(reading) = reach::from_lower_lists(among_roots, all_rows, true) else {
        // Nobody is below those below the roots, and children and everybody below are the same; unless they have left since the
        // roots' lists were read.
        return Ok((Some(last.filter(|last| *last == Reading::Subtree).unwrap_or(Reading::Direct)), 0));
    };
    let found = if 0 < among_roots && among_roots < all_rows {
        made_sure(context, step, reading).await?
    } else {
        believed(context, step, reading).await?
    };
    if let (Some(reading), _) = found {
        run::set_reach(&mut step.conn(), &context.open, Some(reading.word())).await?;
    }
    Ok(found)
}

/// The reading, if the last complete walk bears it out or the roots' lists have been read twice; else those are queued.
async fn believed<V: Hierarchy>(context: &Context<V>, step: &mut Step, reading: Reading) -> sqlx::Result<(Option<Reading>, u64)> {
    if context.last_reading.get() == Some(&reading) { Ok((Some(reading), 0)) } else { made_sure(context, step, reading).await }
}

/// The reading, if the roots' lists have been read twice; else those are queued.
async fn made_sure<V: Hierarchy>(context: &Context<V>, step: &mut Step, reading: Reading) -> sqlx::Result<(Option<Reading>, u64)> {
    let roots = reread::queue_roots(&mut step.conn(), &context.open).await?;
    Ok(((roots == 0).then_some(reading), roots))
}

/// Now it is known how the lists are to be read: what was put off until then is done.
///
/// # Errors
/// When the database fails.
pub async fn settle<V>(context: &Context<V>, step: &mut Step, at: At, reading: Reading, linked: &mut Linked) -> Result<(), Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    run::set_reach(&mut step.conn(), &context.open, Some(reading.word())).await?;
    match reading {
        Reading::Direct => {
            let edges = Tables::<V>::shown_links(&mut step.conn(), at, reading, false).await?;
            let late = Tables::<V>::link(&mut step.conn(), at, &edges).await?;
            linked.inserted.extend(late.inserted);
            linked.restored.extend(late.restored);
        }
        Reading::Stated => frontier::drop_queued(&mut step.conn(), &context.open).await?,
        Reading::Subtree | Reading::Roster => {}
    }
    Ok(())
}
