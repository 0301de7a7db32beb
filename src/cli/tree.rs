//! `hiersync tree`: draws a source's tree: settled, as the mirror has it now, or as it stood.

use futures::TryStreamExt;

use super::{
    exit::{Exit, Failure},
    moment,
    out::{self, in_json},
    sync::chosen,
};
use crate::{
    app::App,
    store::tree::{TreeLine, Trees, Wanted, Which},
    text::{shown, time},
};

/// Children of a node that are drawn where nothing else is said: about a screenful.
const CHILDREN: i64 = 20;

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
    /// Children of each node; the others are counted. 20 where nothing is said; with --json all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    limit: Option<i64>,
    /// As it stood: YYYY-MM-DD [HH:MM[:SS]] in the daemon's timezone, or RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// As the mirror has it now: in the middle of a walk, with every link
    #[arg(long, conflicts_with = "at")]
    live: bool,
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
    let which = at.map_or(if args.live { Which::Live } else { Which::Settled }, Which::At);
    let mut step = app.begin_to_read().await?;
    let Some(trees) = Trees::of(&mut step.conn(), &args.source).await? else {
        chosen(std::slice::from_ref(&args.source), app)?;
        return Err(usage(format!("{0} was never synced: run `hiersync sync {0}`", args.source)));
    };
    let trees = match args.node.as_deref() {
        None => trees,
        Some(node) => trees.below(node).ok_or_else(|| unknown(args, node, which))?,
    };
    let wanted = Wanted { depth: args.depth, children: args.limit.or((!args.json).then_some(CHILDREN)), which, is_by_name: true };
    let mut conn = step.conn();
    let mut lines = trees.lines(&mut conn, wanted);
    // The statement ends before anything is printed: who reads page by page in a pager would else hold it up until its time is over.
    let mut page = Page::default();
    while let Some(line) = lines.try_next().await.map_err(failed)? {
        if args.json { page.json(&line) } else { page.draw(&line) }
    }
    drop(lines);
    drop(step);
    match args.node.as_deref() {
        Some(node) if page.nodes == 0 => return Err(unknown(args, node, which)),
        _ if args.json => {}
        _ => page.end(args, which),
    }
    out::text(&page.out);
    Ok(Exit::Complete)
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

fn unknown(args: &Args, node: &str, which: Which) -> Failure {
    let source = &args.source;
    usage(match which {
        Which::Settled => format!(
            "no node {node} is in the settled tree of {source}; NODE is the id of a customer or user, and --live shows those that are not \
             in the tree, or not yet"
        ),
        _ => format!("{source} has no node {node}{}; NODE is the id of a customer or user", then(which)),
    })
}

fn then(which: Which) -> String {
    if let Which::At(at) = which { format!(" at {}", time(Some(at))) } else { String::new() }
}

/// What is drawn, line by line.
#[derive(Default)]
struct Page {
    out: String,
    /// The branch down to the present node.
    branch: Vec<Level>,
    nodes: u64,
    below: i64,
    more: i64,
}

/// One level of the branch.
struct Level {
    /// Its node is the last below its parent.
    is_last: bool,
    /// How many come after it that are not shown.
    more: i64,
}

impl Page {
    fn json(&mut self, line: &TreeLine) {
        self.nodes += 1;
        self.out += &in_json(line);
        self.out.push('\n');
    }

    fn draw(&mut self, line: &TreeLine) {
        self.nodes += 1;
        self.below += line.below;
        self.up_to(usize::try_from(line.depth).unwrap_or(0));
        self.branch(line.is_last, &label(line));
        self.branch.push(Level { is_last: line.is_last, more: line.more });
    }

    /// Leaves the branch down to so many levels, and says what it leaves out.
    fn up_to(&mut self, depth: usize) {
        while self.branch.len() > depth {
            let more = self.branch.pop().map_or(0, |level| level.more);
            if more > 0 {
                self.more += more;
                self.branch(true, &format!("… and {more} more"));
            }
        }
    }

    /// A line below the present branch.
    fn branch(&mut self, is_last: bool, label: &str) {
        for level in self.branch.iter().skip(1) {
            self.out.push_str(if level.is_last { "    " } else { "│   " });
        }
        if !self.branch.is_empty() {
            self.out.push_str(if is_last { "└── " } else { "├── " });
        }
        self.out += label;
        self.out.push('\n');
    }

    /// What was left out.
    fn end(&mut self, args: &Args, which: Which) {
        self.up_to(0);
        if self.nodes == 0 {
            let not_yet = if which == Which::Settled { " yet: no walk has ended; --live shows what is there" } else { "" };
            self.out += &format!("{} has no tree{not_yet}{}\n", args.source, then(which));
        }
        if self.more > 0 {
            self.out += &format!("\n{} more beside those shown: --limit shows more children of a node\n", self.more);
        }
        if self.below > 0 {
            let (below, depth) = (self.below, args.depth);
            self.out += &format!("\n{below} more below a depth of {depth}: --depth shows more, and NODE a part of the tree\n");
        }
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
            more: 0,
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
        let mut page = Page::default();
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
            page.draw(&line(key, depth, is_last));
        }
        let expected = "1 Ana\n├── 2 Ana\n│   ├── 3 Ana\n│   └── 4 Ana\n└── 5 Ana\n    └── 6 Ana\n        └── 7 Ana\n8 Ana\n";
        assert_eq!(page.out, expected);
    }

    #[test]
    fn who_is_left_out_is_counted_where_they_would_stand() {
        let mut page = Page::default();
        for (key, depth, more) in [("1", 0, 0), ("2", 1, 0), ("3", 2, 0), ("4", 2, 7), ("5", 1, 2), ("6", 2, 1)] {
            page.draw(&TreeLine { more, ..line(key, depth, false) });
        }
        page.up_to(0);
        let expected = "1 Ana\n├── 2 Ana\n│   ├── 3 Ana\n│   ├── 4 Ana\n│   └── … and 7 more\n├── 5 Ana\n│   ├── 6 Ana\n\
                        │   └── … and 1 more\n└── … and 2 more\n";
        assert_eq!((page.out.as_str(), page.more), (expected, 10));
    }

    #[test]
    fn a_name_is_only_a_name() {
        let line = TreeLine { name: Some("A\x1b[2J\nB".into()), is_active: Some(false), below: 4, ..line("1", 0, true) };
        assert_eq!(label(&line), "1 A\\u{1b}[2J B [inactive] [4 more below]");
        assert_eq!(label(&TreeLine { name: None, is_again: true, ..line }), "1 (not named) [inactive] [cycle: see above] [4 more below]");
    }
}
