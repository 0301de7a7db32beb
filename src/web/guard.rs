//! Who may see and do what. On loopback everybody may see what is not personal; a page of another site may do nothing, and a name that leads
//! here by accident or on purpose (DNS rebinding) reaches nothing. With the token personal data is shown, and where a token is set, nothing
//! is done without it.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    Seen, see_other,
    token::{Guard, Known},
};

/// Nothing from elsewhere, nothing in the text itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// `same-origin`: without any referrer browsers would call a form of ours, from elsewhere and without TLS, one of another origin.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// What whoever asks may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct May {
    /// See personal data.
    pub see_persons: bool,
    /// Use the buttons.
    pub act: bool,
    /// A token can be typed in.
    pub sign_in: bool,
}

/// Whether only this machine reaches an address of the form `host:port`.
pub fn is_loopback(listen: &str) -> bool {
    listen.rsplit_once(':').is_some_and(|(host, _)| is_loopback_host(host))
}

/// The port of such an address.
pub fn port(listen: &str) -> Option<&str> {
    listen.rsplit_once(':').map(|(_, port)| port)
}

pub(super) fn is_loopback_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// The name under which we are asked is not ours.
    NotOurName,
    /// What no text of the database holds.
    Nul,
    /// Another site asks for something to be done.
    OtherSite,
    /// It is another token.
    WrongToken,
    /// It needs the token.
    NoToken,
    /// The same, after too many wrong ones.
    TooOften,
    /// The same, and a person can type it in.
    SignIn,
}

impl Refused {
    fn told(self) -> Response {
        let asks = [(header::WWW_AUTHENTICATE, "Bearer")];
        match self {
            Self::NotOurName => {
                let say = "this is not a name of this page: ask for localhost or 127.0.0.1; a proxy in front must do so, too\n";
                (StatusCode::MISDIRECTED_REQUEST, say).into_response()
            }
            Self::Nul => (StatusCode::BAD_REQUEST, "an address holds no %00\n").into_response(),
            Self::OtherSite => (StatusCode::FORBIDDEN, "another site may do nothing here\n").into_response(),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, asks, "this is not the token\n").into_response(),
            Self::TooOften => {
                let say = "too many wrong tokens came from this address: wait a minute; behind a proxy all come from its address\n";
                (StatusCode::TOO_MANY_REQUESTS, say).into_response()
            }
            Self::NoToken => (StatusCode::UNAUTHORIZED, asks, "this needs the token\n").into_response(),
            Self::SignIn => see_other("/sign-in"),
        }
    }
}

