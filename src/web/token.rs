//! The token, the cookie that stands for it, and who has tried too often.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderValue, header, uri::Authority};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::guard::{May, is_loopback, is_loopback_host, port};
use crate::clock;

/// How the name of the cookie begins that stands for the token. Our port follows: cookies know no ports, and another hiersync of the same host
/// would take ours for a wrong one.
const COOKIE: &str = "hiersync";

/// What the cookie's value is made of beside the token.
const COOKIE_SALT: &[u8] = b"hiersync status page";

/// How long a browser keeps it, in seconds.
const COOKIE_LASTS: u32 = 30 * 24 * 3600;

/// Wrong tokens that one address may send within [`TRIES_WITHIN`].
pub(super) const TRIES: u32 = 10;
const TRIES_WITHIN: Duration = Duration::from_secs(60);

/// Addresses whose wrong tokens are remembered.
const REMEMBERED: usize = 4096;

/// What is asked of whoever asks.
pub struct Guard {
    token: Option<SecretString>,
    cookie: String,
    /// Only this machine reaches us.
    pub(super) is_local: bool,
    tries: Mutex<HashMap<IpAddr, Tries>>,
}

struct Tries {
    since: Instant,
    wrong: u32,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Somebody with the token.
    Yes,
    /// Somebody without one.
    No,
    /// Somebody with a wrong one.
    Wrong,
}

impl Guard {
    /// For a page at this address. `token`: the secret `daemon.token`.
    pub fn new(listen: &str, token: Option<SecretString>) -> Self {
        let cookie = format!("{COOKIE}-{}", port(listen).unwrap_or_default());
        Self { token, cookie, is_local: is_loopback(listen), tries: Mutex::default() }
    }

    /// `is_open`: what is asked for wants no token, and a bearer's is not looked at: it may be a proxy's own.
    pub(super) fn knows(&self, headers: &HeaderMap, is_open: bool) -> Known {
        let Some(token) = &self.token else { return Known::No };
        let bearer = bearer(headers).filter(|_| !is_open);
        // A proxy in front may send a token of its own.
        let is_known =
            bearer.is_some_and(|given| self.is_token(given)) || self.given(headers).is_some_and(|given| is_same(given, &worth(token)));
        match bearer {
            _ if is_known => Known::Yes,
            Some(_) => Known::Wrong,
            None => Known::No,
        }
    }

    /// Whether there is a cookie of ours that stands for another token. It is a try like any other.
    pub(super) fn has_stale_cookie(&self, headers: &HeaderMap) -> bool {
        match (&self.token, self.given(headers)) {
            (Some(token), Some(given)) => !given.is_empty() && !is_same(given, &worth(token)),
            _ => false,
        }
    }

    /// Whether this is the token; as long for a right one as for a wrong one.
    fn is_token(&self, given: &str) -> bool {
        self.token.as_ref().is_some_and(|token| is_same(&worth(&SecretString::from(given)), &worth(token)))
    }

    /// What somebody may who is known, or not.
    pub(super) fn may(&self, is_known: bool) -> May {
        May { see_persons: is_known, act: is_known || (self.token.is_none() && self.is_local), sign_in: self.token.is_some() && !is_known }
    }

    /// Whether an address has sent too many wrong tokens to be heard.
    pub(super) fn is_deaf_to(&self, address: IpAddr) -> bool {
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.get(&network(address)).is_some_and(|tries| tries.wrong >= TRIES && tries.since.elapsed() < TRIES_WITHIN)
    }

    pub(super) fn was_wrong(&self, address: IpAddr) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= REMEMBERED {
            tries.retain(|_, tries| tries.since.elapsed() < TRIES_WITHIN);
            // So many at once are one attacker's: nothing is to be had by remembering more.
            if tries.len() >= REMEMBERED {
                tries.clear();
            }
        }
        let tries = tries.entry(network(address)).or_insert_with(|| Tries { since: clock::instant(), wrong: 0 });
        if tries.since.elapsed() >= TRIES_WITHIN {
            *tries = Tries { since: clock::instant(), wrong: 0 };
        }
        tries.wrong += 1;
    }

    /// The cookie for whoever has typed in the token; `None`: it is another one.
    pub fn sign_in(&self, address: IpAddr, given: &str) -> Option<Result<HeaderValue, TooManyTries>> {
        if self.is_deaf_to(address) {
            return Some(Err(TooManyTries));
        }
        if !self.is_token(given.trim()) {
            self.was_wrong(address);
            return None;
        }
        let worth = worth(self.token.as_ref()?);
        let cookie = format!("{}={worth}; HttpOnly; SameSite=Strict; Path=/; Max-Age={COOKIE_LASTS}", self.cookie);
        HeaderValue::try_from(cookie).ok().map(Ok)
    }

    /// The cookie that ends it.
    pub fn sign_out(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0", self.cookie)).ok()
    }

    /// The value of our cookie.
    fn given<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|all| all.split("; ")).find_map(|one| one.strip_prefix(self.cookie.as_str())?.strip_prefix('='))
    }

    /// The name under which we are asked is ours; browsers, which can be led here, always say one. Where the token is asked for, no page under another name has the cookie.
    pub(super) fn is_our_name(&self, name: Option<&str>) -> bool {
        let Some(name) = name.filter(|_| self.is_local) else { return true };
        name.parse().is_ok_and(|name: Authority| is_loopback_host(name.host()))
    }
}

/// Wrong tokens came too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTries;

/// The token beside the scheme, which is spelt in any case (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, given) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(given)
}

/// Whoever has one address of IPv6 has all of its network. One of IPv4 may come as one of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
    }
}

/// What a cookie holds in place of the token.
fn worth(token: &SecretString) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.expose_secret().as_bytes()) else { return String::new() };
    mac.update(COOKIE_SALT);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
