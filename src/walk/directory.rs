//! The course of the directory: pages of all users of an account, numbered by the vendor by the size that is asked for.
//! Two pages share a row, as in any list, so that a row that slips by is noticed.

use super::{
    pass::Pass,
    verdict::{Evidence, Next, Reason},
};
use crate::model::node::NodeId;

/// Times that the directory is read in one walk, at most.
const PASSES: u32 = 3;

/// A page of the directory.
#[derive(Debug, Clone, Copy)]
pub struct DirectoryPage<'a> {
    /// Rows before it, as it was asked for.
    pub offset: u32,
    /// Rows that were asked for.
    pub limit: u32,
    /// The rows' ids in the vendor's order, stand-ins for those that could not be read.
    pub keys: &'a [NodeId],
    /// How many of those this walk had not shown before.
    pub fresh: u32,
}

impl DirectoryPage<'_> {
    fn received(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }
}

/// Where the next page begins and how long it is, so that it shows the last row read so far once more: the vendor counts pages
/// of the size that is asked for, so their size is what must give way.
#[must_use]
pub fn next_page(pass: &Pass, limit: u32) -> (u32, u32) {
    if pass.seam.is_none() {
        return (0, limit);
    }
    let last = pass.offset;
    // Rows beyond the last one on the page of this size that holds it.
    let beyond = |size: &u32| size - 1 - last % size;
    let best = (2..=limit).max_by_key(beyond).filter(|size| beyond(size) > 0);
    // Where no page shows both the last row and another one (of at most ten rows, after 2,518), the next page is all there is.
    best.map_or(((last / limit + 1) * limit, limit), |size| (last - last % size, size))
}

/// Takes a page.
pub fn take(pass: &mut Pass, page: DirectoryPage<'_>) {
    let unreadable = page.keys.iter().filter(|key| key.is_unreadable()).count();
    let unreadable = u32::try_from(unreadable).unwrap_or(u32::MAX);
    let shares = page.offset <= pass.offset;
    pass.slipped |= shares && pass.seam.as_ref().is_some_and(|seam| !page.keys.contains(seam));
    pass.shown += page.fresh + unreadable;
    pass.unreadable += unreadable;
    if let Some(last) = page.keys.last() {
        pass.offset = page.offset + page.received() - 1;
        pass.seam = Some(*last);
    }
}

/// How the directory goes on after a page that was taken. A first page shorter than asked for may be cut off by a silent cap: unless
/// everybody known was shown, pages of its length follow.
pub fn next(pass: &mut Pass, page: DirectoryPage<'_>, evidence: Evidence) -> Next {
    let Evidence { loses, lacks, knows, .. } = evidence;
    if pass.offset > 2 * pass.shown + page.limit {
        return Next::Unproven(Reason::Repeats);
    }
    let is_first = page.offset == 0 && pass.limit.is_none();
    let may_miss_some = loses || !knows;
    if is_first && may_miss_some && page.received() > 1 && page.received() < page.limit {
        pass.limit = Some(page.received());
        return Next::ReadOn;
    }
    // More than asked for: the vendor does not page.
    if page.received() == page.limit {
        return Next::ReadOn;
    }
    let may_read_again = pass.number + 1 < PASSES;
    if pass.unreadable > 0 && !(lacks && may_read_again) {
        return Next::Unproven(Reason::Unreadable);
    }
    // Who was missed twice is gone; who slipped by in each pass is not known to be there.
    let is_doubtful = lacks || (loses && pass.number == 0) || (pass.slipped && (loses || !knows));
    match (is_doubtful, may_read_again) {
        (false, _) => Next::ProvenTogether,
        (true, true) => Next::ReadAgain,
        (true, false) => Next::Unproven(Reason::Moved),
    }
}

