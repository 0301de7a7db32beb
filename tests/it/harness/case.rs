//! One test's database and config, run through the library as the program would.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use hiersync::{
    app::App,
    config::{read, secrets::Secrets},
    embedded,
    model::run::{Outcome, Trigger},
    simulator::{capillary::CapillarySim, leadsquared::LeadSquaredSim},
    store::report::RunRow,
    sync::{gauges::Gauges, report::Report, wanted::Wanted},
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{postgres, tables};

/// A database and a config.
pub struct Case {
    /// The database's URL, for those who look into it.
    pub url: String,
    /// The lines below `[database]`.
    database: String,
    sources: String,
    secrets: HashMap<String, String>,
}

impl Case {
    /// A fresh database and no sources.
    pub async fn new() -> Self {
        let direct = postgres::fresh_database().await;
        let case = Self::at(&postgres::by_the_pooler(&direct));
        Self { url: direct, ..case }
    }

    /// The database at this URL, whatever is there.
    pub fn at(url: &str) -> Self {
        let database = format!("url = \"{url}\"\nmax_connections = 6");
        Self { url: url.to_owned(), database, sources: String::new(), secrets: HashMap::new() }
    }

    /// The embedded Postgres with its home in `dir`, which runs while a program uses it.
    pub fn own(dir: &Path) -> Self {
        let database = format!("dir = \"{}\"", dir.display());
        Self { url: embedded::url(dir), database, sources: String::new(), secrets: HashMap::new() }
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
    pub fn customers_below(self, vendor: &CapillarySim, kind: &str, value: &str, more: &str) -> Self {
        self.customers_as("customers", vendor, &[(kind, value)], more)
    }

    /// The same under a name, below the customers with these identifiers.
    pub fn customers_as(mut self, name: &str, vendor: &CapillarySim, roots: &[(&str, &str)], more: &str) -> Self {
        let roots: Vec<String> = roots.iter().map(|(kind, value)| format!("{{ type = \"{kind}\", value = \"{value}\" }}")).collect();
        let keys = format!("roots = [{}]\n{more}", roots.join(", "));
        self.add(name, "capillary", &vendor.base_url(), &format!("auth = \"basic\"\ntill = \"demo.till\"\n{keys}"), &keys);
        for (secret, value) in [("PASSWORD", "till-pass"), ("KEY", "demo-client"), ("SECRET", "client-secret")] {
            self.secret(&format!("HIERSYNC_{}_{secret}", name.to_uppercase()), value);
        }
        self
    }

    /// A further source, of the simulated Capillary, mirrored from the root of this number. `more`: further keys.
    pub fn customers_of_root(mut self, name: &str, vendor: &CapillarySim, root: usize, more: &str) -> Self {
        let world = vendor.world();
        let (kind, value) =
            world.identifier(world.roots()[root], &["mobile", "externalId", "cardnumber"]).expect("the root can be asked for");
        drop(world);
        let keys = format!("auth = \"basic\"\ntill = \"demo.till\"\nroots = [{{ type = \"{kind}\", value = \"{value}\" }}]\n{more}");
        self.add(name, "capillary", &vendor.base_url(), "", &keys);
        self.secret(&format!("HIERSYNC_{}_PASSWORD", name.to_uppercase()), "till-pass");
        self
    }

    /// A source called `sales`, of the simulated LeadSquared, mirrored from its first root. `more`: further keys.
    pub fn users(self, vendor: &LeadSquaredSim, more: &str) -> Self {
        self.users_of_roots(vendor, 1, more)
    }

    /// The same, mirrored from so many of its roots.
    pub fn users_of_roots(mut self, vendor: &LeadSquaredSim, roots: usize, more: &str) -> Self {
        let roots: Vec<String> = vendor.world().roots()[..roots].iter().map(|root| format!("\"{root}\"")).collect();
        let path = vendor.settings().hierarchy_path.clone();
        let (access, secret) = {
            let settings = vendor.settings();
            (settings.access_key.clone(), settings.secret_key.clone())
        };
        let keys = format!("hierarchy_path = \"{path}\"\nroots = [{}]\n{more}", roots.join(", "));
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

    /// With another text in place of one of the sources'.
    pub fn with_key(mut self, before: &str, after: &str) -> Self {
        assert!(self.sources.contains(before), "{}", self.sources);
        self.sources = self.sources.replace(before, after);
        self
    }

    /// Sets a secret, as its variable.
    pub fn secret(&mut self, variable: &str, value: &str) {
        self.secrets.insert(variable.into(), value.into());
    }

    /// The config file's text.
    pub fn config(&self) -> String {
        format!("[database]\n{}\n\n[daemon]\nlisten = \"\"\n{}", self.database, self.sources)
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
        Box::pin(App::open(config, Secrets::new(None, secrets), program)).await.unwrap()
    }

    /// Syncs the one source and gives the report.
    pub async fn sync_with(&self, wanted: Wanted) -> Report {
        let app = self.app().await;
        // Boxed, as tests await many of them: without, each would be on their stack.
        let report = Box::pin(run(&app, 0, wanted)).await;
        Box::pin(app.close()).await;
        report
    }

    /// Syncs the one source, which must be complete.
    pub async fn complete(&self) -> RunRow {
        let report = self.sync_with(WANTED).await;
        if report.outcome != Outcome::Complete {
            println!("open findings: {:?}", tables::findings(&self.pool().await).await);
        }
        assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
        report.row.expect("the run's row")
    }

    /// Syncs the one source again when nothing has changed: the run is complete and leaves every mirrored row where it is.
    pub async fn quiet(&self, pool: &PgPool) -> RunRow {
        let before = tables::places(pool).await;
        let run = self.complete().await;
        assert_eq!((run.inserted, run.updated, run.retired, run.restored), (0, 0, 0, 0), "{run:?}");
        assert_eq!(tables::places(pool).await, before, "rows were written though nothing had changed");
        run
    }

    /// The database, to look into.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url).await.unwrap()
    }
}

/// A plain run by hand.
pub const WANTED: Wanted = Wanted::by(Trigger::Manual);

/// A run by hand with at most so many calls.
pub fn with_calls(max_calls: u32) -> Wanted {
    Wanted { max_calls: Some(max_calls), ..WANTED }
}

/// Runs one of the application's sources.
pub async fn run(app: &App, source: usize, wanted: Wanted) -> Report {
    let source = &app.config.sources[source];
    app.run(source, wanted, &CancellationToken::new(), Arc::new(Gauges::default())).await.unwrap()
}
