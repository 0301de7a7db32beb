//! Files for the tests of this room, good ones to spoil, and what is said about spoilt ones.

use super::{Config, read::read};

/// The shortest Capillary source; its head is on line 1.
pub(super) const CAPILLARY: &str = r#"[[source]]
name = "customers"
vendor = "capillary"
base_url = "https://eu.api.capillarytech.com"
roots = [{ type = "mobile", value = "910000000010" }]
auth = "oauth"
"#;

/// The shortest LeadSquared source; its head is on line 1.
pub(super) const LEADSQUARED: &str = r#"[[source]]
name = "sales"
vendor = "leadsquared"
base_url = "https://api.leadsquared.com"
roots = ["3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50"]
hierarchy_path = "/v2/x"
"#;

/// A file that must be good.
pub(super) fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Everything said about a file, a line each.
pub(super) fn said(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

/// Checks that a good file with one piece replaced has exactly one fault, with this text.
pub(super) fn assert_spoilt(good: &str, piece: &str, by: &str, fault: &str) {
    assert!(good.contains(piece), "{piece} is not in the file");
    assert_eq!(said(&good.replacen(piece, by, 1)), [fault], "{piece} replaced by {by}");
}

/// Checks that a good file with one line more, its seventh, has exactly one fault, with this text after the line.
pub(super) fn assert_refused(good: &str, line: &str, fault: &str) {
    assert_eq!(said(&format!("{good}{line}\n")), [format!("line 7: {fault}")], "{line}");
}
