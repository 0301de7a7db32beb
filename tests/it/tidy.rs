//! The house's rules that neither the compiler nor clippy knows. Every failure names the place and what to do.
//!
//! The lists below say how the code is. A list of exceptions only shrinks: one that is not needed any more fails too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use hiersync::model::finding::{KINDS, Kind};

/// Which room may use which. What stands in no row is not to be used.
const ARROWS: &[(&str, &[&str])] = &[
    ("app", &["budget", "clock", "config", "embedded", "model", "store", "sync", "text", "vendor_api"]),
    ("budget", &["clock", "model"]),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "embedded",
            "failpoint",
            "lifecycle",
            "model",
            "plan",
            "runner",
            "schedule",
            "simulator",
            "store",
            "sync",
            "telemetry",
            "text",
            "vendor_api",
            "web",
        ],
    ),
    ("clock", &[]),
    ("config", &["model"]),
    ("embedded", &["clock"]),
    ("failpoint", &[]),
    ("instants", &["config"]),
    ("lib", &[]),
    ("lifecycle", &[]),
    ("main", &[]),
    ("model", &[]),
    ("plan", &["budget", "config", "model", "store", "text"]),
    ("runner", &["app", "clock", "config", "lifecycle", "model", "store", "sync", "text"]),
    ("schedule", &["clock", "config", "instants"]),
    ("simulator", &["clock", "model"]),
    ("store", &["budget", "clock", "config", "failpoint", "model"]),
    ("sync", &["budget", "clock", "config", "failpoint", "model", "plan", "store", "text", "vendor_api", "walk"]),
    ("telemetry", &[]),
    ("text", &[]),
    ("vendor_api", &["clock", "config", "model"]),
    ("walk", &["model"]),
    ("web", &["clock", "model", "plan", "store", "text"]),
];

/// Arrows that only these files of a room may use, and why.
const NARROW: &[(&str, &str, &[&str], &str)] = &[
    ("cli", "simulator", &["cli/demo/"], "only the demo plays the vendors"),
    ("cli", "vendor_api", &["cli/check.rs"], "only the light call of `check` is no run"),
    (
        "cli",
        "embedded",
        &["cli/demo/", "cli/exit.rs", "cli/mod.rs", "cli/url.rs"],
        "the supervisor's verb, the demo's own server, `url`, and its exit code",
    ),
    ("store", "budget", &["store/book.rs", "store/ledger.rs"], "the one implementation of the ledger"),
    (
        "store",
        "config",
        &["store/connect.rs", "store/customer.rs", "store/doubt.rs", "store/frontier.rs", "store/mirror.rs", "store/naming.rs"],
        "the identifier by which a list is asked for, and whether statements have names",
    ),
];

/// What only these files may say, and what to do instead.
const OWNERS: &[(&str, &[&str], &str)] = &[
    ("reqwest::", &["vendor_api/http.rs"], "send requests through vendor_api/http.rs"),
    ("clap::", &["cli/"], "the command line belongs to cli/"),
    ("clap_complete::", &["cli/"], "the command line belongs to cli/"),
    ("comfy_table::", &["cli/"], "tables for people belong to cli/"),
    ("indicatif::", &["cli/"], "progress on a terminal belongs to cli/"),
    ("env::", &["config/locate.rs", "config/secrets.rs", "cli/mod.rs", "cli/demo/", "telemetry.rs"], "the environment is read in config/"),
    ("toml::", &["config/"], "the config file is read in config/"),
    ("tokio_cron_scheduler::", &["schedule.rs"], "only schedule.rs knows the scheduler"),
    ("croner::", &["instants.rs", "config/timetable.rs"], "cron expressions are checked in config/ and followed in instants.rs"),
    ("sd_notify::", &["lifecycle.rs"], "systemd is told by lifecycle.rs"),
    ("tokio::signal", &["lifecycle.rs"], "signals belong to lifecycle.rs"),
    ("tokio::spawn", &["simulator/host.rs"], "spawn through lifecycle's crew"),
    ("JoinSet", &["lifecycle.rs"], "spawn through lifecycle's crew"),
    ("spawn_blocking", &["vendor_api/aside.rs"], "spawn through lifecycle's crew"),
    ("thread::spawn", &[], "spawn through lifecycle's crew"),
    ("thread::Builder", &["embedded/supervisor.rs"], "spawn through lifecycle's crew"),
    ("Command::new", &["embedded/"], "programs are started in embedded/"),
    (
        "nix::",
        &["clock.rs", "embedded/", "failpoint.rs", "lifecycle.rs", "config/locate.rs", "store/process.rs"],
        "the system is asked in embedded/, and for who lives in store/process.rs",
    ),
    ("fail::", &["failpoint.rs"], "moments at which tests kill are in failpoint.rs"),
    ("axum::", &["web/", "simulator/"], "HTTP is served in web/, and by the simulator"),
    ("tracing_subscriber::", &["telemetry.rs"], "logs are set up in telemetry.rs"),
    ("anyhow::", &["cli/"], "an error that may be branched on is an enum; only cli/ tells"),
    ("println!", &["cli/"], "stdout carries the results of cli/"),
    ("print!", &["cli/"], "stdout carries the results of cli/"),
    ("eprintln!", &["cli/", "embedded/supervisor.rs"], "write a log line, or return an error"),
    ("eprint!", &["cli/", "embedded/cluster.rs"], "write a log line, or return an error"),
];

