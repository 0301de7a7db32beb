//! Rewrites, in the text of one row, what no reader after it could hold: numbers beyond a double's digits and nesting beyond
//! reason become texts, so that nothing is lost. Finds keys that stand twice. Knows no vendor; its texts are well-formed JSON.

use std::borrow::Cow;

use super::mend;

/// Levels that a row may have. serde_json reads 128, and what is kept is wrapped some levels deeper in `extra` and in `change`.
const DEEPEST: usize = 64;
/// Fields of one kind that are told.
const MOST: usize = 100;
/// Digits of a whole number that both a double and a 64-bit integer hold, whatever they are.
const SAFE_DIGITS: usize = 15;

/// A row's text that can be read, and where it differs from what was sent.
#[derive(Debug, PartialEq)]
pub(super) struct Tamed<'a> {
    pub(super) text: Cow<'a, str>,
    /// Fields of numbers, and of what stood in their place, that became texts.
    pub(super) numbers: Vec<String>,
    /// Fields of what was nested too deeply and became a text.
    pub(super) deep: Vec<String>,
    /// Keys that stand more than once in their object.
    pub(super) twice: Vec<String>,
}

/// Reads a row's text once.
pub(super) fn tame(text: &str) -> Tamed<'_> {
    let mut pass =
        Pass { text, at: 0, copied: 0, changed: String::new(), field: "", keys: Vec::new(), opened: Vec::new(), found: Found::default() };
    while pass.at < text.len() {
        pass.step();
    }
    pass.end()
}

#[derive(Default)]
struct Found {
    numbers: Vec<String>,
    deep: Vec<String>,
    twice: Vec<String>,
}

/// One pass over a text.
struct Pass<'a> {
    text: &'a str,
    at: usize,
    /// Up to here, `changed` has the text.
    copied: usize,
    changed: String,
    /// The last key.
    field: &'a str,
    /// The keys of all objects that are open.
    keys: Vec<Cow<'a, str>>,
    /// For each open bracket, how many keys there were before.
    opened: Vec<usize>,
    found: Found,
}

impl<'a> Pass<'a> {
    fn step(&mut self) {
        match self.text.as_bytes()[self.at] {
            b'"' => self.string(),
            b'{' | b'[' if self.opened.len() == DEEPEST => {
                let end = end_of_brackets(self.text, self.at);
                note(&mut self.found.deep, self.field);
                let quoted = serde_json::Value::from(&self.text[self.at..end]).to_string();
                self.replace(end, &quoted);
            }
            b'{' | b'[' => {
                self.opened.push(self.keys.len());
                self.at += 1;
            }
            b'}' | b']' => {
                self.close();
                self.at += 1;
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.at += 1,
        }
    }

    /// A string; one before a colon is a key.
    fn string(&mut self) {
        let end = mend::end_of_string(self.text, self.at);
        let inner = &self.text[self.at + 1..end - 1];
        if self.text[end..].trim_start_matches([' ', '\t', '\n', '\r']).starts_with(':') {
            self.field = inner;
            self.keys.push(unescaped(&self.text[self.at..end], inner));
        } else if let Some(sent) = inner.strip_prefix(mend::AS_SENT) {
            note(&mut self.found.numbers, self.field);
            self.replace(end, &format!("\"{sent}\""));
            return;
        }
        self.at = end;
    }

    fn close(&mut self) {
        let from = self.opened.pop().unwrap_or(0);
        self.keys[from..].sort_unstable();
        for pair in self.keys[from..].windows(2).filter(|pair| pair[0] == pair[1]) {
            note(&mut self.found.twice, &pair[0]);
        }
        self.keys.truncate(from);
    }

    fn number(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest.find(|sign: char| !matches!(sign, '-' | '+' | '.' | 'e' | 'E' | '0'..='9')).unwrap_or(rest.len());
        let (token, end) = (&rest[..length], self.at + length);
        match held(token) {
            Held::AsSent => self.at = end,
            Held::Whole(number) => self.replace(end, &number),
            Held::NotAtAll => {
                note(&mut self.found.numbers, self.field);
                self.replace(end, &format!("\"{token}\""));
            }
        }
    }

    fn replace(&mut self, end: usize, with: &str) {
        self.changed.push_str(&self.text[self.copied..self.at]);
        self.changed.push_str(with);
        (self.at, self.copied) = (end, end);
    }

    fn end(mut self) -> Tamed<'a> {
        let text = if self.copied == 0 {
            Cow::Borrowed(self.text)
        } else {
            self.changed.push_str(&self.text[self.copied..]);
            Cow::Owned(self.changed)
        };
        let Found { numbers, deep, twice } = self.found;
        Tamed { text, numbers, deep, twice }
    }
}

fn note(fields: &mut Vec<String>, field: &str) {
    // No more are named, and to look through all of them for each would take for ever.
    if fields.len() > MOST {
        return;
    }
    let name = mend::name(field);
    if !fields.iter().any(|known| known == name) {
        fields.push(name.to_owned());
    }
}

/// A key as it is meant: it may be written with escapes.
fn unescaped<'a>(quoted: &str, inner: &'a str) -> Cow<'a, str> {
    let plain = Cow::Borrowed(inner);
    if inner.contains('\\') { serde_json::from_str(quoted).map_or(plain, Cow::Owned) } else { plain }
}

/// Behind the bracket that closes the one at `from`.
fn end_of_brackets(text: &str, from: usize) -> usize {
    let (bytes, mut at, mut open) = (text.as_bytes(), from, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = mend::end_of_string(text, at);
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            break;
        }
    }
    at
}

