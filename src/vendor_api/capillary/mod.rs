//! Capillary's customers. What is odd about this vendor:
//! a customer has no id of its own but its profiles'; a list shows one level and never its parent;
//! errors come under 200 too, at two places; tokens end by the minute; phone numbers are identifiers, so they stand in our URLs.

mod api;
mod convert;
mod plain;
#[cfg(test)]
mod properties;
mod refusal;
mod tree;
mod wire;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};

#[cfg(test)]
pub(super) use self::api::read_children;
use self::{
    api::{Api, Pass},
    tree::Tree,
};
use crate::{
    clock,
    config::{
        self, CapillaryAuth, Identifier,
        secrets::{SecretError, Secrets},
    },
    model::{customer::Customer, node::NodeId},
    vendor_api::{Ask, List, Vendor, error::VendorError, sheet::Sheet},
};

/// A token is renewed this long before its end, or a tenth of its life if that is shorter.
const LONGEST_MARGIN: Duration = Duration::from_secs(30);

/// A token of unknown life is not trusted for longer.
const A_DAY: Duration = Duration::from_secs(86_400);

/// One Capillary account.
pub struct Capillary {
    api: Api,
    access: Access,
    tree: Tree,
}

/// The secrets of a source, of the kind that its `auth` asks for.
#[derive(Clone)]
pub enum Credentials {
    /// `auth = "basic"`: the till's password, or its MD5 with `password_is_md5`.
    Password(SecretString),
    /// `auth = "oauth"`: the API client.
    Client {
        /// `<source>.key`.
        key: SecretString,
        /// `<source>.secret`.
        secret: SecretString,
    },
}

/// Looks up the secrets that a source's `auth` asks for.
///
/// # Errors
/// When one is missing or unreadable.
pub fn credentials(source: &config::Source, settings: &config::Capillary, secrets: &Secrets) -> Result<Credentials, SecretError> {
    let secret = |name: &str| secrets.get(&format!("{}.{name}", source.name));
    Ok(match settings.auth {
        CapillaryAuth::Basic { .. } => Credentials::Password(secret("password")?),
        CapillaryAuth::OAuth => Credentials::Client { key: secret("key")?, secret: secret("secret")? },
    })
}

enum Access {
    Basic(SecretString),
    OAuth { key: SecretString, secret: SecretString, token: Mutex<Option<Token>> },
}

/// A token that was given to us.
struct Token {
    text: SecretString,
    /// When to ask for the next one.
    renew_at: Instant,
}

impl Capillary {
    /// An account by its settings and secrets. No call is made.
    pub fn new(source: &config::Source, settings: &config::Capillary, credentials: Credentials) -> Result<Self, VendorError> {
        let access = match (&settings.auth, credentials) {
            (CapillaryAuth::Basic { till, password_is_md5 }, Credentials::Password(password)) => {
                Access::Basic(basic(till, &password, *password_is_md5))
            }
            (CapillaryAuth::OAuth, Credentials::Client { key, secret }) => Access::OAuth { key, secret, token: Mutex::new(None) },
            _ => return Err(VendorError::Unauthorised("the secrets are not of the kind that `auth` names".into())),
        };
        Ok(Self { api: Api::new(source, settings)?, access, tree: Tree::new(settings) })
    }

    /// The header for a call. Without a token no call is worth its price.
    fn pass(&self) -> Result<Pass, VendorError> {
        match &self.access {
            Access::Basic(value) => Ok(Pass { header: "Authorization", value: value.clone() }),
            Access::OAuth { token, .. } => match &*lock(token) {
                // An overview page names another header; the OAuth page and all code seen use this one.
                Some(token) => Ok(Pass { header: "X-CAP-API-OAUTH-TOKEN", value: token.text.clone() }),
                None => Err(VendorError::Unauthorised("there is no token yet".into())),
            },
        }
    }

    /// A refusal of a token that was renewed while the call was under way says nothing of the new one.
    fn judge(&self, error: VendorError, used: &Pass) -> VendorError {
        let is_used = |pass: Pass| pass.value.expose_secret() == used.value.expose_secret();
        match error {
            VendorError::Unauthorised(_) if !self.pass().is_ok_and(is_used) => {
                VendorError::Transient("the token was renewed while the call was under way".into())
            }
            error => error,
        }
    }
}

