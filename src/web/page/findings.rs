//! Findings by kind, with what to do.

use maud::{Markup, html};

use super::{moment, number, said};
use crate::{
    model::finding::{Severity, of},
    store::look::KindRow,
};

/// Open findings, the severe kinds first.
pub fn grouped(kinds: &[KindRow]) -> Markup {
    let severity = |row: &KindRow| of(&row.kind).map_or(Severity::Look, |kind| kind.severity);
    let of_one = |wanted: Severity| kinds.iter().filter(move |row| severity(row) == wanted);
    let ordered: Vec<&KindRow> = of_one(Severity::Act).chain(of_one(Severity::Look)).chain(of_one(Severity::Told)).collect();
    html! {
        @if ordered.is_empty() { p { "None is open." } }
        @for row in ordered {
            article.finding {
                h3 {
                    span class={ "state " (class(severity(row))) } { (word(severity(row))) } " " code { (row.kind) }
                    @if row.many > 1 { " × " (number(row.many)) }
                }
                @if let Some(kind) = of(&row.kind) { p { (kind.todo) } }
                p.soft { "Newest: " (said(&row.key)) @if let Some(say) = &row.say { ": " (said(say)) } }
                p.soft { "Open since " (moment(Some(row.since))) }
            }
        }
    }
}

fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Act => "bad",
        Severity::Look => "wait",
        Severity::Told => "fine",
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Act => "act",
        Severity::Look => "look",
        Severity::Told => "told",
    }
}
