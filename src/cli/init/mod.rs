//! `hiersync init`: writes a config; on a terminal one that was asked for and checked, elsewhere the annotated example.

mod draft;
mod prompt;

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, IsTerminal, Write, stderr, stdin},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

use self::draft::Draft;
use super::{
    check,
    exit::{Exit, Failure},
    fact,
    out::say,
};
use crate::{
    config::{
        Config, read,
        secrets::{DATABASE_PASSWORD, Secrets, needed, variable},
    },
    lifecycle::{self, Crew},
};

/// The annotated config file.
const EXAMPLE: &str = include_str!("../../../hiersync.example.toml");

/// Ctrl-C ends the program within this time.
const ENDED_WITHIN: Duration = Duration::from_millis(300);

/// Where a service's secrets are, as the README has it.
const FOLDER: &str = "/etc/hiersync/credentials";

/// What people type.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write it [default: what --config names, else hiersync.toml]
    file: Option<PathBuf>,
}

/// Writes the file, which must not be there.
pub async fn run(args: &Args, config: Option<&Path>) -> Result<Exit, Failure> {
    let named = match (&args.file, config) {
        (Some(file), Some(config)) if file != config => {
            return Err(Failure::new(Exit::Usage, anyhow::anyhow!("init writes one file: name it by --config or by FILE, not both")));
        }
        (file, config) => file.as_deref().or(config),
    };
    let file = named.unwrap_or(Path::new("hiersync.toml"));
    if !stdin().is_terminal() || !stderr().is_terminal() {
        write_new(file, EXAMPLE)?;
        let shown = file.display();
        say!("wrote {shown}: fill in your accounts, then run `hiersync --config {shown} check`");
        return Ok(Exit::Complete);
    }
    // Before anybody has answered anything. A link that leads nowhere is there, too.
    if file.symlink_metadata().is_ok() {
        return Err(is_there(file));
    }
    can_be_made(file).map_err(|error| cannot_write(file, error))?;
    let mut crew = Crew::default();
    lifecycle::give_the_terminal_back(&mut crew);
    let asked = match ask().await {
        Ok(asked) => asked,
        Err(error) => {
            // Of Ctrl-C a prompt may know before the one whom it ends.
            tokio::time::sleep(ENDED_WITHIN).await;
            return Err(Failure::new(Exit::Fault, error.context("cannot ask on this terminal; nothing was written")));
        }
    };
    // The answers first: a secret is typed again sooner than all of them.
    write_new(file, &asked.text)?;
    say!("wrote {}", file.display());
    asked.keep()?;
    asked.tell(file);
    Ok(Exit::Complete)
}

/// What somebody has answered.
struct Asked {
    text: String,
    places: Places,
}

/// Where secrets are, and those that were in no place yet.
#[derive(Default)]
struct Places {
    /// `None`: in variables.
    folder: Option<PathBuf>,
    given: BTreeMap<String, SecretString>,
}

/// Asks until what was answered is well, or somebody wants it as it is.
async fn ask() -> anyhow::Result<Asked> {
    let mut draft = Draft::new(EXAMPLE);
    let mut places = Places::default();
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
        let secrets = ask_secrets(&config, &mut places)?;
        say!("\nchecking: one light call per source");
        let facts = check::examine(config, secrets, false).await.map_err(|failure| failure.error)?;
        if fact::tell(facts) == Exit::Complete || prompt::confirm("Something is not well. Write the file all the same?", false)? {
            return Ok(Asked { text, places });
        }
        say!("\nonce more, with what you have answered");
    }
}

