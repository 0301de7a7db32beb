//! What one answer of a vendor's list reaches, where its pages do not say: the children or everybody below.
//! LeadSquared's "all the users reporting to" fits both, so it is found out from the answers.

use crate::model::{
    node::{Node, NodeKey},
    reading::{Reading, Stated},
};

/// What a root's own list tells by the parents that its rows state: everybody below, if some row hangs on another.
pub fn from_root_list<R: Node>(root: &NodeKey, rows: &[R]) -> Option<Reading> {
    let shown: std::collections::HashSet<NodeKey> = rows.iter().map(Node::key).collect();
    let is_deeper = |row: &R| matches!(row.stated_parent(), Stated::Parent(parent) if parent != *root && shown.contains(&parent));
    rows.iter().any(is_deeper).then_some(Reading::Stated)
}

/// What the lists of those below the roots tell where no row states its parent: how many of their rows the roots' own lists
/// have too. Children have moved or come while the lists were read, so that one row decides nothing; `has_ended`: all lists
/// are read, and what there is must do. `None`: too few yet, or none at all.
pub fn from_lower_lists(among_roots: i64, all: i64, has_ended: bool) -> Option<Reading> {
    let (inside, outside) = (among_roots, all - among_roots);
    if all == 0 || (!has_ended && !is_firm(among_roots, all)) {
        return None;
    }
    Some(if inside > outside { Reading::Subtree } else { Reading::Direct })
}

/// Whether these are rows enough, and three quarters of them agree.
pub fn is_firm(among_roots: i64, all: i64) -> bool {
    all >= FIRM && among_roots.max(all - among_roots) * 4 >= all * 3
}

/// So many rows tell.
const FIRM: i64 = 8;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::user::{Manager, User};

    fn user(id: u128, manager: Manager) -> User {
        User { id: Uuid::from_u128(id), manager, ..User::default() }
    }

    fn under(manager: u128) -> Manager {
        Manager::Is(Uuid::from_u128(manager))
    }

    #[test]
    fn a_stated_parent_among_the_rows_is_the_subtree() {
        let root = NodeKey(Uuid::from_u128(1).to_string());
        assert_eq!(from_root_list(&root, &[user(2, under(1)), user(3, under(2))]), Some(Reading::Stated));
        assert_eq!(from_root_list(&root, &[user(2, under(1)), user(3, under(1))]), None);
        assert_eq!(from_root_list(&root, &[user(2, Manager::Unstated)]), None);
    }

    #[test]
    fn lower_lists_within_the_roots_are_the_subtree() {
        assert_eq!(from_lower_lists(8, 8, false), Some(Reading::Subtree));
        assert_eq!(from_lower_lists(0, 8, false), Some(Reading::Direct));
        assert_eq!(from_lower_lists(0, 0, true), None);
    }

    #[test]
    fn a_row_that_moved_misleads_nobody() {
        assert_eq!(from_lower_lists(1, 1, false), None);
        assert_eq!(from_lower_lists(4, 8, false), None);
        assert_eq!(from_lower_lists(1, 8, false), Some(Reading::Direct));
        assert_eq!(from_lower_lists(7, 8, false), Some(Reading::Subtree));
        assert_eq!(from_lower_lists(1, 3, true), Some(Reading::Direct));
        assert_eq!(from_lower_lists(2, 3, true), Some(Reading::Subtree));
    }
}
