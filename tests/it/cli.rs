//! The command line: exit codes, what is told where, and what is never told.

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use hiersync::{
    clock,
    simulator::{
        answer::Answer,
        capillary::{CapillarySim, refusals},
        change::Stamp,
        door::Latency,
        forest::Place,
        leadsquared::LeadSquaredSim,
        mishap::Mishap,
        shape::Shape,
    },
};
use regex_lite::Regex;
use serde_json::Value;
use sqlx::{PgPool, Row};
use tokio::net::TcpSocket;
use url::Url;

use crate::harness::{
    case::Case,
    program::{Ended, Program, run},
    running::Running,
    tables::{count, everything},
    until::{millis, seconds, until},
    vendors::{capillary, capillary_of, leadsquared},
};

/// Asserts the exit code.
fn ends(ended: &Ended, code: i32) {
    assert_eq!(ended.code, code, "{ended:?}");
}

/// Asserts that all these words are there.
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

async fn outcomes(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select coalesce(outcome, 'open') from hiersync.sync_run order by source_id, run_id").fetch_all(pool).await.unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn root_mobile(vendor: &CapillarySim) -> String {
    let world = vendor.world();
    world.identifier(world.roots()[0], &["mobile"]).unwrap().1
}

// What people type.

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_wrongly_is_usage() {
    let program = Program::with_config("", Vec::new());
    for args in
        [&["snyc"][..], &["sync", "--max-cals", "3"], &["sync", "--max-calls", "0"], &["completions", "cobol"], &["runs", "--limit"], &[]]
    {
        let ended = program.run(args).await;
        ends(&ended, 64);
        assert!(ended.out.is_empty() && !ended.err.is_empty(), "{ended:?}");
    }
    let ended = program.run(&["runs", "--limit", "\u{1b}]0;x\u{7}\u{202e}"]).await;
    ends(&ended, 64);
    assert!(!ended.err.contains(['\u{1b}', '\u{7}', '\u{202e}']) && ended.err.contains("\\u{202e}"), "{ended:?}");
    let mut command = program.command(&["--version"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap()).stderr(std::process::Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(70));
    for args in [&["--help"][..], &["--version"], &["sync", "--help"]] {
        let ended = program.run(args).await;
        ends(&ended, 0);
        assert!(ended.err.is_empty() && ended.out.contains("hiersync"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_the_config_lacks_is_usage() {
    let vendor = capillary(5).await;
    let program = Program::of(&Case::new().await.customers(&vendor, ""));
    let ended = program.run(&["sync", "customers", "sales"]).await;
    ends(&ended, 64);
    has(&ended.err, &["sales", "customers"]);
    assert_eq!(vendor.door().calls(), 0);
    for verb in ["findings", "runs", "changes"] {
        let ended = program.run(&[verb, "custmers"]).await;
        ends(&ended, 64);
        has(&ended.err, &["custmers", "customers"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_for_each_shell() {
    let program = Program::with_config("", Vec::new());
    for (shell, word) in [("bash", "complete"), ("zsh", "#compdef hiersync"), ("fish", "complete -c hiersync")] {
        let ended = program.run(&["completions", shell]).await;
        ends(&ended, 0);
        has(&ended.out, &[word, "sync"]);
    }
}

// The config.

#[tokio::test(flavor = "multi_thread")]
async fn without_a_config_all_places_are_named() {
    let program = Program::with_config("", Vec::new());
    std::fs::remove_file(program.config_file()).unwrap();
    let mut command = program.bare_command();
    command.arg("sync");
    let ended = run(command).await;
    ends(&ended, 78);
    has(&ended.err, &["--config", "HIERSYNC_CONFIG", "./hiersync.toml", "/etc/hiersync/hiersync.toml", "hiersync init"]);

    let mut command = program.bare_command();
    command.env("HIERSYNC_CONFIG", "/nowhere/ours.toml").arg("sync");
    let ended = run(command).await;
    ends(&ended, 78);
    has(&ended.err, &["/nowhere/ours.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_config_is_found_in_its_places() {
    let vendor = capillary(5).await;
    let program = Program::of(&Case::new().await.customers(&vendor, ""));
    let mut command = program.bare_command();
    command.arg("sync");
    ends(&run(command).await, 0);
    let mut command = program.bare_command();
    command.env("HIERSYNC_CONFIG", program.config_file()).current_dir("/").arg("sync");
    ends(&run(command).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_faults_of_a_config_come_at_once_and_no_secret_with_them() {
    let config = r#"[database]
url = "postgres://u:hunter2@db/d"
[[source]]
name = "Sales"
vendor = "leadsquared"
base_url = "http://api.example.com"
roots = ["jane@example.com"]
hierarchy_path = "/x"
limits = ["25"]
secret_key = "hunter3"
colour = 1
"#;
    let program = Program::with_config(config, Vec::new());
    for verb in ["sync", "daemon", "check", "status", "url"] {
        let ended = program.run(&[verb]).await;
        ends(&ended, 78);
        assert!(ended.out.is_empty(), "{ended:?}");
        has(&ended.err, &["line 2: database.url", "line 4: ", "line 6: ", "line 7: ", "line 9: ", "line 10: ", "line 11: ", "HIERSYNC_"]);
        assert!(!ended.err.contains("hunter"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_names_its_file_and_its_variable() {
    let (customers, users) = (capillary(5).await, leadsquared(5).await);
    let case = Case::new().await.customers(&customers, "").users(&users, "");
    let program = Program::of(&case).without("HIERSYNC_SALES_SECRET_KEY").with("CREDENTIALS_DIRECTORY", "/nowhere");
    for verb in ["sync", "check"] {
        let ended = program.run(&[verb]).await;
        ends(&ended, 78);
        has(&ended.err, &["/nowhere/sales.secret_key", "HIERSYNC_SALES_SECRET_KEY"]);
    }
    assert_eq!(users.door().calls(), 0);
    // The other source has all its secrets.
    assert!(customers.door().calls() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_from_the_credentials_directory() {
    let users = leadsquared(5).await;
    let case = Case::new().await.users(&users, "");
    let folder = tempfile::tempdir().unwrap();
    for (name, variable) in [("sales.access_key", "HIERSYNC_SALES_ACCESS_KEY"), ("sales.secret_key", "HIERSYNC_SALES_SECRET_KEY")] {
        std::fs::write(folder.path().join(name), format!("{}\n", case.variables()[variable])).unwrap();
    }
    // A variable beside a file does not count.
    let program = Program::of(&case)
        .without("HIERSYNC_SALES_SECRET_KEY")
        .with("HIERSYNC_SALES_ACCESS_KEY", "wrong")
        .with("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap());
    ends(&program.run(&["sync"]).await, 0);
}

// The database.

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_database_url_is_config() {
    let vendor = capillary(5).await;
    for url in ["mysql://db/d", "db.example.com", "postgres://u@db:port/d", "postgres://u@db/d?sslmode=perhaps"] {
        let program = Program::of(&Case::at(url).customers(&vendor, ""));
        for verb in ["sync", "status", "check"] {
            ends(&program.run(&[verb]).await, 78);
        }
    }
    assert_eq!(vendor.door().calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_nobody_serves_is_unavailable() {
    let vendor = capillary(5).await;
    let port = free_port();
    let program = Program::of(&Case::at(&format!("postgres://u@127.0.0.1:{port}/mirror")).customers(&vendor, ""))
        .with("HIERSYNC_DATABASE_PASSWORD", "hunter2");
    let began = clock::instant();
    let ended = program.run(&["sync"]).await;
    ends(&ended, 69);
    assert!(began.elapsed() < seconds(20), "{:?}", began.elapsed());
    has(&ended.err, &[&format!("127.0.0.1:{port}"), "mirror", "refused"]);
    assert!(!ended.err.contains("hunter2") && ended.out.is_empty(), "{ended:?}");
    assert_eq!(vendor.door().calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_the_password_is_refused_credentials_and_says_so() {
    let vendor = capillary(5).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u@{}/mirror", listener.local_addr().unwrap());
    let program = Program::of(&Case::at(&url).customers(&vendor, "")).with("HIERSYNC_DATABASE_PASSWORD", "hunter2");
    let ended = tokio::select! {
        ended = program.run(&["sync"]) => ended,
        () = refuse_passwords(listener) => unreachable!(),
    };
    ends(&ended, 77);
    has(&ended.err, &["password authentication failed", "mirror"]);
    assert!(!ended.err.contains("hunter2"), "{ended:?}");
}

/// A server that speaks just enough of Postgres' protocol to want a password and to refuse it.
async fn refuse_passwords(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 8];
        while stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let mut rest = vec![0; length - 8];
            stream.read_exact(&mut rest).await.unwrap();
            if head[4..] == 80_877_103_u32.to_be_bytes() {
                stream.write_all(b"N").await.unwrap();
                continue;
            }
            stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await.unwrap();
            let mut password = [0; 256];
            let _ = stream.read(&mut password).await.unwrap();
            let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"u\"\0\0";
            let mut message = b"E".to_vec();
            message.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
            message.extend(fields);
            stream.write_all(&message).await.unwrap();
            break;
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

// The vendor.

/// What must not be told of a failure, and nowhere else.
async fn says_no_secret(case: &Case, ended: &Ended, secrets: &[&str]) {
    let errors: Vec<String> =
        sqlx::query_scalar("select error from hiersync.sync_run where error is not null").fetch_all(&case.pool().await).await.unwrap();
    let told = format!("{}{}{}", ended.out, ended.err, errors.join("\n"));
    for secret in secrets.iter().copied().chain(case.variables().values().map(String::as_str)) {
        assert!(!told.contains(secret), "{secret:?} is told: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_told_apart() {
    let (customers, users) = (capillary(5).await, leadsquared(5).await);
    let case = Case::new().await.customers(&customers, "").users(&users, "");
    let program = Program::of(&case).with("HIERSYNC_CUSTOMERS_PASSWORD", "hunter2").with("HIERSYNC_SALES_SECRET_KEY", "hunter3");
    for verb in ["sync", "check"] {
        for source in ["customers", "sales"] {
            let args = if verb == "sync" { vec![verb, source] } else { vec![verb] };
            let ended = program.run(&args).await;
            ends(&ended, 77);
            has(&format!("{}{}", ended.out, ended.err), &[source, "credentials"]);
            says_no_secret(&case, &ended, &["hunter2", "hunter3", "demo.till", &root_mobile(&customers)]).await;
        }
    }
    assert_eq!(outcomes(&case.pool().await).await, ["failed", "failed"]);
    // Asking again would not help, and may lock the account.
    assert!(customers.door().calls() <= 4 && users.door().calls() <= 4, "{} {}", customers.door().calls(), users.door().calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_fails_for_good_ends_a_sync_within_a_minute() {
    let (pages, silent, down) = tokio::join!(
        fails_for_good(async |vendor| vendor.faults().next(usize::MAX, Answer::html(200))),
        fails_for_good(async |vendor| vendor.door().set_latency(Latency::Fixed(Duration::from_secs(60)))),
        fails_for_good(async |vendor| vendor.faults().next(usize::MAX, Mishap::HangUp)),
    );
    // An answer has come.
    has(&pages, &["a page instead of data", "cannot be read"]);
    assert!(!pages.contains("not available"), "{pages}");
    for told in [silent, down] {
        has(&told, &["not available"]);
    }
}

/// Spoils both vendors; gives what the program says of the customers'.
async fn fails_for_good(spoil: impl AsyncFn(&dyn Spoilt)) -> String {
    let (customers, users) = (capillary(5).await, leadsquared(5).await);
    spoil(&customers).await;
    spoil(&users).await;
    let case = Case::new().await.customers(&customers, "timeout = \"1s\"").users(&users, "timeout = \"1s\"");
    let program = Program::of(&case).with("HIERSYNC_LOG", "debug");
    let began = clock::instant();
    let ended = program.run(&["sync"]).await;
    assert!(began.elapsed() < seconds(60), "{:?}", began.elapsed());
    ends(&ended, 69);
    says_no_secret(&case, &ended, &["demo.till", "<!DOCTYPE", "<html", &root_mobile(&customers)]).await;
    assert_eq!(outcomes(&case.pool().await).await, ["failed", "failed"]);
    ended.out
}

/// What both vendors have.
trait Spoilt {
    fn faults(&self) -> &hiersync::simulator::faults::Faults;
    fn door(&self) -> &hiersync::simulator::door::Door;
}

impl Spoilt for CapillarySim {
    fn faults(&self) -> &hiersync::simulator::faults::Faults {
        CapillarySim::faults(self)
    }
    fn door(&self) -> &hiersync::simulator::door::Door {
        CapillarySim::door(self)
    }
}

impl Spoilt for LeadSquaredSim {
    fn faults(&self) -> &hiersync::simulator::faults::Faults {
        LeadSquaredSim::faults(self)
    }
    fn door(&self) -> &hiersync::simulator::door::Door {
        LeadSquaredSim::door(self)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_down_is_told_in_one_line_without_its_url() {
    let users = leadsquared(5).await;
    let case = Case::new().await.users(&users, "timeout = \"1s\"\nkeys_in = \"query\"");
    let root = users.world().roots()[0].to_string();
    let place: Url = users.base_url().parse().unwrap();
    users.stop().await;
    // Held, and nobody listens: else another test's vendor may get it.
    let held = TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind((std::net::Ipv4Addr::LOCALHOST, place.port().unwrap()).into()).unwrap();
    let ended = Program::of(&case).run(&["sync"]).await;
    ends(&ended, 69);
    assert_eq!((ended.out.lines().count(), ended.err.lines().count()), (1, 1), "{ended:?}");
    for told in [&ended.out, &ended.err] {
        has(told, &["sales: failed", "not available"]);
    }
    says_no_secret(&case, &ended, &["accessKey", "AccessKey", &root]).await;
}

// How runs end.

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_says_how_it_ended_and_nothing_else() {
    let vendor = capillary(40).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case);
    for told in ["41 new, 0 changed, 0 unchanged", "0 new, 0 changed, 41 unchanged"] {
        let ended = program.run(&["sync"]).await;
        ends(&ended, 0);
        assert_eq!((ended.out.lines().count(), ended.err.as_str()), (1, ""), "{ended:?}");
        has(&ended.out, &["customers: complete", told]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_reached_is_partial() {
    let vendor = capillary_of(&[Shape::even(3, 3)]).await;
    let case = Case::new().await.customers(&vendor, "max_depth = 2");
    let ended = Program::of(&case).run(&["sync"]).await;
    ends(&ended, 3);
    has(&ended.out, &["customers: partial"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_by_calls_or_by_a_spent_budget_is_for_later() {
    let vendor = capillary(60).await;
    let case = Case::new().await.customers(&vendor, "page_size = 5");
    let program = Program::of(&case);
    let ended = program.run(&["sync", "--max-calls", "3"]).await;
    ends(&ended, 75);
    assert_eq!(vendor.door().calls(), 3);
    has(&ended.out, &["customers: stopped", "3 calls"]);

    let spent = Program::edited(&case, |config| config.replace("100000/1s", "5/1d"));
    let ended = spent.run(&["sync"]).await;
    ends(&ended, 75);
    // Those of the run before count, too.
    assert_eq!(vendor.door().calls(), 5);
    has(&ended.out, &["customers: throttled", "goes on from"]);
    has(&spent.run(&["status"]).await.out, &["throttled", "goes on from"]);

    ends(&program.run(&["sync"]).await, 0);
    let pool = case.pool().await;
    assert_eq!(outcomes(&pool).await, ["stopped", "throttled", "complete"]);
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_in_mid_walk_ends_a_sync_in_time_with_its_run_closed() {
    let (polite, keyboard) = (capillary(60).await, leadsquared(60).await);
    tokio::join!(async { stopped_by("-TERM", Case::new().await.customers(&polite, "page_size = 5"), polite.door()).await }, async {
        stopped_by("-INT", Case::new().await.users(&keyboard, ""), keyboard.door()).await
    },);
    // As when the terminal is closed.
    let closed = capillary(60).await;
    stopped_by("-HUP", Case::new().await.customers(&closed, "page_size = 5"), closed.door()).await;
}

/// The vendor has got very slow when the signal comes.
async fn stopped_by(signal: &str, case: Case, door: &hiersync::simulator::door::Door) {
    let program = Program::of(&case);
    door.set_latency(Latency::Fixed(millis(30)));
    let running = Running::start(&program, &["sync"]);
    until("some calls were answered", seconds(10), async || door.calls() > 5).await;
    door.set_latency(Latency::Fixed(seconds(29)));
    let before = door.calls();
    until("the slow answers are waited for", seconds(10), async || door.calls() > before).await;
    let (ended, took) = running.stop(signal, seconds(15)).await;
    ends(&ended, 75);
    assert!(took < seconds(10), "{took:?}");
    has(&ended.out, &["stopped"]);
    let pool = case.pool().await;
    assert_eq!(outcomes(&pool).await, ["stopped"]);

    door.set_latency(Latency::Fixed(Duration::ZERO));
    ends(&program.run(&["sync"]).await, 0);
    assert_eq!(count(&pool, "select count(distinct walk_id) from hiersync.sync_run").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_somebody_else_syncs_is_for_later() {
    let vendor = capillary(60).await;
    vendor.door().set_latency(Latency::Fixed(millis(100)));
    let case = Case::new().await.customers(&vendor, "page_size = 5");
    let program = Program::of(&case);
    let first = Running::start(&program, &["sync"]);
    until("the first has begun", seconds(10), async || vendor.door().calls() > 2).await;
    for args in [&["sync"][..], &["sync", "--dry-run"]] {
        let ended = program.run(args).await;
        ends(&ended, 75);
        has(&ended.err, &["customers", "someone else", &first.pid().to_string()]);
    }
    ends(&first.end(seconds(20)).await, 0);
    assert_eq!(outcomes(&case.pool().await).await, ["complete"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_sources_the_worst_counts() {
    let (customers, users) = (capillary_of(&[Shape::even(2, 2), Shape::even(2, 2)]).await, leadsquared(10).await);
    let case = Case::new().await.customers(&customers, "").customers_of_root("more", &customers, 1, "max_depth = 1").users(&users, "");
    let program = Program::of(&case);
    let ended = program.run(&["sync"]).await;
    ends(&ended, 3);
    has(&ended.out, &["customers: complete", "more: partial", "sales: complete"]);
    ends(&program.run(&["sync", "sales", "customers"]).await, 0);
    ends(&program.run(&["sync", "--max-calls", "1"]).await, 75);
    let refused = Program::of(&case).with("HIERSYNC_SALES_SECRET_KEY", "hunter3");
    let ended = refused.run(&["sync"]).await;
    ends(&ended, 77);
    has(&ended.out, &["customers: complete", "more: partial", "sales: failed"]);
    ends(&refused.without("HIERSYNC_MORE_PASSWORD").run(&["sync"]).await, 78);
}

// What is printed.

#[tokio::test(flavor = "multi_thread")]
async fn json_is_one_run_a_line_with_the_columns_of_its_table() {
    let (customers, users) = (capillary(20).await, leadsquared(20).await);
    let case = Case::new().await.customers(&customers, "").users(&users, "");
    let program = Program::of(&case);
    let ended = program.run(&["sync", "--json"]).await;
    ends(&ended, 0);
    assert_eq!(ended.err, "");
    let printed = lines(&ended.out);
    assert_eq!(printed.len(), 2, "{ended:?}");
    let columns = "run_id walk_id trigger started_at finished_at outcome requests throttled retried pages rows_seen inserted updated \
                   unchanged retired restored wait_ms fetch_ms write_ms error";
    let pool = case.pool().await;
    for row in &printed {
        let keys: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let missing: Vec<&str> = columns.split(' ').filter(|column| !keys.contains(column)).collect();
        assert!(missing.is_empty() && keys.contains("source"), "{missing:?} not in {keys:?}");
        let stored = "select outcome, requests, inserted, pages from hiersync.sync_run join hiersync.source using (source_id)
                      where name = $1 and run_id = $2 and finished_at is not null";
        let query = sqlx::query(stored).bind(row["source"].as_str()).bind(row["run_id"].as_i64());
        let stored = query.fetch_one(&pool).await.unwrap();
        assert_eq!(row["outcome"], stored.get::<String, _>(0));
        for (column, index) in [("requests", 1), ("inserted", 2), ("pages", 3)] {
            assert_eq!(row[column], stored.get::<i64, _>(index), "{column}");
        }
    }
    assert_eq!(lines(&program.run(&["runs", "--json"]).await.out).len(), 2);
    assert_eq!(lines(&program.run(&["runs", "sales", "--json"]).await.out).len(), 1);
    let changes = lines(&program.run(&["changes", "--json", "--limit", "1000"]).await.out);
    assert_eq!(i64::try_from(changes.len()).unwrap(), count(&pool, "select count(*) from hiersync.change").await);
    let status = lines(&program.run(&["status", "--json"]).await.out);
    assert_eq!((status.len(), status[0]["sources"].as_array().unwrap().len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_change_and_writes_nothing() {
    let vendor = capillary(20).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case);
    let pool = case.pool().await;
    let nothing = everything(&pool).await;
    let ended = program.run(&["sync", "--dry-run"]).await;
    ends(&ended, 0);
    assert_eq!(ended.err, "");
    assert_eq!(ended.out.lines().filter(|line| line.starts_with("insert customer ")).count(), 21, "{ended:?}");
    has(&ended.out, &["complete", "nothing written", "21 new"]);
    assert_eq!(everything(&pool).await, nothing);
    assert_eq!(count(&pool, "select count(*) from hiersync.sync_run").await, 0);

    let ended = program.run(&["sync", "--dry-run", "--json"]).await;
    ends(&ended, 0);
    let printed = lines(&ended.out);
    assert_eq!(printed.len(), 1);
    assert_eq!(printed[0]["changes"].as_array().unwrap().len(), 41);
    ends(&program.run(&["sync"]).await, 0);
    let after = everything(&pool).await;
    {
        let mut world = vendor.world();
        let child = world.children(world.roots()[0])[0];
        world.rename(child, "Asha", Stamp::Bump);
    }
    let ended = program.run(&["sync", "--dry-run"]).await;
    has(&ended.out, &["update customer", "first_name", "Asha", "1 changed"]);
    assert_eq!(everything(&pool).await, after);
}

/// Without what differs from run to run.
fn steady(text: &str) -> String {
    let rules = [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "2026-01-02 03:04:05Z"),
        (r"\b\d s ago", "0 s ago"),
        (r"\b\d\.\d s", "0.0 s"),
        // Told as one long value.
        (r" profiles: .*", " profiles: …"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME"),
        (r#""(fetch_ms|write_ms|wait_ms)":[0-9.]+"#, "\"$1\":0"),
    ];
    let replaced = rules.iter().fold(text.to_owned(), |text, (what, by)| Regex::new(what).unwrap().replace_all(&text, *by).into_owned());
    replaced.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_told_to_people() {
    let vendor = capillary_of(&[Shape::list(8)]).await;
    let case = Case::new().await.customers(&vendor, "limits = [\"100/1m\"]");
    let program = Program::of(&case);
    has(&program.run(&["status"]).await.out, &["nothing was synced yet"]);
    has(&program.run(&["changes"]).await.out, &["no changes"]);
    ends(&program.run(&["sync"]).await, 0);
    {
        let mut world = vendor.world();
        let root = world.roots()[0];
        let (edited, gone) = (world.children(root)[0], world.children(root)[1]);
        world.rename(edited, "Asha", Stamp::Bump);
        world.delete(gone);
        world.insert(root, Place::Last);
    }
    ends(&program.run(&["sync"]).await, 0);
    let told = async |args: &[&str]| {
        let ended = program.run(args).await;
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
        steady(&ended.out)
    };
    insta::assert_snapshot!(told(&["status"]).await, @r#"
    source     vendor     live nodes  complete  last run              outcome   next due  findings  note
    customers  capillary  9           0 s ago   2026-01-02 03:04:05Z  complete  by hand   0

    budget     window  used  free  note
    customers  100/1m  10    90
    "#);
    insta::assert_snapshot!(told(&["runs"]).await, @r#"
    run  source     trigger  started               outcome   calls  rows  new  changed  same  gone  back  waited  note
    2    customers  manual   2026-01-02 03:04:05Z  complete  6      18    1    1        7     1     0     0.0 s
    1    customers  manual   2026-01-02 03:04:05Z  complete  4      9     9    0        0     0     0     0.0 s
    "#);
    insta::assert_snapshot!(told(&["runs", "--limit", "1", "--json"]).await, @r#"
    {"error":null,"fetch_ms":0,"finished_at":"TIME","inserted":1,"is_refresh":false,"outcome":"complete","pages":4,"requests":6,"restored":0,"resume_at":null,"retired":1,"retried":0,"rows_seen":18,"run_id":2,"source":"customers","source_id":1,"started_at":"TIME","throttled":0,"trigger":"manual","unchanged":7,"updated":1,"wait_ms":0,"walk_id":2,"write_ms":0}
    "#);
    insta::assert_snapshot!(told(&["changes", "--run", "2"]).await, @r#"
    2026-01-02 03:04:05Z  run 2  customers  retire  customer_link  1278700919/2994061355
    2026-01-02 03:04:05Z  run 2  customers  retire  customer       2994061355
    2026-01-02 03:04:05Z  run 2  customers  insert  customer_link  1278700919/1434736185
    2026-01-02 03:04:05Z  run 2  customers  update  customer       1311338831             first_name: "Nadia" → "Asha"
    2026-01-02 03:04:05Z  run 2  customers  insert  customer       1434736185
    "#);
    insta::assert_snapshot!(told(&["changes", "--run", "2", "--limit", "1", "--json"]).await, @r#"
    {"change_id":22,"entity":"customer_link","fields":null,"key":"1278700919/2994061355","op":"retire","run_id":2,"seen_at":"TIME","source":"customers","vendor_time":null}
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_and_no_color_get_no_escapes() {
    let vendor = capillary(5).await;
    let case = Case::new().await.customers(&vendor, "");
    for program in [Program::of(&case).with("TERM", "xterm-256color"), Program::of(&case).with("NO_COLOR", "1")] {
        for args in ["sync", "status", "runs", "changes", "check", "--help", "snyc", "sync nobody", "url", "sync --dry-run --json"] {
            let ended = program.run(&args.split(' ').collect::<Vec<_>>()).await;
            assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'), "{args}: {ended:?}");
            assert!(!ended.out.is_empty() || !ended.err.is_empty(), "{args}");
        }
    }
}

// The other verbs.

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_a_file_that_can_be_read_and_overwrites_none() {
    let program = Program::with_config("mine", Vec::new());
    let folder = program.config_file().parent().unwrap().to_owned();
    let mut command = program.bare_command();
    command.arg("init");
    let ended = run(command).await;
    ends(&ended, 78);
    has(&ended.err, &["hiersync.toml", "not overwritten"]);
    assert_eq!(std::fs::read_to_string(program.config_file()).unwrap(), "mine");

    std::fs::remove_file(program.config_file()).unwrap();
    let mut command = program.bare_command();
    command.arg("init");
    let ended = run(command).await;
    ends(&ended, 0);
    has(&ended.out, &["hiersync.toml", "check"]);
    let written = std::fs::read_to_string(folder.join("hiersync.toml")).unwrap();
    // Everything after reading it wants secrets, which nobody has given.
    let without_database = written.replace("[database]", "[database]\nurl = \"postgres://u@127.0.0.1:1/d?sslmode=disable\"");
    std::fs::write(folder.join("hiersync.toml"), without_database).unwrap();
    let ended = program.run(&["check", "--offline"]).await;
    has(&ended.out, &["config: 2 sources"]);
    has(&ended.err, &["HIERSYNC_CUSTOMERS_PASSWORD", "HIERSYNC_SALES_ACCESS_KEY", "HIERSYNC_SALES_SECRET_KEY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_where_the_config_is_said_to_be() {
    let program = Program::with_config("mine", Vec::new());
    let folder = program.config_file().parent().unwrap().to_owned();
    let told = |args: &'static [&'static str]| {
        let mut command = program.bare_command();
        command.args(args);
        run(command)
    };
    ends(&told(&["init", "--config", "other.toml"]).await, 0);
    assert!(std::fs::read_to_string(folder.join("other.toml")).unwrap().contains("[[source]]"));
    ends(&told(&["--config", "this.toml", "init", "that.toml"]).await, 64);
    assert!(!folder.join("this.toml").exists() && !folder.join("that.toml").exists());
    assert_eq!(std::fs::read_to_string(program.config_file()).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_may_come_through_a_pipe() {
    let case = Case::at("postgres://bi@db.example.com/warehouse").customers(&capillary(5).await, "");
    let program = Program::of(&case);
    let pipe = program.config_file().with_file_name("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let text = std::fs::read_to_string(program.config_file()).unwrap();
    let writes = tokio::task::spawn_blocking({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, text).unwrap()
    });
    let mut command = program.bare_command();
    command.arg("--config").arg(&pipe).arg("url");
    let ended = run(command).await;
    assert_eq!((ended.code, ended.out.as_str()), (0, "postgres://bi@db.example.com/warehouse\n"), "{ended:?}");
    writes.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_table_could_answer_is_usage_and_names_what_was_typed() {
    let vendor = capillary(5).await;
    let case = Case::new().await.customers(&vendor, "");
    case.complete().await;
    let program = Program::of(&case);
    for args in [
        &["runs", "--limit=-1"][..],
        &["changes", "--limit=-1"],
        &["tree", "customers", "--at=-4714-01-01"],
        &["tree", "customers", "--at=+20000-01-01T00:00:00Z"],
    ] {
        ends(&program.run(args).await, 64);
    }
    let ended = program.run(&["refresh", "customers", "abc"]).await;
    ends(&ended, 64);
    has(&ended.err, &["no live node abc"]);
    let idle = Program::edited(&case, |config| config.replace("[[source]]", "[[source]]\nenabled = false"));
    let ended = idle.run(&["sync"]).await;
    ends(&ended, 0);
    has(&ended.err, &["no source is enabled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_file_is_told_with_its_own_remedy() {
    let vendor = capillary(5).await;
    let program = Program::of(&Case::new().await.customers(&vendor, ""));
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("customers.password")).unwrap();
    let ended = program.with("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap()).run(&["check", "--offline"]).await;
    ends(&ended, 78);
    has(&ended.err, &["customers.password", "directory", "write a file there"]);

    let program = Program::with_config("x", Vec::new());
    std::fs::write(program.config_file(), b"[database]\nurl = \"J\xFCrgen\"\n").unwrap();
    let ended = program.run(&["plan"]).await;
    ends(&ended, 78);
    has(&ended.err, &["hiersync.toml", "line 2", "save it as UTF-8"]);

    let program = Program::with_config("[database]\nurl = \"postgres://u@h/d?sslPassword=x\"\n[[source]]\nname = \"a\"\n", Vec::new());
    let ended = program.run(&["url"]).await;
    ends(&ended, 78);
    has(&ended.err, &["database.url: contains a password"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_is_for_other_tools() {
    let vendor = capillary(5).await;
    let ended = Program::of(&Case::at("postgres://bi@db.example.com/warehouse").customers(&vendor, ""))
        .with("HIERSYNC_DATABASE_PASSWORD", "hunter2")
        .run(&["url"])
        .await;
    assert_eq!((ended.code, ended.out.as_str()), (0, "postgres://bi@db.example.com/warehouse\n"));
    let folder = tempfile::tempdir().unwrap();
    let ended = Program::of(&Case::own(folder.path()).customers(&vendor, "")).run(&["url"]).await;
    ends(&ended, 0);
    assert_eq!(ended.out.lines().count(), 1);
    has(&ended.out, &["postgresql:///hiersync?host="]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a look starts nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_costs_one_call_per_source_and_writes_no_mirror() {
    let (basic, token, users) = (capillary(20).await, capillary(20).await, leadsquared(20).await);
    let case = Case::new().await.customers(&basic, "").users(&users, "");
    let program = Program::of(&case);
    let ended = program.run(&["check"]).await;
    ends(&ended, 0);
    has(&ended.out, &["config: 2 sources", "secrets: all there", "database: reached", "customers: ", "sales: "]);
    assert_eq!((basic.door().calls(), users.door().calls(), ended.err.as_str()), (1, 1, ""));
    let pool = case.pool().await;
    assert_eq!(count(&pool, "select count(*) from hiersync.customer").await, 0);
    assert_eq!(count(&pool, "select coalesce(sum(calls), 0)::bigint from hiersync_internal.budget_ledger").await, 2);

    let case = Case::new().await.customers(&token, "auth = \"oauth\"");
    ends(&Program::of(&case).run(&["check"]).await, 0);
    assert_eq!((token.door().calls_of("token"), token.door().calls()), (1, 2));
    ends(&Program::of(&case).run(&["check", "--offline"]).await, 0);
    assert_eq!(token.door().calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_and_what_to_do() {
    let (customers, users) = (capillary(5).await, leadsquared(5).await);
    let case = Case::new().await.customers(&customers, "timeout = \"1s\"").users(&users, "timeout = \"1s\"");
    let ended = Program::of(&case).with("HIERSYNC_SALES_ACCESS_KEY", "hunter2").run(&["check"]).await;
    ends(&ended, 77);
    has(&ended.out, &["well  customers: the vendor answers"]);
    has(&ended.err, &["act   sales: ", "check the source's secrets"]);
    assert!(!ended.err.contains("hunter2"), "{ended:?}");
    customers.stop().await;
    let ended = Program::of(&case).run(&["check"]).await;
    ends(&ended, 69);
    has(&ended.err, &["act   customers: ", "not available", "base_url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_without_a_database_tells_all_else() {
    let vendor = capillary(5).await;
    let url = format!("postgres://u@127.0.0.1:{}/d", free_port());
    let case = Case::at(&url).customers(&vendor, "schedule = \"0 3 * * *\"");
    let ended = Program::of(&case).run(&["check"]).await;
    ends(&ended, 69);
    has(&ended.err, &["act   database: cannot connect", "no vendor was asked"]);
    has(&ended.out, &["well  secrets: all there", "well  customers: is next due at "]);
    assert_eq!(vendor.door().calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_begins_with_what_blocks_and_tells_how_each_source_stands() {
    let (customers, users) = (capillary(5).await, leadsquared(5).await);
    let case = Case::new().await.customers(&customers, "timeout = \"1s\"").users(&users, "timeout = \"1s\"");
    let program = Program::of(&case);
    let lines = async |program: &Program| {
        // Both streams into one, as a terminal shows them.
        let mut command = program.command(&["check"]);
        let (mut read, write) = std::io::pipe().unwrap();
        let child = command.stdout(write.try_clone().unwrap()).stderr(write).spawn();
        drop(command);
        let told = tokio::task::spawn_blocking(move || std::io::read_to_string(&mut read).unwrap()).await.unwrap();
        child.unwrap().wait().unwrap();
        told.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let is = |told: &[String], line: &str| assert!(told.iter().any(|told| told.starts_with(line)), "{line}: {told:#?}");
    let told = lines(&program).await;
    is(&told, "look  customers: was never synced; `hiersync sync customers` does");
    ends(&program.run(&["sync", "customers"]).await, 0);
    ends(&program.run(&["pause", "customers"]).await, 0);
    users.stop().await;
    let told = lines(&Program::of(&case).with("HIERSYNC_CUSTOMERS_PASSWORD", "hunter2")).await;
    assert!(
        told[0].starts_with("act   customers: ") && told[1].starts_with("act   sales: "),
        "credentials block more than a vendor that is away: {told:#?}"
    );
    is(&told, "look  customers: paused since ");
    assert!(!told.iter().any(|line| line.contains("customers: was never synced")), "{told:#?}");
    let words: Vec<&str> = told.iter().map(|line| &line[..4]).collect();
    assert!(words.is_sorted(), "{told:#?}");
    let ended = Program::of(&case).with("HIERSYNC_CUSTOMERS_PASSWORD", "hunter2").run(&["sync", "customers"]).await;
    ends(&ended, 77);
    is(&lines(&program).await, "look  customers: the latest run failed: ");
}

/// Runs it with stdout in this file, and gives its exit code and stderr.
async fn printed_into(program: &Program, args: &[&str], file: std::fs::File) -> (i32, String) {
    let mut command = tokio::process::Command::from(program.command(args));
    let child = command.stdout(file).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().await.unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn full_disk() -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_one_message_and_no_sync_has_failed_for_it() {
    let vendor = capillary(20).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case);
    for args in [&["sync"][..], &["sync", "--json"]] {
        let (code, err) = printed_into(&program, args, full_disk()).await;
        assert_eq!((code, err.lines().count()), (0, 1), "{args:?}: {err}");
        assert!(err.contains("cannot be written: No space left on device"), "{err}");
    }
    for args in [
        &["status"][..],
        &["runs", "--json"],
        &["changes"],
        &["tree", "customers"],
        &["tree", "customers", "--json"],
        &["completions", "bash"],
        &["url"],
    ] {
        let (code, err) = printed_into(&program, args, full_disk()).await;
        assert!(code == 70 && !err.contains("panicked"), "{args:?}: {code}: {err}");
        assert_eq!(err.matches("No space left on device").count(), 1, "{args:?}: {err}");
    }
    assert_eq!(outcomes(&case.pool().await).await, ["complete", "complete"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let vendor = capillary(20).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case);
    assert_eq!(program.run(&["sync"]).await.code, 0);
    for args in [&["sync"][..], &["status"], &["runs"], &["changes", "--json"], &["findings"], &["completions", "zsh"], &["plan"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = tokio::process::Command::from(program.command(args));
        let child = command.stdout(writer).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stderr_that_is_full_ends_nothing() {
    let vendor = capillary(20).await;
    let case = Case::new().await.customers(&vendor, "");
    let program = Program::of(&case).with("HIERSYNC_LOG", "debug");
    let mut command = tokio::process::Command::from(program.command(&["sync"]));
    let child = command.stdout(std::process::Stdio::piped()).stderr(full_disk()).spawn().unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("customers: complete"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_says_why_on_stderr_once_for_each_source() {
    let vendor = capillary(5).await;
    vendor.faults().after(0, usize::MAX, refusals::failed());
    let case = Case::new().await.customers_as("one", &vendor, &[("mobile", &root_mobile(&vendor))], "");
    let case = case.customers_as("two", &vendor, &[("mobile", &root_mobile(&vendor))], "");
    for args in [&["sync"][..], &["sync", "--json"]] {
        let ended = Program::of(&case).run(args).await;
        assert_eq!(ended.code, 69, "{ended:?}");
        for source in ["one", "two"] {
            let told = ended.err.lines().filter(|line| line.starts_with(&format!("{source}: failed: the vendor is not available"))).count();
            assert_eq!(told, 1, "{args:?}: {ended:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_move_the_cursor_or_turn_the_writing_is_shown_as_an_escape() {
    let vendor = capillary(3).await;
    let case = Case::new().await.customers(&vendor, "");
    let (id, program) = {
        let world = vendor.world();
        (world.children(world.roots()[0])[0], Program::of(&case))
    };
    let evil = "A\u{9b}2J\u{202e}gro.\u{2066}\u{1b}[31m\u{feff}\u{85}";
    vendor.world().rename(id, evil, hiersync::simulator::change::Stamp::Bump);
    assert_eq!(program.run(&["sync"]).await.code, 0);
    vendor.world().rename(id, "Ana", hiersync::simulator::change::Stamp::Bump);
    assert_eq!(program.run(&["sync"]).await.code, 0);
    let is_evil = |sign: char| sign.is_control() && sign != '\n' || ['\u{202e}', '\u{2066}', '\u{feff}'].contains(&sign);
    vendor.world().rename(id, evil, hiersync::simulator::change::Stamp::Bump);
    let dry = program.run(&["sync", "--dry-run"]).await;
    assert_eq!(program.run(&["sync"]).await.code, 0);
    let mut shown = vec![dry];
    for args in [&["changes"][..], &["changes", "--json"], &["tree", "customers"], &["tree", "customers", "--json"]] {
        shown.push(program.run(args).await);
    }
    for ended in shown {
        assert!(ended.code == 0 && !ended.out.contains(is_evil), "{ended:?}");
        assert!(ended.out.contains("202e"), "{ended:?}");
    }
    let json = program.run(&["tree", "customers", "--json"]).await;
    assert!(lines(&json.out).iter().any(|line| line["name"].as_str().is_some_and(|name| name.contains(evil))), "JSON stays what it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_lose_what_comes_along_and_what_cannot_be_one_is_config() {
    let vendor = capillary(3).await;
    let case = Case::new().await.customers(&vendor, "");
    for secret in ["till-pass\n", "\u{feff}till-pass\r\n\r\n"] {
        let ended = Program::of(&case).with("HIERSYNC_CUSTOMERS_PASSWORD", secret).run(&["sync"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let calls = vendor.door().calls();
    for args in [&["sync"][..], &["check"], &["daemon"]] {
        let program = Program::edited(&case, |config| config.replace("[[source]]\n", "[[source]]\nschedule = \"0 0 1 1 *\"\n"));
        let ended = program.with("HIERSYNC_CUSTOMERS_PASSWORD", "till\npass").run(args).await;
        assert_eq!(ended.code, 78, "{args:?}: {ended:?}");
        assert!(format!("{}{}", ended.out, ended.err).contains("secret customers.password holds what it cannot"), "{ended:?}");
    }
    assert_eq!(vendor.door().calls(), calls, "no call is made with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_explains_a_failure_is_told_before_it_under_the_names_that_the_person_wrote() {
    let vendor = capillary(5).await;
    let case = Case::new().await.customers_below(&vendor, "mobile", "9990000000", "");
    let program = Program::of(&case);
    let ended = program.run(&["sync"]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    // The cause, what follows from it, how the run has ended.
    let told: Vec<&str> = ended.out.lines().collect();
    let begins = [
        "customers: root_unknown root mobile:9990000000: the id of this root could not be learned",
        "customers: list_refused root mobile:9990000000: this node's list could not be read",
        "customers: partial: 3 calls",
    ];
    assert!(told.len() == 3 && told.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{}", ended.out);
    let out = program.run(&["findings"]).await.out;
    let told: Vec<Vec<&str>> =
        out.lines().map(|line| line.split("  ").map(str::trim).filter(|part| !part.is_empty()).skip(1).collect()).collect();
    let begins =
        [["act", "customers", "root_unknown", "root mobile:9990000000"], ["look", "customers", "list_refused", "root mobile:9990000000"]];
    assert!(told.len() == 2 && told.iter().zip(begins).all(|(told, begin)| told.starts_with(&begin)), "{out}");
    // Logs hold nothing personal: they call the root as its tables do.
    assert!(ended.err.contains("root=-") && !ended.err.contains("9990000000"), "{}", ended.err);
    let run: Value = serde_json::from_str(&program.run(&["sync", "--json"]).await.out).unwrap();
    assert_eq!(run["outcome"], "partial");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_too_long_to_ask_by_is_a_fault_of_the_config() {
    let vendor = capillary(5).await;
    let case = Case::new().await.customers_below(&vendor, "externalId", &"9".repeat(1025), "");
    let ended = Program::of(&case).run(&["check", "--offline"]).await;
    assert_eq!(ended.code, 78, "{ended:?}");
    has(&ended.err, &["roots[1].value: is too long to ask by: 1025 bytes", "1024 bytes at most"]);
}
