//! The command line: what people type, what they read, and the exit code.

pub mod aligned;
mod bars;
pub mod check;
pub mod daemon;
pub mod demo;
pub mod exit;
mod fact;
mod findings;
mod forget;
mod init;
pub mod moment;
pub mod out;
mod pause;
pub mod plan;
mod refresh;
pub mod show;
pub mod sync;
pub mod table;
mod timetable;
pub mod tree;
pub mod url;
mod watch;

use std::{io::ErrorKind, path::PathBuf, sync::OnceLock};

use clap::{CommandFactory, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use self::exit::{Exit, Failure};
use crate::{
    app::App,
    config::{Config, locate, read, secrets::Secrets},
    embedded::supervisor::{self, SuperviseArgs},
    failpoint, lifecycle, telemetry, text,
};

/// Keeps a company's hierarchies from Capillary and LeadSquared in Postgres.
#[derive(Debug, Parser)]
#[command(name = "hiersync", version, max_term_width = 100)]
pub struct Args {
    /// The config file [default: $HIERSYNC_CONFIG, ./hiersync.toml, /etc/hiersync/hiersync.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows everything in one command: embedded Postgres, simulated vendors, two syncs, what changed
    Demo(demo::Args),
    /// Writes an annotated hiersync.toml; on a terminal it asks what it needs, and checks it
    Init(init::Args),
    /// Checks config, secrets, database, and each source with one light call
    Check(check::Args),
    /// Tells what walks will take and how long each budget lasts, before any call is spent
    Plan(plan::Args),
    /// Brings the named (or all enabled) sources forward once
    Sync(sync::Args),
    /// Runs the schedules, for systemd
    Daemon,
    /// Tells how each source and each budget stands
    Status(show::StatusArgs),
    /// Lists the latest runs
    Runs(show::RunsArgs),
    /// Lists the latest changes
    Changes(show::ChangesArgs),
    /// Lists what a person should know: lists that moved, silent changes, rows that could not be read
    Findings(findings::Args),
    /// Reads some nodes and their lists now, and prints what changed
    Refresh(refresh::Args),
    /// Stops a source's schedule
    Pause(pause::Args),
    /// Goes on with a source's schedule
    Resume(pause::Args),
    /// Draws a source's tree, as it stands or as it stood
    Tree(tree::Args),
    /// Erases a person from all tables, history included, and keeps them erased
    Forget(forget::Args),
    /// Prints the database URL that BI tools should use
    Url,
    /// Prints completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Watches over the embedded Postgres; started by hiersync itself
    #[command(hide = true)]
    EmbeddedSupervisor {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        pg_bin: PathBuf,
    },
}

/// Runs the command line to its end.
pub fn main() -> std::process::ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return tell_usage(&error).into(),
    };
    if let Verb::EmbeddedSupervisor { dir, pg_bin } = args.verb {
        // Before any other thread: the server must die with this one, and signals must come to it.
        return supervisor::supervise(&SuperviseArgs { dir, pg_bin });
    }
    telemetry::start(match args.verb {
        Verb::Daemon => "info",
        // Its statement takes as long as the tree is large, or as the reader reads: a warning of that is no news.
        Verb::Tree(_) => "error",
        _ => "warn",
    });
    lifecycle::tell_faults();
    let _armed = failpoint::arm();
    let libpq = libpq_variables();
    let config = read_config(&args);
    if matches!(args.verb, Verb::Demo(_)) || matches!(&config, Some(Ok(config)) if config.database.url.is_none()) {
        // They are about other servers than the private one, which is reached whatever they say.
        forget(&libpq);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::tell(&Failure::new(Exit::Fault, anyhow::Error::new(error).context("cannot start the runtime"))),
    };
    let is_about_output = !matches!(args.verb, Verb::Sync(_) | Verb::Refresh(_) | Verb::Daemon);
    let Some(ended) = runtime.block_on(lifecycle::unless_faulty(run(args, libpq, config))) else { return Exit::Fault.into() };
    match out::end(ended, is_about_output) {
        Ok(exit) => exit.into(),
        Err(failure) => exit::tell(&failure),
    }
}