/// Outside of `store/`, sqlx is an error or a pool handed through; never a statement.
const SQLX_ELSEWHERE: &[&str] = &["sqlx::Result", "sqlx::Error", "sqlx::PgPool"];
const SQLX_FILES: &[&str] = &["app/", "cli/", "sync/", "web/"];

/// What runs a statement on a pool or a bare connection, or reaches for one; and the files that must, to begin and end.
const BARE: &[&str] = &["PgConnection", "PoolConnection", "pool.acquire", "pool.begin", "persistent("];
const RUNS: &[&str] = &[".execute(", ".execute_many(", ".fetch(", ".fetch_many(", ".fetch_all(", ".fetch_one(", ".fetch_optional("];
const BEGINS: &[&str] = &["store/conn.rs", "store/connect.rs", "store/naming.rs", "store/schema.rs", "store/session.rs"];

/// Rooms that must not tell the vendors apart: adding one does not open them.
const BLIND: &[&str] = &["budget/", "walk/", "sync/", "runner/", "schedule.rs", "lifecycle.rs", "web/", "embedded/"];
const VENDORS: &[&str] = &["capillary", "leadsquared"];

/// Lines of code of a file, tests not counted.
const LONGEST_FILE: usize = 260;
/// Files that are longer, and may only become shorter.
const LONG_FILES: &[(&str, usize)] = &[("sync/caller.rs", 300)];

/// Folders below `src/`.
const DEEPEST: usize = 2;
/// Lines of a file's head.
const LONGEST_HEAD: usize = 6;
const NAMES_OF_NOTHING: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

/// Files that speak of a machine's folders, and why.
const PATHS_ALLOWED: &[(&str, &str)] = &[("src/config/locate.rs", "its tests give the environment of an invented user")];

/// A file of ours.
struct File {
    /// From the package's root, with `/`.
    path: String,
    text: String,
}

impl File {
    /// The path below `src/`.
    fn place(&self) -> &str {
        self.path.strip_prefix("src/").unwrap_or(&self.path)
    }

    fn room(&self) -> &str {
        let first = self.place().split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The lines before the tests, with their numbers.
    fn code(&self) -> Vec<(usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_tests = |at: usize| {
            lines[at] == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'))
        };
        let end = (0..lines.len()).find(|at| is_tests(*at)).unwrap_or(lines.len());
        lines[..end].iter().enumerate().map(|(at, line)| (at + 1, *line)).collect()
    }

    /// The same without comments.
    fn statements(&self) -> Vec<(usize, &str)> {
        let bare = |line: &'_ str| line.trim_start().starts_with("//");
        let cut = |(at, line)| (at, without_comment(line));
        self.code().into_iter().filter(|(_, line)| !bare(line)).map(cut).collect()
    }

    /// Modules that this file declares for tests only.
    fn test_modules(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        let pairs = lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]");
        pairs.filter_map(|pair| Some(pair[1].trim().rsplit_once("mod ")?.1.strip_suffix(';')?.to_owned())).collect()
    }
}

