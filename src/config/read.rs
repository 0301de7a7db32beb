//! Reads the file: all of it at once, every fault with its line.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chrono_tz::Tz;
use toml::de::DeTable;

use super::{
    Config, Daemon, Database, Keep, Prepared, Source,
    address::{database_url, listen},
    agree,
    fault::{Faults, Report},
    locate::default_dir,
    read_source::{self, Read},
    secrets::DATABASE_PASSWORD,
    table::Table,
    timetable::zone,
    value::{keep, path, whole, word},
};

/// Connections held at most.
const MAX_CONNECTIONS: u32 = 8;

/// More than any server of ours should hold.
const MOST_CONNECTIONS: u32 = 1_000;

/// The status page, on this machine only.
const LISTEN: &str = "127.0.0.1:9187";

/// Zone of schedules that name none.
const TIMEZONE: Tz = Tz::UTC;

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read at all.
    #[error("cannot read config {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds what is no UTF-8.
    #[error("config {} is not text in UTF-8, from line {line} on: save it as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first such line.
        line: usize,
    },
    /// The file can be read, but not used.
    #[error("config {} has {}:\n{faults}", path.display(), count(faults))]
    Faulty {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        faults: Faults,
    },
}

fn count(faults: &Faults) -> String {
    match faults.0.len() {
        1 => "a fault".to_owned(),
        many => format!("{many} faults"),
    }
}

/// Reads and checks a file.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let bytes = fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
    let text = String::from_utf8(bytes).map_err(|fault| {
        let before = &fault.as_bytes()[..fault.utf8_error().valid_up_to()];
        ConfigError::NotText { path: path.to_path_buf(), line: before.split(|byte| *byte == b'\n').count() }
    })?;
    read(&text).map_err(|faults| ConfigError::Faulty { path: path.to_path_buf(), faults })
}

/// Reads and checks a file's text.
pub fn read(text: &str) -> Result<Config, Faults> {
    let (entries, errors) = DeTable::parse_recoverable(text);
    let report = Report::new(text, &errors);
    let config = read_root(&report, entries.get_ref());
    let faults = report.into_faults();
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(Faults(faults)),
    }
}

fn read_root<'a>(report: &'a Report<'a>, entries: &'a DeTable<'a>) -> Option<Config> {
    let mut root = Table::root(report, entries);
    let database = read_database(root.table("database"));
    let daemon = read_daemon(root.table("daemon"));
    let sources = root.tables("source", "begin each source with a line `[[source]]`; at least one is needed");
    root.finish(&[]);
    let read: Vec<Read> = sources?.into_iter().map(|table| read_source::read(table, daemon.timezone)).collect();
    agree::check(report, &read);
    let sources: Option<Vec<Source>> = read.into_iter().map(|read| read.source).collect();
    Some(Config { database, daemon, sources: sources? })
}

fn read_database(mut table: Table<'_>) -> Database {
    let prepared = word(&[("auto", Prepared::Auto), ("on", Prepared::On), ("off", Prepared::Off)]);
    let database = Database {
        url: table.get("url", database_url),
        max_connections: table.get("max_connections", whole(1..=MOST_CONNECTIONS)).unwrap_or(MAX_CONNECTIONS),
        prepared: table.get("prepared", prepared).unwrap_or_default(),
        dir: table.get("dir", path).unwrap_or_else(default_dir),
        pg_bin: table.get("pg_bin", path),
        keep: Keep { runs: table.get("keep_runs", keep), history: table.get("keep_history", keep) },
    };
    table.finish(&[DATABASE_PASSWORD.to_owned()]);
    database
}

