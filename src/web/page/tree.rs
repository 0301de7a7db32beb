//! A source's tree, opened level by level.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{HIDDEN, encoded, node_at, number, said};
use crate::{
    store::{look, tree::TreeLine},
    text::time,
    web::guard::May,
};

/// A part of a tree.
pub struct Branch<'a> {
    /// The source.
    pub source: &'a str,
    /// The nodes on one level.
    pub lines: &'a [TreeLine],
    /// Those of them that the last walk has changed.
    pub changed: &'a [String],
    /// As it stood then; `None`: as the last closed walk has left it.
    pub at: Option<DateTime<Utc>>,
    /// What whoever looks may.
    pub may: May,
}

impl Branch<'_> {
    /// The nodes, each of which opens what hangs on it when it is wanted.
    pub fn list(&self) -> Markup {
        let more = self.lines.last().map_or(0, |line| line.more);
        html! {
            @for line in self.lines { li { (self.node(line)) } }
            @if more > 0 { li.soft { "and " (number(more)) " more" } }
        }
    }

    /// The node is a link, and what hangs on it opens beside it.
    fn node(&self, line: &TreeLine) -> Markup {
        let at = self.at.map(|at| format!("&at={}", encoded(&at.to_rfc3339()))).unwrap_or_default();
        html! {
            (self.label(line))
            @if line.below > 0 {
                details.branch data-from={ "/source/" (self.source) "/below?node=" (encoded(&line.key)) (at) } {
                    summary { (number(line.below)) " below" span.aside { " " (line.key) } }
                    ul.tree {}
                }
            }
        }
    }

    fn label(&self, line: &TreeLine) -> Markup {
        let name = match (&line.name, self.may.see_persons) {
            (Some(name), true) => said(name),
            (Some(_), false) => html! { span.soft { (HIDDEN) } },
            (None, _) => html! {},
        };
        html! {
            a href={ (node_at(self.source, &line.key)) } { (line.key) } " " (name)
            @if line.is_placeholder { " " span.state.wait { "placeholder" } }
            @if line.is_active == Some(false) { " " span.state.wait { "inactive" } }
            @if line.retired_at.is_some() { " " span.state.wait { "gone" } }
            @if line.is_again { " " span.state.wait { "again: a cycle" } }
            @if self.changed.contains(&line.key) { " " span.state.changed { "changed" } }
        }
    }
}

/// The page's body.
pub fn body(branch: &Branch<'_>, wrong: Option<&str>) -> Markup {
    let at = branch.at.map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
    html! {
        (search(branch.source, "", branch.may))
        form.filter method="get" action={ "/source/" (branch.source) "/tree" } {
            label { "As it stood at (UTC) " input type="text" name="at" value=(at) placeholder="2026-03-01 08:00"; }
            button { "Show" }
            @if branch.at.is_some() { " " a href={ "/source/" (branch.source) "/tree" } { "As it stands" } }
        }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
        @if branch.at.is_some() { p.soft { "As all links stood at " (time(branch.at)) "." } }
        @if branch.lines.is_empty() { p { "There is nobody in it." } }
        ul.tree.top aria-label="Tree" { (branch.list()) }
    }
}

/// The form that looks for nodes.
pub fn search(source: &str, text: &str, may: May) -> Markup {
    let what = if may.see_persons { "Id, name, mobile or e-mail" } else { "Id" };
    html! {
        form.filter method="get" action={ "/source/" (source) "/search" } role="search" {
            label { (what) " " input type="search" name="q" value=(text) required; }
            button { "Search" }
        }
    }
}

/// Who was found.
pub fn found(source: &str, text: &str, keys: &[String], may: May) -> Markup {
    html! {
        (search(source, text, may))
        @if keys.is_empty() {
            p { "Nobody was found." @if !may.see_persons { " Without the token nodes are found by their id only." } }
        }
        @if keys.len() >= look::MOST_FOUND { p { "These are the first " (look::MOST_FOUND) ": there may be more." } }
        ul { @for key in keys { li { a href={ (node_at(source, key)) } { (key) } } } }
    }
}

/// The moment that somebody has typed in: RFC 3339, or a date with or without a time, in UTC.
pub fn typed(text: &str) -> Result<Option<DateTime<Utc>>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Some(at.to_utc()));
    }
    let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    let timed = formats.iter().find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok());
    let dated = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    match timed.or_else(dated) {
        Some(at) => Ok(Some(at.and_utc())),
        None => Err(format!("{text} is no time: write such as 2026-03-01 08:00, or 2026-03-01")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_understood_as_people_write_them() {
        let eight = DateTime::from_timestamp(1_772_352_000, 0);
        for text in ["2026-03-01 08:00", " 2026-03-01T08:00 ", "2026-03-01 08:00:00", "2026-03-01T09:00:00+01:00"] {
            assert_eq!(typed(text), Ok(eight), "{text}");
        }
        assert_eq!(typed("  "), Ok(None));
        assert!(typed("2026-03-01").unwrap() < eight);
        assert!(typed("yesterday").unwrap_err().contains("yesterday is no time"));
    }
}
