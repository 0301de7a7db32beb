//! Repairs texts that JSON or Postgres cannot hold, before and after parsing. Knows no vendor.
//! Whatever cannot be held first becomes U+0000, so that one place replaces it by U+FFFD and can name the field.

use std::{borrow::Cow, collections::HashMap, fmt::Write, mem};

use encoding_rs::{Encoding, UTF_8};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// How U+0000 is written in JSON.
pub(super) const NUL_ESCAPE: &str = "\\u0000";

/// The body as text: UTF-8, or UTF-16 if it says so by its first bytes, else in the `charset` that its header names. Bytes that are no
/// text then become U+0000.
pub(super) fn decode<'a>(body: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    match body {
        [0xFF, 0xFE, wide @ ..] => return Cow::Owned(decode_wide(wide, u16::from_le_bytes)),
        [0xFE, 0xFF, wide @ ..] => return Cow::Owned(decode_wide(wide, u16::from_be_bytes)),
        _ => {}
    }
    let (body, has_mark) = body.strip_prefix(b"\xEF\xBB\xBF").map_or((body, false), |body| (body, true));
    let utf8 = str::from_utf8(body).ok();
    let charset = charset.filter(|_| !has_mark && utf8.map_or_else(|| !is_mostly_utf8(body), str::is_ascii));
    let named = charset.and_then(|name| Encoding::for_label(name.as_bytes())).filter(|named| *named != UTF_8);
    // UTF-16 without its first bytes is valid UTF-8 as often as not, full of U+0000.
    let is_utf8 = utf8.filter(|_| named.is_none_or(Encoding::is_ascii_compatible));
    match (is_utf8, named) {
        (Some(text), _) => Cow::Borrowed(text),
        (None, Some(named)) => match named.decode_without_bom_handling(body) {
            (text, false) => text,
            (text, true) => Cow::Owned(text.replace('\u{FFFD}', NUL_ESCAPE)),
        },
        (None, None) => {
            let chunks = body.utf8_chunks();
            chunks.flat_map(|chunk| [chunk.valid(), if chunk.invalid().is_empty() { "" } else { NUL_ESCAPE }]).collect()
        }
    }
}

/// Whether its characters beyond ASCII are more often whole in UTF-8 than not: then a header that names another charset is a default that
/// nobody has set, and a byte that is none was cut off.
fn is_mostly_utf8(body: &[u8]) -> bool {
    let (mut whole, mut broken) = (0_usize, 0_usize);
    for chunk in body.utf8_chunks() {
        whole += chunk.valid().chars().filter(|sign| !sign.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    whole > broken
}

fn decode_wide(body: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (units, odd) = body.as_chunks::<2>();
    let mut text = String::with_capacity(body.len());
    for character in char::decode_utf16(units.iter().copied().map(unit)) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => text.push_str(NUL_ESCAPE),
        }
    }
    if !odd.is_empty() {
        text.push_str(NUL_ESCAPE);
    }
    text
}

/// Begins a text that stood where JSON has none: a number that is none, such as `NaN`, or `007`.
pub(super) const AS_SENT: &str = "\\u0000as sent:";

/// What stands between values.
const MARKS: [char; 6] = [',', ':', ' ', '\t', '\r', '\n'];

/// Quotes what stands inside of brackets where a value should and is none in JSON. A row that holds it can be read then, and says so.
pub(super) fn quote_foreign(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 64);
    let (mut at, mut open) = (0, 0_usize);
    while at < text.len() {
        let rest = &text[at..];
        let length = match rest.as_bytes()[0] {
            b'"' => end_of_string(rest, 0),
            b'{' | b'[' => {
                open += 1;
                1
            }
            b'}' | b']' => {
                open = open.saturating_sub(1);
                1
            }
            // A run of blanks at once: to look behind each of them would take for ever.
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => rest.find(|sign| !MARKS.contains(&sign)).unwrap_or(rest.len()),
            _ => rest.find(|sign| MARKS.contains(&sign) || "{}[]\"".contains(sign)).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        let is_mark = token.starts_with(|sign| MARKS.contains(&sign) || "{}[]\"".contains(sign));
        let is_foreign = open > 0 && !is_mark && serde_json::from_str::<IgnoredAny>(token).is_err();
        if is_foreign && !after.trim_start().starts_with(':') {
            let quoted = Value::from(token).to_string();
            mended.extend(["\"", AS_SENT, &quoted[1..]]);
        } else {
            mended.push_str(token);
        }
        at += length;
    }
    mended
}

