//! The pages, rendered on the server. What is personal is left out for whoever may not see it.

pub mod changes;
mod chart;
pub mod findings;
mod frame;
pub mod node;
pub mod overview;
pub mod sign_in;
pub mod source;
pub mod tree;

use chrono::{DateTime, Utc};
use maud::{Markup, html};

pub use self::frame::{Frame, Renewed, refused};
use crate::{
    clock,
    text::{shown, time},
};

/// What stands in place of personal data.
const HIDDEN: &str = "hidden";

/// A text from a vendor, as it may be shown, and by itself: one that is written from right to left turns nothing around it.
fn said(text: &str) -> Markup {
    html! { bdi { (shown(text)) } }
}

/// A moment, also for machines; of today without its date. A dash for none.
fn moment(at: Option<DateTime<Utc>>) -> Markup {
    match at {
        Some(at) if at.date_naive() == clock::now().date_naive() => {
            html! { time datetime=(at.to_rfc3339()) title=(time(Some(at))) { (at.format("%H:%M:%SZ")) } }
        }
        Some(at) => html! { time datetime=(at.to_rfc3339()) { (time(Some(at))) } },
        None => html! { "–" },
    }
}

/// A number with its thousands set apart.
fn number(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if number < 0 { format!("−{text}") } else { text }
}

/// The address of a node's page.
pub fn node_at(source: &str, key: &str) -> String {
    format!("/source/{source}/node/{}", encoded(key))
}

/// A run's number, which leads to what the run changed.
fn changes_of(source: &str, run_id: i64) -> Markup {
    html! { a href={ "/changes?source=" (source) "&run=" (run_id) } { (run_id) } }
}

/// A text in an address.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// How a run ended, in colour and in words.
fn outcome(word: Option<&str>) -> Markup {
    let (word, class) = match word {
        None => ("running", "running"),
        Some("complete") => ("complete", "fine"),
        Some(word @ ("failed" | "abandoned")) => (word, "bad"),
        Some(word) => (word, "wait"),
    };
    html! { span class={ "state " (class) } { (word) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart_and_addresses_are_encoded() {
        assert_eq!([0, 999, 1000, -1_234_567].map(number), ["0", "999", "1\u{202f}000", "−1\u{202f}234\u{202f}567"]);
        assert_eq!(node_at("sales", "a/b?<"), "/source/sales/node/a%2Fb%3F%3C");
        assert_eq!(said("<b>\u{202e}").into_string(), "<bdi>&lt;b&gt;\\u{202e}</bdi>");
    }
}
