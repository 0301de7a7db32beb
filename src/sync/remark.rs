//! What a vendor's answer leaves to be said, as findings: with what to do about it.

use crate::{
    model::{finding::Finding, node::NodeId},
    vendor_api::Remark,
    walk::verdict::{Next, Reason},
};

/// The finding for a remark about a row of this list.
pub(super) fn finding(list: NodeId, remark: Remark) -> Finding {
    let Remark { kind, about, detail } = remark;
    // A row without an id is told apart by its list.
    let key = if kind == "bad_row" { format!("{list} {about}") } else { about };
    Finding::new(kind, key, advice(kind).map_or_else(|| detail.clone(), |advice| format!("{detail}; {advice}")))
}

/// What to do, where the remark does not say so itself.
fn advice(kind: &str) -> Option<&'static str> {
    match kind {
        "bad_time" => Some("what was sent is kept in `extra`, and content alone decides; ask the vendor about it"),
        "odd_value" => Some("what was sent is kept in `extra`; ask the vendor what it means"),
        "kept_as_text" | "text_replaced" => {
            Some("nothing is to be done, unless these fields are needed as they were sent: then ask the vendor")
        }
        "key_twice" | "shown_twice" => Some("tell the vendor"),
        "mixed_ids" => Some("look at the customer with the vendor, two may have been merged"),
        "bad_manager" => Some("what was sent is kept in `extra`, and no manager is taken from it; correct it at the vendor"),
        _ => None,
    }
}

/// About a list that moved in all its passes.
pub(super) fn moved(key: NodeId) -> Finding {
    let list = named(key);
    let say = format!("{list} moved faster than it could be read; nothing was retired by it, and the next walk reads it again");
    Finding::new("list_moved", key, say)
}

fn named(key: NodeId) -> &'static str {
    if key == NodeId::Everybody { "the directory of all users" } else { "this node's list" }
}

/// What a person should know of a list that proves nothing.
pub(super) fn doubt(key: NodeId, next: Next) -> Option<Finding> {
    let Next::Unproven(reason) = next else { return None };
    let list = named(key);
    let finding = |kind, say: String| Some(Finding::new(kind, key, say));
    match reason {
        Reason::Moved => Some(moved(key)),
        Reason::Repeats => {
            let say = format!(
                "the vendor shows the same rows of {list} again, whichever page is asked for; nothing was retired by it; \
                 tell the vendor, or set `edges = \"hierarchy\"`"
            );
            finding("list_repeats", say)
        }
        Reason::Unreadable => {
            let say = format!("rows of {list} could not be read (see the findings `bad_row`); nothing was retired by it");
            finding("list_unreadable", say)
        }
        Reason::Count { stated, shown } => {
            let say = format!(
                "the vendor says that {list} has {stated} rows and shows {shown}; nothing was retired by it, \
                 and the next walk reads it again; if that stays, tell the vendor"
            );
            finding("count_mismatch", say)
        }
    }
}
