//! `hiersync plan`: before any call is spent, what walks will take and how long each budget lasts.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    exit::{Exit, Failure},
    out::{self, say},
    sync::chosen,
    table::table,
};
use crate::{
    app::App,
    clock,
    config::Source,
    plan::{self, BudgetPlan, PausePlan, Planned, SourcePlan, WindowPlan},
    schedule, store,
    text::{ago, share, span, time},
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
    app.close().await;
    let (sources, budgets) = told?;
    if args.json {
        sources.iter().for_each(|source| out::json(&of_kind("source", json!(source))));
        budgets.iter().for_each(|budget| out::json(&of_kind("budget", json!(budget))));
    } else if sources.is_empty() {
        say!("no source is enabled: there is nothing to plan");
    } else {
        tell_sources(&sources);
        tell_windows(&budgets);
        tell_days(&budgets);
    }
    Ok(Exit::Complete)
}

async fn told(args: &Args, app: &App) -> Result<(Vec<SourcePlan>, Vec<BudgetPlan>), Failure> {
    let chosen = chosen(&args.sources, app)?;
    let is_chosen = |source: &Source| chosen.iter().any(|other| other.name == source.name);
    // Who else draws on their budgets counts there.
    let draws = |source: &Source| source.enabled && chosen.iter().any(|other| other.budget == source.budget);
    let drawing = app.config.sources.iter().filter(|source| is_chosen(source) || draws(source));
    let planned: Vec<Planned> = drawing.map(|source| Planned { source, firings: firings(source) }).collect();
    let asked: Vec<(&str, &str)> = planned.iter().map(|one| (one.source.name.as_str(), one.source.budget.as_str())).collect();
    let known = store::plan::known(&mut app.begin_to_read().await?.conn(), &asked).await?;
    let (mut sources, budgets) = plan::plan(&planned, known);
    sources.retain(|plan| chosen.iter().any(|source| source.name == plan.source));
    Ok((sources, budgets))
}

/// When the daemon walks a source in the next day.
fn firings(source: &Source) -> Option<Vec<chrono::DateTime<chrono::Utc>>> {
    let schedule = source.schedule.as_ref().filter(|_| source.enabled)?;
    let now = clock::now();
    Some(schedule::firings(schedule, now, now + TimeDelta::days(1)))
}

fn of_kind(kind: &str, mut plan: Value) -> Value {
    plan["kind"] = json!(kind);
    plan
}

fn tell_sources(sources: &[SourcePlan]) {
    let mut table = table(&["source", "calls", "time", "known from"]);
    for plan in sources {
        let takes = plan.minutes.map_or_else(not_known, |minutes| at_least(plan.is_at_least, &span(minutes * 60.0)));
        table.add_row(vec![plan.source.clone(), at_least(plan.is_at_least, &plan.calls.to_string()), takes, known_from(plan)]);
    }
    say!("{table}");
    for plan in sources {
        if let Some((calls, last)) = plan.advanced_search_calls.zip(plan.last_walk.as_ref()) {
            let (name, took, users) = (&plan.source, last.calls, last.nodes);
            say!(
                "\n{name}: `edges = \"advanced_search\"` would take about {calls} calls instead of {took}, if the key may use User Advanced \
                 Search: it pages through all users of the account, of whom {users} were met here"
            );
        }
    }
}

/// The walk that the numbers are from, the walk that goes on, and where the budget interrupts it.
fn known_from(plan: &SourcePlan) -> String {
    let last = plan.last_walk.as_ref().map_or_else(
        || "never walked to its end: the first walk will tell".to_owned(),
        |last| {
            let age = ago(Some((clock::now() - last.ended_at).as_seconds_f64().max(0.0)));
            format!("walk {}, {} {age} ago: {} calls, {} nodes", last.walk_id, last.verdict, last.calls, last.nodes)
        },
    );
    let open = plan.open_walk.as_ref().map(|open| format!("; goes on with walk {}, {} calls made", open.walk_id, open.calls));
    let pause = plan.pause.as_ref().map(|pause| format!("; {}", interrupted(pause)));
    [Some(last), open, pause].into_iter().flatten().collect()
}

fn interrupted(pause: &PausePlan) -> String {
    let until = time(Some(pause.until));
    match pause.calls_before {
        0 => format!("nothing is free of {}: waits until {until}", pause.limit),
        calls => format!("{} is spent after {calls} calls: waits until {until}", pause.limit),
    }
}

fn tell_windows(budgets: &[BudgetPlan]) {
    let mut table = table(&["budget", "window", "used", "free", "one walk takes"]);
    for plan in budgets {
        for window in &plan.windows {
            let WindowPlan { limit, used, free, walks } = window;
            let walks: Vec<String> =
                walks.iter().map(|walk| format!("{} {}", walk.source, walk.share.map_or_else(not_known, share))).collect();
            table.add_row(vec![plan.budget.clone(), limit.clone(), used.to_string(), free.to_string(), walks.join(", ")]);
        }
    }
    say!("\n{table}");
}

fn tell_days(budgets: &[BudgetPlan]) {
    let mut table = table(&["budget", "calls a day", "allowed a day", "share", "lasts"]);
    for plan in budgets {
        table.add_row(vec![
            plan.budget.clone(),
            at_least(plan.is_at_least, &plan.calls_per_day.to_string()),
            plan.allowed_per_day.to_string(),
            if plan.is_at_least && plan.share_of_day < 1.0 { not_known() } else { at_least(plan.is_at_least, &share(plan.share_of_day)) },
            lasts(plan),
        ]);
    }
    say!("\n{table}");
}

fn lasts(plan: &BudgetPlan) -> String {
    let paused = plan.paused_until.map(|until| format!("paused by the vendor until {}; then ", time(Some(until)))).unwrap_or_default();
    let lasts = match &plan.spent {
        Some(pause) => {
            let is_full = |window: &WindowPlan| window.limit == pause.limit && window.free == 0;
            let (when, who) = match plan.windows.iter().any(is_full) {
                true => ("already spent".to_owned(), format!("the next walk of {}", pause.source)),
                false => (format!("spent after {}", span(pause.minutes * 60.0)), format!("a walk of {} then", pause.source)),
            };
            format!("{when} ({}): {who} waits until {}", pause.limit, time(Some(pause.until)))
        }
        None if plan.share_of_day > 1.0 => "all day, but walks come later than their schedules say".into(),
        None if plan.is_at_least => "all day, as far as is known".into(),
        None => "all day".into(),
    };
    paused + &lasts
}

fn not_known() -> String {
    "not known".into()
}

fn at_least(is_so: bool, what: &str) -> String {
    if is_so { format!("at least {what}") } else { what.to_owned() }
}
