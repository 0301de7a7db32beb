//! Who stands below whom, in an explicit order. Plain structure: knows no vendor and no content.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;

/// Lists of children. Nothing forbids a second parent or a cycle: vendors do show them.
#[derive(Debug, Clone)]
pub struct Forest<K> {
    children: BTreeMap<K, Vec<K>>,
    parents: BTreeMap<K, Vec<K>>,
}

/// Where in a list a child goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before all others.
    First,
    /// After all others.
    Last,
    /// Before the one that stands there now; at the end when there is none.
    At(usize),
}

impl<K> Default for Forest<K> {
    fn default() -> Self {
        Self { children: BTreeMap::new(), parents: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Forest<K> {
    /// The children, in their order.
    pub fn children(&self, parent: K) -> &[K] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// The parents, the oldest first.
    pub fn parents(&self, child: K) -> &[K] {
        self.parents.get(&child).map_or(&[], Vec::as_slice)
    }

    /// Everything below these, breadth first, each once; one of them only when it stands below one of them.
    pub fn below(&self, from: &[K]) -> Vec<K> {
        let mut seen = BTreeSet::new();
        let mut asked = BTreeSet::new();
        let mut found = Vec::new();
        let mut waiting: VecDeque<K> = from.iter().copied().collect();
        while let Some(parent) = waiting.pop_front() {
            if !asked.insert(parent) {
                continue;
            }
            for &child in self.children(parent) {
                if seen.insert(child) {
                    found.push(child);
                }
                waiting.push_back(child);
            }
        }
        found
    }

    /// All links out of these and of everything below them.
    pub fn links_below(&self, from: &[K]) -> BTreeSet<(K, K)> {
        let parents = self.below(from).into_iter().chain(from.iter().copied());
        parents.flat_map(|parent| self.children(parent).iter().map(move |&child| (parent, child))).collect()
    }

    pub(super) fn link(&mut self, parent: K, child: K, place: Place) {
        // The list of parents is short, that of children can have 30,000 entries.
        if self.parents(child).contains(&parent) {
            return;
        }
        let list = self.children.entry(parent).or_default();
        let index = match place {
            Place::First => 0,
            Place::Last => list.len(),
            Place::At(index) => index.min(list.len()),
        };
        list.insert(index, child);
        self.parents.entry(child).or_default().push(parent);
    }

    pub(super) fn unlink(&mut self, parent: K, child: K) {
        remove(&mut self.children, parent, child);
        remove(&mut self.parents, child, parent);
    }

    /// Takes a node out of all lists; its own list goes too.
    pub(super) fn forget(&mut self, node: K) {
        for parent in self.parents.remove(&node).unwrap_or_default() {
            remove(&mut self.children, parent, node);
        }
        for child in self.children.remove(&node).unwrap_or_default() {
            remove(&mut self.parents, child, node);
        }
    }

    pub(super) fn shuffle(&mut self, parent: K, rng: &mut Rng) {
        if let Some(list) = self.children.get_mut(&parent) {
            rng.shuffle(list);
        }
    }

    pub(super) fn has_children(&self) -> Vec<K> {
        self.children.keys().copied().collect()
    }
}

fn remove<K: Ord + Copy>(lists: &mut BTreeMap<K, Vec<K>>, of: K, entry: K) {
    let Some(list) = lists.get_mut(&of) else { return };
    list.retain(|&other| other != entry);
    if list.is_empty() {
        lists.remove(&of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_and_a_second_parent_are_walked_once() {
        let mut forest = Forest::default();
        for (parent, child) in [(1, 2), (1, 3), (2, 4), (3, 4), (4, 1)] {
            forest.link(parent, child, Place::Last);
        }
        assert_eq!(forest.below(&[1]), [2, 3, 4, 1]);
        assert_eq!(forest.links_below(&[1]).len(), 5);
        assert_eq!(forest.parents(4), [2, 3]);
        forest.forget(4);
        assert_eq!((forest.below(&[1]), forest.children(2)), (vec![2, 3], [].as_slice()));
    }

    #[test]
    fn children_stand_where_they_were_put() {
        let mut forest = Forest::default();
        for (child, place) in [(2, Place::Last), (3, Place::First), (4, Place::At(1)), (5, Place::At(99))] {
            forest.link(1, child, place);
        }
        assert_eq!(forest.children(1), [3, 4, 2, 5]);
    }
}
