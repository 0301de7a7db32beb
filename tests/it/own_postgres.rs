//! The Postgres of our own: there while it is needed, right after every crash, and gone afterwards.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use hiersync::simulator::{capillary::CapillarySim, door::Latency};
use sqlx::PgPool;

use crate::harness::{
    case::Case,
    program::Program,
    running::{Running, send},
    tables::{assert_customers, count, everything},
    until::{millis, seconds, until},
    vendors::capillary,
};

/// A folder that the server's user may enter when the tests run as root; it goes with the test.
struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("hiersync-own-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    /// The programs of this server, by their command lines: those that name the folder or work in it.
    fn programs(&self) -> Vec<(u32, String)> {
        let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        processes.filter_map(|pid: u32| Some((pid, of_this_home(&self.0, pid)?))).collect()
    }

    fn servers(&self) -> Vec<u32> {
        let pgdata = self.0.join("pgdata");
        let is_server = |line: &str| line.contains("postgres -D ") && line.contains(pgdata.to_str().unwrap());
        self.programs().into_iter().filter(|(_, line)| is_server(line)).map(|(pid, _)| pid).collect()
    }

    async fn is_left(&self) {
        until("nothing is left running", seconds(15), async || self.programs().is_empty()).await;
    }
}

fn of_this_home(home: &Path, pid: u32) -> Option<String> {
    let process = Path::new("/proc").join(pid.to_string());
    let arguments = fs::read(process.join("cmdline")).ok()?;
    let line = String::from_utf8_lossy(&arguments).replace('\0', " ");
    let works_there = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(home));
    (!line.is_empty() && (works_there || line.contains(home.to_str()?))).then_some(line)
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn assert_true(pool: &PgPool, vendor: &CapillarySim) {
    let truth = {
        let world = vendor.world();
        world.truth(world.roots())
    };
    assert_customers(pool, &truth).await;
}

