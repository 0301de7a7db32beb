//! Tables as people read them.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with a heading, without frames: readable, and easy to cut with awk.
pub fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(heading.to_vec());
    table
}
