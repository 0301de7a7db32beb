//! What walks will cost and how long each budget lasts, told before any call is spent. Makes no call, and reads and writes nothing.

pub mod forecast;
pub mod need;
mod words;

use chrono::{DateTime, Utc};
use serde::Serialize;

use self::{
    forecast::{Demand, Pause},
    need::Need,
};
use crate::{
    budget::PATIENCE,
    config::Source,
    model::limit::Limit,
    store::plan::{Held, Walks},
};

/// A source whose walks are planned.
pub struct Planned<'s> {
    /// The source.
    pub source: &'s Source,
    /// When its schedule lets it walk in the next day; `None`: once, now.
    pub firings: Option<Vec<DateTime<Utc>>>,
}

/// What the next walk of a source takes.
#[derive(Debug, Clone, Serialize)]
pub struct SourcePlan {
    /// The source.
    pub source: String,
    /// Its budget.
    pub budget: String,
    /// Calls until the walk that is open, else the next one, is at its end.
    pub calls: u64,
    /// The calls are a lower bound.
    pub is_at_least: bool,
    /// Minutes from now until then; `None`: not known.
    pub minutes: Option<f64>,
    /// The walk that this is known from; `None`: there was none.
    pub last_walk: Option<LastWalk>,
    /// The walk that will be gone on with.
    pub open_walk: Option<OpenWalk>,
    /// Where the budget interrupts it.
    pub pause: Option<PausePlan>,
    /// About as many calls `edges = "advanced_search"` would take, where these are at most a tenth of what the last walk took.
    pub advanced_search_calls: Option<u64>,
}

/// A walk that is over.
#[derive(Debug, Clone, Serialize)]
pub struct LastWalk {
    /// Its number.
    pub walk_id: i64,
    /// `complete` or `partial`.
    pub verdict: String,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Calls that it took.
    pub calls: i64,
    /// Nodes that it met.
    pub nodes: i64,
}

/// A walk that is not over.
#[derive(Debug, Clone, Serialize)]
pub struct OpenWalk {
    /// Its number.
    pub walk_id: i64,
    /// Calls that were made for it.
    pub calls: i64,
}

/// A wait for the budget that is too long for one run.
#[derive(Debug, Clone, Serialize)]
pub struct PausePlan {
    /// Whose walk waits.
    pub source: String,
    /// Its calls until then.
    pub calls_before: u64,
    /// The window that is spent.
    pub limit: String,
    /// When it is spent.
    pub spent_at: DateTime<Utc>,
    /// Minutes from now until it is.
    pub minutes: f64,
    /// When the walk can go on.
    pub until: DateTime<Utc>,
}

/// How a budget stands and how long it lasts.
#[derive(Debug, Clone, Serialize)]
pub struct BudgetPlan {
    /// Its name.
    pub budget: String,
    /// Its windows.
    pub windows: Vec<WindowPlan>,
    /// No call before this time: the vendor refused.
    pub paused_until: Option<DateTime<Utc>>,
    /// Calls in the next day, of all its sources: a walk at each firing, or one of a source without a schedule.
    pub calls_per_day: u64,
    /// They are a lower bound.
    pub is_at_least: bool,
    /// Calls that the limits allow in a day at most.
    pub allowed_per_day: u64,
    /// The one as a share of the other.
    pub share_of_day: f64,
    /// Where it ends within the next day; `None`: it lasts.
    pub spent: Option<PausePlan>,
}

/// One window of a budget.
#[derive(Debug, Clone, Serialize)]
pub struct WindowPlan {
    /// What the headroom leaves of its limit.
    pub limit: String,
    /// Calls that it holds now.
    pub used: u64,
    /// Calls that could go now.
    pub free: u64,
    /// What one walk of each source takes of it.
    pub walks: Vec<Share>,
}

/// What one walk takes of a window while it is at it.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// The source.
    pub source: String,
    /// 1 at most; `None`: not known.
    pub share: Option<f64>,
}

/// A source with everything that its plan hangs on.
struct Known<'s> {
    planned: &'s Planned<'s>,
    walks: Walks,
    held: Held,
}

/// What the store is asked about them: each source, with its budget.
pub fn asked<'s>(planned: &[Planned<'s>]) -> Vec<(&'s str, &'s str)> {
    planned.iter().map(|one| (one.source.name.as_str(), one.source.budget.as_str())).collect()
}

