//! What is wrong with the file: collected while reading goes on, told in one go, by line.

use std::{cell::RefCell, collections::HashSet, fmt};

use toml::de::Error;

use super::value::Wrong;

/// One thing wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// The full key, such as `source.sales.limits`; `source[2]` is the second source, when it has no good name. Empty
    /// for what is not TOML.
    pub key: String,
    /// What is wrong, going on from the key.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.key.is_empty() { "" } else { ": " };
        write!(f, "line {}: {}{colon}{}; {}", self.line, self.key, self.wrong, self.right)
    }
}

/// Everything that is wrong with a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|fault| format!("  {fault}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// What was found wrong with one file so far.
pub(super) struct Report<'a> {
    file: &'a str,
    broken: HashSet<usize>,
    faults: RefCell<Vec<Fault>>,
}

impl<'a> Report<'a> {
    /// A report that starts with what the parser found.
    pub(super) fn new(file: &'a str, errors: &[Error]) -> Self {
        let report = Self { file, broken: HashSet::new(), faults: RefCell::default() };
        for error in errors {
            let line = report.line(error.span().map_or(file.len(), |span| span.start));
            // Never the error's own `Display`: it repeats the line, and with it a password.
            report.add(line, "", Wrong::new(format!("is not TOML: {}", error.message()), "see https://toml.io"));
        }
        let broken = report.faults.borrow().iter().map(|fault| fault.line).collect();
        Self { broken, ..report }
    }

    /// Adds a fault. A broken line is told once: what it seems to say besides is a guess.
    pub(super) fn add(&self, line: usize, key: &str, wrong: Wrong) {
        if !self.broken.contains(&line) {
            self.faults.borrow_mut().push(Fault { line, key: key.to_owned(), wrong: wrong.wrong, right: wrong.right });
        }
    }

    /// Adds what should be there and is not, unless the parser may have lost it.
    pub(super) fn add_missing(&self, line: usize, key: &str, wrong: Wrong) {
        if self.broken.is_empty() {
            self.add(line, key, wrong);
        }
    }

    /// All faults in the order of their lines.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults.dedup_by(|a, b| a.line == b.line && a.key.is_empty() && b.key.is_empty());
        faults
    }

    /// Line of a place in the file, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.file.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{LEADSQUARED, said};

    #[test]
    fn a_broken_line_is_told_once_beside_the_faults_of_other_lines() {
        let text = format!("{LEADSQUARED}timeout = 30s\nconcurrency = 0\nbudget = \"hunter2\nmax_depth = 0\n");
        let said = said(&text);
        assert_eq!(said.len(), 4, "{said:#?}");
        assert!(said[0].starts_with("line 7: is not TOML: "), "{said:#?}");
        assert!(said[1].starts_with("line 8: source.sales.concurrency: 0 is out of bounds"), "{said:#?}");
        assert!(said[2].starts_with("line 9: is not TOML: "), "{said:#?}");
        assert!(said[3].starts_with("line 10: source.sales.max_depth: 0 is out of bounds"), "{said:#?}");
        assert!(!said.concat().contains("hunter2"), "{said:#?}");
    }

    #[test]
    fn a_file_that_is_no_toml_at_all_misses_nothing_else() {
        for text in ["<config/>", "[[source", "name: sales", "[[source]]\nname", "= 5", "\u{0}", "[database]\nurl"] {
            let said = said(text);
            assert!(!said.is_empty() && said.iter().all(|fault| fault.contains(": is not TOML: ")), "{text}: {said:#?}");
        }
    }

    #[test]
    fn a_key_twice_is_a_fault_of_its_line() {
        let said = said(&format!("{LEADSQUARED}name = \"other\"\n"));
        assert_eq!(said, ["line 7: is not TOML: duplicate key; see https://toml.io"]);
    }
}
