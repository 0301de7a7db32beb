//! Which of Capillary's answers are refusals, and of what kind. Told by the body as much as by the status:
//! "200: success, or one or more requests failed due to errors" (vendor documentation, "API status codes").

use std::sync::LazyLock;

use regex_lite::Regex;

use super::wire::{EntityFaults, Envelope, Fault};
use crate::vendor_api::{
    answer::Answer,
    error::VendorError,
    json::{self, Field, Flag, Listed, Number, Text},
};

/// What a code says, in our words: the vendor's own may hold a person's data.
enum Meaning {
    TooManyCalls,
    Unauthorised(&'static str),
    Passing,
    Final(&'static str),
}

/// The refusal in an answer, if it is one. `text` is its body where that is JSON.
pub(super) fn of(answer: &Answer, text: Option<&str>) -> Option<VendorError> {
    let faults = text.map(|text| faults(text, answer.is_success())).unwrap_or_default();
    if answer.status == 429 || faults.iter().any(|fault| is_throttle(fault, answer.status)) {
        return Some(VendorError::Throttled { retry_after: answer.retry_after, stated: None, form: form(answer.status) });
    }
    let place = format!("{} ({})", answer.endpoint, answer.status);
    if answer.status == 401 {
        return Some(VendorError::Unauthorised(format!("{place}: the password or the token is not accepted")));
    }
    let code = faults.iter().find_map(code_of);
    match code.and_then(|code| Some((code, meaning(code)?))) {
        Some((code, meaning)) => Some(meaning.refusal(&format!("{place}, code {code}"), answer)),
        None if answer.is_success() && faults.is_empty() => None,
        None => Some(by_status(answer, text.is_some(), &place, code)),
    }
}

/// The code of the first error in an answer.
pub(super) fn code(answer: &Answer) -> Option<i64> {
    faults(&answer.json().ok()?, answer.is_success()).iter().find_map(code_of)
}

/// All errors: top level, `entity`, and a bare `success: false`.
fn faults(text: &str, is_success: bool) -> Vec<Fault> {
    let Ok(envelope) = json::object::<Envelope<'_>>(text) else {
        return Vec::new();
    };
    let inner = envelope.entity.and_then(|entity| json::object::<EntityFaults>(entity.get()).ok());
    let mut faults = listed(envelope.errors);
    faults.extend(inner.into_iter().flat_map(|entity| listed(entity.errors)));
    // Under a good status `message` may be a greeting.
    if !is_success && matches!(envelope.message, Field::Read(_)) {
        faults.push(Fault { message: envelope.message, ..Fault::default() });
    }
    if faults.is_empty() && envelope.success == Field::Read(Flag(false)) {
        faults.push(Fault::default());
    }
    faults
}

fn listed(errors: Listed<Fault>) -> Vec<Fault> {
    let is_something = |value: &serde_json::Value| !["{}", "[]", "\"\"", "false", "0"].contains(&value.to_string().as_str());
    // What is no list and no entry is still an error, only one that we cannot read.
    let odd = errors.odd.iter().filter(|value| is_something(value)).map(|_| Fault::default()).collect::<Vec<_>>();
    errors.read.into_iter().filter(|fault| fault.status != Field::Read(Flag(true))).chain(odd).collect()
}

fn code_of(fault: &Fault) -> Option<i64> {
    match fault.code {
        Field::Read(Number(code)) => Some(code),
        _ => None,
    }
}

/// Words that speak of too many calls, and of nothing else: "maximum limit of children exceeded" would be waited out for ever.
static OF_CALLS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\bthrottl|\btoo many( \w+)? (requests|calls)\b|\brate[ -]?limit|\b(api|calls?|requests?|rate)\b( \w+)? limit( is| was| has been)? exceeded\b")
        .expect("a constant pattern")
});
/// Words that do so where nothing else is said, under a status by which no request is found wrong.
static PERHAPS_OF_CALLS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r"^limit exceeded\W*$|\b(api|calls?|requests?|rate)\b.*\blimit\b.*\bexceed|\bexceed.*\blimit\b.*\b(api|calls?|requests?|rate)\b";
    Regex::new(pattern).expect("a constant pattern")
});

