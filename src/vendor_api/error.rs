//! How a vendor's call fails, in the kinds that a caller branches on.

use std::time::Duration;

use crate::model::limit::Limit;

/// Why a call gave no page. Texts name the endpoint and the status, never a URL, a key or a body.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VendorError {
    /// The vendor refuses for the budget's sake: wait, then again.
    #[error("the vendor refuses: too many calls ({form})")]
    Throttled {
        /// `Retry-After`, where given.
        retry_after: Option<Duration>,
        /// The limit that the refusal states, where it does.
        stated: Option<Limit>,
        /// Which of the forms: `429`, `403`, `200 with an exception`, …
        form: &'static str,
    },
    /// The credentials or the token are refused, or lack a right.
    #[error("the vendor refuses the credentials: {0}")]
    Unauthorised(String),
    /// Somebody else answers, by their certificate: to ask again would change nothing.
    #[error("whoever answers at base_url is not to be trusted: {0}")]
    Untrusted(String),
    /// Nobody answered, or with an error that passes: wait, then again.
    #[error("the vendor is not available: {0}")]
    Transient(String),
    /// An answer came that cannot be read: a page, nothing, a part. That passes as often as not: wait, then again.
    #[error("the vendor's answer cannot be read: {0}")]
    Unreadable(String),
    /// The vendor understood and refuses this request for good: asking again changes nothing.
    #[error("the vendor refuses the request: {0}")]
    Rejected(String),
    /// The answer is not what this endpoint gives.
    #[error("the answer is not understood: {0}")]
    WrongShape(String),
    /// The answer is larger than `max_response`.
    #[error("the answer is larger than max_response ({0} bytes)")]
    TooLarge(u64),
}