fn ask_secrets(config: &Config, places: &mut Places) -> anyhow::Result<Secrets> {
    let mut secrets = Secrets::from_env();
    places.folder = match prompt::choose("Where do secrets live?", &["files in a folder, for systemd's LoadCredential", "variables"], 0)? {
        0 => {
            let suggested = places.folder.as_deref().or(secrets.folder()).unwrap_or(Path::new(FOLDER)).display().to_string();
            Some(PathBuf::from(prompt::text("Folder of the secrets", Some(&suggested), may_hold_secrets)?))
        }
        _ => None,
    };
    if let Some(folder) = &places.folder {
        secrets = secrets.in_folder(folder);
    }
    let names: Vec<String> = config.database.url.iter().map(|_| DATABASE_PASSWORD.to_owned()).chain(needed(config)).collect();
    for name in &names {
        match secrets.optional(name) {
            Ok(Some(_)) => say!("secret {name}: is there already, and stays"),
            // The check tells it once more, with what to do.
            Err(error) => say!("secret {name}: {error}"),
            Ok(None) => {
                let empty = if places.given.contains_key(name) { "empty: as typed before" } else { "empty: none, or given later" };
                let secret = prompt::secret(&format!("{name} ({empty})"))?;
                if !secret.expose_secret().is_empty() {
                    places.given.insert(name.clone(), secret);
                }
                if let Some(secret) = places.given.get(name) {
                    secrets = secrets.with(name, secret.clone());
                }
            }
        }
    }
    places.given.retain(|name, _| names.contains(name));
    Ok(secrets)
}

/// Whether secrets can be written there, or those that are there be used.
fn may_hold_secrets(folder: &str) -> Result<(), String> {
    let folder = Path::new(folder);
    if !folder.is_absolute() {
        return Err("write its whole path, from / on".into());
    }
    can_be_made(&folder.join("any")).map_err(|error| format!("cannot write there: {error}"))
}

/// Whether a file can be made at this path, or the folders that it needs: tried in the nearest folder that is there.
fn can_be_made(path: &Path) -> std::io::Result<()> {
    let nearest = path.ancestors().skip(1).map(|folder| if folder == Path::new("") { Path::new(".") } else { folder });
    let nearest = nearest.into_iter().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let tried = nearest.join(format!(".hiersync-init-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&tried)?;
    fs::remove_file(&tried)
}

impl Asked {
    /// Writes the secrets that were given to where they are to be.
    fn keep(&self) -> Result<(), Failure> {
        let Places { folder, given } = &self.places;
        let Some(folder) = folder.as_ref().filter(|_| !given.is_empty()) else { return Ok(()) };
        make_private(folder).map_err(|error| cannot_write(folder, error))?;
        for (name, secret) in given {
            let path = folder.join(name);
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let written = file.and_then(|mut file| {
                writeln!(file, "{}", secret.expose_secret()).inspect_err(|_| {
                    // A secret that is cut off is worse than none.
                    let _ = fs::remove_file(&path);
                })
            });
            written.map_err(|error| cannot_write(&path, error))?;
        }
        Ok(())
    }

    fn tell(&self, file: &Path) {
        let (shown, given) = (file.display(), &self.places.given);
        if let Some(folder) = self.places.folder.as_ref().filter(|folder| folder.exists()) {
            let folder = folder.display();
            say!("secrets are in {folder}; a unit reads them by LoadCredential");
            say!("then: `CREDENTIALS_DIRECTORY={folder} hiersync --config {shown} sync`");
            return;
        }
        if !given.is_empty() {
            let variables: Vec<String> = given.keys().map(|name| variable(name)).collect();
            say!("set these before hiersync starts: {}", variables.join(", "));
        }
        say!("then: `hiersync --config {shown} sync`");
    }
}

/// A folder for its owner alone. The folders above it, where they are not there, are for everybody: the config may stand in them.
fn make_private(folder: &Path) -> std::io::Result<()> {
    folder.parent().map_or(Ok(()), fs::create_dir_all)?;
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(_) if folder.is_dir() => Ok(()),
        made => made,
    }
}

/// `create_new`: a file that is there stays as it is, whoever put it there and when.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(is_there(path)),
        opened => opened.map_err(|error| cannot_write(path, error))?,
    };
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half of it would be in the way of the whole.
        let _ = fs::remove_file(path);
        cannot_write(path, error)
    })
}

fn is_there(path: &Path) -> Failure {
    let shown = path.display();
    Failure::new(Exit::Config, anyhow::anyhow!("{shown} is already there and is not overwritten; name another file: hiersync init FILE"))
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(Exit::Config, anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
}
