//! The keys that only a LeadSquared source has, their defaults, and what each may hold.

use toml::de::DeValue;
use uuid::Uuid;

use super::{
    Edges, KeysIn, LeadSquared, Reach,
    address::vendor_path,
    table::Table,
    value::{Wrong, owned, quote, text, word},
};

/// Keys that only a LeadSquared source has. `roots` is either vendor's, and each reads its own.
pub(super) const KEYS: [&str; 6] = ["hierarchy_path", "include", "columns", "reach", "edges", "keys_in"];

/// Active users and others.
const INCLUDE: &str = "All";

/// One way or the other: the vendor's page does not say.
const REACH: Reach = Reach::Auto;

/// The call made for it.
const EDGES: Edges = Edges::Hierarchy;

/// What the vendor recommends: addresses end up in logs.
const KEYS_IN: KeysIn = KeysIn::Header;

/// How to write the roots.
const ROOTS: &str = "write such as `roots = [\"3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50\"]`, with the UserId of the topmost manager";

/// Reads what is LeadSquared's own. `None`: something was reported.
pub(super) fn read(table: &mut Table<'_>) -> Option<LeadSquared> {
    let roots = roots(table);
    let hierarchy_path = table.require("hierarchy_path", "copy it from the vendor's page Get User Hierarchy Information", vendor_path);
    let include = table.get("include", owned).unwrap_or_else(|| INCLUDE.to_owned());
    let columns = table.list("columns", column).unwrap_or_default();
    let reach = word(&[("auto", Reach::Auto), ("direct", Reach::Direct), ("subtree", Reach::Subtree)]);
    let edges = word(&[("hierarchy", Edges::Hierarchy), ("advanced_search", Edges::AdvancedSearch)]);
    let keys_in = word(&[("header", KeysIn::Header), ("query", KeysIn::Query)]);
    Some(LeadSquared {
        reach: table.get("reach", reach).unwrap_or(REACH),
        edges: table.get("edges", edges).unwrap_or(EDGES),
        keys_in: table.get("keys_in", keys_in).unwrap_or(KEYS_IN),
        roots: roots?,
        hierarchy_path: hierarchy_path?,
        include,
        columns,
    })
}

fn roots(table: &mut Table<'_>) -> Option<Vec<Uuid>> {
    table.demand("roots", ROOTS);
    let roots = table.filled("roots", ROOTS, root)?;
    table.refuse_repeats("roots", &roots);
    Some(roots)
}

fn root(value: &DeValue<'_>) -> Result<Uuid, Wrong> {
    let text = value.as_str().ok_or_else(|| Wrong::kind(value, ROOTS))?;
    // Not repeated: it may be somebody's e-mail address.
    Uuid::parse_str(text.trim()).map_err(|_| Wrong::new("holds what is not a UUID", ROOTS))
}

/// The vendor takes its columns with commas between.
fn column(value: &DeValue<'_>) -> Result<String, Wrong> {
    let column = text(value)?.trim();
    if column.contains(',') {
        return Err(Wrong::new(format!("{} holds several columns", quote(column)), "write each column as a text of its own"));
    }
    Ok(column.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{EDGES, KEYS_IN, REACH, ROOTS};
    use crate::config::{
        Edges, KeysIn, LeadSquared, Reach, Vendor,
        testing::{LEADSQUARED, assert_refused, assert_spoilt, good},
    };

    fn leadsquared(text: &str) -> LeadSquared {
        match good(text).sources.remove(0).vendor {
            Vendor::LeadSquared(leadsquared) => leadsquared,
            Vendor::Capillary(_) => panic!("the other vendor"),
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let read = leadsquared(LEADSQUARED);
        assert_eq!((read.include.as_str(), read.reach, read.edges, read.keys_in), ("All", REACH, EDGES, KEYS_IN));
        assert!(read.columns.is_empty());
        assert_eq!(read.hierarchy_path, "/v2/x");
        assert_eq!(read.roots[0].to_string(), "3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50");
    }

    #[test]
    fn what_is_written_is_taken() {
        let more = "include = 'Active'\ncolumns = ['a', 'mx_b']\nreach = 'subtree'\nedges = 'advanced_search'\nkeys_in = 'query'\n";
        let read = leadsquared(&format!("{LEADSQUARED}{more}"));
        assert_eq!((read.include.as_str(), read.columns.len()), ("Active", 2));
        assert_eq!((read.reach, read.edges, read.keys_in), (Reach::Subtree, Edges::AdvancedSearch, KeysIn::Query));
    }

    #[test]
    fn roots_are_uuids_each_once() {
        let piece = "[\"3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50\"]";
        for (by, wrong) in [
            ("[]", "line 5: source.sales.roots: is empty"),
            ("\"3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50\"", "line 5: source.sales.roots: is a text"),
            ("[{ type = \"email\", value = \"x\" }]", "line 5: source.sales.roots: is a table"),
            ("[\n\"jane@example.com\"]", "line 6: source.sales.roots: holds what is not a UUID"),
        ] {
            let right = if wrong.ends_with("is a text") { "write a list, in brackets" } else { ROOTS };
            assert_spoilt(LEADSQUARED, piece, by, &format!("{wrong}; {right}"));
        }
        let twice = "[\"3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50\",\n\"3B2F8C1E5D744A6B9E0F2C8D1A7B6E50\"]";
        assert_spoilt(LEADSQUARED, piece, twice, "line 6: source.sales.roots: repeats number 1 as number 2; remove one of them");
        assert_spoilt(LEADSQUARED, &format!("roots = {piece}"), "", &format!("line 1: source.sales.roots: is missing; {ROOTS}"));
    }

    #[test]
    fn the_path_is_required_and_starts_with_a_slash() {
        let copy = "copy it from the vendor's page Get User Hierarchy Information";
        let piece = "hierarchy_path = \"/v2/x\"";
        assert_spoilt(LEADSQUARED, piece, "", &format!("line 1: source.sales.hierarchy_path: is missing; {copy}"));
        assert_spoilt(
            LEADSQUARED,
            piece,
            "hierarchy_path = \"v2/x\"",
            "line 6: source.sales.hierarchy_path: does not start with `/`; \
             write the path alone, such as `/v2/…`, as on the vendor's page",
        );
    }

    #[test]
    fn every_other_key_is_checked() {
        for (line, fault) in [
            ("include = \"\"", "include: is empty; fill it in, or remove the key"),
            ("columns = [\"a,b\"]", "columns: `a,b` holds several columns; write each column as a text of its own"),
            ("columns = \"a\"", "columns: is a text; write a list, in brackets"),
            ("reach = \"all\"", "reach: `all` is not known; write `auto`, `direct` or `subtree`"),
            ("edges = \"calls\"", "edges: `calls` is not known; write `hierarchy` or `advanced_search`"),
            ("keys_in = \"body\"", "keys_in: `body` is not known; write `header` or `query`"),
        ] {
            assert_refused(LEADSQUARED, line, &format!("source.sales.{fault}"));
        }
    }
}
