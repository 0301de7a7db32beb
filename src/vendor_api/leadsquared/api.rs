//! LeadSquared's endpoints: what is asked, and what an answer holds. One call per function.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json, value::RawValue};
use url::Url;
use uuid::Uuid;

use super::{Keys, convert, refusal, wire};
use crate::{
    config::{self, KeysIn},
    model::user::User,
    vendor_api::{
        Ask, Page,
        answer::Answer,
        error::VendorError,
        http::Client,
        json::{self, Field, Number},
        request::Request,
        rows::{self, Rows},
    },
};

/// A larger page is refused: "PageSize can't be greater than 1000" (a live account, 2026-08).
const LARGEST_PAGE: u32 = 1000;
/// Columns without which the search is of no use. `ManagerName` or `TeamName` would fail the call.
const NEEDED: [&str; 6] = ["UserId", "FirstName", "LastName", "EmailAddress", "StatusCode", convert::MANAGER];
/// What a list shows where no columns are asked for; where some are, it may show only those (vendor documentation, "Get User Hierarchy
/// Information").
const USUAL: &str = "UserId,Name,Mobile,Email,CheckedIn,IsActive";
/// Columns that were seen to work beside them (a live account, 2026-08).
const OPTIONAL: [&str; 4] = ["Role", "PhoneMain", "TeamId", "Groups"];

/// The endpoints of one account.
pub(super) struct Api {
    client: Client,
    base: Url,
    max_response: u64,
    settings: config::LeadSquared,
    keys: Keys,
    /// The vendor has refused the optional columns.
    only_needed: AtomicBool,
    /// Lists are asked for the config's columns alone, as the vendor has refused the usual ones beside them.
    is_plain: AtomicBool,
    /// Nobody has been told of that.
    is_untold: AtomicBool,
    /// A list was answered with the usual columns.
    takes_usual: AtomicBool,
}

impl Api {
    pub(super) fn new(source: &config::Source, settings: &config::LeadSquared, keys: Keys) -> Result<Self, VendorError> {
        let client = Client::new(&source.base_url)?;
        Ok(Self {
            client,
            base: source.base_url.clone(),
            max_response: source.max_response,
            settings: settings.clone(),
            keys,
            only_needed: AtomicBool::new(false),
            is_plain: AtomicBool::new(false),
            is_untold: AtomicBool::new(false),
            takes_usual: AtomicBool::new(false),
        })
    }

    /// Get User Hierarchy Information: all users that report to one, in one piece.
    pub(super) async fn reports(&self, of: Uuid, is_plain: bool, within: Duration) -> Result<Page<User>, VendorError> {
        let columns = &self.settings.columns;
        let is_plain = is_plain || self.is_plain.load(Ordering::Relaxed);
        let mut body = json!({"UserId": of, "Include": self.settings.include});
        if !columns.is_empty() {
            let usual = USUAL.split(',').filter(|usual| !is_plain && !columns.iter().any(|column| column.eq_ignore_ascii_case(usual)));
            let all: Vec<&str> = usual.chain(columns.iter().map(String::as_str)).collect();
            body["Columns"] = json!({"Include_CSV": all.join(",")});
        }
        let request = Request::post("user hierarchy", &self.base, &self.settings.hierarchy_path, &body);
        let answer = self.send(request, within).await?;
        let page = read_users(&answer, &self.base, columns, None)?;
        self.takes_usual.fetch_or(!is_plain, Ordering::Relaxed);
        Ok(page)
    }

    /// Whether the usual columns, asked for beside the config's, may be why a list was refused.
    pub(super) fn may_ask_plainly(&self) -> bool {
        let knows = self.takes_usual.load(Ordering::Relaxed) || self.is_plain.load(Ordering::Relaxed);
        !self.settings.columns.is_empty() && !knows
    }

    /// They are: leaves them out from now on.
    pub(super) fn ask_plainly(&self) {
        let was = self.is_plain.swap(true, Ordering::Relaxed);
        self.is_untold.fetch_or(!was, Ordering::Relaxed);
    }