/// A comment behind code has blanks around its slashes; an address has not.
fn without_comment(line: &str) -> &str {
    line.split_once(" // ").map_or(line, |(code, _)| code)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the package whose names end so, in order.
fn files(folder: &str, ends: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root().join(folder), ends, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, ends: &[&str], found: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_foreign = name == "target" || (name.starts_with('.') && ![".ci", ".sqlx"].contains(&name.as_str()));
        let kind = entry.file_type().expect("the system tells a file from a folder");
        if kind.is_dir() && !is_foreign {
            collect(&path, ends, found);
        } else if kind.is_file() && ends.iter().any(|end| name.ends_with(end)) {
            // What is no text is none of ours.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let below = path.strip_prefix(root()).expect("it lies below the root");
            found.push(File { path: below.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

/// What runs in the program: the files of `src/` without those for tests only.
fn sources() -> Vec<File> {
    let all = files("src", &[".rs"]);
    assert!(all.len() > 20, "no sources found below {}", root().display());
    let tests: BTreeSet<String> = all.iter().flat_map(test_files).collect();
    all.into_iter().filter(|file| !tests.contains(&file.path)).collect()
}

fn test_files(file: &File) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    file.test_modules().iter().map(|module| format!("{folder}/{module}.rs")).collect()
}

/// Whether `place` is one of the files or lies in one of the folders (which end with a slash).
fn is_among(place: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| if home.ends_with('/') { place.starts_with(home) } else { place == *home })
}

/// Where a word begins in a line, not inside of a longer one.
fn begins(line: &str, word: &str) -> Vec<usize> {
    let is_part = |sign: char| sign.is_alphanumeric() || sign == '_';
    line.match_indices(word).map(|(at, _)| at).filter(|at| !line[..*at].ends_with(is_part)).collect()
}

/// Every `crate::room` of a file, with its line, from single paths and from `crate::{…}`.
fn rooms_used(file: &File) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    let lines = file.statements();
    for (at, (number, line)) in lines.iter().enumerate() {
        for place in begins(line, "crate::") {
            let rest = &line[place + "crate::".len()..];
            if rest.starts_with('{') {
                used.extend(group(&lines, at, place + "crate::{".len()));
            } else {
                used.push((*number, first_word(rest)));
            }
        }
    }
    used
}

/// The first word of each entry of a `{…}` that begins at a place of a line and may end in a later one.
fn group(lines: &[(usize, &str)], from: usize, column: usize) -> Vec<(usize, String)> {
    let (mut used, mut depth, mut is_entry) = (Vec::new(), 1, true);
    for (at, (number, line)) in lines.iter().enumerate().skip(from) {
        let line = if at == from { &line[column..] } else { line };
        for (place, sign) in line.char_indices() {
            match sign {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => is_entry = true,
                sign if depth == 1 && is_entry && sign.is_alphabetic() => {
                    used.push((*number, first_word(&line[place..])));
                    is_entry = false;
                }
                _ => {}
            }
            if depth == 0 {
                return used;
            }
        }
    }
    used
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_').collect()
}

fn report(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}\n  {}\n", faults.join("\n  "));
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let mut faults = Vec::new();
    for file in sources() {
        let Some((_, may)) = ARROWS.iter().find(|(room, _)| *room == file.room()) else {
            faults.push(format!(
                "{}:1: the room `{}` is new: give it a row in ARROWS and a line in ARCHITECTURE.md",
                file.path,
                file.room()
            ));
            continue;
        };
        for (line, used) in rooms_used(&file) {
            let narrow = NARROW.iter().find(|(room, target, ..)| *room == file.room() && *target == used);
            if used != file.room() && !may.contains(&used.as_str()) {
                faults.push(format!(
                    "{}:{line}: `{}` must not know `{used}`: move the code, or pass plain data in",
                    file.path,
                    file.room()
                ));
            } else if let Some((_, _, homes, why)) = narrow.filter(|(_, _, homes, _)| !is_among(file.place(), homes)) {
                faults.push(format!("{}:{line}: only {} may use `{used}` here: {why}", file.path, homes.join(", ")));
            }
        }
    }
    report("arrows between rooms (ARCHITECTURE.md)", &faults);
}

#[test]
fn no_room_is_left_by_the_back_door() {
    let mut faults = Vec::new();
    for file in sources() {
        let is_folder = file.path.ends_with("/mod.rs");
        let depth = file.place().matches('/').count() + usize::from(!is_folder);
        let way_out = "super::".repeat(depth);
        for (line, text) in file.statements() {
            if text.contains(&way_out) {
                faults.push(format!("{}:{line}: `{way_out}` leads out of the room: write `crate::`", file.path));
            }
        }
    }
    report("arrows between rooms are written with `crate::`", &faults);
}

#[test]
fn every_exception_among_the_arrows_is_needed() {
    let sources = sources();
    let mut faults = Vec::new();
    for (room, target, homes, _) in NARROW {
        for home in *homes {
            let of_home = sources.iter().filter(|file| is_among(file.place(), &[home]));
            if !of_home.into_iter().any(|file| rooms_used(file).iter().any(|(_, used)| used == target)) {
                faults.push(format!(
                    "tests/it/tidy.rs: {home} does not use `{target}` any more: take it out of NARROW, row {room} → {target}"
                ));
            }
        }
    }
    for (room, may) in ARROWS {
        let used: BTreeSet<String> = sources
            .iter()
            .filter(|file| file.room() == *room)
            .flat_map(|file| rooms_used(file).into_iter().map(|(_, used)| used))
            .collect();
        for unused in may.iter().filter(|target| !used.contains(**target) && !["clock", "model"].contains(*target)) {
            faults.push(format!("tests/it/tidy.rs: `{room}` does not use `{unused}` any more: take it out of ARROWS"));
        }
    }
    report("exceptions only shrink", &faults);
}

#[test]
fn crates_stay_with_their_owners() {
    let mut faults = Vec::new();
    for file in sources() {
        for (line, text) in file.statements() {
            for (word, homes, instead) in OWNERS {
                if !is_among(file.place(), homes) && !begins(text, word).is_empty() {
                    faults.push(format!("{}:{line}: `{word}` does not belong here: {instead}", file.path));
                }
            }
        }
    }
    report("one owner per crate", &faults);
}

#[test]
fn statements_stay_in_the_store() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| file.room() != "store") {
        for (line, text) in file.statements() {
            for at in begins(text, "sqlx::") {
                let is_plain = SQLX_ELSEWHERE.iter().any(|word| text[at..].starts_with(word));
                if !is_among(file.place(), SQLX_FILES) || !is_plain {
                    faults.push(format!("{}:{line}: sqlx belongs to store/: give the statement a function there", file.path));
                }
            }
        }
    }
    report("all SQL is in store/", &faults);
}

