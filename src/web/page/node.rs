//! One node: where it hangs, who hangs on it, what changed, what is odd about it.

use maud::{Markup, html};

use super::{HIDDEN, changes, encoded, findings, moment, node_at, number, said, tree::Branch};
use crate::{
    store::{
        look::{KindRow, NodeRow},
        report::ChangeRow,
    },
    web::guard::May,
};

/// What a node's page shows.
pub struct OneNode<'a> {
    /// The node.
    pub node: &'a NodeRow,
    /// Who hangs on it.
    pub branch: Branch<'a>,
    /// Its latest changes.
    pub changes: &'a [ChangeRow],
    /// What is odd about it.
    pub kinds: &'a [KindRow],
    /// The daemon can be asked to read it.
    pub is_served: bool,
    /// What whoever looks may.
    pub may: May,
}

impl OneNode<'_> {
    /// The page's body.
    pub fn body(&self) -> Markup {
        let node = self.node;
        html! {
            nav.path aria-label="Path from the root" {
                a href={ "/source/" (node.source) } { (node.source) } " › " a href={ "/source/" (node.source) "/tree" } { "Tree" }
                @for key in node.path.iter().flatten() {
                    " › "
                    @if *key == node.key { span aria-current="page" { (key) } } @else { a href={ (node_at(&node.source, key)) } { (key) } }
                }
            }
            @if self.may.act && self.is_served && node.retired_at.is_none() {
                div.levers {
                    @for (label, below) in [("Refresh this node", ""), ("Refresh all below", "1")] {
                        form method="post" action={ (node_at(&node.source, &node.key)) "/refresh" } {
                            input type="hidden" name="below" value=(below);
                            button { (label) }
                        }
                    }
                }
            }
            (self.facts())
            section aria-labelledby="below" {
                h2 #below { "Who hangs on it" }
                @if self.branch.lines.is_empty() { p { "Nobody." } } @else { ul.tree.top { (self.branch.list()) } }
            }
            section aria-labelledby="findings" { h2 #findings { "Findings" } (findings::grouped(self.kinds)) }
            section aria-labelledby="changes" {
                h2 #changes { "Changes" }
                (changes::table(self.changes, self.may))
                p { a href={ "/changes?source=" (node.source) "&node=" (encoded(&node.key)) } { "All changes of this node" } }
            }
            section aria-labelledby="versions" {
                h2 #versions { "Versions" }
                p.soft { "When each version of it began, the latest first." }
                ol { @for begun in &node.versions { li {
                    a href={ "/source/" (node.source) "/tree?at=" (encoded(&begun.to_rfc3339())) } { (moment(Some(*begun))) }
                } } }
            }
        }
    }

    fn facts(&self) -> Markup {
        let node = self.node;
        let personal = |value: &Option<String>| match (value, self.may.see_persons) {
            (Some(value), true) => said(value),
            (Some(_), false) => html! { span.soft { (HIDDEN) } },
            (None, _) => html! { "–" },
        };
        html! {
            dl.facts {
                dt { "Name" } dd { (personal(&node.name)) }
                dt { "Mobile" } dd { (personal(&node.mobile)) }
                dt { "E-mail" } dd { (personal(&node.email)) }
                @if node.external_id.is_some() { dt { "External id" } dd { (personal(&node.external_id)) } }
                @if let Some(is_active) = node.is_active { dt { "Active" } dd { @if is_active { "yes" } @else { "no" } } }
                @if node.is_placeholder { dt { "Placeholder" } dd { "only its id is known" } }
                dt { "Hangs on" }
                dd {
                    @if node.parents.is_empty() { "nobody" }
                    @for (place, parent) in node.parents.iter().enumerate() {
                        @if place > 0 { ", " } a href={ (node_at(&node.source, parent)) } { (parent) }
                    }
                }
                @if let (Some(children), Some(descendants)) = (node.children, node.descendants) {
                    dt { "Below it" } dd { (number(children)) " directly, " (number(descendants)) " in all" }
                } @else {
                    dt { "Place" } dd { "none in the settled tree" }
                }
                @if let Some(said) = node.no_of_children { dt { "Children, as the vendor says" } dd { (number(said)) } }
                dt { "Its list" } dd { (self.list()) }
                dt { "The vendor's stamp" } dd { (moment(node.auto_update_time)) }
                dt { "First seen" } dd { (moment(Some(node.first_seen_at))) }
                dt { "Changed" } dd { (moment(Some(node.changed_at))) }
                @if node.retired_at.is_some() { dt { "Gone since" } dd { (moment(node.retired_at)) } }
                @if node.forgotten_at.is_some() { dt { "Forgotten" } dd { (moment(node.forgotten_at)) } }
            }
        }
    }

    /// What the last walk has made of its list.
    fn list(&self) -> Markup {
        let node = self.node;
        let word = match node.list_state.as_deref() {
            None => return html! { "none was read: nobody is below it, as far as the vendor says" },
            Some("read") => "read to its end and proven",
            Some("queued") => "still to be read",
            Some("doubtful") => "in doubt",
            Some("unproven") => "read, but not proven",
            Some(_) => "could not be read",
        };
        html! {
            (word)
            @if let Some(shown) = node.list_shown { ", " (number(shown)) " shown" }
            @if let Some(expected) = node.list_expected { " of " (number(expected)) }
        }
    }
}
