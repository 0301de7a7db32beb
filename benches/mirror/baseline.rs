//! What the same rows cost at least: a plain copy into one table, and splitting and digesting their bytes on one core.

use std::{hint::black_box, io::Write, time::Duration};

use hiersync::clock;
use nix::sys::resource::UsageWho;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    account::{Account, ROOT},
    server::Server,
    table::Line,
    used,
};

/// Rows of a page, and of a piece of the copy.
const PAGE: u32 = 1000;

/// The median of three copies. The time of this process, which makes the rows and sends them, is the client's.
pub async fn copy(server: &Server, rows: u32) -> Line {
    let account = Account::new(rows, 0);
    let mut lines = Vec::new();
    for _ in 0..3 {
        let table = "create table public.plain (id bigint primary key, digest uuid, payload jsonb)";
        sqlx::raw_sql(table).execute(&server.pool).await.unwrap();
        server.settle().await;
        let before = used::up_to_now(server, UsageWho::RUSAGE_SELF).await;
        let begun = clock::instant();
        send(&server.url, &account).await;
        let wall = begun.elapsed().as_secs_f64();
        let used = used::up_to_now(server, UsageWho::RUSAGE_SELF).await - before;
        lines.push(Line { says: "plain copy", rows, ..Line::of(wall, used) });
        sqlx::raw_sql("drop table public.plain").execute(&server.pool).await.unwrap();
    }
    lines.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    lines[1]
}

/// What a first load fills, and what the server pays for it even if nobody asked or decided anything.
const FILLED: [&str; 7] =
    ["customer", "customer_profile", "customer_identifier", "customer_channel", "customer_link", "change", "customer_place"];

/// The mirror's own tables with their indexes, filled by binary copies of what stands in them: one transaction, no client.
pub async fn own_tables(server: &Server, rows: u32) -> Line {
    let file = |table: &str| server.folder().join(table).display().to_string();
    for table in FILLED {
        let make = format!(
            "copy hiersync.{table} to '{}' (format binary); create table public.copied_{table} (like hiersync.{table} including all)",
            file(table)
        );
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&server.pool).await.unwrap();
    }
    server.settle().await;
    let copies = FILLED.map(|table| format!("copy public.copied_{table} from '{}' (format binary)", file(table))).join("; ");
    let before = used::up_to_now(server, UsageWho::RUSAGE_SELF).await;
    let begun = clock::instant();
    let mut connection = PgConnection::connect(&server.url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(copies)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let wall = begun.elapsed().as_secs_f64();
    let used = used::up_to_now(server, UsageWho::RUSAGE_SELF).await - before;
    for table in FILLED {
        sqlx::raw_sql(AssertSqlSafe(format!("drop table public.copied_{table}"))).execute(&server.pool).await.unwrap();
    }
    Line { says: "its tables, copied", rows, ..Line::of(wall, used) }
}

async fn send(url: &str, account: &Account) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let mut copy = connection.copy_in_raw("copy public.plain (id, digest, payload) from stdin").await.unwrap();
    let (mut text, mut row): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    for number in 1..=account.rows() {
        row.clear();
        account.append_row(number, &mut row);
        // A row holds nothing that a copy's text has to escape.
        write!(text, "{}\t{}\t", ROOT + number, Uuid::from_u128(xxh3_128(&row))).unwrap();
        text.extend_from_slice(&row);
        text.push(b'\n');
        if number.is_multiple_of(PAGE) || number == account.rows() {
            copy.send(text.as_slice()).await.unwrap();
            text.clear();
        }
    }
    assert_eq!(copy.finish().await.unwrap(), u64::from(account.rows()));
    connection.close().await.unwrap();
}

/// Pages are made outside of what is measured.
pub fn split_and_digest(rows: u32) -> Line {
    let account = Account::new(rows, 0);
    let (mut page, mut spent, mut found): (Vec<u8>, Duration, u32) = (Vec::new(), Duration::ZERO, 0);
    for offset in (0..rows).step_by(PAGE as usize) {
        page.clear();
        account.append_page(0, offset, PAGE, &mut page);
        let begun = clock::instant();
        found += digest_rows(&page);
        spent += begun.elapsed();
    }
    assert_eq!(found, rows, "the page was not split into its rows");
    let seconds = spent.as_secs_f64();
    Line { says: "split and digest", rows, wall: seconds, client: seconds, ..Line::default() }
}

/// Digests the rows of a page, which are what stands in three brackets, and counts them.
fn digest_rows(page: &[u8]) -> u32 {
    let (mut at, mut depth, mut is_text, mut from, mut rows) = (0, 0, false, 0, 0);
    while at < page.len() {
        match page[at] {
            b'\\' if is_text => at += 1,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                if depth == 3 {
                    from = at;
                }
                depth += 1;
            }
            b'}' | b']' if !is_text => {
                depth -= 1;
                if depth == 3 {
                    _ = black_box(xxh3_128(&page[from..=at]));
                    rows += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    rows
}