#[test]
fn statements_run_in_transactions_and_need_no_names() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| !is_among(file.place(), BEGINS)) {
        for (line, text) in file.statements() {
            let runs_on_pool = RUNS.iter().any(|runs| text.split(runs).skip(1).any(|on| on.split([')', ',']).next().is_some_and(is_pool)));
            if runs_on_pool || BARE.iter().any(|word| !begins(text, word).is_empty()) {
                faults.push(format!("{}:{line}: begin a step and run on its `conn()`: docs/decisions/0005", file.path));
            }
        }
    }
    for file in files(".sqlx", &[".json"]).iter().filter(|file| file.text.contains("\"Custom\"")) {
        let what = "sqlx asks for a type that it does not know in between, which ends the unnamed statement: cast it to another";
        faults.push(format!("{}: {what}", file.path));
    }
    report("every statement can go through a proxy that pools by transaction", &faults);
}

/// Whether an argument is a pool, by its name.
fn is_pool(argument: &str) -> bool {
    argument.ends_with("pool")
}

#[test]
fn vendors_are_told_apart_only_where_they_must_be() {
    let mut faults = Vec::new();
    for file in sources() {
        let own = VENDORS.iter().find(|vendor| file.path.contains(&format!("/{vendor}/")));
        let is_shared = file.room() == "vendor_api" && own.is_none() && file.place() != "vendor_api/mod.rs";
        for (line, text) in file.statements() {
            let text = text.to_lowercase();
            for vendor in VENDORS.iter().filter(|vendor| text.contains(**vendor)) {
                if own.is_some_and(|own| own != vendor) || is_shared || is_among(file.place(), BLIND) {
                    faults.push(format!("{}:{line}: `{vendor}` must not be known here: ask through the vendor's traits", file.path));
                }
            }
        }
    }
    report("a vendor is one folder", &faults);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut faults = Vec::new();
    for file in files("src", &[".rs"]).iter().chain(&files("tests", &[".rs"])).chain(&files("benches", &[".rs"])) {
        let head = file.text.lines().take_while(|line| line.starts_with("//!")).count();
        if !(1..=LONGEST_HEAD).contains(&head) {
            let what = format!("begin it with 1 to {LONGEST_HEAD} lines of `//!`: what it is for, and what it must not know");
            faults.push(format!("{}:1: {head} lines of head: {what}", file.path));
        }
    }
    for file in files("src", &[".sql"]).iter().chain(&files("migrations", &[".sql"])) {
        if !file.text.starts_with("-- ") {
            faults.push(format!("{}:1: begin it with a comment: what it does, and why so", file.path));
        }
    }
    report("every file has a head", &faults);
}