/// Plans the walks of those of these sources that are wanted, and the budgets of all in the order in which they are met.
pub fn plan(planned: &[Planned<'_>], known: Vec<(Walks, Held)>, wanted: &[&str]) -> (Vec<SourcePlan>, Vec<BudgetPlan>) {
    let known: Vec<Known> = planned.iter().zip(known).map(|(planned, (walks, held))| Known { planned, walks, held }).collect();
    let mut budgets: Vec<BudgetPlan> = Vec::new();
    for one in &known {
        if !budgets.iter().any(|budget| budget.budget == one.source().budget) {
            let sharing: Vec<&Known> = known.iter().filter(|other| other.source().budget == one.source().budget).collect();
            budgets.push(budget_plan(one, &sharing));
        }
    }
    let is_wanted = |one: &&Known| wanted.contains(&one.source().name.as_str());
    (known.iter().filter(is_wanted).map(Known::plan).collect(), budgets)
}

impl Known<'_> {
    fn source(&self) -> &Source {
        self.planned.source
    }

    fn left(&self) -> Need {
        Need::left(&self.walks, self.source().vendor.roots())
    }

    fn whole(&self) -> Need {
        Need::whole(&self.walks, self.source().vendor.roots())
    }

    fn plan(&self) -> SourcePlan {
        let (walks, need) = (&self.walks, self.left());
        let course = need.course(&mut need::ahead(&self.held, &self.source().allowed(&self.held.stated)), need::begins(&self.held));
        let ends = (course.last_at + need.took).max(self.held.now + need.work);
        let last = walks.last_walk_id.zip(walks.verdict.clone()).zip(walks.ended_at);
        SourcePlan {
            source: self.source().name.clone(),
            budget: self.source().budget.clone(),
            calls: need.calls,
            is_at_least: need.is_at_least,
            minutes: walks.last_walk_id.map(|_| forecast::minutes(self.held.now, ends)),
            last_walk: last.map(|((walk_id, verdict), ended_at)| LastWalk {
                walk_id,
                verdict,
                ended_at,
                calls: walks.calls,
                nodes: walks.nodes,
            }),
            open_walk: walks.open_walk_id.map(|walk_id| OpenWalk { walk_id, calls: walks.made }),
            pause: course.pause.map(|pause| self.pause(pause)),
            advanced_search_calls: need::by_search(walks, self.source()),
        }
    }

    fn pause(&self, pause: Pause) -> PausePlan {
        PausePlan {
            source: self.source().name.clone(),
            calls_before: pause.calls_before,
            limit: pause.limit.to_string(),
            spent_at: pause.from,
            minutes: forecast::minutes(self.held.now, pause.from),
            until: pause.until,
        }
    }

    fn share(&self, limit: Limit) -> Share {
        let whole = self.whole();
        let share = (!whole.is_at_least).then(|| forecast::share(limit, whole.calls, whole.work));
        Share { source: self.source().name.clone(), share }
    }

    /// What it asks of its budget in the next day.
    fn demand(&self) -> Demand {
        let (left, whole) = (self.left(), self.whole());
        let begins = need::begins(&self.held);
        let firings = match &self.planned.firings {
            _ if self.walks.is_paused => Vec::new(),
            Some(due) => due.iter().map(|at| begins.max(*at)).collect(),
            None => vec![begins],
        };
        Demand { firings, first: left.calls, calls: whole.calls, took: whole.took, work: whole.work }
    }
}

/// The budget of `one`, which all of `sharing` share.
#[expect(clippy::cast_precision_loss, reason = "a share of call counts far below 2^52")]
fn budget_plan(one: &Known, sharing: &[&Known]) -> BudgetPlan {
    let limits = one.source().allowed(&one.held.stated);
    let ahead = need::ahead(&one.held, &limits);
    let plan = |window: forecast::Standing| WindowPlan {
        limit: window.limit.to_string(),
        used: window.used,
        free: if one.held.paused_until.is_some() { 0 } else { window.free },
        walks: sharing.iter().map(|other| other.share(window.limit)).collect(),
    };
    let windows = ahead.standing().into_iter().map(plan).collect();
    let demands: Vec<Demand> = sharing.iter().map(|other| other.demand()).collect();
    let of_day = |demand: &Demand| demand.calls.saturating_mul(demand.firings.len().try_into().unwrap_or(u64::MAX));
    let calls_per_day = demands.iter().map(of_day).fold(0, u64::saturating_add);
    let allowed_per_day = forecast::per_day(&limits);
    let spent = ahead.first_pause(&demands, PATIENCE);
    BudgetPlan {
        budget: one.source().budget.clone(),
        windows,
        paused_until: one.held.paused_until,
        calls_per_day,
        is_at_least: sharing.iter().any(|other| other.whole().is_at_least),
        allowed_per_day,
        share_of_day: calls_per_day as f64 / (allowed_per_day as f64).max(1.0),
        spent: spent.map(|(place, pause)| sharing[place].pause(pause)),
    }
}
