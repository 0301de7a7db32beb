//! A plain client for this room's own tests. Knows no vendor.

use std::time::Duration;

use axum::http::HeaderMap;
use serde_json::Value;

pub(super) struct Reply {
    pub(super) status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    pub(super) fn text(&self) -> &str {
        &self.body
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub(super) async fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    try_ask(method, url, headers, body, Duration::from_secs(30)).await.expect("an answer")
}

pub(super) async fn try_ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str, within: Duration) -> reqwest::Result<Reply> {
    let method = method.parse().expect("a method");
    // Reading the machine's certificates takes longer than all the rest.
    let client = reqwest::Client::builder().tls_certs_only([]).build()?;
    let request = client.request(method, url).timeout(within).body(body.to_owned());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Reply { status, headers, body: response.text().await? })
}
