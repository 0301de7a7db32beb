//! One test's database and config, run through the library as the program would.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use hiersync::{
    app::App,
    config::{read, secrets::Secrets},
    model::run::{Outcome, Trigger},
    simulator::{capillary::CapillarySim, leadsquared::LeadSquaredSim},
    store::report::RunRow,
    sync::{
        progress::Progress,
        run::{Report, Wanted},
    },
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::postgres;

/// A database and a config.
pub struct Case {
    /// The database's URL.
    pub url: String,
    sources: String,
    secrets: HashMap<String, String>,
}

impl Case {
    /// A fresh database and no sources.
    pub async fn new() -> Self {
        Self { url: postgres::fresh_database().await, sources: String::new(), secrets: HashMap::new() }
    }

    /// A source called `customers`, of the simulated Capillary, mirrored from its first root. `more`: further keys.
    pub fn customers(self, vendor: &CapillarySim, more: &str) -> Self {
        let world = vendor.world();
        let root = world.roots()[0];
        let (kind, value) = world.identifier(root, &["mobile", "externalId", "cardnumber"]).expect("the root can be asked for");
        drop(world);
        self.customers_below(vendor, &kind, &value, more)
    }

    /// The same, below the customer with this identifier.
    pub fn customers_below(mut self, vendor: &CapillarySim, kind: &str, value: &str, more: &str) -> Self {
        let keys = format!("roots = [{{ type = \"{kind}\", value = \"{value}\" }}]\n{more}");
        self.add("customers", "capillary", &vendor.base_url(), &format!("auth = \"basic\"\ntill = \"demo.till\"\n{keys}"), &keys);
        self.secret("HIERSYNC_CUSTOMERS_PASSWORD", "till-pass");
        self.secret("HIERSYNC_CUSTOMERS_KEY", "demo-client");
        self.secret("HIERSYNC_CUSTOMERS_SECRET", "client-secret");
        self
    }

    /// A source called `sales`, of the simulated LeadSquared, mirrored from its first root. `more`: further keys.
    pub fn users(mut self, vendor: &LeadSquaredSim, more: &str) -> Self {
        let root = vendor.world().roots()[0];
        let path = vendor.settings().hierarchy_path.clone();
        let (access, secret) = {
            let settings = vendor.settings();
            (settings.access_key.clone(), settings.secret_key.clone())
        };
        let keys = format!("hierarchy_path = \"{path}\"\nroots = [\"{root}\"]\n{more}");
        self.add("sales", "leadsquared", &vendor.base_url(), &keys, &keys);
        self.secret("HIERSYNC_SALES_ACCESS_KEY", &access);
        self.secret("HIERSYNC_SALES_SECRET_KEY", &secret);
        self
    }

    /// `with_auth` is used unless `keys` brings an `auth` of its own. Limits are wide unless `keys` brings some.
    fn add(&mut self, name: &str, vendor: &str, at: &str, with_auth: &str, keys: &str) {
        let keys = if keys.contains("auth =") { keys } else { with_auth };
        let limits = if keys.contains("limits =") { "" } else { "limits = [\"100000/1s\"]\n" };
        self.sources += &format!("\n[[source]]\nname = \"{name}\"\nvendor = \"{vendor}\"\nbase_url = \"{at}\"\n{limits}{keys}\n");
    }

    /// Sets a secret, as its variable.
    pub fn secret(&mut self, variable: &str, value: &str) {
        self.secrets.insert(variable.into(), value.into());
    }

    /// The config file's text.
    pub fn config(&self) -> String {
        format!("[database]\nurl = \"{}\"\nmax_connections = 6\n\n[daemon]\nlisten = \"\"\n{}", self.url, self.sources)
    }

    /// The secrets as variables.
    pub fn variables(&self) -> &HashMap<String, String> {
        &self.secrets
    }

    /// The application.
    pub async fn app(&self) -> App {
        let config = read::read(&self.config()).unwrap_or_else(|faults| panic!("{faults}"));
        let secrets = self.secrets.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_hiersync"));
        App::open(config, Secrets::new(None, secrets), program).await.unwrap()
    }

    /// Syncs the one source and gives the report.
    pub async fn sync_with(&self, wanted: Wanted) -> Report {
        let app = self.app().await;
        let report = run(&app, 0, wanted).await;
        app.close().await;
        report
    }

    /// Syncs the one source.
    pub async fn sync(&self) -> RunRow {
        self.sync_with(WANTED).await.row.expect("the run's row")
    }

    /// Syncs the one source, which must be complete.
    pub async fn complete(&self) -> RunRow {
        let report = self.sync_with(WANTED).await;
        assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        report.row.expect("the run's row")
    }

    /// The database, to look into.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url).await.unwrap()
    }
}

/// A plain run by hand.
pub const WANTED: Wanted = Wanted { trigger: Trigger::Manual, max_calls: None, dry_run: false, accept_retire: false };

/// Runs one of the application's sources.
pub async fn run(app: &App, source: usize, wanted: Wanted) -> Report {
    let source = &app.config.sources[source];
    app.run(source, wanted, &CancellationToken::new(), Arc::new(Progress::default())).await.unwrap()
}
