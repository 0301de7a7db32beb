//! Which of LeadSquared's answers are refusals, and of what kind. The type of the exception tells more than the status:
//! throttling comes as 429, 403 and 200, a logical error as 500, a wrong host as 401 (vendor documentation and live accounts, 2026).

use std::{sync::LazyLock, time::Duration};

use regex_lite::Regex;
use url::Url;

use super::wire::Exception;
use crate::{
    model::limit::Limit,
    vendor_api::{
        answer::Answer,
        error::VendorError,
        json::{self, Field, Flag, Text},
    },
};

/// "API calls exceeded the limit of 25 in 5 second(s)".
static STATED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)limit of (\d{1,9}) in (\d{1,9}) second").expect("a constant pattern"));
/// The same without its numbers, and what a gateway would say.
static THROTTLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\bcalls exceeded the limit\b|\btoo many( \w+)? (requests|calls)\b").expect("a constant pattern"));
static RATE_LIMIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)\brate limit").expect("a constant pattern"));
/// A host of the vendor's own, and nothing that only begins or ends like one.
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:^|[^a-z0-9.@-])((?:[a-z0-9-]{1,63}\.){1,4}leadsquared\.com)(?:$|\.?[^a-z0-9.@-]|\.$)").expect("a constant pattern")
});

/// The refusal in an answer, if it is one. `text` is its body where that is JSON; `base` is where we asked.
pub(super) fn of(answer: &Answer, text: Option<&str>, base: &Url) -> Option<VendorError> {
    let exception = text.and_then(|text| json::object::<Exception>(text).ok()).unwrap_or_default();
    if answer.is_success() && !exception.is_error() {
        return None;
    }
    let message = exception.message(answer);
    // Beside a type of the vendor's own these words may be about anything.
    let is_rate = !exception.kind().starts_with("mx") && RATE_LIMIT.is_match(&message);
    let is_said = STATED.is_match(&message) || THROTTLE.is_match(&message) || is_rate;
    if answer.status == 429 || exception.kind().contains("ratelimit") || is_said {
        return Some(VendorError::Throttled { retry_after: answer.retry_after, stated: stated_limit(&message), form: form(answer.status) });
    }
    let place = format!("{} ({}{})", answer.endpoint, answer.status, exception.name());
    if answer.status == 401 || exception.is_about_keys() {
        return Some(VendorError::Unauthorised(format!("{place}: {}", keys_hint(&message, base))));
    }
    Some(by_status(answer.status, exception.is_logical(), text.is_some(), &place))
}

impl Exception {
    fn is_error(&self) -> bool {
        matches!(&self.status, Field::Read(Text(status)) if status.eq_ignore_ascii_case("error")) || !self.kind().is_empty()
    }

    /// The type in lower case; empty for none.
    fn kind(&self) -> String {
        match &self.exception_type {
            Field::Read(Text(kind)) => kind.to_ascii_lowercase(),
            _ => String::new(),
        }
    }

    /// The type for an error's text, if it is one of the vendor's: anything else is text of unknown content.
    fn name(&self) -> String {
        match &self.exception_type {
            Field::Read(Text(kind))
                if kind.starts_with("MX") && kind.len() <= 64 && kind.chars().all(|letter| letter.is_ascii_alphanumeric()) =>
            {
                format!(", {kind}")
            }
            _ => String::new(),
        }
    }

    /// What it says in words: never shown, only searched. A refusal that is no JSON speaks through its body.
    fn message(&self, answer: &Answer) -> String {
        match &self.exception_message {
            Field::Read(Text(message)) => message.clone(),
            _ => String::from_utf8_lossy(&answer.body[..answer.body.len().min(4096)]).into_owned(),
        }
    }

    /// `MXUnAuthorizedAccessException`, `MXUnauthorizedRequestException`, `MXInvalidAccessDetailsException`.
    fn is_about_keys(&self) -> bool {
        let kind = self.kind();
        kind.contains("unauthori") || kind.contains("invalidaccess")
    }

