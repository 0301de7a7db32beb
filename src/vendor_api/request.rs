//! One request to a vendor, before it is sent. Knows no HTTP library.

use secrecy::SecretString;
use serde::Serialize;
use url::Url;

/// A GET, or with a body a POST of JSON. Not `Debug`: its query and its body may hold keys.
pub struct Request {
    /// What is called, in our words, for errors and logs.
    pub endpoint: &'static str,
    /// The whole address.
    pub url: Url,
    /// Headers that hold secrets.
    pub headers: Vec<(&'static str, SecretString)>,
    /// JSON.
    pub body: Option<String>,
}

impl Request {
    /// A GET below a base URL.
    pub fn get(endpoint: &'static str, base: &Url, path: &str) -> Self {
        Self { endpoint, url: below(base, path), headers: Vec::new(), body: None }
    }

    /// A POST of JSON below a base URL.
    pub fn post(endpoint: &'static str, base: &Url, path: &str, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("our request bodies have text keys only");
        Self { endpoint, url: below(base, path), headers: Vec::new(), body: Some(body) }
    }

    /// Adds a query parameter, percent-encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        // A `+` for a space is understood in forms only, `%20` everywhere; a `+` in a value is `%2B` by now.
        let query = self.url.query().map(|query| query.replace('+', "%20"));
        self.url.set_query(query.as_deref());
        self
    }

    /// Adds a header that holds a secret.
    pub fn header(mut self, name: &'static str, value: SecretString) -> Self {
        self.headers.push((name, value));
        self
    }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, query: &[(&str, &str)]) -> String {
        let request = Request::get("things", &base.parse().expect("a URL"), "/v2/things");
        query.iter().fold(request, |request, (name, value)| request.query(name, value)).url.to_string()
    }

    #[test]
    fn the_base_path_stays_in_front() {
        assert_eq!(url("https://x.example", &[]), "https://x.example/v2/things");
        assert_eq!(url("https://x.example/gateway/", &[]), "https://x.example/gateway/v2/things");
    }

    #[test]
    fn query_values_are_percent_encoded() {
        let query = [("key", "a$ b+c&d=é"), ("e", "%20?#")];
        assert_eq!(url("https://x.example", &query), "https://x.example/v2/things?key=a%24%20b%2Bc%26d%3D%C3%A9&e=%2520%3F%23");
    }
}