    /// The usual columns, once they are left out.
    pub(super) fn untold_columns(&self) -> Option<&'static str> {
        self.is_untold.swap(false, Ordering::Relaxed).then_some(USUAL)
    }

    /// User Advanced Search: a page of all users, by id, so that pages do not shift with a name.
    pub(super) async fn directory(&self, ask: &Ask, within: Duration) -> Result<Page<User>, VendorError> {
        let columns = self.directory_columns();
        let request = Request::post("user search", &self.base, &self.path("User/AdvancedSearch"), &directory_body(ask, &columns));
        let answer = self.send(request, within).await?;
        read_users(&answer, &self.base, &columns, Some(ask.offset))
    }

    /// Asks only for needed columns from now on. `None`: it did so before; else the columns that are left out.
    pub(super) fn ask_only_needed(&self) -> Option<Vec<String>> {
        let all = self.directory_columns();
        let was = self.only_needed.swap(true, Ordering::Relaxed);
        (!was).then(|| all.into_iter().filter(|column| !NEEDED.contains(&column.as_str())).collect())
    }

    fn directory_columns(&self) -> Vec<String> {
        let is_optional_too = !self.only_needed.load(Ordering::Relaxed);
        let optional = OPTIONAL.into_iter().chain(self.settings.columns.iter().map(String::as_str)).filter(|_| is_optional_too);
        let mut columns: Vec<String> = Vec::new();
        for column in NEEDED.into_iter().chain(optional) {
            if !columns.iter().any(|known| known.eq_ignore_ascii_case(column)) {
                columns.push(column.to_owned());
            }
        }
        columns
    }

    /// `User/Retrieve/ByUserId`: one user; none for one that is inactive (vendor documentation, "Get User By Id").
    pub(super) async fn user(&self, id: Uuid, within: Duration) -> Result<Option<User>, VendorError> {
        let request = Request::get("user", &self.base, &self.path("User/Retrieve/ByUserId")).query("userId", &id.to_string());
        let answer = self.send(request, within).await?;
        let page = read_users(&answer, &self.base, &[], None)?;
        Ok(page.rows.into_iter().find(|user| user.id == id))
    }

    /// `base_url` may end in the version already.
    fn path(&self, call: &str) -> String {
        let version = if self.base.path().trim_end_matches('/').ends_with("/v2") { "" } else { "/v2" };
        format!("{version}/UserManagement.svc/{call}")
    }

    async fn send(&self, request: Request, within: Duration) -> Result<Answer, VendorError> {
        let Keys { access_key, secret_key } = &self.keys;
        let request = match self.settings.keys_in {
            KeysIn::Header => request.header("x-LSQ-AccessKey", access_key.clone()).header("x-LSQ-SecretKey", secret_key.clone()),
            KeysIn::Query => with_query_keys(request, access_key, secret_key),
        };
        self.client.send(request, within, self.max_response).await
    }
}

fn with_query_keys(request: Request, access_key: &SecretString, secret_key: &SecretString) -> Request {
    request.query("accessKey", access_key.expose_secret()).query("secretKey", secret_key.expose_secret())
}

/// The body that works on a live account (2026-08), with the sorting that the vendor's page shows. An address with `@` is everybody.
fn directory_body(ask: &Ask, columns: &[String]) -> Value {
    let size = ask.limit.clamp(1, LARGEST_PAGE);
    let everybody = json!({"LookupName": "EmailAddress", "Operator": "lik", "LookupValue": "@", "ConditionOperator": null});
    json!({
        "Columns": {"Include_CSV": columns.join(",")},
        "GroupConditions": [{"Condition": [everybody], "GroupOperator": null}],
        "GroupOperator": null,
        "Sorting": [{"ColumnName": "UserId", "Direction": 0}],
        "Paging": {"PageIndex": ask.offset.div_ceil(size) + 1, "PageSize": size},
    })
}

/// A list in one piece, or the page before which so many users stand.
pub(super) fn read_users(answer: &Answer, base: &Url, columns: &[String], before: Option<u32>) -> Result<Page<User>, VendorError> {
    if answer.is_nothing() {
        return Ok(Page::empty(before.is_none()));
    }
    let text = answer.json();
    if let Some(refusal) = refusal::of(answer, text.as_deref().ok(), base) {
        return Err(refusal);
    }
    let text = text?;
    let (texts, stated_count) = list(&text)?;
    let Rows { rows, keys, remarks } = convert::users(&texts, before.unwrap_or(0), columns);
    Ok(Page { rows, keys, stated_count, remarks, whole: before.is_none() })
}

/// `{"Users": […]}`, or a bare array, as sibling endpoints answer.
fn list(text: &str) -> Result<(Vec<&RawValue>, Option<u64>), VendorError> {
    if let Ok(texts) = serde_json::from_str(text) {
        return Ok((texts, None));
    }
    let envelope: wire::Envelope<'_> =
        json::object(text).map_err(|reason| VendorError::WrongShape(format!("no list of users: {reason}")))?;
    let search_info = envelope.search_info.read().and_then(|info| count(info.total_users));
    let count = search_info.or_else(|| count(envelope.total_users)).or_else(|| count(envelope.record_count));
    Ok((rows::listed(envelope.users, count, "Users")?, count))
}

fn count(field: Field<Number>) -> Option<u64> {
    field.read().and_then(|Number(count)| u64::try_from(count).ok())
}