/// How Capillary throttles is not documented: by status, by code and by words. A code that is documented means what it means.
fn is_throttle(fault: &Fault, status: u16) -> bool {
    match code_of(fault).and_then(meaning) {
        Some(Meaning::TooManyCalls) => return true,
        Some(Meaning::Final(_) | Meaning::Unauthorised(_)) => return false,
        Some(Meaning::Passing) | None => {}
    }
    let Field::Read(Text(message)) = &fault.message else {
        return false;
    };
    let message = message.to_ascii_lowercase();
    let is_found_wrong = matches!(status, 400 | 404 | 405 | 413..=415 | 422);
    OF_CALLS.is_match(&message) || (!is_found_wrong && PERHAPS_OF_CALLS.is_match(&message))
}

fn form(status: u16) -> &'static str {
    match status {
        429 => "429",
        403 => "403 with a message",
        200..=299 => "an error under a good status",
        _ => "an error with a message",
    }
}

/// Vendor documentation, "API status codes" (2022 to 2025), and the error tables of single endpoints.
fn meaning(code: i64) -> Option<Meaning> {
    Some(match code {
        429 => Meaning::TooManyCalls,
        401 => Meaning::Unauthorised("the password or the token is not accepted"),
        4000 => Meaning::Unauthorised("the till or API client needs Read on the `User Group` access group"),
        461 | 500 | 502..=504 | 520..=524 | 4001 => Meaning::Passing,
        8003 => Meaning::Final("`profile_source` is no source that the vendor knows"),
        8011 | 8045 => Meaning::Final("`account_id` is missing or not one of this source"),
        8013 => Meaning::Final("the identifier or its type is not accepted"),
        8015 | 8065 => Meaning::Final("no customer of this source has the identifier"),
        8109 => Meaning::Final("the customer was deleted at the person's request"),
        1608 | 1710 => Meaning::Final("the hierarchy is cyclic"),
        11013 => Meaning::Final("a mandatory parameter is empty"),
        1060..=1064 | 1600..=1799 | 8000..=8999 => Meaning::Final("see the code in the vendor's list"),
        _ => return None,
    })
}

impl Meaning {
    fn refusal(self, place: &str, answer: &Answer) -> VendorError {
        match self {
            Self::TooManyCalls => VendorError::Throttled { retry_after: answer.retry_after, stated: None, form: form(answer.status) },
            Self::Unauthorised(why) => VendorError::Unauthorised(format!("{place}: {why}")),
            Self::Passing => VendorError::Transient(format!("{place}: the vendor says to try later")),
            Self::Final(why) => VendorError::Rejected(format!("{place}: {why}")),
        }
    }
}

