//! Before a run's first call: whether the budget lasts until the walk's end. If not, the run says so, goes as far as it
//! can, and the walk goes on when the window opens.

use tracing::warn;

use super::{
    Interrupted,
    context::{Context, Synced},
};
use crate::{
    model::{finding::Finding, run::Counters},
    plan::{
        forecast::Pause,
        need::{self, Need},
    },
    store::{finding, plan},
};

/// The finding that is open until the walk is at its end.
pub const KIND: &str = "quota_short";

/// Says it if this run cannot finish its walk.
pub async fn foresee<V: Synced>(context: &Context<V>) -> Result<(), Interrupted> {
    let source = &context.source;
    let mut w = context.write().await?;
    let walks = plan::walks(&mut w.step.conn(), Some(&[&source.name])).await?.into_iter().next().unwrap_or_default();
    let held = plan::held(&mut w.step.conn(), &source.budget).await?;
    let need = Need::left(&walks, source.vendor.roots());
    let course = need.course(&mut need::ahead(&held, &source.allowed(&held.stated)), need::begins(&held));
    let Some(pause) = course.pause else { return Ok(w.step.commit().await?) };
    warn!(
        budget = source.budget, needed = need.calls, free = pause.calls_before, window = %pause.limit,
        goes_on_at = %pause.until, "the budget does not last for this walk: it is spent, then the walk waits for its window"
    );
    finding::open(&mut w.step.conn(), w.at, &[short(context, need, pause)]).await?;
    w.commit(Counters::default()).await
}

fn short<V: Synced>(context: &Context<V>, need: Need, pause: Pause) -> Finding {
    let (source, budget) = (&context.source.name, &context.source.budget);
    let at_least = if need.is_at_least { "at least " } else { "" };
    let say = format!(
        "the walk needs {at_least}{} more calls, and budget {budget} lets {} go before {} is spent: the run ends throttled there, and the \
         walk goes on when the window opens; to have it done in one run, raise `limits` or lower `headroom` if the vendor allows it, \
         let the sources of this budget run less often, or ask for less; `hiersync plan {source}` shows how long it takes",
        need.calls, pause.calls_before, pause.limit
    );
    let mut finding = Finding::new(KIND, source.clone(), say);
    finding.more.insert("calls_needed".into(), need.calls.into());
    finding.more.insert("calls_free".into(), pause.calls_before.into());
    finding.more.insert("window".into(), pause.limit.to_string().into());
    finding
}
