//! When no list is left to read: the lists in doubt are settled, and those that a count has ended while something moved are asked what
//! follows. What must be read once more is queued.

use std::collections::HashMap;

use super::{
    Interrupted,
    context::{Context, Synced, Tables},
    refused, remark,
    writing::Writing,
};
use crate::{
    model::{finding::Finding, node::NodeId, run::Counters},
    store::{
        doubt::{self, Doubtful},
        finding,
        frontier::{self, Shown, Standing, State, Work},
        mirror::Mirror,
        queued,
        run::Reads,
    },
    walk::{
        pass::Pass,
        settle::{Above, Doubt, Verdict, settle},
    },
};

/// Rounds of one run in which lists wait for those above: the deepest tree needs one for each level.
const ROUNDS: u32 = 64;

/// Settles what can be settled, and queues the rest. `false`: nothing is left to do.
pub async fn lists<V: Synced>(context: &Context<V>) -> Result<bool, Interrupted> {
    let mut w = context.write().await?;
    let only_wanted = context.open.reads != Reads::Walk;
    let queued = doubt::queue_tight(&mut w.step.conn(), &context.open, only_wanted).await?;
    if queued == 0 && !unasked(&mut w).await? {
        let doubtful = doubt::all(&mut w.step.conn(), &context.open).await?;
        if doubtful.is_empty() {
            w.step.commit().await?;
            return Ok(false);
        }
        context.learn(|walk| walk.rounds += 1);
        let is_late = context.walk().rounds > ROUNDS;
        // Upper ones first: what becomes of them settles those below.
        let mut settled: HashMap<NodeId, Above> = HashMap::new();
        for list in &doubtful {
            let above = list.above.as_ref().and_then(|above| settled.get(above)).copied().unwrap_or_else(|| above(list, is_late));
            if let Some(as_above) = one(&mut w, list, above).await? {
                settled.insert(list.parent, as_above);
            }
        }
    }
    w.is_frontier_changed = true;
    w.commit(Counters::default()).await?;
    Ok(true)
}

/// Queues lists of nodes whose identifiers another had, too, and who is gone: by now the lists say so. `false`: there are none.
async fn unasked<V: Synced>(w: &mut Writing<'_, V>) -> Result<bool, Interrupted> {
    let mut is_any = false;
    for list in Tables::<V>::unasked(&mut w.step.conn(), w.at).await? {
        let Some(ask) = refused::next(w, list.parent).await? else { continue };
        let row = Tables::<V>::load(&mut w.step.conn(), w.at.source_id, &[list.parent]).await?.pop();
        let expected = row.and_then(|row| w.context.caller.vendor.descend(&row).expected());
        if list.depth < w.context.max_depth() {
            let key = list.parent.to_string();
            queued::queue(&mut w.step.conn(), &w.context.open, &[&Work { ask: Some(ask), expected, ..list }]).await?;
            finding::withdraw(&mut w.step.conn(), &w.context.open, "cannot_ask", Some(&key)).await?;
            is_any = true;
        }
    }
    Ok(is_any)
}

/// Settles one list. Gives what it is to those below it, if it is settled for good.
async fn one<V: Synced>(w: &mut Writing<'_, V>, list: &Doubtful, above: Above) -> sqlx::Result<Option<Above>> {
    let pass = Pass::from_stored(&list.pass);
    let open = &w.context.open;
    let verdict = settle(doubt_of(w.context, list, &pass), above);
    match verdict {
        Verdict::Wait => {}
        Verdict::ReadAbove => {
            // Several lists may wait for the same one above.
            if let Some(above) = &list.above {
                doubt::read_again(&mut w.step.conn(), open, *above, &Pass::again().to_stored()).await?;
            }
            doubt::recount(&mut w.step.conn(), open, list.parent).await?;
        }
        Verdict::ReadAgain => {
            doubt::read_again(&mut w.step.conn(), open, list.parent, &pass.following().to_stored()).await?;
        }
        Verdict::Read => end(w, list, State::Read, Shown::ByPass).await?,
        Verdict::ReadTogether => end(w, list, State::Read, Shown::Together).await?,
        Verdict::Gone => end(w, list, State::Read, Shown::Nobody).await?,
        Verdict::Unproven => {
            let state = if list.refusal.is_some() { State::GivenUp } else { State::Unproven };
            end(w, list, state, Shown::Together).await?;
            finding::open(&mut w.step.conn(), w.at, &[unproven(list, &pass)]).await?;
        }
    }
    Ok(match verdict {
        Verdict::Gone => Some(Above::ShowsNot),
        Verdict::Unproven => Some(Above::Unproven),
        _ => None,
    })
}

async fn end<V: Synced>(w: &mut Writing<'_, V>, list: &Doubtful, state: State, shown: Shown) -> sqlx::Result<()> {
    let standing = Standing { pass: &Pass::default().to_stored(), state, page: &[], shown, last_page: None };
    let work = Work { ask: list.ask.clone(), ..Work::new(list.parent, None, 0) };
    frontier::save(&mut w.step.conn(), &w.context.open, &work, standing).await.map(|_| ())
}

fn doubt_of<V: Synced>(context: &Context<V>, list: &Doubtful, pass: &Pass) -> Doubt {
    let limit = pass.limit.unwrap_or_else(|| context.caller.vendor.page_size());
    Doubt {
        is_refused: list.refusal.is_some(),
        recounts: list.recounts.unsigned_abs(),
        is_recounted: list.is_recounted,
        expected: list.expected,
        length: pass.length(),
        together: u32::try_from(list.together).unwrap_or(u32::MAX),
        has_moved: pass.has_moved(),
        is_last_pass: pass.is_last(limit),
    }
}

/// `is_late`: nobody is waited for any more.
fn above(list: &Doubtful, is_late: bool) -> Above {
    match (list.above_state.as_deref(), list.above_shows) {
        (None, _) => Above::Nobody,
        (Some("queued" | "doubtful"), _) if !is_late => Above::Open,
        (Some("read"), true) => Above::Shows,
        (Some("read"), false) => Above::ShowsNot,
        (Some(_), _) => Above::Unproven,
    }
}

fn unproven(list: &Doubtful, pass: &Pass) -> Finding {
    let key = list.parent;
    if list.refusal.is_none() && list.expected.is_none_or(|count| count == i64::from(pass.length())) {
        return remark::moved(key);
    }
    if let Some(refusal) = &list.refusal {
        return Finding::new("list_refused", key, refusal.clone());
    }
    let say = format!(
        "the vendor says that this node's list has {} rows and shows {}; nothing was retired by it, and the next walk reads it again; \
         if that stays, tell the vendor",
        list.expected.unwrap_or(0),
        pass.length()
    );
    Finding::new("count_mismatch", key, say)
}
