//! Capillary's refusals, each as an answer, to be given in earnest or as a fault.

use std::time::Duration;

use serde_json::{Value, json};

use super::settings::{ErrorsIn, RetryAfter, Throttle, ThrottleBody};
use crate::{clock, simulator::answer::Answer};

/// 429 in one of its forms.
pub fn throttled(form: &Throttle, wait: Duration) -> Answer {
    let answer = match form.body {
        ThrottleBody::Json => item(429, ErrorsIn::Top, 429, "Too many requests"),
        ThrottleBody::Html => Answer::html(429),
        ThrottleBody::Empty => Answer::empty(429),
    };
    let seconds = wait.as_millis().div_ceil(1000) as u64;
    let answer = match form.retry_after {
        RetryAfter::Absent => answer,
        RetryAfter::Seconds => answer.header("retry-after", &seconds.to_string()),
        // A date has whole seconds too: one more, lest it lie in the wait.
        RetryAfter::Date => answer.header("retry-after", &http_date(seconds + 1)),
    };
    answer.throttling()
}

fn http_date(seconds_from_now: u64) -> String {
    let date = clock::now() + Duration::from_secs(seconds_from_now);
    date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The general error body, under any status: 200 happens.
pub fn item(status: u16, place: ErrorsIn, code: u32, message: &str) -> Answer {
    let errors = json!([{"status": false, "code": code, "message": message}]);
    let body = match place {
        ErrorsIn::Top => json!({"warnings": [], "errors": errors}),
        ErrorsIn::Entity => {
            json!({"entity": {"customers": [], "count": 0, "errors": errors, "warnings": []}, "warnings": [], "errors": [], "success": false})
        }
    };
    Answer::json(status, &body)
}

/// 400 with the one body that is declared for it.
pub fn bad_request() -> Answer {
    Answer::json(400, &json!({}))
}

/// 401: wrong credentials or an expired token; its body is not documented.
pub fn unauthorised() -> Answer {
    item(401, ErrorsIn::Top, 401, "Authentication failed")
}

/// 403, code 4000: the client lacks an access group.
pub fn access_denied() -> Answer {
    item(403, ErrorsIn::Top, 4000, "Not authorized. Access is denied!")
}

/// 403 with the edge's page.
pub fn forbidden_by_edge() -> Answer {
    Answer::html(403)
}

/// 404, code 8015: nobody has this identifier.
pub fn not_found() -> Answer {
    item(404, ErrorsIn::Top, 8015, "Customer not found for the given identifiers")
}

/// 461: the search engine is busy.
pub fn search_busy() -> Answer {
    item(461, ErrorsIn::Top, 461, "Search engine busy, try later")
}

/// 500.
pub fn failed() -> Answer {
    item(500, ErrorsIn::Top, 500, "All requests have failed due to errors")
}

/// 503, code 4001.
pub fn authorisation_unavailable() -> Answer {
    item(503, ErrorsIn::Top, 4001, "Authorization status unavailable!")
}

/// 521: several actions for one customer at once.
pub fn several_actions() -> Answer {
    item(521, ErrorsIn::Top, 521, "Multiple actions are running for the same customer")
}

/// The answer to a key that gets no token.
pub(super) fn no_token(status: u16) -> Answer {
    Answer::json(status, &json!({"data": Value::Null, "errors": [{"status": false, "code": 401, "message": "Invalid key or secret"}]}))
}

/// A status and its name, outside any API.
pub(super) fn plain(status: u16, text: &str) -> Answer {
    Answer::raw(status, "text/plain", text)
}
