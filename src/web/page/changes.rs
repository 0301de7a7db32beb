//! What changed, filtered by what stands in the address.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{HIDDEN, changes_of, encoded, moment, node_at, said};
use crate::{clock, store::report::ChangeRow, web::guard::May};

/// The filter, as it stands in the address. An empty text says nothing.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Filter {
    /// The source's name.
    #[serde(default)]
    pub source: String,
    /// `customer`, `customer_link`, `reporting_user` or `reporting_line`.
    #[serde(default)]
    pub entity: String,
    /// `insert`, `update`, `retire` or `restore`.
    #[serde(default)]
    pub op: String,
    /// The node's id, or `parent/child`.
    #[serde(default)]
    pub node: String,
    /// Not before.
    #[serde(default)]
    pub since: String,
    /// Before.
    #[serde(default)]
    pub until: String,
    /// Of this run.
    #[serde(default)]
    pub run: String,
    /// Below this number.
    #[serde(default)]
    pub before: String,
}

const ENTITIES: [&str; 4] = ["customer", "customer_link", "reporting_user", "reporting_line"];
const OPS: [&str; 4] = ["insert", "update", "retire", "restore"];

/// The page's body. `sources`: their names; `many`: rows of one page.
pub fn body(filter: &Filter, sources: &[String], rows: &[ChangeRow], many: usize, wrong: Option<&str>, may: May) -> Markup {
    let today = Filter { since: clock::now().format("%Y-%m-%d").to_string(), until: String::new(), ..filter.clone() };
    html! {
        form.filter method="get" action="/changes" {
            (choice("source", "Source", &filter.source, sources.iter().map(String::as_str)))
            (choice("entity", "Of", &filter.entity, ENTITIES))
            (choice("op", "What", &filter.op, OPS))
            label { "Node " input type="text" name="node" value=(filter.node); }
            label { "Run " input type="text" name="run" value=(filter.run) inputmode="numeric" size="8"; }
            label { "Since (UTC) " input type="text" name="since" value=(filter.since) placeholder="2026-03-01 08:00"; }
            label { "Until " input type="text" name="until" value=(filter.until); }
            button { "Filter" }
            a href={ "/changes?" (today.address(None)) } { "Today" }
        }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
        (table(rows, may))
        @if let Some(last) = rows.last().filter(|_| rows.len() >= many) {
            p { a href={ "/changes?" (filter.address(Some(last.change_id))) } { "Older ones" } }
        }
    }
}

impl Filter {
    fn address(&self, before: Option<i64>) -> String {
        let before = before.map(|change_id| change_id.to_string()).unwrap_or_default();
        let all = [
            ("source", &self.source),
            ("entity", &self.entity),
            ("op", &self.op),
            ("node", &self.node),
            ("since", &self.since),
            ("until", &self.until),
            ("run", &self.run),
            ("before", &before),
        ];
        let said = all.iter().filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<String>>().join("&")
    }
}

fn choice<'a>(name: &str, label: &str, chosen: &str, values: impl IntoIterator<Item = &'a str>) -> Markup {
    html! {
        label { (label) " " select name=(name) {
            option value="" { "all" }
            @for value in values { option value=(value) selected[value == chosen] { (value) } }
        } }
    }
}

/// Changes in a table.
pub fn table(rows: &[ChangeRow], may: May) -> Markup {
    html! {
        @if rows.is_empty() { p { "There is none." } } @else {
            div.wide tabindex="0" role="group" aria-label="Changes" { table {
                thead { tr {
                    th scope="col" { "Seen" } th scope="col" { "Source" } th scope="col" { "What" } th scope="col" { "Node" }
                    th scope="col" { "Fields" } th.n scope="col" { "Run" }
                } }
                tbody { @for row in rows { tr {
                    td { (moment(Some(row.seen_at))) }
                    td { a href={ "/source/" (row.source) } { (row.source) } }
                    td { (row.op) " " span.soft { (row.entity) } }
                    td.narrow { @for (place, key) in row.key.split('/').enumerate() {
                        @if place > 0 { " › " } a href={ (node_at(&row.source, key)) } { (key) }
                    } }
                    td.why { (fields(row, may)) }
                    td.n { (changes_of(&row.source, row.run_id)) }
                } } }
            } }
        }
    }
}

/// Which fields changed; from what to what, for whoever may see persons.
fn fields(row: &ChangeRow, may: May) -> Markup {
    let fields = row.fields.as_ref().and_then(Value::as_object);
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else { return html! {} };
    html! {
        @if may.see_persons {
            @for (name, pair) in fields { div { code { (said(name)) } " " (value(&pair[0])) " → " (value(&pair[1])) } }
        } @else {
            @for name in fields.keys() { code { (said(name)) } " " }
            span.soft { (HIDDEN) }
        }
    }
}

/// A text as it is, everything else as JSON.
fn value(value: &Value) -> Markup {
    match value {
        Value::String(text) => said(text),
        Value::Null => html! { "–" },
        other => said(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_what_was_asked_for_and_nothing_else() {
        let filter = Filter { source: "sales".into(), node: "a/b".into(), since: "2026-03-01 08:00".into(), ..Filter::default() };
        assert_eq!(filter.address(Some(7)), "source=sales&node=a%2Fb&since=2026-03-01+08%3A00&before=7");
    }
}
