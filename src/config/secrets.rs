//! Secrets by name: a file in `$CREDENTIALS_DIRECTORY`, else a variable of the environment. Their values stay in
//! [`SecretString`] and never reach an error.

use std::{
    collections::HashMap,
    env, fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use xxhash_rust::xxh3::xxh3_64;

use super::{Capillary, CapillaryAuth, Config, Source, Vendor};

/// Password for `[database].url`. Optional: a server may trust us by other means.
pub const DATABASE_PASSWORD: &str = "database.password";

/// What lets people see persons on the status page, and see it at all from elsewhere. Optional on loopback.
pub const DAEMON_TOKEN: &str = "daemon.token";

/// First letters of every variable of ours.
const PREFIX: &str = "HIERSYNC_";

/// Names of secrets that stand in a header as they are.
const IN_HEADERS: [&str; 2] = [".access_key", ".secret_key"];

/// Where secrets are looked up.
#[derive(Debug, Default)]
pub struct Secrets {
    folder: Option<PathBuf>,
    /// `None`: set, but not UTF-8.
    variables: HashMap<String, Option<SecretString>>,
}

/// Why there is no secret. Says where, never what.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// In neither place.
    #[error("no secret {name}: there is neither the file {file} nor the variable {variable}")]
    Missing {
        /// The secret's name.
        name: String,
        /// The file's path, as far as it is known.
        file: String,
        /// The variable's name.
        variable: String,
    },
    /// It is there, without a character in it.
    #[error("secret {name} is empty in {place}")]
    Empty {
        /// The secret's name.
        name: String,
        /// The file's path, or the variable's name.
        place: String,
    },
    /// It holds what no header can.
    #[error("secret {name} holds what it cannot, such as a newline in its middle or an accented letter, in {place}: give it anew")]
    Unfit {
        /// The secret's name.
        name: String,
        /// The file's path, or the variable's name.
        place: String,
    },
    /// The variable is set to what is no UTF-8.
    #[error("secret {name} is not UTF-8 in {place}")]
    NotText {
        /// The secret's name.
        name: String,
        /// The variable's name.
        place: String,
    },
    /// The file is there, but cannot be read.
    #[error("cannot read secret {name} from {}", path.display())]
    Unreadable {
        /// The secret's name.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Secrets {
    /// The places of this process: `$CREDENTIALS_DIRECTORY` and the `HIERSYNC_…` variables as they are now.
    pub fn from_env() -> Self {
        let folder = env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let ours = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables = ours
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name, value.into_string().ok().map(SecretString::from)))
            .collect();
        Self { folder, variables }
    }

    /// Places given by the caller: a folder, and variables by their full names.
    pub fn new(folder: Option<&Path>, variables: HashMap<String, SecretString>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name, Some(value))).collect();
        Self { folder: folder.map(Path::to_path_buf), variables }
    }

    /// The folder in which files of secrets are.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// These, with their files in another folder.
    pub fn in_folder(self, folder: &Path) -> Self {
        Self { folder: Some(folder.to_path_buf()), ..self }
    }

    /// These, and one that somebody has given.
    pub fn with(mut self, name: &str, secret: SecretString) -> Self {
        self.variables.insert(variable(name), Some(secret));
        self
    }

    /// The secret of this name, which must be there.
    pub fn get(&self, name: &str) -> Result<SecretString, SecretError> {
        self.optional(name)?.ok_or_else(|| SecretError::Missing {
            name: name.to_owned(),
            file: self.file(name).map_or_else(|| format!("$CREDENTIALS_DIRECTORY/{name}"), |file| file.display().to_string()),
            variable: variable(name),
        })
    }

    /// A digest of what a source's secrets are now, to see whether one has changed; `None` where one cannot be had.
    pub fn digest_of(&self, source: &Source) -> Option<u64> {
        let each = needed_by(source).into_iter().map(|name| self.get(&name).ok().map(|secret| xxh3_64(secret.expose_secret().as_bytes())));
        let all: Vec<u8> = each.collect::<Option<Vec<u64>>>()?.into_iter().flat_map(u64::to_le_bytes).collect();
        Some(xxh3_64(&all))
    }

    /// The secret of this name, if there is one. One that is there but empty or unreadable is an error all the same.
    pub fn optional(&self, name: &str) -> Result<Option<SecretString>, SecretError> {
        match self.file_value(name)? {
            Some(secret) => Ok(Some(secret)),
            None => self.variable_value(name),
        }
    }

    fn file_value(&self, name: &str) -> Result<Option<SecretString>, SecretError> {
        let Some(path) = self.file(name) else { return Ok(None) };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SecretError::Unreadable { name: name.to_owned(), path, source }),
        };
        secret(name, path.display().to_string(), &text).map(Some)
    }

    fn variable_value(&self, name: &str) -> Result<Option<SecretString>, SecretError> {
        let place = variable(name);
        match self.variables.get(&place) {
            None => Ok(None),
            Some(None) => Err(SecretError::NotText { name: name.to_owned(), place }),
            Some(Some(value)) => secret(name, place, value.expose_secret()).map(Some),
        }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name))
    }
}

