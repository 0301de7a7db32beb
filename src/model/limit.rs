//! One window of a vendor's budget, as people write it: `25/5s`.

use std::{fmt, str::FromStr, time::Duration};

/// At most `calls` calls in any span of `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Calls allowed in one span.
    pub calls: u32,
    /// Length of the span.
    pub window: Duration,
}

impl Limit {
    /// What is left when a share of it is left to other users of the account: at least one call.
    #[must_use]
    pub fn with_headroom(self, headroom: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32 between 0 and 1 is a u32")]
        let calls = (f64::from(self.calls) * (1.0 - headroom)).floor() as u32;
        Self { calls: calls.max(1), ..self }
    }
}

/// Why a text is not a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a limit: write calls/window, such as `25/5s` or `10000/1d`")]
pub struct LimitError {
    text: String,
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        parse(text).ok_or_else(|| LimitError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Limit> {
    // humantime overflows on numbers beyond any sense.
    if text.len() > 24 {
        return None;
    }
    let (calls, window) = text.split_once('/')?;
    let calls: u32 = calls.trim().parse().ok()?;
    let window = humantime::parse_duration(window.trim()).ok()?;
    // Shorter windows than the database's clock can order mean nothing; a year is no vendor's window.
    let sane = calls > 0 && window >= Duration::from_millis(1) && window <= Duration::from_secs(366 * 86_400);
    sane.then_some(Limit { calls, window })
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, humantime::format_duration(self.window).to_string().replace(' ', ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_as_it_is_written() {
        for text in ["25/5s", "100/1m", "10000/1day", "3/250ms"] {
            let limit: Limit = text.parse().expect("a limit");
            assert_eq!(limit.to_string(), text);
        }
        assert_eq!("10000/1d".parse::<Limit>().expect("a limit").window, Duration::from_secs(86_400));
    }

    #[test]
    fn headroom_leaves_a_share_and_never_nothing() {
        let left = |text: &str| text.parse::<Limit>().expect("a limit").with_headroom(0.2).to_string();
        assert_eq!((left("25/5s"), left("1/1m")), ("20/5s".into(), "1/1m".into()));
    }

    #[test]
    fn what_is_no_limit_is_refused_with_an_example() {
        for text in ["", "25", "0/5s", "-1/5s", "25/0s", "25/5", "x/5s", "1/500y"] {
            let fault = text.parse::<Limit>().expect_err(text).to_string();
            assert!(fault.contains("25/5s"), "{fault}");
        }
    }
}