fn read_daemon(mut table: Table<'_>) -> Daemon {
    let daemon = Daemon {
        listen: table.get("listen", listen).unwrap_or_else(|| Some(LISTEN.to_owned())),
        timezone: table.get("timezone", zone).unwrap_or(TIMEZONE),
    };
    table.finish(&[]);
    daemon
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{
        Vendor,
        secrets::needed,
        testing::{CAPILLARY, LEADSQUARED, good, said},
    };

    const EXAMPLE: &str = include_str!("../../hiersync.example.toml");

    /// The example with every `# key = value` turned into `key = value`.
    fn uncommented() -> String {
        let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())) => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_is_good_as_it_is_and_with_every_key_in_use() {
        assert_eq!(needed(&good(EXAMPLE)), ["customers.password", "sales.access_key", "sales.secret_key"]);
        assert_eq!(good(&uncommented()).sources.len(), 2);
    }

    #[test]
    fn the_example_shows_every_default_as_it_is() {
        let (short, mut full) = (good(EXAMPLE), good(&uncommented()));
        for source in &mut full.sources {
            (source.schedule, source.forget_retired_after, source.max_nodes) = (None, None, None);
            if let Vendor::Capillary(capillary) = &mut source.vendor {
                (capillary.account_id, capillary.sort_by) = (None, None);
            }
        }
        assert_eq!(format!("{:#?}", full.sources), format!("{:#?}", short.sources));
        assert_eq!(full.database.max_connections, short.database.max_connections);
        assert_eq!(format!("{:?}", full.daemon), format!("{:?}", short.daemon));
    }

    #[test]
    fn the_example_shows_every_key() {
        // What an unknown key is told to be instead is every key that there is.
        for file in [CAPILLARY, LEADSQUARED] {
            let fault = said(&format!("{file}colour = 1\n")).concat();
            let (_, keys) = fault.split_once("use one of: ").expect("a list of keys");
            let source = file.lines().nth(2).expect("the vendor");
            let (_, shown) = EXAMPLE.split_once(source).expect("a source of the vendor");
            let shown = shown.split("[[source]]").next().unwrap();
            for key in keys.split(", ").filter(|key| !["name", "vendor"].contains(key)) {
                assert!(shown.contains(&format!("\n{key} = ")) || shown.contains(&format!("\n# {key} = ")), "{key}");
            }
        }
    }

    #[test]
    fn all_faults_of_a_file_are_told_in_one_go() {
        let text = r#"databse.url = "postgres://h/d"

[database]
url = "postgres://u:hunter2@h/d"
max_connections = 0
prepared = "maybe"
password = "hunter2"

[daemon]
listen = "9187"
time_zone = "UTC"

[[source]]
name = "sales"
vendor = "leadsquared"
base_url = "http://api.leadsquared.com"
roots = ["jane@example.com"]
limits = ["25/5s", "25"]
page_size = 10
access_key = "hunter2"

[[source]]
vendor = "capillary"
timeout = "soon"
"#;
        let listing = "  \
  line 1: databse: is not known; did you mean `database`?
  line 4: database.url: contains a password; take it out and put it in the secret database.password
  line 5: database.max_connections: 0 is out of bounds; write a whole number from 1 to 1000
  line 6: database.prepared: `maybe` is not known; write `auto`, `on` or `off`
  line 7: database.password: looks like a secret, and secrets never stand in this file; give it as the file `database.password` in $CREDENTIALS_DIRECTORY, or as the variable HIERSYNC_DATABASE_PASSWORD
  line 10: daemon.listen: is not host:port; write such as `127.0.0.1:9187` or `[::1]:9187`, or `\"\"` for no status page
  line 11: daemon.time_zone: is not known; did you mean `timezone`?
  line 13: source.sales.hierarchy_path: is missing; copy it from the vendor's page Get User Hierarchy Information
  line 16: source.sales.base_url: is http, which shows the secrets on the way; write https: http is for loopback only
  line 17: source.sales.roots: holds what is not a UUID; write such as `roots = [\"3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50\"]`, with the UserId of the topmost manager
  line 18: source.sales.limits: `25` is not a limit; write calls/window, such as `25/5s`
  line 19: source.sales.page_size: is for capillary sources only; remove it, or change `vendor`
  line 20: source.sales.access_key: looks like a secret, and secrets never stand in this file; give it as the file `sales.access_key` in $CREDENTIALS_DIRECTORY, or as the variable HIERSYNC_SALES_ACCESS_KEY
  line 22: source[2].name: is missing; write such as `name = \"sales\"`
  line 22: source[2].base_url: is missing; write `https://` and the vendor's host
  line 22: source[2].roots: is missing; write such as `roots = [{ type = \"mobile\", value = \"910000000010\" }]`
  line 22: source[2].auth: is missing; write `auth = \"basic\"` with `till = \"…\"`, or `auth = \"oauth\"`
  line 24: source[2].timeout: `soon` is not a duration; write a duration above zero and up to 15m, such as `30s` or `5m`";
        let faults = read(text).unwrap_err();
        assert_eq!(faults.to_string(), listing);
        let error = ConfigError::Faulty { path: "/etc/hiersync/hiersync.toml".into(), faults };
        assert_eq!(error.to_string(), format!("config /etc/hiersync/hiersync.toml has 18 faults:\n{listing}"));
    }

    #[test]
    fn a_file_without_sources_is_a_fault() {
        let right = "begin each source with a line `[[source]]`; at least one is needed";
        for text in ["", "# nothing\n", "[database]\n"] {
            assert_eq!(said(text), [format!("line 1: source: is missing; {right}")]);
        }
        assert_eq!(said("source = []"), [format!("line 1: source: is empty; {right}")]);
        assert_eq!(said("\n[source]\nname = 'x'"), [format!("line 2: source: is a table; {right}")]);
        assert_eq!(said("source = ['sales']"), [format!("line 1: source[1]: is a text; {right}")]);
    }

    #[test]
    fn the_database_and_the_daemon_have_defaults() {
        let config = good(CAPILLARY);
        assert_eq!((config.database.url, config.database.max_connections, config.database.pg_bin), (None, 8, None));
        assert_eq!((config.database.prepared, config.database.keep), (Prepared::Auto, Keep::default()));
        assert_eq!((config.daemon.listen.as_deref(), config.daemon.timezone), (Some("127.0.0.1:9187"), Tz::UTC));
    }

    #[test]
    fn the_database_and_the_daemon_are_as_written() {
        let head = "[database]\nurl = 'postgres://u@h/d'\nmax_connections = 3\nprepared = 'off'\ndir = '/d'\npg_bin = '/p'\nkeep_runs = '400d'\n[daemon]\nlisten = ''\n";
        let config = good(&format!("{head}{LEADSQUARED}"));
        assert_eq!((config.database.url.unwrap().as_str(), config.database.max_connections), ("postgres://u@h/d", 3));
        assert_eq!((config.database.dir, config.database.pg_bin), ("/d".into(), Some("/p".into())));
        assert_eq!(config.database.prepared, Prepared::Off);
        assert_eq!(config.database.keep, Keep { runs: Some(Duration::from_secs(400 * 86_400)), history: None });
        assert_eq!(config.daemon.listen, None);
    }

    #[test]
    fn a_section_that_is_no_table_is_a_fault() {
        let right = "make it a table, under a line `[database]`";
        assert_eq!(said(&format!("database = 5\n{CAPILLARY}")), [format!("line 1: database: is a whole number; {right}")]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.toml");
        assert_eq!(load(&path).unwrap_err().to_string(), format!("cannot read config {}", path.display()));
        fs::write(&path, CAPILLARY.replace("oauth", "none")).unwrap();
        let text = load(&path).unwrap_err().to_string();
        let listing = "has a fault:\n  line 6: source.customers.auth: `none` is not known; write `basic` or `oauth`";
        assert_eq!(text, format!("config {} {listing}", path.display()));
        fs::write(&path, CAPILLARY).unwrap();
        assert_eq!(load(&path).unwrap().sources[0].name, "customers");
    }
}
