//! What every verb stands on: the config, the secrets, the database, the budgets.

pub mod error;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::PgPool;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::error::{OpenError, SourceError};
use crate::{
    budget::purse::Purse,
    config::{
        Config, Prepared, Source, Vendor,
        secrets::{self, Secrets},
    },
    embedded::{self, Embedded},
    store::{
        self,
        connect::{self, Connections},
        ledger::PgLedger,
        process::{self, Identity},
        session::{self, Step},
    },
    sync::{gauges::Gauges, open::Shared, report::Report, run, wanted::Wanted},
    text::chain,
    vendor_api::{capillary, leadsquared},
};

/// How long a clean end waits for the embedded server's.
const EMBEDDED_STOP: Duration = Duration::from_secs(3);

/// An open application.
pub struct App {
    /// The config.
    pub config: Config,
    /// Secrets by name.
    pub secrets: Secrets,
    /// The database.
    pub pool: PgPool,
    /// It can only be read, which does for some verbs.
    pub is_read_only: bool,
    shared: OnceCell<Shared>,
    configured: OnceCell<()>,
    embedded: Option<Embedded>,
    purses: Mutex<HashMap<String, Arc<Purse<PgLedger>>>>,
}

/// A vendor's client, for those who only need its calls.
pub enum Client {
    /// Capillary.
    Capillary(capillary::Capillary),
    /// LeadSquared.
    LeadSquared(leadsquared::LeadSquared),
}

