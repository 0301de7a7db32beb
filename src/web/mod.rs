//! The status page, `/metrics` and `/healthz`. Reads the store only.

mod metrics;
mod page;

use std::io;

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

use crate::store::{figures, report, session};

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

/// Serves until the stop.
pub async fn serve(listener: TcpListener, pool: PgPool, stop: CancellationToken) {
    let routes = Router::new().route("/", get(status)).route("/metrics", get(numbers)).route("/healthz", get(healthz)).with_state(pool);
    let served = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        warn!(error = %error, "the status page failed");
    }
}

async fn status(State(pool): State<PgPool>) -> Response {
    let read = async {
        let mut step = session::begin(&pool).await?;
        let conn = &mut step.conn();
        Ok((report::health(conn).await?, report::runs(conn, None, None, RUNS).await?, figures::budgets(conn).await?))
    };
    match read.await {
        Ok((health, runs, budgets)) => Html(page::render(&health, &runs, &budgets)).into_response(),
        Err(error) => unavailable(&error),
    }
}

async fn numbers(State(pool): State<PgPool>) -> Response {
    let read = async {
        let mut step = session::begin(&pool).await?;
        let conn = &mut step.conn();
        Ok((report::health(conn).await?, figures::totals(conn).await?))
    };
    match read.await {
        Ok((health, totals)) => {
            let text = metrics::render(&health, &totals);
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

async fn healthz(State(pool): State<PgPool>) -> Response {
    let read = async { report::health(&mut session::begin(&pool).await?.conn()).await };
    match read.await {
        Ok(_) => "ok\n".into_response(),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &sqlx::Error) -> Response {
    warn!(error = %error, "the status page cannot read the database");
    (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
}