    /// An `MX` type is the vendor's considered answer: asking again brings it again (a live account, 2026-09).
    fn is_logical(&self) -> bool {
        self.kind().starts_with("mx") || self.is_mx_exception == Field::Read(Flag(true))
    }
}

fn stated_limit(message: &str) -> Option<Limit> {
    let found = STATED.captures(message)?;
    const YEAR: u32 = 366 * 86_400;
    let number = |group| found.get(group).and_then(|digits| digits.as_str().parse::<u32>().ok()).filter(|number| *number > 0);
    Some(Limit { calls: number(1)?, window: Duration::from_secs(number(2).filter(|seconds| *seconds <= YEAR)?.into()) })
}

fn form(status: u16) -> &'static str {
    match status {
        429 => "429",
        403 => "403 with a message",
        200..=299 => "200 with an exception",
        _ => "an error with a message",
    }
}

/// A wrong host is refused as wrong keys are, and the message names the right one. Only the vendor's own hosts are repeated.
fn keys_hint(message: &str, base: &Url) -> String {
    let named = HOST.captures(message).and_then(|found| found.get(1)).map(|host| host.as_str().to_ascii_lowercase());
    match named.filter(|host| Some(host.as_str()) != base.host_str()) {
        Some(host) => format!("wrong host: the vendor says that these keys belong to {host}; set `base_url` to https://{host}"),
        None => "the keys are not accepted, their owner is deactivated, or the host is not this account's".into(),
    }
}

