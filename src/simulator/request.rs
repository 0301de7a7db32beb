//! One request as it arrived, read whole. Knows no vendor.

use axum::{
    body::{Bytes, to_bytes},
    http::{HeaderMap, Method},
};
use url::form_urlencoded;

/// No client of these vendors has reason to send more.
const LARGEST_BODY: usize = 1 << 20;

/// One request, its query decoded.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query's pairs, decoded, in order.
    pub query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    pub(super) async fn read(request: axum::extract::Request) -> Result<Self, axum::Error> {
        let (head, body) = request.into_parts();
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let body = to_bytes(body, LARGEST_BODY).await?;
        Ok(Self { method: head.method, path: head.uri.path().to_owned(), query, headers: head.headers, body })
    }

    /// The first value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a query parameter says `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a header names JSON.
    pub fn names_json(&self, header: &str) -> bool {
        self.header(header).is_some_and(|value| value.contains("application/json"))
    }
}
