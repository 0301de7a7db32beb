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

/// What the list of somebody below a root tells. `in_roots_list`: for each row, whether the root's own list has it.
/// An empty list tells nothing.
pub fn from_lower_list<R: Node>(rows: &[R], in_roots_list: &[bool]) -> Option<Reading> {
    let first = rows.first()?;
    if in_roots_list.contains(&false) {
        return Some(Reading::Direct);
    }
    Some(if first.stated_parent() == Stated::Nothing { Reading::Subtree } else { Reading::Stated })
}

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
    fn a_lower_list_within_the_roots_is_the_subtree() {
        let rows = [user(3, Manager::Unstated), user(4, Manager::Unstated)];
        assert_eq!(from_lower_list(&rows, &[true, true]), Some(Reading::Subtree));
        assert_eq!(from_lower_list(&rows, &[true, false]), Some(Reading::Direct));
        assert_eq!(from_lower_list(&[user(3, under(2))], &[true]), Some(Reading::Stated));
        assert_eq!(from_lower_list::<User>(&[], &[]), None);
    }
}
