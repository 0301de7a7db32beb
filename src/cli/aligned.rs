//! Records as people read them: their short parts in columns, their long ones behind. On a terminal long parts stand on lines of their own,
//! wrapped to its width; in a pipe each record is one line, for grep and awk.

use std::io::{IsTerminal, stdout};

use textwrap::{Options, WordSplitter, core::display_width, wrap};

use super::out::say;

/// What stands before the lines that belong to a record.
const INDENT: &str = "    ";

/// Narrower than this nobody reads; a terminal that says so is not asked again.
const NARROWEST: usize = 40;

/// One record.
pub struct Record {
    /// Short parts, one below the other from record to record.
    pub columns: Vec<String>,
    /// Long parts.
    pub more: Vec<String>,
}

/// Prints records.
pub fn print(records: &[Record]) {
    let width = stdout().is_terminal().then(|| textwrap::termwidth().max(NARROWEST));
    for line in lines(records, width) {
        say!("{line}");
    }
}

/// Their lines; `width`: that of the terminal.
fn lines(records: &[Record], width: Option<usize>) -> Vec<String> {
    let columns = records.iter().map(|record| record.columns.len()).max().unwrap_or(0);
    let widest = |at: usize| records.iter().filter_map(|record| record.columns.get(at)).map(|part| display_width(part)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let mut lines = Vec::new();
    for record in records {
        let padded = |(part, width): (&String, &usize)| format!("{part}{}", " ".repeat(width - display_width(part)));
        let head = record.columns.iter().zip(&widths).map(padded).collect::<Vec<_>>().join("  ");
        // What has several lines is one part all the same.
        let more = record.more.iter().map(|part| part.replace(['\n', '\t'], " "));
        match width {
            None => lines.push([head].into_iter().chain(more).collect::<Vec<_>>().join("  ").trim_end().to_owned()),
            Some(width) => {
                lines.extend(wrapped(head.trim_end(), "", width));
                more.for_each(|part| lines.extend(wrapped(&part, INDENT, width)));
            }
        }
    }
    lines
}

fn wrapped(text: &str, indent: &str, width: usize) -> Vec<String> {
    // Ids are not to be cut at their hyphens.
    let options = Options::new(width).initial_indent(indent).subsequent_indent(INDENT).word_splitter(WordSplitter::NoHyphenation);
    wrap(text, options).into_iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> [Record; 2] {
        let record = |columns: [&str; 3], more: &[&str]| Record {
            columns: columns.map(str::to_owned).to_vec(),
            more: more.iter().map(|part| (*part).to_owned()).collect(),
        };
        [
            record(["act", "retire_guard", "sales"], &["this walk would retire 9 of 10 live nodes\nand retired none"]),
            record(["told", "cycle", "東京"], &[]),
        ]
    }

    #[test]
    fn in_a_pipe_each_record_is_a_line_and_columns_stand_below_each_other() {
        let expected =
            ["act   retire_guard  sales  this walk would retire 9 of 10 live nodes and retired none", "told  cycle         東京"];
        assert_eq!(lines(&records(), None), expected);
    }

    #[test]
    fn on_a_terminal_no_line_is_longer_than_it_is_wide() {
        let expected = [
            "act   retire_guard  sales",
            "    this walk would retire 9 of 10 live",
            "    nodes and retired none",
            "told  cycle         東京",
        ];
        assert_eq!(lines(&records(), Some(40)), expected);
        let long = Record { columns: vec!["customer_link".into(), "x".repeat(90)], more: vec!["y".repeat(90)] };
        let lines = lines(&[long], Some(80));
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() <= 80), "{lines:?}");
    }
}
