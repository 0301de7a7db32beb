//! What LeadSquared sends, as it sends it: answers of Get User Hierarchy Information and of User Advanced Search.
//! Names and shapes are those of its pages of the same names (apidocs.leadsquared.com, 2026).

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::vendor_api::json::{self, Field, Flag, Number, Text};

/// An answer with users, whole or with a refusal in their place.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    pub(super) users: Option<&'a RawValue>,
    /// Of the hierarchy call.
    #[serde(default)]
    pub(super) search_info: Field<SearchInfo>,
    /// Of the search, if at all: its page shows neither.
    #[serde(default)]
    pub(super) total_users: Field<Number>,
    #[serde(default)]
    pub(super) record_count: Field<Number>,
}

/// `SearchInfo`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SearchInfo {
    #[serde(default)]
    pub(super) total_users: Field<Number>,
}

/// A refusal, under any status (vendor documentation, "Error handling").
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Exception {
    /// `Error`.
    #[serde(default)]
    pub(super) status: Field<Text>,
    /// `MX…Exception`; no list of them is published.
    #[serde(default)]
    pub(super) exception_type: Field<Text>,
    #[serde(default)]
    pub(super) exception_message: Field<Text>,
    /// In one public report only.
    #[serde(default, rename = "IsMXException")]
    pub(super) is_mx_exception: Field<Flag>,
}

/// One entry of `Users`: the hierarchy call's keys, and those of the search that say the same in other words.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct User {
    #[serde(default)]
    pub(super) user_id: Field<Text>,
    #[serde(default)]
    pub(super) name: Field<Text>,
    #[serde(default)]
    pub(super) mobile: Field<Text>,
    #[serde(default)]
    pub(super) email: Field<Text>,
    /// `"true"` and `"false"`, as texts.
    #[serde(default)]
    pub(super) checked_in: Field<Flag>,
    /// Likewise.
    #[serde(default)]
    pub(super) is_active: Field<Flag>,
    #[serde(default)]
    pub(super) modified_on: Field<Text>,
    #[serde(default)]
    pub(super) first_name: Field<Text>,
    #[serde(default)]
    pub(super) last_name: Field<Text>,
    #[serde(default)]
    pub(super) email_address: Field<Text>,
    /// Of the search: the number that the hierarchy call gives as `Mobile` (a live account, 2026-08).
    #[serde(default)]
    pub(super) phone_main: Field<Text>,
    /// 0 for active, 1 for inactive: a text in the search, a number elsewhere.
    #[serde(default)]
    pub(super) status_code: Field<Number>,
    /// Asked-for columns, `ManagerUserId` too, and anything else.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}
