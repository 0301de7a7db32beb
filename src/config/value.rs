//! Readers of one value: what it must be, and what to write instead when it is not. Pure.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use toml::de::DeValue;

use super::duration::{parse_bytes, parse_duration};

/// Longest time for one request: a run that takes in nothing for longer stands still.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(900);

/// Longest time for which anything is kept that is not kept for ever: a hundred years.
const LONGEST_KEPT: Duration = Duration::from_secs(36_500 * 86_400);

/// Longest piece of a faulty value that a fault repeats.
const QUOTED: usize = 40;

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Goes on from the key: "is empty".
    pub(super) wrong: String,
    /// What to do: "write …".
    pub(super) right: String,
}

impl Wrong {
    pub(super) fn new(wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), right: right.into() }
    }

    /// A value of another kind than is wanted.
    pub(super) fn kind(value: &DeValue<'_>, right: impl Into<String>) -> Self {
        Self::new(format!("is {}", kind_of(value)), right)
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A piece of the file as a fault may repeat it: short, on one line. Not for what may hold a secret or a person's data.
pub(super) fn quote(text: &str) -> String {
    let cut = if text.chars().count() > QUOTED { "…" } else { "" };
    let short: String = text.chars().take(QUOTED).collect();
    format!("`{}{cut}`", short.escape_debug())
}

/// A text, empty or not.
pub(super) fn any_text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Wrong> {
    value.as_str().ok_or_else(|| Wrong::kind(value, "write a text in quotes"))
}

/// A text with something in it.
pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Wrong> {
    let text = any_text(value)?;
    if text.trim().is_empty() {
        return Err(Wrong::new("is empty", "fill it in, or remove the key"));
    }
    Ok(text)
}

/// A text of one's own.
pub(super) fn owned(value: &DeValue<'_>) -> Result<String, Wrong> {
    text(value).map(str::to_owned)
}

/// A path.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    text(value).map(PathBuf::from)
}

/// `true` or `false`.
pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| Wrong::kind(value, "write true or false, without quotes"))
}

/// A whole number within bounds.
pub(super) fn whole(bounds: RangeInclusive<u32>) -> impl Fn(&DeValue<'_>) -> Result<u32, Wrong> {
    let right = format!("write a whole number from {} to {}", bounds.start(), bounds.end());
    move |value| {
        let number = value.as_integer().ok_or_else(|| Wrong::kind(value, right.as_str()))?;
        let fitting = u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| bounds.contains(number));
        fitting.ok_or_else(|| Wrong::new(format!("{number} is out of bounds"), right.as_str()))
    }
}

/// A share within 0 and 1; whether it may be 1 as well.
pub(super) fn share(may_be_all: bool) -> impl Fn(&DeValue<'_>) -> Result<f64, Wrong> {
    let right = if may_be_all { "write a share from 0.0 to 1.0" } else { "write a share from 0.0 to below 1.0" };
    move |value| {
        let number = match value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<u32>().ok().map(f64::from),
            _ => return Err(Wrong::kind(value, right)),
        };
        let fitting = number.filter(|share| (0.0..1.0).contains(share) || (may_be_all && *share == 1.0));
        fitting.ok_or_else(|| Wrong::new("is out of bounds", right))
    }
}

/// The time for one request, such as `30s`.
pub(super) fn timeout(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    span(value, LONGEST_TIMEOUT, "write a duration above zero and up to 15m, such as `30s` or `5m`")
}

/// How long something is kept, such as `400d`.
pub(super) fn keep(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    span(value, LONGEST_KEPT, "write a duration above zero and up to 36500d, such as `400d`; without the key it is for ever")
}

fn span(value: &DeValue<'_>, longest: Duration, right: &str) -> Result<Duration, Wrong> {
    let text = value.as_str().ok_or_else(|| Wrong::kind(value, right))?;
    let duration = parse_duration(text).ok_or_else(|| Wrong::new(format!("{} is not a duration", quote(text)), right))?;
    let fits = !duration.is_zero() && duration <= longest;
    if fits { Ok(duration) } else { Err(Wrong::new(format!("{} is out of bounds", quote(text)), right)) }
}

