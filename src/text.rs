//! Times, spans and notes as people read them, at the command line and on the status page.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

/// A text as it may be shown: what moves the cursor, turns the writing round or cannot be seen stands as an escape, `\\u{202e}`.
pub fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, |sign| sign.escape_unicode().to_string())
}

/// The same for JSON, which stays what it is.
pub fn shown_in_json(text: &str) -> Cow<'_, str> {
    escaped(text, |sign| sign.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect())
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|sign| if is_hidden(sign) { escape(sign) } else { sign.to_string() }).collect())
}

/// Controls of the terminal and of the direction of writing, and what has no shape. Joiners are left: names of several scripts need them.
fn is_hidden(sign: char) -> bool {
    match sign {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        sign => sign.is_control(),
    }
}

/// A time to the second, or a dash.
pub fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "-".into(), |time| time.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// What a person should know beside the figures of a budget's window. `window`: which one, from 0; what holds for the whole budget,
/// its pause and its pace, stands at the first.
pub fn window_note(
    window: usize,
    paused: Option<(DateTime<Utc>, &str)>,
    full_until: Option<DateTime<Utc>>,
    pace: f64,
    is_learned: bool,
) -> String {
    let paused = paused.filter(|_| window == 0).map(|(until, why)| format!("paused until {}: {why}", time(Some(until))));
    let full = full_until.filter(|_| paused.is_none()).map(|until| format!("free again by {}", time(Some(until))));
    let slowed = (window == 0 && pace < 1.0).then(|| format!("slowed to {:.0} % after refusals", pace * 100.0));
    let learned = is_learned.then(|| "stated by the vendor".to_owned());
    [paused, full, slowed, learned].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Milliseconds as seconds, or in larger units.
pub fn seconds(millis: i64) -> String {
    match millis / 1000 {
        0..60 => format!("{}.{:01} s", millis / 1000, millis % 1000 / 100),
        seconds => span(f64::from(i32::try_from(seconds).unwrap_or(i32::MAX))),
    }
}

/// Seconds as the largest unit that fits.
pub fn ago(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "never".into() };
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// How long something takes: its two largest units, the smaller one rounded.
pub fn span(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a span of whole seconds, which is not negative")]
    let seconds = seconds.max(0.0).ceil() as u64;
    let (minutes, hours) = ((seconds + 30) / 60, (seconds + 1800) / 3600);
    let two = |small: u64, in_large: u64, large_unit: &str, small_unit: &str| match (small / in_large, small % in_large) {
        (large, 0) => format!("{large} {large_unit}"),
        (large, small) => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match minutes {
        _ if seconds < 60 => format!("{seconds} s"),
        _ if seconds < 3600 => two(seconds, 60, "min", "s"),
        0..1440 => two(minutes, 60, "h", "min"),
        _ => two(hours, 24, "d", "h"),
    }
}

/// A share in per cent.
pub fn share(share: f64) -> String {
    match share * 100.0 {
        percent if percent <= 0.0 => "0 %".into(),
        percent if percent < 0.1 => "below 0.1 %".into(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// An error with what lies below it, in one line: each sentence once, and no line of the database's own source.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for link in std::iter::successors(Some(error), |link| link.source()) {
        let text = without_line(&link.to_string());
        if !texts.iter().any(|above| above.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

/// sqlx puts the line of Postgres' source behind its words.
fn without_line(text: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    let cut = text.rsplit_once(" at line ").filter(|(_, line)| is_number(line)).map_or(text, |(said, _)| said);
    cut.replace("error returned from database: ", "the database says: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_a_budget_stands_at_its_first_window_and_what_was_stated_at_its_own() {
        let paused = DateTime::from_timestamp(0, 0).map(|until| (until, "HTTP 429"));
        assert_eq!(window_note(0, None, None, 1.0, false), "");
        assert_eq!(
            window_note(0, paused, paused.map(|(until, _)| until), 0.5, false),
            "paused until 1970-01-01 00:00:00Z: HTTP 429; slowed to 50 % after refusals"
        );
        assert_eq!(
            window_note(1, paused, paused.map(|(until, _)| until), 0.5, true),
            "free again by 1970-01-01 00:00:00Z; stated by the vendor"
        );
    }

    #[test]
    fn what_would_move_the_cursor_or_turn_the_writing_is_shown_as_an_escape() {
        for (text, told) in [
            ("Ana\u{202e}txt.exe", "Ana\\u{202e}txt.exe"),
            ("\u{9b}2J\u{1b}[2J\r\u{7}", "\\u{9b}2J\\u{1b}[2J\\u{d}\\u{7}"),
            ("\u{2066}a\u{2069}\u{feff}", "\\u{2066}a\\u{2069}\\u{feff}"),
            ("Zoë → ├── क्\u{200d}ष 👩\u{200d}👧\n", "Zoë → ├── क्\u{200d}ष 👩\u{200d}👧\n"),
        ] {
            assert_eq!(shown(text), told);
        }
        let value = serde_json::json!({"name": "a\u{9b}\u{202e}\u{e0041}b"});
        let line = value.to_string();
        assert_eq!(shown_in_json(&line), r#"{"name":"a\u009b\u202e\udb40\udc41b"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown_in_json(&line)).expect("json"), value);
    }

    #[test]
    fn waits_are_told_to_a_tenth_of_a_second_while_that_matters() {
        for (millis, told) in [(0, "0.0 s"), (59_990, "59.9 s"), (60_000, "1 min"), (7_265_000, "2 h 1 min"), (172_800_000, "2 d")] {
            assert_eq!(super::seconds(millis), told);
        }
    }

    #[test]
    fn spans_are_told_in_two_units() {
        for (seconds, told) in [
            (0.0, "0 s"),
            (0.2, "1 s"),
            (59.0, "59 s"),
            (59.4, "1 min"),
            (80.0, "1 min 20 s"),
            (36_730.0, "10 h 12 min"),
            (7200.0, "2 h"),
            (86_399.0, "1 d"),
            (172_790.0, "2 d"),
            (277_200.0, "3 d 5 h"),
        ] {
            assert_eq!(span(seconds), told);
        }
    }

    #[test]
    fn shares_are_told_in_per_cent() {
        for (part, told) in [(0.0, "0 %"), (0.0002, "below 0.1 %"), (0.012, "1.2 %"), (0.4, "40 %"), (1.0, "100 %"), (4.666, "467 %")] {
            assert_eq!(share(part), told);
        }
    }

    #[test]
    fn an_error_says_each_thing_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("error returned from database: {0}")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("the role is not there at line 768")]
        struct Inner;
        let error = anyhow::Error::new(Outer(Inner)).context("cannot connect");
        assert_eq!(chain(error.as_ref()), "cannot connect: the database says: the role is not there");
    }
}