/// Behind the closing quote of the string at `from`.
pub(super) fn end_of_string(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// Escapes control characters that stand raw inside strings: JSON forbids them, some servers send them.
pub(super) fn escape_controls(text: &str) -> String {
    let (mut is_inside, mut is_escaped) = (false, false);
    let mut mended = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_inside && character < ' ' {
            write!(mended, "\\u{:04x}", u32::from(character)).expect("writing into a string cannot fail");
            is_escaped = false;
            continue;
        }
        if character == '"' && !is_escaped {
            is_inside = !is_inside;
        }
        is_escaped = is_inside && character == '\\' && !is_escaped;
        mended.push(character);
    }
    mended
}

/// Lone halves of surrogate pairs, such as `\ud800`, become U+0000: serde_json refuses them.
pub(super) fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        let (kept, after) = mend_escape(escape);
        mended.push_str(before);
        mended.push_str(kept);
        rest = after;
    }
    mended.push_str(rest);
    Cow::Owned(mended)
}

/// What to keep of the escape at the head of a text, and what follows it.
fn mend_escape(text: &str) -> (&str, &str) {
    const UNIT: usize = 6;
    match code_unit(text) {
        Some(0xD800..=0xDBFF) if matches!(code_unit(&text[UNIT..]), Some(0xDC00..=0xDFFF)) => text.split_at(2 * UNIT),
        Some(0xD800..=0xDFFF) => (NUL_ESCAPE, &text[UNIT..]),
        _ => text.split_at(text.chars().take(2).map(char::len_utf8).sum()),
    }
}

fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// Replaces every U+0000 by U+FFFD, in keys too, and says in which fields.
pub(super) fn replace_nul(value: &mut Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found.sort();
    found.dedup();
    found
}

fn walk(value: &mut Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('\0') => {
            *text = text.replace('\0', "\u{FFFD}");
            found.push(path.to_owned());
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| walk(entry, path, found)),
        Value::Object(map) => walk_object(map, path, found),
        _ => {}
    }
}

fn walk_object(map: &mut Map<String, Value>, path: &str, found: &mut Vec<String>) {
    let mut next_number: HashMap<String, u32> = HashMap::new();
    for (key, mut value) in mem::take(map) {
        walk(&mut value, &field_path(path, &key), found);
        if key.contains('\0') {
            found.push(field_path(path, "a key"));
        }
        let mended = key.replace('\0', "\u{FFFD}");
        let mut free = mended.clone();
        // Two keys that differed by U+0000 alone must not swallow each other. Counted, since there may be many.
        while map.contains_key(&free) {
            let number = next_number.entry(mended.clone()).or_insert(1);
            *number += 1;
            free = format!("{mended}{number}");
        }
        map.insert(free, value);
    }
}

