//! What Capillary sends, as it sends it: answers of `v2/customers/bulk`, `v2/customers/lookup` and the token call.
//! Field names and shapes are those of its page "Get customer hierarchy in a user group" (2026).

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::vendor_api::json::{self, Field, Flag, Listed, Number, Sent, Text};

/// Any answer. Errors stand here, in `entity`, or in both.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    pub(super) entity: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) errors: Listed<Fault>,
    #[serde(default)]
    pub(super) success: Field<Flag>,
    /// A gateway in front says its errors so.
    #[serde(default)]
    pub(super) message: Field<Text>,
    /// The token call's reply.
    #[serde(default)]
    pub(super) data: Field<TokenData>,
}

/// `entity` of a list.
#[derive(Deserialize)]
pub(super) struct Entity<'a> {
    #[serde(borrow, default, deserialize_with = "json::present")]
    pub(super) customers: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) count: Field<Number>,
}

/// The part of `entity` that can hold errors.
#[derive(Deserialize)]
pub(super) struct EntityFaults {
    #[serde(default)]
    pub(super) errors: Listed<Fault>,
}

/// One entry of `errors[]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub(super) struct Fault {
    /// False for an error.
    #[serde(default)]
    pub(super) status: Field<Flag>,
    #[serde(default)]
    pub(super) code: Field<Number>,
    #[serde(default)]
    pub(super) message: Field<Text>,
}

/// `data` of `POST v3/oauth/token/generate`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenData {
    #[serde(default)]
    pub(super) access_token: Field<Text>,
    #[serde(default)]
    pub(super) ttl_seconds: Field<Number>,
}

/// One entry of `customers[]`. It has no id of its own: that is its profiles' `userId`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Customer {
    #[serde(default)]
    pub(super) profiles: Listed<Profile>,
    #[serde(default)]
    pub(super) extended_fields: Field<Map<String, Value>>,
    #[serde(default)]
    pub(super) role_code: Field<Text>,
    #[serde(default)]
    pub(super) created_date: Field<Text>,
    #[serde(default)]
    pub(super) no_of_children: Field<Number>,
    #[serde(default)]
    pub(super) default_child: Field<Flag>,
    /// Anything else, `parentCustomer` too: documented, but in no example of this endpoint.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// One entry of `profiles[]`: one per source or account.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    #[serde(default)]
    pub(super) first_name: Field<Text>,
    #[serde(default)]
    pub(super) last_name: Field<Text>,
    #[serde(default)]
    pub(super) fields: Field<Map<String, Value>>,
    #[serde(default)]
    pub(super) identifiers: Listed<Identifier>,
    #[serde(default)]
    pub(super) comm_channels: Listed<Channel>,
    #[serde(default)]
    pub(super) source: Field<Text>,
    #[serde(default)]
    pub(super) user_id: Field<Number>,
    #[serde(default)]
    pub(super) account_id: Field<Text>,
    #[serde(default)]
    pub(super) conflicting_profile_list: Field<Value>,
    #[serde(default)]
    pub(super) auto_update_time: Field<Text>,
    #[serde(default)]
    pub(super) identifiers_all: Field<Sent<Listed<Identifier>>>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// One entry of `identifiers[]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Identifier {
    #[serde(default, rename = "type")]
    pub(super) kind: Field<Text>,
    #[serde(default)]
    pub(super) value: Field<Text>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// One entry of `commChannels[]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Channel {
    #[serde(default, rename = "type")]
    pub(super) kind: Field<Text>,
    #[serde(default)]
    pub(super) value: Field<Text>,
    #[serde(default)]
    pub(super) primary: Field<Flag>,
    #[serde(default)]
    pub(super) verified: Field<Flag>,
    #[serde(default)]
    pub(super) meta: Field<Map<String, Value>>,
    #[serde(default)]
    pub(super) attributes: Field<Map<String, Value>>,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}
