//! What a vendor's answer leaves to be said, as findings: with what to do about it.

use crate::{model::node::NodeKey, store::finding::Finding, vendor::Remark};

/// The finding for a remark about a row of this list.
pub(super) fn finding(list: &NodeKey, remark: Remark) -> Finding {
    let Remark { kind, about, detail } = remark;
    // A row without an id is told apart by its list.
    let key = if kind == "bad_row" { format!("{list} {about}") } else { about };
    Finding::new(kind, key, advice(kind).map_or_else(|| detail.clone(), |advice| format!("{detail}; {advice}")))
}

/// What to do, where the remark does not say so itself.
fn advice(kind: &str) -> Option<&'static str> {
    match kind {
        "bad_time" => Some("what was sent is kept in `extra`, and content alone decides; ask the vendor about it"),
        "kept_as_text" | "text_replaced" => {
            Some("nothing is to be done, unless these fields are needed as they were sent: then ask the vendor")
        }
        "key_twice" | "shown_twice" => Some("tell the vendor"),
        "mixed_ids" => Some("look at the customer with the vendor, two may have been merged"),
        "bad_manager" => Some("what was sent is kept in `extra`, and no manager is taken from it; correct it at the vendor"),
        _ => None,
    }
}