/// A secret without what comes along: editors and `echo` end a file with a newline, some begin it with a mark of its encoding.
fn secret(name: &str, place: String, text: &str) -> Result<SecretString, SecretError> {
    let text = text.trim_start_matches('\u{feff}').trim_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(SecretError::Empty { name: name.to_owned(), place });
    }
    let is_for_header = IN_HEADERS.iter().any(|word| name.ends_with(word));
    if text.contains(['\n', '\r', '\0']) || (is_for_header && text.contains(|sign: char| sign.is_control() || !sign.is_ascii())) {
        return Err(SecretError::Unfit { name: name.to_owned(), place });
    }
    Ok(SecretString::from(text))
}

/// The variable for a secret's name: `sales.access_key` is `HIERSYNC_SALES_ACCESS_KEY`.
pub fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase().replace(['.', '-'], "_"))
}

/// Names of the secrets that the file's sources need, those of disabled sources too.
pub fn needed(config: &Config) -> Vec<String> {
    config.sources.iter().flat_map(needed_by).collect()
}

/// Names of the secrets that one source needs.
pub fn needed_by(source: &Source) -> Vec<String> {
    let words: &[&str] = match &source.vendor {
        Vendor::Capillary(Capillary { auth: CapillaryAuth::Basic { .. }, .. }) => &["password"],
        Vendor::Capillary(Capillary { auth: CapillaryAuth::OAuth, .. }) => &["key", "secret"],
        Vendor::LeadSquared(_) => &["access_key", "secret_key"],
    };
    words.iter().map(|word| format!("{}.{word}", source.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> HashMap<String, SecretString> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect()
    }

    #[test]
    fn a_file_goes_before_the_variable_and_loses_what_comes_along() {
        let folder = tempfile::tempdir().unwrap();
        for (written, read) in [("x y", "x y"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x"), ("\u{feff}x\r\n\r\n", "x"), ("\nx ", "x ")] {
            fs::write(folder.path().join("sales.access_key"), written).unwrap();
            let secrets = Secrets::new(Some(folder.path()), variables(&[("HIERSYNC_SALES_ACCESS_KEY", "variable")]));
            assert_eq!(secrets.get("sales.access_key").unwrap().expose_secret(), read);
            let secrets = Secrets::new(None, variables(&[("HIERSYNC_SALES_ACCESS_KEY", written)]));
            assert_eq!(secrets.get("sales.access_key").unwrap().expose_secret(), read);
        }
    }

    #[test]
    fn without_a_file_the_variable_counts() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = variables(&[("HIERSYNC_EU_SALES_KEY", "v")]);
        assert_eq!(Secrets::new(Some(folder.path()), pairs.clone()).get("eu-sales.key").unwrap().expose_secret(), "v");
        assert_eq!(Secrets::new(None, pairs).get("eu-sales.key").unwrap().expose_secret(), "v");
    }

    #[test]
    fn a_missing_secret_is_told_with_both_places() {
        let secrets = Secrets::new(Some(Path::new("/nowhere")), HashMap::new());
        let text = secrets.get("sales.secret_key").unwrap_err().to_string();
        assert_eq!(
            text,
            "no secret sales.secret_key: there is neither the file /nowhere/sales.secret_key nor the variable HIERSYNC_SALES_SECRET_KEY"
        );
        let text = Secrets::default().get("sales.key").unwrap_err().to_string();
        assert!(text.contains("$CREDENTIALS_DIRECTORY/sales.key"), "{text}");
        assert!(secrets.optional(DATABASE_PASSWORD).unwrap().is_none());
    }

    #[test]
    fn an_empty_or_unreadable_secret_is_no_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.key"), "\n").unwrap();
        fs::create_dir(folder.path().join("b.key")).unwrap();
        let mut secrets = Secrets::new(
            Some(folder.path()),
            variables(&[("HIERSYNC_C_KEY", ""), ("HIERSYNC_E_ACCESS_KEY", "clé"), ("HIERSYNC_E_PASSWORD", "a\nb")]),
        );
        secrets.variables.insert("HIERSYNC_D_KEY".to_owned(), None);
        for (name, wrong) in [
            ("a.key", "is empty in"),
            ("b.key", "cannot read secret"),
            ("c.key", "is empty in"),
            ("d.key", "is not UTF-8 in HIERSYNC_D_KEY"),
            ("e.access_key", "secret e.access_key holds what it cannot"),
            ("e.password", "in HIERSYNC_E_PASSWORD: give it anew"),
        ] {
            let text = secrets.optional(name).unwrap_err().to_string();
            assert!(text.contains(wrong), "{text}");
        }
    }

    #[test]
    fn printing_the_places_shows_no_value() {
        let secrets = Secrets::new(None, variables(&[("HIERSYNC_A_KEY", "hush")]));
        assert!(!format!("{secrets:?}").contains("hush"));
    }
}
