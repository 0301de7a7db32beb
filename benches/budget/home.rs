//! A config with its secrets in a folder of its own, with an embedded Postgres there.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use hiersync::{
    app::App,
    config::{read, secrets::Secrets},
};

/// A folder that goes with the measurement.
pub struct Home {
    folder: tempfile::TempDir,
    sources: String,
    secrets: HashMap<String, String>,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), sources: String::new(), secrets: HashMap::new() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a source; `keys` are the lines of its table but for its name.
    pub fn source(mut self, name: &str, keys: &str, secrets: &[(&str, &str)]) -> Self {
        self.sources += &format!("[[source]]\nname = \"{name}\"\n{keys}\n");
        for (secret, value) in secrets {
            self.secrets.insert(format!("HIERSYNC_{}_{secret}", name.to_uppercase()), (*value).to_owned());
        }
        self
    }

    pub fn config(&self) -> String {
        format!("[database]\ndir = \"{}\"\n[daemon]\nlisten = \"\"\n{}", self.path().join("db").display(), self.sources)
    }

    pub fn secrets(&self) -> &HashMap<String, String> {
        &self.secrets
    }

    pub async fn app(&self) -> App {
        let config = read::read(&self.config()).unwrap_or_else(|faults| panic!("{faults}"));
        let secrets = self.secrets.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        App::open(config, Secrets::new(None, secrets), PathBuf::from(env!("CARGO_BIN_EXE_hiersync"))).await.unwrap()
    }
}
