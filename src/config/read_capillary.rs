//! The keys that only a Capillary source has, their defaults, and what each may hold.

use toml::de::DeValue;

use super::{
    Capillary, CapillaryAuth, Identifier, LONGEST_IDENTIFIER,
    table::Table,
    value::{Wrong, flag, owned, whole, word},
};

/// Keys that only a Capillary source has. `roots` is either vendor's, and each reads its own.
pub(super) const KEYS: [&str; 10] =
    ["auth", "till", "password_is_md5", "association", "profile_source", "account_id", "page_size", "sort_by", "sort_order", "descend_by"];

/// Keys that go with `auth = "basic"` alone.
const BASIC_KEYS: [&str; 2] = ["till", "password_is_md5"];

/// Children of a parent, rather than of a company.
const ASSOCIATION: &str = "parentCustomer";

/// Profiles of shops; the vendor's older page demands a source.
const PROFILE_SOURCE: &str = "INSTORE";

/// Rows asked for in one call.
const PAGE_SIZE: u32 = 100;

/// The vendor's own default is `DESC`: rows that arrive while we read would then push what is unread to the next page.
const SORT_ORDER: &str = "ASC";

/// The identifiers that the vendor documents for this call, the steadiest first.
const DESCEND_BY: [&str; 4] = ["externalId", "mobile", "email", "cardnumber"];

/// More rows than any answer within `max_response` can hold.
const LARGEST: u32 = 100_000;

/// How to write the roots.
const ROOTS: &str = "write such as `roots = [{ type = \"mobile\", value = \"910000000010\" }]`";

/// Reads what is Capillary's own. `None`: something was reported.
pub(super) fn read(table: &mut Table<'_>) -> Option<Capillary> {
    let roots = roots(table);
    let auth = auth(table);
    let association = table.get("association", owned).unwrap_or_else(|| ASSOCIATION.to_owned());
    let profile_source = table.get("profile_source", owned).unwrap_or_else(|| PROFILE_SOURCE.to_owned());
    let account_id = table.get("account_id", owned);
    // Pages of a list share a row, so a page of one would never get on.
    let page_size = table.get("page_size", whole(2..=LARGEST)).unwrap_or(PAGE_SIZE);
    let sort_by = table.get("sort_by", owned);
    let sort_order = table.get("sort_order", word(&[("ASC", "ASC"), ("DESC", "DESC")])).unwrap_or(SORT_ORDER).to_owned();
    let descend_by = descend_by(table);
    Some(Capillary { roots: roots?, auth: auth?, association, profile_source, account_id, page_size, sort_by, sort_order, descend_by })
}

fn roots(table: &mut Table<'_>) -> Option<Vec<Identifier>> {
    let roots: Option<Vec<Identifier>> = table.tables("roots", ROOTS)?.into_iter().map(root).collect();
    table.refuse_repeats("roots", roots.as_deref()?);
    roots
}

fn root(mut table: Table<'_>) -> Option<Identifier> {
    let kind = table.require("type", "write the type of an identifier, such as `type = \"mobile\"`", owned);
    let value = table.require("value", "write the identifier, such as `value = \"910000000010\"`", askable);
    table.finish(&[]);
    Some(Identifier { kind: kind?, value: value? })
}

/// What can stand in a request.
fn askable(value: &DeValue<'_>) -> Result<String, Wrong> {
    let value = owned(value)?;
    if value.len() > LONGEST_IDENTIFIER {
        let what = format!("is too long to ask by: {} bytes", value.len());
        return Err(Wrong::new(what, format!("write an identifier of {LONGEST_IDENTIFIER} bytes at most")));
    }
    if value.chars().any(char::is_control) {
        return Err(Wrong::new("has a control character", "write the identifier as the vendor shows it"));
    }
    Ok(value)
}

fn auth(table: &mut Table<'_>) -> Option<CapillaryAuth> {
    let right = "write `auth = \"basic\"` with `till = \"…\"`, or `auth = \"oauth\"`";
    let is_basic = table.require("auth", right, word(&[("basic", true), ("oauth", false)]));
    match is_basic {
        Some(true) => {
            let till = table.require("till", "write the till's id, such as `till = \"store.till01\"`", owned);
            let password_is_md5 = table.get("password_is_md5", flag).unwrap_or(false);
            Some(CapillaryAuth::Basic { till: till?, password_is_md5 })
        }
        Some(false) => {
            table.refuse_all(&BASIC_KEYS, &Wrong::new("goes with `auth = \"basic\"` only", "remove it"));
            Some(CapillaryAuth::OAuth)
        }
        None => {
            table.pass(&BASIC_KEYS);
            None
        }
    }
}

fn descend_by(table: &mut Table<'_>) -> Vec<String> {
    let written = table.filled("descend_by", "name at least one type of identifier, or remove the key", owned);
    let types = written.unwrap_or_else(|| DESCEND_BY.map(str::to_owned).to_vec());
    table.refuse_repeats("descend_by", &types);
    types
}

#[cfg(test)]
mod tests {
    use crate::config::{
        Capillary, CapillaryAuth, Vendor,
        testing::{CAPILLARY, assert_refused, assert_spoilt, good},
    };

    const ROOTS: &str = "write such as `roots = [{ type = \"mobile\", value = \"910000000010\" }]`";
    const AUTH: &str = "write `auth = \"basic\"` with `till = \"…\"`, or `auth = \"oauth\"`";

