//! Whether all is well, and if not, why and until when: a row for each source, a gauge for each window of each budget.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::{changes_of, chart, moment, number, outcome, said};
use crate::{
    model::run::Live,
    store::{
        figures::BudgetRow,
        plan::Walks,
        report::{Health, RunRow},
    },
    text::{ago, share, window_note},
    web::verdict::{self, Verdict},
};

/// What the overview shows.
pub struct Overview<'a> {
    /// What the daemon does.
    pub live: &'a [Live],
    /// Every source.
    pub health: &'a [Health],
    /// What is known of each source's walks.
    pub walks: &'a [Walks],
    /// The latest runs.
    pub runs: &'a [RunRow],
    /// Every budget.
    pub budgets: &'a [BudgetRow],
    /// By the clock of this process.
    pub now: DateTime<Utc>,
}

impl Overview<'_> {
    /// The page's body.
    pub fn body(&self) -> Markup {
        let live: HashMap<&str, &Live> = self.live.iter().map(|live| (live.source.as_str(), live)).collect();
        let mut rows: Vec<(&Health, Option<&Live>, Verdict)> = self
            .health
            .iter()
            .map(|health| {
                let live = live.get(health.name.as_str()).copied();
                (health, live, verdict::of(health, live, self.now))
            })
            .collect();
        // Among a thousand, too, what needs a look is what is seen.
        rows.sort_by_key(|(.., verdict)| verdict.class != "bad");
        let bad = rows.iter().filter(|(.., verdict)| verdict.class == "bad").count();
        let ours = || self.health.iter().filter(|health| health.is_configured);
        let acts = ours().map(|health| health.open_findings).sum();
        let paused = ours().filter(|health| health.paused_at.is_some()).count();
        html! {
            (all_in_one(rows.len(), bad, acts, paused))
            section aria-labelledby="sources" {
                h2 #sources { "Sources" }
                @if rows.is_empty() {
                    p { "Nothing was synced yet: sources are read when they are due, or by " code { "hiersync sync" } "." }
                } @else {
                    div.wide tabindex="0" role="group" aria-labelledby="sources" { table {
                        thead { tr {
                            th scope="col" { "Source" } th scope="col" { "State" } th scope="col" { "Last complete walk" }
                            th scope="col" { "Last run" } th scope="col" { "Next due" } th.n scope="col" { "Live nodes" }
                            th.n scope="col" { "To act on" } th scope="col" { "Walk" }
                        } }
                        tbody { @for (health, live, verdict) in &rows { (self.row(health, *live, verdict)) } }
                    } }
                }
            }
            (self.budgets())
            section aria-labelledby="runs" {
                h2 #runs { "Latest runs" }
                (runs(self.runs))
            }
        }
    }

    fn row(&self, health: &Health, live: Option<&Live>, verdict: &Verdict) -> Markup {
        html! { tr {
            th scope="row" {
                a href={ "/source/" (health.name) } { (health.name) }
                div.soft { (health.vendor) " · " a href={ "/source/" (health.name) "/tree" } { "tree" } }
            }
            td { span class={ "state " (verdict.class) } { (verdict.word) } @if !verdict.why.is_empty() { div.why { (said(&verdict.why)) } } }
            td {
                @match health.staleness_s { Some(age) => { (ago(Some(age))) " ago" } None => "never" }
                div.soft { (moment(health.last_complete_at)) }
            }
            td { @if health.last_started_at.is_some() { (outcome(health.last_outcome.as_deref())) div.soft { (moment(health.last_started_at)) } } @else { "–" } }
            td { (next_due(health, live, self.now)) }
            td.n { (number(health.live_nodes)) }
            td.n { @if health.open_findings > 0 { a.act href={ "/source/" (health.name) "#findings" } { (number(health.open_findings)) } } @else { "0" } }
            td.narrow { (self.progress(health)) }
        } }
    }

    /// How far the walk is that goes on, by what the last one took.
    fn progress(&self, health: &Health) -> Markup {
        let walks = self.walks.iter().find(|walks| walks.open_walk_id.is_some() && walks.source == health.name);
        let Some(walks) = walks else { return html! { "–" } };
        let run = self.runs.iter().find(|run| run.source == health.name && run.outcome.is_none());
        let end = run.and_then(|run| estimated_end(walks, run, self.now));
        html! {
            @if walks.calls > 0 {
                (chart::bar(walks.made.min(walks.calls), walks.calls, "running", &[]))
                div.soft { (number(walks.made)) " of about " (number(walks.calls)) " calls" }
            } @else {
                div.soft { (number(walks.made)) " calls, " (number(walks.queued)) " lists to read" }
            }
            @if end.is_some() { div.soft { "done at about " (moment(end)) } }
        }
    }

    fn budgets(&self) -> Markup {
        html! {
            section aria-labelledby="budgets" {
                h2 #budgets { "Budgets" }
                p.legend {
                    "Each window with its calls. Headroom is what the config leaves to others; what others take is known by what the vendor refuses."
                }
                div.wide tabindex="0" role="group" aria-labelledby="budgets" { table {
                    thead { tr {
                        th scope="col" { "Budget" } th scope="col" { "Window" } th scope="col" { "In use" } th.n scope="col" { "Calls" } th.n scope="col" { "Free" }
                        th.n scope="col" { "Headroom" } th.n scope="col" { "Others" } th scope="col" { "Note" }
                    } }
                    tbody {
                        @for budget in self.budgets { @for (place, window) in budget.windows.iter().enumerate() { tr {
                            th scope="row" { (said(&budget.name)) }
                            td { (window.limit) }
                            @let others = others(place, budget.pace);
                            td { (chart::gauge(window.used, window.allowed, others.unwrap_or(0.0))) }
                            td.n { (number(window.used)) }
                            td.n { (number(window.free)) }
                            td.n { (share(budget.headroom)) }
                            td.n { @match others { Some(others) => { "about " (share(others)) } None => "–" } }
                            td.why { (window_note(place, budget.pause(), window.full_until(), budget.pace, window.is_learned)) }
                        } } }
                    }
                } }
            }
        }
    }
}

