//! `init` on a terminal: it asks, checks, and writes what works.

use std::{collections::HashMap, os::unix::fs::PermissionsExt, path::Path};

use crate::harness::{
    case::Case,
    program::{Program, run},
    tables::count,
    terminal::Terminal,
    vendors::{capillary, leadsquared},
};

/// Answers that take what is suggested.
const ENTER: &str = "\r";

/// The next of two.
const SECOND: &str = "\u{1b}[B\r";

/// A program in a folder without a config, with these variables.
fn nowhere(variables: &[(String, String)]) -> Program {
    let program = Program::with_config("", variables.to_vec());
    std::fs::remove_file(program.config_file()).unwrap();
    program
}

/// The value of a key in the case's config.
fn said(case: &Case, key: &str) -> String {
    let config = case.config();
    let line = config.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('=')).unwrap();
    line.trim().trim_matches(['"', '[', ']']).trim_matches('"').to_owned()
}

/// Takes what is suggested to each of these.
async fn enter(terminal: &mut Terminal, questions: &[&str]) {
    for question in questions {
        terminal.answer(question, ENTER).await;
    }
}

/// Gives the secrets, with this secret key of LeadSquared's.
async fn secrets(terminal: &mut Terminal, folder: &Path, all: &HashMap<String, String>, secret_key: &str) {
    terminal.answer("Where do secrets live?", ENTER).await;
    terminal.answer("Folder of the secrets", "~/secrets\r").await;
    terminal.answer("write its whole path", "/proc/secrets\r").await;
    terminal.answer("cannot write there", &format!("{}\r", folder.display())).await;
    terminal.answer("database.password", ENTER).await;
    terminal.answer("customers.password", &format!("{}\r", all["HIERSYNC_CUSTOMERS_PASSWORD"])).await;
    terminal.answer("sales.access_key", &format!("{}\r", all["HIERSYNC_SALES_ACCESS_KEY"])).await;
    terminal.answer("sales.secret_key", &format!("{secret_key}\r")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_on_a_terminal_is_checked_written_and_works() {
    let (vendor, users) = (capillary(20).await, leadsquared(20).await);
    let (customers, sales) = (Case::new().await.customers(&vendor, ""), Case::new().await.users(&users, ""));
    let root = customers.config().split_once("value = \"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let program = nowhere(&[]);
    let folder = program.config_file().parent().unwrap().join("etc/secrets");
    let mut command = program.bare_command();
    command.arg("init");
    let mut terminal = Terminal::start(command);
    terminal.answer("Postgres URL", "mysql://nowhere\r").await;
    // What is wrong is told at once, and asked again.
    terminal.answer("is not a Postgres URL", &format!("{}\r", customers.url)).await;

    terminal.answer("Vendor of source 1", ENTER).await;
    terminal.answer("Its name", ENTER).await;
    terminal.answer("Host of its API", &format!("{}\r", said(&customers, "base_url"))).await;
    terminal.answer("Roots: customers", &format!("externalId=nobody-{root}\r")).await;
    terminal.answer("basic or oauth", ENTER).await;
    terminal.answer("till", &format!("{}\r", said(&customers, "till"))).await;
    terminal.answer("What the vendor allows", "100/1s\r").await;
    terminal.answer("When to read it", "0 3 * * *\r").await;
    terminal.answer("Zone", "Europe/Berlin\r").await;
    terminal.answer("Another source?", "y").await;

    terminal.answer("Vendor of source 2", SECOND).await;
    terminal.answer("Its name", ENTER).await;
    terminal.answer("Host of its API", &format!("{}\r", said(&sales, "base_url"))).await;
    terminal.answer("Roots: UserIds", &format!("{}\r", said(&sales, "roots"))).await;
    terminal.answer("Path of", &format!("{}\r", said(&sales, "hierarchy_path"))).await;
    terminal.answer("What the vendor allows", ENTER).await;
    terminal.answer("When to read it", "none\r").await;
    terminal.answer("Another source?", "n").await;

    let all: HashMap<String, String> = customers.variables().iter().chain(sales.variables()).map(|(a, b)| (a.clone(), b.clone())).collect();
    secrets(&mut terminal, &folder, &all, "wrong").await;

    // Nothing is written while something blocks; each answer is suggested again.
    terminal.sees("act   sales: ").await;
    terminal.answer("Write the file all the same?", "n").await;
    let files = std::fs::read_dir(program.config_file().parent().unwrap()).unwrap().count();
    assert!(!program.config_file().exists() && !folder.exists() && files == 0);
    enter(&mut terminal, &["Postgres URL", "Vendor of source 1", "Its name", "Host"]).await;
    terminal.answer("Roots", &format!("mobile={root}\r")).await;
    enter(&mut terminal, &["basic or oauth", "till", "What the vendor allows", "When to read it", "Zone"]).await;
    // Enter alone keeps the other source, too, and what was typed unseen.
    enter(&mut terminal, &["Another source?", "Vendor of source 2"]).await;
    enter(&mut terminal, &["Its name", "Host", "Roots", "Path of", "What the vendor allows", "When to read it"]).await;
    terminal.answer("Another source?", "n").await;
    enter(
        &mut terminal,
        &["Where do secrets live?", "Folder of the secrets", "database.password", "customers.password", "sales.access_key"],
    )
    .await;
    terminal.answer("sales.secret_key", &format!("{}\r", all["HIERSYNC_SALES_SECRET_KEY"])).await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("well  sales: the vendor answers") && screen.contains("wrote hiersync.toml"), "{screen}");
    for secret in all.values() {
        assert!(!screen.contains(secret.as_str()), "a secret is on the screen: {screen}");
    }

    let written = std::fs::read_to_string(program.config_file()).unwrap();
    assert!(written.contains("timezone = \"Europe/Berlin\"") && !written.contains("nobody-"), "{written}");
    for name in ["customers.password", "sales.access_key", "sales.secret_key"] {
        assert_eq!(std::fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(folder.parent().unwrap()) & 0o055), (0o700, 0o055), "only the folder itself is closed");
    let mut command = program.command(&["sync"]);
    command.env("CREDENTIALS_DIRECTORY", &folder);
    let ended = run(command).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(count(&customers.pool().await, "select count(*) from hiersync.reporting_user").await, 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_too_no_file_is_overwritten_and_nobody_is_asked_in_vain() {
    let program = Program::with_config("mine", Vec::new());
    let mut command = program.bare_command();
    command.arg("init");
    let (code, screen) = Terminal::start(command).end().await;
    assert_eq!(code, 78, "{screen}");
    assert!(screen.contains("not overwritten") && !screen.contains("Postgres URL"), "{screen}");
    assert_eq!(std::fs::read_to_string(program.config_file()).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_has_the_terminal_back_as_it_was() {
    let program = nowhere(&[]);
    let mut command = program.bare_command();
    command.arg("init");
    let mut terminal = Terminal::start(command);
    terminal.answer("Postgres URL", ENTER).await;
    terminal.answer("Vendor of source 1", "\u{3}").await;
    let (code, screen) = terminal.end().await;
    assert_eq!(code, 130, "{screen:?}");
    let (hidden, shown) = (screen.rfind("\u{1b}[?25l"), screen.rfind("\u{1b}[?25h"));
    assert!(hidden.is_some() && shown > hidden, "the cursor stays hidden: {screen:?}");
    assert!(!program.config_file().exists());
}