impl App {
    /// Starts or finds the database and brings its schema up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: Config, secrets: Secrets, supervisor: PathBuf) -> Result<Self, OpenError> {
        Self::open_for(config, secrets, supervisor, true).await
    }

    /// The same for who only reads: a hot standby will do.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_to_read(config: Config, secrets: Secrets, supervisor: PathBuf) -> Result<Self, OpenError> {
        Self::open_for(config, secrets, supervisor, false).await
    }

    /// Whether its database could be opened, as far as that can be seen without changing anything.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn look(config: &Config, secrets: &Secrets) -> Result<(), OpenError> {
        let password = secrets.optional(secrets::DATABASE_PASSWORD)?;
        match &config.database.url {
            Some(url) => Ok(connect::look(url.as_str(), password.as_ref()).await?),
            None => Ok(embedded::look(&config.database.dir, config.database.pg_bin.as_deref())?),
        }
    }

    async fn open_for(config: Config, secrets: Secrets, supervisor: PathBuf, writes: bool) -> Result<Self, OpenError> {
        let password = secrets.optional(secrets::DATABASE_PASSWORD)?;
        let (embedded, url) = match &config.database.url {
            Some(url) => (None, url.to_string()),
            None => {
                let settings = embedded::Settings { dir: config.database.dir.clone(), pg_bin: config.database.pg_bin.clone(), supervisor };
                (Some(Embedded::start(&settings).await?), embedded::url(&config.database.dir))
            }
        };
        let password = if embedded.is_some() { None } else { password };
        let (password, most) = (password.as_ref(), config.database.max_connections);
        // Nobody stands between us and a server of our own.
        let is_own = embedded.is_some() && config.database.prepared == Prepared::Auto;
        let prepared = if is_own { Prepared::On } else { config.database.prepared };
        let (pool, is_read_only) = if writes {
            (connect::open(&url, password, Connections { most, prepared }).await?, false)
        } else {
            connect::open_to_read(&url, password, most).await?
        };
        Ok(Self {
            config,
            secrets,
            pool,
            is_read_only,
            shared: OnceCell::new(),
            configured: OnceCell::new(),
            embedded,
            purses: Mutex::default(),
        })
    }

    /// Runs a source once. There is no other way to run one. That it could not be begun is written down as a run that failed.
    ///
    /// # Errors
    /// When there was no run; a run that failed is a [`Report`].
    pub async fn run(
        &self,
        source: &Source,
        wanted: Wanted,
        stop: &CancellationToken,
        progress: Arc<Gauges>,
    ) -> Result<Report, SourceError> {
        let run = async {
            if let Some(embedded) = &self.embedded {
                embedded.ensure().await?;
            }
            let client = self.client(source)?;
            let purse = self.purse(source).await?;
            let shared = self.shared().await?;
            if !wanted.dry_run {
                self.tell_configured().await?;
            }
            Ok(match client {
                Client::Capillary(vendor) => Box::pin(run::run(shared, source, vendor, purse, wanted, stop, progress)).await?,
                Client::LeadSquared(vendor) => Box::pin(run::run(shared, source, vendor, purse, wanted, stop, progress)).await?,
            })
        };
        // Its future is large, and who runs several holds all of them.
        let ended: Result<Report, SourceError> = Box::pin(run).await;
        if let Err(refused) = &ended
            && refused.is_lasting()
            && !wanted.dry_run
            && let Err(error) = self.write_refused(source, wanted, refused).await
        {
            warn!(source = source.name, error = %error, "that there was no run could not be written down");
        }
        ended
    }

    async fn write_refused(&self, source: &Source, wanted: Wanted, refused: &SourceError) -> sqlx::Result<()> {
        let process_id = self.process_id().await?;
        let mut step = self.begin().await?;
        store::run::refuse(&mut step.conn(), (&source.name, source.vendor.word()), process_id, wanted.trigger, &chain(refused)).await?;
        step.commit().await
    }

    /// Writes down which sources the configuration names, once.
    pub async fn tell_configured(&self) -> sqlx::Result<()> {
        let tell = || async {
            let names: Vec<String> = self.config.sources.iter().map(|source| source.name.clone()).collect();
            let mut step = self.begin().await?;
            store::source::configure(&mut step.conn(), &names).await?;
            step.commit().await
        };
        self.configured.get_or_try_init(tell).await.copied()
    }

    /// Begins a transaction, which must end before the application closes.
    pub async fn begin(&self) -> sqlx::Result<Step> {
        session::begin(&self.pool).await
    }

    /// Begins one that only reads: the server ends what takes too long.
    pub async fn begin_to_read(&self) -> sqlx::Result<Step> {
        session::begin_to_read(&self.pool).await
    }

    /// This process as the database knows it.
    pub async fn process_id(&self) -> sqlx::Result<i64> {
        Ok(self.shared().await?.process_id)
    }

    /// The database, and who we are there: written down when it first matters.
    async fn shared(&self) -> sqlx::Result<&Shared> {
        let register = || async {
            let identity = Identity::own();
            let mut step = self.begin().await?;
            let process_id = process::register(&mut step.conn(), &identity).await?;
            step.commit().await?;
            Ok(Shared { pool: self.pool.clone(), process_id, identity, keep: self.config.database.keep, unclosed: Arc::default() })
        };
        self.shared.get_or_try_init(register).await
    }

    /// A source's client.
    ///
    /// # Errors
    /// When a secret is missing or the client cannot be built.
    pub fn client(&self, source: &Source) -> Result<Client, SourceError> {
        match &source.vendor {
            Vendor::Capillary(settings) => {
                let credentials = capillary::credentials(source, settings, &self.secrets)?;
                capillary::Capillary::new(source, settings, credentials).map(Client::Capillary).map_err(SourceError::Client)
            }
            Vendor::LeadSquared(settings) => {
                let credentials = leadsquared::credentials(source, &self.secrets)?;
                leadsquared::LeadSquared::new(source, settings, credentials).map(Client::LeadSquared).map_err(SourceError::Client)
            }
        }
    }

    /// The purse of a source's budget; sources that name the same budget share it.
    pub async fn purse(&self, source: &Source) -> sqlx::Result<Arc<Purse<PgLedger>>> {
        if let Some(purse) = self.purses().get(&source.budget) {
            return Ok(Arc::clone(purse));
        }
        // The longest call of all that share the budget bounds how long one may be under way; the largest share that any of
        // them leaves to others is left.
        let sharing = || self.config.sources.iter().filter(|other| other.budget == source.budget);
        let timeout = sharing().map(|other| other.timeout).max().unwrap_or(source.timeout);
        let headroom = sharing().map(|other| other.headroom).fold(source.headroom, f64::max);
        let shared = self.shared().await?;
        let ledger = PgLedger::open(&shared.pool, shared.process_id, &source.budget, &source.limits, headroom, timeout).await?;
        let purse = Arc::new(Purse::new(ledger));
        Ok(Arc::clone(self.purses().entry(source.budget.clone()).or_insert(purse)))
    }

    fn purses(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Purse<PgLedger>>>> {
        self.purses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source of this name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.config.sources.iter().find(|source| source.name == name)
    }

    /// Closes the database; the embedded one stops if nobody else uses it.
    pub async fn close(self) {
        self.pool.close().await;
        if let Some(embedded) = self.embedded {
            // Its supervisor ends it by itself if that takes longer.
            let _ = tokio::time::timeout(EMBEDDED_STOP, embedded.stop()).await;
        }
    }
}