#[test]
fn files_stay_short_and_shallow() {
    let mut faults = Vec::new();
    let sources = files("src", &[".rs"]);
    for file in &sources {
        let lines = file.code().len();
        match LONG_FILES.iter().find(|(place, _)| *place == file.place()) {
            None if lines > LONGEST_FILE => {
                faults.push(format!("{}:{lines}: longer than {LONGEST_FILE} lines before its tests: split it by what it owns", file.path));
            }
            Some((_, most)) if lines > *most => {
                faults.push(format!("{}:{lines}: was {most} lines and may only become shorter: split it by what it owns", file.path));
            }
            Some(_) if lines <= LONGEST_FILE => {
                faults.push(format!("{}:{lines}: short enough now: take it out of LONG_FILES in tests/it/tidy.rs", file.path));
            }
            _ => {}
        }
        if file.place().matches('/').count() > DEEPEST {
            faults.push(format!("{}:1: deeper than {DEEPEST} folders: move it up", file.path));
        }
    }
    for (place, _) in LONG_FILES.iter().filter(|(place, _)| !sources.iter().any(|file| file.place() == *place)) {
        faults.push(format!("tests/it/tidy.rs: {place} is gone: take it out of LONG_FILES"));
    }
    report("a file is read in one go", &faults);
}

/// Lines of a function.
const LONGEST_FUNCTION: usize = 45;

#[test]
fn functions_stay_short() {
    let mut faults = Vec::new();
    for file in sources() {
        let lines = file.code();
        for (at, (number, line)) in lines.iter().enumerate() {
            let Some(name) = function(line) else { continue };
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[at..].iter().take_while(|(_, line)| *line != end && !line.ends_with(';')).count() + 1;
            let has_body = lines[at..].get(length - 1).is_some_and(|(_, line)| *line == end);
            if has_body && length > LONGEST_FUNCTION {
                faults.push(format!(
                    "{}:{number}: `{name}` has {length} lines, more than {LONGEST_FUNCTION}: let a part of it speak",
                    file.path
                ));
            }
        }
    }
    report("a function is seen at once", &faults);
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<String> {
    let rest = line.trim_start();
    let words = ["pub(super) ", "pub(crate) ", "pub ", "const ", "async ", "unsafe "];
    let rest = words.iter().fold(rest, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    rest.strip_prefix("fn ").map(first_word)
}

/// Fields of a struct in `walk`: what is stored of a pass is to be held in the head.
const MOST_FIELDS: usize = 10;

#[test]
fn what_a_walk_remembers_is_held_in_the_head() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| file.room() == "walk") {
        let lines = file.statements();
        for (at, (number, line)) in lines.iter().enumerate().filter(|(_, (_, line))| line.contains("struct ") && line.ends_with('{')) {
            let body = lines[at + 1..].iter().take_while(|(_, line)| !line.starts_with('}'));
            let fields = body.filter(|(_, line)| line.contains(": ") && !line.trim_start().starts_with('#')).count();
            if fields > MOST_FIELDS {
                faults.push(format!("{}:{number}: `{line}` has {fields} fields, more than {MOST_FIELDS}", file.path));
            }
        }
    }
    report("the walk is plain", &faults);
}

