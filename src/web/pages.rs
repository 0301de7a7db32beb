//! What each page reads, and how it answers where it cannot.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::Markup;
use serde::Deserialize;
use tokio::task;
use tracing::warn;

use super::{
    ANSWERED_WITHIN, Seen,
    guard::May,
    in_time,
    page::{
        Frame, Renewed,
        changes::{self as change_page, Filter},
        overview::Overview,
        refused,
        source::OneSource,
        tree as tree_page,
    },
};
use crate::{
    clock, plan,
    store::{self, figures, look, report, session},
    text::chain,
};

/// Runs shown on the overview, and on a source's page.
const RUNS: i64 = 20;
const RUNS_OF_SOURCE: i64 = 100;

/// Days of a source's charts.
const DAYS: i32 = 30;

/// Changes of one page.
pub(super) const CHANGES: i64 = 100;

/// Why there is no page.
pub(super) enum NoPage {
    /// The database.
    Database(sqlx::Error),
    /// Nothing of that name.
    Missing(String),
}

impl From<sqlx::Error> for NoPage {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl NoPage {
    /// A page that says so.
    pub(super) fn told(self, may: May) -> Response {
        match self {
            Self::Missing(what) => refused(StatusCode::NOT_FOUND, may, &what).into_response(),
            Self::Database(error) => {
                let why = chain(&error);
                warn!(error = why, "the status page cannot use the database");
                refused(StatusCode::SERVICE_UNAVAILABLE, may, &format!("The database cannot be used: {why}")).into_response()
            }
        }
    }
}

/// What was just done.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

pub(super) fn framed(title: &str, may: May, renewed: Option<Renewed>, done: &Done, body: &Markup) -> Response {
    Frame { title, may, renewed, done: done.done.as_deref() }.around(body).into_response()
}

pub(super) async fn overview(State(seen): State<Seen>, Extension(may): Extension<May>, Query(done): Query<Done>) -> Response {
    let read = async {
        let mut step = session::begin_to_read(&seen.pool).await?;
        let conn = &mut step.conn();
        let (health, walks) = (report::health(conn).await?, store::plan::walks(conn, None).await?);
        Ok((health, walks, report::runs(conn, None, None, RUNS).await?, figures::budgets(conn).await?))
    };
    match in_time(&seen.pool, ANSWERED_WITHIN, read).await {
        Ok((health, walks, runs, budgets)) => {
            let live = seen.house.look().sources;
            let overview = Overview { live: &live, health: &health, walks: &walks, runs: &runs, budgets: &budgets, now: clock::now() };
            framed("Overview", may, Some(Renewed::Always), &done, &overview.body())
        }
        Err(error) => NoPage::from(error).told(may),
    }
}

pub(super) async fn source(
    State(seen): State<Seen>,
    Extension(may): Extension<May>,
    Path(name): Path<String>,
    Query(done): Query<Done>,
) -> Response {
    // Many sources may share its budget, with many firings: others are served meanwhile.
    let planned = task::block_in_place(|| seen.house.planned(&name));
    let read = async {
        let mut step = session::begin_to_read(&seen.pool).await?;
        let conn = &mut step.conn();
        let health = report::health(conn).await?.into_iter().find(|health| health.name == name);
        let known = store::plan::known(conn, &plan::asked(&planned)).await?;
        let runs = report::runs(conn, Some(&name), None, RUNS_OF_SOURCE).await?;
        Ok((health, known, runs, look::days(conn, &name, DAYS).await?, look::kinds(conn, &name, None).await?))
    };
    let (health, known, runs, days, kinds) = match in_time(&seen.pool, ANSWERED_WITHIN, read).await {
        Ok(read) => read,
        Err(error) => return NoPage::from(error).told(may),
    };
    let Some(health) = health else { return no_source(&name).told(may) };
    let live = seen.house.look().sources.into_iter().find(|live| live.source == name);
    let (mut sources, mut budgets) = task::block_in_place(|| plan::plan(&planned, known, &[&name]));
    let one = OneSource {
        health: &health,
        live: live.as_ref(),
        plan: sources.pop().zip(budgets.pop()),
        runs: &runs,
        days: &days,
        kinds: &kinds,
        now: clock::now(),
        may,
    };
    framed(&name, may, Some(Renewed::Always), &done, &one.body())
}

pub(super) fn no_source(name: &str) -> NoPage {
    NoPage::Missing(format!("There is no source {name}, or it was never synced."))
}

pub(super) async fn changes(State(seen): State<Seen>, Extension(may): Extension<May>, Query(filter): Query<Filter>) -> Response {
    let some = |text: &'_ str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (source, entity, op, key) = (some(&filter.source), some(&filter.entity), some(&filter.op), some(&filter.node));
    let (since, until) = (tree_page::typed(&filter.since), tree_page::typed(&filter.until));
    let run_id = some(&filter.run).map(|run| run.parse().map_err(|_| format!("{run} is no run's number"))).transpose();
    let wrong = since.clone().err().or_else(|| until.clone().err()).or_else(|| run_id.clone().err());
    let wanted = look::Wanted {
        source: source.as_deref(),
        entity: entity.as_deref(),
        op: op.as_deref(),
        key: key.as_deref(),
        since: since.unwrap_or_default(),
        until: until.unwrap_or_default(),
        run_id: run_id.unwrap_or_default(),
        before: filter.before.parse().ok(),
    };
    let read = async {
        let mut step = session::begin_to_read(&seen.pool).await?;
        let conn = &mut step.conn();
        Ok((report::health(conn).await?, look::changes(conn, &wanted, CHANGES).await?))
    };
    match seen.at_length(read).await {
        Ok((health, rows)) => {
            let sources: Vec<String> = health.into_iter().map(|health| health.name).collect();
            let many = usize::try_from(CHANGES).unwrap_or(usize::MAX);
            let body = change_page::body(&filter, &sources, &rows, many, wrong.as_deref(), may);
            framed("Changes", may, filter.before.is_empty().then_some(Renewed::WithNews), &Done::default(), &body)
        }
        Err(error) => NoPage::from(error).told(may),
    }
}
