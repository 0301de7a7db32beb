//! What stands around every page.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use crate::web::guard::May;

/// What a page is framed by.
pub struct Frame<'a> {
    /// Its title.
    pub title: &'a str,
    /// What whoever looks may.
    pub may: May,
    /// Whether it is renewed while it is looked at.
    pub renewed: Option<Renewed>,
    /// What was just done, in a word of the address.
    pub done: Option<&'a str>,
}

/// When a page is renewed.
#[derive(Clone, Copy)]
pub enum Renewed {
    /// When there is something new.
    WithNews,
    /// And every few seconds, since it says how long ago things were.
    Always,
}

impl Renewed {
    fn word(self) -> &'static str {
        match self {
            Self::WithNews => "news",
            Self::Always => "always",
        }
    }
}

impl Frame<'_> {
    /// The whole page.
    pub fn around(&self, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · hiersync" }
                    link rel="stylesheet" href="/style.css";
                    link rel="icon" type="image/svg+xml" href="/icon.svg";
                    script src="/script.js" defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        nav aria-label="Pages" {
                            a.home href="/" { "hiersync" }
                            a href="/" { "Overview" }
                            a href="/changes" { "Changes" }
                            a href="/metrics" { "Metrics" }
                        }
                        div.who {
                            @if self.may.sign_in {
                                a href="/sign-in" { "Show persons" }
                            } @else if self.may.see_persons {
                                form method="post" action="/sign-out" { button { "Hide persons" } }
                            }
                        }
                    }
                    main #main {
                        h1 { (self.title) }
                        p.done role="status" { (self.done.map(done).unwrap_or_default()) }
                        div #content data-live=[self.renewed.map(Renewed::word)] { (body) }
                    }
                    footer {
                        p { "Times are UTC; those without a date are of today. hiersync " (env!("CARGO_PKG_VERSION")) }
                    }
                }
            }
        }
    }
}

fn done(word: &str) -> &'static str {
    match word {
        "sync" => "A sync was asked for. It begins as soon as nothing else reads this source.",
        "refresh" => "This node is read next.",
        "pause" => "The schedule is paused. A run that is under way stops at its next page.",
        "resume" => "The schedule goes on.",
        _ => "",
    }
}

/// A page that says why there is none.
pub fn refused(status: StatusCode, may: May, say: &str) -> (StatusCode, Markup) {
    let frame = Frame { title: status.canonical_reason().unwrap_or("Refused"), may, renewed: None, done: None };
    (status, frame.around(&html! { p { (say) } p { a href="/" { "To the overview" } } }))
}