#[test]
fn the_files_of_the_sync_use_each_other_in_one_direction() {
    let files: Vec<File> = sources().into_iter().filter(|file| file.room() == "sync" && !file.path.ends_with("/mod.rs")).collect();
    let name = |file: &File| file.place().trim_start_matches("sync/").trim_end_matches(".rs").to_owned();
    let names: BTreeSet<String> = files.iter().map(name).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> =
        files.iter().map(|file| (name(file), siblings(file).into_iter().filter(|used| names.contains(used)).collect())).collect();
    // Whoever uses nobody that is left is done; what remains uses itself in a circle.
    while let Some(done) = uses.iter().find(|(_, used)| used.is_empty()).map(|(name, _)| name.clone()) {
        uses.remove(&done);
        uses.values_mut().for_each(|used| {
            used.remove(&done);
        });
    }
    let faults: Vec<String> = uses.iter().map(|(name, used)| format!("src/sync/{name}.rs:1: uses {used:?} in a circle")).collect();
    report("who reads a file of the sync need not read all others first", &faults);
}

/// Modules beside a file that it uses.
fn siblings(file: &File) -> BTreeSet<String> {
    let lines = file.statements();
    let mut used = BTreeSet::new();
    for (at, (_, line)) in lines.iter().enumerate() {
        for (way, inside) in [("super::", "super::{"), ("crate::sync::", "crate::sync::{")] {
            for place in begins(line, way) {
                if line[place..].starts_with(inside) {
                    used.extend(group(&lines, at, place + inside.len()).into_iter().map(|(_, name)| name));
                } else {
                    used.insert(first_word(&line[place + way.len()..]));
                }
            }
        }
    }
    used
}

#[test]
fn files_are_named_for_what_they_own() {
    let mut faults = Vec::new();
    for file in files("src", &[".rs", ".sql"]).iter().chain(&files("tests", &[".rs"])) {
        let parts = file.path.split(['/', '.']);
        for part in parts.filter(|part| NAMES_OF_NOTHING.contains(part)) {
            faults.push(format!("{}:1: `{part}` says nothing: name it for what it owns", file.path));
        }
    }
    report("names", &faults);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("db", "g!")];
    let mut faults = Vec::new();
    for file in files("", &[".rs", ".sql", ".toml", ".service", ".md"]).iter().chain(&files(".ci", &[""])).chain(&files("script", &[""])) {
        for (at, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| !begins(line, word).is_empty()) {
                faults.push(format!("{}:{}: `{word}`: do it, or open an issue", file.path, at + 1));
            }
        }
    }
    report("nothing half done", &faults);
}

#[test]
fn every_dependency_says_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml can be read");
    let (mut faults, mut above, mut is_list) = (Vec::new(), String::new(), false);
    for (at, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            is_list = line.trim_matches(['[', ']']).ends_with("dependencies");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| is_list) {
            // One comment serves a family: serde and serde_json.
            let is_family = above.split_once(" = ").is_some_and(|(head, _)| name.starts_with(head));
            if !above.starts_with("# ") && !is_family {
                faults.push(format!("Cargo.toml:{}: say in a comment above `{name}` what it is needed for", at + 1));
            }
        }
        line.clone_into(&mut above);
    }
    report("every dependency has a reason", &faults);
}

#[test]
fn sql_is_lower_case() {
    let words = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "FROM ", "WHERE ", "JOIN "];
    let mut faults = Vec::new();
    for file in files("migrations", &[".sql"]).iter().chain(&files("src", &[".sql", ".rs"])) {
        for (at, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.trim_start().trim_start_matches(['"', '#', 'r']).starts_with(word)) {
                faults.push(format!("{}:{}: write SQL in lower case", file.path, at + 1));
            }
        }
    }
    report("SQL is lower case", &faults);
}

