//! One answer of a vendor, whole. Knows no HTTP library.

use std::{borrow::Cow, time::Duration};

use serde::de::IgnoredAny;

use super::{error::VendorError, mend};

/// What came back.
pub struct Answer {
    /// What was called, in our words, for errors.
    pub endpoint: &'static str,
    /// The HTTP status; never a redirect.
    pub status: u16,
    /// `Retry-After`, from seconds or from a date.
    pub retry_after: Option<Duration>,
    /// Whether the content type is HTML.
    pub is_html: bool,
    /// Its end was told before: by a length, by chunks, or by a status that has no body.
    pub is_ended: bool,
    /// The charset that the content type names.
    pub charset: Option<String>,
    /// Whether the body is packed in a way that was not asked for, or said to be.
    pub is_packed: bool,
    /// The body, unpacked where we know how.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the vendor's own service says that all is well.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it says that all is well, and nothing else: by that some servers say that there is none of what was asked for. Not where the
    /// connection's end alone has ended it: that may have been a fault.
    pub fn is_nothing(&self) -> bool {
        self.is_success()
            && self.is_ended
            && !self.is_html
            && self.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.body).trim_ascii().is_empty()
    }

    /// Whether the body is a page for people.
    pub fn is_page(&self) -> bool {
        self.is_html || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// The body as text, whatever it is.
    pub fn text(&self) -> Cow<'_, str> {
        mend::decode(&self.body, self.charset.as_deref())
    }

    /// The body as text, if it is JSON. A page under a good status is maintenance or an edge, and passes.
    pub fn json(&self) -> Result<Cow<'_, str>, VendorError> {
        let text = self.text();
        if is_json(&text) {
            return Ok(text);
        }
        let mut mended = mend::escape_controls(&text);
        if !is_json(&mended) {
            mended = mend::quote_foreign(&mended);
        }
        if is_json(&mended) {
            return Ok(Cow::Owned(mended));
        }
        let what = if text.trim().is_empty() {
            "without data"
        } else if self.is_packed {
            "in an encoding that was not asked for"
        } else if self.is_page() {
            "with a page instead of data"
        } else {
            "with what is no JSON, or only a part of it"
        };
        Err(VendorError::Unreadable(format!("{}: answered {what} ({})", self.endpoint, self.status)))
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
impl Answer {
    /// A whole answer with this body, of which nothing else is said.
    pub fn of(endpoint: &'static str, status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { endpoint, status, retry_after: None, is_html: false, is_ended: true, charset: None, is_packed: false, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(is_html: bool, body: &[u8]) -> Answer {
        Answer {
            endpoint: "things",
            status: 200,
            retry_after: None,
            is_html,
            is_ended: true,
            charset: None,
            is_packed: false,
            body: body.to_vec(),
        }
    }

    #[test]
    fn what_is_no_json_passes() {
        for (is_html, body, told) in [
            (false, "", "without data"),
            (true, " \n", "without data"),
            (false, "\n<html>", "with a page"),
            (true, "Down for maintenance", "with a page"),
            (false, "{\"a\": [1", "only a part"),
            (false, "ok", "no JSON"),
        ] {
            let error = answer(is_html, body.as_bytes()).json().expect_err("no json");
            assert!(matches!(&error, VendorError::Unreadable(text) if text.contains(told)), "{body}: {error}");
            assert!(!error.to_string().contains("not available"), "{error}");
        }
    }

    #[test]
    fn a_foreign_packing_is_told_unless_it_is_none() {
        let packed = |body: &[u8]| Answer { is_packed: true, ..answer(false, body) };
        let error = packed(b"\x0B\x02\x80{}\x03").json().expect_err("no json");
        assert!(error.to_string().contains("an encoding that was not asked for (200)"), "{error}");
        assert!(packed(b"{}").json().is_ok());
    }

    #[test]
    fn json_is_taken_with_what_servers_do_to_it() {
        for (body, text) in [
            (&b"{\"a\": 1}"[..], "{\"a\": 1}"),
            (b"\xEF\xBB\xBF[]", "[]"),
            (b"\xFF\xFE[\0]\0", "[]"),
            (b"[\"a\nb\"]", "[\"a\\u000ab\"]"),
            (b"[\"J\xFCrgen\"]", "[\"J\\u0000rgen\"]"),
            (b"[NaN, \"a\nb\"]", "[\"\\u0000as sent:NaN\", \"a\\u000ab\"]"),
        ] {
            assert_eq!(answer(false, body).json().expect("json"), text);
        }
    }

    #[test]
    fn nesting_has_no_limit_before_its_row_is_read() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(answer(false, deep.as_bytes()).json().is_ok());
    }
}
