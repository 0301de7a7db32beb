//! A Postgres of our own, for people who have none: who needs it starts it, and it ends with the last of them.
//!
//! Every process that uses it holds a shared lock on `users.lock`. The server is the child of a small supervisor
//! process that holds `server.lock` and waits for the last user to go. The kernel gives up both locks, however a
//! process dies. Knows nothing of tables.

pub mod account;
pub mod binaries;
pub mod cluster;
pub mod error;
pub mod greeting;
pub mod home;
pub mod lock;
pub mod postmaster;
pub mod server;
pub mod socket;
pub mod supervisor;

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::sleep,
};
use tracing::warn;

use crate::clock;

use self::{error::EmbeddedError, greeting::Answer, home::Home, lock::Lock, postmaster::Postmaster};

/// The superuser that everybody connects as.
pub const USER: &str = "hiersync";
/// The database that holds the schema.
pub const DATABASE: &str = "hiersync";
/// The verb of the binary that runs [`supervisor::supervise`].
pub const SUPERVISOR_VERB: &str = "embedded-supervisor";

const POLL: Duration = Duration::from_millis(15);
/// How long a server that is stopping may keep a new user waiting.
const LOCK_LIMIT: Duration = Duration::from_secs(30);
/// How long a server may say nothing before it is given up: covers the first `initdb`. One that recovers says so, and has the time it takes:
/// whoever gave it up would stop it, and the next start would begin its recovery anew.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Who waits longer than this wants to know for what.
const WORTH_A_WORD: Duration = Duration::from_secs(5);
/// Supervisors that are killed are followed by others, within reason.
const MOST_LAUNCHES: u32 = 10;
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// After this long a supervisor without users is stopping; a lock that is free to share then has another user.
const TAKEN_OVER: Duration = Duration::from_millis(500);

/// What a user of the server must know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Home of the cluster: `[database].dir`.
    pub dir: PathBuf,
    /// Folder with `initdb` and `postgres`: `[database].pg_bin`.
    pub pg_bin: Option<PathBuf>,
    /// The hiersync binary, which runs [`SUPERVISOR_VERB`]; its own path, but for tests.
    pub supervisor: PathBuf,
}

/// The right to use the server, which runs at least as long as this value lives.
#[derive(Debug)]
pub struct Embedded {
    settings: Settings,
    home: Home,
    users: Lock,
}

impl Embedded {
    /// Joins the running server, or starts it, and returns when it takes connections.
    pub async fn start(settings: &Settings) -> Result<Self, EmbeddedError> {
        let home = Home::open(&settings.dir)?;
        let users = join(&home).await?;
        let embedded = Self { settings: settings.clone(), home, users };
        embedded.ensure().await?;
        Ok(embedded)
    }

    /// Makes the server ready again if it or its supervisor was killed; does nothing while it is ready.
    pub async fn ensure(&self) -> Result<(), EmbeddedError> {
        let (began, mut heard, mut is_told) = (clock::instant(), clock::instant(), false);
        let mut launched: Option<Child> = None;
        let mut launches = 0;
        loop {
            let supervised = !lock::is_free(&self.home.server_lock())?;
            match self.answer(supervised).await {
                Answer::Welcome => return Ok(()),
                Answer::NotNow => {
                    heard = clock::instant();
                    if began.elapsed() > WORTH_A_WORD && !std::mem::replace(&mut is_told, true) {
                        warn!(log = %self.home.log().display(), "the embedded server is not ready yet, as after a crash: it is waited for");
                    }
                }
                Answer::Silence => {}
            }
            if let Some(child) = &mut launched {
                if self.ended_in_peace(child)? {
                    launched = None;
                }
            } else if !supervised {
                launched = Some(self.launch()?);
                launches += 1;
            }
            if heard.elapsed() > READY_LIMIT || launches > MOST_LAUNCHES {
                return Err(EmbeddedError::NotReady { seconds: heard.elapsed().as_secs(), log: self.home.log() });
            }
            sleep(POLL).await;
        }
    }

