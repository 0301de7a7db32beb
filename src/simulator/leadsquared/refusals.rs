//! LeadSquared's refusals, each as an answer, to be given in earnest or as a fault.

use serde_json::json;

use super::settings::Throttle;
use crate::{model::limit::Limit, simulator::answer::Answer};

/// A refusal beyond this limit, in one of the forms seen.
pub fn throttled(form: Throttle, limit: Limit) -> Answer {
    let text = format!("API calls exceeded the limit of {} in {} second(s)", limit.calls, limit.window.as_secs().max(1));
    let with = |status| exception(status, "MXAPIRateLimitExceededException", &text);
    let answer = match form {
        Throttle::Status429 => with(429),
        Throttle::Status403 => with(403),
        Throttle::Status200 => with(200),
        Throttle::Text429 => Answer::raw(429, "text/plain", text),
        Throttle::Empty429 => Answer::empty(429),
    };
    answer.throttling()
}

/// The error body of all endpoints, under any status: 200 happens.
pub fn exception(status: u16, kind: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"Status": "Error", "ExceptionType": kind, "ExceptionMessage": message}))
}

/// 401: bad keys, or those of a deactivated user.
pub fn unauthorised() -> Answer {
    exception(401, "MXInvalidAccessDetailsException", "Invalid Access Details provided.")
}

/// 401 of the wrong host; the message names the right one.
pub fn wrong_host(right: &str) -> Answer {
    exception(401, "MXUnauthorizedRequestException", &format!("Access key is not valid for this host. Use https://{right}/v2/"))
}

/// 400: the body is not per specification.
pub fn malformed() -> Answer {
    exception(400, "MXInvalidInputException", "The request has malformed or unexpected JSON.")
}

/// 500 with an `MX` body: a logical error that does not pass.
pub fn logical(kind: &str, message: &str) -> Answer {
    exception(500, kind, message)
}

/// 500 without an `MX` body: a fault behind the vendor's door, once for hours.
pub fn backend_fault() -> Answer {
    exception(500, "MySqlException", "Timeout expired. The timeout period elapsed prior to completion of the operation.")
}

/// 500 in plain text.
pub fn failed() -> Answer {
    Answer::raw(500, "text/plain", "Internal Server Error")
}

/// 404.
pub fn unknown_path() -> Answer {
    Answer::html(404)
}

/// 405.
pub fn wrong_method() -> Answer {
    Answer::html(405)
}
