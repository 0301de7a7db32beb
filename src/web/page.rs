//! The status page: one screen, no scripts, nothing from elsewhere.

use std::fmt::Write;

use crate::{
    model::run::Live,
    store::{
        figures::BudgetRow,
        report::{Health, RunRow},
    },
    text::{ago, seconds, shown, time, window_note},
};

const HEAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>hiersync</title><style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th { text-align: left; font-weight: 600 }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #8883; white-space: nowrap } td.n, th.n { text-align: right }
td.why { white-space: normal } .complete { color: #197a3d } .failed, .abandoned { color: #c0252d } .partial, .throttled, .stopped { color: #a15c00 }
div { overflow-x: auto }
@media (prefers-color-scheme: dark) { .complete { color: #5fd08a } .failed, .abandoned { color: #ff7b80 } .partial, .throttled, .stopped { color: #f0b050 } }
</style></head><body><h1>hiersync</h1>
"#;

/// The page.
pub fn render(live: &[Live], health: &[Health], runs: &[RunRow], budgets: &[BudgetRow]) -> String {
    let mut page = String::from(HEAD);
    let sources = health.iter().map(|row| {
        let complete = row.staleness_s.map_or_else(|| "never".into(), |age| format!("{} ago", ago(Some(age))));
        let due = live.iter().find(|live| live.source == row.name).and_then(|live| live.next_due);
        vec![
            text(&row.name),
            text(&row.vendor),
            number(row.live_nodes),
            text(&complete),
            outcome(row.last_outcome.as_deref()),
            text(&due.map_or_else(|| "by hand".into(), |due| time(Some(due)))),
            number(row.open_findings),
            why(row.last_error.as_deref()),
        ]
    });
    table(&mut page, "Sources", &["source", "vendor", "#live nodes", "complete", "last run", "next due", "#findings", "note"], sources);
    let windows = budgets.iter().flat_map(|row| row.windows.iter().enumerate().map(move |(place, window)| (row, place, window)));
    let windows = windows.map(|(row, place, window)| {
        let note = window_note(place, row.pause(), row.pace, window.is_learned);
        vec![text(&row.name), text(&window.limit), number(window.used), number(window.free), why(Some(&note))]
    });
    table(&mut page, "Budgets", &["budget", "window", "#used", "#free", "note"], windows);
    let runs = runs.iter().map(|row| {
        vec![
            number(row.run_id),
            text(&row.source),
            text(&row.trigger),
            text(&time(Some(row.started_at))),
            outcome(row.outcome.as_deref()),
            number(row.requests),
            number(row.rows_seen),
            number(row.inserted),
            number(row.updated),
            number(row.retired),
            text(&seconds(row.wait_ms)),
            why(row.error.as_deref()),
        ]
    });
    let heading = ["#run", "source", "trigger", "started", "outcome", "#calls", "#rows", "#new", "#changed", "#gone", "waited", "note"];
    table(&mut page, "Latest runs", &heading, runs);
    page.push_str("</body></html>\n");
    page
}

/// A table; headings that begin with `#` are of numbers.
fn table(page: &mut String, title: &str, heading: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = write!(page, "<h2>{title}</h2><div><table><tr>");
    for name in heading {
        let _ = match name.strip_prefix('#') {
            Some(name) => write!(page, "<th class=\"n\">{name}</th>"),
            None => write!(page, "<th>{name}</th>"),
        };
    }
    page.push_str("</tr>\n");
    for row in rows {
        let _ = writeln!(page, "<tr>{}</tr>", row.concat());
    }
    page.push_str("</table></div>\n");
}

fn text(text: &str) -> String {
    format!("<td>{}</td>", escaped(text))
}

fn number(number: i64) -> String {
    format!("<td class=\"n\">{number}</td>")
}

fn why(text: Option<&str>) -> String {
    format!("<td class=\"why\">{}</td>", escaped(text.unwrap_or_default()))
}

fn outcome(outcome: Option<&str>) -> String {
    let word = escaped(outcome.unwrap_or("running"));
    format!("<td class=\"{word}\">{word}</td>")
}

fn escaped(text: &str) -> String {
    shown(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(text("<b>&\""), "<td>&lt;b&gt;&amp;&quot;</td>");
    }

    #[test]
    fn an_empty_database_gives_a_page() {
        let page = render(&[], &[], &[], &[]);
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    }
}
