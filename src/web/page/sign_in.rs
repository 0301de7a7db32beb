//! Where the token is typed in, once.

use maud::{Markup, html};

/// The page's body. `wrong`: why it was not taken.
pub fn body(wrong: Option<&str>) -> Markup {
    html! {
        p { "With the token of this daemon, the secret " code { "daemon.token" } ", names, mobiles and e-mails are shown, and the buttons work." }
        form.filter method="post" action="/sign-in" {
            input type="text" name="user" value="hiersync" autocomplete="username" hidden;
            label { "Token " input type="password" name="token" autocomplete="current-password" required autofocus; }
            button { "Sign in" }
        }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
    }
}