    fn capillary(text: &str) -> Capillary {
        match good(text).sources.remove(0).vendor {
            Vendor::Capillary(capillary) => capillary,
            Vendor::LeadSquared(_) => panic!("the other vendor"),
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let read = capillary(CAPILLARY);
        assert_eq!((read.association.as_str(), read.profile_source.as_str(), read.page_size), ("parentCustomer", "INSTORE", 100));
        assert_eq!((read.account_id, read.sort_by, read.sort_order.as_str()), (None, None, "ASC"));
        assert_eq!(read.descend_by, ["externalId", "mobile", "email", "cardnumber"]);
        assert!(matches!(read.auth, CapillaryAuth::OAuth));
        assert_eq!((read.roots[0].kind.as_str(), read.roots[0].value.as_str()), ("mobile", "910000000010"));
    }

    #[test]
    fn what_is_written_is_taken() {
        let basic = CAPILLARY.replace("\"oauth\"", "\"basic\"\ntill = \"t1\"\npassword_is_md5 = true");
        let more = "association = 'company'\nprofile_source = 'ALL'\naccount_id = '7'\npage_size = 2\nsort_by = 'createdon'\n\
                    sort_order = 'DESC'\ndescend_by = ['email']\n";
        let read = capillary(&format!("{basic}{more}"));
        assert!(matches!(&read.auth, CapillaryAuth::Basic { till, password_is_md5: true } if till == "t1"));
        assert_eq!((read.association.as_str(), read.profile_source.as_str(), read.page_size), ("company", "ALL", 2));
        assert_eq!((read.account_id.as_deref(), read.sort_by.as_deref(), read.sort_order.as_str()), (Some("7"), Some("createdon"), "DESC"));
        assert_eq!(read.descend_by, ["email"]);
    }

    #[test]
    fn roots_are_identifiers_each_once() {
        let piece = "[{ type = \"mobile\", value = \"910000000010\" }]";
        let cases = [
            ("[]", format!("line 5: source.customers.roots: is empty; {ROOTS}")),
            ("\"910000000010\"", format!("line 5: source.customers.roots: is a text; {ROOTS}")),
            ("[\"910000000010\"]", format!("line 5: source.customers.roots[1]: is a text; {ROOTS}")),
            (
                "[{ type = \"mobile\" }]",
                "line 5: source.customers.roots[1].value: is missing; write the identifier, such as `value = \"910000000010\"`".to_owned(),
            ),
            (
                "[{ value = \"x\" }]",
                "line 5: source.customers.roots[1].type: is missing; write the type of an identifier, such as `type = \"mobile\"`"
                    .to_owned(),
            ),
            (
                "[{ type = \"mobile\", value = 910000000010 }]",
                "line 5: source.customers.roots[1].value: is a whole number; write a text in quotes".to_owned(),
            ),
            (
                "[{ type = \"mobile\", value = \"x\", typ = \"x\" }]",
                "line 5: source.customers.roots[1].typ: is not known; did you mean `type`?".to_owned(),
            ),
            (
                "[{ type = \"mobile\", value = \"x\" },\n{ type = \"email\", value = \"x\" },\n{ type = \"mobile\", value = \"x\" }]",
                "line 7: source.customers.roots: repeats number 1 as number 3; remove one of them".to_owned(),
            ),
        ];
        for (by, fault) in cases {
            assert_spoilt(CAPILLARY, piece, by, &fault);
        }
        assert_spoilt(CAPILLARY, &format!("roots = {piece}"), "", &format!("line 1: source.customers.roots: is missing; {ROOTS}"));
    }

    #[test]
    fn auth_is_basic_with_a_till_or_oauth_without() {
        let cases = [
            ("", format!("line 1: source.customers.auth: is missing; {AUTH}")),
            ("auth = \"none\"", "line 6: source.customers.auth: `none` is not known; write `basic` or `oauth`".to_owned()),
            (
                "auth = \"basic\"",
                "line 1: source.customers.till: is missing; write the till's id, such as `till = \"store.till01\"`".to_owned(),
            ),
            ("auth = \"oauth\"\ntill = \"t1\"", "line 7: source.customers.till: goes with `auth = \"basic\"` only; remove it".to_owned()),
            (
                "auth = \"oauth\"\npassword_is_md5 = true",
                "line 7: source.customers.password_is_md5: goes with `auth = \"basic\"` only; remove it".to_owned(),
            ),
        ];
        for (by, fault) in cases {
            assert_spoilt(CAPILLARY, "auth = \"oauth\"", by, &fault);
        }
    }

    #[test]
    fn every_other_key_is_checked() {
        for (line, fault) in [
            ("page_size = 1", "page_size: 1 is out of bounds; write a whole number from 2 to 100000"),
            ("sort_order = \"asc\"", "sort_order: `asc` is not known; write `ASC` or `DESC`"),
            ("sort_by = \"\"", "sort_by: is empty; fill it in, or remove the key"),
            ("association = 1", "association: is a whole number; write a text in quotes"),
            ("profile_source = \"\"", "profile_source: is empty; fill it in, or remove the key"),
            ("account_id = 12", "account_id: is a whole number; write a text in quotes"),
            ("descend_by = []", "descend_by: is empty; name at least one type of identifier, or remove the key"),
            ("descend_by = \"email\"", "descend_by: is a text; write a list, in brackets"),
            ("descend_by = [\"email\", \"email\"]", "descend_by: repeats number 1 as number 2; remove one of them"),
        ] {
            assert_refused(CAPILLARY, line, &format!("source.customers.{fault}"));
        }
    }
}
