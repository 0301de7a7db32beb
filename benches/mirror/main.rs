//! What mirroring costs a row, beside a plain copy of the same rows: `cargo bench --bench mirror`, or with how many customers and which
//! cases: `cargo bench --bench mirror -- first 10000`. Cases: first, same, again, one, ten, keys, small; the first load always runs. With `others`,
//! a script written by hand and dlt do the same.
//! On a server of its own with stock settings, vacuumed and checkpointed before each run. The program is run as people run it; the vendor
//! is played by this process and takes its share of the same cores. A number with `small` alone is how many parents.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measurement that cannot go on fails")]

mod account;
mod baseline;
mod door;
mod others;
mod program;
mod server;
mod table;
mod used;

use std::sync::Arc;

use self::{
    account::Account,
    door::Door,
    others::Others,
    program::{Counted, Program},
    server::Server,
    table::Line,
};

/// Customers below the root, unless the command line says so.
const SIZES: [u32; 2] = [10_000, 100_000];

/// Parents of small lists, likewise, and the children of each.
const PARENTS: u32 = 10_000;
const CHILDREN: u32 = 8;

/// What the vendor shows in a run.
struct Case {
    word: &'static str,
    says: &'static str,
    /// One row in so many has changed since the run before; 0: none has.
    every: u32,
    /// The keys of all rows stand in another order.
    is_turned: bool,
}

/// In this order: each goes on from the one before.
static CASES: [Case; 6] = [
    Case { word: "first", says: "first load", every: 0, is_turned: false },
    Case { word: "same", says: "nothing changed", every: 0, is_turned: false },
    Case { word: "again", says: "nothing changed, again", every: 0, is_turned: false },
    Case { word: "one", says: "1 % changed", every: 100, is_turned: false },
    Case { word: "ten", says: "10 % changed", every: 10, is_turned: false },
    Case { word: "keys", says: "keys in another order", every: 0, is_turned: true },
];

#[tokio::main]
async fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (numbers, words): (Vec<&str>, Vec<&str>) = given.iter().map(String::as_str).partition(|word| word.parse::<u32>().is_ok());
    let sizes: Vec<u32> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    let or = |default: &[u32]| if sizes.is_empty() { default.to_vec() } else { sizes.clone() };
    let is_wanted = |word: &str| words.is_empty() || words.contains(&word);
    let others = is_wanted("others").then(Others::install).and_then(|others| others.inspect_err(|why| println!("left out: {why}")).ok());
    if CASES.iter().any(|case| is_wanted(case.word)) || others.is_some() {
        let cases: Vec<&Case> =
            CASES.iter().enumerate().filter(|(at, case)| *at == 0 || is_wanted(case.word)).map(|(_, case)| case).collect();
        for rows in or(&SIZES) {
            measure(&format!("{rows} customers below one root"), Account::new(rows, 0), &cases, others.as_ref()).await;
        }
    }
    if is_wanted("small") {
        let cases: Vec<&Case> = CASES.iter().take(3).collect();
        let parents = if words == ["small"] { or(&[PARENTS]) } else { vec![PARENTS] };
        for parents in parents {
            measure(&format!("{parents} parents of {CHILDREN}"), Account::new(parents, CHILDREN), &cases, None).await;
        }
    }
}

/// Runs the cases on a fresh server, and prints their table.
async fn measure(title: &str, account: Account, cases: &[&Case], others: Option<&Others>) {
    let account = Arc::new(account);
    let door = Door::open(Arc::clone(&account)).await;
    let server = Server::start().await;
    let program = Program::new(&server, &door.url).await;
    let copy = baseline::copy(&server, account.rows()).await;
    let mut lines = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        account.change(case.every, case.is_turned);
        let run = program.sync().await;
        check(case, &account, &run.counted, at == 0);
        lines.push(Line { says: case.says, rows: account.rows(), ..run.line });
    }
    let bytes = server.mirrored().await / i64::from(account.rows());
    let floor = baseline::own_tables(&server, account.rows()).await;
    if let Some(others) = others {
        lines.extend(others.lines(&server, &door.url, account.rows()).await);
    }
    let copied = copy.wall;
    lines.extend([floor, copy, baseline::split_and_digest(account.rows())]);
    table::print(title, &lines, copied);
    println!("\n{bytes} bytes of tables and indexes a row");
    server.stop().await;
}

/// A run that did something else than its case says measures nothing.
fn check(case: &Case, account: &Account, counted: &Counted, is_first: bool) {
    // The root is a node as well, and shown in no list.
    let nodes = i64::from(account.rows()) + 1;
    let inserted = if is_first { nodes } else { 0 };
    let updated = i64::from(account.rows().checked_div(case.every).unwrap_or(0));
    let found = (counted.inserted, counted.updated, counted.unchanged);
    assert_eq!(found, (inserted, updated, nodes - inserted - updated), "{}: {counted:?}", case.says);
    assert!(counted.outcome == "complete" && counted.rows_seen + 1 >= nodes, "{}: {counted:?}", case.says);
}
