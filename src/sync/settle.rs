//! When no list is left to read: the lists in doubt are settled, and those that a count has ended while something moved are asked what
//! follows. What must be read once more is queued.

use std::collections::HashMap;

use super::{Interrupted, caller::millis, context::Context, remark};
use crate::{
    clock,
    model::{node::NodeKey, run::Counters},
    store::{
        doubt::{self, Doubtful},
        facts::At,
        finding::{self, Finding},
        frontier::{self, Shown, Standing, State, Work},
        mirror::Mirrored,
        session::Step,
    },
    vendor_api::hierarchy::Hierarchy,
    walk::{
        pass::Pass,
        settle::{Above, Doubt, Verdict, settle},
    },
};

/// Rounds of one run in which lists wait for those above: the deepest tree needs one for each level.
const ROUNDS: u32 = 64;

/// Settles what can be settled, and queues the rest. `false`: nothing is left to do.
pub async fn lists<V>(context: &Context<V>) -> Result<bool, Interrupted>
where
    V: Hierarchy,
    V::Row: Mirrored,
{
    let begun = clock::instant();
    let _one = context.writing.lock().await;
    let mut step = context.session.begin().await?;
    let queued = doubt::queue_tight(&mut step.conn(), &context.open).await?;
    if queued == 0 {
        let at = context.at(&mut step).await?;
        let doubtful = doubt::all(&mut step.conn(), &context.open).await?;
        if doubtful.is_empty() {
            step.commit().await?;
            return Ok(false);
        }
        let is_late = context.walk.next_round() > ROUNDS;
        // Upper ones first: what becomes of them settles those below.
        let mut settled: HashMap<&NodeKey, Above> = HashMap::new();
        for list in &doubtful {
            let above = list.above.as_ref().and_then(|above| settled.get(above)).copied().unwrap_or_else(|| above(list, is_late));
            if let Some(as_above) = one(context, &mut step, at, list, above).await? {
                settled.insert(&list.parent, as_above);
            }
        }
    }
    context.commit(step, Counters { write_ms: millis(begun.elapsed()), ..Counters::default() }).await?;
    context.queue.forget().await;
    Ok(true)
}

/// Settles one list. Gives what it is to those below it, if it is settled for good.
async fn one<V: Hierarchy>(context: &Context<V>, step: &mut Step, at: At, list: &Doubtful, above: Above) -> sqlx::Result<Option<Above>> {
    let pass = Pass::from_stored(&list.pass);
    let open = &context.open;
    let verdict = settle(doubt_of(context, list, &pass), above);
    match verdict {
        Verdict::Wait => {}
        Verdict::ReadAbove => {
            // Several lists may wait for the same one above.
            if let Some(above) = &list.above {
                doubt::read_again(&mut step.conn(), open, above, &Pass::again().to_stored()).await?;
            }
            doubt::recount(&mut step.conn(), open, &list.parent).await?;
        }
        Verdict::ReadAgain => {
            doubt::read_again(&mut step.conn(), open, &list.parent, &pass.following().to_stored()).await?;
        }
        Verdict::Read => end(context, step, list, State::Read, Shown::ByPass).await?,
        Verdict::ReadTogether => end(context, step, list, State::Read, Shown::Together).await?,
        Verdict::Gone => end(context, step, list, State::Read, Shown::Nobody).await?,
        Verdict::Unproven => {
            let state = if list.refusal.is_some() { State::GivenUp } else { State::Unproven };
            end(context, step, list, state, Shown::Together).await?;
            finding::open(&mut step.conn(), at, &[unproven(list, &pass)]).await?;
        }
    }
    Ok(match verdict {
        Verdict::Gone => Some(Above::ShowsNot),
        Verdict::Unproven => Some(Above::Unproven),
        _ => None,
    })
}

async fn end<V: Hierarchy>(context: &Context<V>, step: &mut Step, list: &Doubtful, state: State, shown: Shown) -> sqlx::Result<()> {
    let standing = Standing { pass: &Pass::default().to_stored(), state, page: &[], shown, last_page: None };
    let work = Work { ask: list.ask.clone(), ..Work::new(list.parent.clone(), None, 0) };
    frontier::save(&mut step.conn(), &context.open, &work, standing).await.map(|_| ())
}

fn doubt_of<V: Hierarchy>(context: &Context<V>, list: &Doubtful, pass: &Pass) -> Doubt {
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
    let key: &NodeKey = &list.parent;
    if list.refusal.is_none() && list.expected.is_none_or(|count| count == i64::from(pass.length())) {
        return remark::moved(key);
    }
    if let Some(refusal) = &list.refusal {
        return Finding::new("list_refused", key.0.clone(), refusal.clone());
    }
    let say = format!(
        "the vendor says that this node's list has {} rows and shows {}; nothing was retired by it, and the next walk reads it again; \
         if that stays, tell the vendor",
        list.expected.unwrap_or(0),
        pass.length()
    );
    Finding::new("count_mismatch", key.0.clone(), say)
}
