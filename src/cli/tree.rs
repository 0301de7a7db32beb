//! `hiersync tree`: draws a source's tree, as it stands or as it stood.

use std::io::{self, BufWriter, Write};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use super::{
    exit::{Exit, Failure},
    moment,
    out::in_json,
    sync::chosen,
};
use crate::{
    app::App,
    store::tree::{TreeLine, Trees},
    text::{shown, time},
};

/// `tree`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source
    source: String,
    /// The id of the customer or user to begin with; the roots if none is named
    #[arg(allow_negative_numbers = true)]
    node: Option<String>,
    /// Levels below it; who lies deeper is counted
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(0..100_000))]
    depth: i32,
    /// As it stood: YYYY-MM-DD [HH:MM[:SS]] in the daemon's timezone, or RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// As JSON, one node a line
    #[arg(long)]
    json: bool,
}

/// Draws a tree.
pub async fn run(args: &Args, app: App) -> Result<Exit, Failure> {
    let drawn = draw(args, &app).await;
    app.close().await;
    drawn
}

async fn draw(args: &Args, app: &App) -> Result<Exit, Failure> {
    let at = args.at.as_deref().map(|at| moment::parse(at, app.config.daemon.timezone)).transpose();
    let at = at.map_err(|error| usage(format!("--at: {error}")))?;
    let mut step = app.begin().await?;
    step.is_about_all();
    let Some(trees) = Trees::of(&mut step.conn(), &args.source).await? else {
        chosen(std::slice::from_ref(&args.source), app)?;
        return Err(usage(format!("{0} was never synced: run `hiersync sync {0}`", args.source)));
    };
    let trees = match args.node.as_deref() {
        None => trees,
        Some(node) => trees.below(node).ok_or_else(|| unknown(args, node, at))?,
    };
    let mut conn = step.conn();
    let mut lines = trees.lines(&mut conn, args.depth, at);
    let mut page = Page::new(io::stdout().lock());
    while let Some(line) = lines.try_next().await.map_err(failed)? {
        let written = if args.json { page.json(&line) } else { page.draw(&line) };
        if written.is_err() {
            return told(written);
        }
    }
    match args.node.as_deref() {
        Some(node) if page.nodes == 0 => Err(unknown(args, node, at)),
        _ if args.json => told(page.out.flush()),
        _ => told(page.end(args, at)),
    }
}

fn usage(what: String) -> Failure {
    Failure::new(Exit::Usage, anyhow::anyhow!(what))
}

/// A time whose history was removed is asked for in vain; what the database says of it tells from when there is one. SQLSTATE `P0002`.
fn failed(error: sqlx::Error) -> Failure {
    match error.as_database_error().filter(|told| told.code().as_deref() == Some("P0002")) {
        Some(told) => usage(format!("--at: {}", told.message())),
        None => error.into(),
    }
}

fn unknown(args: &Args, node: &str, at: Option<DateTime<Utc>>) -> Failure {
    let then = at.map(|at| format!(" at {}", time(Some(at)))).unwrap_or_default();
    usage(format!("{} has no node {node}{then}; NODE is the id of a customer or user", args.source))
}

/// A reader that has closed the pipe wants no more.
fn told(written: io::Result<()>) -> Result<Exit, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Fault, anyhow::Error::new(error).context("cannot write the tree")))
        }
        _ => Ok(Exit::Complete),
    }
}

/// Draws line by line; of what was drawn it remembers only which branches go on.
struct Page<W: Write> {
    out: BufWriter<W>,
    /// For each level above the present one: whether its node was the last below its parent.
    ends: Vec<bool>,
    nodes: u64,
    below: i64,
}

impl<W: Write> Page<W> {
    fn new(out: W) -> Self {
        Self { out: BufWriter::new(out), ends: Vec::new(), nodes: 0, below: 0 }
    }

    fn json(&mut self, line: &TreeLine) -> io::Result<()> {
        self.nodes += 1;
        writeln!(self.out, "{}", in_json(line))
    }

    fn draw(&mut self, line: &TreeLine) -> io::Result<()> {
        self.nodes += 1;
        self.below += line.below;
        let depth = usize::try_from(line.depth).unwrap_or(0);
        self.ends.truncate(depth);
        for is_end in self.ends.iter().skip(1) {
            self.out.write_all(if *is_end { b"    " } else { "│   ".as_bytes() })?;
        }
        if depth > 0 {
            self.out.write_all(if line.is_last { "└── " } else { "├── " }.as_bytes())?;
        }
        self.ends.push(line.is_last);
        writeln!(self.out, "{}", label(line))
    }

    /// What was left out.
    fn end(&mut self, args: &Args, at: Option<DateTime<Utc>>) -> io::Result<()> {
        if self.nodes == 0 {
            let then = at.map(|at| format!(" at {}", time(Some(at)))).unwrap_or_default();
            writeln!(self.out, "{} has no tree{then}", args.source)?;
        }
        if self.below > 0 {
            let (below, depth) = (self.below, args.depth);
            writeln!(self.out, "\n{below} more below a depth of {depth}: --depth shows more, and NODE a part of the tree")?;
        }
        self.out.flush()
    }
}

/// A node in a line: its id, its name, and what is special about it.
pub fn label(line: &TreeLine) -> String {
    // What a vendor sends is not to move the cursor.
    let name = line.name.as_deref().map(|name| shown(name).replace(['\n', '\t'], " "));
    let mut label = format!("{} {}", line.key, name.as_deref().unwrap_or("(not named)"));
    let marks = [
        (line.is_placeholder, "placeholder".to_owned()),
        (line.is_active == Some(false), "inactive".to_owned()),
        (line.retired_at.is_some(), format!("gone since {}", time(line.retired_at))),
        (line.is_again, "cycle: see above".to_owned()),
        (line.below > 0, format!("{} more below", line.below)),
    ];
    for (_, mark) in marks.iter().filter(|(holds, _)| *holds) {
        label += &format!(" [{mark}]");
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, depth: i32, is_last: bool) -> TreeLine {
        TreeLine {
            key: key.into(),
            depth,
            is_last,
            is_again: false,
            name: Some("Ana".into()),
            is_active: None,
            is_placeholder: false,
            retired_at: None,
            below: 0,
        }
    }

    #[test]
    fn branches_go_on_until_the_last() {
        let mut page = Page::new(Vec::new());
        for (key, depth, is_last) in [
            ("1", 0, false),
            ("2", 1, false),
            ("3", 2, false),
            ("4", 2, true),
            ("5", 1, true),
            ("6", 2, true),
            ("7", 3, true),
            ("8", 0, true),
        ] {
            page.draw(&line(key, depth, is_last)).expect("memory takes it");
        }
        let drawn = String::from_utf8(page.out.into_inner().expect("memory takes it")).expect("it is text");
        let expected = "1 Ana\n├── 2 Ana\n│   ├── 3 Ana\n│   └── 4 Ana\n└── 5 Ana\n    └── 6 Ana\n        └── 7 Ana\n8 Ana\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn a_name_is_only_a_name() {
        let line = TreeLine { name: Some("A\x1b[2J\nB".into()), is_active: Some(false), below: 4, ..line("1", 0, true) };
        assert_eq!(label(&line), "1 A\\u{1b}[2J B [inactive] [4 more below]");
        assert_eq!(label(&TreeLine { name: None, is_again: true, ..line }), "1 (not named) [inactive] [cycle: see above] [4 more below]");
    }
}
