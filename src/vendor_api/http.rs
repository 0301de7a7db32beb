//! The one owner of reqwest: one request out, one bounded answer back. Knows no vendor and judges no status but redirects.
//! Errors name the endpoint and never hold a URL, a key or a body.

use std::{error::Error, net::IpAddr, time::Duration};

use reqwest::{
    Response,
    header::{self, HeaderMap, HeaderValue},
    redirect, retry,
};
use secrecy::ExposeSecret;
use url::{Host, Url};

use super::{answer::Answer, error::VendorError, gunzip::gunzip, request::Request, times};
use crate::clock;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than the idle time of common load balancers: a connection that they closed costs a failed call.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A longer `Retry-After` is taken for this: who means it says it again then, and a mistaken one closes a budget for no longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);
/// From here on a number of seconds is a time of the epoch, as some gateways send it.
const EPOCH: u64 = 1_000_000_000;

/// Connections to one vendor.
pub struct Client(reqwest::Client);

impl Client {
    /// A client for one base URL. Plain http is for loopback only.
    pub fn new(base: &Url) -> Result<Self, VendorError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hiersync/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            // Every call is paid for by its caller: none may be repeated behind its back.
            .retry(retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT);
        match base.scheme() {
            "https" => builder = builder.https_only(true),
            // A proxy has another loopback, and without TLS nobody must need a machine's certificates.
            "http" if is_loopback(base) => builder = builder.no_proxy().tls_certs_only(std::iter::empty()),
            _ => return Err(VendorError::Rejected("`base_url` must be https; http is for loopback only".into())),
        }
        let client = builder.build().map_err(|error| VendorError::Transient(format!("no HTTP client: {}", cause(&error))))?;
        Ok(Self(client))
    }

    /// Sends one request. The whole call, body included, ends `within`; the body holds at most `max_response` bytes, unpacked.
    pub async fn send(&self, request: Request, within: Duration, max_response: u64) -> Result<Answer, VendorError> {
        let endpoint = request.endpoint;
        let exchange = self.exchange(request, max_response);
        let timed_out = |_| VendorError::Transient(format!("{endpoint}: no whole answer within {}", humantime::format_duration(within)));
        tokio::time::timeout(within, exchange).await.map_err(timed_out)?
    }

    async fn exchange(&self, request: Request, max_response: u64) -> Result<Answer, VendorError> {
        let endpoint = request.endpoint;
        let mut response = self.build(request)?.send().await.map_err(|error| failed(endpoint, error))?;
        let status = response.status().as_u16();
        if response.status().is_redirection() {
            // Following it would hand our keys to whoever it names.
            let hint = "`base_url` must be the address that answers itself";
            let say = format!("{endpoint}: answered with a redirect ({status}): {hint}");
            // One for the time being is how a page of maintenance is shown.
            return Err(if matches!(status, 302 | 303 | 307) { VendorError::Transient(say) } else { VendorError::Rejected(say) });
        }
        let (retry_after, is_html, charset) = (retry_after(response.headers()), is_html(response.headers()), charset(response.headers()));
        let packing = packing(response.headers());
        let is_ended = matches!(status, 204 | 205)
            || response.content_length().is_some()
            || response.headers().contains_key(header::TRANSFER_ENCODING);
        let mut body = read_body(&mut response, endpoint, max_response).await?;
        if packing == Packing::Gzip {
            body = gunzip(endpoint, &body, max_response)?;
        }
        tracing::debug!(endpoint, status, bytes = body.len(), request_id = request_id(response.headers()), "the vendor answered");
        Ok(Answer { endpoint, status, retry_after, body, is_html, is_ended, charset, is_packed: packing == Packing::Foreign })
    }

    fn build(&self, request: Request) -> Result<reqwest::RequestBuilder, VendorError> {
        // Capillary wants both on every call; without a content type it answers 415 (vendor documentation, "Authentication").
        let mut builder = match request.body {
            Some(body) => self.0.post(request.url).body(body),
            None => self.0.get(request.url),
        };
        builder = builder.header(header::ACCEPT, "application/json").header(header::CONTENT_TYPE, "application/json");
        builder = builder.header(header::ACCEPT_ENCODING, "gzip");
        for (name, value) in request.headers {
            let value = HeaderValue::from_str(value.expose_secret());
            let mut value = value.map_err(|_| VendorError::Unauthorised(format!("a secret cannot stand in the header {name}")))?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        Ok(builder)
    }
}

/// Bytes for which room is made before they come, at most.
const MOST_AT_ONCE: u64 = 4 << 20;