fn all_in_one(all: usize, bad: usize, acts: i64, paused: usize) -> Markup {
    html! {
        @if all > 0 { p.sum {
            @if bad > 0 {
                span.state.bad { (bad) " of " (all) } @if bad == 1 { " needs a look" } @else { " need a look" }
            } @else if acts == 0 {
                span.state.fine { "all is well" } " with " (all) @if all == 1 { " source" } @else { " sources" }
            } @else {
                (all) @if all == 1 { " source" } @else { " sources" }
            }
            @if acts > 0 { ", " span.state.bad { (acts) @if acts == 1 { " finding" } @else { " findings" } " to act on" } }
            @if paused > 0 { ", " span.state.wait { (paused) " paused" } }
        } }
    }
}

/// When a source is next due, and in how long.
pub(super) fn next_due(health: &Health, live: Option<&Live>, now: DateTime<Utc>) -> Markup {
    let due = live.and_then(|live| live.next_due);
    html! {
        @match due {
            Some(_) if health.paused_at.is_some() => "when it is resumed",
            Some(due) => { (moment(Some(due))) @if due > now { div.soft { "in " (ago(Some((due - now).as_seconds_f64()))) } } }
            None => "by hand",
        }
    }
}

/// What others take of a budget's window, the shortest of which is its first: known only by what the vendor refuses beyond our own calls.
fn others(window: usize, pace: f64) -> Option<f64> {
    (window == 0 && pace < 1.0).then_some(1.0 - pace)
}

/// When a walk may end, if it goes on as this run does.
fn estimated_end(walks: &Walks, run: &RunRow, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let left = (walks.calls - walks.made).max(walks.queued);
    let so_far = (now - run.started_at).num_milliseconds();
    if run.requests < 10 || walks.calls == 0 || so_far <= 0 {
        return None;
    }
    now.checked_add_signed(TimeDelta::milliseconds(so_far.checked_mul(left)? / run.requests))
}

/// Runs in a table.
pub(super) fn runs(runs: &[RunRow]) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-labelledby="runs" { table {
            thead { tr {
                th.n scope="col" { "Run" } th scope="col" { "Source" } th scope="col" { "Started" } th scope="col" { "Outcome" }
                th.n scope="col" { "Calls" } th.n scope="col" { "New" } th.n scope="col" { "Changed" } th.n scope="col" { "Gone" } th scope="col" { "Note" }
            } }
            tbody { @for run in runs { tr {
                th.n scope="row" { (changes_of(&run.source, run.run_id)) }
                td { a href={ "/source/" (run.source) } { (run.source) } }
                td { (moment(Some(run.started_at))) }
                td { (outcome(run.outcome.as_deref())) @if run.is_refresh { " refresh" } }
                td.n { (number(run.requests)) }
                td.n { (number(run.inserted)) }
                td.n { (number(run.updated)) }
                td.n { (number(run.retired)) }
                td.why { @if let Some(error) = &run.error { (said(error)) } }
            } } }
        } }
    }
}
