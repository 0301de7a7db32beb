//! One page of a list, held against what the pass over the list had shown before.

use std::collections::HashSet;

use crate::model::node::NodeId;

/// One page of a list, beside what its pass had shown before: [`see`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSeen {
    /// The place that was asked for.
    pub(super) offset: u32,
    /// Rows that were asked for.
    pub(super) limit: u32,
    /// Rows that were received, unreadable ones included.
    pub(super) received: u32,
    /// Different rows that the pass had not shown before, unreadable ones included.
    pub(super) fresh: u32,
    /// Rows beyond the seam that the pass had shown before.
    pub(super) repeated: u32,
    /// Rows beyond the seam that could not be read.
    pub(super) unreadable: u32,
    /// It does not begin with the seam.
    pub(super) slips: bool,
    /// The last row of the pass before is on it.
    pub(super) has_end: bool,
    /// Its last row.
    pub(super) last: Option<NodeId>,
    /// How the vendor sends the list.
    pub(super) kind: Kind,
}

/// How a vendor sends a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Page by page, from any place.
    Paged,
    /// In one piece, with this count beside it.
    Whole(Option<u64>),
}

impl PageSeen {
    /// Rows that were received, unreadable ones included.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// It has nothing beyond the seam: the seam alone, or nothing at all.
    pub(super) fn is_end(&self) -> bool {
        self.received == 0 || (self.received == 1 && !self.slips && self.fresh == 0 && self.unreadable == 0)
    }
}

/// Looks at a page of `limit` rows from `offset` on, before it is taken. `seam`: the row that must be its first; `is_shown`: whether
/// the pass has shown a row.
pub fn see(seam: Option<NodeId>, (offset, limit): (u32, u32), keys: &[NodeId], kind: Kind, is_shown: impl Fn(NodeId) -> bool) -> PageSeen {
    let seam_at = keys.iter().position(|key| Some(*key) == seam);
    let mut met = HashSet::new();
    let (mut fresh, mut repeated, mut unreadable) = (0, 0, 0);
    for (place, key) in keys.iter().enumerate() {
        let is_beyond = seam_at.is_none_or(|at| place > at);
        if key.is_unreadable() {
            unreadable += u32::from(is_beyond);
        } else if met.insert(key) && !is_shown(*key) {
            fresh += 1;
        } else {
            repeated += u32::from(is_beyond);
        }
    }
    PageSeen {
        offset,
        limit,
        received: u32::try_from(keys.len()).unwrap_or(u32::MAX),
        fresh: fresh + unreadable,
        repeated,
        unreadable,
        slips: seam.is_some() && seam_at != Some(0),
        has_end: false,
        last: keys.last().copied(),
        kind,
    }
}
