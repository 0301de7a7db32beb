//! Reading one paged list with seams: each page begins with the last row of the page before.
//!
//! A list is at its end only when that is certain: the vendor said how many there are and so many were seen, or
//! nothing follows the last row. A short page alone may be a silent cap.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::node::NodeKey;

/// Times that a broken seam is stepped back over before the list is read on without it.
const REPAIRS: u32 = 5;

/// How far a list has been read; what the frontier keeps between pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Offset of the next page.
    #[serde(rename = "o")]
    pub offset: u32,
    /// The row that must stand at `offset`: the last one of the page before.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub edge: Option<NodeKey>,
    /// Rows seen, each node once.
    #[serde(rename = "n")]
    pub distinct: u32,
    /// Seams that did not hold and were stepped back over.
    #[serde(rename = "r", skip_serializing_if = "is_zero")]
    pub repairs: u32,
    /// Rows that could not be read.
    #[serde(rename = "b", skip_serializing_if = "is_zero")]
    pub unreadable: u32,
    /// Rows to ask for, where that is not what is configured.
    #[serde(rename = "l", skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Digest of the ids of a page after which it is asked whether anything follows.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub whole: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One page, as far as the list's course is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The rows' ids in the vendor's order.
    pub keys: &'a [NodeKey],
    /// Rows as received, unreadable ones too.
    pub received: u32,
    /// How many of the ids this list had not shown before.
    pub fresh: u32,
    /// The vendor sends this list in one piece.
    pub whole: bool,
    /// The vendor's own count for a list in one piece.
    pub stated: Option<u64>,
}

/// What a page has made of its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// There may be more: read on.
    On(Progress),
    /// Read to its end, and nothing speaks against it.
    Proven(Progress),
    /// Read to its end, but it proves nothing: the reason, for a finding.
    Unproven(Progress, Doubt),
}

/// Why a list that was read to its end proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It moved faster than it could be read.
    Moved,
    /// Some of its rows could not be read.
    Unreadable,
    /// The vendor's own count says otherwise.
    Count {
        /// What the vendor said.
        stated: u64,
        /// What it showed.
        shown: u64,
    },
}

impl Progress {
    /// From what the frontier kept; nothing or nonsense is the beginning.
    pub fn from_stored(stored: &Value) -> Self {
        serde_json::from_value(stored.clone()).unwrap_or_default()
    }

