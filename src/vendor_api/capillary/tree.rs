//! What is to be read of a Capillary account: the children of its roots, and of every customer that has some.

use xxhash_rust::xxh3::xxh3_64;

use super::Capillary;
use crate::{
    config::{self, Identifier, LONGEST_IDENTIFIER},
    model::{customer::Customer, node::NodeId, reach::Reach},
    vendor_api::{
        List,
        hierarchy::{Descent, Hierarchy, Root},
    },
};

/// What decides which lists are asked for.
pub(super) struct Tree {
    roots: Vec<Identifier>,
    descend_by: Vec<String>,
    page_size: u32,
    shape: String,
}

impl Tree {
    pub(super) fn new(settings: &config::Capillary) -> Self {
        let shape = format!(
            "{:?} {} {} {:?} {:?} {} {:?}",
            settings.roots,
            settings.association,
            settings.profile_source,
            settings.account_id,
            settings.sort_by,
            settings.sort_order,
            settings.descend_by
        );
        Self {
            roots: settings.roots.clone(),
            descend_by: settings.descend_by.clone(),
            page_size: settings.page_size,
            // Hashed: roots are personal data.
            shape: format!("{:016x}", xxh3_64(shape.as_bytes())),
        }
    }
}

impl Hierarchy for Capillary {
    fn roots(&self) -> Vec<Root> {
        let root = |identifier: &Identifier| Root {
            asked_by: format!("{}:{}", identifier.kind, identifier.value),
            // Not known before it is looked up, and not needed to ask for its list.
            key: NodeId::UNASKED,
            identifier: Some(identifier.clone()),
        };
        self.tree.roots.iter().map(root).collect()
    }

    fn reach(&self) -> Option<Reach> {
        // "Retrieves all child customers for a parent customer": one level (Get customer hierarchy in a user group).
        Some(Reach::Direct)
    }

    fn list(&self, _node: NodeId, by: Option<&Identifier>) -> Result<List, String> {
        // The vendor lists no id among the identifier types of this call.
        by.cloned()
            .map(List::ChildrenOf)
            .ok_or_else(|| "this node has none of the identifiers in descend_by, so its children cannot be asked for".into())
    }

    fn descend(&self, row: &Customer) -> Descent {
        match row.no_of_children {
            Some(0) => Descent::Leaf,
            // Fewer than none is no count.
            count => Descent::List { expected: count.filter(|count| *count > 0) },
        }
    }

    fn identifiers(&self, row: &Customer) -> Option<Vec<Identifier>> {
        let identifier = |kind: &String| {
            let value = row.identifier(kind).filter(|value| can_be_asked_by(value))?;
            Some(Identifier { kind: kind.clone(), value: value.to_owned() })
        };
        Some(self.tree.descend_by.iter().filter_map(identifier).collect())
    }

    fn too_long(&self, row: &Customer) -> Vec<String> {
        let is_long = |kind: &&String| row.identifier(kind).is_some_and(|value| value.len() > LONGEST_IDENTIFIER);
        self.tree.descend_by.iter().filter(is_long).cloned().collect()
    }

    fn identifiers_needed(&self) -> bool {
        true
    }

    fn page_size(&self) -> u32 {
        self.tree.page_size
    }

    fn lists_decide(&self) -> bool {
        true
    }

    fn shape(&self) -> String {
        self.tree.shape.clone()
    }
}

/// Texts that people enter where there is nothing to enter.
const NOTHING: [&str; 10] = ["n/a", "na", "n.a.", "nil", "none", "null", "undefined", "unknown", "not available", "nan"];

/// Whether a value can stand in a URL, means what the vendor sent (one that had to be repaired names somebody else or nobody), and is
/// no way to say that there is none.
fn can_be_asked_by(value: &str) -> bool {
    let text = value.trim().to_lowercase();
    let is_nothing = NOTHING.contains(&text.as_str()) || text.chars().all(|letter| matches!(letter, '0' | '-' | '.' | '_' | '?' | ' '));
    value.len() <= LONGEST_IDENTIFIER && !value.contains(char::REPLACEMENT_CHARACTER) && !is_nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_vendor_sent_and_a_url_can_hold_is_asked_by() {
        for (value, can) in [("EMP 1", true), (&"9".repeat(1024), true), (&"9".repeat(1025), false), ("a\u{FFFD}b", false)] {
            assert_eq!(can_be_asked_by(value), can);
        }
        for nothing in ["", " ", "-", "--", "0", "000", "N/A", "n/a ", "NULL", "null", "None", "undefined"] {
            assert!(!can_be_asked_by(nothing), "{nothing}");
        }
        for something in ["1", "0049", "NA-7", "nullified@example.com", "A0"] {
            assert!(can_be_asked_by(something), "{something}");
        }
    }
}