fn field_path(path: &str, key: &str) -> String {
    let name = name(key);
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Keys can hold anything, a person's data too: only what looks like a field's name is told.
pub(super) fn name(key: &str) -> &str {
    let is_name = key.len() <= 40
        && key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.chars().all(|character| character.is_ascii_alphanumeric() || "_ ".contains(character));
    if is_name { key } else { "…" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_stay() {
        for (sent, mended) in [
            (r"\ud800", r"\u0000"),
            (r"\uDFFFx", r"\u0000x"),
            (r"\ud83d\ude00", r"\ud83d\ude00"),
            (r"\ud800\ud83d\ude00", r"\u0000\ud83d\ude00"),
            (r"\\ud800", r"\\ud800"),
            (r"\\\ud800", r"\\\u0000"),
            (r"\é\ud8", r"\é\ud8"),
            (r"\", r"\"),
        ] {
            assert_eq!(replace_lone_surrogates(sent), mended, "{sent}");
        }
    }

    #[test]
    fn raw_control_characters_are_escaped_inside_strings_only() {
        let mended = escape_controls("{\n\t\"a\\\"\": \"x\ny\0z\"\r\n}");
        assert_eq!(serde_json::from_str::<Value>(&mended).expect("json"), json!({"a\"": "x\ny\0z"}));
    }

    #[test]
    fn bytes_that_are_no_text_become_u0000() {
        let decode = |body| decode(body, None).into_owned();
        assert_eq!(decode(b"\"J\xFCrgen\""), "\"J\\u0000rgen\"");
        assert_eq!(decode("\u{FEFF}\"Jürgen\"".as_bytes()), "\"Jürgen\"");
        assert_eq!(decode(b"\xFF\xFE\"\0\xFC\0\"\0"), "\"ü\"");
        assert_eq!(decode(b"\xFE\xFF\0\"\xD8\0\0\"\0"), "\"\\u0000\"\\u0000");
    }

    #[test]
    fn what_is_no_utf8_is_read_in_the_charset_that_the_header_names() {
        for (body, charset, text) in [
            (&b"\"J\xFCrgen\""[..], "ISO-8859-1", "\"Jürgen\""),
            (b"\"\x80\"", "windows-1252", "\"€\""),
            (b"\"\x83\x65\"", "Shift_JIS", "\"テ\""),
            ("\"Jürgen\"".as_bytes(), "iso-8859-1", "\"Jürgen\""),
            (b"\"\0\xFC\0\"\0", "utf-16le", "\"ü\""),
            (b"\"J\xFCrgen\"", "utf-8", "\"J\\u0000rgen\""),
            (b"\"J\xFCrgen\"", "klingon", "\"J\\u0000rgen\""),
            (b"\"\x83\x65\xFF\"", "Shift_JIS", "\"テ\\u0000\""),
            (b"\"J\xC3\xBCrgen, Zo\xC3\xAB, J\xC3\"", "iso-8859-1", "\"Jürgen, Zoë, J\\u0000\""),
            (b"\xEF\xBB\xBF\"J\xC3\"", "iso-8859-1", "\"J\\u0000\""),
        ] {
            assert_eq!(decode(body, Some(charset)), text, "{charset}");
        }
    }

    #[test]
    fn what_is_no_json_inside_of_brackets_is_quoted() {
        for (sent, quoted) in [
            (r#"{"a": NaN, "b": [-Infinity,007 ], "c": .5}"#, r#"{"a": "<NaN", "b": ["<-Infinity","<007" ], "c": "<.5"}"#),
            (r#"{"a": [True, x'y, +1, 1e5]}"#, r#"{"a": ["<True", "<x'y", "<+1", 1e5]}"#),
            (r#"{"NaN": "NaN, \"NaN", "b": null}"#, r#"{"NaN": "NaN, \"NaN", "b": null}"#),
            (r#"[?, -, *, .]"#, r#"["<?", "<-", "<*", "<."]"#),
            ("[ü, {}]", "[\"<ü\", {}]"),
            ("ok", "ok"),
            ("{a: 1}", "{a: 1}"),
        ] {
            assert_eq!(quote_foreign(sent).replace(AS_SENT, "<"), quoted, "{sent}");
        }
    }

    #[test]
    fn every_u0000_is_replaced_and_its_field_named() {
        let mut value = json!({"a": ["x\0", {"b\0": "y", "b\u{FFFD}": "z"}], "anna@example.com": "\0", "c": "d"});
        assert_eq!(replace_nul(&mut value), ["a", "a.a key", "…"]);
        let inner = json!({"b\u{FFFD}": "y", "b\u{FFFD}2": "z"});
        assert_eq!(value, json!({"a": ["x\u{FFFD}", inner], "anna@example.com": "\u{FFFD}", "c": "d"}));
    }
}