/// A size above zero, such as `64MiB`, or a number of bytes.
pub(super) fn bytes(value: &DeValue<'_>) -> Result<u64, Wrong> {
    let right = "write a size above zero, such as `64MiB`, `10MB` or `512KiB`, or a number of bytes";
    let (shown, bytes) = match value {
        DeValue::String(text) => (quote(text), parse_bytes(text)),
        DeValue::Integer(number) => (number.to_string(), u64::from_str_radix(number.as_str(), number.radix()).ok()),
        _ => return Err(Wrong::kind(value, right)),
    };
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| Wrong::new(format!("{shown} is not a size"), right))
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Result<T, Wrong> {
    move |value| {
        let right = || format!("write {}", either(words.iter().map(|(word, _)| *word)));
        let text = value.as_str().ok_or_else(|| Wrong::kind(value, right()))?;
        let meant = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        meant.ok_or_else(|| Wrong::new(format!("{} is not known", quote(text)), right()))
    }
}

/// "`a`, `b` or `c`".
fn either<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault<T: std::fmt::Debug>(toml: &str, read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>) -> String {
        let wrong = read(DeValue::parse(toml).unwrap().get_ref()).expect_err(toml);
        format!("{}; {}", wrong.wrong, wrong.right)
    }

    fn good<T: std::fmt::Debug>(toml: &str, read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>) -> T {
        read(DeValue::parse(toml).unwrap().get_ref()).expect(toml)
    }

    #[test]
    fn texts_are_texts_with_something_in_them() {
        assert_eq!(good("'x'", owned), "x");
        assert_eq!(fault("5", owned), "is a whole number; write a text in quotes");
        assert_eq!(fault("' '", path), "is empty; fill it in, or remove the key");
    }

    #[test]
    fn flags_are_not_quoted() {
        assert!(good("true", flag));
        assert_eq!(fault("'true'", flag), "is a text; write true or false, without quotes");
    }

    #[test]
    fn whole_numbers_keep_their_bounds() {
        assert_eq!(good("0x10", whole(1..=64)), 16);
        for (toml, wrong) in
            [("0", "0 is out of bounds"), ("65", "65 is out of bounds"), ("-1", "-1 is out of bounds"), ("'4'", "is a text")]
        {
            assert_eq!(fault(toml, whole(1..=64)), format!("{wrong}; write a whole number from 1 to 64"));
        }
    }

    #[test]
    fn shares_lie_within_nothing_and_all() {
        assert_eq!(good("1", share(true)), 1.0);
        assert_eq!(good("0", share(false)), 0.0);
        for toml in ["1.0", "1", "-0.1", "nan", "inf"] {
            assert_eq!(fault(toml, share(false)), "is out of bounds; write a share from 0.0 to below 1.0", "{toml}");
        }
        assert_eq!(fault("1.01", share(true)), "is out of bounds; write a share from 0.0 to 1.0");
        assert_eq!(fault("'0.2'", share(true)), "is a text; write a share from 0.0 to 1.0");
    }

    #[test]
    fn a_timeout_is_a_duration_above_zero() {
        assert_eq!(good("'5m'", timeout), Duration::from_secs(300));
        for (toml, wrong) in [
            ("30", "is a whole number"),
            ("'30'", "`30` is not a duration"),
            ("'0s'", "`0s` is out of bounds"),
            ("'2d'", "`2d` is out of bounds"),
        ] {
            assert_eq!(fault(toml, timeout), format!("{wrong}; write a duration above zero and up to 15m, such as `30s` or `5m`"));
        }
    }

    #[test]
    fn a_size_is_a_text_with_a_unit_or_a_number_of_bytes() {
        assert_eq!(good("'64MiB'", bytes), 64 << 20);
        assert_eq!(good("1024", bytes), 1024);
        for (toml, wrong) in
            [("0", "0 is not a size"), ("-5", "-5 is not a size"), ("'lots'", "`lots` is not a size"), ("true", "is true or false")]
        {
            assert!(fault(toml, bytes).starts_with(&format!("{wrong}; write a size above zero")), "{toml}");
        }
    }

    #[test]
    fn a_word_is_one_of_those_listed() {
        let order = word(&[("ASC", 1), ("DESC", 2), ("NONE", 3)]);
        assert_eq!(good("'DESC'", &order), 2);
        assert_eq!(fault("'asc'", &order), "`asc` is not known; write `ASC`, `DESC` or `NONE`");
    }

    #[test]
    fn a_quoted_value_stays_short_and_on_one_line() {
        assert_eq!(quote("a\nb"), "`a\\nb`");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), QUOTED + 3);
    }
}
