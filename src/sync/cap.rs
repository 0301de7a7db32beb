//! `max_nodes`: a wrong root may pull in a foreign tree. A walk that finds more nodes than a person expects takes no further ones.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::model::finding::Finding;

/// The kind of the finding that tells of it.
pub const KIND: &str = "max_nodes";

/// How many nodes a walk may find.
#[derive(Debug, Default)]
pub struct Cap {
    most: Option<u32>,
    found: AtomicI64,
    is_full: AtomicBool,
}

impl Cap {
    /// So many; `None`: as many as there are.
    pub fn of(most: Option<u32>) -> Self {
        Self { most, ..Self::default() }
    }

    /// Earlier runs of the walk have found so many, and whether they have met more.
    pub fn recall(&self, found: i64, is_full: bool) {
        self.found.store(found, Ordering::Relaxed);
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// How many more may be taken.
    pub fn room(&self) -> Option<i64> {
        self.most.map(|most| (i64::from(most) - self.found.load(Ordering::Relaxed)).max(0))
    }

    /// So many more were taken.
    pub fn add(&self, nodes: i64) {
        self.found.fetch_add(nodes, Ordering::Relaxed);
    }

    /// There are more than may be taken: the walk ends.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// The walk has met more. What a person should know.
    pub fn overflow(&self, source: &str) -> Finding {
        self.is_full.store(true, Ordering::Relaxed);
        let most = self.most.unwrap_or_default();
        let say = format!(
            "this walk has met more than max_nodes = {most} nodes, took no further ones, read no more lists and retired nobody: look \
             whether `roots` are the right ones; if they are, raise max_nodes"
        );
        Finding::new(KIND, source, say)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_runs_have_found_counts_and_no_more_than_the_rest_is_taken() {
        let cap = Cap::of(Some(10));
        cap.recall(7, false);
        assert_eq!(cap.room(), Some(3));
        cap.add(5);
        assert_eq!(cap.room(), Some(0));
        assert!(!cap.is_full());
        let finding = cap.overflow("customers");
        assert!(cap.is_full() && finding.say.contains("max_nodes = 10") && finding.key == "customers");
        assert_eq!(Cap::of(None).room(), None);
    }
}