/// How a number can be held.
#[derive(Debug, PartialEq)]
enum Held {
    AsSent,
    /// A whole number that was not written as one, such as `1.0`: the same value must not look like another.
    Whole(String),
    /// Neither as a 64-bit integer nor as a double without losing digits.
    NotAtAll,
}

fn held(token: &str) -> Held {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_plain && token != "-0" && (token.len() <= SAFE_DIGITS || token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok()) {
        return Held::AsSent;
    }
    let Some(sent) = Decimal::of(token) else { return Held::NotAtAll };
    if let Some(number) = sent.whole() {
        return Held::Whole(number);
    }
    // As it will be written to Postgres: of two shortest spellings of a double, another library may choose the other.
    let double = token.parse().ok().and_then(serde_json::Number::from_f64);
    let kept = double.and_then(|double| Decimal::of(&double.to_string()));
    if kept == Some(sent) { Held::AsSent } else { Held::NotAtAll }
}

/// A number as its digits, without zeros around them, times a power of ten.
#[derive(Debug, PartialEq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(token: &str) -> Option<Self> {
        let (is_negative, token) = token.strip_prefix('-').map_or((false, token), |token| (true, token));
        let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let ending = all.trim_end_matches('0');
        let digits = ending.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits, exponent: 0 });
        }
        let point = i64::try_from(all.len() - ending.len()).ok()? - i64::try_from(fraction.len()).ok()?;
        Some(Self { is_negative, digits, exponent: exponent.parse::<i64>().ok()?.checked_add(point)? })
    }

    /// As a whole number of 64 bits, if it is one.
    fn whole(&self) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".into());
        }
        let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros < 20)?;
        let sign = if self.is_negative { "-" } else { "" };
        let number = format!("{sign}{}{}", self.digits, "0".repeat(zeros));
        (number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn what_can_be_held_stays_as_it_is() {
        let sent = r#"{"a": [1, -2.5, 1e-3, 0.30000000000000004, 18446744073709551615, -9223372036854775808, 1e30], "b\"c": "1e999 {[,"}"#;
        let tamed = tame(sent);
        assert!(matches!(tamed.text, Cow::Borrowed(text) if text == sent), "{tamed:?}");
        assert!(tamed.numbers.is_empty() && tamed.deep.is_empty() && tamed.twice.is_empty());
    }

    #[test]
    fn a_number_is_held_whole_or_as_text() {
        let whole = |number: &str| Held::Whole(number.into());
        for (token, expected) in [
            ("0", Held::AsSent),
            ("-7", Held::AsSent),
            ("123456789012345678", Held::AsSent),
            ("1.5", Held::AsSent),
            ("1.10", Held::AsSent),
            ("1000000000000000000000000000000", Held::AsSent),
            ("1e30", Held::AsSent),
            ("-1265791512642605.2", Held::AsSent),
            ("5e-324", Held::AsSent),
            ("1.7976931348623157e308", Held::AsSent),
            ("-0", whole("0")),
            ("-0.0", whole("0")),
            ("0e999999999999999999999", whole("0")),
            ("7.0", whole("7")),
            ("7E+2", whole("700")),
            ("9007199254740993.0", whole("9007199254740993")),
            ("1e19", whole("10000000000000000000")),
            ("18446744073709551616", Held::NotAtAll),
            ("12345678901234567890123", Held::NotAtAll),
            ("0.1000000000000000055", Held::NotAtAll),
            ("1e999", Held::NotAtAll),
            ("-1e999", Held::NotAtAll),
            ("1e-999", Held::NotAtAll),
            ("1e99999999999999999999", Held::NotAtAll),
        ] {
            assert_eq!(held(token), expected, "{token}");
        }
    }

    #[test]
    fn what_cannot_be_held_becomes_a_text_and_its_field_is_named() {
        let tamed = tame(r#"{"x": {"big": [1e999, 1e998]}, "n": 1.0, "anna@example.com": 1e999, "s": ["é", -1e999]}"#);
        assert_eq!(tamed.text, r#"{"x": {"big": ["1e999", "1e998"]}, "n": 1, "anna@example.com": "1e999", "s": ["é", "-1e999"]}"#);
        assert_eq!(tamed.numbers, ["big", "…", "s"]);
    }

    #[test]
    fn what_is_nested_too_deeply_becomes_a_text() {
        let fits = format!(r#"{{"x": {}}}"#, nested(DEEPEST - 1));
        assert_eq!(tame(&fits).text, fits);
        let deep = nested(100_000);
        let text = format!(r#"{{"x": {deep}, "y": "]"}}"#);
        let tamed = tame(&text);
        assert_eq!(tamed.deep, ["x"]);
        let mut value: &serde_json::Value = &serde_json::from_str(&tamed.text).expect("it can be read");
        assert_eq!(value["y"], "]");
        value = &value["x"];
        while value.is_array() {
            value = &value[0];
        }
        assert_eq!(value.as_str().map(str::len), Some(deep.len() - 2 * (DEEPEST - 1)));
    }

    #[test]
    fn keys_that_stand_twice_in_one_object_are_found() {
        let tamed = tame(r#"{"a": 1, "b": {"a": 2, "\u0061": 3, "c" : [{"d": 1}, {"d": 1}]}, "b c": "a", "b c": "\\\"", "b c": 0}"#);
        assert_eq!(tamed.twice, ["a", "b c"]);
    }
}