    /// For the frontier to keep.
    pub fn to_stored(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Takes a page that was asked for at `self.offset`. `expected` is the count that the vendor gave with the parent.
    pub fn take(&self, page: Shown<'_>, expected: Option<i64>) -> Course {
        let mut next = self.clone();
        next.distinct += page.fresh;
        next.unreadable += page.received.saturating_sub(u32::try_from(page.keys.len()).unwrap_or(u32::MAX));
        if page.whole {
            return next.whole(page);
        }
        if let Some(edge) = &self.edge
            && page.keys.first() != Some(edge)
            && self.repairs < REPAIRS
        {
            return Course::On(next.step_back(page.received));
        }
        let overlap = u32::from(self.edge.is_some());
        let (expected, shown) = (expected.and_then(|count| u64::try_from(count).ok()), u64::from(next.distinct + next.unreadable));
        // Certain: as many as the vendor said were seen, or nothing follows the last row.
        if expected == Some(shown) {
            return next.end();
        }
        if page.received <= overlap {
            return match expected {
                Some(stated) => Course::Unproven(next, Doubt::Count { stated, shown }),
                None => next.end(),
            };
        }
        // A vendor that ignores the offset shows the same rows for ever.
        if self.repairs >= REPAIRS && page.fresh == 0 {
            return next.end();
        }
        next.offset = self.offset + page.received - 1;
        next.edge = page.keys.last().cloned();
        Course::On(next)
    }

    /// The row at the seam is another one: what was read before has shifted. Reads again from one page earlier.
    fn step_back(mut self, received: u32) -> Self {
        self.repairs += 1;
        self.offset = self.offset.saturating_sub(received.max(1));
        self.edge = None;
        self
    }

    fn whole(self, page: Shown<'_>) -> Course {
        let shown = u64::from(page.received);
        match page.stated {
            Some(stated) if stated != shown => Course::Unproven(self, Doubt::Count { stated, shown }),
            _ => self.end(),
        }
    }

    fn end(self) -> Course {
        if self.unreadable > 0 {
            Course::Unproven(self, Doubt::Unreadable)
        } else if self.repairs >= REPAIRS {
            Course::Unproven(self, Doubt::Moved)
        } else {
            Course::Proven(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vendor's list of so many rows, read with a page size; gives the calls and the course it took.
    fn read(rows: u32, page_size: u32, cap: u32, expected: Option<i64>) -> (u32, Course) {
        let mut progress = Progress::default();
        let mut seen = std::collections::HashSet::new();
        for calls in 1..10_000 {
            let keys: Vec<NodeKey> =
                (progress.offset..rows).take(page_size.min(cap) as usize).map(|row| NodeKey(row.to_string())).collect();
            let fresh = keys.iter().filter(|key| seen.insert((*key).clone())).count();
            let page = Shown {
                keys: &keys,
                received: u32::try_from(keys.len()).expect("small"),
                fresh: u32::try_from(fresh).expect("small"),
                whole: false,
                stated: None,
            };
            match progress.take(page, expected) {
                Course::On(next) => progress = next,
                end => return (calls, end),
            }
        }
        panic!("the list never ended");
    }

    #[test]
    fn a_list_of_known_size_costs_the_floor() {
        for page_size in [2u32, 10, 100] {
            for rows in [1u32, 2, 9, 10, 11, 99, 100, 101, 199, 200, 1000] {
                let floor = (rows - 1).div_ceil(page_size - 1).max(1);
                let (calls, end) = read(rows, page_size, page_size, Some(rows.into()));
                assert_eq!(calls, floor, "{rows} rows by {page_size}");
                assert!(matches!(end, Course::Proven(progress) if progress.distinct == rows));
            }
        }
    }

    #[test]
    fn a_list_of_unknown_size_costs_one_call_more() {
        for rows in [0u32, 1, 99, 100, 101, 1000] {
            let floor = rows.saturating_sub(1).div_ceil(99).max(1);
            let (calls, end) = read(rows, 100, 100, None);
            assert!(calls <= floor + 1, "{rows} rows took {calls}");
            assert!(matches!(end, Course::Proven(progress) if progress.distinct == rows));
        }
    }

    #[test]
    fn a_silent_cap_is_not_the_end() {
        let (_, end) = read(250, 100, 40, Some(250));
        assert!(matches!(end, Course::Proven(progress) if progress.distinct == 250));
        let (_, end) = read(250, 100, 40, None);
        assert!(matches!(end, Course::Proven(progress) if progress.distinct == 250));
    }

    #[test]
    fn an_end_that_the_count_denies_proves_nothing() {
        for (rows, cap, expected) in [(5, 1, 5), (5, 100, 6), (6, 100, 5)] {
            let (_, end) = read(rows, 100, cap, Some(expected));
            assert!(matches!(end, Course::Unproven(_, Doubt::Count { .. })), "{end:?}");
        }
    }

    #[test]
    fn a_broken_seam_steps_back() {
        let keys = |names: &[&str]| names.iter().map(|name| NodeKey((*name).into())).collect::<Vec<_>>();
        let progress = Progress { offset: 99, edge: Some(NodeKey("a".into())), distinct: 100, ..Progress::default() };
        let rows = keys(&["b", "c"]);
        let page = Shown { keys: &rows, received: 2, fresh: 2, whole: false, stated: None };
        let Course::On(next) = progress.take(page, Some(500)) else { panic!("it goes on") };
        assert_eq!((next.offset, next.edge, next.repairs), (97, None, 1));
    }

    #[test]
    fn a_count_that_disagrees_proves_nothing() {
        let page = Shown { keys: &[], received: 0, fresh: 0, whole: true, stated: Some(3) };
        let Course::Unproven(_, doubt) = Progress::default().take(page, None) else { panic!("it proves nothing") };
        assert_eq!(doubt, Doubt::Count { stated: 3, shown: 0 });
    }

    #[test]
    fn a_vendor_that_ignores_the_offset_does_not_go_on_for_ever() {
        let rows: Vec<NodeKey> = ["a", "b", "c"].map(|name| NodeKey(name.into())).into();
        let mut progress = Progress::default();
        let end = (0..20).find_map(|call| {
            let page = Shown { keys: &rows, received: 3, fresh: if call == 0 { 3 } else { 0 }, whole: false, stated: None };
            match progress.take(page, None) {
                Course::On(next) => {
                    progress = next;
                    None
                }
                end => Some(end),
            }
        });
        assert!(matches!(end, Some(Course::Unproven(_, Doubt::Moved))), "{end:?}");
    }

    #[test]
    fn progress_is_small_and_survives_the_store() {
        let progress = Progress { offset: 99, edge: Some(NodeKey("7".into())), distinct: 100, ..Progress::default() };
        assert_eq!(Progress::from_stored(&progress.to_stored()), progress);
        assert_eq!(progress.to_stored().to_string(), r#"{"e":"7","n":100,"o":99}"#);
        assert_eq!(Progress::from_stored(&Value::Null), Progress::default());
    }
}
