//! A Postgres for the tests: `HIERSYNC_TEST_DATABASE_URL`, else a container where there is a Docker engine with an
//! image, else a private cluster from installed binaries. One server for all tests, one database for each. `script/servers`
//! runs tests on each kind.

use std::{
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use hiersync::{
    config::Prepared,
    embedded::{self, Embedded, Settings},
    store::connect::{self, Connections},
};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use testcontainers::{GenericImage, ImageExt, core::WaitFor, runners::AsyncRunner};
use tokio::sync::OnceCell;
use url::Url;

/// Image that is tried where there is a Docker engine.
const IMAGE: (&str, &str) = ("postgres", "15");

struct Server {
    /// Of a database from which others can be made.
    admin: Url,
    template: String,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A database of its own for one test, with the schema in it.
pub async fn fresh_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(start).await;
    let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    // Two copies of one template at once refuse each other.
    static COPYING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = COPYING.lock().await;
    admin(&server.admin, &format!("create database {name} template {}", server.template)).await;
    named(&server.admin, &name).to_string()
}

/// A database with the schema of a version that comes after this one.
pub async fn newer_database() -> String {
    let url = fresh_database().await;
    let later = "insert into hiersync._sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', true, '', 0)";
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::query(later).execute(&pool).await.unwrap();
    pool.close().await;
    url
}

/// The same database for another role.
pub fn url_for(direct: &str, role: &str) -> String {
    let mut url: Url = direct.parse().unwrap();
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(name, _)| name != "user").map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    url.query_pairs_mut().clear().extend_pairs(others);
    if url.set_username(role).is_err() {
        url.query_pairs_mut().append_pair("user", role);
    }
    url.into()
}

/// Empties a database: a new one for each seed would take longer than the seed.
pub async fn clear(database: &str) {
    let pool = PgPool::connect(database).await.unwrap();
    let tables: String = sqlx::query_scalar(
        "select string_agg(format('%I.%I', n.nspname, c.relname), ', ') from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('hiersync', 'hiersync_internal') and c.relkind = 'r' and c.relname not like '%migration%'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let statement = sqlx::AssertSqlSafe(format!("truncate {tables} restart identity"));
    sqlx::raw_sql(statement).execute(&pool).await.unwrap();
    pool.close().await;
}

/// The program's way to a database: by the pooler at `HIERSYNC_TEST_POOLER_URL`, where there is one. The tests go directly.
pub fn by_the_pooler(database: &str) -> String {
    let Ok(pooler) = std::env::var("HIERSYNC_TEST_POOLER_URL") else { return database.to_owned() };
    let (pooler, database): (Url, Url) = (pooler.parse().unwrap(), database.parse().unwrap());
    named(&pooler, database.path().trim_start_matches('/')).to_string()
}

async fn start() -> Server {
    let (admin_url, kind) = match std::env::var("HIERSYNC_TEST_DATABASE_URL") {
        Ok(url) => (url, "HIERSYNC_TEST_DATABASE_URL"),
        Err(_) => match container().await {
            Ok(url) => (url, "a container"),
            Err(why) => {
                eprintln!("no container for the tests: {why}");
                (private_cluster().await, "a private cluster")
            }
        },
    };
    eprintln!("the tests' Postgres is {kind}");
    let admin_url: Url = admin_url.parse().unwrap();
    let template = format!("hiersync_template_{}", std::process::id());
    // An earlier process of this number may have left one on a server that stays.
    admin(&admin_url, &format!("drop database if exists {template}")).await;
    admin(&admin_url, &format!("create database {template} template template0")).await;
    let pool = connect::open(named(&admin_url, &template).as_str(), None, at_most(2)).await.unwrap();
    // A source that a test has made was there for long: a daemon makes up what it has missed.
    sqlx::raw_sql("alter table hiersync_internal.source_state alter first_seen_at set default '2000-01-01'").execute(&pool).await.unwrap();
    pool.close().await;
    Server { admin: admin_url, template }
}

/// So many connections, as a config without the key has them.
pub fn at_most(most: u32) -> Connections {
    Connections { most, prepared: Prepared::Auto }
}

fn named(url: &Url, database: &str) -> Url {
    let mut url = url.clone();
    url.set_path(&format!("/{database}"));
    url
}

async fn admin(url: &Url, statement: &str) {
    let options: PgConnectOptions = url.as_str().parse().unwrap();
    let mut connection: PgConnection = options.connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A server in a container, or why there is none.
async fn container() -> Result<String, String> {
    let socket = Path::new("/var/run/docker.sock");
    UnixStream::connect(socket).map_err(|error| format!("no Docker engine at {}: {error}", socket.display()))?;
    let has_image = Command::new("docker").args(["image", "inspect", &format!("{}:{}", IMAGE.0, IMAGE.1)]).stdout(Stdio::null()).status();
    if !has_image.is_ok_and(|status| status.success()) {
        return Err(format!("the engine has no image {}:{}", IMAGE.0, IMAGE.1));
    }
    let ready = WaitFor::message_on_stderr("database system is ready to accept connections");
    let image = GenericImage::new(IMAGE.0, IMAGE.1).with_wait_for(ready.clone()).with_wait_for(ready);
    let container = image.with_env_var("POSTGRES_HOST_AUTH_METHOD", "trust").start().await.map_err(|error| error.to_string())?;
    let port = container.get_host_port_ipv4(5432).await.map_err(|error| error.to_string())?;
    remove_at_exit(container.id());
    // Its handle would remove it at the end of this test, not of all.
    std::mem::forget(container);
    Ok(format!("postgres://postgres@127.0.0.1:{port}/postgres"))
}

/// What a static holds is never dropped: a shell waits for this process to end and removes the container.
fn remove_at_exit(id: &str) {
    let script = format!("while kill -0 {} 2>/dev/null; do sleep 1; done; docker rm -fv {id}", std::process::id());
    let mut watcher = Command::new("sh");
    watcher.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // An interruption ends our group. It outlives this process, whose children nobody waits for any more.
    std::mem::forget(watcher.process_group(0).spawn().unwrap());
}

/// A cluster of our own, which ends with this process.
async fn private_cluster() -> String {
    forget_old_ones();
    let dir = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
    let settings = Settings { dir: dir.clone(), pg_bin: None, supervisor: PathBuf::from(env!("CARGO_BIN_EXE_hiersync")) };
    let embedded = Embedded::start(&settings).await.unwrap();
    // The lock that keeps the server up goes with the process.
    std::mem::forget(embedded);
    let url = embedded::url(&dir);
    // Throw-away data: what a crash of the machine would lose is of no interest.
    let as_url: Url = url.parse().unwrap();
    for setting in ["fsync = off", "synchronous_commit = off", "full_page_writes = off"] {
        admin(&as_url, &format!("alter system set {setting}")).await;
    }
    admin(&as_url, "select pg_reload_conf()").await;
    url
}

const FOLDER: &str = "hiersync-test-";

/// Removes the folders of test runs that have ended.
fn forget_old_ones() {
    for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix(FOLDER) else { continue };
        if !Path::new("/proc").join(pid).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
