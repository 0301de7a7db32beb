//! A plain client for this room's own tests. Knows no vendor.

use std::{io::Read, time::Duration};

use axum::http::HeaderMap;
use flate2::bufread::MultiGzDecoder;
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

/// As far as it can be unpacked.
pub(super) fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let _is_whole = MultiGzDecoder::new(body).read_to_end(&mut all).is_ok();
    all
}

pub(super) async fn try_ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str, within: Duration) -> reqwest::Result<Reply> {
    let method = method.parse().expect("a method");
    // Reading the machine's certificates takes longer than all the rest.
    let client = reqwest::Client::builder().tls_certs_only([]).build()?;
    let request = client.request(method, url).timeout(within).body(body.to_owned());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let is_packed = headers.get("content-encoding").is_some_and(|packing| packing == "gzip");
    let body = response.bytes().await?;
    let body = if is_packed { unpacked(&body) } else { body.to_vec() };
    Ok(Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