/// In colours, unless what was typed would write in them.
fn tell_usage(error: &clap::Error) -> Exit {
    let plain = error.render().to_string();
    let told = if text::shown(&plain) == plain {
        error.print()
    } else {
        out::note!("{}", plain.trim_end());
        Ok(())
    };
    match told {
        // Help and version are answers, not faults.
        _ if error.use_stderr() => Exit::Usage,
        Err(fault) if fault.kind() != ErrorKind::BrokenPipe => {
            exit::tell(&Failure::new(Exit::Fault, anyhow::Error::new(fault).context("cannot write the output")));
            Exit::Fault
        }
        _ => Exit::Complete,
    }
}

/// libpq's variables that are set, which sqlx heeds, too.
fn libpq_variables() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| name.starts_with("PG")).collect()
}

/// The config, for verbs that have one: read once, as it may come through a pipe.
fn read_config(args: &Args) -> Option<Result<Config, Failure>> {
    let needs_none = matches!(args.verb, Verb::Demo(_) | Verb::Init(_) | Verb::Completions { .. });
    (!needs_none).then(|| load(args.config.as_deref()))
}

/// Takes these variables out of the environment.
fn forget(variables: &[String]) {
    for name in variables {
        #[expect(unsafe_code, reason = "no other thread has been started yet that could read the environment")]
        unsafe {
            std::env::remove_var(name);
        }
    }
}

async fn run(args: Args, libpq: Vec<String>, config: Option<Result<Config, Failure>>) -> Result<Exit, Failure> {
    let file = args.config.as_deref();
    let Some(config) = config else {
        return match args.verb {
            Verb::Demo(args) => demo::run(args).await,
            Verb::Init(args) => init::run(&args, file).await,
            Verb::Completions { shell } => Ok(completions(shell)),
            _ => Ok(Exit::Usage),
        };
    };
    let config = config?;
    match args.verb {
        Verb::Check(args) => check::run(&args, config).await,
        Verb::Plan(args) => plan::run(&args, open_to_read(config).await?).await,
        Verb::Sync(args) => sync::run(&args, config).await,
        Verb::Daemon => daemon::run(config, file).await,
        Verb::Status(args) => show::status(&args, open_to_read(config).await?).await,
        Verb::Runs(args) => show::runs(&args, open_to_read(config).await?).await,
        Verb::Changes(args) => show::changes(&args, open_to_read(config).await?).await,
        Verb::Refresh(args) => refresh::run(&args, config).await,
        Verb::Pause(args) => pause::pause(&args, open(config).await?).await,
        Verb::Resume(args) => pause::resume(&args, open(config).await?).await,
        Verb::Forget(args) => forget::run(&args, open(config).await?).await,
        Verb::Findings(args) => findings::run(&args, open_to_read(config).await?).await,
        Verb::Tree(args) => tree::run(&args, open_to_read(config).await?).await,
        Verb::Url => url::run(&config, &libpq),
        Verb::Demo(_) | Verb::Init(_) | Verb::Completions { .. } | Verb::EmbeddedSupervisor { .. } => Ok(Exit::Usage),
    }
}

fn load(file: Option<&std::path::Path>) -> Result<Config, Failure> {
    let path = locate::find(file).map_err(|error| Failure::new(Exit::Config, error))?;
    read::load(&path).map_err(|error| Failure::new(Exit::Config, error))
}

/// For verbs that only read.
async fn open_to_read(config: Config) -> Result<App, Failure> {
    App::open_to_read(config, Secrets::from_env(), own_program()?).await.map_err(Failure::from)
}

async fn open(config: Config) -> Result<App, Failure> {
    App::open(config, Secrets::from_env(), own_program()?).await.map_err(Failure::from)
}

/// The same, or nothing when a stop is asked for meanwhile: a first start or a migration may take a while.
async fn open_unless_stopped(config: Config, stop: &CancellationToken) -> Result<Option<App>, Failure> {
    tokio::select! {
        app = open(config) => app.map(Some),
        () = stop.cancelled() => Ok(None),
    }
}

/// This program, which also watches over the embedded Postgres. Looked up once: of a file that was replaced since, as by an upgrade, the system
/// says that it is deleted.
pub fn own_program() -> Result<PathBuf, Failure> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = PROGRAM.get() {
        return Ok(found.clone());
    }
    let found = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Fault, anyhow::Error::new(error).context("cannot find this program's own file")))?;
    Ok(PROGRAM.get_or_init(|| found).clone())
}

fn completions(shell: clap_complete::Shell) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "hiersync", &mut text);
    out::text(&String::from_utf8_lossy(&text));
    Exit::Complete
}