/// `Basic base64(till:md5hex(password))` (vendor documentation, "Authentication").
fn basic(till: &str, password: &SecretString, is_md5: bool) -> SecretString {
    let password = password.expose_secret();
    let hashed = if is_md5 { password.trim().to_ascii_lowercase() } else { md5_hex(password) };
    format!("Basic {}", BASE64_STANDARD.encode(format!("{till}:{hashed}"))).into()
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock(token: &Mutex<Option<Token>>) -> MutexGuard<'_, Option<Token>> {
    // Nobody panics with the lock held, and a whole token is all there is in it.
    token.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Vendor for Capillary {
    type Row = Customer;

    fn must_sign_in(&self) -> bool {
        match &self.access {
            Access::Basic(_) => false,
            Access::OAuth { token, .. } => lock(token).as_ref().is_none_or(|token| token.renew_at <= clock::instant()),
        }
    }

    async fn sign_in(&self, within: Duration) -> Result<(), VendorError> {
        let Access::OAuth { key, secret, token } = &self.access else {
            return Ok(());
        };
        // From before the call: the vendor's count starts somewhere within it.
        let asked_at = clock::instant();
        let given = self.api.token(key, secret, within).await?;
        // A life beyond what the clock can hold is as good as a day, and so is one that is not told: the token is refused at its end.
        let lifetime = given.lifetime.unwrap_or(A_DAY);
        let renew_at = asked_at.checked_add(lifetime - LONGEST_MARGIN.min(lifetime / 10)).unwrap_or(asked_at + A_DAY);
        *lock(token) = Some(Token { text: given.text, renew_at });
        Ok(())
    }

    fn forget_token(&self) -> bool {
        match &self.access {
            Access::Basic(_) => false,
            Access::OAuth { token, .. } => {
                *lock(token) = None;
                true
            }
        }
    }

    async fn lookup(&self, root: &Identifier, within: Duration) -> Result<Option<NodeId>, VendorError> {
        let pass = self.pass()?;
        let found = self.api.lookup(pass.clone(), root, within).await;
        found.map(|id| id.map(NodeId::Customer)).map_err(|error| self.judge(error, &pass))
    }

    async fn own_row(&self, node: NodeId, within: Duration) -> Result<Option<Customer>, VendorError> {
        let NodeId::Customer(id) = node else { return Ok(None) };
        let pass = self.pass()?;
        self.api.customer(pass.clone(), id, within).await.map_err(|error| self.judge(error, &pass))
    }

    async fn page(&self, ask: &Ask, within: Duration) -> Result<Sheet<Customer>, VendorError> {
        let List::ChildrenOf(parent) = &ask.list else {
            return Err(VendorError::Rejected("Capillary has no lists of users".into()));
        };
        let pass = self.pass()?;
        let page = self.api.children(pass.clone(), parent, ask, within).await;
        page.map_err(|error| self.judge(error, &pass))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor_api::{
        Page,
        test_door::{Door, answer, ok, source},
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(auth: CapillaryAuth) -> config::Capillary {
        config::Capillary {
            roots: Vec::new(),
            auth,
            association: "parentCustomer".into(),
            profile_source: "INSTORE".into(),
            account_id: None,
            page_size: 100,
            sort_by: None,
            sort_order: "ASC".into(),
            descend_by: Vec::new(),
        }
    }

    fn open(door: &Door, settings: config::Capillary, credentials: Credentials) -> Capillary {
        let source = source(&door.base, config::Vendor::Capillary(settings.clone()));
        Capillary::new(&source, &settings, credentials).expect("an account")
    }

    fn by_password(door: &Door) -> Capillary {
        let auth = CapillaryAuth::Basic { till: "till.1".into(), password_is_md5: false };
        open(door, settings(auth), Credentials::Password("secret".into()))
    }

    fn by_client(door: &Door) -> Capillary {
        open(door, settings(CapillaryAuth::OAuth), Credentials::Client { key: "the key".into(), secret: "the secret".into() })
    }

    fn parent() -> Identifier {
        Identifier { kind: "externalId".into(), value: "EMP 1+2".into() }
    }

    fn ask() -> Ask {
        Ask { list: List::ChildrenOf(parent()), offset: 99, limit: 100, is_plain: false }
    }

    async fn page(body: &str) -> Result<Page<Customer>, VendorError> {
        by_password(&Door::open(ok(body))).page(&ask(), SECOND).await.map(Sheet::all)
    }

    #[tokio::test]
    async fn a_page_is_asked_for_as_documented() {
        let door = Door::open(ok(include_str!("example.json")));
        let page = by_password(&door).page(&ask(), SECOND).await.expect("a page").all();
        assert_eq!((page.rows.len(), page.received(), page.stated_count, page.whole), (2, 2, Some(2), false));
        let seen = door.request();
        let expected = "GET /v2/customers/bulk?source=INSTORE&associationEntityType=parentCustomer&associationEntityIdentifierType=externalId\
            &associationEntityIdentifierValue=EMP%201%2B2&limit=100&offset=99&sortOrder=ASC&includeNoOfChildren=true\
            &includeCustomerAssociateDetail=true HTTP/1.1";
        assert_eq!(seen.line, expected);
        // base64 of `till.1:` and the MD5 of `secret`.
        assert_eq!(seen.header("authorization"), Some("Basic dGlsbC4xOjVlYmUyMjk0ZWNkMGUwZjA4ZWFiNzY5MGQyYTZlZTY5"));
        assert_eq!((seen.header("accept"), seen.header("content-type")), (Some("application/json"), Some("application/json")));
        assert_eq!(seen.header("x-cap-api-oauth-token"), None);
    }

    #[tokio::test]
    async fn optional_parameters_are_sent_when_set() {
        let door = Door::open(ok(include_str!("example.json")));
        let auth = CapillaryAuth::Basic { till: "till.1".into(), password_is_md5: true };
        let settings = config::Capillary { account_id: Some("wx1".into()), sort_by: Some("createdon".into()), ..settings(auth) };
        let password = "5EBE2294ECD0E0F08EAB7690D2A6EE69".to_owned();
        open(&door, settings, Credentials::Password(password.into())).page(&ask(), SECOND).await.expect("a page");
        let seen = door.request();
        assert!(seen.line.ends_with("&sortBy=createdon&accountId=wx1 HTTP/1.1"), "{}", seen.line);
        assert_eq!(seen.header("authorization"), Some("Basic dGlsbC4xOjVlYmUyMjk0ZWNkMGUwZjA4ZWFiNzY5MGQyYTZlZTY5"));
    }

    #[tokio::test]
    async fn an_error_never_looks_like_an_empty_list() {
        for body in [r#"{"entity": {"customers": [], "count": 0}}"#, r#"{"entity": {"customers": null, "count": "0"}}"#] {
            let page = page(body).await.expect("a page");
            assert_eq!((page.rows.len(), page.received(), page.stated_count), (0, 0, Some(0)));
        }
        for body in [
            "{}",
            "[]",
            "null",
            r#"{"entity": null}"#,
            r#"{"entity": 5}"#,
            r#"{"entity": {}}"#,
            r#"{"entity": {"count": 0}}"#,
            r#"{"entity": {"customers": null}}"#,
            r#"{"entity": {"customers": null, "count": 3}}"#,
            r#"{"entity": {"customers": {}}}"#,
        ] {
            let error = page(body).await.expect_err(body);
            assert!(matches!(error, VendorError::WrongShape(_)), "{body}: {error}");
        }
        let error = page(r#"{"entity": {"customers": [], "errors": [{"status": false, "code": 8015}]}, "success": true}"#)
            .await
            .expect_err("an error");
        assert!(matches!(&error, VendorError::Rejected(text) if text.contains("code 8015")), "{error}");
    }

    #[tokio::test]
    async fn a_lookup_finds_an_id_or_knows_that_there_is_none() {
        let unknown = r#"{"errors": [{"status": false, "code": 8015, "message": "Customer not found"}]}"#;
        for (sent, found) in [
            (ok(r#"{"entity": 700000021, "warnings": []}"#), Some("700000021")),
            (ok(r#"{"entity": "700000021"}"#), Some("700000021")),
            (ok(r#"{"entity": 0}"#), None),
            (ok(r#"{"entity": null}"#), None),
            (ok(unknown), None),
            (answer(400, "application/json", unknown), None),
            (answer(404, "application/json", "{}"), None),
            (answer(404, "application/json", ""), None),
        ] {
            let door = Door::open(sent);
            let key = by_password(&door).lookup(&parent(), SECOND).await.expect("an answer");
            assert_eq!(key.map(|key| key.to_string()).as_deref(), found);
            let expected = "GET /v2/customers/lookup?source=INSTORE&identifierName=externalId&identifierValue=EMP%201%2B2 HTTP/1.1";
            assert_eq!(door.request().line, expected);
        }
    }

    #[tokio::test]
    async fn a_lookup_that_failed_does_not_pass_for_unknown() {
        for sent in [
            ok("{}"),
            ok(r#"{"entity": -5}"#),
            ok(r#"{"entity": {"id": 5}}"#),
            ok(r#"{"errors": [{"code": 8003}]}"#),
            ok(r#"{"errors": [{"code": 8045}]}"#),
            answer(404, "text/html", "<html>"),
            answer(401, "application/json", "{}"),
            answer(500, "application/json", "{}"),
        ] {
            assert!(by_password(&Door::open(sent)).lookup(&parent(), SECOND).await.is_err());
        }
    }

    fn token(seconds: &str) -> Vec<u8> {
        ok(&format!(r#"{{"data": {{"accessToken": "a.b.c", "ttlSeconds": {seconds}}}, "errors": null}}"#))
    }

    #[tokio::test]
    async fn a_token_is_fetched_used_and_forgotten() {
        let door = Door::open_for(vec![token("300"), ok(include_str!("example.json"))]);
        let capillary = by_client(&door);
        assert!(capillary.must_sign_in());
        assert!(matches!(capillary.page(&ask(), SECOND).await, Err(VendorError::Unauthorised(_))), "no call without a token");
        capillary.sign_in(SECOND).await.expect("a token");
        assert!(!capillary.must_sign_in());
        capillary.page(&ask(), SECOND).await.expect("a page");
        let seen = door.request();
        assert_eq!(
            (seen.line.as_str(), seen.body.as_str()),
            ("POST /v3/oauth/token/generate HTTP/1.1", r#"{"key":"the key","secret":"the secret"}"#)
        );
        assert_eq!(seen.header("authorization"), None);
        let seen = door.request();
        assert_eq!((seen.header("x-cap-api-oauth-token"), seen.header("authorization")), (Some("a.b.c"), None));
        assert!(capillary.forget_token());
        assert!(capillary.must_sign_in());
    }

    #[tokio::test]
    async fn a_token_is_renewed_before_its_end() {
        let capillary = by_client(&Door::open(token("\"3600\"")));
        capillary.sign_in(SECOND).await.expect("a token");
        let Access::OAuth { token, .. } = &capillary.access else { panic!("no OAuth") };
        let left = lock(token).as_ref().expect("a token").renew_at - clock::instant();
        assert!(left > Duration::from_secs(3560) && left <= Duration::from_secs(3570), "{left:?}");
    }

    #[tokio::test]
    async fn a_token_whose_life_is_not_told_is_used_until_it_is_refused() {
        for answer in [token("0"), token("null"), token("\"soon\""), ok(r#"{"data": {"accessToken": "a.b.c"}}"#)] {
            let capillary = by_client(&Door::open(answer));
            capillary.sign_in(SECOND).await.expect("a token");
            assert!(!capillary.must_sign_in());
        }
    }

    #[tokio::test]
    async fn a_refused_client_is_unauthorised_and_a_fault_is_not() {
        for (sent, is_unauthorised) in [
            (ok(r#"{"data": null, "errors": [{"code": 1234, "message": "Invalid key"}]}"#), true),
            (answer(400, "application/json", r#"{"errors": {"message": "bad"}}"#), true),
            (answer(401, "application/json", ""), true),
            (answer(404, "text/html", "<html>"), false),
            (answer(503, "text/html", "<html>"), false),
            (ok("<html>"), false),
            (ok(r#"{"data": null, "errors": null}"#), false),
        ] {
            let error = by_client(&Door::open(sent)).sign_in(SECOND).await.expect_err("no token");
            assert_eq!(matches!(error, VendorError::Unauthorised(_)), is_unauthorised, "{error}");
            assert!(!error.to_string().contains("the secret"));
        }
    }

    #[tokio::test]
    async fn a_refusal_of_an_older_token_is_no_refusal_of_the_new_one() {
        let capillary = by_client(&Door::open_for(vec![token("300"), token("300")]));
        capillary.sign_in(SECOND).await.expect("a token");
        let used = capillary.pass().expect("a pass");
        let refused = || VendorError::Unauthorised("no".into());
        assert!(matches!(capillary.judge(refused(), &used), VendorError::Unauthorised(_)));
        capillary.forget_token();
        assert!(matches!(capillary.judge(refused(), &used), VendorError::Transient(_)));
    }

    #[test]
    fn basic_has_no_token_and_wrong_secrets_are_told() {
        let door = Door::closed();
        let capillary = by_password(&door);
        assert!(!capillary.must_sign_in() && !capillary.forget_token());
        let settings = settings(CapillaryAuth::OAuth);
        let source = source(&door.base, config::Vendor::Capillary(settings.clone()));
        let wrong = Capillary::new(&source, &settings, Credentials::Password("secret".into()));
        assert!(matches!(wrong, Err(VendorError::Unauthorised(_))));
    }
}
