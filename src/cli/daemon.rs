//! `hiersync daemon`: runs the schedules, for systemd.

use std::{path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use url::Url;

use super::{
    exit::{Exit, Failure},
    load, open_unless_stopped,
    timetable::timetable,
    watch::{self, TOLD_EVERY, Watch},
};
use crate::{
    app::App,
    config::{
        Config, Source,
        secrets::{self, Secrets},
    },
    lifecycle::{self, Crew, Hangups, Systemd},
    model::run::Trigger,
    runner::{Runner, Why},
    schedule,
    text::chain,
    web::{
        self,
        guard::{is_loopback, port},
        token::Guard,
    },
};

/// Runs get so long to close when a stop is asked for: with the database's own end it stays within 10 s.
const CLOSE_WITHIN: Duration = Duration::from_secs(6);

/// Serves until SIGTERM or SIGINT. SIGHUP has config and secrets read anew.
pub async fn run(config: Config, file: Option<&Path>) -> Result<Exit, Failure> {
    let mut listeners = Crew::default();
    let stop = lifecycle::stop_on_signals(&mut listeners).map_err(|error| Failure::new(Exit::Fault, error))?;
    let mut hangups = Hangups::listen().map_err(|error| Failure::new(Exit::Fault, error))?;
    let mut next = open_unless_stopped(config, &stop).await?;
    while let Some(app) = next {
        // Ends with the daemon, or alone when another config takes its place.
        let life = stop.child_token();
        let running = app.config.clone();
        let mut serving = std::pin::pin!(until_stopped(Arc::new(app), &life, Crew::default()));
        tokio::select! {
            ended = &mut serving => {
                Systemd::stopping();
                return ended;
            }
            () = hangup(file, &running, &mut hangups) => {
                Systemd::reloading();
                info!("SIGHUP: config and secrets are read anew; runs are stopped, and their walks go on");
                life.cancel();
                alive_while(serving).await?;
            }
        }
        next = alive_while(reopened(file, &stop)).await?;
    }
    Ok(Exit::Complete)
}

/// Opens with the new config. A database that is away is waited for: with the old config the daemon would have waited, too.
async fn reopened(file: Option<&Path>, stop: &CancellationToken) -> Result<Option<App>, Failure> {
    loop {
        let opened = match load_again(file) {
            Ok(config) => open_unless_stopped(config, stop).await,
            Err(failure) => Err(failure),
        };
        match opened {
            Err(failure) if failure.exit == Exit::Unavailable => {
                error!("the new config cannot be gone on with yet: {}", chain(failure.error.as_ref()));
                tokio::select! {
                    () = tokio::time::sleep(TOLD_EVERY) => {}
                    () = stop.cancelled() => return Ok(None),
                }
            }
            opened => return opened,
        }
    }
}

/// What came through a pipe came once.
fn load_again(file: Option<&Path>) -> Result<Config, Failure> {
    if file.is_some_and(|file| file.exists() && !file.is_file()) {
        let say = "the config came through a pipe, and cannot be read anew: restart the daemon instead";
        return Err(Failure::new(Exit::Config, anyhow::anyhow!(say)));
    }
    load(file)
}

/// Tells systemd that we live while something is done.
async fn alive_while<T>(done: impl Future<Output = T>) -> T {
    let mut done = std::pin::pin!(done);
    loop {
        Systemd::alive();
        tokio::select! {
            done = &mut done => return done,
            () = tokio::time::sleep(TOLD_EVERY) => {}
        }
    }
}

/// Waits for a SIGHUP after which there is a config to go on with.
async fn hangup(file: Option<&Path>, running: &Config, hangups: &mut Hangups) {
    loop {
        hangups.next().await;
        let looked = match load_again(file) {
            Ok(config) => alive_while(could_serve(&config, running)).await,
            Err(failure) => Err(failure),
        };
        match looked {
            Ok(()) => return,
            Err(failure) => {
                // `systemctl reload` waits for both where the unit is of `Type=notify-reload`.
                Systemd::reloading();
                error!("SIGHUP: the new config is refused, and the old one is kept: {}", chain(failure.error.as_ref()));
                Systemd::ready();
            }
        }
    }
}

/// Whether the daemon could serve with another config: what would end it is found out while the old one is served. A database of the same name
/// may be away, as it may be for the old one.
async fn could_serve(config: &Config, running: &Config) -> Result<(), Failure> {
    let secrets = Secrets::from_env();
    secrets_are_there(config, &secrets)?;
    if let Some(listen) = &config.daemon.listen {
        guard(listen, &secrets)?;
        // A port that we hold ourselves cannot be tried.
        if running.daemon.listen.as_deref().map(port) != Some(port(listen)) {
            web::bind(listen).await.map_err(|error| Failure::new(Exit::Unavailable, error))?;
        }
    }
    match App::look(config, &secrets).await.map_err(Failure::from) {
        Err(failure) if failure.exit == Exit::Unavailable && place(config) == place(running) => Ok(()),
        looked => looked,
    }
}

fn place(config: &Config) -> (Option<&Url>, &Path, Option<&Path>) {
    (config.database.url.as_ref(), &config.database.dir, config.database.pg_bin.as_deref())
}

/// Whether the secrets of all sources that run by themselves are there: one that is missing would be noticed at its next run only.
fn secrets_are_there(config: &Config, secrets: &Secrets) -> Result<(), Failure> {
    for source in config.sources.iter().filter(|source| runs_by_itself(source)) {
        for name in secrets::needed_by(source) {
            secrets.get(&name).map_err(|error| Failure::new(Exit::Config, error))?;
        }
    }
    Ok(())
}

fn runs_by_itself(source: &Source) -> bool {
    source.enabled && source.schedule.is_some()
}

/// Serves, then closes everything down.
pub async fn until_stopped(app: Arc<App>, stop: &CancellationToken, mut crew: Crew) -> Result<Exit, Failure> {
    let served = serve(&app, stop, &mut crew).await;
    stop.cancel();
    let left = crew.dismiss(CLOSE_WITHIN).await;
    if left == 0
        && let Ok(app) = Arc::try_unwrap(app)
    {
        app.close().await;
    }
    served.map(|()| Exit::Complete)
}

/// The daemon itself, until the stop.
async fn serve(app: &Arc<App>, stop: &CancellationToken, crew: &mut Crew) -> Result<(), Failure> {
    secrets_are_there(&app.config, &app.secrets)?;
    let served: Vec<Source> = app.config.sources.iter().filter(|source| source.enabled).cloned().collect();
    let sources: Vec<Source> = served.iter().filter(|source| runs_by_itself(source)).cloned().collect();
    if sources.is_empty() {
        warn!("no enabled source has a schedule: nothing will run by itself");
    }
    let listener = match &app.config.daemon.listen {
        Some(listen) => {
            let guard = guard(listen, &app.secrets)?;
            Some((listen, guard, web::bind(listen).await.map_err(|error| Failure::new(Exit::Unavailable, error))?))
        }
        None => None,
    };
    let watch =
        Watch { config: Arc::new(app.config.clone()), runner: Runner::start(app, &served, stop, crew).await, timetable: Arc::default() };
    if let Some((listen, guard, listener)) = listener {
        crew.spawn(web::serve(listener, app.pool.clone(), guard, Arc::new(watch.clone()), stop.clone()));
        info!(listen, "the status page is up");
    }
    let runner = &watch.runner;
    app.tell_configured().await?;
    *watch.timetable() = timetable(app, &sources, runner).await?;
    let ticks = schedule::run(&watch.timetable, stop.clone(), |source, late| runner.trigger(source, Trigger::Schedule, Why::Firing(late)));
    Systemd::ready();
    info!(sources = sources.len(), "ready");
    let (ticked, ()) = tokio::join!(async { ticks.await.inspect_err(|_| stop.cancel()) }, watch::live(stop, &watch));
    // Without a timetable the daemon is no daemon: systemd starts another.
    ticked.map_err(|error| Failure::new(Exit::Fault, anyhow::Error::new(error).context("the timetable failed")))
}

/// Who may see the page. From elsewhere nobody may without a token.
pub fn guard(listen: &str, secrets: &Secrets) -> Result<Guard, Failure> {
    let token = secrets.optional(secrets::DAEMON_TOKEN).map_err(|error| Failure::new(Exit::Config, error))?;
    if token.is_none() && !is_loopback(listen) {
        let missing = secrets.get(secrets::DAEMON_TOKEN).err().map_or_else(String::new, |error| error.to_string());
        let say = format!(
            "[daemon].listen = \"{listen}\" can be reached from elsewhere, and that needs a token: {missing}; or listen on 127.0.0.1"
        );
        return Err(Failure::new(Exit::Config, anyhow::anyhow!(say)));
    }
    Ok(Guard::new(listen, token))
}
