//! One source: how it stands, its runs and days, its findings with what to do, its levers.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{changes_of, chart, findings, moment, number, outcome, overview::next_due, said};
use crate::{
    model::run::Live,
    plan::{BudgetPlan, Share, SourcePlan, WindowPlan},
    store::{
        look::{Day, KindRow},
        report::{Health, RunRow},
    },
    text::seconds,
    web::{guard::May, verdict},
};

/// What a source's page shows.
pub struct OneSource<'a> {
    /// How it stands.
    pub health: &'a Health,
    /// What the daemon does for it.
    pub live: Option<&'a Live>,
    /// What its next walk takes, and how long its budget lasts; none where the config does not name it.
    pub plan: Option<(SourcePlan, BudgetPlan)>,
    /// Its runs of the last days, newest first.
    pub runs: &'a [RunRow],
    /// Its days, the earliest first.
    pub days: &'a [Day],
    /// Its open findings.
    pub kinds: &'a [KindRow],
    /// By the clock of this process.
    pub now: DateTime<Utc>,
    /// What whoever looks may.
    pub may: May,
}

impl OneSource<'_> {
    /// The page's body.
    pub fn body(&self) -> Markup {
        let name = &self.health.name;
        let verdict = verdict::of(self.health, self.live, self.now);
        html! {
            p.sum { span class={ "state " (verdict.class) } { (verdict.word) } " " (said(&verdict.why)) }
            nav.sub aria-label="This source" {
                a href={ "/source/" (name) "/tree" } { "Tree" }
                a href={ "/changes?source=" (name) } { "Changes" }
                @if self.plan.is_some() { a href="#plan" { "Plan" } }
                a href="#runs" { "Runs" } a href="#days" { "Days" } a href="#findings" { "Findings" }
            }
            @if self.may.act && self.live.is_some() { (self.levers()) }
            (self.facts())
            (self.findings())
            @if let Some((next, budget)) = &self.plan { (plan(next, budget, self.now)) }
            (self.timeline())
            (self.charts())
        }
    }

    fn levers(&self) -> Markup {
        let name = &self.health.name;
        html! {
            div.levers {
                form method="post" action={ "/source/" (name) "/sync" } { button { "Sync now" } }
                @if self.health.paused_at.is_some() {
                    form method="post" action={ "/source/" (name) "/resume" } { button { "Resume" } }
                } @else {
                    form method="post" action={ "/source/" (name) "/pause" } { button { "Pause" } }
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        html! {
            dl.facts {
                dt { "Last complete walk" } dd { (moment(self.health.last_complete_at)) }
                dt { "Next due" } dd { (next_due(self.health, self.live, self.now)) }
                dt { "Live nodes" } dd { (number(self.health.live_nodes)) }
                @if let Some(error) = &self.health.last_error { dt { "Last error" } dd { (said(error)) } }
            }
        }
    }

    fn findings(&self) -> Markup {
        html! {
            section aria-labelledby="findings" {
                h2 #findings { "Findings" }
                (findings::grouped(self.kinds))
            }
        }
    }

    /// A bar for each run, as long as it took.
    fn timeline(&self) -> Markup {
        let took = |run: &RunRow| (run.finished_at.unwrap_or(self.now) - run.started_at).num_milliseconds();
        let most = self.runs.iter().map(took).max().unwrap_or(1);
        html! {
            section aria-labelledby="runs" {
                h2 #runs { "Runs" }
                p.legend {
                    "Each bar is as long as its run took; within it: " span.key.wait {} " waiting for the budget, " span.key.fetch {} " requests, "
                    span.key.write {} " writing. Requests, and writing, that went on at once are added up."
                }
                div.wide tabindex="0" role="group" aria-labelledby="runs" { table {
                    thead { tr {
                        th scope="col" { "Started" } th scope="col" { "Outcome" } th scope="col" { "Time" } th.n scope="col" { "Took" }
                        th.n scope="col" { "Waited" } th.n scope="col" { "Requests" } th.n scope="col" { "Writing" } th.n scope="col" { "Calls" }
                        th.n scope="col" { "New" } th.n scope="col" { "Changed" } th.n scope="col" { "Gone" } th scope="col" { "Note" }
                    } }
                    tbody { @for run in self.runs { tr {
                        th scope="row" { (moment(Some(run.started_at))) div.soft { "run " (changes_of(&run.source, run.run_id)) ", " (run.trigger) @if run.is_refresh { ", refresh" } } }
                        td { (outcome(run.outcome.as_deref())) }
                        td { (chart::bar(took(run), most, class(run), &[("wait", run.wait_ms), ("fetch", run.fetch_ms), ("write", run.write_ms)])) }
                        td.n { (seconds(took(run))) }
                        td.n { (seconds(run.wait_ms)) }
                        td.n { (seconds(run.fetch_ms)) }
                        td.n { (seconds(run.write_ms)) }
                        td.n { (number(run.requests)) }
                        td.n { (number(run.inserted)) }
                        td.n { (number(run.updated)) }
                        td.n { (number(run.retired)) }
                        td.why { @if let Some(error) = &run.error { (said(error)) } }
                    } } }
                } }
            }
        }
    }

    fn charts(&self) -> Markup {
        let of = |value: fn(&Day) -> i64| self.days.iter().map(value).collect::<Vec<i64>>();
        let charts: [(&str, Vec<i64>); 3] =
            [("New", of(|day| day.inserted)), ("Changed", of(|day| day.updated)), ("Gone", of(|day| day.retired))];
        html! {
            section aria-labelledby="days" {
                h2 #days { "The last " (self.days.len()) " days" }
                div.charts { @for (what, values) in &charts { figure { (chart::columns(what, values)) figcaption { (what) } } } }
                details #numbers {
                    summary { "The same as numbers" }
                    div.wide tabindex="0" role="group" aria-labelledby="days" { table {
                        thead { tr {
                            th scope="col" { "Day" } th.n scope="col" { "Runs" } th.n scope="col" { "Calls" } th.n scope="col" { "New" }
                            th.n scope="col" { "Changed" } th.n scope="col" { "Gone" }
                        } }
                        tbody { @for day in self.days.iter().rev() { tr {
                            th scope="row" { (day.day) } td.n { (number(day.runs)) } td.n { (number(day.requests)) } td.n { (number(day.inserted)) }
                            td.n { (number(day.updated)) } td.n { (number(day.retired)) }
                        } } }
                    } }
                }
            }
        }
    }
}

/// What the next walk takes, and how long the budget lasts.
fn plan(next: &SourcePlan, budget: &BudgetPlan, now: DateTime<Utc>) -> Markup {
    let of_walk = |window: &WindowPlan| window.walks.iter().find(|walk| walk.source == next.source).map(Share::told);
    html! {
        section aria-labelledby="plan" {
            h2 #plan { "Plan" }
            dl.facts {
                dt { "Calls to the end of the walk" } dd { @if next.is_at_least { "at least " } (number(next.calls)) }
                dt { "Time until then" } dd { (next.time_told()) }
                dt { "Known from" } dd { (next.known_from(now)) }
                dt { "Calls in the next day" }
                dd { @if budget.is_at_least { "at least " } (number(budget.calls_per_day)) " of " (number(budget.allowed_per_day)) " that the budget allows: " (budget.share_told()) }
                dt { "The budget lasts" } dd { (said(&budget.lasts())) }
            }
            @if let Some(told) = next.search_told() { p { (told) } }
            div.wide tabindex="0" role="group" aria-labelledby="plan" { table {
                thead { tr {
                    th scope="col" { "Window of " (said(&budget.budget)) } th.n scope="col" { "Used" } th.n scope="col" { "Free" }
                    th.n scope="col" { "A walk takes" }
                } }
                tbody { @for window in &budget.windows { tr {
                    th scope="row" { (window.limit) }
                    td.n { (number(window.used)) }
                    td.n { (number(window.free)) }
                    td.n { (of_walk(window).unwrap_or_default()) }
                } } }
            } }
        }
    }
}

fn class(run: &RunRow) -> &'static str {
    match run.outcome.as_deref() {
        None => "running",
        Some("complete") => "fine",
        Some("failed" | "abandoned") => "bad",
        Some(_) => "wait",
    }
}
