//! `hiersync init`: writes a config; on a terminal one that was asked for and checked, elsewhere the annotated example.

mod draft;
mod prompt;

use std::{
    fs,
    io::{ErrorKind, IsTerminal, Write, stderr, stdin},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use self::draft::Draft;
use super::{
    check,
    exit::{Exit, Failure},
    fact,
    out::say,
};
use crate::config::{
    Config, read,
    secrets::{DATABASE_PASSWORD, Secrets, needed, variable},
};

/// The annotated config file.
const EXAMPLE: &str = include_str!("../../../hiersync.example.toml");

/// Where a service's secrets are, as the README has it.
const FOLDER: &str = "/etc/hiersync/credentials";

/// What people type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write it
    #[arg(default_value = "hiersync.toml")]
    file: PathBuf,
}

/// Writes the file, which must not be there.
pub async fn run(args: &Args) -> Result<Exit, Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        write_new(&args.file, EXAMPLE)?;
        let shown = args.file.display();
        say!("wrote {shown}: fill in your accounts, then run `hiersync --config {shown} check`");
        return Ok(Exit::Complete);
    }
    // Before anybody has answered anything.
    if args.file.exists() {
        return Err(is_there(&args.file));
    }
    let asked =
        ask().await.map_err(|error| Failure::new(Exit::Fault, error.context("cannot ask on this terminal; nothing was written")))?;
    asked.keep()?;
    write_new(&args.file, &asked.text)?;
    asked.tell(&args.file);
    Ok(Exit::Complete)
}

/// What somebody has answered.
struct Asked {
    text: String,
    /// Where secrets are to be; `None`: in variables.
    folder: Option<PathBuf>,
    /// Those that were in no place yet.
    given: Vec<(String, SecretString)>,
}

/// Asks until what was answered is well, or somebody wants it as it is.
async fn ask() -> anyhow::Result<Asked> {
    let mut draft = Draft::new(EXAMPLE);
    loop {
        prompt::ask(&mut draft)?;
        let text = draft.text();
        // Each answer was read as it came: only what they come to together can be wrong.
        let config = match read::read(&text) {
            Ok(config) => config,
            Err(faults) => {
                say!("{faults}");
                continue;
            }
        };
        let (folder, secrets, given) = ask_secrets(&config)?;
        say!("\nchecking: one light call per source");
        let facts = check::examine(config, secrets, false).await.map_err(|failure| failure.error)?;
        if fact::tell(facts) == Exit::Complete || prompt::confirm("Something is not well. Write the file all the same?")? {
            return Ok(Asked { text, folder, given });
        }
        say!("\nonce more, with what you have answered");
    }
}

type Given = Vec<(String, SecretString)>;

fn ask_secrets(config: &Config) -> anyhow::Result<(Option<PathBuf>, Secrets, Given)> {
    let mut secrets = Secrets::from_env();
    let folder = match prompt::choose("Where do secrets live?", &["files in a folder, for systemd's LoadCredential", "variables"])? {
        0 => {
            let suggested = secrets.folder().unwrap_or(Path::new(FOLDER)).display().to_string();
            Some(PathBuf::from(prompt::text("Folder of the secrets", Some(&suggested), |_| Ok(()))?))
        }
        _ => None,
    };
    if let Some(folder) = &folder {
        secrets = secrets.in_folder(folder);
    }
    let database = config.database.url.iter().map(|_| DATABASE_PASSWORD.to_owned());
    let mut given = Vec::new();
    for name in database.chain(needed(config)) {
        if secrets.optional(&name)?.is_some() {
            say!("secret {name}: is there already");
            continue;
        }
        let is_optional = name == DATABASE_PASSWORD;
        let secret = prompt::secret(&if is_optional { format!("{name} (none: leave it empty)") } else { name.clone() }, is_optional)?;
        if !secret.expose_secret().is_empty() {
            secrets = secrets.with(&name, secret.clone());
            given.push((name, secret));
        }
    }
    Ok((folder, secrets, given))
}

impl Asked {
    /// Writes the secrets that were given to where they are to be.
    fn keep(&self) -> Result<(), Failure> {
        let Some(folder) = self.folder.as_ref().filter(|_| !self.given.is_empty()) else { return Ok(()) };
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| cannot_write(folder, error))?;
        for (name, secret) in &self.given {
            let path = folder.join(name);
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            file.and_then(|mut file| writeln!(file, "{}", secret.expose_secret())).map_err(|error| cannot_write(&path, error))?;
        }
        Ok(())
    }

    fn tell(&self, file: &Path) {
        let shown = file.display();
        say!("wrote {shown}");
        if let Some(folder) = &self.folder {
            let folder = folder.display();
            say!(
                "secrets are in {folder}: `CREDENTIALS_DIRECTORY={folder} hiersync --config {shown} sync` reads them, a unit by LoadCredential"
            );
            return;
        }
        let variables: Vec<String> = self.given.iter().map(|(name, _)| variable(name)).collect();
        if !variables.is_empty() {
            say!("set these before hiersync starts: {}", variables.join(", "));
        }
        say!("then: `hiersync --config {shown} sync`");
    }
}

/// `create_new`: a file that is there stays as it is, whoever put it there and when.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(is_there(path)),
        opened => opened.map_err(|error| cannot_write(path, error))?,
    };
    file.write_all(text.as_bytes()).map_err(|error| cannot_write(path, error))
}

fn is_there(path: &Path) -> Failure {
    let shown = path.display();
    Failure::new(Exit::Config, anyhow::anyhow!("{shown} is already there and is not overwritten; name another file: hiersync init FILE"))
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(Exit::Config, anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
}
