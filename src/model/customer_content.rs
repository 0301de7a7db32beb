//! What of a customer is content: what is digested and compared.

use std::borrow::Cow;

use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    customer::{Customer, Profile},
    object::Object,
};

/// What is mirrored of a customer, by its columns.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    account_id: Option<&'a str>,
    profile_source: Option<&'a str>,
    email: Option<&'a str>,
    mobile: Option<&'a str>,
    external_id: Option<&'a str>,
    role_code: Option<&'a str>,
    default_child: Option<bool>,
    created_at: Option<String>,
    extended_fields: &'a Object,
    profiles: &'a [Profile],
    extra: Cow<'a, Map<String, Value>>,
}

impl Customer {
    /// A change stamp that could not be read stands in `extra`, and is no content, as a stamp is none.
    fn extra_without_stamps(&self) -> Cow<'_, Map<String, Value>> {
        if !self.extra.contains_key("profiles") {
            return Cow::Borrowed(&self.extra);
        }
        let mut extra = self.extra.clone();
        if let Some(profiles) = extra.get_mut("profiles").and_then(Value::as_object_mut) {
            profiles.retain(|_, fields| {
                let Some(fields) = fields.as_object_mut() else { return true };
                fields.remove("autoUpdateTime").is_none() || !fields.is_empty()
            });
            if profiles.is_empty() {
                extra.remove("profiles");
            }
        }
        Cow::Owned(extra)
    }

    pub(super) fn as_content(&self) -> Content<'_> {
        let lead = self.lead();
        Content {
            first_name: lead.and_then(|profile| profile.first_name.as_deref()),
            last_name: lead.and_then(|profile| profile.last_name.as_deref()),
            account_id: lead.and_then(|profile| profile.account_id.as_deref()),
            profile_source: lead.and_then(|profile| profile.profile_source.as_deref()),
            email: self.contact("email"),
            mobile: self.contact("mobile"),
            external_id: self.contact("externalId"),
            role_code: self.role_code.as_deref(),
            default_child: self.default_child,
            created_at: self.created_at.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            extended_fields: &self.extended_fields,
            profiles: &self.profiles,
            extra: self.extra_without_stamps(),
        }
    }
}