#[test]
fn no_file_speaks_of_one_machine() {
    // Put together here, so that this file does not find itself.
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut faults = Vec::new();
    let mut met = BTreeSet::new();
    for file in files("", &[".rs", ".sql", ".toml", ".json", ".service", ".md", ".lock"])
        .iter()
        .chain(&files(".ci", &[""]))
        .chain(&files("script", &[""]))
    {
        for (at, line) in file.text.lines().enumerate() {
            for folder in folders.iter().filter(|folder| !begins(line, folder).is_empty()) {
                if PATHS_ALLOWED.iter().any(|(path, _)| *path == file.path) {
                    met.insert(file.path.clone());
                } else {
                    faults.push(format!(
                        "{}:{}: `{folder}` is on one machine only: take the path from the config or the environment",
                        file.path,
                        at + 1
                    ));
                }
            }
        }
    }
    for (path, _) in PATHS_ALLOWED.iter().filter(|(path, _)| !met.contains(*path)) {
        faults.push(format!("tests/it/tidy.rs: {path} names no such folder any more: take it out of PATHS_ALLOWED"));
    }
    report("nothing hangs on one machine", &faults);
}

#[test]
fn the_runbook_says_what_every_kind_of_finding_asks_for() {
    let runbook = fs::read_to_string(root().join("docs/runbook.md")).expect("the runbook");
    let words = |kind: &Kind| kind.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = KINDS.iter().map(|kind| format!("| {} | {:?} | {} |", words(kind), kind.severity, kind.todo)).collect();
    let table: Vec<&str> =
        runbook.lines().skip_while(|line| !line.starts_with("| kind |")).skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(table, rows, "docs/runbook.md, \"Findings\": its table is that of src/model/finding.rs");
}

#[test]
fn every_kind_of_finding_that_is_told_is_known() {
    let known: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.words).copied().collect();
    let mut told = BTreeSet::new();
    for file in sources().iter().filter(|file| ["sync", "vendor_api"].contains(&file.room())) {
        let text = file.code().iter().map(|(_, line)| line.trim()).collect::<Vec<_>>().join(" ");
        for way in [
            "Finding::new( \"",
            "Finding::new(\"",
            "notes.add(\"",
            "self.add(\"",
            "notes.add_about(\"",
            "finding(\"",
            "Remark { kind: \"",
            "Self::new(\"",
        ] {
            told.extend(text.split(way).skip(1).map(first_word));
        }
    }
    let faults: Vec<String> = told
        .iter()
        .filter(|kind| !known.contains(kind.as_str()))
        .map(|kind| format!("src/model/finding.rs:1: `{kind}` is told and not among KINDS"))
        .collect();
    report("every kind of finding says what to do", &faults);
    assert!(told.len() > 20, "only {told:?} were found in the code");
}

#[test]
fn the_papers_name_files_that_are_there() {
    let mut faults = Vec::new();
    let ours: Vec<File> = files("src", &[""]).into_iter().chain(files("tests", &[""])).collect();
    // A name without a folder is that of several files: one of each vendor.
    let is_named = |name: &str| !name.contains('/') && ours.iter().any(|file| file.path.ends_with(&format!("/{name}")));
    for paper in files("", &[".md"]) {
        for (at, line) in paper.text.lines().enumerate() {
            let quoted = line.split('`').skip(1).step_by(2);
            for name in quoted.filter(|name| is_file_name(name)) {
                let is_there = ["", "src", "tests/it"].iter().any(|folder| root().join(folder).join(name).exists());
                if !is_there && !is_named(name) {
                    faults.push(format!(
                        "{}:{}: there is no `{name}`: name the file that is meant, from the root or from src/",
                        paper.path,
                        at + 1
                    ));
                }
            }
        }
    }
    report("the papers are true", &faults);
}

/// A path of ours as papers write it: `store/run.rs`, `embedded/`.
fn is_file_name(text: &str) -> bool {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "/._-".contains(sign);
    let is_path = text.ends_with(".rs") || text.ends_with(".sql") || (text.ends_with('/') && !text.starts_with('/'));
    is_path && text.chars().all(is_plain)
}

#[test]
fn the_readme_and_the_check_run_the_same_commands() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md can be read");
    let check = fs::read_to_string(root().join(".ci/run")).expect(".ci/run can be read");
    for command in ["script/demo", "script/test"] {
        let lines = readme.lines().filter(|line| line.starts_with(command)).count();
        assert_eq!(lines, 1, "README.md: one line, and only one, begins with `{command}`: .ci/run takes the command from there");
        assert!(check.contains(&format!("command_of_readme '{command}'")), ".ci/run: take `{command}` from README.md");
    }
}
