//! The status page with its levers, `/metrics`, `/healthz` and `/livez`. Reads the store, and asks the daemon.

mod events;
pub mod guard;
mod levers;
mod metrics;
mod page;
mod pages;
pub mod token;
mod trees;
mod verdict;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::{guard::May, token::Guard};
use crate::{
    clock,
    model::run::Daemon,
    plan::Planned,
    store::{conn, figures, report, session},
    text::chain,
};

/// The database has so long for its answer, and then so long to say why there is none: whoever asks is answered within 2 s.
const ANSWERED_WITHIN: Duration = Duration::from_millis(1400);
const ASKED_WHY: Duration = Duration::from_millis(500);

/// What a person looks for may take longer.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

/// Forms are short.
const LONGEST_FORM: usize = 16 << 10;

/// Pages that are renewed while somebody looks at them.
const WATCHED: usize = 64;

/// Questions that may take long, at once.
const LONG: usize = 2;

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

/// The daemon, as the page sees it and asks it.
pub trait House: Send + Sync + 'static {
    /// What it knows of itself.
    fn look(&self) -> Daemon;

    /// The source of this name with all that draw on its budget; none where the config does not name it.
    fn planned(&self, source: &str) -> Vec<Planned<'_>>;

    /// A person wants a source to be synced now.
    fn sync(&self, source: &str);

    /// A person wants what was asked for in the store to be read now.
    fn refresh(&self, source: &str);
}

/// What every answer stands on.
#[derive(Clone)]
struct Seen {
    pool: PgPool,
    house: Arc<dyn House>,
    guard: Arc<Guard>,
    watched: Arc<Semaphore>,
    /// One for each question that may take long: those of people who look must leave connections to the runs.
    long: Arc<Semaphore>,
    stop: CancellationToken,
    started_at: DateTime<Utc>,
}

impl Seen {
    /// Asks what may take long, when few others do.
    async fn at_length<T>(&self, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let answer = async {
            let _place = self.long.acquire().await;
            answer.await
        };
        in_time(&self.pool, FOUND_WITHIN, answer).await
    }
}

/// When this process first served: a reload is no restart.
static STARTED_AT: OnceLock<DateTime<Utc>> = OnceLock::new();

/// Serves until the stop.
pub async fn serve(listener: TcpListener, pool: PgPool, guard: Guard, house: Arc<dyn House>, stop: CancellationToken) {
    let seen = Seen {
        pool,
        house,
        guard: Arc::new(guard),
        watched: Arc::new(Semaphore::new(WATCHED)),
        long: Arc::new(Semaphore::new(LONG)),
        stop: stop.clone(),
        started_at: *STARTED_AT.get_or_init(clock::now),
    };
    let served = axum::serve(listener, routes(seen).into_make_service_with_connect_info::<SocketAddr>());
    if let Err(error) = served.with_graceful_shutdown(async move { stop.cancelled().await }).await {
        warn!(error = %error, "the status page failed");
    }
}

fn routes(seen: Seen) -> Router {
    let pages = Router::new()
        .route("/", get(pages::overview))
        .route("/source/{source}", get(pages::source))
        .route("/source/{source}/tree", get(trees::tree))
        .route("/source/{source}/below", get(trees::below))
        .route("/source/{source}/search", get(trees::search))
        .route("/source/{source}/node/{node}", get(trees::node))
        .route("/changes", get(pages::changes))
        .route("/events", get(events::events))
        .route("/icon.svg", get(async || ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("icon.svg"))))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))))
        .route("/script.js", get(async || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("script.js"))));
    let levers = Router::new()
        .route("/source/{source}/sync", post(levers::sync))
        .route("/source/{source}/pause", post(levers::pause))
        .route("/source/{source}/resume", post(levers::resume))
        .route("/source/{source}/node/{node}/refresh", post(levers::refresh))
        .route("/sign-in", get(levers::sign_in_form).post(levers::sign_in))
        .route("/sign-out", post(levers::sign_out));
    let checks = Router::new().route("/metrics", get(numbers)).route("/healthz", get(healthz)).route("/livez", get(async || "ok\n"));
    let missing = async |Extension(may): Extension<May>| page::refused(StatusCode::NOT_FOUND, may, "There is no such page.");
    pages
        .merge(levers)
        .merge(checks)
        .fallback(missing)
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(middleware::from_fn_with_state(seen.clone(), guard::watch))
        .with_state(seen)
}

/// Another page is to be asked for instead.
fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

/// What is known without the database is told without it, too: an alarm must not go silent with what it is about.
async fn numbers(State(Seen { pool, house, started_at, .. }): State<Seen>) -> Response {
    let read = async {
        let mut step = session::begin_to_read(&pool).await?;
        let conn = &mut step.conn();
        Ok(metrics::Stored {
            health: report::health(conn).await?,
            totals: figures::totals(conn).await?,
            budgets: figures::budgets(conn).await?,
            findings: figures::open_findings(conn).await?,
            standing: figures::standing(conn).await?,
        })
    };
    // A database that is slow is not away.
    let (stored, writes) = tokio::join!(in_time(&pool, ANSWERED_WITHIN, read), in_time(&pool, ANSWERED_WITHIN, write(&pool)));
    let stored = stored.inspect_err(|error| warn!(error = chain(error), "the database's numbers cannot be read")).ok();
    let sources = house.look().sources;
    let process = metrics::Process {
        database_is_up: writes.is_ok(),
        database_errors: conn::errors(),
        pool: conn::held(&pool),
        started_at,
        memory: memory(),
    };
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&sources, &process, stored.as_ref())).into_response()
}

/// Bytes that this process holds in memory; `None`: the system does not tell. proc(5).
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Well is who can write, and does its work.
async fn healthz(State(Seen { pool, house, .. }): State<Seen>) -> Response {
    let Daemon { ails, lacks, .. } = house.look();
    if let Some(why) = ails.or(lacks) {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    }
    match in_time(&pool, ANSWERED_WITHIN, write(&pool)).await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            let why = chain(&error);
            warn!(error = why, "the status page cannot use the database");
            (StatusCode::SERVICE_UNAVAILABLE, format!("the database cannot be used: {why}\n")).into_response()
        }
    }
}

async fn write(pool: &PgPool) -> sqlx::Result<()> {
    let mut step = session::begin(pool).await?;
    report::write(&mut step.conn()).await?;
    step.commit().await
}

/// Whoever asks has little patience of their own.
async fn in_time<T>(pool: &PgPool, time: Duration, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    match tokio::time::timeout(time, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(session::why_none(pool, ASKED_WHY).await),
    }
}