fn by_status(answer: &Answer, is_json: bool, place: &str, code: Option<i64>) -> VendorError {
    let place = code.map_or_else(|| place.to_owned(), |code| format!("{place}, code {code}"));
    match answer.status {
        200..=299 => VendorError::Rejected(format!("{place}: an error under a good status")),
        // Cloudflare stands in front and says no by itself, in HTML, for a while.
        403 if !is_json => VendorError::Transient(format!("{place}: refused by the edge, not by the service")),
        408 | 461 | 500..=599 => VendorError::Transient(format!("{place}: the vendor has a fault")),
        403 => VendorError::Rejected(format!("{place}: the v2 API is not enabled for the organisation, or a mandatory field is missing")),
        404 => VendorError::Rejected(format!("{place}: nothing is there, check `base_url`")),
        405 | 415 => VendorError::Rejected(format!("{place}: the vendor expects another call here")),
        _ => VendorError::Rejected(format!("{place}: the request is not accepted")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn classify(status: u16, body: &str) -> String {
        let is_html = body.starts_with('<');
        let answer = Answer { retry_after: Some(Duration::from_secs(9)), is_html, ..Answer::of("customers/bulk", status, body) };
        match of(&answer, answer.json().as_deref().ok()) {
            None => "accepted".into(),
            Some(VendorError::Throttled { retry_after, form, .. }) => {
                assert_eq!(retry_after, Some(Duration::from_secs(9)));
                format!("throttled: {form}")
            }
            Some(VendorError::Unauthorised(_)) => "unauthorised".into(),
            Some(VendorError::Transient(_)) => "transient".into(),
            Some(VendorError::Rejected(text)) => {
                assert!(!text.contains("anna@example.com"), "{text}");
                format!(
                    "rejected{}",
                    text.split_once("code ").map_or(String::new(), |(_, code)| format!(" {}", code.split(':').next().expect("a code")))
                )
            }
            Some(other) => format!("{other}"),
        }
    }

    #[test]
    fn every_answer_is_classified() {
        const PAGE: &str = "<html>no</html>";
        let entity = |inner: &str| format!(r#"{{"entity": {inner}, "errors": [], "warnings": [], "success": true}}"#);
        let error = |code: &str| format!(r#"{{"errors": [{{"status": false, "code": {code}, "message": "anna@example.com"}}]}}"#);
        let says = |message: &str| format!(r#"{{"errors": [{{"status": false, "code": 1, "message": "{message}"}}]}}"#);
        let table = [
            (200, entity(r#"{"customers": [], "count": 0}"#), "accepted"),
            (200, r#"{"entity": 1, "errors": null, "warnings": [{"status": false, "code": 8015}]}"#.into(), "accepted"),
            (200, r#"{"errors": [{"status": true, "code": 200}]}"#.into(), "accepted"),
            (200, r#"{"errors": {}, "message": "too many thanks"}"#.into(), "accepted"),
            (429, String::new(), "throttled: 429"),
            (429, PAGE.into(), "throttled: 429"),
            (429, error("8015"), "throttled: 429"),
            (200, error("429"), "throttled: an error under a good status"),
            (403, says("Rate limit reached"), "throttled: 403 with a message"),
            (503, says("API call limit exceeded"), "throttled: an error with a message"),
            (403, says("Limit Exceeded"), "throttled: 403 with a message"),
            (400, says("Limit exceeded for children"), "rejected 1"),
            (400, says("limit in request exceeds the maximum of 50"), "rejected 1"),
            (403, says("Children limit exceeded, contact Capillary support of your corporate account"), "rejected 1"),
            (403, says("Too many concurrent requests"), "throttled: 403 with a message"),
            (400, says("API call limit exceeded"), "throttled: an error with a message"),
            (400, says("Maximum limit of children was exceeded"), "rejected 1"),
            (503, r#"{"message": "Too Many Requests"}"#.into(), "throttled: an error with a message"),
            (400, r#"{"errors": [{"code": 1618, "message": "limit exceeded"}]}"#.into(), "rejected 1618"),
            (401, String::new(), "unauthorised"),
            (401, error("8015"), "unauthorised"),
            (403, error("4000"), "unauthorised"),
            (200, error("4000"), "unauthorised"),
            (403, PAGE.into(), "transient"),
            (403, String::new(), "transient"),
            (403, "{}".into(), "rejected"),
            (461, "{}".into(), "transient"),
            (500, PAGE.into(), "transient"),
            (500, says("boom"), "transient"),
            (500, error("8015"), "rejected 8015"),
            (502, String::new(), "transient"),
            (503, error("4001"), "transient"),
            (504, PAGE.into(), "transient"),
            (520, PAGE.into(), "transient"),
            (521, error("521"), "transient"),
            (524, PAGE.into(), "transient"),
            (200, error("461"), "transient"),
            (200, error("8015"), "rejected 8015"),
            (200, error("\"8003\""), "rejected 8003"),
            (400, error("11013"), "rejected 11013"),
            (200, error("1625"), "rejected 1625"),
            (200, error("1705"), "rejected 1705"),
            (200, error("77"), "rejected 77"),
            (200, error("null"), "rejected"),
            (200, r#"{"errors": "broken"}"#.into(), "rejected"),
            (200, r#"{"errors": ["broken"]}"#.into(), "rejected"),
            (200, entity(r#"{"errors": [{"status": false, "code": 8015}]}"#), "rejected 8015"),
            (200, r#"{"entity": {"customers": []}, "success": false}"#.into(), "rejected"),
            (200, r#"{"entity": {"customers": []}, "success": "False"}"#.into(), "rejected"),
            (400, "{}".into(), "rejected"),
            (404, PAGE.into(), "rejected"),
            (405, String::new(), "rejected"),
            (415, String::new(), "rejected"),
        ];
        for (status, body, expected) in table {
            assert_eq!(classify(status, &body), expected, "{status} {body}");
        }
    }
}