/// Lets nobody in who may not, and tells the others what they may.
pub(super) async fn watch(
    State(seen): State<Seen>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_stale = seen.guard.has_stale_cookie(request.headers());
    if is_stale {
        seen.guard.was_wrong(from.ip());
    }
    let mut response = match admit(&seen.guard, from.ip(), request.method(), request.uri(), request.headers()) {
        Ok(may) => {
            request.extensions_mut().insert(may);
            next.run(request).await
        }
        Err(refused) => refused.told(),
    };
    // It is sent no more, so that a browser with an old one does not seem to guess.
    if is_stale && !response.headers().contains_key(header::SET_COOKIE) {
        response.headers_mut().extend(seen.guard.sign_out().map(|ended| (header::SET_COOKIE, ended)));
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

fn admit(guard: &Guard, from: IpAddr, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<May, Refused> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let only_looks = matches!(*method, Method::GET | Method::HEAD);
    if !guard.is_our_name(host) {
        return Err(Refused::NotOurName);
    }
    if uri.path_and_query().is_some_and(|path| path.as_str().contains("%00")) {
        return Err(Refused::Nul);
    }
    if !only_looks && !is_from_here(headers, host) {
        return Err(Refused::OtherSite);
    }
    let is_open = matches!(uri.path(), "/livez" | "/healthz" | "/sign-in" | "/style.css" | "/script.js" | "/icon.svg");
    let is_deaf = guard.is_deaf_to(from);
    let known = if is_deaf { Known::No } else { guard.knows(headers, is_open) };
    if known == Known::Wrong {
        guard.was_wrong(from);
        return Err(Refused::WrongToken);
    }
    let may = guard.may(known == Known::Yes);
    if !guard.is_local && known != Known::Yes && !is_open {
        let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        return Err(match accepts.contains("text/html") {
            _ if is_deaf => Refused::TooOften,
            true => Refused::SignIn,
            false => Refused::NoToken,
        });
    }
    if !may.act && !only_looks && !matches!(uri.path(), "/sign-in" | "/sign-out") {
        return Err(if is_deaf { Refused::TooOften } else { Refused::NoToken });
    }
    Ok(may)
}

/// Browsers say from where a request comes: in a header of its own, or by the origin. What says neither is no browser.
fn is_from_here(headers: &HeaderMap, host: Option<&str>) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use super::{
        super::token::{TRIES, TooManyTries},
        *,
    };

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())).collect()
    }

    fn asked(guard: &Guard, method: &Method, path: &str, all: &[(&'static str, &str)]) -> Result<May, StatusCode> {
        admit(guard, HERE, method, &path.parse().unwrap(), &headers(all)).map_err(|refused| refused.told().status())
    }

    const OPEN: May = May { see_persons: false, act: true, sign_in: false };

    #[test]
    fn on_loopback_everybody_sees_and_acts_and_nobody_sees_persons() {
        let guard = Guard::new("127.0.0.1:9187", None);
        for host in ["127.0.0.1:9187", "localhost", "LOCALHOST:80", "[::1]:9187", "127.9.9.9"] {
            assert_eq!(asked(&guard, &Method::GET, "/", &[("host", host)]), Ok(OPEN), "{host}");
        }
        assert_eq!(asked(&guard, &Method::POST, "/source/a/sync", &[("host", "localhost")]), Ok(OPEN));
        // Nobody knows a token where there is none.
        assert_eq!(asked(&guard, &Method::GET, "/", &[("host", "localhost"), ("authorization", "Bearer ")]), Ok(OPEN));
    }

    #[test]
    fn a_name_that_is_not_ours_reaches_nothing() {
        let guard = Guard::new("localhost:9187", None);
        for host in ["evil.example", "evil.example:9187", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "", "a b"] {
            assert_eq!(asked(&guard, &Method::GET, "/metrics", &[("host", host)]), Err(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        // No browser: HTTP/1.0 knows no hosts.
        assert_eq!(asked(&guard, &Method::GET, "/healthz", &[]), Ok(OPEN));
    }

    #[test]
    fn another_site_does_nothing() {
        let guard = Guard::new("127.0.0.1:9187", None);
        let host = ("host", "127.0.0.1:9187");
        let refused = [
            vec![host, ("sec-fetch-site", "cross-site")],
            vec![host, ("sec-fetch-site", "same-site")],
            vec![host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:9187")],
            vec![host, ("origin", "http://evil.example")],
            vec![host, ("origin", "http://127.0.0.1:9999")],
            vec![host, ("origin", "null")],
        ];
        for sent in refused {
            assert_eq!(asked(&guard, &Method::POST, "/source/a/pause", &sent), Err(StatusCode::FORBIDDEN), "{sent:?}");
            assert!(asked(&guard, &Method::GET, "/", &sent).is_ok(), "{sent:?}");
        }
        for sent in [
            vec![host, ("sec-fetch-site", "same-origin")],
            vec![host, ("sec-fetch-site", "none")],
            vec![host, ("origin", "http://127.0.0.1:9187")],
        ] {
            assert_eq!(asked(&guard, &Method::POST, "/source/a/pause", &sent), Ok(OPEN), "{sent:?}");
        }
    }

    #[test]
    fn from_elsewhere_nothing_is_seen_without_the_token() {
        let guard = Guard::new("0.0.0.0:9187", Some("right".into()));
        let whole = May { see_persons: true, act: true, sign_in: false };
        let host = ("host", "hiersync.example.com");
        for path in ["/", "/metrics", "/changes", "/events"] {
            assert_eq!(asked(&guard, &Method::GET, path, &[host]), Err(StatusCode::UNAUTHORIZED), "{path}");
            assert_eq!(asked(&guard, &Method::GET, path, &[host, ("accept", "text/html,*/*")]), Err(StatusCode::SEE_OTHER), "{path}");
            assert_eq!(asked(&guard, &Method::GET, path, &[host, ("authorization", "Bearer right")]), Ok(whole), "{path}");
        }
        assert!(asked(&guard, &Method::GET, "/livez", &[host]).is_ok());
        assert_eq!(asked(&guard, &Method::POST, "/source/a/sync", &[host]), Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn a_token_on_loopback_keeps_persons_and_buttons() {
        let guard = Guard::new("127.0.0.1:9187", Some("right".into()));
        let host = ("host", "localhost");
        let stranger = May { see_persons: false, act: false, sign_in: true };
        assert_eq!(asked(&guard, &Method::GET, "/", &[host]), Ok(stranger));
        assert_eq!(asked(&guard, &Method::POST, "/source/a/sync", &[host]), Err(StatusCode::UNAUTHORIZED));
        let cookie = guard.sign_in(HERE, " right\n").unwrap().unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("right"), "{cookie}");
        let sent = format!("other=1; {}; more=2", cookie.split(';').next().unwrap());
        assert!(asked(&guard, &Method::POST, "/source/a/sync", &[host, ("cookie", &sent)]).is_ok());
        assert_eq!(asked(&guard, &Method::GET, "/", &[host, ("cookie", "hiersync-9187=right")]), Ok(stranger));
        // Another hiersync's of this host, and a proxy's own token.
        assert!(!guard.has_stale_cookie(&headers(&[("cookie", "hiersync-9188=abc")])));
        assert_eq!(
            asked(&guard, &Method::GET, "/", &[host, ("cookie", &sent), ("authorization", "Bearer other")]).map(|may| may.act),
            Ok(true)
        );
        let guessed = [host, ("authorization", "Bearer other")];
        (0..=TRIES).for_each(|_| assert_eq!(asked(&guard, &Method::POST, "/sign-in", &guessed), Ok(stranger)));
        assert_eq!(asked(&guard, &Method::GET, "/", &[host, ("authorization", "bearer right")]).map(|may| may.act), Ok(true));
    }

    #[test]
    fn who_tries_too_often_is_not_heard() {
        let guard = Guard::new("127.0.0.1:9187", Some("right".into()));
        let wrong = [("host", "localhost"), ("authorization", "Bearer wrong")];
        for _ in 0..TRIES {
            assert_eq!(asked(&guard, &Method::GET, "/", &wrong), Err(StatusCode::UNAUTHORIZED));
        }
        let right = [("host", "localhost"), ("authorization", "Bearer right")];
        assert_eq!(asked(&guard, &Method::GET, "/", &right).map(|may| may.see_persons), Ok(false), "not even the right one");
        assert_eq!(guard.sign_in(HERE, "right"), Some(Err(TooManyTries)));
        assert_eq!(asked(&guard, &Method::POST, "/source/a/sync", &right), Err(StatusCode::TOO_MANY_REQUESTS));
        assert!(guard.sign_in("10.0.0.1".parse().unwrap(), "right").is_some_and(|cookie| cookie.is_ok()));
        // Addresses of IPv4 that come as ones of IPv6 are not one network.
        (0..TRIES).for_each(|_| guard.was_wrong("::ffff:10.0.0.2".parse().unwrap()));
        assert_eq!(
            ["::ffff:10.0.0.2", "10.0.0.2", "::ffff:10.0.0.3"].map(|from| guard.is_deaf_to(from.parse().unwrap())),
            [true, true, false]
        );
    }
}