fn by_status(status: u16, is_logical: bool, is_json: bool, place: &str) -> VendorError {
    match status {
        403 if !is_json => VendorError::Transient(format!("{place}: refused by the edge, not by the service")),
        500 if is_logical => VendorError::Rejected(format!("{place}: the vendor refuses what was asked, check columns and ids")),
        408 | 500..=599 => VendorError::Transient(format!("{place}: the vendor has a fault")),
        400 => VendorError::Rejected(format!("{place}: the body is not as this endpoint wants it, check `include` and `columns`")),
        404 => VendorError::Rejected(format!("{place}: nothing is there, check `hierarchy_path` and `base_url`")),
        405 => VendorError::Rejected(format!("{place}: this path wants another method, check `hierarchy_path`")),
        _ => VendorError::Rejected(format!("{place}: the vendor refuses what was asked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Option<VendorError> {
        let base: Url = "https://api.leadsquared.com/v2".parse().expect("a URL");
        let answer = Answer { is_html: body.starts_with('<'), ..Answer::of("user hierarchy", status, body) };
        of(&answer, answer.json().as_deref().ok(), &base)
    }

    fn exception(kind: &str, message: &str) -> String {
        format!(r#"{{"Status": "Error", "ExceptionType": "{kind}", "ExceptionMessage": "{message}"}}"#)
    }

    #[test]
    fn every_answer_is_classified() {
        const LIMIT: &str = "API calls exceeded the limit of 25 in 5 second(s)";
        let limited = exception("MXAPIRateLimitExceededException", LIMIT);
        let table = [
            (200, r#"{"Users": []}"#.into(), "accepted"),
            (200, "[]".into(), "accepted"),
            (200, r#"{"Users": [], "Status": "Success", "ExceptionType": ""}"#.into(), "accepted"),
            (429, limited.clone(), "throttled: 429"),
            (429, String::new(), "throttled: 429"),
            (429, LIMIT.into(), "throttled: 429"),
            (403, limited.clone(), "throttled: 403 with a message"),
            (403, LIMIT.into(), "throttled: 403 with a message"),
            (403, exception("", LIMIT), "throttled: 403 with a message"),
            (200, limited.clone(), "throttled: 200 with an exception"),
            (200, exception("MXAPIRateLimitExceededException", ""), "throttled: 200 with an exception"),
            (500, limited, "throttled: an error with a message"),
            (500, exception("MXInvalidInputException", "Columns exceeded the limit of 50"), "rejected"),
            (500, exception("MXInvalidInputException", "Rate limit is no column"), "rejected"),
            (404, "<p>corporate limited</p>".into(), "rejected"),
            (200, exception("MXInvalidInputException", "Too many API calls"), "throttled: 200 with an exception"),
            (503, "Rate limit reached".into(), "throttled: an error with a message"),
            (401, String::new(), "unauthorised"),
            (401, exception("MXInvalidAccessDetailsException", "Invalid Access Details provided."), "unauthorised"),
            (200, exception("MXUnAuthorizedAccessException", "no"), "unauthorised"),
            (500, exception("MXUnauthorizedRequestException", "no"), "unauthorised"),
            (403, "<html>".into(), "transient"),
            (403, "{}".into(), "rejected"),
            (500, exception("MXInvalidInputException", "anna@example.com"), "rejected"),
            (500, r#"{"IsMXException": "true"}"#.into(), "rejected"),
            (500, exception("MySqlException", "boom"), "transient"),
            (500, "<html>".into(), "transient"),
            (502, exception("MXInvalidInputException", "no"), "transient"),
            (503, String::new(), "transient"),
            (200, exception("MXDuplicateEntryException", "anna@example.com"), "rejected"),
            (200, r#"{"status": "x", "Status": "error"}"#.into(), "rejected"),
            (200, r#"{"ExceptionType": "anna@example.com"}"#.into(), "rejected"),
            (400, "malformed or unexpected JSON".into(), "rejected"),
            (404, "<html>".into(), "rejected"),
            (405, String::new(), "rejected"),
        ];
        for (status, body, expected) in table {
            let found = refusal(status, &body);
            let kind = match &found {
                None => "accepted".to_owned(),
                Some(VendorError::Throttled { form, .. }) => format!("throttled: {form}"),
                Some(VendorError::Unauthorised(_)) => "unauthorised".into(),
                Some(VendorError::Transient(_)) => "transient".into(),
                Some(VendorError::Rejected(_)) => "rejected".into(),
                Some(other) => other.to_string(),
            };
            assert_eq!(kind, expected, "{status} {body}");
            assert!(!found.is_some_and(|error| error.to_string().contains("anna@example.com")), "{status} {body}");
        }
    }

    #[test]
    fn the_stated_limit_is_learned() {
        let stated = |message: &str| match refusal(429, &exception("", message)) {
            Some(VendorError::Throttled { stated, .. }) => stated.map(|limit| limit.to_string()),
            _ => panic!("not throttled"),
        };
        assert_eq!(stated("API calls exceeded the limit of 25 in 5 second(s)").as_deref(), Some("25/5s"));
        assert_eq!(stated("API calls exceeded the limit of 10000 in 86400 second(s)").as_deref(), Some("10000/1day"));
        for message in [
            "slow down",
            "limit of 0 in 5 second(s)",
            "limit of 5 in 0 second(s)",
            "limit of 99999999999 in 5 second(s)",
            "limit of 5 in 99999999 second(s)",
        ] {
            assert_eq!(stated(message), None, "{message}");
        }
    }

    #[test]
    fn a_wrong_host_is_named_if_it_is_the_vendors() {
        let hint = |message: &str| refusal(401, &exception("", message)).expect("a refusal").to_string();
        for message in ["use https://api-in21.leadsquared.com/v2/", "Host: API-IN21.leadsquared.com.", "api-in21.leadsquared.com"] {
            assert!(
                hint(message).ends_with("belong to api-in21.leadsquared.com; set `base_url` to https://api-in21.leadsquared.com"),
                "{message}"
            );
        }
        for message in
            ["use api.leadsquared.com", "x@api-in21.leadsquared.com", "api-in21.leadsquared.com.evil.net", "evilleadsquared.com", ""]
        {
            assert!(!hint(message).contains("wrong host"), "{message}");
        }
    }

    #[test]
    fn the_type_is_told_and_the_message_is_not() {
        let error = refusal(500, &exception("MXInvalidInputException", "Meera Valdez is unknown")).expect("a refusal").to_string();
        assert!(error.contains("user hierarchy (500, MXInvalidInputException)") && !error.contains("Meera"), "{error}");
    }
}