    /// The folder of the server's socket, to connect to as [`USER`].
    pub fn socket_dir(&self) -> &Path {
        self.home.socket_dir()
    }

    /// Gives up the server; the last user waits until it has stopped, so that nothing is left behind.
    pub async fn stop(self) {
        // Of users that leave at the same instant, the kernel lets exactly the last one have the lock alone.
        if !self.users.try_upgrade() {
            return;
        }
        let Self { home, users, .. } = self;
        drop(users);
        let began = clock::instant();
        while began.elapsed() < STOP_LIMIT && !lock::is_free(&home.server_lock()).unwrap_or(true) {
            if began.elapsed() > TAKEN_OVER && matches!(lock::try_shared(&home.users_lock()), Ok(Some(_))) {
                return;
            }
            sleep(POLL).await;
        }
    }

    /// What the server says of itself is cheap to read, but outlives it, and does not tell of a recovery in mid-life.
    async fn answer(&self, is_supervised: bool) -> Answer {
        let postmaster = if is_supervised { Postmaster::read(&self.home.pgdata()) } else { None };
        let Some(postmaster) = postmaster else { return Answer::Silence };
        match greeting::asked(&socket::path(self.socket_dir())).await {
            Answer::Welcome if !postmaster.ready => Answer::NotNow,
            answer => answer,
        }
    }

    fn launch(&self) -> Result<Child, EmbeddedError> {
        self.home.admit_server()?;
        self.home.close_data()?;
        let bin = binaries::find(self.settings.pg_bin.as_deref(), &self.home.pgdata())?;
        let log = self.home.open_log()?;
        let log_again = log.try_clone().map_err(EmbeddedError::io("write", &self.home.log()))?;
        let mut command = Command::new(&self.settings.supervisor);
        command.arg(SUPERVISOR_VERB).arg("--dir").arg(self.home.dir()).arg("--pg-bin").arg(bin);
        // Our environment may hold secrets; our working directory may be wanted gone.
        command.env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(log).stderr(log_again);
        command.spawn().map_err(EmbeddedError::io("start the supervisor", &self.settings.supervisor))
    }

    /// Whether a supervisor has gone through no fault: another does its work, or somebody ended it. Then one may follow.
    fn ended_in_peace(&self, child: &mut Child) -> Result<bool, EmbeddedError> {
        let status = child.try_wait().map_err(EmbeddedError::io("wait for the supervisor of", self.home.dir()))?;
        match status {
            None => Ok(false),
            Some(status) if status.success() || status.signal().is_some() => Ok(true),
            Some(status) => {
                let told = status.code() == Some(supervisor::UNAVAILABLE.into());
                let reason = supervisor::last_words(&self.home.log()).filter(|_| told).unwrap_or_else(|| status.to_string());
                Err(EmbeddedError::Failed { reason, log: self.home.log() })
            }
        }
    }
}

/// A libpq URL of the server of `dir`, for psql and for other programs on this machine.
pub fn url(dir: &Path) -> String {
    let dir = dir.canonicalize().or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.to_owned());
    socket::url(&socket::dir_for(&dir))
}

/// Whether `dir` can hold a cluster, and programs are installed that can serve its data.
///
/// # Errors
/// What is missing.
pub fn look(dir: &Path, pg_bin: Option<&Path>) -> Result<(), EmbeddedError> {
    Home::look(dir)?;
    binaries::find(pg_bin, &Home::pgdata_of(dir)).map(|_| ())
}

/// A supervisor that is stopping holds the lock alone until it has gone.
async fn join(home: &Home) -> Result<Lock, EmbeddedError> {
    let began = clock::instant();
    loop {
        if let Some(lock) = lock::try_shared(&home.users_lock())? {
            return Ok(lock);
        }
        if began.elapsed() > LOCK_LIMIT {
            return Err(EmbeddedError::Stopping { dir: home.dir().to_owned(), seconds: LOCK_LIMIT.as_secs(), log: home.log() });
        }
        sleep(POLL).await;
    }
}
