//! Who is let in: Basic with the password's MD5, or a token that ends by the clock.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{refusals, settings::CapillarySettings};
use crate::{
    clock,
    simulator::{answer::Answer, request::Request},
};

/// `Basic` credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basic {
    /// The till's id.
    pub till: String,
    /// The password itself; its MD5 is expected.
    pub password: String,
}

/// An API client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    /// `key`.
    pub key: String,
    /// `secret`.
    pub secret: String,
    /// How long a token is let in.
    pub lifetime: Duration,
    /// `ttlSeconds`, when it is not the truth.
    pub stated_seconds: Option<u64>,
    /// Status of a refused key; its body fills `errors`.
    pub refused_with: u16,
}

impl Default for OAuth {
    fn default() -> Self {
        Self {
            key: "demo-client".into(),
            secret: "client-secret".into(),
            lifetime: Duration::from_secs(300),
            stated_seconds: None,
            refused_with: 401,
        }
    }
}

/// The tokens given out.
#[derive(Debug, Default)]
pub struct Tokens {
    given: HashMap<String, Instant>,
    count: u64,
}

impl Tokens {
    /// Tokens given out so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// None of them is let in any more.
    pub fn revoke(&mut self) {
        self.given.clear();
    }

    pub(super) fn generate(&mut self, settings: &CapillarySettings, request: &Request) -> Answer {
        let Some(oauth) = &settings.oauth else { return refusals::no_token(403) };
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return refusals::bad_request() };
        if body["key"] != json!(oauth.key) || body["secret"] != json!(oauth.secret) {
            return refusals::no_token(oauth.refused_with);
        }
        let token = self.issue(oauth.lifetime);
        let seconds = oauth.stated_seconds.unwrap_or(oauth.lifetime.as_secs());
        Answer::json(200, &json!({"data": {"accessToken": token, "ttlSeconds": seconds}, "errors": null}))
    }

    pub(super) fn admit(&self, settings: &CapillarySettings, request: &Request) -> bool {
        let basic = settings.basic.as_ref().is_some_and(|basic| request.header("authorization") == Some(&expected(basic)));
        let token = settings.oauth.as_ref().and_then(|_| request.header("x-cap-api-oauth-token"));
        basic || token.and_then(|token| self.given.get(token)).is_some_and(|&until| clock::instant() < until)
    }

    /// Shaped like the vendor's: three parts, signed by nobody.
    fn issue(&mut self, lifetime: Duration) -> String {
        self.count += 1;
        let claims = STANDARD.encode(format!("{{\"iss\":\"simulator\",\"jti\":\"{}\"}}", self.count));
        let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.{:016x}", claims.trim_end_matches('='), fastrand::u64(..));
        self.given.insert(token.clone(), clock::instant() + lifetime);
        token
    }
}

fn expected(basic: &Basic) -> String {
    let hash: String = Md5::digest(&basic.password).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("Basic {}", STANDARD.encode(format!("{}:{hash}", basic.till)))
}