/// The next reading. Who was shown before still counts.
#[must_use]
pub fn following(pass: &Pass) -> Pass {
    Pass { shown: pass.shown, ..pass.following() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A vendor's users: it counts pages by the size that was asked for, and may give fewer rows.
    struct Users {
        all: Vec<u32>,
        cap: usize,
        /// It ignores which page is asked for.
        repeats: bool,
        calls: u32,
        shown: HashSet<u32>,
    }

    impl Users {
        fn new(rows: u32, cap: u32) -> Self {
            Self { all: (0..rows).map(|row| row * 10).collect(), cap: cap as usize, repeats: false, calls: 0, shown: HashSet::new() }
        }

        /// Reads the directory to its end, by a mirror that knows these; between two calls something happens.
        fn read(&mut self, known: &[u32], mut meanwhile: impl FnMut(&mut Vec<u32>)) -> Next {
            let mut pass = Pass::default();
            loop {
                let (offset, limit) = next_page(&pass, pass.limit.unwrap_or(1000));
                assert_eq!(offset % limit, 0, "the vendor counts pages");
                let place = if self.repeats { 0 } else { offset as usize };
                let page: Vec<u32> = self.all.iter().skip(place).take(self.cap.min(limit as usize)).copied().collect();
                self.calls += 1;
                let fresh = page.iter().filter(|row| self.shown.insert(**row)).count();
                let keys: Vec<NodeId> = page.iter().map(|row| NodeId::Customer(i64::from(*row))).collect();
                let page = DirectoryPage { offset, limit, keys: &keys, fresh: u32::try_from(fresh).expect("small") };
                take(&mut pass, page);
                let loses = known.iter().any(|row| !self.shown.contains(row));
                match next(&mut pass, page, Evidence { loses, knows: !known.is_empty(), ..Evidence::default() }) {
                    Next::ReadOn => pass = serde_json::from_value(serde_json::json!(pass)).expect("a pass"),
                    Next::ReadAgain => pass = following(&pass),
                    end => return end,
                }
                meanwhile(&mut self.all);
            }
        }
    }

    /// The calls that a directory of so many rows at rest takes, under a silent cap, in a first walk and in a later one.
    fn calls(rows: u32, cap: u32) -> [u32; 2] {
        let mut users = Users::new(rows, cap);
        let known = users.all.clone();
        [vec![], known].map(|known| {
            (users.calls, users.shown) = (0, HashSet::new());
            assert_eq!(users.read(&known, |_| {}), Next::ProvenTogether, "{rows} rows by {cap}");
            assert_eq!(users.shown.len(), rows as usize, "{rows} rows by {cap}");
            users.calls
        })
    }

    #[test]
    fn a_directory_costs_a_call_for_a_thousand_rows() {
        for (rows, calls_of) in [(0, 1), (1, 1), (1001, 2), (2500, 3), (3400, 4), (20_000, 21)] {
            assert_eq!(calls(rows, 1000), [calls_of; 2], "{rows} rows");
        }
        // Whether anything follows a full page is not known before it is asked for.
        assert_eq!(calls(1000, 1000), [2, 2]);
    }

    #[test]
    fn a_short_first_page_is_asked_about_unless_everybody_known_is_on_it() {
        for rows in [2, 3, 500, 999] {
            assert_eq!(calls(rows, 1000), [2, 1], "{rows} rows");
        }
    }

    #[test]
    fn a_long_directory_under_a_small_cap_comes_to_its_end() {
        for (cap, rows) in [(2, 9), (7, 30), (300, 1000), (10, 3400), (10, 72), (20, 342), (50, 3400), (100, 12_000), (500, 2500)] {
            let calls = calls(rows, cap);
            assert!(calls.iter().all(|calls| *calls <= 2 * rows.div_ceil(cap)), "{rows} rows by {cap}: {calls:?} calls");
        }
    }

    #[test]
    fn rows_that_slip_over_a_seam_make_the_directory_be_read_again_and_united() {
        let mut users = Users::new(2500, 1000);
        let mut has_moved = false;
        let end = users.read(&[], |all| {
            if !std::mem::replace(&mut has_moved, true) {
                drop(all.drain(3..5));
            }
        });
        assert_eq!((end, users.shown.len()), (Next::ProvenTogether, 2500));
    }

    #[test]
    fn rows_that_come_in_before_a_seam_cost_nothing() {
        let mut users = Users::new(2500, 1000);
        users.read(&[], |all| all.insert(1, 1));
        assert!(users.shown.len() >= 2500 && users.calls == 3);
    }

    #[test]
    fn that_somebody_is_gone_is_believed_when_it_is_said_twice() {
        let mut users = Users::new(2500, 1000);
        assert_eq!(users.read(&[1], |_| {}), Next::ProvenTogether);
        assert_eq!(users.calls, 6);
    }

    #[test]
    fn a_vendor_that_gives_the_same_page_for_every_number_does_not_go_on_for_ever() {
        for (rows, cap) in [(3400, 1000), (1000, 1000), (3400, 500), (40, 10)] {
            let mut users = Users { repeats: true, ..Users::new(rows, cap) };
            assert_eq!(users.read(&[], |_| {}), Next::Unproven(Reason::Repeats));
            assert!(users.calls < 12, "{rows} by {cap}: {} calls", users.calls);
        }
    }

    #[test]
    fn a_directory_that_never_rests_proves_nothing() {
        let mut users = Users::new(2500, 1000);
        assert_eq!(users.read(&[], |all| drop(all.drain(3..5))), Next::Unproven(Reason::Moved));
    }
}
