//! `hiersync findings`: what a person should know, the severe first.

use super::{
    aligned::{self, Record},
    exit::{Exit, Failure},
    out::{note, say},
    show::{is_known, lines},
    sync::{about, said},
};
use crate::{
    app::App,
    store::finding::{self, FindingRow},
    text::time,
};

/// `findings`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of this source only
    source: Option<String>,
    /// Those that are resolved, too
    #[arg(long)]
    all: bool,
    /// So many of each source and kind at most
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// As JSON, one a line
    #[arg(long)]
    json: bool,
}

/// Lists what a person should know.
pub async fn run(args: &Args, app: App) -> Result<Exit, Failure> {
    let mut step = app.begin_to_read().await?;
    let rows = finding::newest(&mut step.conn(), args.source.as_deref(), args.all, args.limit.saturating_add(1)).await?;
    drop(step);
    let (rows, left_out) = of_each_kind(rows, args.limit);
    is_known(args.source.as_ref(), rows.is_empty(), &app)?;
    app.close().await;
    if !left_out.is_empty() {
        note!("of {} only the newest {} are shown; `--limit` sets how many", left_out.join(", "), args.limit);
    }
    if args.json {
        return Ok(lines(&rows));
    }
    let record = |row: &FindingRow| Record {
        columns: [&time(Some(row.seen_at)), &row.severity, &row.source, &row.kind, &about(row)].map(ToString::to_string).to_vec(),
        more: row.resolved_at.map(|at| format!("resolved {}", time(Some(at)))).into_iter().chain(said(row)).collect(),
    };
    aligned::print(&rows.iter().map(record).collect::<Vec<_>>());
    if rows.is_empty() {
        say!("no findings");
    }
    Ok(Exit::Complete)
}

/// So many of each source and kind, and of which there are more.
fn of_each_kind(rows: Vec<FindingRow>, limit: i64) -> (Vec<FindingRow>, Vec<String>) {
    let (mut shown, mut left_out, mut many) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        let is_same = shown.last().is_some_and(|last: &FindingRow| last.kind == row.kind && last.source == row.source);
        many = if is_same { many + 1 } else { 1 };
        if many <= limit {
            shown.push(row);
        } else {
            left_out.push(format!("{} of {}", row.kind, row.source));
        }
    }
    left_out.dedup();
    (shown, left_out)
}
