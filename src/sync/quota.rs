//! Before a run's first call: whether the budget lasts until the walk's end. If not, the run says so, goes as far as it
//! can, and the walk goes on when the window opens.

use tracing::warn;

use super::{
    Interrupted,
    context::Context,
    need::{self, Need},
};
use crate::{
    budget::forecast::Pause,
    config::Source,
    model::{limit::Limit, run::Counters},
    store::{
        finding::{self, Finding},
        plan,
    },
    vendor::hierarchy::Hierarchy,
};

/// The finding that is open until the walk is at its end.
pub const KIND: &str = "quota_short";

/// What a run must know of its budget to foresee its end.
pub struct Quota {
    /// Its name.
    pub budget: String,
    limits: Vec<Limit>,
    headroom: f64,
    roots: usize,
}

impl Quota {
    /// That of a source.
    pub fn of(source: &Source) -> Self {
        Self { budget: source.budget.clone(), limits: source.allowed(&[]), headroom: source.headroom, roots: source.vendor.roots() }
    }
}

/// Says it if this run cannot finish its walk.
///
/// # Errors
/// When the database fails or the lease is lost.
pub async fn foresee<V: Hierarchy>(context: &Context<V>) -> Result<(), Interrupted> {
    let quota = &context.quota;
    let mut step = context.session.begin().await?;
    let walks = plan::walks(&mut step.conn(), Some(&context.source_name)).await?.into_iter().next().unwrap_or_default();
    let held = plan::held(&mut step.conn(), &quota.budget).await?;
    let need = Need::left(&walks, quota.roots);
    let stated = held.stated.iter().map(|limit| limit.with_headroom(quota.headroom));
    let limits: Vec<Limit> = quota.limits.iter().copied().chain(stated).collect();
    let course = need.course(&mut need::ahead(&held, &limits), need::begins(&held));
    let Some(pause) = course.pause else { return Ok(step.commit().await?) };
    warn!(
        source = context.source_name, budget = quota.budget, needed = need.calls, free = pause.calls_before, window = %pause.limit,
        goes_on_at = %pause.until, "the budget does not last for this walk: it is spent, then the walk waits for its window"
    );
    let at = context.at(&mut step).await?;
    finding::open(&mut step.conn(), at, &[short(context, need, pause)]).await?;
    context.commit(step, Counters::default()).await
}

fn short<V: Hierarchy>(context: &Context<V>, need: Need, pause: Pause) -> Finding {
    let (source, budget) = (&context.source_name, &context.quota.budget);
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
