//! `hiersync plan`: before any call is spent, what walks will take and how long each budget lasts.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    exit::{Exit, Failure},
    out::{self, say},
    show::next_due,
    sync::chosen,
    table::table,
};
use crate::{
    app::App,
    clock,
    config::{Config, Source},
    plan::{self, BudgetPlan, Planned, SourcePlan, WindowPlan},
    schedule, store,
    text::time,
};

/// What people type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sources; all enabled ones if none is named
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    /// As JSON, one source or budget a line
    #[arg(long)]
    json: bool,
}

/// Tells what the next walk of each source takes, and how long each of their budgets lasts.
pub async fn run(args: &Args, app: App) -> Result<Exit, Failure> {
    let told = told(args, &app).await;
    let due: HashMap<String, DateTime<Utc>> =
        app.config.sources.iter().filter_map(|source| Some((source.name.clone(), next_due(source)?))).collect();
    app.close().await;
    let (sources, budgets) = told?;
    if args.json {
        for source in &sources {
            let mut told = of_kind("source", json!(source));
            told["next_due"] = json!(due.get(&source.source));
            out::json(&told);
        }
        budgets.iter().for_each(|budget| out::json(&of_kind("budget", json!(budget))));
    } else if sources.is_empty() {
        say!("no source is enabled: there is nothing to plan");
    } else {
        tell_sources(&sources, &due);
        tell_windows(&budgets);
        tell_days(&budgets);
    }
    Ok(Exit::Complete)
}

async fn told(args: &Args, app: &App) -> Result<(Vec<SourcePlan>, Vec<BudgetPlan>), Failure> {
    let chosen: Vec<&str> = chosen(&args.sources, app)?.into_iter().map(|source| source.name.as_str()).collect();
    let planned = planned(&app.config, &chosen);
    let known = store::plan::known(&mut app.begin_to_read().await?.conn(), &plan::asked(&planned)).await?;
    Ok(plan::plan(&planned, known, &chosen))
}

/// The sources of these names, and who else draws on their budgets: that counts there.
pub fn planned<'c>(config: &'c Config, chosen: &[&str]) -> Vec<Planned<'c>> {
    let is_chosen = |source: &&Source| chosen.contains(&source.name.as_str());
    let budgets: Vec<&String> = config.sources.iter().filter(is_chosen).map(|source| &source.budget).collect();
    let drawing = config.sources.iter().filter(|source| is_chosen(source) || source.enabled && budgets.contains(&&source.budget));
    drawing.map(|source| Planned { source, firings: firings(source) }).collect()
}

/// When the daemon walks a source in the next day.
fn firings(source: &Source) -> Option<Vec<DateTime<Utc>>> {
    let schedule = source.schedule.as_ref().filter(|_| source.enabled)?;
    let now = clock::now();
    Some(schedule::firings(schedule, now, now + TimeDelta::days(1)))
}

fn of_kind(kind: &str, mut plan: Value) -> Value {
    plan["kind"] = json!(kind);
    plan
}

fn tell_sources(sources: &[SourcePlan], due: &HashMap<String, DateTime<Utc>>) {
    let now = clock::now();
    let mut table = table(&["source", "calls", "time", "next due", "known from"]);
    for plan in sources {
        let due = time(due.get(&plan.source).copied());
        table.add_row(vec![plan.source.clone(), plan.calls_told(), plan.time_told(), due, plan.known_from(now)]);
    }
    say!("{table}");
    for plan in sources {
        if let Some(told) = plan.search_told() {
            say!("\n{}: {told}", plan.source);
        }
    }
}

fn tell_windows(budgets: &[BudgetPlan]) {
    let mut table = table(&["budget", "window", "used", "free", "one walk takes"]);
    for plan in budgets {
        for window in &plan.windows {
            let WindowPlan { limit, used, free, walks } = window;
            let walks: Vec<String> = walks.iter().map(|walk| format!("{} {}", walk.source, walk.told())).collect();
            table.add_row(vec![plan.budget.clone(), limit.clone(), used.to_string(), free.to_string(), walks.join(", ")]);
        }
    }
    say!("\n{table}");
}

fn tell_days(budgets: &[BudgetPlan]) {
    let mut table = table(&["budget", "calls a day", "allowed a day", "share", "lasts"]);
    for plan in budgets {
        let allowed = plan.allowed_per_day.to_string();
        table.add_row(vec![plan.budget.clone(), plan.calls_told(), allowed, plan.share_told(), plan.lasts()]);
    }
    say!("\n{table}");
}
