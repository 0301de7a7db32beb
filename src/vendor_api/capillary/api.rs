//! Capillary's endpoints: what is asked, and what an answer means. One call per function.

use std::{borrow::Cow, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{json, value::RawValue};
use url::Url;

use super::{convert, plain, refusal, wire};
use crate::{
    config::{self, Identifier},
    model::customer::Customer,
    vendor_api::{
        Ask, Page,
        answer::Answer,
        aside::aside,
        error::VendorError,
        http::Client,
        json::{self, Field, Number, Text},
        request::Request,
        rows::{self, RowText},
        sheet::{Sheet, Unread},
    },
};

/// Codes by which a lookup says that it knows no such customer: not an identifier, not found, not in this source, deleted.
const UNKNOWN_CUSTOMER: [i64; 4] = [8013, 8015, 8065, 8109];

/// The endpoints of one account.
pub(super) struct Api {
    client: Client,
    base: Url,
    max_response: u64,
    settings: config::Capillary,
}

/// The header that says who we are.
#[derive(Clone)]
pub(super) struct Pass {
    pub(super) header: &'static str,
    pub(super) value: SecretString,
}

/// A token, and how long it holds; one whose answer does not say so is used until it is refused.
pub(super) struct NewToken {
    pub(super) text: SecretString,
    pub(super) lifetime: Option<Duration>,
}

impl Api {
    pub(super) fn new(source: &config::Source, settings: &config::Capillary) -> Result<Self, VendorError> {
        let client = Client::new(&source.base_url)?;
        Ok(Self { client, base: source.base_url.clone(), max_response: source.max_response, settings: settings.clone() })
    }

    /// `POST v3/oauth/token/generate` (vendor documentation, "OAuth").
    pub(super) async fn token(&self, key: &SecretString, secret: &SecretString, within: Duration) -> Result<NewToken, VendorError> {
        let body = json!({"key": key.expose_secret(), "secret": secret.expose_secret()});
        let request = Request::post("token", &self.base, "/v3/oauth/token/generate", &body);
        let answer = self.client.send(request, within, self.max_response).await?;
        read_token(&answer)
    }

    /// `GET v2/customers/lookup`: an identifier's customer.
    pub(super) async fn lookup(&self, pass: Pass, root: &Identifier, within: Duration) -> Result<Option<i64>, VendorError> {
        let request = Request::get("customers/lookup", &self.base, "/v2/customers/lookup")
            .query("source", &self.settings.profile_source)
            .query("identifierName", &root.kind)
            .query("identifierValue", &root.value);
        let answer = self.send(pass, self.with_account(request), within).await?;
        read_lookup(&answer)
    }

    /// `GET v2/customers/{id}`: one customer. The vendor documents this path for `PUT` only.
    pub(super) async fn customer(&self, pass: Pass, id: i64, within: Duration) -> Result<Option<Customer>, VendorError> {
        let request =
            Request::get("customers/{id}", &self.base, &format!("/v2/customers/{id}")).query("source", &self.settings.profile_source);
        let answer = self.send(pass, self.with_account(request), within).await?;
        read_customer(&answer, id)
    }

    /// `GET v2/customers/bulk`: some of a customer's children.
    pub(super) async fn children(
        &self,
        pass: Pass,
        parent: &Identifier,
        ask: &Ask,
        within: Duration,
    ) -> Result<Sheet<Customer>, VendorError> {
        let settings = &self.settings;
        let mut request = Request::get("customers/bulk", &self.base, "/v2/customers/bulk")
            .query("source", &settings.profile_source)
            .query("associationEntityType", &settings.association)
            .query("associationEntityIdentifierType", &parent.kind)
            .query("associationEntityIdentifierValue", &parent.value)
            .query("limit", &ask.limit.to_string())
            .query("offset", &ask.offset.to_string())
            .query("sortOrder", &settings.sort_order)
            .query("includeNoOfChildren", "true")
            .query("includeCustomerAssociateDetail", "true");
        if let Some(key) = &settings.sort_by {
            request = request.query("sortBy", key);
        }
        let answer = self.send(pass, self.with_account(request), within).await?;
        let before = ask.offset;
        aside(answer.body.len(), move || read_children(&answer, before)).await
    }

    fn with_account(&self, request: Request) -> Request {
        match &self.settings.account_id {
            Some(account) => request.query("accountId", account),
            None => request,
        }
    }

    async fn send(&self, pass: Pass, request: Request, within: Duration) -> Result<Answer, VendorError> {
        self.client.send(request.header(pass.header, pass.value), within, self.max_response).await
    }
}

/// The text of an answer that holds no refusal.
fn accepted(answer: &Answer) -> Result<Cow<'_, str>, VendorError> {
    let text = answer.json();
    match refusal::of(answer, text.as_deref().ok()) {
        Some(refusal) => Err(refusal),
        None => text,
    }
}

