//! The status page, `/metrics` and `/healthz`. Reads the store only.

mod metrics;
mod page;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    model::run::Daemon,
    store::{conn, figures, report, session},
    text::chain,
};

/// The database has so long for its answer, and then so long to say why there is none: whoever asks is answered within 2 s.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1400);
const ASKED_WHY: Duration = Duration::from_millis(500);

/// Runs shown on the page.
const RUNS: i64 = 20;

/// The port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: choose another [daemon].listen, or \"\" for no page")]
pub struct BindError {
    listen: String,
    #[source]
    source: io::Error,
}

/// Takes the port.
pub async fn bind(listen: &str) -> Result<TcpListener, BindError> {
    TcpListener::bind(listen).await.map_err(|source| BindError { listen: listen.to_owned(), source })
}

/// What every answer stands on.
#[derive(Clone)]
struct Seen {
    pool: PgPool,
    daemon: Arc<dyn Fn() -> Daemon + Send + Sync>,
}

/// Serves until the stop.
pub async fn serve(listener: TcpListener, pool: PgPool, daemon: impl Fn() -> Daemon + Send + Sync + 'static, stop: CancellationToken) {
    let pages = Router::new().route("/", get(status)).route("/metrics", get(numbers));
    let checks = Router::new().route("/healthz", get(healthz)).route("/livez", get(async || "ok\n"));
    let routes = pages.merge(checks).with_state(Seen { pool, daemon: Arc::new(daemon) });
    let served = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        warn!(error = %error, "the status page failed");
    }
}

async fn status(State(Seen { pool, daemon }): State<Seen>) -> Response {
    let read = async {
        let mut step = session::begin_to_read(&pool).await?;
        let conn = &mut step.conn();
        Ok((report::health(conn).await?, report::runs(conn, None, None, RUNS).await?, figures::budgets(conn).await?))
    };
    match in_time(&pool, read).await {
        Ok((health, runs, budgets)) => Html(page::render(&daemon().sources, &health, &runs, &budgets)).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// What is known without the database is told without it, too: an alarm must not go silent with what it is about.
async fn numbers(State(Seen { pool, daemon }): State<Seen>) -> Response {
    let read = async {
        let mut step = session::begin_to_read(&pool).await?;
        let conn = &mut step.conn();
        Ok((report::health(conn).await?, figures::totals(conn).await?))
    };
    // A database that is slow is not away.
    let (stored, writes) = tokio::join!(in_time(&pool, read), in_time(&pool, write(&pool)));
    let stored = stored.inspect_err(|error| warn!(error = chain(error), "the database's numbers cannot be read")).ok();
    let sources = daemon().sources;
    let mut text = metrics::live(&sources, writes.is_ok(), conn::errors());
    if let Some((health, totals)) = stored {
        text.push_str(&metrics::render(&sources, &health, &totals));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Well is who can write, and does its work.
async fn healthz(State(Seen { pool, daemon }): State<Seen>) -> Response {
    if let Some(why) = daemon().ails {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    }
    match in_time(&pool, write(&pool)).await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => unavailable(&error),
    }
}

async fn write(pool: &PgPool) -> sqlx::Result<()> {
    let mut step = session::begin(pool).await?;
    report::write(&mut step.conn()).await?;
    step.commit().await
}

/// Whoever asks has little patience of their own.
async fn in_time<T>(pool: &PgPool, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    match tokio::time::timeout(ANSWERED_WITHIN, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(session::why_none(pool, ASKED_WHY).await),
    }
}

fn unavailable(error: &sqlx::Error) -> Response {
    let why = chain(error);
    warn!(error = why, "the status page cannot use the database");
    (StatusCode::SERVICE_UNAVAILABLE, format!("the database cannot be used: {why}\n")).into_response()
}