/// A daemon that only keeps the server up.
async fn keeper(program: &Program) -> Running {
    let daemon = Running::start(program, &["daemon"]);
    daemon.says("INFO ready", seconds(60)).await;
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_with_the_first_program_and_goes_with_the_last() {
    let (home, vendor) = (Home::new(), capillary(20).await);
    let case = Case::own(&home.0).customers(&vendor, "");
    let program = Program::of(&case);
    let ended = program.run(&["sync"]).await;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    assert_eq!(home.servers(), Vec::<u32>::new());
    home.is_left().await;

    let daemon = keeper(&program).await;
    // The URL as other tools get it.
    let url = program.run(&["url"]).await;
    assert_eq!(url.code, 0);
    let query = "select count(*) from hiersync.customer";
    let psql = std::process::Command::new("psql").args([url.out.trim(), "-XAtc", query]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&psql.stdout), "21\n", "{psql:?}");

    // Two share one server.
    let server = home.servers();
    assert_eq!(server.len(), 1, "{:?}", home.programs());
    let ended = program.run(&["sync"]).await;
    assert!(ended.code == 0 && ended.out.contains("21 unchanged"), "{ended:?}");
    assert_eq!(home.servers(), server);

    let pool = PgPool::connect(url.out.trim()).await.unwrap();
    assert_true(&pool, &vendor).await;
    for (setting, value) in [("listen_addresses", ""), ("fsync", "on"), ("full_page_writes", "on"), ("data_checksums", "on")] {
        let shown: String = sqlx::query_scalar("select current_setting($1)").bind(setting).fetch_one(&pool).await.unwrap();
        assert_eq!(shown, value, "{setting}");
    }
    pool.close().await;
    let (ended, took) = daemon.stop("-TERM", seconds(15)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(took < seconds(10), "{took:?}");
    assert_eq!(home.servers(), Vec::<u32>::new());
    home.is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_no_user_that_is_killed() {
    let (home, vendor) = (Home::new(), capillary(60).await);
    let case = Case::own(&home.0).customers(&vendor, "page_size = 5");
    let program = Program::of(&case);
    vendor.door().set_latency(Latency::Fixed(millis(20)));
    let syncing = Running::start(&program, &["sync"]);
    until("the walk is under way", seconds(60), async || vendor.door().calls() > 8).await;
    syncing.kill().await;
    home.is_left().await;

    let ended = program.run(&["status"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("customers"), "{ended:?}");
    let ended = program.run(&["sync"]).await;
    assert!(ended.code == 0 && ended.out.contains("customers: complete"), "{ended:?}");
    let daemon = keeper(&program).await;
    let pool = case.pool().await;
    assert_true(&pool, &vendor).await;
    let outcomes: Vec<String> = sqlx::query_scalar("select outcome from hiersync.sync_run order by run_id").fetch_all(&pool).await.unwrap();
    assert_eq!(outcomes, ["abandoned", "complete"]);
    pool.close().await;
    daemon.kill().await;
    home.is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_mid_sync_costs_no_truth() {
    let (home, vendor) = (Home::new(), capillary(120).await);
    let undisturbed = Case::new().await.customers(&vendor, "page_size = 5");
    assert_eq!(Program::of(&undisturbed).run(&["sync"]).await.code, 0);
    let truth = everything(&undisturbed.pool().await).await;

    let case = Case::own(&home.0).customers(&vendor, "page_size = 5");
    let program = Program::of(&case);
    vendor.door().clear_log();
    vendor.door().set_latency(Latency::Fixed(millis(20)));
    let syncing = Running::start(&program, &["sync"]);
    until("the walk is under way", seconds(60), async || vendor.door().calls() > 12).await;
    send("-KILL", home.servers()[0]);
    let ended = syncing.end(seconds(60)).await;
    assert!([0, 69].contains(&ended.code), "{ended:?}");
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");

    let daemon = keeper(&program).await;
    let pool = case.pool().await;
    let found = everything(&pool).await;
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run where outcome is null").await, 0);
    pool.close().await;
    daemon.stop("-TERM", seconds(15)).await;
    for part in ["customers", "links", "changes"] {
        assert_eq!(found[part], truth[part], "{part}");
    }
    home.is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_server_is_told_with_what_to_do() {
    let (home, vendor) = (Home::new(), capillary(5).await);
    let case = Case::own(&home.0).customers(&vendor, "");
    let program = Program::edited(&case, |config| config.replace("[database]", "[database]\npg_bin = \"/nowhere/bin\""));
    for verb in ["sync", "daemon"] {
        let ended = Running::start(&program, &[verb]).end(seconds(20)).await;
        assert_eq!(ended.code, 78, "{ended:?}");
        for word in ["/nowhere/bin", "[database].pg_bin", "[database].url"] {
            assert!(ended.err.contains(word), "{word}: {ended:?}");
        }
    }
    home.is_left().await;
    assert_eq!(vendor.door().calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_libpq_lead_nobody_astray() {
    let (home, vendor) = (Home::new(), capillary(20).await);
    let case = Case::own(&home.0).customers(&vendor, "");
    let variables = [
        ("PGHOST", "example.invalid"),
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGPORT", "1"),
        ("PGUSER", "nobody"),
        ("PGDATABASE", "nothing"),
        ("PGSSLMODE", "require"),
        ("PGOPTIONS", "-c default_transaction_read_only=on -c no_such_setting=1"),
        ("PGTARGETSESSIONATTRS", "read-only"),
        ("PGCHANNELBINDING", "require"),
        ("PGREQUIREPEER", "nobody"),
    ];
    let program = variables.iter().fold(Program::of(&case), |program, (name, value)| program.with(name, value));
    let daemon = keeper(&program).await;
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let url = program.run(&["url"]).await;
    let mut psql = std::process::Command::new("psql");
    psql.args([url.out.trim(), "-XAtc", "select count(*) from hiersync.customer"]).envs(variables);
    let psql = psql.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&psql.stdout), "21\n", "{psql:?}");
    daemon.stop("-TERM", seconds(15)).await;
    home.is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_somebody_has_opened_are_closed_again_and_that_is_said() {
    let (home, vendor) = (Home::new(), capillary(20).await);
    let program = Program::of(&Case::own(&home.0).customers(&vendor, ""));
    assert_eq!(program.run(&["sync"]).await.code, 0);
    home.is_left().await;
    let pgdata = home.0.join("pgdata");
    for folder in [&home.0, &pgdata] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o2770)).unwrap();
    }
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.err.matches("the folder was open to others: it is closed again").count(), 2, "{ended:?}");
    assert_eq!(fs::metadata(&pgdata).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(&home.0).unwrap().mode() & 0o7066, 0);
    home.is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_somebody_elses_is_left_as_it_is() {
    let (home, vendor) = (Home::new(), capillary(5).await);
    let of_theirs = home.0.join("run");
    fs::create_dir_all(&of_theirs).unwrap();
    for folder in [&home.0, &of_theirs] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o775)).unwrap();
    }
    let look = || [&home.0, &of_theirs].map(|folder| fs::metadata(folder).map(|meta| (meta.mode(), meta.uid(), meta.gid())).unwrap());
    let before = look();
    let program = Program::of(&Case::own(&home.0).customers(&vendor, ""));
    for args in [&["sync"][..], &["check", "--offline"], &["daemon"]] {
        let ended = program.run(args).await;
        assert_eq!(ended.code, 78, "{ended:?}");
        assert!(format!("{}{}", ended.out, ended.err).contains("holds other things"), "{ended:?}");
    }
    assert_eq!((look(), fs::read_dir(&home.0).unwrap().count()), (before, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_program_is_asked_for_its_version_without_our_secrets_and_not_as_root() {
    let (home, programs, vendor) = (Home::new(), Home::new(), capillary(5).await);
    fs::create_dir(&programs.0).unwrap();
    fs::set_permissions(&programs.0, fs::Permissions::from_mode(0o777)).unwrap();
    let script = "#!/bin/sh\n(id -u; env) > \"$(dirname \"$0\")/seen\"\necho 'postgres (PostgreSQL) 17.1'\n";
    for name in ["postgres", "initdb"] {
        fs::write(programs.0.join(name), script).unwrap();
        fs::set_permissions(programs.0.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let bin = format!("[database]\npg_bin = \"{}\"", programs.0.display());
    let program = Program::edited(&Case::own(&home.0).customers(&vendor, ""), |config| config.replace("[database]", &bin));
    let ended = program.run(&["check", "--offline"]).await;
    assert_ne!(ended.code, 0, "{ended:?}");
    let seen = fs::read_to_string(programs.0.join("seen")).unwrap();
    assert!(!seen.contains("HIERSYNC_") && !seen.starts_with("0\n"), "{seen}");
    home.is_left().await;
}