fn envelope<'a>(text: &'a str, answer: &Answer) -> Result<wire::Envelope<'a>, VendorError> {
    json::object(text).map_err(|reason| wrong_shape(answer, reason))
}

fn wrong_shape(answer: &Answer, what: &str) -> VendorError {
    VendorError::WrongShape(format!("{}: {what}", answer.endpoint))
}

fn read_token(answer: &Answer) -> Result<NewToken, VendorError> {
    // Which code a wrong key brings is not documented, so every refusal but a wrong address is one of the key.
    let is_address = matches!(answer.status, 404 | 405 | 415);
    let text = accepted(answer).map_err(|error| match error {
        VendorError::Rejected(text) if !is_address => VendorError::Unauthorised(text),
        error => error,
    })?;
    let data = envelope(&text, answer)?.data.read();
    let (given, lifetime) = data.map(|data| (data.access_token.read(), data.ttl_seconds.read())).unwrap_or_default();
    let text = given.map(|Text(text)| text).filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| wrong_shape(answer, "it holds no token: `data.accessToken` is missing"))?;
    let seconds = lifetime.and_then(|Number(seconds)| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    Ok(NewToken { text: text.into(), lifetime: seconds.map(Duration::from_secs) })
}

fn read_lookup(answer: &Answer) -> Result<Option<i64>, VendorError> {
    let is_unknown = refusal::code(answer).map_or(answer.status == 404 && !answer.is_page(), |code| UNKNOWN_CUSTOMER.contains(&code));
    if is_unknown || answer.is_nothing() {
        return Ok(None);
    }
    let text = accepted(answer)?;
    let entity = envelope(&text, answer)?.entity.ok_or_else(|| wrong_shape(answer, "`entity` is missing"))?;
    match json::read::<Field<Number>>(entity.get()) {
        Ok(Field::Empty | Field::Read(Number(0))) => Ok(None),
        Ok(Field::Read(Number(id))) if id > 0 => Ok(Some(id)),
        _ => Err(wrong_shape(answer, "`entity` is no customer's id")),
    }
}

/// One customer by itself, at the top or under `entity`. What is no such customer is none.
fn read_customer(answer: &Answer, id: i64) -> Result<Option<Customer>, VendorError> {
    if answer.is_nothing() {
        return Ok(None);
    }
    let text = accepted(answer)?;
    let entity = json::object::<wire::Envelope<'_>>(&text).ok().and_then(|envelope| envelope.entity).map(RawValue::get);
    let read = |text: &str| {
        let row = RawValue::from_string(text.to_owned()).ok()?;
        convert::customers(&[RowText::from(&&*row)], 0).rows.into_iter().find(|row| row.id == id)
    };
    let Some(mut customer) = entity.and_then(read).or_else(|| read(&text)) else { return Ok(None) };
    // The answer's own keys, where it is the customer.
    for key in ["id", "warnings", "errors", "success"] {
        customer.extra.remove(key);
    }
    Ok(Some(customer))
}

/// A page of children. `before` of the list stand before it.
pub(in crate::vendor_api) fn read_children(answer: &Answer, before: u32) -> Result<Sheet<Customer>, VendorError> {
    if answer.is_nothing() {
        return Ok(Page::empty(false).into());
    }
    let text = answer.text();
    match plain::read(&text).filter(|_| answer.is_success()) {
        Some(page) => Ok(sheet(&page.customers, stated(page.count), before)),
        None => read_with_care(answer, before),
    }
}

/// The same, part by part: an error, or what is odd, may stand anywhere.
pub(super) fn read_with_care(answer: &Answer, before: u32) -> Result<Sheet<Customer>, VendorError> {
    let text = accepted(answer)?;
    let entity = envelope(&text, answer)?.entity.ok_or_else(|| wrong_shape(answer, "`entity` is missing"))?;
    let entity: wire::Entity<'_> = json::object(entity.get()).map_err(|reason| wrong_shape(answer, &format!("`entity`: {reason}")))?;
    let stated_count = stated(entity.count);
    Ok(sheet(&rows::listed(entity.customers, stated_count, "entity.customers")?, stated_count, before))
}

fn stated(count: Field<Number>) -> Option<u64> {
    count.read().and_then(|Number(count)| u64::try_from(count).ok())
}

fn sheet(texts: &[&RawValue], stated_count: Option<u64>, before: u32) -> Sheet<Customer> {
    Sheet::Unread(Unread::new(texts, before, stated_count, convert::id_in, convert::customers))
}