async fn read_body(response: &mut Response, endpoint: &str, max_response: u64) -> Result<Vec<u8>, VendorError> {
    let is_too_large = |bytes: usize| u64::try_from(bytes).is_ok_and(|bytes| bytes > max_response);
    // So long a body is not moved while it grows. What the vendor says of its length is only a word.
    let length = response.content_length().map_or(0, |length| length.min(max_response).min(MOST_AT_ONCE));
    let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(endpoint, error))? {
        if is_too_large(body.len() + chunk.len()) {
            return Err(VendorError::TooLarge(max_response));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[derive(Debug, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Foreign,
}

fn packing(headers: &HeaderMap) -> Packing {
    let named = headers.get(header::CONTENT_ENCODING).map_or(Ok(""), HeaderValue::to_str).unwrap_or("?").trim();
    match named.to_ascii_lowercase().as_str() {
        "" | "identity" => Packing::None,
        "gzip" | "x-gzip" => Packing::Gzip,
        _ => Packing::Foreign,
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.contains("html"))
}

fn charset(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parameters = kind.split(';').skip(1).filter_map(|part| part.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

/// Capillary's support asks for it. Kept to the characters of an id, since it is the vendor's text.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("x-cap-requestid")?.to_str().ok()?;
    let is_id = id.len() <= 64 && id.chars().all(|character| character.is_ascii_alphanumeric() || "-_.:".contains(character));
    is_id.then_some(id)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
    let wanted = text(header::RETRY_AFTER)?;
    // By the vendor's own clock where it tells it: ours may differ.
    let now = || text(header::DATE).and_then(times::http_date).unwrap_or_else(clock::now);
    let wait = match wanted.split_once('.').map_or(wanted, |(whole, _)| whole).parse::<u64>() {
        Ok(time @ EPOCH..) => Duration::from_secs(time.saturating_sub(now().timestamp().unsigned_abs())),
        Ok(seconds) => Duration::from_secs(seconds.saturating_add(u64::from(wanted.contains('.')))),
        Err(_) => (times::http_date(wanted)? - now()).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

fn failed(endpoint: &str, error: reqwest::Error) -> VendorError {
    let error = error.without_url();
    let why = cause(&error);
    if error.is_connect() && why.contains("certificate") {
        return VendorError::Untrusted(format!("{endpoint}: {why}; check `base_url`, this machine's clock and its trusted certificates"));
    }
    if !error.is_timeout() && (error.is_body() || error.is_decode()) {
        return VendorError::Unreadable(format!("{endpoint}: the answer was cut off or wrongly packed: {why}"));
    }
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the call failed"
    };
    VendorError::Transient(format!("{endpoint}: {what}: {why}"))
}

/// The innermost source: the system's, the resolver's or the TLS library's words, none of which hold a URL.
fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::vendor_api::test_door::{Door, gzip_bomb, ok};

    const SECOND: Duration = Duration::from_secs(1);

    async fn call(door: &Door) -> Result<Answer, VendorError> {
        let client = Client::new(&door.base).expect("a client");
        client.send(Request::get("things", &door.base, "/things"), SECOND, 1000).await
    }

    #[tokio::test]
    async fn a_request_carries_what_it_was_given() {
        let door = Door::open(ok("{}"));
        let client = Client::new(&door.base).expect("a client");
        let request = Request::post("things", &door.base, "/v2/things", &serde_json::json!({"a": 1}))
            .query("key", "a$ b+c&d=é")
            .header("X-Key", "secret".into());
        let answer = client.send(request, SECOND, 1000).await.expect("an answer");
        assert_eq!((answer.status, answer.json().expect("json").as_ref()), (200, "{}"));
        let seen = door.request();
        assert_eq!(seen.line, "POST /v2/things?key=a%24%20b%2Bc%26d%3D%C3%A9 HTTP/1.1");
        assert_eq!(seen.header("x-key"), Some("secret"));
        assert_eq!(seen.header("accept"), Some("application/json"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(seen.header("accept-encoding"), Some("gzip"));
        assert_eq!(seen.header("user-agent"), Some(concat!("hiersync/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(seen.body, r#"{"a":1}"#);
    }

    #[tokio::test]
    async fn the_base_path_stays_in_front() {
        let door = Door::open(ok("{}"));
        let base = door.base.join("/gateway/").expect("a URL");
        let client = Client::new(&base).expect("a client");
        client.send(Request::get("things", &base, "/v2/things"), SECOND, 1000).await.expect("an answer");
        assert_eq!(door.request().line, "GET /gateway/v2/things HTTP/1.1");
    }

    #[tokio::test]
    async fn a_slow_answer_passes() {
        let started = clock::instant();
        let door = Door::open_slow(ok("{}"), 2 * SECOND);
        let error = call(&door).await.err().expect("an error");
        assert!(matches!(&error, VendorError::Transient(text) if text == "things: no whole answer within 1s"), "{error}");
        assert!(started.elapsed() < 2 * SECOND);
    }

    #[tokio::test]
    async fn a_slow_body_passes() {
        let door = Door::open_slow_after("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{".into(), b"}".to_vec(), 2 * SECOND);
        assert!(matches!(call(&door).await, Err(VendorError::Transient(_))));
    }

    #[tokio::test]
    async fn a_cut_off_body_passes() {
        for head in ["Content-Length: 100\r\n\r\n{\"a\"", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\"}\r\n"] {
            let door = Door::open(format!("HTTP/1.1 200 OK\r\n{head}").into_bytes());
            let error = call(&door).await.err().expect("an error");
            assert!(matches!(&error, VendorError::Unreadable(text) if text.contains("cut off")), "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_in_the_wrong_wrapping_passes_and_is_told() {
        for (head, body, told) in [
            ("Content-Encoding: gzip", "{}", "wrongly packed"),
            ("Content-Encoding: br", "\u{b}\u{2}", "an encoding that was not asked for"),
            ("Content-Encoding: zstd", "(\u{b5}/", "an encoding that was not asked for"),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let answer = call(&Door::open(answer.into_bytes())).await;
            let error = answer.and_then(|answer| answer.json().map(|text| text.into_owned())).expect_err(head);
            assert!(matches!(&error, VendorError::Unreadable(text) if text.contains(told)), "{error}");
        }
        let door = Door::open(b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}".to_vec());
        assert_eq!(call(&door).await.expect("an answer").json().expect("json"), "{}");
    }

    #[tokio::test]
    async fn a_length_that_lies_is_never_half_an_answer() {
        for (length, told) in [("7", "only a part"), ("99", "cut off"), ("x", "the call failed"), ("-1", "the call failed")] {
            let door = Door::open(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{\"a\": [1, 2]}}").into_bytes());
            let error = call(&door).await.and_then(|answer| answer.json().map(|text| text.into_owned())).expect_err(length);
            assert!(error.to_string().contains(told), "{length}: {error}");
        }
    }

    #[tokio::test]
    async fn a_large_answer_is_not_read_to_its_end() {
        for answer in [ok(&"x".repeat(1001)), gzip_bomb()] {
            let door = Door::open(answer);
            assert!(matches!(call(&door).await, Err(VendorError::TooLarge(1000))));
        }
        assert_eq!(call(&Door::open(ok(&"x".repeat(1000)))).await.expect("an answer").body.len(), 1000);
    }

    #[tokio::test]
    async fn a_redirect_is_refused_and_not_followed() {
        for status in [301, 302, 303, 307, 308] {
            let head = format!("HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:9/?key=secret\r\nContent-Length: 0\r\n\r\n");
            let error = call(&Door::open(head.into_bytes())).await.err().expect("an error");
            let told = format!("things: answered with a redirect ({status})");
            let (VendorError::Rejected(text) | VendorError::Transient(text)) = &error else { panic!("{error}") };
            assert!(text.starts_with(&told), "{error}");
            assert_eq!(matches!(error, VendorError::Transient(_)), matches!(status, 302 | 303 | 307), "{status}");
            assert!(!error.to_string().contains("127.0.0.1"));
        }
    }

    #[tokio::test]
    async fn nobody_at_home_passes_and_tells_no_url() {
        let door = Door::closed();
        let error = call(&door).await.err().expect("an error");
        assert!(matches!(&error, VendorError::Transient(text) if text.starts_with("things: no connection")), "{error}");
        assert!(!error.to_string().contains("127.0.0.1") && !error.to_string().contains("http"));
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_trusted_is_final() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("a server");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("https://localhost:{}", listener.local_addr().expect("an address").port()).parse().expect("a URL");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            let mut server = rustls::ServerConnection::new(std::sync::Arc::new(config)).expect("a connection");
            server.complete_io(&mut stream)
        });
        let sent = Client::new(&base).expect("a client").send(Request::get("things", &base, "/things"), SECOND * 5, 1000).await;
        let error = sent.err().expect("an error");
        assert!(matches!(&error, VendorError::Untrusted(text) if text.contains("things: ") && text.contains("certificate")), "{error}");
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for (url, is_ours) in [
            ("http://localhost:1", true),
            ("http://127.3.2.1", true),
            ("http://[::1]", true),
            ("http://api.example.com", false),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url.parse().expect("a URL")), is_ours, "{url}");
        }
    }

    #[test]
    fn plain_http_elsewhere_gets_no_client() {
        for url in ["http://198.51.100.1", "ftp://localhost"] {
            assert!(matches!(Client::new(&url.parse().expect("a URL")), Err(VendorError::Rejected(_))), "{url}");
        }
        assert!(Client::new(&"https://api.example.com".parse().expect("a URL")).is_ok());
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_date() {
        let read = |retry: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, retry.parse().expect("a value"));
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().expect("a value"));
            }
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let (earlier, later) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:30 GMT");
        assert_eq!(read("120", None), Some(120));
        assert_eq!(read(later, Some(earlier)), Some(30));
        assert_eq!(read(earlier, Some(later)), Some(0));
        assert_eq!(read(later, None), Some(0));
        assert_eq!(read("99999999999999", None), Some(LONGEST_RETRY_AFTER.as_secs()));
        assert_eq!(read("1.5", None), Some(2));
        let epoch = DateTime::parse_from_rfc2822(earlier).expect("a date").timestamp() + 40;
        assert_eq!((read(&epoch.to_string(), Some(earlier)), read(&epoch.to_string(), Some(later))), (Some(40), Some(10)));
        assert_eq!(read("soon", None), None);
    }
}
